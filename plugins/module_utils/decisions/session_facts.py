# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""One database session as plain facts, and what may be shown of it. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

STATEMENT_LENGTH = 120

_LEADING_COMMENTS = re.compile(r"(?:\s+|--[^\n]*(?:\n|$)|/\*(?:[^*]|\*(?!/))*(?:\*/|$))*")
# A string, a dollar quote, a comment or a number: where a value may begin. $1 and names with digits are none.
_FIRST_VALUE = re.compile(r"'|\$(?![0-9])|--|/\*|(?<![\w$])\.?[0-9]")


@dataclass(frozen=True)
class SessionFacts:
    """One row of pg_stat_activity with what else is known of the process; ages in seconds by the server's clock.

    Attributes:
        backend_type: ``None`` when the login may not see this session's details.
        blocked_by: process ids that it waits for; 0 stands for a prepared transaction.
        may_end: the login's role may terminate it.
        query: the beginning of its current or last statement.
    """

    pid: int
    backend_start: dt.datetime | None = None
    state_change: dt.datetime | None = None
    own: bool = False
    backend_type: str | None = "client backend"
    database: str | None = None
    role: str | None = None
    superuser: bool = False
    application: str = ""
    client: str | None = None
    state: str | None = None
    wait_event_type: str | None = None
    wait_event: str | None = None
    state_age_s: float | None = None
    query_age_s: float | None = None
    transaction_age_s: float | None = None
    query_id: int | None = None
    query: str = ""
    advisory_lock: bool = False
    blocked_by: tuple[int, ...] | list[int] = ()
    may_end: bool = True

    @property
    def hidden(self) -> bool:
        """The login may not see its state. The server then hides the type of the process as well."""
        return self.backend_type is None

    @property
    def is_client(self) -> bool:
        """It is a client's session and takes a connection slot. Of a hidden one, role and database tell."""
        if self.hidden:
            return self.role is not None and self.database is not None
        return self.backend_type == "client backend"

    def identity(self) -> dict[str, Any]:
        """What makes it this session in this state, and no other: process id, start and last change."""
        return {
            "pid": self.pid,
            "backend_start": rfc3339(self.backend_start) if self.backend_start else None,
            "state_change": rfc3339(self.state_change) if self.state_change else None,
        }

    def labels(self) -> dict[str, Any]:
        """Whose session it is."""
        return {
            "database": self.database,
            "role": self.role,
            "application": self.application,
            "client": self.client,
            "state": self.state,
        }


def seconds(age: float | None) -> float | None:
    """Round an age for people; the clock may stand a moment before the server's change."""
    return None if age is None else round(max(age, 0.0), 1)


def statement_head(query: str) -> str:
    """Return a statement up to its first value, as one bounded line.

    Statements hold personal data in their literals; without them they still say what is done to which table.
    Leading comments (tracing tools put some there) are skipped.
    """
    text = query[_leading_comments_end(query) :]
    value = _FIRST_VALUE.search(text)
    cut = text if value is None else text[: value.start()]
    return _bounded(cut, more=value is not None)


def full_statement(query: str) -> str:
    """Return a statement with its values, as one bounded line."""
    return _bounded(query, more=False)


def _leading_comments_end(query: str) -> int:
    found = _LEADING_COMMENTS.match(query)
    return found.end() if found else 0


def _bounded(text: str, *, more: bool) -> str:
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(line) > STATEMENT_LENGTH - 1:
        return line[: STATEMENT_LENGTH - 1] + "…"
    return f"{line} …" if more and line and len(line) < STATEMENT_LENGTH - 1 else line
