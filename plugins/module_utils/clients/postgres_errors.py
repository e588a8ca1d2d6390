# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What PostgreSQL and libpq say when something fails, read as causes. Pure functions, no I/O.

A cause comes from the SQLSTATE wherever there is one: texts depend on the server's language. What libpq
itself reports (nothing listens, no TLS) carries none and is told by its text.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MESSAGE_LENGTH = 200
SLOTS_EXHAUSTED = "server_slots_exhausted"
FREE_A_SLOT = (
    "free a slot: scale one client down a step, or end one backend process on the database host with SIGTERM "
    "(never SIGKILL: it restarts every session)"
)

# https://www.postgresql.org/docs/current/errcodes-appendix.html
CAUSES_BY_SQLSTATE = (
    ("53300", SLOTS_EXHAUSTED),
    ("53100", "disk_full"),
    ("28", "auth"),
    ("42501", "auth"),
    ("3D000", "database_missing"),
    ("57P03", "in_recovery"),
    ("57P01", "shutting_down"),
    ("57P02", "shutting_down"),
    ("57P05", "connection_lost"),
    ("57014", "timeout"),
    ("08", "connection_lost"),
)

# The server's English texts, for the case that libpq could not be made to show the SQLSTATE.
SQLSTATES_BY_TEXT = (
    ("too many clients already", "53300"),
    ("remaining connection slots are reserved", "53300"),
    ("too many connections for", "53300"),
    ("password authentication failed", "28P01"),
    ("no pg_hba.conf entry", "28000"),
    ("is not permitted to log in", "28000"),
    ("the database system is", "57P03"),
    ("no space left on device", "53100"),
)

# Texts of libpq and PgBouncer, which know no SQLSTATE (or a misleading one); matched in lower case.
CAUSES_BY_TEXT = (
    ("no more connections allowed", "pooler_exhausted"),
    ("query_wait_timeout", "pooler_exhausted"),
    ("connection refused", "refused"),
    ("no such file or directory", "refused"),
    ("network is unreachable", "unreachable"),
    ("no route to host", "unreachable"),
    ("could not translate host name", "dns"),
    ("no password supplied", "auth"),
    ("authentication method", "auth"),
    ("gssapi", "auth"),
    ("timeout expired", "timeout"),
    ("timed out", "timeout"),
    ("ssl", "tls"),
    ("certificate", "tls"),
    ("server closed the connection", "connection_lost"),
    ("connection reset by peer", "connection_lost"),
)
CAUSES_BY_ERRNO = (
    (errno.ECONNREFUSED, "refused"),
    (errno.ENOENT, "refused"),
    (errno.ENETUNREACH, "unreachable"),
    (errno.EHOSTUNREACH, "unreachable"),
    (errno.ETIMEDOUT, "timeout"),
    (errno.ECONNRESET, "connection_lost"),
)

NEXT_STEPS = {
    SLOTS_EXHAUSTED: f"no slot is left for this login; give reserved_user and reserved_password, or {FREE_A_SLOT}",
    "pooler_exhausted": "this is PgBouncer's own limit; log in to PostgreSQL directly and look at SHOW POOLS",
    "auth": "check user, password, pg_hba.conf and whether the role may log in",
    "database_missing": "check the name of the database",
    "in_recovery": "the server is starting or recovering; follow its log and wait, do not restart it",
    "shutting_down": "the server is being stopped; find out by whom before starting it again",
    "disk_full": "free or grow the volume of the database; do not restart it in a loop",
    "refused": "nothing listens there: check host and port, whether PostgreSQL runs, and its log",
    "unreachable": "check the network, routes and policies between here and the server",
    "dns": "check the host name and the name service",
    "timeout": "check network policies, the load of the server and whether its storage answers",
    "tls": "check ssl_mode, the certificate authority and what the server offers",
    "connection_lost": "the connection broke; check whether the server restarted or a proxy cut it off",
    "unknown": "check the log of the server",
}

# FATAL:  53300: sorry, too many clients already   (the severity is in the server's language)
_VERBOSE = re.compile(r":\s+(?=[A-Z]*[0-9])([0-9A-Z]{5}):[ \t]+([^\n]*)")
# LOCATION:  InitProcess, proc.c:364
_LOCATION = re.compile(r"^\S+\s+(\w+), \w+\.c:\d+$", re.MULTILINE)
_PREFIX = re.compile(r"^connection to server (?:at|on socket) .*? failed: (?:[A-Z]+:\s+)?", re.DOTALL)


