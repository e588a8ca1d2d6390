# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns an empty PostgreSQL into the platform's: its roles, its database, its tables with a sample of rows."""

from __future__ import annotations

from importlib import resources

from psycopg import sql

from incident_runbooks.lab import offers
from incident_runbooks.lab.postgres import has_statement_statistics
from incident_runbooks.lab.server import Login, Server

# A password must not reach the log, not even as its verifier
_SILENT = "-c log_statement=none -c log_min_error_statement=panic"

# What the runbooks read, and the one thing that they write: a payment compared with Stripe, whom a record is about,
# and what became of those whom a breach concerns; a dump of a table has the state of its sequence
_OF_OPS = """
GRANT SELECT ON audit_logs, payments, processed_events TO {0};
GRANT SELECT ON SEQUENCE audit_logs_id_seq, payments_id_seq TO {0};
GRANT SELECT (id, two_factor_required) ON users TO {0};
GRANT SELECT (id, brand_id) ON campaigns TO {0};
GRANT SELECT (id, user_id, issued_at, revoked_at), UPDATE (revoked_at) ON refresh_tokens TO {0};
GRANT SELECT (user_id, incident) ON password_resets TO {0};
GRANT SELECT (account_id, user_id, platform, revoked_at) ON oauth_grants TO {0};
"""


def seed(server: Server) -> None:
    """Make roles, database and tables.

    Raises:
        psycopg.Error: the server refused a statement.
    """
    statistics = has_statement_statistics(server.folder)
    options = _SILENT + (" -c pg_stat_statements.track=none" if statistics else "")
    app, database = sql.Identifier(server.app.user), sql.Identifier(server.database)
    with server.connect(server.superuser, dbname="postgres", options=options) as connection:
        for login in (server.app, server.ops, server.dba):
            verifier = _verifier(connection.pgconn, login)
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(login.user), sql.Literal(verifier))
            )
        connection.execute(sql.SQL("GRANT pg_monitor, pg_signal_backend TO {}").format(sql.Identifier(server.ops.user)))
        # who builds indexes owns tables as the application does, and sees what a build would wait for
        dba = sql.Identifier(server.dba.user)
        connection.execute(sql.SQL("GRANT {}, pg_monitor TO {}").format(app, dba))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, app))
    with server.connect(server.superuser, options=options) as connection:
        if statistics:
            connection.execute("CREATE EXTENSION pg_stat_statements")
        connection.execute(sql.SQL("SET ROLE {}").format(app))
        tables = resources.files("incident_runbooks.lab").joinpath("seed.sql").read_bytes()
        connection.execute(tables)
        connection.execute("RESET ROLE")
        offers.make(connection, server)
        connection.execute(sql.SQL(_OF_OPS).format(sql.Identifier(server.ops.user)))
        connection.execute("ANALYZE users, campaigns, payments, audit_logs")


def _verifier(pgconn: object, login: Login) -> str:
    """Return what the server stores of a password, made here, so that the password itself is never in a statement."""
    encrypt = pgconn.encrypt_password  # type: ignore[attr-defined]
    return bytes(encrypt(login.password.encode(), login.user.encode(), b"scram-sha-256")).decode("ascii")
