# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether an index may be built or dropped now: what is looked at first, and what speaks against it. Pure, no I/O.

An index built concurrently waits for every transaction that is older, and one that fails leaves an index behind that
is INVALID, costs each write, and is never read.
https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import index_proposal
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.index_plan import may_gain
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.index_proposal import Proposal

Json = dict[str, Any]

# A guess on the safe side: an index on a few columns is rarely larger than half of its table
SHARE_OF_TABLE = 0.5
UNKNOWN_STATE = "unknown_state"
_MATERIALISED, _TABLE = "m", "r"


@dataclass(frozen=True)
class Check:
    """What was looked at. ``ok`` is ``None`` where it is not known; *refusal* says whether that stops the work."""

    check: str
    ok: bool | None
    text: str
    refusal: str | None = None

    def plain(self) -> Json:
        """As JSON data."""
        return {"check": self.check, "ok": self.ok, "text": self.text}


@dataclass(frozen=True)
class Limits:
    """What is still allowed: bytes of the table, seconds of the oldest transaction; bytes that are free, if known."""

    max_table_bytes: int
    max_transaction_age_s: float
    free_bytes: int | None = None


def table_checks(facts: Mapping[str, Any], columns: Sequence[str]) -> Iterator[Check]:
    """Yield what is to be known of server and table, whatever is done; the first that fails ends it."""
    server, table = facts["server"], facts["table"]
    writable = not server["in_recovery"]
    yield Check("server", writable, "it takes writes" if writable else "it is a standby or recovers", "in_recovery")
    if table is None:
        yield Check("table", ok=False, text="there is no such table in this database", refusal="no_table")
        return
    usual = table["kind"] in {_TABLE, _MATERIALISED} and table["persistence"] != "t"
    text = "a table" if usual else "no ordinary table: of a partitioned one, index each partition"
    yield Check("table", usual, f"it is {text}", "table_kind")
    missing = [name for name in columns if name not in facts["columns"]]
    text = f"there is no column {', '.join(missing)}" if missing else "all are there"
    yield Check("columns", not missing, text, "no_column")
    may = table["owner"] and table["may_create"]
    text = "the login may" if may else "the login must be a member of the table's owner, with CREATE on the schema"
    yield Check("permission", may, text, "not_permitted")


def building(facts: Mapping[str, Any]) -> Check:
    """Return whether an index is being built in this database: one at a time is enough for its disks."""
    rows = facts["building"]
    text = f"process {rows[0]['pid']} builds an index" if rows else "no index is being built"
    return Check("building", not rows, text, "building")


def few(count: int, most: int) -> Check:
    """Return whether no more is to be dropped than one run may."""
    return Check("count", count <= most, f"{count} are to be dropped, the limit is {most}", "too_many")


def _oldest(facts: Mapping[str, Any], limits: Limits) -> Check:
    oldest, hidden = facts["oldest"], facts["hidden"]
    if oldest and oldest["age_s"] >= limits.max_transaction_age_s:
        whose = f"process {oldest['pid']}" if oldest["pid"] else "a prepared transaction"
        text = f"{whose} has a transaction open for {oldest['age_s']:.0f} s; the index would wait for it"
        return Check("transactions", ok=False, text=text, refusal="old_transaction")
    if hidden:
        text = f"the login may not see {hidden} sessions, and for those the index might wait; grant it pg_monitor"
        return Check("transactions", ok=None, text=text, refusal=UNKNOWN_STATE)
    return Check("transactions", ok=True, text=f"none is older than {limits.max_transaction_age_s:g} s")


def create_checks(
    proposal: Proposal, facts: Mapping[str, Any], limits: Limits, plan: Mapping[str, Any]
) -> Iterator[Check]:
    """Yield what is to be known before an index is built, beside :func:`table_checks`.

    Args:
        plan: ``seen``, the summary of the query's plan or ``None``, and ``problem``, why there is none.
    """
    left = [index["name"] for index in facts["indexes"] if is_left_over(index, facts)]
    text = f"{', '.join(left)} INVALID; drop what failed builds left behind first" if left else "no index is INVALID"
    yield Check("leftovers", not left, text, "leftovers")
    taken = facts["name_taken"]
    yield Check("name", not taken, f"{proposal.index} is {'taken' if taken else 'free'}", "name_taken")
    yield building(facts)
    yield _oldest(facts, limits)
    yield from _room(facts["table"]["bytes"], limits)
    yield _evidence(plan)


def _room(size: int, limits: Limits) -> Iterator[Check]:
    fits = size <= limits.max_table_bytes
    yield Check("size", fits, f"the table has {size} bytes, the limit is {limits.max_table_bytes}", "too_large")
    need, free = int(size * SHARE_OF_TABLE), limits.free_bytes
    if free is None:
        text = f"the index may need {need} bytes, and how many are free on the database's volume is not known"
        yield Check("disk", None, text, UNKNOWN_STATE)
    else:
        yield Check("disk", need < free, f"the index may need {need} bytes, {free} are free", "disk")


def _evidence(plan: Mapping[str, Any]) -> Check:
    seen = plan["seen"]
    if seen is None:
        return Check("plan", None, plan["problem"], "no_plan")
    if may_gain(seen):
        how = "reads all of the table" if seen["reads_all"] else "sorts"
        return Check("plan", ok=True, text=f"the query's plan {how}")
    text = "the query's plan neither reads all of the table nor sorts what it reads"
    return Check("plan", ok=False, text=text, refusal="no_use")


def drop_checks(facts: Mapping[str, Any], index: Mapping[str, Any], incident: str) -> Iterator[Check]:
    """Yield what is to be known before an incident's own index is dropped."""
    other = index_proposal.made_by(incident, index)
    yield Check("made_by", other is None, other or "this incident has made it, and nobody has changed it", "not_ours")
    needed = index["constrains"]
    yield Check("constraint", not needed, "a constraint needs it" if needed else "no constraint needs it", "constraint")
    yield building(facts)  # a drop waits for who uses this table, and lock_timeout_s is its limit


def is_left_over(index: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether a failed build left an index behind: it is INVALID, and nobody builds it."""
    busy = {row["index_oid"] for row in facts["building"]}
    return index["kind"] == "i" and not index["valid"] and index["oid"] not in busy


def objection(checks: Sequence[Check]) -> Check | None:
    """Return the first check that stops the work: one that failed, or one that has to be known and is not."""
    return next((check for check in checks if check.ok is not True and check.refusal), None)
