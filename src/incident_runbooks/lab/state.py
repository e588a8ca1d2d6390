# SPDX-License-Identifier: GPL-3.0-or-later
"""What one lab command leaves for the next: ``lab.json``, readable by its owner only as it holds passwords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from incident_runbooks.lab.communications.part import CommunicationsPart
from incident_runbooks.lab.ingress.part import IngressPart
from incident_runbooks.lab.kubernetes import ClusterPart
from incident_runbooks.lab.processes import ProcessRecord
from incident_runbooks.lab.prometheus.part import PrometheusPart
from incident_runbooks.lab.server import Server
from incident_runbooks.lab.stripe.part import StripePart

FILE = "lab.json"
POSTGRES = "postgres"
CLUSTER = "cluster"
COMMUNICATIONS = "communications"
STRIPE = "stripe"
INGRESS = "ingress"
PROMETHEUS = "prometheus"


@dataclass
class State:
    """The lab's parts.

    Attributes:
        server: its PostgreSQL; ``None`` while it is being made.
        cluster: its cluster; ``None`` where it has none, or not yet.
        communications: its Slack, PagerDuty and Statuspage; ``None`` while they are being made.
        stripe: its Stripe; ``None`` where it has no payments.
        ingress: the platform's public address; likewise.
        prometheus: its Prometheus; ``None`` also where this machine has no such program.
        processes: every process that was started and not yet stopped.
        faults: what was broken and not yet healed: ``name``, ``since`` (RFC 3339).
    """

    server: Server | None = None
    cluster: ClusterPart | None = None
    communications: CommunicationsPart | None = None
    stripe: StripePart | None = None
    ingress: IngressPart | None = None
    prometheus: PrometheusPart | None = None
    processes: list[ProcessRecord] = field(default_factory=list)
    faults: list[dict[str, str]] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """Return it as lab.json holds it."""
        return {
            "version": 1,
            POSTGRES: self.server.to_plain() if self.server else None,
            CLUSTER: self.cluster.to_plain() if self.cluster else None,
            COMMUNICATIONS: self.communications.to_plain() if self.communications else None,
            STRIPE: self.stripe.to_plain() if self.stripe else None,
            INGRESS: self.ingress.to_plain() if self.ingress else None,
            PROMETHEUS: self.prometheus.to_plain() if self.prometheus else None,
            "processes": [record.to_plain() for record in self.processes],
            "faults": self.faults,
        }

    @classmethod
    def from_plain(cls, plain: Any) -> State:
        """Return what :meth:`to_plain` wrote; whatever is damaged counts as missing."""
        if not isinstance(plain, Mapping):
            return cls()
        try:
            server = Server.from_plain(plain[POSTGRES]) if plain.get(POSTGRES) else None
            cluster = ClusterPart.from_plain(plain[CLUSTER]) if plain.get(CLUSTER) else None
            said = plain.get(COMMUNICATIONS)
            return cls(
                server=server,
                cluster=cluster,
                communications=CommunicationsPart.from_plain(said) if said else None,
                stripe=StripePart.from_plain(plain[STRIPE]) if plain.get(STRIPE) else None,
                ingress=IngressPart.from_plain(plain[INGRESS]) if plain.get(INGRESS) else None,
                prometheus=PrometheusPart.from_plain(plain[PROMETHEUS]) if plain.get(PROMETHEUS) else None,
                processes=[ProcessRecord(**record) for record in plain["processes"]],
                faults=list(plain["faults"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()

    def record(self, name: str) -> ProcessRecord | None:
        """Return the latest process of that name."""
        return next((record for record in reversed(self.processes) if record.name == name), None)

    def fault_names(self) -> list[str]:
        """Return the names of the faults in effect."""
        return [fault["name"] for fault in self.faults]
