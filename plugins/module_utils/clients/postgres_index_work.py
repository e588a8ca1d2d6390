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
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import index_checks
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import may_have_happened
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.index_proposal import Proposal, mark

Json = dict[str, Any]

POLL_S = 0.2
MOST_PROGRESS = 50
DROP_ATTEMPTS = 3
_WATCHED = ("blocks_done", "blocks_total", "tuples_done", "tuples_total", "lockers_done", "lockers_total")

_IDENTITY = ("oid", "definition", "comment", "valid")
# Classes of SQLSTATE of what goes wrong while a table is read and an index is written
_WHILE_BUILT = ("22", "23", "53", "54", "58", "XX")

CREATED, DROPPED, FAILED, UNKNOWN, NOT_ATTEMPTED = "created", "dropped", "failed", "unknown", "not_attempted"


@dataclass
class Done:
    """What became of one index.

    Attributes:
        index: it afterwards; ``None`` when it is not there or nobody could look.
        caveats: what a person has to see to.
        progress: how the build went on, each phase at least once.
        changed: whether something is, or may be, other than before.
    """

    result: str
    reason: str | None = None
    index: Json | None = None
    caveats: list[str] = field(default_factory=list)
    progress: list[Json] = field(default_factory=list)
    changed: bool = False


@dataclass(frozen=True)
class Seen:
    """A look at one index. Nobody could look: that is not the same as that there is none."""

    looked: bool
    index: Json | None = None


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
        built: set[int] = set()
        pid = _pid(session)
        error = _watched(
            session, create_statement(proposal), lambda: _note_progress(watcher, pid, table_oid, progress, built)
        )
        done = _judged(session, _find(session, watcher, table_oid, proposal.index), proposal, error, built)
        done.progress = progress
        if done.result == CREATED:
            _sign(session, proposal, incident, done)
        elif done.result == FAILED and done.changed and done.index and not done.index["valid"]:
            _clean_up(session, watcher, proposal, table_oid, done)
        return done


def _judged(session: Session, seen: Seen, proposal: Proposal, error: PostgresError | None, built: set[int]) -> Done:
    """Return what became of a build, before anything is cleaned up."""
    index, name = seen.index, f"{proposal.schema}.{proposal.index}"
    if error is None and index and index["valid"] and index["ready"]:
        return Done(CREATED, index=index, changed=True)
    if error is None and index is None:
        reason = "the server says that it is built, and it was not seen afterwards"
        return Done(UNKNOWN, reason, caveats=[_unseen(name)], changed=True)
    if error is not None and (_uncertain(session, error) or not seen.looked):
        told = _left(index) if index else [_unseen(name)]
        if index and index["valid"]:
            told = [f"{name} has no comment that says who made it, so that a rollback will not drop it"]
        return Done(UNKNOWN, f"{error.failure.text}; {_state(name, seen)}", index, told, changed=True)
    if index is None:
        return Done(FAILED, error.failure.text if error else None)
    if error is not None and not _is_ours(index, error, built):
        reason = f"{error.failure.text}; {_state(name, seen)}, and it is not known to be of this build"
        return Done(FAILED, reason, index, _left(index))
    return Done(FAILED, error.failure.text if error else "it is not valid after all", index, changed=True)


def _is_ours(index: Mapping[str, Any], error: PostgresError, built: set[int]) -> bool:
    """Whether an index with the wanted name is of this build.

    Before a build has made its index, it waits for a lock or finds the name taken, and somebody else may build one of
    the same name meanwhile.
    """
    return index["oid"] in built or (not index["valid"] and str(error.failure.sqlstate)[:2] in _WHILE_BUILT)


def drop(params: Mapping[str, Any], watcher: Session, schema: str, index: Json, bounds: Bounds) -> Done:
    """Drop an index, unless it is another one by now than *index*, which was looked at before."""
    session = _writer(params, bounds)
    if isinstance(session, Done):
        return left_alone(index, session.reason)
    with session:
        if objection := _changed_since(session, index):
            return objection
        error = _attempt(session, schema, str(index["name"]))
        if error is None:
            return Done(DROPPED, changed=True)
        seen = _find(session, watcher, index["table_oid"], str(index["name"]))
        told = _left(seen.index) if seen.looked else [_unseen(f"{schema}.{index['name']}")]
        if not seen.looked or _uncertain(session, error):
            return Done(UNKNOWN, error.failure.text, seen.index, told, changed=True)
        # the server makes it INVALID first, and then waits for those that still use it
        other = seen.index is None or any(seen.index[name] != index[name] for name in ("valid", "ready"))
        return Done(FAILED, error.failure.text, seen.index, told, changed=other)


