# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab cluster for all conformance tests, and a namespace for each."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes
import pytest

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.binaries import Program, find_program
from support.conformance import Api, Server, eventually
from tests.conftest import absent

Json = dict[str, Any]
Completed = subprocess.CompletedProcess[str]

# Since 1.31 kubectl speaks WebSocket for exec (KEP-4006); auth whoami came with 1.28, create token with 1.24
_CURRENT = (1, 31)


@dataclass
class Kubectl:
    """Runs kubectl in one namespace.

    Attributes:
        program: which kubectl.
        kubeconfig: which cluster and user.
        cache: folder for what it remembers of a cluster.
        namespace: where.
    """

    program: Program
    kubeconfig: Path
    cache: Path
    namespace: str

    def __call__(self, *arguments: str, stdin: Any = None, namespace: str | None = None) -> Completed:
        """Run it; *stdin* that is no text is written as JSON."""
        text = stdin if stdin is None or isinstance(stdin, str) else json.dumps(stdin)
        scope = ["--kubeconfig", str(self.kubeconfig), "--cache-dir", str(self.cache)]
        return subprocess.run(
            [str(self.program.path), *scope, "--namespace", namespace or self.namespace, *arguments],
            env={**os.environ, **self.program.environ},
            input=text or "",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def out(self, *arguments: str, stdin: Any = None) -> str:
        """Return what it prints, without the last line's end; it must succeed."""
        done = self(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip("\n")

    def get(self, *arguments: str) -> Any:
        """Return what ``kubectl get --output json`` prints."""
        return json.loads(self.out("get", *arguments, "--output", "json"))

    def refused(self, *arguments: str, stdin: Any = None, code: int = 1) -> str:
        """Return what it says to its standard error; it must fail with that exit status."""
        done = self(*arguments, stdin=stdin)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stderr.rstrip("\n")


class Space:
    """A namespace of one test, seen over plain HTTP.

    Args:
        api: as the administrator.
        name: of the namespace.
    """

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        self.name = name

    def path(self, plural: str, name: str = "", subresource: str = "") -> str:
        """Return the path of a type (``configmaps``, ``apps/v1/deployments``) or of an object in the namespace."""
        group, _, short = plural.rpartition("/")
        root = f"/apis/{group}" if group else "/api/v1"
        rest = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}/namespaces/{self.name}/{short}{rest}"

    def create(self, plural: str, obj: Json, **query: Any) -> Json:
        """Create an object and return it as the server answered it."""
        return self.api("POST", self.path(plural), obj, **query).created()

    def get(self, plural: str, name: str, subresource: str = "") -> Json:
        """Return an object."""
        return self.api("GET", self.path(plural, name, subresource)).ok()

    def list(self, plural: str, **query: Any) -> list[Json]:
        """Return the objects of a type."""
        items: list[Json] = self.api("GET", self.path(plural), **query).ok()["items"]
        return items

    def pods(self, app: str) -> list[Json]:
        """Return the pods of a workload that are not on their way out."""
        found = self.list("pods", labelSelector=f"app={app}")
        return [each for each in found if not each["metadata"].get("deletionTimestamp")]

    def ready(self, name: str) -> Json:
        """Wait until a pod is ready, and return it."""

        def look() -> Json | None:
            found = self.get("pods", name)
            conditions = {each["type"]: each["status"] for each in found["status"].get("conditions", ())}
            return found if conditions.get("Ready") == "True" else None

        found: Json = eventually(look)
        return found

    def rolled_out(self, name: str, plural: str = "apps/v1/deployments") -> Json:
        """Wait until a workload is as its spec says, and return it."""

        def look() -> Json | None:
            found = self.get(plural, name)
            spec, status = found["spec"], found["status"]
            counts = [status.get(each, 0) for each in ("replicas", "updatedReplicas", "readyReplicas")]
            seen = status.get("observedGeneration") == found["metadata"]["generation"]
            same = status.get("currentRevision") == status.get("updateRevision")  # none of both in a Deployment
            return found if seen and same and counts == [spec["replicas"]] * 3 else None

        found: Json = eventually(look)
        return found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running cluster; it must end cleanly, and without a traceback in its log."""
    running = Server(tmp_path_factory.mktemp("conformance") / "cluster")
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.said(), running.said()


@pytest.fixture(scope="session")
def api(server: Server) -> Api:
    """Plain HTTP as the administrator."""
    return server.api()


@pytest.fixture
def space(api: Api) -> Iterator[Space]:
    """A namespace, deleted after the test with all that is in it."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    api("POST", "/api/v1/namespaces", {"metadata": {"name": name}}).created()
    yield Space(api, name)
    api("DELETE", f"/api/v1/namespaces/{name}").ok()


@pytest.fixture
def namespace(space: Space) -> str:
    """Its name."""
    return space.name


@pytest.fixture(scope="session")
def _kubectl_program() -> Program:
    try:
        return find_program("kubectl")
    except RunbookError as error:
        absent(str(error))
        raise


@pytest.fixture(scope="session")
def _kubectl_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kubectl-cache")


@pytest.fixture
def kubectl(_kubectl_program: Program, _kubectl_cache: Path, server: Server, namespace: str) -> Kubectl:
    """The machine's kubectl, whatever its version."""
    return Kubectl(_kubectl_program, server.kubeconfig, _kubectl_cache, namespace)


@pytest.fixture
def current_kubectl(kubectl: Kubectl) -> Kubectl:
    """A current kubectl: where there is none, what only it can do is not tested with it."""
    version = tuple(int(part) for part in kubectl.program.version.split(".")[:2])
    if version < _CURRENT:
        pytest.skip(f"kubectl {kubectl.program.version} here; this needs 1.31 or newer")
    return kubectl


@pytest.fixture
def client(server: Server) -> Iterator[kubernetes.client.ApiClient]:
    """The official Python client, as the administrator."""
    with kubernetes.config.new_client_from_config(str(server.kubeconfig)) as found:
        yield found


@pytest.fixture
def core(client: kubernetes.client.ApiClient) -> kubernetes.client.CoreV1Api:
    """Its core API."""
    return kubernetes.client.CoreV1Api(client)
