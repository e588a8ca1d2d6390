# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a service or the network does, each module that sends says what happened, in time, without a secret."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from modules.k8s_support import Reply
from modules.sending_support import (
    API_KEY,
    LIMIT_S,
    ROUTING_KEY,
    SECRETS,
    SENDERS,
    TOKEN,
    WEBHOOK_KEY,
    Modules,
    Service,
    failed,
    hang_up,
    modules,
    send,
    service,
)

from support.communications import Communications, communications, communications_part

__all__ = ["communications", "communications_part", "modules", "service"]
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
HANG_S = 30.0
ADDRESS_OPTIONS = {sender: "webhook_url" if sender == "webhook" else "api_url" for sender in SENDERS}

everyone = pytest.mark.parametrize("sender", SENDERS)


@everyone
def test_check_mode_sends_nothing(sender: str, modules: Modules) -> None:
    result = modules.run(sender, check_mode=True)
    assert (result["status"], result["changed"]) == ("planned", True)
    assert result["payload"]
    assert modules.communications.requests() == []


@everyone
def test_what_is_planned_is_what_is_sent(sender: str, modules: Modules) -> None:
    planned = modules.run(sender, check_mode=True)["payload"]
    done = modules.run(sender)
    assert done.get("payload") == planned, done
    (sent,) = modules.communications.sent()
    assert {name: value for name, value in sent["body"].items() if name != "routing_key"} == planned


@everyone
def test_a_missing_login_is_not_configured(sender: str, service: Service) -> None:
    login = {"slack": "token", "webhook": "webhook_url", "event": "routing_key"}.get(sender, "api_key")
    for check_mode in (False, True):
        error = failed(send(sender, service.url, check_mode=check_mode, **{login: ""}), "not_configured")
        assert login in error["msg"]
        assert error["may_have_happened"] is False
    assert service.asked == []


@everyone
@pytest.mark.parametrize(
    "address",
    [
        "http://hooks.example.com/services/c4n4ry",
        "http://127.0.0.1.example.com/c4n4ry",
        "http://user:c4n4ry@127.0.0.1/x",
        "https://user:c4n4ry@example.com/x",
        "https://example.com/x?c4n4ry",
        "https://example.com/x#c4n4ry",
        "http://127.0.0.1\\@example.com/c4n4ry",
        "https://example.com/\nc4n4ry",
        "https://example.com:c4n4ry/x",
        "https:///c4n4ry",
        "ftp://127.0.0.1/c4n4ry",
        "file:///c4n4ry",
        "c4n4ry",
        "https://[c4n4ry/x",
        "https://example.com/" + "c4n4ry" * 1000,
    ],
)
def test_addresses_to_which_no_secret_goes(sender: str, address: str) -> None:
    for check_mode in (False, True):
        result = send(sender, "http://127.0.0.1:1", check_mode=check_mode, **{ADDRESS_OPTIONS[sender]: address})
        assert ADDRESS_OPTIONS[sender] in failed(result, "invalid")["msg"]
        assert "c4n4ry" not in json.dumps(result)


@everyone
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "[::1]"])
def test_loopback_needs_no_tls(sender: str, host: str) -> None:
    assert send(sender, f"http://{host}:1", check_mode=True)["status"] == "planned"


@everyone
def test_a_limit_below_a_second_makes_no_sense(sender: str) -> None:
    assert "timeout" in failed(send(sender, "http://127.0.0.1:1", timeout=0), "invalid")["msg"]


