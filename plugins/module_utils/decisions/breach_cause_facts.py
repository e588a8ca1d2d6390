# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a suspected breach is decided from: the results of other modules, and what the operator knows. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

MOST_DOUBTS = 10
MOST_NARROW = 20  # suspects; to log out more of them is a decision for two
# types of records that are about people, of those that audit_scope knows by itself
PEOPLE_TYPES = ("user", "creator", "brand", "campaign", "payment")


@dataclass(frozen=True)
class Said:
    """What the operator knows and no component can tell.

    Attributes:
        actors: accounts that are under suspicion, whatever the trail says.
        expected: accounts whose activity is known, such as that of a backup or of a penetration test.
        leaked: names of credentials that got out.
        pods: pods under suspicion.
        card_data: whether data of cards may be concerned.
        people_types: types of records that are about people.
    """

    actors: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()
    leaked: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    card_data: bool = False
    people_types: tuple[str, ...] = PEOPLE_TYPES


@dataclass(frozen=True)
class Facts:
    """What was found.

    Attributes:
        scope: the result of audit_scope.
        said: by the operator.
        blind: what is needed and was not looked at.
        doubts: what makes it less sure.
        mass_people: so many people, or
        mass_records: so many exported records make an export a mass export.
        suspects: accounts against which something speaks and that are not expected, worst first.
        known: those that are.
        mixed: those of them that the trail counts among the suspects, as it was not told of them.
        elsewhere: how many that are expected came from addresses that are new for them, and so are suspects.
        events, records, unnamed: rows of exports of the suspects, records in them, and rows that name no record.
        more: whether they are of a part of the exports, as there were too many to name each.
        unnamed_people: of the latter those that may be about people.
        loud: addresses that are suspicious, whoever used them.
        trail_read: whether the trail was looked at whole.
    """

    scope: Json
    said: Said
    mass_people: int
    mass_records: int
    blind: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    suspects: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    mixed: tuple[str, ...] = ()
    elsewhere: int = 0
    events: int = 0
    records: int = 0
    unnamed: int = 0
    more: bool = False
    unnamed_people: int = 0
    loud: int = 0
    trail_read: bool = False
    affected: Json = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all of whom it concerns is known, and nobody else."""
        return bool(self.affected.get("complete")) and self.people is not None and not self.unlooked and not self.mixed

    @property
    def low(self) -> bool:
        """Whether the trail is not rather sure who it was and what was taken; one that does not say is not."""
        return (self.scope.get("confidence") or {}).get("level") not in ("medium", "high")

    @property
    def confirmed(self) -> bool:
        """Whether it is rather sure who the suspects are: by the trail, or since somebody has named each of them."""
        return bool(self.suspects) and (not self.low or set(self.suspects) <= set(self.said.actors))

    @property
    def crowd(self) -> bool:
        """Whether so many are under suspicion that to deal with them is not narrow any more."""
        return len(self.suspects) > MOST_NARROW

    @property
    def whose_unknown(self) -> bool:
        """Whether of none of those concerned it is known who they are."""
        return self.people is None or (self.people == 0 and bool(self.affected.get("records_without_owner")))

    @property
    def people(self) -> int | None:
        """How many people it concerns."""
        return self._about_suspects("count")

    @property
    def taken(self) -> int | None:
        """How many records it concerns."""
        return self._about_suspects("records")

    def _about_suspects(self, what: str) -> int | None:
        """A count of the trail: about expected accounts as well, and not about those that it does not suspect."""
        if (self.suspects or self.known) and not set(self.suspects) - set(self.unlooked):
            return None
        found: int | None = self.affected.get(what)
        return found

    @property
    def unlooked(self) -> tuple[str, ...]:
        """Accounts that only the operator names: what they took is not among what was found."""
        found = {str(name) for name in self.scope.get("suspect_ids") or []}
        return tuple(name for name in self.said.actors if name not in found)


def read_facts(
    scope: Mapping[str, Any],
    addresses: Mapping[str, Any],
    workload: Mapping[str, Any],
    said: Said,
    mass: tuple[int, int],
) -> Facts:
    """Read what other modules found out.

    Args:
        scope: the result of audit_scope.
        addresses: that of audit_ips.
        workload: that of k8s_workload.
        said: what the operator knows.
        mass: from how many people, and from how many records, an export is a mass export.
    """
    found = [str(name) for name in scope.get("suspect_ids") or []]
    known, mixed, elsewhere = _expected(scope, found, said)
    suspects = tuple(name for name in dict.fromkeys([*found, *said.actors]) if name not in mixed)
    taken = [
        each for each in scope.get("resources") or [] if each.get("exports") and str(each.get("actor_id")) in suspects
    ]
    unnamed = [(each.get("resource_type"), int(each.get("unnamed") or 0)) for each in taken]
    read = bool(scope.get("reachable")) and not scope.get("cause")
    return Facts(
        scope=dict(scope),
        said=said,
        mass_people=mass[0],
        mass_records=mass[1],
        blind=tuple(_blind(scope, addresses, workload)),
        doubts=tuple(str(reason) for reason in (scope.get("confidence") or {}).get("reasons") or [])[:MOST_DOUBTS],
        suspects=suspects,
        known=known,
        mixed=mixed,
        elsewhere=elsewhere,
        events=sum(int(each.get("events") or 0) for each in taken),
        records=sum(int(each.get("records") or 0) for each in taken),
        unnamed=sum(count for _, count in unnamed),
        more=bool(scope.get("resources_omitted")) and all(each.get("exports") for each in scope["resources"]),
        unnamed_people=sum(count for kind, count in unnamed if not kind or kind in said.people_types),
        loud=int(addresses.get("suspicious_count") or 0),
        trail_read=read and scope.get("status") not in (None, "unknown"),
        affected=dict(scope.get("affected") or {}),
    )


def _expected(
    scope: Mapping[str, Any], found: Sequence[str], said: Said
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Which accounts are known, which of them are mixed with suspects, and how many are no excuse.

    Where audit_scope was told whom to expect, it knows best: who came from a new address is a suspect all the same.
    """
    told = scope.get("expected")
    if not told:
        mixed = tuple(name for name in found if name in said.expected)
        return mixed, mixed, 0
    excused = tuple(str(each["actor_id"]) for each in told if each.get("excused") and each.get("events"))
    return excused, (), sum(1 for each in told if not each.get("excused"))


def _blind(scope: Mapping[str, Any], addresses: Mapping[str, Any], workload: Mapping[str, Any]) -> list[str]:
    found = []
    if not scope.get("reachable") or scope.get("cause"):
        found.append(f"the audit trail could not be read: {scope.get('message') or 'it was not asked'}")
    if not addresses.get("reachable") or addresses.get("cause"):
        found.append(f"addresses could not be compared: {addresses.get('message') or 'they were not asked for'}")
    elif addresses.get("client_ip_recorded") is not True:
        found.append("that the trail has the clients' own addresses is not known, so neither is from where they came")
    if not workload.get("workload"):
        found.append(f"the pods could not be looked at: {workload.get('message') or 'they were not asked for'}")
    return found
