# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster without its API: store, controllers and node in one loop, with real processes."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import psutil

from incident_runbooks.lab.cluster import controllers
from incident_runbooks.lab.cluster.cluster import Cluster, LogOptions
from incident_runbooks.lab.cluster.resources import (
    DEPLOYMENTS,
    EVENTS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Resource,
)
from incident_runbooks.lab.cluster.runtime.kubelet import LocalKubelet
from incident_runbooks.lab.cluster.writes import defaults

Json = dict[str, Any]

NAMESPACE = "shop"
FOREVER = ["sleep", "1d"]
PATIENCE_S = 20.0


class Running:
    """A cluster that runs.

    Attributes:
        cluster: it.
        store: its objects.
        kubelet: its node.
    """

    def __init__(self, directory: Path) -> None:
        self.cluster = Cluster(directory)
        self.store = self.cluster.store
        self.kubelet = LocalKubelet(self.cluster)
        self.cluster.kubelet = self.kubelet

    # Writing

    def create(self, resource: Resource, name: str, **fields: Any) -> Json:
        """Create an object as the API does."""
        metadata = {"name": name, **fields.pop("metadata", {})}
        if resource.namespaced:
            metadata.setdefault("namespace", NAMESPACE)
        return self.store.create(resource, defaults.apply(resource, {"metadata": metadata, **fields}))

    def pod(self, name: str, *containers: Json, labels: Json | None = None, **spec: Any) -> Json:
        """Create a pod."""
        return self.create(PODS, name, metadata={"labels": labels or {}}, spec={"containers": list(containers), **spec})

    def deployment(
        self, name: str, container: Json, *, replicas: int = 1, pod: Json | None = None, **spec: Any
    ) -> Json:
        """Create a Deployment whose pods have the label app."""
        return self.create(DEPLOYMENTS, name, spec=_workload(name, container, replicas, pod) | spec)

    def stateful_set(self, name: str, container: Json, *, replicas: int = 1, **spec: Any) -> Json:
        """Create a StatefulSet whose pods have the label app."""
        whole = _workload(name, container, replicas, None) | {"serviceName": name} | spec
        return self.create(STATEFUL_SETS, name, spec=whole)

    def change(self, resource: Resource, name: str, alter: Callable[[Json], Any]) -> Json:
        """Change an object as a patch does."""
        changed = copy.deepcopy(self.store.get(resource, NAMESPACE, name))
        alter(changed)
        return self.store.update(resource, changed)

    def template(self, resource: Resource, name: str, **container: Any) -> Json:
        """Change the container of a workload's template."""
        return self.change(
            resource, name, lambda each: each["spec"]["template"]["spec"]["containers"][0].update(container)
        )

    # Looking

    def find(self, resource: Resource, name: str) -> Json | None:
        """Return an object, or ``None``."""
        return self.store.find(resource, NAMESPACE, name)

    def get(self, resource: Resource, name: str) -> Json:
        """Return an object."""
        return self.store.get(resource, NAMESPACE, name)

    def pods(self, app: str | None = None) -> list[Json]:
        """Return the pods, or those of a workload, that are not being deleted."""
        return [
            pod
            for pod in self.store.all(PODS, NAMESPACE)
            if (app is None or pod["metadata"]["labels"].get("app") == app)
            and not pod["metadata"].get("deletionTimestamp")
        ]

    def sets(self) -> list[Json]:
        """Return the ReplicaSets, by revision."""
        return sorted(
            self.store.all(REPLICA_SETS, NAMESPACE),
            key=lambda each: int(each["metadata"]["annotations"]["deployment.kubernetes.io/revision"]),
        )

    def events(self, reason: str, about: str | None = None) -> list[Json]:
        """Return the events with that reason, about that object."""
        return [
            event
            for event in self.store.all(EVENTS)
            if event["reason"] == reason and (about is None or event["involvedObject"]["name"] == about)
        ]

    def state(self, pod: str, container: int = 0) -> Json:
        """Return the status of a container."""
        statuses = (self.find(PODS, pod) or {}).get("status", {}).get("containerStatuses") or [{}]
        found: Json = statuses[container] if container < len(statuses) else {}
        return found

    async def until(self, condition: Callable[[], Any], what: str = "it") -> Any:
        """Wait until a condition holds; looked at whenever an object changes, and now and then."""
        changed = asyncio.Event()
        self.store.on_change(lambda _: changed.set())
        async with asyncio.timeout(PATIENCE_S):
            try:
                while not (found := condition()):
                    changed.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(changed.wait(), 0.1)
            except asyncio.CancelledError:
                raise AssertionError(f"{what} did not come about") from None
        return found

    async def ready(self, pod: str) -> Json:
        """Wait until a pod is ready, and return it."""
        await self.until(lambda: self.state(pod).get("ready"), f"{pod} is not ready")
        return self.get(PODS, pod)

    async def logs(self, pod: str, container: str | None = None, **options: Any) -> str:
        """Return a container's log."""
        chunks = [chunk async for chunk in self.kubelet.logs(self.get(PODS, pod), container, LogOptions(**options))]
        return b"".join(chunks).decode()

    async def said(self, pod: str, text: str) -> None:
        """Wait until a pod has written something to its log."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in await self.logs(pod):
                await asyncio.sleep(0.02)

    async def exec(
        self, pod: str, *command: str, stdin: bytes | None = None, tty: bool = False
    ) -> tuple[int | None, str, str]:
        """Run a command in a pod; return exit code, standard output and error."""
        session = await self.kubelet.exec(
            self.get(PODS, pod), None, list(command), stdin=stdin is not None, stdout=True, stderr=True, tty=tty
        )
        if stdin is not None:
            await session.write_stdin(stdin)
            await session.close_stdin()
        output = {1: b"", 2: b""}
        while (got := await session.read()) is not None:
            output[got[0]] += got[1]
        return session.exit_code, output[1].decode(), output[2].decode()

    def processes(self) -> list[psutil.Process]:
        """Return what runs in the cluster's directory."""
        found = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                alive = process.status() != psutil.STATUS_ZOMBIE
                if alive and Path(process.cwd()).is_relative_to(self.cluster.directory):
                    found.append(process)
        return found