def _changed_since(session: Session, index: Json) -> Done | None:
    """Look once more: names are all that a drop goes by, and a drop before this one may have waited for long."""
    try:
        now = next((each for each in read_indexes(session, index["table_oid"]) if each["name"] == index["name"]), None)
        busy = index_checks.building({"building": read_building(session)})
    except PostgresError as error:
        return left_alone(index, error.message)
    if now is None or any(now[name] != index[name] for name in _IDENTITY):
        return left_alone(now, "it is not the index any more that was looked at")
    return None if busy.ok else left_alone(now, busy.text)


def left_alone(index: Json | None, reason: str | None) -> Done:
    """Return what is to be said of an index that is not dropped."""
    return Done(NOT_ATTEMPTED, reason, index, _left(index))


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


def _pid(session: Session) -> int | None:
    try:
        return int(session.ask("SELECT pg_backend_pid() AS pid")[0]["pid"])
    except PostgresError:  # then no index is known to be of this build
        return None


def _note_progress(watcher: Session, pid: int | None, table_oid: int, progress: list[Json], built: set[int]) -> None:
    """Note how far a build is, and in *built* which index it makes."""
    if watcher.lost:
        return
    try:
        rows = [row for row in read_building(watcher) if row["table_oid"] == table_oid]
    except PostgresError:  # it only watches
        return
    built.update(row["index_oid"] for row in rows if row["pid"] == pid and row["index_oid"])
    for row in rows[:1]:
        seen = {"phase": row["phase"], "waits_for_pid": row["waits_for_pid"], **{name: row[name] for name in _WATCHED}}
        last = progress[-1] if progress else {}
        if last.get("phase") == seen["phase"] and last.get("waits_for_pid") == seen["waits_for_pid"]:
            progress.pop()  # of one phase the first moment and the last numbers
            seen["at"] = last["at"]
        if len(progress) < MOST_PROGRESS:
            progress.append({"at": dt.datetime.now(dt.UTC), **seen})


def _find(session: Session, watcher: Session, table_oid: int, name: str) -> Seen:
    """Return an index as it is now, through whichever connection lives."""
    for asked in (watcher, session):
        if asked.lost:
            continue
        try:
            found = next((index for index in read_indexes(asked, table_oid) if index["name"] == name), None)
        except PostgresError:
            continue
        return Seen(looked=True, index=found)
    return Seen(looked=False)


def _uncertain(session: Session, error: PostgresError) -> bool:
    # statement_timeout is the server's word that it has stopped; without a word nobody knows
    return session.lost or (error.failure.sqlstate is None and may_have_happened(error.failure.cause, None))


def _state(name: str, seen: Seen) -> str:
    if not seen.looked:
        return f"nobody could look whether {name} is there"
    if seen.index is None:
        return f"{name} was not seen afterwards"
    return f"{name} is there and {'valid' if seen.index['valid'] else 'INVALID'}"


def _unseen(name: str) -> str:
    return f"{name} may be there, INVALID, or still be built or dropped: look for it, and drop it with drop_leftovers"


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


def _clean_up(session: Session, watcher: Session, proposal: Proposal, table_oid: int, done: Done) -> None:
    """Drop what this build has left, and say so in *done*."""
    for _ in range(DROP_ATTEMPTS):
        error = _attempt(session, proposal.schema, proposal.index)
        if error is None or session.lost:
            break
    seen = Seen(looked=True) if error is None else _find(session, watcher, table_oid, proposal.index)
    done.index = seen.index
    if not seen.looked:
        name = f"{proposal.schema}.{proposal.index}"
        done.result, done.caveats, did = UNKNOWN, [_unseen(name)], _state(name, seen)
    elif seen.index:
        done.caveats, did = _left(seen.index), "it left an index"
    else:
        done.changed, did = False, "what it left behind is dropped"
    done.reason = f"{done.reason}; {did}"


def _attempt(session: Session, schema: str, name: str) -> PostgresError | None:
    try:
        session.ask(drop_statement(schema, name))
    except PostgresError as error:
        return error
    return None
