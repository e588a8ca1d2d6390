# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's agent: follows the pods that are bound to it, and answers for them."""

from __future__ import annotations

import asyncio
import contextlib
import resource as limits
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from incident_runbooks.lab.cluster.cluster import Cluster, ExecSession, LogOptions
from incident_runbooks.lab.cluster.errors import bad_request
from incident_runbooks.lab.cluster.history import ADDED, DELETED, Change
from incident_runbooks.lab.cluster.resources import CONFIG_MAPS, PODS, SECRETS, VOLUME_CLAIMS
from incident_runbooks.lab.cluster.runtime import cadvisor, log_files, node, requests, usage
from incident_runbooks.lab.cluster.runtime.addresses import Addresses
from incident_runbooks.lab.cluster.runtime.container import Container
from incident_runbooks.lab.cluster.runtime.events import Recorder
from incident_runbooks.lab.cluster.runtime.exec import Session
from incident_runbooks.lab.cluster.runtime.pod import Pod
from incident_runbooks.lab.cluster.runtime.usage import Usage
from incident_runbooks.lab.cluster.runtime.volume_stats import Volume
from incident_runbooks.lab.cluster.runtime.watchdog import Watchdog

Json = dict[str, Any]

_END_GRACE_S = 2.0  # for the containers, when the node itself ends


