# SPDX-License-Identifier: GPL-3.0-or-later
"""What libpq says about a failed connection, read as a cause."""

from __future__ import annotations

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    NEXT_STEPS,
    Failure,
    PostgresError,
    one_line,
    read_failure,
    reserved_too,
    server_failure,
)

AT = 'connection to server at "db.example" (10.0.0.1), port 5432 failed: '
FULL = "server_slots_exhausted"
RESERVED = "FATAL:  remaining connection slots are reserved for "
PROC = "\nLOCATION:  InitProcess, proc.c:364\n"
AUTH = "\nLOCATION:  auth_failed, auth.c:334\n"
POSTINIT = "\nLOCATION:  InitPostgres, postinit.c:948\n"
BY_ROLE = "\nLOCATION:  InitializeSessionUserId, miscinit.c:743\n"
BY_DATABASE = "\nLOCATION:  CheckMyDatabase, postinit.c:396\n"
SERVER = "\n\tIs the server running on that host and accepting TCP/IP connections?\n"

# Texts of real servers (15, 18), of PgBouncer 1.18 and of libpq, verbose (with SQLSTATE) and plain
TEXTS = [
    (FULL, "53300", "FATAL:  53300: sorry, too many clients already" + PROC),
    (FULL, "53300", "FATAL:  53300: tut mir leid, schon zu viele Verbindungen" + PROC.replace("LOCATION", "ORT")),
    (FULL, "53300", "FATAL:  sorry, too many clients already\n"),
    (FULL, "53300", RESERVED + "non-replication superuser connections"),
    (FULL, "53300", RESERVED + "roles with the SUPERUSER attribute"),
    ("auth", "28P01", 'FATAL:  28P01: password authentication failed for user "ops"' + AUTH),
    ("auth", "28P01", 'FATAL:  password authentication failed for user "ops"\n'),
    ("auth", "28000", 'FATAL:  28000: no pg_hba.conf entry for host "10.0.0.9", user "ops", SSL encryption'),
    ("auth", "28000", 'FATAL:  role "nobody" does not exist\n'),
    ("auth", "42501", 'FATAL:  42501: permission denied for database "x"\nDETAIL:  User does not have CONNECT.\n'),
    ("auth", None, "fe_sendauth: no password supplied\n"),
    ("database_missing", "3D000", 'FATAL:  3D000: database "nope" does not exist' + POSTINIT),
    ("database_missing", "3D000", 'FATAL:  database "nope" does not exist\n'),
    ("in_recovery", "57P03", "FATAL:  57P03: the database system is starting up\n"),
    ("in_recovery", "57P03", "FATAL:  the database system is in recovery mode\n"),
    ("shutting_down", "57P03", "FATAL:  57P03: the database system is shutting down\n"),
    ("shutting_down", "57P01", "FATAL:  57P01: terminating connection due to administrator command\n"),
    ("disk_full", "53100", "FATAL:  53100: could not write init file: No space left on device\n"),
    ("refused", None, "Connection refused" + SERVER),
    ("unreachable", None, "Network is unreachable" + SERVER),
    ("tls", None, "server does not support SSL, but SSL was required\n"),
    ("tls", None, "SSL error: certificate verify failed\n"),
    ("connection_lost", None, "server closed the connection unexpectedly\n\tThis probably means the server crashed\n"),
    ("pooler_exhausted", "08P01", "FATAL:  08P01: no more connections allowed (max_client_conn)\n"),
    ("unknown", "XX000", "FATAL:  XX000: something new\n"),
    ("unknown", None, "could not fork new process for connection: Cannot allocate memory\n"),
]


@pytest.mark.parametrize(("cause", "sqlstate", "text"), TEXTS, ids=[text[2][:44].strip() for text in TEXTS])
def test_causes(cause: str, sqlstate: str | None, text: str) -> None:
    failure = read_failure(AT + text)
    assert (failure.cause, failure.sqlstate) == (cause, sqlstate)
    assert failure.next_step
    for unwanted in ("LOCATION", "\n", "failed:", ".c:", "FATAL"):
        assert unwanted not in failure.message


def test_every_cause_has_a_next_step() -> None:
    assert {cause for cause, _, _ in TEXTS} <= set(NEXT_STEPS)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ("server", "FATAL:  53300: sorry, too many clients already" + PROC),
        ("role", 'FATAL:  53300: too many connections for role "ops"' + BY_ROLE),
        ("role", "WAŻNE:  53300: zbyt wiele" + BY_ROLE.replace("LOCATION", "POŁOŻENIE")),
        ("database", 'FATAL:  53300: too many connections for database "x"' + BY_DATABASE),
        ("database", 'FATAL:  too many connections for database "x"\n'),
        (None, "FATAL:  28P01: password authentication failed" + AUTH),
    ],
)
def test_whose_limit_was_reached(limit: str | None, text: str) -> None:
    failure = read_failure(AT + text)
    assert failure.limit == limit
    if limit in {"role", "database"}:
        assert f"limit of this {limit}" in failure.next_step


def test_of_several_tries_the_first_answer_counts() -> None:
    with_tls = AT + 'FATAL:  28P01: password authentication failed for user "ops"' + AUTH
    without = AT + 'FATAL:  28000: no pg_hba.conf entry for host "10.0.0.9", no encryption\nLOCATION:  x, auth.c:1\n'
    assert read_failure(with_tls + without).sqlstate == "28P01"


def test_statement_errors_are_told_by_their_code() -> None:
    assert server_failure("57014", "Anweisung wird abgebrochen").cause == "timeout"
    assert server_failure("08006", "x").cause == "connection_lost"
    assert server_failure("57P01", "x").cause == "shutting_down"


def test_hostile_texts_become_one_bounded_line() -> None:
    failure = read_failure(AT + "FATAL:  XX000: \x1b[31mred\x00\u2028" + "x" * 10_000)
    assert len(failure.message) <= 200
    assert failure.message.isprintable()
    assert one_line("a\nb\t c") == "a b c"


def test_the_error_says_what_was_attempted_the_cause_and_what_to_check() -> None:
    error = PostgresError("Logging in to PostgreSQL on db:5432", Failure("refused", "Connection refused"), attempts=[])
    assert error.message == (
        "Logging in to PostgreSQL on db:5432: Connection refused; nothing listens there: check host and port, "
        "whether PostgreSQL runs, and its log"
    )
    assert error.details == {"cause": "refused", "sqlstate": None, "hint": NEXT_STEPS["refused"], "attempts": []}


def test_the_advice_knows_what_became_of_the_reserved_login() -> None:
    full = read_failure(AT + "FATAL:  53300: sorry, too many clients already\n")
    assert "reserved_user" in full.next_step
    assert "reserved slots are taken too" in reserved_too(full, full).next_step
    refused = read_failure(AT + 'FATAL:  28P01: password authentication failed for user "root"\n')
    assert reserved_too(full, refused).cause == "server_slots_exhausted"
    assert "28P01" in reserved_too(full, refused).next_step
