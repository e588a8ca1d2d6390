# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's cluster as a part of the lab: its directory, its process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.processes import ProcessRecord, RunAs, base_environ, collect, spawn
from incident_runbooks.lab.server import HOST
from incident_runbooks.lab.workloads.site import Credentials

NAME = "cluster"
_FOLDER = "cluster"
_LOG = "cluster.log"
_START_S = 20.0
_POLL_S = 0.05
_BACK_OFF_S = "2"  # a rehearsal has no time for the ten seconds of a real cluster
_OK = 200

Json = dict[str, Any]


@dataclass(frozen=True)
class ClusterPart:
    """The lab's cluster, whether it runs or not.

    Attributes:
        directory: its own.
        port: of its API.
        kubelet_port: of the metrics of its node.
        credentials: the platform's, that its Secrets hold.
    """

    directory: Path
    port: int
    kubelet_port: int
    credentials: Credentials

    @property
    def url(self) -> str:
        """Where clients reach its API."""
        return f"https://{HOST}:{self.port}"

    @property
    def kubelet_target(self) -> str:
        """Host and port of the metrics of its node."""
        return f"{HOST}:{self.kubelet_port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig; only its owner can read it."""
        return self.directory / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """Every request, a JSON document a line."""
        return self.directory / "audit.jsonl"

    def to_plain(self) -> Json:
        """Return it as lab.json holds it."""
        return {
            "directory": str(self.directory),
            "port": self.port,
            "kubelet_port": self.kubelet_port,
            "credentials": self.credentials.to_plain(),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ClusterPart:
        """Return what :meth:`to_plain` wrote."""
        credentials = Credentials(**plain["credentials"])
        return cls(Path(plain["directory"]), int(plain["port"]), int(plain["kubelet_port"]), credentials)


def lay_out(directory: Path) -> ClusterPart:
    """Make the cluster's directory in the lab's *directory*, and choose its ports."""
    own = directory / _FOLDER
    own.mkdir(mode=0o700)
    return ClusterPart(own, free_port(), free_port(), Credentials.generate())


def start(part: ClusterPart, *, mark: Mapping[str, str]) -> ProcessRecord:
    """Start the cluster's process; :func:`wait_until_it_answers` comes next.

    Args:
        part: where.
        mark: what it and its pods carry in their environment, to be found by.
    """
    command = [sys.executable, "-P", "-m", "incident_runbooks.lab.cluster"]
    command += ["--directory", str(part.directory), "--port", str(part.port)]
    command += ["--kubelet-port", str(part.kubelet_port)]
    base = base_environ()
    # first on the path of every pod is what the images of the platform bring
    search = os.pathsep.join([str(part.directory / "bin"), base.get("PATH", os.defpath)])
    environ = {**base, "PATH": search, "LAB_CRASH_BACKOFF_S": _BACK_OFF_S, **mark}
    return spawn(NAME, command, run_as=RunAs.SELF, environ=environ, log=part.directory.with_name(_LOG))


def wait_until_it_answers(part: ClusterPart, record: ProcessRecord | None) -> None:
    """Wait until the API server is ready.

    Raises:
        RunbookError: it ended, or is not within a third of a minute.
    """
    from incident_runbooks.lab.api import ClusterApi  # noqa: PLC0415 - the command's help must not wait for it

    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        if part.kubeconfig.exists():
            with suppress(RunbookError):
                if ClusterApi(part.kubeconfig).request("GET", "/readyz").status == _OK:
                    return
        collect()
        if record is None or record.find() is None:
            break
        time.sleep(_POLL_S)
    log = part.directory.with_name(_LOG)
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:] if log.exists() else []
    raise RunbookError(
        f"Starting the lab's cluster on {HOST}:{part.port}: {' | '.join(said) or 'no answer'}", hint=str(log)
    )
