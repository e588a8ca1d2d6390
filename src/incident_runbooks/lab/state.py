# SPDX-License-Identifier: GPL-3.0-or-later
"""What one lab command leaves for the next: ``lab.json``, readable by its owner only as it holds passwords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from incident_runbooks.lab.clickhouse.part import ClickHousePart
from incident_runbooks.lab.communications.part import CommunicationsPart
from incident_runbooks.lab.ingress.part import IngressPart
from incident_runbooks.lab.kubernetes import ClusterPart
from incident_runbooks.lab.processes import ProcessRecord
from incident_runbooks.lab.prometheus.part import PrometheusPart
from incident_runbooks.lab.server import Server
from incident_runbooks.lab.social.part import SocialPart
from incident_runbooks.lab.stripe.part import StripePart
from incident_runbooks.lab.vault.part import VaultPart

FILE = "lab.json"
POSTGRES = "postgres"
CLUSTER = "cluster"
COMMUNICATIONS = "communications"
STRIPE = "stripe"
INGRESS = "ingress"
PROMETHEUS = "prometheus"
CLICKHOUSE = "clickhouse"
VAULT = "vault"
SOCIAL = "social"

# Each part but PostgreSQL, by its key in lab.json, which is its attribute's name as well
_PARTS: Mapping[str, Any] = {
    CLUSTER: ClusterPart,
    COMMUNICATIONS: CommunicationsPart,
    STRIPE: StripePart,
    INGRESS: IngressPart,
    PROMETHEUS: PrometheusPart,
    CLICKHOUSE: ClickHousePart,
    VAULT: VaultPart,
    SOCIAL: SocialPart,
}
_FACTS = ("redis", "seeded_at", "seeded")


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
        clickhouse: its ClickHouse; ``None`` where it has no data plane, or this machine no engine.
        vault: its Vault; ``None`` where it has no data plane.
        social: its Meta, TikTok and YouTube; likewise.
        redis: the address of the Service of its Redis; empty where there is none.
        seeded_at: when ClickHouse was filled, a Unix time.
        seeded: what it held then, as it is compared.
        processes: every process that was started and not yet stopped.
        faults: what was broken and not yet healed: ``name``, ``since`` (RFC 3339).
    """

    server: Server | None = None
    cluster: ClusterPart | None = None
    communications: CommunicationsPart | None = None
    stripe: StripePart | None = None
    ingress: IngressPart | None = None
    prometheus: PrometheusPart | None = None
    clickhouse: ClickHousePart | None = None
    vault: VaultPart | None = None
    social: SocialPart | None = None
    redis: str = ""
    seeded_at: int = 0
    seeded: str = ""
    processes: list[ProcessRecord] = field(default_factory=list)
    faults: list[dict[str, str]] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """Return it as lab.json holds it."""
        parts = {name: part.to_plain() if (part := getattr(self, name)) else None for name in _PARTS}
        return {
            "version": 1,
            POSTGRES: self.server.to_plain() if self.server else None,
            **parts,
            **{name: getattr(self, name) for name in _FACTS},
            "processes": [record.to_plain() for record in self.processes],
            "faults": self.faults,
        }

    @classmethod
    def from_plain(cls, plain: Any) -> State:
        """Return what :meth:`to_plain` wrote; whatever is damaged counts as missing."""
        if not isinstance(plain, Mapping):
            return cls()
        try:
            return cls(
                server=Server.from_plain(plain[POSTGRES]) if plain.get(POSTGRES) else None,
                **{name: kind.from_plain(plain[name]) for name, kind in _PARTS.items() if plain.get(name)},
                **{name: plain[name] for name in _FACTS if name in plain},
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
