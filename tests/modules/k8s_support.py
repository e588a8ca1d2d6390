# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the Kubernetes modules share.

``api`` is an API server that answers as a test tells it: for what a healthy cluster does not do on demand.
``cluster`` is a cluster, with kubectl as the second channel.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, conclude
from incident_runbooks.lab.binaries import find_program
from support.conformance import Server

TOKEN = "c4n4ry-api-key"


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        body: bytes as they are, anything else as JSON.
        delay_s: seconds before the first byte.
        drip_s: seconds between the bytes of the body.
        length: the Content-Length to announce; the true one unless given.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0
    drip_s: float = 0
    length: int | None = None

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def refusal(code: int, reason: str, message: str = "said the server") -> Reply:
    """Return what an API server answers when it refuses."""
    return Reply(code, {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message})


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


Answer = Reply | Mapping[str, Any] | Callable[[Asked], Any]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up: many tests are about just that."""


class Api:
    """An API server on loopback.

    Attributes:
        answers: by path; what is not there is not found.
        asked: the requests so far.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[Asked] = []
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def options(self, **given: Any) -> dict[str, Any]:
        """Return module options for this server."""
        return {"host": self.url, "api_key": TOKEN, "namespace": "shop", "request_timeout": 5, **given}

    def paths(self, method: str = "GET") -> list[str]:
        return [asked.path for asked in self.asked if asked.method == method]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Asked(self.command, parts.path, parse_qs(parts.query), dict(self.headers), body)
                api.asked.append(asked)
                answer = api.answers.get(parts.path, refusal(404, "NotFound", f"{parts.path} not found"))
                answer = answer(asked) if callable(answer) else answer
                reply = answer if isinstance(answer, Reply) else Reply(body=answer)
                api._stopping.wait(reply.delay_s)
                self.send_response(reply.status)
                kind = "text/plain" if isinstance(reply.body, bytes) else "application/json"
                for name, value in {"Content-Type": kind, **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(reply.length or len(reply.content)))
                self.end_headers()
                if reply.drip_s:
                    for byte in reply.content:
                        self.wfile.write(bytes([byte]))
                        api._stopping.wait(reply.drip_s)
                else:
                    self.wfile.write(reply.content)
                self.close_connection = reply.length is not None

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - names that http.server looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
                pass

        return Handler


@pytest.fixture
def api() -> Iterator[Api]:
    server = Api()
    yield server
    server.stop()


class KubernetesCluster:
    """A cluster.

    Attributes:
        kubeconfig: path.
        namespace: where tests work.
    """

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.kubeconfig = kubeconfig
        self.namespace = namespace

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in the namespace and return what it says."""
        program = find_program("kubectl")
        scope = ["--kubeconfig", self.kubeconfig, "--cache-dir", self.kubeconfig.parent / "kubectl"]
        done = subprocess.run(
            [program.path, *scope, "--namespace", self.namespace, *arguments],
            env={**os.environ, **program.environ},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def apply(self, manifests: list[dict[str, Any]]) -> None:
        """Create or change objects."""
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
        self.kubectl("apply", "--validate=false", "-f", "-", stdin=json.dumps(listed))

    def json(self, *arguments: str) -> Any:
        """Return what kubectl says as JSON."""
        return json.loads(self.kubectl(*arguments, "--output", "json"))

    def options(self, **given: Any) -> dict[str, Any]:
        """Return module options for this cluster."""
        return {"kubeconfig": str(self.kubeconfig), "namespace": self.namespace, **given}


@pytest.fixture(scope="session")
def lab_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A lab cluster for all tests that need one."""
    server = Server(tmp_path_factory.mktemp("kubernetes") / "cluster")
    yield server
    server.stop()


@pytest.fixture
def cluster(lab_cluster: Server) -> Iterator[KubernetesCluster]:
    """A cluster with a namespace of the test's own."""
    running = KubernetesCluster(lab_cluster.kubeconfig, f"test-{uuid.uuid4().hex[:8]}")
    running.kubectl("create", "namespace", running.namespace)
    yield running
    running.kubectl("delete", "namespace", running.namespace, "--wait=false")


def deployment(name: str = "backend", replicas: int = 2, uid: str = "d1", **spec: Any) -> dict[str, Any]:
    """Return a Deployment as an API server serves it."""
    return {
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "uid": uid, "generation": 1, "resourceVersion": "7"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"spec": {"containers": [{"name": name, "image": f"{name}:1"}]}},
            **spec,
        },
        "status": {
            "observedGeneration": 1,
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": replicas,
        },
    }


def replica_set(name: str = "backend-6f9c", owner: str = "d1", uid: str = "r1") -> dict[str, Any]:
    """Return a ReplicaSet of a Deployment."""
    reference = {"kind": "Deployment", "name": name.rpartition("-")[0], "uid": owner, "controller": True}
    return {"metadata": {"name": name, "uid": uid, "ownerReferences": [reference]}}


def pod(name: str, *, owner: str | None = "r1", node: str = "n1", restarts: int = 0, **status: Any) -> dict[str, Any]:
    """Return a ready pod."""
    references = [{"kind": "ReplicaSet", "name": "backend-6f9c", "uid": owner, "controller": True}] if owner else []
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "ownerReferences": references},
        "spec": {"nodeName": node, "containers": [{"name": "backend", "image": "backend:1"}]},
        "status": {
            "phase": "Running",
            "startTime": "2026-11-24T15:00:00Z",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "backend", "ready": True, "restartCount": restarts, "state": {"running": {}}}
            ],
            **status,
        },
    }


CORE = "/api/v1/namespaces/shop"
APPS = "/apis/apps/v1/namespaces/shop"
HPAS = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers"
METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"


def serve_backend(api: Api, pods: list[dict[str, Any]], **spec: Any) -> None:
    """Let the server have a Deployment with pods."""
    api.answers[f"{APPS}/deployments/backend"] = deployment(**spec)
    api.answers[f"{APPS}/replicasets"] = {"items": [replica_set()]}
    api.answers[f"{CORE}/pods"] = {"items": pods}
    api.answers[HPAS] = {"items": []}


def run_module(spec: ModuleSpec, options: Mapping[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    """Run a module with its defaults, as both of its edges do."""
    defaults = {name: option.get("default") for name, option in spec.argument_spec.items()}
    return conclude(spec, {**defaults, **options}, check_mode)


def until(true: Callable[[], Any], what: str, limit_s: float = 30) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, f"still waiting: {what}"
        time.sleep(0.1)