class LocalKubelet:
    """Runs the pods of the cluster's one node as processes of this machine.

    Args:
        cluster: the cluster; the caller sets its ``kubelet``.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._recorder = Recorder(cluster.store, "kubelet", node.NAME)
        self._addresses = Addresses()
        self._pods: dict[tuple[str, str], Pod] = {}
        self._usage = Usage(self._containers)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False
        self._mark = secrets.token_hex(16)
        self._watchdog: Watchdog | None = None

    async def start(self) -> None:
        """Register the node, and run the pods that are bound to it, now and later."""
        _allow_many_files()
        self._watchdog = Watchdog(self._mark)
        node.register(self._cluster.store, self._cluster.host)
        self._cluster.store.on_change(self._follow)
        for pod in self._cluster.store.all(PODS):
            self._follow(Change(0, ADDED, PODS, pod, None))
        self._tasks.append(asyncio.create_task(self._usage.follow(), name="usage of containers"))

    async def stop(self) -> None:
        """End every container, and take no more."""
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        pods = list(self._pods.values())
        for pod in pods:
            pod.end(_END_GRACE_S)
        await asyncio.gather(*(pod.ended() for pod in pods))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._addresses.close()
        if self._watchdog is not None:
            await self._watchdog.finish()
            self._watchdog = None

    # What the API asks

    async def logs(self, pod: Json, container: str | None, options: LogOptions) -> AsyncIterator[bytes]:
        """Yield a container's log in chunks; see :class:`~incident_runbooks.lab.cluster.cluster.Kubelet`."""
        name = requests.container_name(pod, container)
        if not pod["spec"].get("nodeName"):
            return
        found = self._find(pod, name)
        if found is None:  # it is bound, but the node has not seen it
            raise bad_request(
                f'container "{name}" in pod "{pod["metadata"]["name"]}" is waiting to start: ContainerCreating'
            )
        log = requests.log_of(pod, found, previous=options.previous)
        async for chunk in log_files.read(log, options):
            yield chunk

    def check_exec(self, pod: Json, container: str | None) -> None:
        """See whether a command can run; see :class:`~incident_runbooks.lab.cluster.cluster.Kubelet`."""
        name = requests.container_name(pod, container)
        requests.check_exec(pod, self._find(pod, name), name)

    async def exec(
        self,
        pod: Json,
        container: str | None,
        command: list[str],
        *,
        stdin: bool,
        stdout: bool,  # noqa: ARG002 - the caller sends only what was asked for
        stderr: bool,  # noqa: ARG002 - likewise
        tty: bool,
    ) -> ExecSession:
        """Start a command in a container; see :class:`~incident_runbooks.lab.cluster.cluster.Kubelet`."""
        name = requests.container_name(pod, container)
        found = requests.check_exec(pod, self._find(pod, name), name)
        assert found.instance is not None  # noqa: S101 - check_exec has seen it
        session = Session()
        launch = found.instance.launch
        session.start(command, launch.cwd, launch.environ, stdin=stdin, tty=tty)
        found.sessions = {each for each in found.sessions if each.exit_code is None} | {session}
        return session

    def usage(self, pod: Json) -> list[Json]:
        """Return ``name``, ``cpu_cores`` (float) and ``memory_bytes`` (int) of each running container."""
        running = self._pods.get(_key(pod))
        if running is None:
            return []
        children = usage.processes_by_parent()
        found = (self._usage.of(container, children) for container in running.mains)
        return [each for each in found if each is not None]

    def node_usage(self) -> Json:
        """Return ``cpu_cores`` and ``memory_bytes`` of all containers of the node."""
        children = usage.processes_by_parent()
        found = [each for container in self._containers() if (each := self._usage.of(container, children))]
        return {
            "cpu_cores": sum(each["cpu_cores"] for each in found),
            "memory_bytes": sum(each["memory_bytes"] for each in found),
        }

    def measured(self) -> Iterator[cadvisor.Measured]:
        """Yield what is known of each container that runs."""
        for pod in self._pods.values():
            for container in pod.containers:
                if (found := cadvisor.measure(container, self._usage)) is not None:
                    yield replace(found, namespace=pod.namespace, pod=pod.name)

    def volumes(self) -> Iterator[Volume]:
        """Yield the volumes of the claims that pods have mounted."""
        for pod in self._pods.values():
            yield from pod.claims()

    # What happens in the store

    def _follow(self, change: Change) -> None:
        if self._stopped:
            return
        if change.resource is PODS:
            self._follow_pod(change)
        elif change.resource in (SECRETS, CONFIG_MAPS, VOLUME_CLAIMS) and change.type != DELETED:
            metadata = change.object["metadata"]
            for pod in self._pods.values():
                if pod.namespace == metadata["namespace"]:
                    pod.refer(change.resource, metadata["name"])

    def _follow_pod(self, change: Change) -> None:
        pod = self._pods.get(_key(change.object))
        if change.type == DELETED:
            if pod is not None and pod.uid == change.object["metadata"]["uid"]:
                pod.end(0)
        elif change.object["spec"].get("nodeName") == node.NAME:
            if pod is None:
                self._start(change.object)
            else:
                pod.update(change.object)

    def _start(self, pod: Json) -> None:
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            return
        self._pods[_key(pod)] = Pod(self._cluster, pod, self._addresses.take(), self._mark, self._recorder, self._gone)
        self._usage.wake()
        if pod["metadata"].get("deletionTimestamp"):
            self._pods[_key(pod)].end(0)

    def _gone(self, pod: Pod) -> None:
        """Forget a pod; one with the same name that came meanwhile is started now."""
        if self._pods.get((pod.namespace, pod.name)) is not pod:
            return
        del self._pods[pod.namespace, pod.name]
        self._addresses.give_back(pod.ip)
        successor = self._cluster.store.find(PODS, pod.namespace, pod.name)
        if successor is None or self._stopped or successor["metadata"]["uid"] == pod.uid:
            return
        if successor["spec"].get("nodeName") == node.NAME:
            self._start(successor)

    def _find(self, pod: Json, name: str) -> Container | None:
        running = self._pods.get(_key(pod))
        if running is None or running.uid != pod["metadata"]["uid"]:
            return None
        return running.container(name)

    def _containers(self) -> Iterator[Container]:
        for pod in self._pods.values():
            yield from pod.containers


def _key(pod: Json) -> tuple[str, str]:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]


def _allow_many_files() -> None:
    """Raise the soft limit of open files: a container needs five."""
    _, hard = limits.getrlimit(limits.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        limits.setrlimit(limits.RLIMIT_NOFILE, (hard, hard))
