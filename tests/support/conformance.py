# SPDX-License-Identifier: GPL-3.0-or-later
"""What the conformance tests of the lab cluster share: the server as a process, plain HTTP, manifests."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml

Json = dict[str, Any]

MERGE, STRATEGIC, JSON_PATCH, APPLY = (
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
)
_START_S = 30.0


class Answer:
    """What the API server answered.

    Attributes:
        status: of HTTP.
        headers: likewise.
        data: the body.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.data = response.data

    @property
    def json(self) -> Json:
        """The body as an object."""
        found: Json = json.loads(self.data)
        return found

    def created(self) -> Json:
        """Return the object; the server must have answered 201."""
        assert self.status == 201, self.data
        return self.json

    def ok(self) -> Json:
        """Return the object; the server must have answered 200."""
        assert self.status == 200, self.data
        return self.json

    def refused(self, code: int, reason: str | None, message: str | None = None) -> Json:
        """Return the details of a ``Status`` that must say that, in the shape that every client decodes."""
        said = self.json
        shape = {name: said.get(name) for name in ("kind", "apiVersion", "metadata", "status", "code")}
        assert shape == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}, said
        assert (self.status, said.get("reason")) == (code, reason), said
        if message is not None:
            assert said["message"] == message
        details: Json = said.get("details") or {}
        return details


class Api:
    """Plain HTTP with the API server.

    Args:
        url: of the server.
        ca: file with the certificate to trust.
        token: of the user; none for nobody.
    """

    def __init__(self, url: str, ca: Path, token: str | None) -> None:
        context = ssl.create_default_context(cafile=str(ca))
        self._pool = urllib3.PoolManager(ssl_context=context, retries=False, timeout=60)
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, path: str, body: Any = None, *, sent: str | None = None,
                 headers: Mapping[str, str] | None = None, **query: Any) -> Answer:  # fmt: skip
        """Send a request.

        Args:
            method: of HTTP.
            path: of the URL.
            body: an object, or bytes as they are.
            sent: type of the body, JSON unless said.
            headers: more of them.
            query: parameters of the URL.
        """
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"Content-Type": sent or "application/json"} if data is not None else {}
        url = self._url + path + (f"?{urlencode(query)}" if query else "")
        return Answer(self._pool.request(method, url, body=data, headers={**self._headers, **kind, **(headers or {})}))


class Server:
    """A lab cluster in a process of its own.

    Args:
        directory: its own.
        command: what to start instead of the module.
    """

    def __init__(self, directory: Path, command: Sequence[str] = ("-m", "incident_runbooks.lab.cluster")) -> None:
        self.directory = directory
        directory.mkdir(mode=0o700)
        self._log = (directory / "server.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-P", *command, "--directory", str(directory), "--port", "0"],
            env={**os.environ, "LAB_CRASH_BACKOFF_S": "0.2"},
            stdout=subprocess.PIPE,
            stderr=self._log,
        )
        assert self._process.stdout is not None
        bound = threading.Timer(_START_S, self._process.kill)  # then nothing can be read
        bound.start()
        line = self._process.stdout.readline().decode()
        bound.cancel()
        assert line.startswith("ready "), f"no cluster: {self.said()}"
        self.url = line.split()[1]
        self.kubeconfig = directory / "kubeconfig"
        self.ca = directory / "ca.pem"
        self.audit_log = directory / "audit.jsonl"

    @property
    def token(self) -> str:
        """The administrator's."""
        return str(yaml.safe_load(self.kubeconfig.read_text())["users"][0]["user"]["token"])

    def api(self, token: str | None = None) -> Api:
        """Return plain HTTP as the administrator, or as another user."""
        return Api(self.url, self.ca, token or self.token)

    def anonymous(self) -> Api:
        """Return plain HTTP without a token."""
        return Api(self.url, self.ca, None)

    def said(self) -> str:
        """Return what the process wrote to its standard error."""
        return (self.directory / "server.log").read_text(errors="replace")

    def stop(self) -> int:
        """End the process and return its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(_START_S)
        finally:
            self._process.kill()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._log.close()


def eventually(check: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Return the first true value of *check*; the time only bounds a hang."""
    end = time.monotonic() + timeout_s
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"not within {timeout_s} s; last seen: {found!r}"
        time.sleep(0.05)


# Manifests


def config_map(name: str, data: Mapping[str, str] | None = None, **metadata: Any) -> Json:
    """Return a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, **metadata},
        "data": dict(data or {"colour": "blue"}),
    }


def container(script: str = "exec sleep 1000", name: str = "main", **spec: Any) -> Json:
    """Return a container that runs a script of the shell."""
    return {"name": name, "image": "registry.example/app:1", "command": ["sh", "-c", script], **spec}


def pod_spec(*containers: Json, **spec: Any) -> Json:
    """Return the spec of a pod."""
    return {"containers": list(containers or (container(),)), "terminationGracePeriodSeconds": 1, **spec}


def pod(name: str, *containers: Json, labels: Mapping[str, str] | None = None, **spec: Any) -> Json:
    """Return a Pod."""
    metadata = {"name": name, "labels": dict(labels or {"app": name})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(*containers, **spec)}


def deployment(name: str = "web", replicas: int = 1, *containers: Json, pod_options: Json | None = None,
               **spec: Any) -> Json:  # fmt: skip
    """Return a Deployment."""
    return _workload("Deployment", name, replicas, containers, pod_options, spec)


def stateful_set(name: str = "db", replicas: int = 2, *containers: Json, **spec: Any) -> Json:
    """Return a StatefulSet."""
    return _workload("StatefulSet", name, replicas, containers, None, {"serviceName": name, **spec})


def _workload(kind: str, name: str, replicas: int, containers: Sequence[Json], pod_options: Json | None,
              spec: Json) -> Json:  # fmt: skip
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec(*containers, **(pod_options or {}))}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


def surge(most: int | str, unavailable: int | str) -> Json:
    """Return the strategy of a rolling update."""
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": most, "maxUnavailable": unavailable}}


def budget(name: str, at_least: int) -> Json:
    """Return a PodDisruptionBudget for the pods of the workload with that name."""
    spec = {"minAvailable": at_least, "selector": {"matchLabels": {"app": name}}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec}
