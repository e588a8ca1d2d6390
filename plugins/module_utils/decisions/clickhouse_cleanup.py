# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What of a ClickHouse server's leftovers to let go in one run, in which order, and when not to. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_leftovers import (
    DETACHED,
    ID_OF,
    LOG,
    MUTATION,
    Item,
    Seen,
    Wish,
    kept,
)

Json = dict[str, Any]

# What of a target may change without making it another one: merges, and tries of a mutation. Targets have it no more,
# but plans that were approved before may.
_VARYING = {LOG: {"bytes"}, MUTATION: {"fail_reason"}, DETACHED: frozenset[str]()}


@dataclass
class Plan:
    """What would be done, or why nothing is; ``status`` is planned, nothing_to_do or refused."""

    status: str
    reason: str
    word: str | None = None
    chosen: list[Item] = field(default_factory=list)
    excluded: list[Json] = field(default_factory=list)

    @property
    def targets(self) -> list[Json]:
        """As the result shows them."""
        return [each.target for each in self.chosen]


def make_plan(seen: Seen, wish: Wish) -> Plan:
    """Choose within the caps; what is large does not keep what is small from going."""
    if seen.refusal:
        return Plan("refused", seen.refusal[1], seen.refusal[0], excluded=seen.excluded)
    plan = Plan("planned", "", excluded=list(seen.excluded))
    size = 0
    for each in seen.items:
        if len(plan.chosen) >= wish.max_items:
            plan.excluded.append(kept(each, "over_max_items", f"{wish.max_items} at most in one run"))
        elif size + each.size > wish.max_bytes:
            plan.excluded.append(kept(each, "over_max_bytes", f"{wish.max_bytes} bytes at most in one run"))
        else:
            plan.chosen.append(each)
            size += each.size
    if not plan.chosen and seen.items:
        plan.status, plan.word = "refused", "over_max_bytes"
        plan.reason = f"all that can go is larger than max_bytes {wish.max_bytes}"
    elif not plan.chosen:
        plan.status, plan.word = "nothing_to_do", "none_eligible"
        plan.reason = "there is nothing that can go without losing data; see excluded"
    else:
        plan.reason = told_of(plan.chosen)
    return _compared(plan, seen, wish)


def told_of(items: Sequence[Item]) -> str:
    """What happens to them, in one sentence."""
    said = []
    for kind, what in (
        (MUTATION, "kill {} stuck mutations"),
        (DETACHED, "drop {} detached parts"),
        (LOG, "drop {} old partitions of the server's logs"),
    ):
        own = [each for each in items if each.kind == kind]
        size = sum(each.size for each in own)
        if own:
            said.append(what.format(len(own)) + (f", {size} bytes" if size else ""))
    return "; ".join(said)


def _compared(plan: Plan, seen: Seen, wish: Wish) -> Plan:
    """The plan, unless it is another one than was approved."""
    given = None if wish.targets is None else [_constant(each) for each in wish.targets]
    if same_targets(given, map(_constant, plan.targets)):
        return plan
    plan.chosen = []
    if given and _all_gone(given, seen):
        plan.status, plan.word, plan.reason = "nothing_to_do", "gone_already", "what was planned to go is gone"
    else:
        plan.status, plan.word = "refused", "plan_changed"
        plan.reason = "what can go is not what was approved; look again and make a new plan"
    return plan


def _all_gone(given: Sequence[Mapping[str, Any]], seen: Seen) -> bool:
    """Whether an earlier run has done the whole approved plan."""
    looked = {str(each.get("kind")) for each in given} <= seen.looked
    return looked and not seen.ids.intersection(map(_key, given))


def _constant(target: Mapping[str, Any]) -> Json:
    varying = _VARYING.get(str(target.get("kind")), frozenset())
    return {name: value for name, value in target.items() if name not in varying}


def _key(target: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("kind", "database", "table", ID_OF.get(str(target.get("kind")), ""))
    return tuple(str(target.get(name)) for name in names)