# the reply, its cause, and whether what was sent may have happened
SHAPES: dict[str, tuple[Any, str, bool]] = {
    "a web page": (Reply(200, b"<html>Log in</html>", HTML), "no_answer", True),
    "an error page": (Reply(502, b"<html>Bad gateway</html>", HTML), "server_error", True),
    "503": (Reply(503, b"", {"Retry-After": "7"}), "server_error", False),
    "504": (Reply(504, b"upstream request timeout"), "server_error", True),
    "half a document": (Reply(200, b'{"ok": tr', JSON), "no_answer", True),
    "an answer cut off": (Reply(200, b'{"ok": true', JSON, length=5000), "no_answer", True),
    "no answer": (hang_up, "no_answer", True),
    "an empty answer": (Reply(200, b"", JSON), "no_answer", True),
    "5 MB": (Reply(200, b'{"x": "' + b"x" * 5_000_000 + b'"}', JSON), "no_answer", True),
    "deep nesting": (Reply(200, b"[" * 200_000, JSON), "no_answer", True),
    "another document": (Reply(200, {"hello": "world"}), "no_answer", True),
    "a number": (Reply(200, b"1", JSON), "no_answer", True),
    "throttled": (Reply(429, b"", {"Retry-After": "7"}), "throttled", False),
    "unauthorised": (Reply(401, b"no"), "invalid_auth", False),
    "forbidden": (Reply(403, b"no"), "not_permitted", False),
    "nothing there": (Reply(404, b"no"), "not_found", False),
    "too slow": (Reply(delay_s=HANG_S), "timeout", True),
    "byte by byte": (Reply(200, b'{"ok": true}', JSON, drip_s=1), "timeout", True),
}


@everyone
@pytest.mark.parametrize("shape", SHAPES)
def test_answers_that_are_none(sender: str, shape: str, service: Service) -> None:
    reply, cause, doubt = SHAPES[shape]
    service.says(reply)
    started = time.monotonic()
    error = failed(send(sender, service.url, timeout=1 if cause == "timeout" else LIMIT_S), cause)
    assert time.monotonic() - started < HANG_S / 2
    assert error["may_have_happened"] is (doubt and SENDERS[sender][2])
    assert f" at {service.url}: " in error["msg"]
    headers = reply.headers if isinstance(reply, Reply) else {}
    assert error["retry_after_s"] == (7.0 if "Retry-After" in headers else None)
    assert len(service.asked) == 1, "nothing is sent twice"
    assert ("larger than 4 MiB" in error["msg"]) is (shape == "5 MB")


@everyone
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(sender: str, status: int, service: Service) -> None:
    service.says(Reply(status, b"", {"Location": f"{service.url}/elsewhere"}))
    error = failed(send(sender, service.url), "invalid")
    assert error["status_code"] == status
    assert len(service.asked) == 1