@dataclass(frozen=True)
class Failure:
    """Why a connection attempt or a statement failed.

    Attributes:
        cause: one of the keys of ``NEXT_STEPS``.
        message: one bounded line, without the connection's settings and without source locations.
        sqlstate: the server's code; ``None`` when no server answered.
        limit: for SQLSTATE 53300, whose limit was reached: ``server``, ``role`` or ``database``.
        advice: what to check or do, where it is not the cause's own.
    """

    cause: str
    message: str
    sqlstate: str | None = None
    limit: str | None = None
    advice: str | None = None

    @property
    def text(self) -> str:
        """The message with its code."""
        return f"SQLSTATE {self.sqlstate}, {self.message}" if self.sqlstate else self.message

    @property
    def next_step(self) -> str:
        """What to check or do."""
        if self.advice:
            return self.advice
        if self.limit in {"role", "database"}:
            return f"the connection limit of this {self.limit} is reached, not the server's; give a reserved login"
        return NEXT_STEPS[self.cause]


class PostgresError(IncidentsError):
    """Logging in or asking failed; ``details`` carry cause, sqlstate and hint."""

    def __init__(self, attempted: str, failure: Failure, **details: Any) -> None:
        super().__init__(
            f"{attempted}: {failure.text}; {failure.next_step}",
            cause=failure.cause,
            sqlstate=failure.sqlstate,
            hint=failure.next_step,
            **details,
        )
        self.failure = failure


def one_line(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Return *text* as one printable line of at most *length* characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def read_failure(raw: str) -> Failure:
    """Read libpq's error text of a failed connection, verbose or not.

    With several tries behind one text (TLS, then without) the first that the server answered counts: the
    later ones are consequences.
    """
    verbose = _VERBOSE.search(raw)
    if verbose:
        sqlstate, message = verbose.group(1), verbose.group(2)
    else:
        message = _PREFIX.sub("", raw.strip()).partition("\n")[0]  # further lines are libpq's advice
        sqlstate = _sqlstate_of_text(message)
    location = _LOCATION.search(raw)
    return server_failure(sqlstate, message, location.group(1) if location else None)


def server_failure(sqlstate: str | None, message: str, function: str | None = None) -> Failure:
    """Classify an error by its SQLSTATE, else by its text; *function* is the server's that raised it."""
    return Failure(
        cause=_cause(sqlstate, message),
        message=one_line(message),
        sqlstate=sqlstate,
        limit=_limit(message, function) if sqlstate == "53300" else None,
    )


def reserved_too(ordinary: Failure, reserved: Failure) -> Failure:
    """The failure of both logins: the ordinary one's, with advice that knows of the reserved one."""
    if reserved.sqlstate == "53300":
        return replace(ordinary, advice=f"the reserved slots are taken too; {FREE_A_SLOT}")
    return replace(ordinary, advice=f"the reserved login failed too: {reserved.text}; {reserved.next_step}")


def _cause(sqlstate: str | None, message: str) -> str:
    text = message.lower()
    if "no more connections allowed" in text or "query_wait_timeout" in text:  # PgBouncer says 08P01
        return "pooler_exhausted"
    if sqlstate == "57P03" and "shutting down" in text:
        return "shutting_down"
    if sqlstate:
        return next((cause for code, cause in CAUSES_BY_SQLSTATE if sqlstate.startswith(code)), "unknown")
    for known, cause in CAUSES_BY_TEXT:
        if known in text:
            return cause
    # libpq passes on the C library's text, which follows the locale; so does os.strerror
    return next((cause for code, cause in CAUSES_BY_ERRNO if os.strerror(code) in message), "unknown")


def _sqlstate_of_text(message: str) -> str | None:
    text = message.lower()
    if text.endswith("does not exist") and text.startswith(("database", "role")):
        return "3D000" if text.startswith("database") else "28000"
    return next((code for known, code in SQLSTATES_BY_TEXT if known in text), None)


def _limit(message: str, function: str | None) -> str:
    if function == "InitializeSessionUserId" or "too many connections for role" in message:
        return "role"
    if function == "CheckMyDatabase" or "too many connections for database" in message:
        return "database"
    return "server"
