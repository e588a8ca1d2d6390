# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes client: every way in which an answer can fail to come is told, in time, and without a secret."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
from modules.k8s_support import CORE, TOKEN, Api, Asked, Reply, api, refusal

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

__all__ = ["api"]
PODS = f"{CORE}/pods"
HANG_S = 30.0


def login(api: Api, **given: Any) -> Cluster:
    unset = dict.fromkeys(("kubeconfig", "context", "ca_cert", "rbac_role"))
    return Cluster({**unset, "validate_certs": True, **api.options(**given)})


def failure(api: Api, reply: Any, **given: Any) -> KubernetesError:
    api.answers[PODS] = reply
    with login(api, **given) as cluster, pytest.raises(KubernetesError) as raised:
        cluster.list(PODS)
    assert TOKEN not in str(raised.value) + json.dumps(raised.value.details)
    return raised.value


def test_an_object_is_asked_for_with_the_token(api: Api) -> None:
    api.answers[f"{PODS}/p"] = {"kind": "Pod"}
    with login(api) as cluster:
        assert cluster.get(f"{PODS}/p", x=True, y=None, z=["a b", "c"]) == {"kind": "Pod"}
    asked = api.asked[0]
    assert asked.headers["Authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["User-Agent"] == "incident-runbooks"
    assert asked.query == {"x": ["true"], "z": ["a b", "c"]}


def test_a_list_is_read_page_by_page(api: Api) -> None:
    def page(asked: Asked) -> Any:
        if "continue" in asked.query:
            return {"metadata": {}, "items": [3]}
        return {"metadata": {"continue": "t"}, "items": [1, 2]}

    api.answers[PODS] = page
    with login(api) as cluster:
        assert cluster.list(PODS, labelSelector="a=b") == [1, 2, 3]
    assert [asked.query["labelSelector"] for asked in api.asked] == [["a=b"]] * 2


def test_a_list_whose_continuation_expired_is_read_in_one_piece(api: Api) -> None:
    def page(asked: Asked) -> Any:
        if "continue" in asked.query:
            return refusal(410, "Expired")
        return {"items": [1, 2, 3]} if "limit" not in asked.query else {"metadata": {"continue": "t"}, "items": [1]}

    api.answers[PODS] = page
    with login(api) as cluster:
        assert cluster.list(PODS) == [1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("strategic", "application/strategic-merge-patch+json"),
        ("merge", "application/merge-patch+json"),
        ("json", "application/json-patch+json"),
        ("apply", "application/apply-patch+yaml"),
    ],
)
def test_patches_say_what_they_are(api: Api, kind: str, content_type: str) -> None:
    api.answers[f"{PODS}/p"] = {"kind": "Pod"}
    with login(api) as cluster:
        cluster.patch(f"{PODS}/p", [{"op": "test"}], kind, dryRun="All")
    asked = api.asked[0]
    assert (asked.method, asked.headers["Content-Type"]) == ("PATCH", content_type)
    assert (json.loads(asked.body), asked.query) == ([{"op": "test"}], {"dryRun": ["All"]})


@pytest.mark.parametrize(
    ("reply", "cause", "says"),
    [
        (refusal(401, "Unauthorized"), "auth", "HTTP 401"),
        (refusal(403, "Forbidden", "no"), "forbidden", "the login lacks list on pods in namespace shop"),
        (refusal(409, "Conflict"), "conflict", "HTTP 409"),
        (refusal(500, "InternalError"), "server_error", "HTTP 500"),
        (refusal(503, "ServiceUnavailable"), "unavailable", "HTTP 503"),
        (Reply(200, b"<html>", {"Content-Type": "text/html; charset=x"}), "bad_answer", "no JSON object (text/html)"),
        (Reply(200, b"[1]", {"Content-Type": "application/json"}), "bad_answer", "no JSON object"),
        (Reply(200, b"[" * 100_000), "bad_answer", "no JSON object"),
        (Reply(404, b"<html>", {"Content-Type": "text/html"}), "bad_answer", "web page"),
        (Reply(302, b"", {"Location": "https://login.example.com/"}), "redirect", "HTTP 302"),
        (Reply(200, b'{"items": [', length=5000), "connection_lost", "cut off"),
        (refusal(500, "InternalError", f"you sent Bearer {TOKEN} and {TOKEN}"), "server_error", "[masked]"),
        (Reply(500, b"x" * 10**6), "server_error", "HTTP 500"),
    ],
)
def test_answers_that_are_no_success(api: Api, reply: Reply, cause: str, says: str) -> None:
    error = failure(api, reply)
    assert error.failure.cause == cause
    assert says in error.message
    assert error.message.startswith(f"Listing pods in namespace shop on {api.url}: ")
    assert len(error.message) < 700


