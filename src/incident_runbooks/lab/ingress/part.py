# SPDX-License-Identifier: GPL-3.0-or-later
"""The ingress as a part of the lab: its directory, its process, its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident_runbooks.lab.ingress.control import Control
from incident_runbooks.lab.ingress.settings import CERTIFICATE, Settings
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.server import HOST
from incident_runbooks.lab.services.process import ServiceProcess
from incident_runbooks.lab.workloads.manifests import NAMESPACE

NAME = "ingress"
SERVICE = "backend"
WEBHOOK_PATH = "/api/webhooks/stripe"
TARGETS = "/targets"
_MODULE = "incident_runbooks.lab.ingress"

Json = dict[str, Any]


@dataclass(frozen=True)
class IngressPart:
    """The ingress of a lab, whether it runs or not.

    Attributes:
        directory: its own.
        port: of the public address.
        control_port: of what only the lab asks, over plain HTTP.
    """

    directory: Path
    port: int
    control_port: int

    @property
    def url(self) -> str:
        """The public address, without a slash at the end."""
        return f"https://{HOST}:{self.port}"

    @property
    def webhook_url(self) -> str:
        """Where Stripe delivers its events."""
        return self.url + WEBHOOK_PATH

    @property
    def ca_cert(self) -> Path:
        """The certificate (PEM) that clients must trust; a new one each time that the process starts."""
        return self.directory / CERTIFICATE

    @property
    def targets_url(self) -> str:
        """Where Prometheus asks for the pods (``http_sd_config``)."""
        return f"http://{HOST}:{self.control_port}{TARGETS}"

    @property
    def metrics_target(self) -> str:
        """What Prometheus scrapes of the ingress itself, as host and port."""
        return f"{HOST}:{self.control_port}"

    @property
    def control(self) -> Control:
        """Its faults."""
        return Control(self.directory)

    @property
    def process(self) -> ServiceProcess:
        """Its process."""
        return ServiceProcess(NAME, NAME, _MODULE, self.directory, self.control_port)

    def to_plain(self) -> Json:
        """Return it as lab.json holds it."""
        return {"directory": str(self.directory), "port": self.port, "control_port": self.control_port}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> IngressPart:
        """Return what :meth:`to_plain` wrote."""
        return cls(Path(plain["directory"]), int(plain["port"]), int(plain["control_port"]))


def lay_out(directory: Path, *, kubeconfig: Path) -> IngressPart:
    """Make its directory in the lab's *directory*, and choose its ports.

    Args:
        directory: the lab's.
        kubeconfig: of the cluster, which need not run yet.
    """
    own = directory / NAME
    own.mkdir(mode=0o700)
    part = IngressPart(directory=own, port=free_port(), control_port=free_port())
    Settings(port=part.port, kubeconfig=str(kubeconfig), namespace=NAMESPACE, service=SERVICE).write(own)
    return part
