# SPDX-License-Identifier: GPL-3.0-or-later
"""How the workloads reach the platform's database, and how its refusals read in their log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

# What a server says that has no slot left; libpq hides the SQLSTATE of a refused connection
_SLOTS = ("remaining connection slots are reserved", "sorry, too many clients already", "too many connections for")
_CODES = {"password authentication failed": "28P01", "the database system is": "57P03"}


def parameters(environ: Mapping[str, str], application: str) -> dict[str, Any]:
    """Return psycopg's connection parameters, from DATABASE_HOST, _PORT, _NAME, _USER and _PASSWORD.

    Args:
        environ: the process's environment.
        application: ``application_name`` of the sessions.
    """
    return {
        "host": environ.get("DATABASE_HOST", "127.0.0.1"),
        "port": int(environ.get("DATABASE_PORT", "5432")),
        "dbname": environ.get("DATABASE_NAME", "brandconnect"),
        "user": environ.get("DATABASE_USER", "brandconnect_app"),
        "password": environ.get("DATABASE_PASSWORD", ""),
        "application_name": application,
        "autocommit": True,
        "connect_timeout": 5,
    }


def err(error: psycopg.Error, where: str = "") -> dict[str, str]:
    """Return an error as node-postgres has it: ``type``, ``message``, and ``code`` where there is one.

    Args:
        error: what psycopg raised.
        where: ``host:port`` of the server, for a connection that was refused.
    """
    said = " ".join(str(error).split())
    if "Connection refused" in said:
        return {"type": "Error", "message": f"connect ECONNREFUSED {where}", "code": "ECONNREFUSED"}
    message = said.rpartition("FATAL: ")[2].strip()
    code = error.sqlstate or _code(message)
    return {"type": "error", "message": message[:300]} | ({"code": code} if code else {})


def _code(message: str) -> str | None:
    if any(text in message for text in _SLOTS):
        return "53300"
    return next((code for text, code in _CODES.items() if text in message), None)