def test_a_redirect_is_not_followed(api: Api) -> None:
    failure(api, Reply(307, b"", {"Location": f"{api.url}/elsewhere"}))
    assert api.paths() == [PODS]


def test_the_role_that_grants_a_permission_is_named(api: Api) -> None:
    error = failure(api, refusal(403, "Forbidden"), rbac_role="pool-exhaustion-diagnose")
    assert "deploy/rbac/pool-exhaustion-diagnose.yml" in error.message
    assert error.details["denied"][0]["verb"] == "list"


@pytest.mark.parametrize("reply", [Reply(delay_s=HANG_S), Reply(200, b'{"items": []}', drip_s=0.3)])
def test_a_server_that_is_slow_costs_the_limit_and_no_more(api: Api, reply: Reply) -> None:
    started = time.monotonic()
    error = failure(api, reply, request_timeout=1)
    assert error.failure.cause == "timeout"
    assert "within 1 s" in error.message
    assert time.monotonic() - started < HANG_S / 2


def test_throttled_reads_wait_once_and_writes_never(api: Api) -> None:
    replies: list[Any] = [
        Reply(429, refusal(429, "TooManyRequests").body, {"Retry-After": "1"}),
        {"items": ["there"]},
    ]
    api.answers[PODS] = lambda _: replies.pop(0)
    with login(api) as cluster:
        assert cluster.list(PODS) == ["there"]
        replies[:] = [Reply(429, refusal(429, "TooManyRequests").body, {"Retry-After": "1"})]
        with pytest.raises(KubernetesError) as raised:
            cluster.create(PODS, {})
    assert raised.value.failure.cause == "throttled"
    assert len(api.paths("POST")) == 1


def test_a_long_pause_is_not_waited_for(api: Api) -> None:
    error = failure(api, Reply(429, refusal(429, "TooManyRequests").body, {"Retry-After": "60"}))
    assert (error.failure.cause, len(api.asked)) == ("throttled", 1)


