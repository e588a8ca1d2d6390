# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Sum up a PostgreSQL server's sessions: slots, groups, long work, who blocks whom. Pure, no I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_facts import (
    SessionFacts,
    full_statement,
    seconds,
    statement_head,
)

RUNNING = ("active", "fastpath function call")
IN_TRANSACTION = ("idle in transaction", "idle in transaction (aborted)")
PREPARED_TRANSACTION = 0  # pg_blocking_pids gives this for a lock that a prepared transaction holds


def clients(sessions: Iterable[SessionFacts]) -> list[SessionFacts]:
    """The sessions of clients, without the own one and the server's background processes."""
    return [session for session in sessions if session.is_client and not session.own]


def slots(
    server: Mapping[str, Any], limits: Sequence[Mapping[str, Any]], sessions: Sequence[SessionFacts]
) -> dict[str, Any]:
    """Count connection slots.

    ``usable`` are those that ordinary roles can get. ``used`` counts superusers as well, so ``used_ratio``
    can be above 1 while the reserved slots are in use.
    """
    taken = clients(sessions)
    usable = server["max_connections"] - server["superuser_reserved"] - server["reserved"]
    used = len(taken)
    return {
        "max_connections": server["max_connections"],
        "superuser_reserved": server["superuser_reserved"],
        "reserved": server["reserved"],
        "usable": usable,
        "used": used,
        "free": max(usable - used, 0),
        "used_ratio": round(used / usable, 4) if usable > 0 else None,
        "limits": [_limit(limit, taken) for limit in limits],
    }


def _limit(limit: Mapping[str, Any], taken: Sequence[SessionFacts]) -> dict[str, Any]:
    used = sum(getattr(session, str(limit["kind"])) == limit["name"] for session in taken)
    most = limit["connection_limit"]
    return {"kind": limit["kind"], "name": limit["name"], "limit": most, "used": used, "exhausted": used >= most}


def groups(sessions: Sequence[SessionFacts]) -> list[dict[str, Any]]:
    """Group client sessions by whose they are and what they do, largest group first."""
    members: dict[tuple[str | None, ...], list[SessionFacts]] = defaultdict(list)
    for session in clients(sessions):
        members[tuple(session.labels().values())].append(session)
    grouped = [
        {
            **group[0].labels(),
            "sessions": len(group),
            "max_state_age_s": _oldest(session.state_age_s for session in group),
            "max_transaction_age_s": _oldest(session.transaction_age_s for session in group),
        }
        for group in members.values()
    ]
    return sorted(grouped, key=lambda group: (-group["sessions"], -(group["max_state_age_s"] or 0)))


def long_running(sessions: Sequence[SessionFacts], limit_s: float, *, with_text: bool) -> list[dict[str, Any]]:
    """Client sessions at work whose query or transaction has taken *limit_s* seconds or more, longest first."""
    found = [
        session
        for session in clients(sessions)
        if session.state in RUNNING and max(session.query_age_s or 0, session.transaction_age_s or 0) >= limit_s
    ]
    found.sort(key=lambda session: -max(session.query_age_s or 0, session.transaction_age_s or 0))
    return [details(session, with_text=with_text) for session in found]


def in_transaction(sessions: Sequence[SessionFacts], limit_s: float, *, with_text: bool) -> list[dict[str, Any]]:
    """Client sessions idle inside a transaction that began *limit_s* seconds ago or more, oldest first."""
    found = [
        session
        for session in clients(sessions)
        if session.state in IN_TRANSACTION and (session.transaction_age_s or 0) >= limit_s
    ]
    found.sort(key=lambda session: -(session.transaction_age_s or 0))
    return [details(session, with_text=with_text) for session in found]


def blocking(sessions: Sequence[SessionFacts], *, with_text: bool) -> dict[str, list[dict[str, Any]]]:
    """Who waits for whom. A root blocks others and waits for nobody: it is the one to look at.

    The processes of the server count too, as autovacuum can be a root. A deadlock has no root; the server
    ends it within ``deadlock_timeout``.
    """
    known = {session.pid: session for session in sessions}
    waits = {session.pid: sorted(set(session.blocked_by)) for session in sessions if session.blocked_by}
    roots_of = {pid: _roots(pid, waits) for pid in waits}
    blocked = [
        {
            **details(known[pid], with_text=with_text),
            "blocked_by": blockers,
            "roots": sorted(roots_of[pid]),
        }
        for pid, blockers in waits.items()
    ]
    roots = [
        {
            **_root(pid, known.get(pid), with_text=with_text),
            "blocks": sorted(waiting for waiting, found in roots_of.items() if pid in found),
        }
        for pid in sorted(set().union(*roots_of.values()))
    ]
    roots.sort(key=lambda root: -len(root["blocks"]))
    blocked.sort(key=lambda session: -(session["query_age_s"] or 0))
    return {"roots": roots, "blocked": blocked}


def details(session: SessionFacts, *, with_text: bool) -> dict[str, Any]:
    """A session as JSON data; the values in its statement only *with_text*."""
    return {
        **session.identity(),
        **session.labels(),
        "wait_event_type": session.wait_event_type,
        "wait_event": session.wait_event,
        "state_age_s": seconds(session.state_age_s),
        "query_age_s": seconds(session.query_age_s),
        "transaction_age_s": seconds(session.transaction_age_s),
        # text: JSON readers round integers of 64 bits
        "query_id": None if session.query_id is None else str(session.query_id),
        "statement": "" if session.hidden else statement_head(session.query),
        **({"query_text": "" if session.hidden else full_statement(session.query)} if with_text else {}),
    }


def visibility(server: Mapping[str, Any], sessions: Sequence[SessionFacts]) -> dict[str, Any]:
    """Whether the login sees every session's state."""
    if server["sees_all"]:
        return {"sees_all": True, "hidden": 0, "reason": None}
    hidden = sum(session.hidden for session in clients(sessions))
    return {
        "sees_all": False,
        "hidden": hidden,
        "reason": (
            f"role {server['role']} lacks pg_read_all_stats, the state of {hidden} sessions is hidden from it; "
            f"GRANT pg_monitor TO {server['role']}"
        ),
    }


def _roots(pid: int, waits: Mapping[int, Sequence[int]]) -> set[int]:
    roots: set[int] = set()
    seen: set[int] = set()
    ahead = list(waits[pid])
    while ahead:
        blocker = ahead.pop()
        if blocker in seen:
            continue
        seen.add(blocker)
        if blocker in waits:
            ahead.extend(waits[blocker])
        else:
            roots.add(blocker)
    return roots


def _root(pid: int, session: SessionFacts | None, *, with_text: bool) -> dict[str, Any]:
    if pid == PREPARED_TRANSACTION:
        return {"pid": pid, "kind": "prepared transaction, see pg_prepared_xacts"}
    if session is None:
        return {"pid": pid, "kind": "gone meanwhile"}
    kind = session.backend_type or ("client backend" if session.is_client else "hidden")
    return {**details(session, with_text=with_text), "kind": kind}


def _oldest(ages: Iterable[float | None]) -> float | None:
    return max((age for age in (seconds(age) for age in ages) if age is not None), default=None)
