# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_exec_job against a cluster whose pods are processes, and against a server that breaks off on demand."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from modules.k8s_support import (
    CORE,
    TOKEN,
    Api,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    pod,
    refusal,
    run_module,
    serve_backend,
)

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_exec import (
    ExecResult,
    run_command,
)
from ansible_collections.brandconnect.incidents.plugins.modules.k8s_exec_job import SPEC

__all__ = ["api", "cluster"]

RUNS = ["sleep", "100000"]
SUCCESS = {"metadata": {}, "status": "Success"}


@pytest.fixture
def worker(cluster: KubernetesCluster) -> KubernetesCluster:
    container = {"name": "worker", "image": "registry.example.com/worker:1", "command": RUNS}
    template = {
        "metadata": {"labels": {"app": "worker"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    cluster.apply(
        [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "worker"},
                "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "worker"}}, "template": template},
            }
        ]
    )
    cluster.kubectl("rollout", "status", "deployment/worker", "--timeout=30s")
    return cluster


def job(cluster: KubernetesCluster, *command: str, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    options = {
        "name": "worker",
        "command": list(command),
        "arguments": [],
        "allowed": ["sh", "missing-program"],
        **given,
    }
    return run_module(SPEC, cluster.options(**options), check_mode=check_mode)


def test_outputs_are_separate_and_the_exit_code_is_the_commands(worker: KubernetesCluster) -> None:
    result = job(worker, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result["status"], result["exit_code"], result["changed"]) == ("failed", 3, True)
    assert (result["stdout"], result["stderr"]) == ("out\n", "err\n")
    assert result["reason"] == "it ended with exit code 3: err"


def test_arguments_reach_the_program_as_they_are(worker: KubernetesCluster) -> None:
    script = 'for each in "$@"; do printf "[%s]" "$each"; done'
    result = job(worker, "sh", "-c", script, "name", arguments=["a b", "", "--since=1h", "$(id)", "ü&=?#"])
    assert result["stdout"] == "[a b][][--since=1h][$(id)][ü&=?#]"
    assert result["status"] == "done"


def test_it_runs_in_a_pod_of_the_workload_and_is_seen_there(worker: KubernetesCluster) -> None:
    result = job(worker, "sh", "-c", "echo $HOSTNAME > ran; echo '{\"done\": true}'", expect_json=True)
    assert (result["status"], result["json"]) == ("done", {"done": True})
    assert worker.kubectl("exec", result["pod"], "--", "cat", "ran").strip() == result["pod"]


def test_check_mode_runs_nothing(worker: KubernetesCluster) -> None:
    result = job(worker, "sh", "-c", "touch ran", check_mode=True)
    assert (result["status"], result["changed"]) == ("planned", True)
    assert result["argv"] == ["sh", "-c", "touch ran"]
    assert result["targets"] == job(worker, "sh", "-c", "touch ran", check_mode=True)["targets"]
    listed = [worker.kubectl("exec", name, "--", "ls") for name in pod_names(worker)]
    assert not any("ran" in each for each in listed)
    done = job(worker, "sh", "-c", "touch ran", targets=result["targets"])
    assert done["status"] == "done"
    assert "ran" in worker.kubectl("exec", done["pod"], "--", "ls")
    other = job(worker, "sh", "-c", "touch other", targets=result["targets"])
    assert (other["status"], other["refusal"]) == ("refused", "plan_changed")


def pod_names(cluster: KubernetesCluster) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.json("get", "pods", "-l", "app=worker")["items"]]


def test_a_job_that_does_not_end_is_unknown_and_soon(worker: KubernetesCluster) -> None:
    started = time.monotonic()
    result = job(worker, "sh", "-c", "echo begun; sleep 60", timeout_s=1)
    assert time.monotonic() - started < 10
    assert (result["status"], result["exit_code"], result["changed"]) == ("unknown", None, True)
    assert result["stdout"] == "begun\n"
    assert "the command may go on" in result["reason"]


def test_a_program_that_is_not_there(worker: KubernetesCluster) -> None:
    result = job(worker, "missing-program")
    assert (result["status"], result["exit_code"]) == ("failed", None)
    assert "it could not be started" in result["reason"]


def test_without_the_json_that_it_owes_it_has_failed(worker: KubernetesCluster) -> None:
    result = job(worker, "sh", "-c", "echo all good", expect_json=True)
    assert (result["status"], result["exit_code"], result["json"]) == ("failed", 0, None)
    assert result["reason"] == "it ended with exit code 0, but the output is no JSON"


def test_much_output_is_cut_and_said_to_be(worker: KubernetesCluster) -> None:
    result = job(worker, "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x")
    assert result["status"] == "done"
    assert result["truncated"] == ["stdout"]
    assert len(result["stdout"]) <= 4096


def test_secrets_in_the_output_are_masked(worker: KubernetesCluster) -> None:
    result = job(worker, "sh", "-c", "echo password=hunter2; echo password=hunter2 >&2; exit 1")
    assert "hunter2" not in json.dumps({**result, "argv": [], "targets": []})


def test_without_a_ready_pod_nothing_runs(worker: KubernetesCluster) -> None:
    worker.kubectl("scale", "deployment/worker", "--replicas=0")
    worker.kubectl("wait", "--for=delete", "pod", "-l", "app=worker", "--timeout=30s")
    result = job(worker, "sh", "-c", "true")
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "no_ready_pod", False)


