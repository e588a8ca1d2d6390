# SPDX-License-Identifier: GPL-3.0-or-later
"""What an injected attack was, for those who compare it with what was found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Json

TRUSTED_CIDRS = ("192.0.2.0/24", "10.0.8.0/24")  # the office and partners, and the platform's own machines
OFFICE = "192.0.2.10"
REPORTS = "10.0.8.5"
PROXY = "10.0.0.12"  # the ingress, where a client's own address was not passed on


@dataclass(frozen=True)
class Truth:
    """The attack.

    Attributes:
        actor_id: whose account the attacker has.
        loud: the address from which much was exported in a short time.
        slow: the addresses from which little was read at a time, over days.
        first_seen: time of the attacker's first row, the failed logins among them.
        last_seen: time of the last one.
        events: rows of the attacker that are still there.
        reads: those of them that read or export a record.
        records: how many different records were read, by type.
        user_ids: the people whom these records are about.
        deleted_ids: identifiers of the rows that the attacker removed.
        tampered_ids: of the row whose time the attacker changed.
        session_ids: the attacker's sessions, in ``refresh_tokens`` and as ``sess:<id>`` in Redis.
    """

    actor_id: int
    loud: str
    slow: tuple[str, ...]
    first_seen: datetime
    last_seen: datetime
    events: int
    reads: int
    records: dict[str, int]
    user_ids: tuple[int, ...]
    deleted_ids: tuple[int, ...]
    tampered_ids: tuple[int, ...]
    session_ids: tuple[int, ...] = ()

    @property
    def addresses(self) -> set[str]:
        """All of the attacker's own addresses; what came through the proxy has none."""
        return {self.loud, *self.slow}


def record(connection: Connection[Any], truth: Truth) -> None:
    """Keep it in the database, where those look who did not inject it."""
    times = {name: getattr(truth, name).isoformat() for name in ("first_seen", "last_seen")}
    connection.execute("UPDATE lab_breach.facts SET truth = %s", [Json({**asdict(truth), **times})])


def recorded(connection: Connection[Any]) -> Truth | None:
    """Return the attack that is in effect; ``None`` without one."""
    there = connection.execute("SELECT to_regclass('lab_breach.facts') IS NOT NULL").fetchone()
    if not there or not there[0]:
        return None
    row = connection.execute("SELECT truth FROM lab_breach.facts").fetchone()
    if not row or row[0] is None:
        return None
    plain = dict(row[0])
    for name in ("first_seen", "last_seen"):
        plain[name] = datetime.fromisoformat(plain[name])
    for name in ("slow", "user_ids", "deleted_ids", "tampered_ids", "session_ids"):
        plain[name] = tuple(plain[name])
    return Truth(**plain)
