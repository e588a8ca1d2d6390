# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster: what its API, its controllers and its pods share."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from incident_runbooks.lab.cluster.store import Store

Json = dict[str, Any]


@dataclass(frozen=True)
class LogOptions:
    """Which part of a container's log is wanted.

    Attributes:
        previous: of the instance before the present one.
        since_seconds: only lines of the last so many seconds; not with *since_time*.
        since_time: only lines after that instant.
        tail_lines: only so many lines from the end.
        limit_bytes: at most so many bytes.
        timestamps: put the time before each line.
        follow: go on until the container ends.
    """

    previous: bool = False
    since_seconds: int | None = None
    since_time: dt.datetime | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None
    timestamps: bool = False
    follow: bool = False


class ExecSession(Protocol):
    """A command that runs in a container.

    Attributes:
        exit_code: after its end; ``None`` when it could not be started.
        failure: why it could not be started.
    """

    exit_code: int | None
    failure: str | None

    async def read(self) -> tuple[int, bytes] | None:
        """Return the channel (1 stdout, 2 stderr) and the next bytes; ``None`` after the end."""

    async def write_stdin(self, data: bytes) -> None:
        """Hand bytes to the command."""

    async def close_stdin(self) -> None:
        """Tell the command that no more will come."""

    async def resize(self, width: int, height: int) -> None:
        """Set the size of its terminal, in characters."""

    async def terminate(self) -> None:
        """End it, whatever it does."""


class Kubelet(Protocol):
    """What the API asks of the node."""

    def logs(self, pod: Json, container: str | None, options: LogOptions) -> AsyncIterator[bytes]:
        """Yield a container's log in chunks.

        Raises:
            ApiError: at the first step; no such container, none yet, no previous one.
        """

    def check_exec(self, pod: Json, container: str | None) -> None:
        """See whether a command can be started in a container.

        Raises:
            ApiError: no such container, or it does not run.
        """

    async def exec(
        self,
        pod: Json,
        container: str | None,
        command: list[str],
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        tty: bool,
    ) -> ExecSession:
        """Start a command in a container.

        Raises:
            ApiError: no such container, or it does not run.
        """

    def usage(self, pod: Json) -> list[Json]:
        """Return ``name``, ``cpu_cores`` (float) and ``memory_bytes`` (int) of each running container."""

    def node_usage(self) -> Json:
        """Return ``cpu_cores`` and ``memory_bytes`` of the node."""


@dataclass
class Cluster:
    """A cluster.

    Attributes:
        directory: its own: ``pods/<namespace>/<pod>/``, ``audit.jsonl``, ``tokens.json``, ``kubeconfig``, ``claims/``.
        store: its objects.
        host: address it listens on.
        port: likewise; 0 until it is known.
        kubelet: set after construction, because it follows the store.
    """

    directory: Path
    store: Store = field(default_factory=Store)
    host: str = "127.0.0.1"
    port: int = 0
    kubelet: Kubelet = field(init=False, repr=False)

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"https://{self.host}:{self.port}"