class Dropping:
    """A server that answers one request on each connection and then drops the next without a word."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.requests.append(connection.recv(65536))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n" + b'{"items": []}')
                connection.settimeout(5)
                self.requests.append(connection.recv(65536))

    def stop(self) -> None:
        self._socket.close()


@pytest.fixture
def dropping() -> Iterator[Dropping]:
    server = Dropping()
    yield server
    server.stop()


def test_only_reads_are_sent_again_when_a_kept_connection_was_dropped(dropping: Dropping) -> None:
    unset = dict.fromkeys(("kubeconfig", "context", "ca_cert", "rbac_role", "api_key"))
    options = {**unset, "validate_certs": True, "namespace": "shop", "request_timeout": 5, "host": dropping.url}
    with Cluster(options) as cluster:
        assert cluster.list(PODS) == []
        assert cluster.list(PODS) == []  # dropped, and sent again on a new connection
        assert [request[:4] for request in dropping.requests] == [b"GET ", b"GET ", b"GET "]
        with pytest.raises(KubernetesError) as raised:
            cluster.patch(f"{PODS}/p", {})
    assert raised.value.failure.cause == "connection_lost"
    assert [request[:6] for request in dropping.requests if request[:6] == b"PATCH "] == [b"PATCH "]


@pytest.mark.parametrize(
    ("host", "cause"),
    [("https://127.0.0.1:1", "refused"), ("https://no-such-host.invalid", "dns")],
)
def test_nobody_there(api: Api, host: str, cause: str) -> None:
    with login(api, host=host) as cluster, pytest.raises(KubernetesError) as raised:
        cluster.list(PODS)
    assert raised.value.failure.cause == cause
    assert host in raised.value.message


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server that speaks TLS, and the file with its authority."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_cert = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_cert))
    server = Api()
    server.answers[PODS] = {"items": []}
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    yield server.url.replace("http:", "https:"), ca_cert
    server.stop()


def test_the_certificate_is_checked_unless_switched_off(tls_server: tuple[str, Path], api: Api) -> None:
    url, ca_cert = tls_server
    with login(api, host=url, ca_cert=str(ca_cert)) as cluster:
        assert cluster.list(PODS) == []
    with login(api, host=url, validate_certs=False) as cluster:
        assert cluster.list(PODS) == []
    with login(api, host=url) as cluster, pytest.raises(KubernetesError, match="certificate verify failed") as raised:
        cluster.list(PODS)
    assert raised.value.failure.cause == "tls"
    other_name = url.replace("127.0.0.1", "localhost")
    with login(api, host=other_name, ca_cert=str(ca_cert)) as cluster, pytest.raises(KubernetesError) as mismatch:
        cluster.list(PODS)
    assert mismatch.value.failure.cause == "tls"


def test_tls_where_there_is_none(api: Api) -> None:
    with login(api, host=api.url.replace("http:", "https:")) as cluster, pytest.raises(KubernetesError) as raised:
        cluster.list(PODS)
    assert raised.value.failure.cause == "tls"


def test_a_proxy_that_does_not_connect(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "")
    with login(api, host="https://k8s.example.com") as cluster, pytest.raises(KubernetesError) as raised:
        cluster.list(PODS)
    assert raised.value.failure.cause == "proxy"


def test_a_token_is_not_sent_where_anyone_can_read_it(api: Api) -> None:
    with pytest.raises(KubernetesError, match="is not encrypted"):
        login(api, host="http://k8s.example.com")


@pytest.mark.parametrize("token", ["new\nline", "umläut", "nul\x00"])
def test_a_token_that_cannot_be_one_is_not_quoted(api: Api, token: str) -> None:
    with login(api, api_key=token) as cluster, pytest.raises(KubernetesError) as raised:
        cluster.list(PODS)
    assert raised.value.failure.cause == "no_credentials"
    assert token not in raised.value.message
    assert api.asked == []


def test_a_line_end_after_the_token_does_not_matter(api: Api) -> None:
    api.answers[PODS] = {"items": []}
    with login(api, api_key=f"{TOKEN}\n") as cluster:
        assert cluster.list(PODS) == []
    assert api.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"


def test_many_threads_share_one_pool(api: Api) -> None:
    api.answers[PODS] = {"items": [1]}
    with login(api) as cluster, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: cluster.list(PODS), range(100))) == [[1]] * 100
        assert cluster.requests == 100


def test_streams_come_in_parts_and_break_with_a_cause(api: Api) -> None:
    log = f"{PODS}/p/log"
    api.answers[log] = Reply(200, b"one\ntwo\n\nlast")
    with login(api, request_timeout=1) as cluster:
        assert b"".join(cluster.stream(log)) == b"one\ntwo\n\nlast"
        for reply, cause in (
            (refusal(400, "BadRequest", "container is waiting"), "invalid"),
            (Reply(200, b"half", length=100), "connection_lost"),
            (Reply(200, b"x", delay_s=HANG_S), "timeout"),
        ):
            api.answers[log] = reply
            with pytest.raises(KubernetesError) as raised:
                list(cluster.stream(log))
            assert raised.value.failure.cause == cause


def test_a_stream_that_is_left_early_frees_its_connection(api: Api) -> None:
    log = f"{PODS}/p/log"
    api.answers[log] = Reply(200, b"x" * 10**6)
    with login(api) as cluster:
        for _ in range(40):  # more than the pool keeps
            next(iter(cluster.stream(log)))
        api.answers[PODS] = {"items": []}
        assert cluster.list(PODS) == []


def test_nothing_is_left_behind(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    api.answers[PODS] = {"items": []}
    with login(api) as cluster:
        cluster.list(PODS)
    with pytest.raises(IncidentsError):
        login(api, kubeconfig="/nonexistent")
    assert list(tmp_path.iterdir()) == []
