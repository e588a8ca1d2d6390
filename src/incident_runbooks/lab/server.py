# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab knows of a PostgreSQL server, and how its roles get in."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_runbooks.lab.processes import RunAs

if TYPE_CHECKING:
    import psycopg

HOST = "127.0.0.1"
DATABASE = "brandconnect"

# What a server says that has no slot for a role; libpq hides the SQLSTATE of a refused connection
_EXHAUSTED = ("remaining connection slots are reserved", "sorry, too many clients already")


@dataclass(frozen=True)
class Login:
    """A role and its password."""

    user: str
    password: str = field(repr=False)

    @classmethod
    def generate(cls, user: str) -> Login:
        """Return *user* with a new random password."""
        return cls(user, secrets.token_urlsafe(24))

    def to_plain(self) -> dict[str, str]:
        """Return it as lab.json holds it."""
        return {"user": self.user, "password": self.password}


@dataclass(frozen=True)
class Server:
    """One PostgreSQL server of the lab, whether it runs or not.

    Attributes:
        port: 0 until it has been started.
        database: the application's database.
        folder: its programs.
        data: its data directory.
        log: server log, every statement included; only its owner can read it.
        superuser: gets the reserved connection slots.
        ops: sees every session and may signal ordinary ones; no superuser.
        app: owns the application's tables.
        dba: a member of it that sees every session: for changes of tables that are not the application's.
    """

    folder: Path
    major: int
    version: str
    source: str
    run_as: RunAs
    data: Path
    log: Path
    superuser: Login
    ops: Login
    app: Login
    dba: Login
    host: str = HOST
    port: int = 0
    database: str = DATABASE

    def to_plain(self) -> dict[str, Any]:
        """Return it as lab.json holds it."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: _plain(value) for name, value in plain.items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Server:
        """Return what :meth:`to_plain` wrote.

        Raises:
            KeyError: a key is missing.
            TypeError: a key is not known.
        """
        paths = {name: Path(plain[name]) for name in ("folder", "data", "log")}
        logins = {name: Login(**plain[name]) for name in ("superuser", "ops", "app", "dba")}
        return cls(**{**plain, **paths, **logins, "run_as": RunAs(plain["run_as"])})

    def connect(self, login: Login, **options: Any) -> psycopg.Connection[Any]:
        """Return a connection in autocommit mode.

        Args:
            login: who connects.
            options: psycopg's connection parameters; ``dbname`` and ``connect_timeout`` have defaults.

        Raises:
            psycopg.OperationalError: the server refused it, ``sqlstate`` says why.
        """
        import psycopg  # noqa: PLC0415 - the command's help must not wait for it

        parameters = {
            "host": self.host,
            "port": self.port,
            "user": login.user,
            "password": login.password,
            "dbname": self.database,
            "connect_timeout": 5,
            "autocommit": True,
        }
        return psycopg.connect(**{**parameters, **options})

    def refusal(self, login: Login) -> str | None:
        """Return why *login* is refused, or ``None`` if it gets in.

        ``server_slots_exhausted`` and ``refused`` are told apart, anything else is the server's own text.
        """
        import psycopg  # noqa: PLC0415 - see connect()

        try:
            self.connect(login, connect_timeout=3).close()
        except psycopg.OperationalError as error:
            said = " ".join(str(error).split())
            if any(text in said for text in _EXHAUSTED):
                return "server_slots_exhausted"
            return "refused" if "Connection refused" in said else said[:300]
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, Login):
        return value.to_plain()
    return str(value) if isinstance(value, Path | RunAs) else value
