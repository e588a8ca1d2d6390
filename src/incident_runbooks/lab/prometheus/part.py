# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus as a part of the lab: its directory, its configuration, its process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident_runbooks.lab.binaries import Program
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.processes import ProcessRecord, RunAs, base_environ, spawn
from incident_runbooks.lab.server import HOST
from incident_runbooks.lab.services import process
from incident_runbooks.lab.services.process import wait_until

NAME = "prometheus"
JOB = "backend"
INGRESS_JOB, CADVISOR_JOB, KUBELET_JOB = "ingress", "cadvisor", "kubelet"
_CADVISOR = "/metrics/cadvisor"
_CONFIGURATION = "prometheus.yml"
_READY = "/-/ready"

Json = dict[str, Any]


@dataclass(frozen=True)
class PrometheusPart:
    """The Prometheus of a lab, whether it runs or not.

    Attributes:
        directory: its own.
        port: where it listens.
        program: what is started.
        version: of the program.
    """

    directory: Path
    port: int
    program: Path
    version: str

    @property
    def url(self) -> str:
        """Where clients ask it, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    @property
    def log(self) -> Path:
        """What the process says."""
        return self.directory.with_name(f"{NAME}.log")

    def to_plain(self) -> Json:
        """Return it as lab.json holds it."""
        return {
            "directory": str(self.directory),
            "port": self.port,
            "program": str(self.program),
            "version": self.version,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> PrometheusPart:
        """Return what :meth:`to_plain` wrote."""
        return cls(Path(plain["directory"]), int(plain["port"]), Path(plain["program"]), str(plain["version"]))


def lay_out(directory: Path, program: Program, *, targets_url: str, ingress: str, kubelet: str) -> PrometheusPart:
    """Make its directory in the lab's *directory*, write its configuration, and choose its port.

    Args:
        directory: the lab's.
        program: what is started.
        targets_url: who says where the backend's pods are; need not answer yet.
        ingress: host and port of the metrics of the ingress.
        kubelet: host and port of those of the node's agent.
    """
    own = directory / NAME
    own.mkdir(mode=0o700)
    configuration = {
        # a rehearsal has no time for the usual half minute
        "global": {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"},
        "scrape_configs": [
            {"job_name": JOB, "http_sd_configs": [{"url": targets_url, "refresh_interval": "500ms"}]},
            {"job_name": INGRESS_JOB, "static_configs": [{"targets": [ingress]}]},
            {"job_name": CADVISOR_JOB, "metrics_path": _CADVISOR, "static_configs": [{"targets": [kubelet]}]},
            {"job_name": KUBELET_JOB, "static_configs": [{"targets": [kubelet]}]},
        ],
    }
    # every JSON document is YAML
    (own / _CONFIGURATION).write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
    return PrometheusPart(own, free_port(), program.path, program.version)


def start(part: PrometheusPart, *, mark: Mapping[str, str]) -> ProcessRecord:
    """Start it; :func:`wait_until_it_answers` comes next.

    Args:
        part: where.
        mark: what it carries in its environment, to be found by.
    """
    command: list[str | Path] = [
        part.program,
        f"--config.file={part.directory / _CONFIGURATION}",
        f"--storage.tsdb.path={part.directory / 'data'}",
        "--storage.tsdb.retention.time=2h",
        f"--web.listen-address={HOST}:{part.port}",
        "--web.enable-admin-api",  # heal drops what a fault left
        "--scrape.discovery-reload-interval=1s",
        "--log.level=warn",
    ]
    environ = {**base_environ(), "GOMAXPROCS": "1", **mark}
    return spawn(NAME, command, run_as=RunAs.SELF, environ=environ, log=part.log)


def wait_until_it_answers(part: PrometheusPart, record: ProcessRecord | None) -> None:
    """Wait until it takes queries.

    Raises:
        RunbookError: it ended, or does not within a third of a minute.
    """
    what = f"Prometheus on {HOST}:{part.port}"
    wait_until(lambda: answers(part), record, what, part.log)


def answers(part: PrometheusPart) -> bool:
    """Return whether it takes queries."""
    return process.answers(part.port, _READY)