# what a healthy cluster does not do on demand


def served(api: Api, **given: Any) -> dict[str, Any]:
    serve_backend(api, [pod("a")])
    options = {"name": "backend", "command": ["sh"], "arguments": [], "allowed": ["sh"], **given}
    return run_module(SPEC, api.options(**options))


@pytest.mark.parametrize("verb", ["create", "get"])
def test_a_missing_permission_names_the_verb_that_the_server_checks(api: Api, verb: str) -> None:
    text = f'pods "a" is forbidden: User "x" cannot {verb} resource "pods/exec" in API group "" in the namespace "shop"'
    api.answers[f"{CORE}/pods/a/exec"] = refusal(403, "Forbidden", text)
    result = served(api, rbac_role="metric-lag-remediate")
    assert (result["failed"], result["changed"], result["status"]) == (True, False, "failed")
    (denied,) = result["denied"]
    assert (denied["verb"], denied["resource"], denied["subresource"]) == (verb, "pods", "exec")
    assert f"lacks {verb} on pods/exec" in result["hint"]
    assert "deploy/rbac/metric-lag-remediate.yml" in result["hint"]


def test_the_options_that_are_not_allowed_ask_nobody(api: Api) -> None:
    result = served(api, command=["rm", "-r"])
    assert (result["status"], result["refusal"]) == ("refused", "not_allowed")
    assert api.asked == []


def test_no_upgrade_is_no_success(api: Api) -> None:
    api.answers[f"{CORE}/pods/a/exec"] = {"kind": "Status", "status": "Success"}
    assert served(api)["failed"] is True


def test_a_redirect_does_not_take_the_token_elsewhere(api: Api) -> None:
    elsewhere = Api()
    path = f"{CORE}/pods/a/exec"
    api.answers[path] = Reply(302, b"", {"Location": f"{elsewhere.url}{path}"})
    try:
        result = served(api)
        assert elsewhere.asked == []
    finally:
        elsewhere.stop()
    assert (result["failed"], result["cause"]) == (True, "redirect")


class Kubelet:
    """Upgrades one connection to WebSocket and then does as told."""

    def __init__(self, behaviour: Callable[[socket.socket], None]) -> None:
        self._behaviour = behaviour
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.request = ""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            while "\r\n\r\n" not in self.request:
                self.request += connection.recv(65536).decode()
            headers = dict(line.split(": ", 1) for line in self.request.split("\r\n")[1:] if ": " in line)
            magic = headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455
            accept = base64.b64encode(hashlib.sha1(magic.encode(), usedforsecurity=False).digest()).decode()
            answer = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
            answer += [f"Sec-WebSocket-Accept: {accept}", "Sec-WebSocket-Protocol: v4.channel.k8s.io", "", ""]
            connection.sendall("\r\n".join(answer).encode())
            self._behaviour(connection)

    def stop(self) -> None:
        self._listening.close()
        self._thread.join(10)


def frame(data: bytes, opcode: int = 2) -> bytes:
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
    return bytes([0x80 | opcode]) + length + data


