# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The connection options that all PostgreSQL modules share, and the libpq parameters made of them.

Keep the doc fragment ``postgres`` in step.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

APPLICATION_NAME = "incident-runbook"
DSN_PROBLEM = "login_dsn is no valid libpq connection string or URI; check it, and percent-encode the password of a URI"
_LIBPQ_NAMES = {
    "login_host": "host",
    "login_port": "port",
    "login_user": "user",
    "login_password": "password",
    "login_db": "dbname",
    "ssl_mode": "sslmode",
    "ca_cert": "sslrootcert",
}
_SECRET_PARAMETERS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
# compiled once, before Ansible forks a worker for each task
_SECRETS_IN_DSN = (
    re.compile(r"://[^:/@]*:(.*)@"),
    *(re.compile(rf"{name}\s*=\s*'((?:[^'\\]|\\.)*)'") for name in _SECRET_PARAMETERS),
    *(re.compile(rf"{name}\s*=\s*([^\s'&]+)") for name in _SECRET_PARAMETERS),
)


def postgres_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection.

    There is no ``fallback`` to the environment and no default for host, port or TLS: libpq reads PGHOST and
    the others itself, after the connection string. An Ansible fallback would let them win over it.
    """
    return {
        "login_host": {"type": "str"},
        "login_port": {"type": "int"},
        "login_user": {"type": "str"},
        "login_password": {"type": "str", "no_log": True},
        "login_db": {"type": "str"},
        "login_dsn": {"type": "str", "no_log": True},
        "ssl_mode": {
            "type": "str",
            "choices": ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"],
        },
        "ca_cert": {"type": "path"},
        "reserved_user": {"type": "str"},
        "reserved_password": {"type": "str", "no_log": True},
        "connect_timeout": {"type": "int", "default": 5},
        "statement_timeout": {"type": "int", "default": 5},
    }


def postgres_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets that ``no_log`` does not know: those in the connection string and the environment.

    Works on malformed strings too; an error must not quote what could not be parsed.
    """
    yield os.environ.get("PGPASSWORD", "")
    dsn = str(params.get("login_dsn") or "")
    for secret in (found for pattern in _SECRETS_IN_DSN for found in pattern.findall(dsn)):
        yield secret
        yield unquote(secret)
        yield re.sub(r"\\(.)", r"\1", secret)


def libpq_parameters(params: Mapping[str, Any]) -> dict[str, str]:
    """Return libpq's parameters: the connection string, overridden by the separate options.

    An option that is empty counts as not given, as inventories pass on unset variables.

    Raises:
        IncidentsError: the connection string or a time-out makes no sense. The text quotes none of it.
    """
    merged = _parsed(str(params.get("login_dsn") or ""))
    merged |= {name: str(params[option]) for option, name in _LIBPQ_NAMES.items() if params.get(option)}
    database = merged.get("dbname") or os.environ.get("PGDATABASE") or ""
    if "://" in database or "=" in database:
        msg = "Reading the PostgreSQL options: the database name is a connection string; give it as login_dsn"
        raise IncidentsError(msg)
    for option in ("connect_timeout", "statement_timeout"):
        if params[option] < 1:
            raise IncidentsError(f"Reading the PostgreSQL options: {option} must be 1 second or more")
    merged.pop("connect_timeout", None)  # the option is the limit of the whole attempt
    return merged | {"application_name": APPLICATION_NAME, "client_encoding": "UTF8"}


def reserved_parameters(params: Mapping[str, Any], ordinary: Mapping[str, str]) -> dict[str, str] | None:
    """Return the parameters of the reserved login, or ``None`` when there is none."""
    if not params.get("reserved_user"):
        return None
    reserved = {name: value for name, value in ordinary.items() if name != "password"}
    reserved["user"] = str(params["reserved_user"])
    if params.get("reserved_password"):
        reserved["password"] = str(params["reserved_password"])
    return reserved


def _parsed(dsn: str) -> dict[str, str]:
    import psycopg  # noqa: PLC0415 - the module must load without it and say what is missing
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    _refuse_unencoded_uri(dsn)
    try:
        parsed = {name: str(value) for name, value in conninfo_to_dict(dsn).items() if value is not None}
    except (psycopg.Error, UnicodeError):
        # from None: libpq quotes fragments of the string, which may be the password
        raise IncidentsError(f"Reading the PostgreSQL options: {DSN_PROBLEM}") from None
    if not all(port.isdigit() or not port for port in parsed.get("port", "").split(",")):
        raise IncidentsError(f"Reading the PostgreSQL options: {DSN_PROBLEM}")
    return parsed


def _refuse_unencoded_uri(dsn: str) -> None:
    """An unencoded ``@`` or ``/`` in a password makes libpq take a part of it for the host or the database."""
    scheme, separator, rest = dsn.partition("://")
    if not separator or scheme not in {"postgresql", "postgres"}:
        return
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if rest.count("@") != authority.count("@") or authority.count("@") > 1:
        raise IncidentsError(f"Reading the PostgreSQL options: {DSN_PROBLEM}")
