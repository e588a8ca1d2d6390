# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Build and drop an index concurrently, watch it, and clean up what a failed build leaves behind."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session, log_in
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import PostgresError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_indexes import (
    comment_statement,
    create_statement,
    drop_statement,
    read_building,
    read_indexes,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.index_proposal import Proposal, mark

Json = dict[str, Any]

POLL_S = 0.2
MOST_PROGRESS = 50
DROP_ATTEMPTS = 3
_WATCHED = ("blocks_done", "blocks_total", "tuples_done", "tuples_total", "lockers_done", "lockers_total")

CREATED, DROPPED, FAILED, UNKNOWN, NOT_ATTEMPTED = "created", "dropped", "failed", "unknown", "not_attempted"


@dataclass
class Done:
    """What became of one index.

    Attributes:
        index: it afterwards; ``None`` when it is not there or nobody could look.
        caveats: what a person has to see to.
        progress: how the build went on, each phase at least once.
    """

    result: str
    reason: str | None = None
    index: Json | None = None
    caveats: list[str] = field(default_factory=list)
    progress: list[Json] = field(default_factory=list)


@dataclass(frozen=True)
class Bounds:
    """Limits of one statement in seconds: the whole of it, and each wait for a lock."""

    statement_s: int
    lock_s: int


def create(
    params: Mapping[str, Any], watcher: Session, proposal: Proposal, table_oid: int, incident: str, bounds: Bounds
) -> Done:
    """Build an index, and say whose it is in its comment.

    Args:
        params: the options of the connection; a second login builds, as the first one watches.
        watcher: stays free.
    """
    session = _writer(params, bounds)
    if isinstance(session, Done):
        return session
    with session:
        progress: list[Json] = []
        error = _watched(session, create_statement(proposal), lambda: _note_progress(watcher, table_oid, progress))
        index = _find(session, watcher, table_oid, proposal.index)
        if error is None and index and index["valid"] and index["ready"]:
            done = Done(CREATED, index=index, progress=progress)
            _sign(session, proposal, incident, done)
            return done
        if error is None and index is None:
            reason = "the server says that it is built, but nobody could look at it afterwards"
            return Done(UNKNOWN, reason, progress=progress)
        if error is not None and _uncertain(session, error):
            return Done(UNKNOWN, f"{error.failure.text}; {_state(proposal, index)}", index, _left(index), progress)
        reason = error.failure.text if error else "it is not valid after all"
        return _clean_up(session, watcher, proposal, table_oid, Done(FAILED, reason, index, [], progress))


def drop(params: Mapping[str, Any], watcher: Session, schema: str, index: Mapping[str, Any], bounds: Bounds) -> Done:
    """Drop an index that was looked at a moment ago."""
    session = _writer(params, bounds)
    if isinstance(session, Done):
        return session
    with session:
        error = _attempt(session, schema, str(index["name"]))
        if error is None:
            return Done(DROPPED)
        now = _find(session, watcher, index["table_oid"], str(index["name"]))
        result = UNKNOWN if _uncertain(session, error) else FAILED
        return Done(result, error.failure.text, now, _left(now))


def _writer(params: Mapping[str, Any], bounds: Bounds) -> Session | Done:
    """Log in to change something; never with the reserved login, which is a superuser's."""
    try:
        session = log_in({**params, "reserved_user": None, "reserved_password": None}, bounds.statement_s)
    except PostgresError as error:
        return Done(NOT_ATTEMPTED, error.message)
    try:
        session.ask("SET default_transaction_read_only TO off")
        session.ask(f"SET lock_timeout TO {int(bounds.lock_s * 1000)}")
    except PostgresError as error:
        session.close()
        return Done(NOT_ATTEMPTED, error.message)
    return session


def _watched(session: Session, statement: str, look: Callable[[], None]) -> PostgresError | None:
    """Run a statement, and look at it meanwhile; return its error."""
    errors: list[PostgresError] = []

    def run() -> None:
        try:
            session.ask(statement)
        except PostgresError as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        look()
        thread.join(POLL_S)
    return errors[0] if errors else None


def _note_progress(watcher: Session, table_oid: int, progress: list[Json]) -> None:
    if watcher.lost:
        return
    try:
        rows = [row for row in read_building(watcher) if row["table_oid"] == table_oid]
    except PostgresError:  # it only watches
        return
    for row in rows[:1]:
        seen = {"phase": row["phase"], "waits_for_pid": row["waits_for_pid"], **{name: row[name] for name in _WATCHED}}
        last = progress[-1] if progress else {}
        if last.get("phase") == seen["phase"] and last.get("waits_for_pid") == seen["waits_for_pid"]:
            progress.pop()  # of one phase the first moment and the last numbers
            seen["at"] = last["at"]
        if len(progress) < MOST_PROGRESS:
            progress.append({"at": dt.datetime.now(dt.UTC), **seen})


def _find(session: Session, watcher: Session, table_oid: int, name: str) -> Json | None:
    """Return an index as it is now, through whichever connection lives."""
    for asked in (watcher, session):
        if asked.lost:
            continue
        try:
            found = [index for index in read_indexes(asked, table_oid) if index["name"] == name]
        except PostgresError:
            continue
        return {**found[0], "table_oid": table_oid} if found else None
    return None


def _uncertain(session: Session, error: PostgresError) -> bool:
    # statement_timeout is the server's word that it has stopped; without a word nobody knows
    return session.lost or (error.failure.sqlstate is None and may_have_happened(error.failure.cause, None))


def _state(proposal: Proposal, index: Mapping[str, Any] | None) -> str:
    name = f"{proposal.schema}.{proposal.index}"
    if index is None:
        return f"{name} was not seen afterwards"
    return f"{name} is there and {'valid' if index['valid'] else 'INVALID'}"


def _left(index: Mapping[str, Any] | None) -> list[str]:
    if index is None or index["valid"]:
        return []
    return [f"{index['name']} is left behind INVALID: it costs each write; drop it with action drop_leftovers"]


def _sign(session: Session, proposal: Proposal, incident: str, done: Done) -> None:
    """Say in the comment of the index who made it."""
    if done.index is None:
        raise AssertionError("there is nothing to sign")
    text = mark(incident, done.index["definition"])
    try:
        session.ask(comment_statement(proposal.schema, proposal.index, text))
    except PostgresError as error:
        done.caveats.append(f"its comment could not be set, so that a rollback will not drop it: {error.failure.text}")
    else:
        done.index["comment"] = text


def _clean_up(session: Session, watcher: Session, proposal: Proposal, table_oid: int, done: Done) -> Done:
    """Drop what this build has left; before it there was nothing of that name."""
    if done.index is None or done.index["valid"]:
        return done
    for _ in range(DROP_ATTEMPTS):
        if _attempt(session, proposal.schema, proposal.index) is None or session.lost:
            break
    done.index = _find(session, watcher, table_oid, proposal.index)
    done.caveats = _left(done.index)
    done.reason = f"{done.reason}; {'what it left behind is dropped' if done.index is None else 'it left an index'}"
    return done


def _attempt(session: Session, schema: str, name: str) -> PostgresError | None:
    try:
        session.ask(drop_statement(schema, name))
    except PostgresError as error:
        return error
    return None