@everyone
def test_a_service_that_is_down(sender: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        error = failed(send(sender, url), "refused")
    assert error["may_have_happened"] is False


@everyone
def test_a_name_that_nobody_knows(sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failed(send(sender, "https://slack.example.com"), "dns")
    assert error["may_have_happened"] is False


@everyone
def test_what_was_given_up_before_it_left_never_leaves(
    sender: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, resolved = socket.getaddrinfo, threading.Event()

    def slow(*arguments: Any, **options: Any) -> Any:
        time.sleep(2)
        resolved.set()
        return resolve(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    error = failed(send(sender, service.url, timeout=1), "timeout")
    assert error["may_have_happened"] is False
    assert resolved.wait(10)
    time.sleep(0.3)
    assert service.asked == []


def tls(service: Service) -> trustme.CA:
    """Put the server behind TLS, with an authority of its own."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    service._server.socket = context.wrap_socket(service._server.socket, server_side=True)
    return authority


@everyone
def test_a_certificate_that_nobody_vouches_for(sender: str, service: Service) -> None:
    tls(service)
    error = failed(send(sender, service.url.replace("http://127.0.0.1", "https://localhost")), "tls")
    assert "certificate" in error["msg"]
    assert error["may_have_happened"] is False
    assert service.asked == []


@everyone
def test_an_authority_of_ones_own(
    sender: str, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls(service).cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    url = service.url.replace("http://127.0.0.1", "https://localhost")
    service.says(Reply(404, b"no"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    failed(send(sender, url), "not_found")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
    assert "REQUESTS_CA_BUNDLE" in failed(send(sender, url), "tls")["msg"]
    assert len(service.asked) == 1


@everyone
def test_loopback_is_never_asked_through_a_proxy(
    sender: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    service.says(Reply(404, b"no"))
    failed(send(sender, service.url), "not_found")
    assert len(service.asked) == 1


@everyone
def test_a_proxy_counts_for_the_rest(sender: str, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, service.url.replace("http://", "http://c4n4ry:c4n4ry@"))
    error = failed(send(sender, "https://slack.example.com"), "no_answer")
    assert "HTTPS_PROXY" in error["msg"]
    assert "c4n4ry" not in json.dumps(error)
    assert error["may_have_happened"] is False


@everyone
def test_a_login_of_netrc_is_not_used(
    sender: str, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    service.says(Reply(404, b"no"))
    failed(send(sender, service.url), "not_found")
    header = service.asked[0].headers.get("Authorization", "")
    assert header == {
        "slack": f"Bearer {TOKEN}",
        "webhook": "",
        "event": "",
        "incident": f"Token token={API_KEY}",
    }.get(sender, f"OAuth {API_KEY}")


ECHOES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "quoted": lambda secret: quote(secret, safe=""),
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "in an address": lambda secret: f"https://hooks.slack.com/services/T0/B0/{secret}",
}


@everyone
@pytest.mark.parametrize("echo", ECHOES)
def test_a_service_that_quotes_secrets(sender: str, echo: str, service: Service) -> None:
    own = {"slack": TOKEN, "webhook": WEBHOOK_KEY, "event": ROUTING_KEY}.get(sender, API_KEY)
    quoted = ECHOES[echo](own)
    for body in (
        {"ok": False, "error": quoted, "message": quoted, "errors": [quoted]},
        {"ok": False, "error": "missing_scope", "needed": quoted},
        {"error": {"message": quoted, "code": 1, "errors": [quoted]}},
        {"error": [quoted]},
        quoted,
    ):
        content = body.encode() if isinstance(body, str) else body
        for status in (200, 400):
            service.says(Reply(status, content))
            result = send(sender, service.url)
            assert result["failed"] is True
            assert quoted not in json.dumps(result, ensure_ascii=False)


@pytest.mark.parametrize("sender", sorted(SENDERS.keys() - {"webhook"}))  # whose address is checked as one
@pytest.mark.parametrize("wrong", ["xoxb c4n4ry", "c4n4ry\r\nX-Injected: 1", "c4n4rý"])
def test_a_key_that_cannot_travel(sender: str, wrong: str, service: Service) -> None:
    login = {"slack": "token", "event": "routing_key"}.get(sender, "api_key")
    error = failed(send(sender, service.url, **{login: wrong}), "invalid_auth")
    assert "c4n4r" not in json.dumps(error)
    assert service.asked == []


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("down", "server_error"), ("rate-limited", "throttled"), ("invalid-auth", "invalid_auth"), ("timeout", "timeout")],
)
@everyone
def test_faults_of_the_services(sender: str, fault: str, cause: str, modules: Modules) -> None:
    vendor = {"slack": "slack", "webhook": "slack", "event": "pagerduty", "incident": "pagerduty"}
    with modules.communications.broken(f"{vendor.get(sender, 'statuspage')}-{fault}"):
        error = failed(modules.run(sender, timeout=1 if fault == "timeout" else LIMIT_S), cause)
    assert error["may_have_happened"] is (fault == "timeout" and SENDERS[sender][2])
    if fault == "rate-limited" and sender != "event":  # the Events API does not say how long
        assert error["retry_after_s"] == 2.0


def test_loading_the_modules_loads_no_client_library() -> None:
    """Ansible loads action plugins in runs that send nothing; the libraries cost more than all the rest of a run."""
    names = [spec.run.__module__.rpartition(".")[2] for spec, _, _ in SENDERS.values()]
    actions = "".join(
        f"import ansible_collections.brandconnect.incidents.plugins.action.{name}\n" for name in sorted(set(names))
    )
    code = f"import sys\n{actions}print([name for name in ('requests', 'slack_sdk', 'urllib3') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"


def test_secrets_of_the_tests_are_those_of_the_senders(communications: Communications) -> None:
    """The search for secrets searches for something."""
    assert all(secret in json.dumps([options("x") for _, options, _ in SENDERS.values()]) for secret in SECRETS)
    assert communications.requests() == []