@contextlib.asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Running]:
    """A cluster with one namespace, until the end of the block."""
    started = Running(directory)
    started.store.create(NAMESPACES, defaults.apply(NAMESPACES, {"metadata": {"name": NAMESPACE}}))
    tasks = controllers.start(started.cluster)
    await started.kubelet.start()
    try:
        yield started
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await started.kubelet.stop()


def in_cluster(scenario: Callable[[Running], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Make a test of a scenario: it gets a cluster of its own."""

    async def play(directory: Path) -> None:
        async with running(directory) as cluster:
            await scenario(cluster)

    @functools.wraps(scenario)
    def test(tmp_path: Path) -> None:
        asyncio.run(play(tmp_path))

    test.__dict__.pop("__wrapped__")  # pytest would see the scenario's arguments
    return test


def container(command: list[str] | None = None, **fields: Any) -> Json:
    """A container named web, that sleeps unless told otherwise."""
    return {"name": "web", "image": "shop/web:1", "command": FOREVER if command is None else command, **fields}


def shell(script: str, **fields: Any) -> Json:
    """A container that runs a script."""
    return container(["sh", "-c", script], **fields)


def condition(each: Json, kind: str) -> Json:
    """Return a condition of an object, empty if it has none such."""
    conditions = (each.get("status") or {}).get("conditions") or ()
    return next((found for found in conditions if found["type"] == kind), {})


def is_rolled_out(cluster: Running, name: str) -> bool:
    """Whether a Deployment has what kubectl rollout status waits for."""
    deployment = cluster.get(DEPLOYMENTS, name)
    wanted, status = deployment["spec"]["replicas"], deployment.get("status") or {}
    return (
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and all(status.get(key, 0) == wanted for key in ("updatedReplicas", "replicas", "availableReplicas"))
        and condition(deployment, "Progressing").get("reason") in (None, "NewReplicaSetAvailable")
    )


def _workload(name: str, one: Json, replicas: int, pod: Json | None) -> Json:
    return {
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [one], **(pod or {})}},
    }
