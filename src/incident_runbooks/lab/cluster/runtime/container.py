# SPDX-License-Identifier: GPL-3.0-or-later
"""One container of a pod: it is started, probed, ended, and started again."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from typing import Any

from incident_runbooks.lab.cluster.runtime import backoff, images, launching, probes, quantities
from incident_runbooks.lab.cluster.runtime import exec as commands
from incident_runbooks.lab.cluster.runtime.backoff import Backoff
from incident_runbooks.lab.cluster.runtime.context import PodContext
from incident_runbooks.lab.cluster.runtime.environment import ConfigError
from incident_runbooks.lab.cluster.runtime.launching import Instance, Launch, NoCommandError
from incident_runbooks.lab.cluster.runtime.log_files import LogFile
from incident_runbooks.lab.cluster.runtime.pod_status import View
from incident_runbooks.lab.cluster.store import now

Json = dict[str, Any]

_START_ERROR = 128  # what the container runtime says of a container that could not be started
_KILLED = 128 + signal.SIGKILL


class Container:
    """One container, all its instances.

    Args:
        context: its pod.
        spec: its part of the pod's spec.
        init: whether it is an init container.
    """

    def __init__(self, context: PodContext, spec: Json, *, init: bool = False) -> None:
        self.spec = spec
        self.name: str = spec["name"]
        self.init = init
        self.state: Json = {"waiting": {"reason": "ContainerCreating"}}
        self.last_state: Json = {}
        self.restarts = 0
        self.instance: Instance | None = None
        self.log: LogFile | None = None  # of the latest instance
        self.previous_log: LogFile | None = None
        self.sessions: set[commands.Session] = set()
        self._context = context
        self._started = self._ready = False
        self._instances = 0
        self._id = ""
        self._out_of_memory = False
        self._crashes = Backoff(0)
        self._stopping = asyncio.Event()
        self._poked = asyncio.Event()

    # What others see

    @property
    def view(self) -> View:
        """What the pod's status shows."""
        running = "running" in self.state
        return View(
            name=self.name,
            image=self.spec["image"],
            state=self.state,
            last_state=self.last_state,
            restarts=self.restarts,
            started=running and self._started,
            ready=(running and self._ready) or (self.init and self._succeeded()),
            container_id=self._id,
        )

    @property
    def memory_limit(self) -> float | None:
        """In bytes."""
        limit = ((self.spec.get("resources") or {}).get("limits") or {}).get("memory")
        return None if limit is None else quantities.parse(limit)

    def update(self, spec: Json) -> None:
        """Take up what has changed: what it waits for may be there, or its image is another."""
        changed = spec["image"] != self.spec["image"]
        self.spec = spec
        self._poked.set()
        if changed and not self.init:
            self._restart(f"Container {self.name} definition changed, will be restarted")

    # Its life

    async def run(self) -> int:
        """Run it until it needs no more to be started, and return the last exit code."""
        code = 0
        while (launch := await self._prepared()) is not None:
            began = time.monotonic()
            code = await self._run_once(launch)
            if self._stopping.is_set() or not self._is_restarted(code):
                break
            await self._back_off(time.monotonic() - began)
        return code

    async def stop(self, grace_s: float) -> None:
        """End it for good: SIGTERM, after a grace in seconds SIGKILL."""
        if self.instance is not None and not self._stopping.is_set():
            self._event("Killing", f"Stopping container {self.name}")
        self._stopping.set()
        self._poked.set()
        if self.instance is not None:
            await self._end(self.instance, grace_s)

    def kill(self, *, out_of_memory: bool = False) -> None:
        """Kill it at once; it may be started again."""
        if self.instance is not None:
            self._out_of_memory = out_of_memory
            self.instance.process.kill_group()

    async def _prepared(self) -> Launch | None:
        """Return what to start; wait while the image or what the spec refers to is missing.

        ``None`` when it is told to end before.
        """
        pull, create = Backoff(backoff.base_s()), Backoff(backoff.base_s())
        while not self._stopping.is_set():
            self._poked.clear()
            try:
                if images.exists(self.spec["image"]):
                    self._event("Pulled", f'Container image "{self.spec["image"]}" already present on machine')
                    return launching.prepare(self._context, self.spec)
                await self._await_image(pull.next())
            except ConfigError as error:
                self._wait("CreateContainerConfigError", str(error))
                self._event("Failed", f"Error: {error}", warning=True)
                await self._pause(None)
            except NoCommandError as error:
                self._wait("CreateContainerError", str(error))
                self._event("Failed", f"Error: {error}", warning=True)
                await self._pause(create.next())
        return None

    async def _await_image(self, delay: float) -> None:
        image = self.spec["image"]
        failure = images.pull_failure(image)
        self._event("Pulling", f'Pulling image "{image}"')
        self._event("Failed", f'Failed to pull image "{image}": {failure}', warning=True)
        self._event("Failed", "Error: ErrImagePull", warning=True)
        self._wait("ErrImagePull", failure)
        self._event("BackOff", f'Back-off pulling image "{image}"')
        self._event("Failed", "Error: ImagePullBackOff", warning=True)
        self._wait("ImagePullBackOff", f'Back-off pulling image "{image}": ErrImagePull: {failure}')
        await self._pause(delay)

    async def _run_once(self, launch: Launch) -> int:
        """Start one instance, and return its exit code after its end."""
        self._open_log()
        assert self.log is not None  # noqa: S101 - just opened
        if self._instances:
            self.restarts += 1
            self._remember_end()
        self._instances += 1
        self._id = launching.new_id()
        self._started = self._ready = self._out_of_memory = False
        started_at = now()
        self._event("Created", f"Created container: {self.name}")
        try:
            self.instance = await launching.start(launch, self.log)
        except OSError as error:
            message = launching.start_failure(error)
            self._event("Failed", f"Error: {message}", warning=True)
            self.log.close()
            return self._terminated(_START_ERROR, started_at, reason="StartError", message=message)
        self.state = {"running": {"startedAt": started_at}}
        self._event("Started", f"Started container {self.name}")
        if self._stopping.is_set():  # told to end while it was being started
            self.instance.process.kill_group()
        code = await self._watch(self.instance)
        return self._terminated(_KILLED if self._out_of_memory else code, started_at)

    async def _watch(self, instance: Instance) -> int:
        """Probe an instance until it ends, then clean up after it; return its exit code."""
        wanted = probes.of(self.spec)
        started = asyncio.Event()
        if probes.STARTUP not in wanted:
            self._started = True
            self._ready = probes.READINESS not in wanted
            started.set()
        following = asyncio.create_task(self._probe(wanted, started))
        self._context.publish()
        try:
            return await instance.ended()
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            for session in self.sessions:
                session.kill()
            self.instance = None

    def _terminated(self, code: int, started_at: str, *, reason: str = "", message: str = "") -> int:
        ended = {
            "exitCode": code,
            "reason": "OOMKilled" if self._out_of_memory else reason or ("Error" if code else "Completed"),
            "startedAt": started_at,
            "finishedAt": now(),
            "containerID": self._id,
        }
        message = message or launching.last_words(self.spec, self.log, code)
        self.state = {"terminated": ended | ({"message": message} if message else {})}
        self._context.publish()
        return code

    def _is_restarted(self, code: int) -> bool:
        policy = self._context.pod["spec"].get("restartPolicy", "Always")
        if self.init:
            return policy != "Never" and code != 0
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    async def _back_off(self, lasted_s: float) -> None:
        delay = self._crashes.next(lasted_s)
        if delay <= 0:
            return
        about = f"restarting failed container {self.name} in pod {self._context.full_name}"
        self._event("BackOff", f"Back-off {about}", warning=True)
        said = f"back-off {quantities.go_duration(delay)} restarting failed container={self.name}"
        self._wait("CrashLoopBackOff", f"{said} pod={self._context.full_name}")
        await self._pause(delay, ends_early=False)

    async def _pause(self, seconds: float | None, *, ends_early: bool = True) -> None:
        """Wait until it is told to end, or the time is over, or (*ends_early*) something has changed."""
        awaited = self._poked if ends_early else self._stopping
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await awaited.wait()

    async def _end(self, instance: Instance, grace_s: float) -> None:
        instance.process.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_s):
                await instance.process.wait()
        except TimeoutError:
            instance.process.kill_group()
            await instance.process.wait()

    # Probes

    async def _probe(self, wanted: dict[str, probes.Probe], started: asyncio.Event) -> None:
        target = probes.Target(self._context.ip, launching.named_ports(self.spec), self._execute)

        async def after_start(probe: probes.Probe) -> None:
            if probe.kind != probes.STARTUP:
                await started.wait()
            await probes.follow(probe, target, failed=failed(probe), verdict=verdict(probe))

        def failed(probe: probes.Probe) -> Callable[[str], None]:
            return lambda said: self._event("Unhealthy", f"{probe.kind} probe failed: {said}", warning=True)

        def verdict(probe: probes.Probe) -> Callable[[bool], None]:
            return lambda good: self._judge(probe, started, good=good)

        async with asyncio.TaskGroup() as group:
            for probe in wanted.values():
                group.create_task(after_start(probe))

    def _judge(self, probe: probes.Probe, started: asyncio.Event, *, good: bool) -> None:
        before = (self._started, self._ready)
        if probe.kind == probes.READINESS:
            self._ready = good
        elif not good:
            self._restart(f"Container {self.name} failed {probe.kind.lower()} probe, will be restarted")
        elif probe.kind == probes.STARTUP and not self._started:
            self._started = True
            self._ready = "readinessProbe" not in self.spec
            started.set()
        if before != (self._started, self._ready):
            self._context.publish()

    def _restart(self, why: str) -> None:
        if self.instance is None or self.instance.ending is not None:
            return
        grace = self._context.pod["spec"].get("terminationGracePeriodSeconds", 30)
        self._event("Killing", why)
        self.instance.ending = asyncio.create_task(self._end(self.instance, grace))

    async def _execute(self, command: list[str], timeout_s: float) -> tuple[int, str]:
        if self.instance is None:
            return 1, "container is not running"
        launch = self.instance.launch
        return await commands.capture(command, launch.cwd, launch.environ, timeout_s)

    # Small things

    def _succeeded(self) -> bool:
        return (self.state.get("terminated") or {}).get("exitCode") == 0

    def _open_log(self) -> None:
        if self.previous_log is not None:
            self.previous_log.path.unlink(missing_ok=True)
        self.previous_log = self.log
        folder = self._context.logs / self.name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.log = LogFile(folder / f"{self._instances}.log")

    def _remember_end(self) -> None:
        if "terminated" in self.state:
            self.last_state = self.state

    def _wait(self, reason: str, message: str) -> None:
        self._remember_end()
        self.state = {"waiting": {"reason": reason, "message": message}}
        self._context.publish()

    def _event(self, reason: str, message: str, *, warning: bool = False) -> None:
        recorder = self._context.recorder
        record = recorder.warning if warning else recorder.normal
        kind = "initContainers" if self.init else "containers"
        record(self._context.pod, reason, message, field_path=f"spec.{kind}{{{self.name}}}")
