# SPDX-License-Identifier: GPL-3.0-or-later
"""How an instance of a container is started: from its spec to a process whose output is collected."""

from __future__ import annotations

import asyncio
import functools
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incident_runbooks.lab.cluster.cluster import LogOptions
from incident_runbooks.lab.cluster.runtime import environment, images, log_files, processes, watchdog
from incident_runbooks.lab.cluster.runtime.context import PodContext
from incident_runbooks.lab.cluster.runtime.log_files import Collector, LogFile
from incident_runbooks.lab.cluster.runtime.processes import Process

Json = dict[str, Any]

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "RUNBOOK_LAB", "RUNBOOK_LAB_ID")
_DRAIN_S = 2.0  # the last output of a container that has ended
_LAST_LINES, _LAST_BYTES = 80, 2048  # terminationMessagePolicy: FallbackToLogsOnError


class NoCommandError(Exception):
    """Neither the spec nor the image says what to run."""


@dataclass(frozen=True)
class Launch:
    """What to start.

    Attributes:
        argv: program and arguments.
        cwd: where.
        environ: its whole environment.
    """

    argv: list[str]
    cwd: Path
    environ: dict[str, str] = field(repr=False)


@dataclass
class Instance:
    """A container that runs.

    Attributes:
        process: its first process.
        launch: how it was started.
        collectors: what takes its output.
        transports: the pipes.
        ending: set while it is being ended to be started again.
        started: when, on the monotonic clock.
    """

    process: Process
    launch: Launch
    collectors: list[Collector]
    transports: list[asyncio.ReadTransport]
    ending: asyncio.Task[None] | None = None
    started: float = field(default_factory=time.monotonic)

    async def ended(self) -> int:
        """Wait for its end and for its last output, and return its exit code."""
        code = await self.process.wait()
        self.process.kill_group()
        try:
            async with asyncio.timeout(_DRAIN_S):
                await asyncio.gather(*(collector.ended for collector in self.collectors))
        except TimeoutError:  # a process that left its group still holds the pipe
            for transport in self.transports:
                transport.close()
        self.collectors[0].log.close()
        return code if code >= 0 else 128 - code


def prepare(context: PodContext, spec: Json) -> Launch:
    """Return what a container's spec says to run.

    Raises:
        ConfigError: what it refers to is missing.
        NoCommandError: there is no command.
    """
    root = context.directory / spec["name"]
    environ = environment.resolve(context.cluster.store, _with_ip(context), spec, _given(context, root))
    command = spec.get("command") or images.entry_point(context.cluster.directory, spec["image"])
    argv = [environment.expand(part, environ) for part in [*command, *(spec.get("args") or ())]]
    if not argv:
        raise NoCommandError("failed to generate container spec: failed to generate spec: no command specified")
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    context.volumes.link(spec, root)
    cwd = root / str(spec.get("workingDir", "")).lstrip("/")
    cwd.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Launch(argv, cwd, environ)


def _given(context: PodContext, root: Path) -> dict[str, str]:
    metadata = context.pod["metadata"]
    services = environment.service_variables(context.cluster.store, context.pod)
    return (
        {name: os.environ[name] for name in _INHERITED if name in os.environ}
        | services
        | {
            watchdog.VARIABLE: context.mark,
            "HOSTNAME": metadata["name"],
            "HOME": str(root),
            "POD_NAME": metadata["name"],
            "POD_NAMESPACE": metadata["namespace"],
            "POD_IP": context.ip,
            "KUBERNETES_SERVICE_HOST": context.cluster.host,
            "KUBERNETES_SERVICE_PORT": str(context.cluster.port),
        }
    )


def _with_ip(context: PodContext) -> Json:
    status = {**(context.pod.get("status") or {}), "podIP": context.ip, "podIPs": [{"ip": context.ip}]}
    return {**context.pod, "status": status}


async def start(launch: Launch, log: LogFile) -> Instance:
    """Start a process and collect its output.

    Raises:
        OSError: it cannot be executed.
    """
    ends = [os.pipe(), os.pipe()]
    try:
        process = processes.start(
            launch.argv, cwd=launch.cwd, environ=launch.environ, stdout=ends[0][1], stderr=ends[1][1]
        )
    except OSError:
        for end, _ in ends:
            os.close(end)
        raise
    finally:
        for _, end in ends:
            os.close(end)
    loop = asyncio.get_running_loop()
    instance = Instance(process, launch, [], [])
    for (end, _), stream in zip(ends, (log_files.STDOUT, log_files.STDERR), strict=True):
        collector = Collector(log, stream)
        pipe = os.fdopen(end, "rb", buffering=0)
        transport, _ = await loop.connect_read_pipe(functools.partial(_same, collector), pipe)
        instance.collectors.append(collector)
        instance.transports.append(transport)
    return instance


def _same(collector: Collector) -> Collector:
    return collector


def start_failure(error: OSError) -> str:
    """Return what the container runtime says when it cannot start a process."""
    said = str(error) if error.strerror is None else f"exec: {error.strerror.lower()}"
    return (
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
        f"runc create failed: unable to start container process: {said}: unknown"
    )


def last_words(spec: Json, log: LogFile | None, code: int) -> str:
    """Return the end of the log as the termination message, where the spec asks for that."""
    if code == 0 or log is None or spec.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        return ""
    text = b"".join(log_files.read_now(log, LogOptions(tail_lines=_LAST_LINES)))
    return text[-_LAST_BYTES:].decode("utf-8", errors="replace")


def named_ports(spec: Json) -> dict[str, int]:
    """Return the ports of a container that have a name."""
    return {port["name"]: port["containerPort"] for port in spec.get("ports") or () if port.get("name")}


def new_id() -> str:
    """Return the id of a new instance."""
    return f"lab://{secrets.token_hex(32)}"
