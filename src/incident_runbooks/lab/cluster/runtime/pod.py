# SPDX-License-Identifier: GPL-3.0-or-later
"""One pod on the node, from its start to its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import CONFIG_MAPS, PODS, SECRETS, Resource
from incident_runbooks.lab.cluster.runtime import environment, pod_status, volumes
from incident_runbooks.lab.cluster.runtime.container import Container
from incident_runbooks.lab.cluster.runtime.context import PodContext
from incident_runbooks.lab.cluster.runtime.environment import ConfigError
from incident_runbooks.lab.cluster.runtime.events import Recorder
from incident_runbooks.lab.cluster.runtime.volume_stats import Volume
from incident_runbooks.lab.cluster.runtime.volumes import Volumes
from incident_runbooks.lab.cluster.store import now

Json = dict[str, Any]

logger = logging.getLogger(__name__)

_SHORTEST_END_S = 0.15  # a real kubelet takes longer to report the end of a pod


class Pod:
    """A pod that the node runs.

    Args:
        cluster: the cluster.
        pod: as it is in the store.
        ip: its address.
        mark: of the cluster, for the environment of its processes.
        recorder: of the kubelet's events.
        gone: to be called when nothing of it is left.
    """

    def __init__(
        self, cluster: Cluster, pod: Json, ip: str, mark: str, recorder: Recorder, gone: Callable[[Pod], None]
    ) -> None:
        metadata = pod["metadata"]
        self.uid: str = metadata["uid"]
        self.namespace: str = metadata["namespace"]
        self.name: str = metadata["name"]
        self.ip = ip
        directory = cluster.directory / "pods" / self.namespace / self.name
        self._cluster = cluster
        self._gone = gone
        self._context = PodContext(
            cluster=cluster,
            pod=pod,
            ip=ip,
            mark=mark,
            directory=directory,
            logs=cluster.directory / "logs" / f"{self.namespace}_{self.name}_{self.uid}",
            volumes=Volumes(cluster.store, pod, directory, cluster.directory / "claims"),
            recorder=recorder,
            publish=self.publish,
        )
        spec = pod["spec"]
        self.inits = [Container(self._context, each, init=True) for each in spec.get("initContainers") or ()]
        self.mains = [Container(self._context, each) for each in spec["containers"]]
        if self.inits:
            for each in (*self.inits, *self.mains):
                each.state = {"waiting": {"reason": "PodInitializing"}}
        self._has_ip = False
        self._changed = asyncio.Event()
        self._grace: float | None = None  # set when it is being ended
        self._running = asyncio.create_task(self._run(), name=f"pod {self.namespace}/{self.name}")
        self._ending: asyncio.Task[None] | None = None

    @property
    def containers(self) -> list[Container]:
        """Its init containers and its containers."""
        return [*self.inits, *self.mains]

    def container(self, name: str) -> Container | None:
        """Return one of them."""
        return next((each for each in self.containers if each.name == name), None)

    def claims(self) -> Iterator[Volume]:
        """Yield the volumes of its claims, once they are mounted."""
        if self._has_ip:
            yield from self._context.volumes.claims()

    # What happens to it

    def update(self, pod: Json) -> None:
        """Take up what has changed in the store."""
        if pod["metadata"]["uid"] != self.uid:
            return
        before, self._context.pod = self._context.pod, pod
        if pod["spec"] != before["spec"]:
            wanted = [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]
            specs = {each["name"]: each for each in wanted}
            for container in self.containers:
                container.update(specs.get(container.name, container.spec))
        if pod["metadata"].get("deletionTimestamp"):
            self.end(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        elif _gates(pod) != _gates(before):
            self.publish()

    def refer(self, resource: Resource, name: str) -> None:
        """A Secret, ConfigMap or claim has changed that it may refer to."""
        self._changed.set()
        for container in self.containers:
            if resource in (SECRETS, CONFIG_MAPS) and name in environment.names_of(resource, container.spec):
                container.update(container.spec)
        if self._has_ip and self._context.volumes.uses(resource, name):
            with contextlib.suppress(ConfigError):  # it keeps what it has
                self._context.volumes.set_up()

    def end(self, grace_s: float) -> None:
        """Begin to end it; again with less grace to hurry."""
        if self._grace is not None and grace_s >= self._grace:
            return
        self._grace = grace_s
        self._ending = asyncio.create_task(self._end(grace_s), name=f"end of {self.namespace}/{self.name}")

    async def ended(self) -> None:
        """Wait until all its containers have ended, after :meth:`end`."""
        if self._ending is not None:
            await asyncio.wait([self._ending])

    def publish(self) -> None:
        """Write its status, if that has changed."""
        store = self._cluster.store
        there = store.find(PODS, self.namespace, self.name)
        if there is None or there["metadata"]["uid"] != self.uid:
            return
        status = pod_status.build(
            there,
            [each.view for each in self.inits],
            [each.view for each in self.mains],
            ip=self.ip if self._has_ip else "",
            host_ip=self._cluster.host,
            at=now(),
        )
        if status != there.get("status"):
            store.update(PODS, {**there, "status": status}, status=True)

    # Its life

    async def _run(self) -> None:
        try:
            self.publish()
            await self._mount()
            self._has_ip = True
            for container in self.inits:
                if await container.run() != 0:
                    return
            for container in self.mains:
                if self.inits:
                    container.state = {"waiting": {"reason": "PodInitializing"}}
            if self._grace is None:
                await asyncio.gather(*(container.run() for container in self.mains))
        except Exception:
            logger.exception("pod %s/%s: the node cannot run it", self.namespace, self.name)
        finally:
            self.publish()

    async def _mount(self) -> None:
        """Set up the volumes; wait while something is missing."""
        while self._grace is None:
            self._changed.clear()
            try:
                self._context.volumes.set_up()
            except ConfigError as error:
                self._context.recorder.warning(
                    self._context.pod, "FailedMount", f"MountVolume.SetUp failed for volume: {error}"
                )
                await self._changed.wait()
            else:
                self._context.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
                return

    async def _end(self, grace_s: float) -> None:
        self._changed.set()
        begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(container.stop(grace_s) for container in self.containers))
        await asyncio.wait([self._running])
        self.publish()
        # kubectl delete looks first and watches then: a pod that goes and comes again in between is waited for in vain
        await asyncio.sleep(max(0.0, begun + _SHORTEST_END_S - asyncio.get_running_loop().time()))
        self._finish()

    def _finish(self) -> None:
        """Remove it from the store and from the disk."""
        store = self._cluster.store
        there = store.find(PODS, self.namespace, self.name)
        if there is not None and there["metadata"]["uid"] == self.uid and there["metadata"].get("deletionTimestamp"):
            with contextlib.suppress(ApiError):
                store.delete(PODS, self.namespace, self.name, grace_s=0, uid=self.uid)
        for directory in self._directories():
            volumes.remove(directory)
        self._gone(self)

    def _directories(self) -> Iterator[Path]:
        yield self._context.logs
        yield self._context.directory


def _gates(pod: Json) -> list[Json]:
    """Return the conditions that are not the kubelet's."""
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return [each for each in conditions if each["type"] not in pod_status.OURS]