def channel(number: int, content: Any) -> bytes:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return frame(bytes([number]) + data)


CLOSE = frame(struct.pack(">H", 1000), opcode=8)
Against = Callable[..., ExecResult]


@pytest.fixture
def against() -> Iterator[Against]:
    """Run a command against a server that does as told after the upgrade."""
    running: list[Kubelet] = []

    def run(behaviour: Callable[[socket.socket], None], timeout_s: float = 10, **limits: Any) -> ExecResult:
        running.append(Kubelet(behaviour))
        options = {"host": running[-1].url, "api_key": TOKEN, "namespace": "shop", "request_timeout": 2}
        with Cluster({"validate_certs": True, **options}) as there:
            return run_command(there, "a", "app", ["sh", "-c", "x y"], timeout_s, **limits)

    run.running = running  # type: ignore[attr-defined]  # the tests look at the request
    yield run
    for kubelet in running:
        kubelet.stop()


def sends(*frames: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(b"".join(frames))


@pytest.mark.parametrize(
    ("frames", "status", "exit_code"),
    [
        ([channel(1, b"out"), channel(3, SUCCESS), CLOSE], "succeeded", 0),
        ([channel(1, b"out"), channel(3, SUCCESS)], "succeeded", 0),  # the connection breaks after the status
        ([channel(1, b"out"), CLOSE], "unknown", None),
        ([channel(1, b"out")], "unknown", None),
        ([channel(1, b"out"), channel(3, b""), CLOSE], "unknown", None),
        ([channel(1, b"out"), channel(3, b"{"), CLOSE], "unknown", None),
        ([channel(1, b"out"), frame(b""), frame(b"ping", 9), channel(3, SUCCESS), CLOSE], "succeeded", 0),
    ],
)
def test_only_the_status_says_how_it_ended(
    against: Against, frames: list[bytes], status: str, exit_code: int | None
) -> None:
    result = against(sends(*frames))
    assert (result.exit.status, result.exit.exit_code) == (status, exit_code)
    assert bytes(result.stdout.data) == b"out"
    assert result.protocol == "v4.channel.k8s.io"


def test_an_endless_output_neither_blocks_nor_fills_the_memory(against: Against) -> None:
    def chatter(connection: socket.socket) -> None:
        try:
            while True:
                connection.sendall(channel(1, b"x" * 30_000))
        except OSError:
            pass

    result = against(chatter, timeout_s=1, stdout_limit=1000)
    assert result.exit.status == "unknown"
    assert "did not end within 1 s" in str(result.exit.message)
    assert (len(result.stdout.data), result.stdout.truncated) == (1000, True)
    assert result.stdout.total > 30_000


def test_a_status_without_a_close_is_not_waited_on_for_long(against: Against) -> None:
    done = threading.Event()

    def lingers(connection: socket.socket) -> None:
        connection.sendall(channel(3, SUCCESS))
        done.wait(20)

    started = time.monotonic()
    result = against(lingers, timeout_s=60)
    done.set()
    assert time.monotonic() - started < 15
    assert result.exit.status == "succeeded"


def test_no_input_no_terminal_and_the_token_in_the_header(against: Against) -> None:
    against(sends(channel(3, SUCCESS), CLOSE))
    (kubelet,) = against.running  # type: ignore[attr-defined]
    target = kubelet.request.split(" ")[1]
    assert target.startswith("/api/v1/namespaces/shop/pods/a/exec?")
    assert "command=sh&command=-c&command=x+y" in target
    assert "stdin=false&stdout=true&stderr=true&tty=false" in target
    assert TOKEN not in target
    assert f"Authorization: Bearer {TOKEN}" in kubelet.request
    assert "Sec-WebSocket-Protocol: v5.channel.k8s.io,v4.channel.k8s.io" in kubelet.request


def test_nobody_listens() -> None:
    options = {"host": "http://127.0.0.1:1", "api_key": TOKEN, "namespace": "shop", "request_timeout": 2}
    with Cluster({"validate_certs": True, **options}) as there, pytest.raises(KubernetesError) as caught:
        run_command(there, "a", "app", ["true"], 5)
    assert caught.value.failure.cause == "refused"
    assert "Running a command in the pod a in namespace shop" in caught.value.message
