# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse's engine in this process. One directory, one engine; each query has a session of its own.

The wheel's own defaults are those of a command-line tool. What a server has instead is set here: mutations run in the
background, and parts that are no longer active stay on disk for eight minutes.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from incident_runbooks.lab.clickhouse import left_over

OLD_PARTS_LIFETIME_S = 480
_SERVER_DEFAULTS = {"mutations_sync": "0"}
_CONFIGURATION = "engine.xml"
_CODE = re.compile(r"Code: (\d+)")
_UNKNOWN_EXCEPTION = 1002


class QueryError(Exception):
    """The engine refused or failed a query.

    Attributes:
        code: ClickHouse's number of the error.
        text: what it said.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Asked:
    """One query, as a client sent it.

    Attributes:
        sql: with the data of an INSERT, if there is any.
        form: the format of the answer where the query names none.
        database: the current one; empty: ``default``.
        settings: of this query.
        parameters: for ``{name:Type}``.
        only_read: whether it came by GET.
    """

    sql: str
    form: str
    database: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    only_read: bool


@dataclass(frozen=True)
class Answer:
    """What the engine answered: the data, and how much it read for it."""

    data: bytes
    rows_read: int
    bytes_read: int


class Engine:
    """The engine of one directory.

    Args:
        directory: an absolute path; gets ``data``, and the engine's configuration: without one of its own the engine
            would read ``config.xml`` of the current directory. The wheel does so once more when it is imported.

    Raises:
        ImportError: the wheel chdb-core is not installed.
        RuntimeError, ValueError: the data cannot be opened.
    """

    def __init__(self, directory: Path) -> None:
        # 500 MB of code, only for the process that serves it; it has no types
        self._session: Any = importlib.import_module("chdb.session").Session
        data = directory / "data"
        configuration = directory / _CONFIGURATION
        configuration.write_text(_configuration(data, directory / "backups"), encoding="utf-8")
        self._address = f"{data}?config-file={configuration}"
        self._first = self._connect()  # the engine lives as long as one session does
        if attach := left_over.attachment(data):
            self._first.query(attach, "TSV")
        self.version: str = self._first.query("SELECT version()", "TSV").bytes().decode().strip()

    def ask(self, asked: Asked) -> Answer:
        """Run a query.

        Raises:
            QueryError: it was refused, or it failed.
        """
        session = self._connect()
        try:
            for statement in _preparation(asked):
                session.query(statement, "TSV")
            found = session.query(asked.sql, asked.form, params=dict(asked.parameters) or None)
            return Answer(_data(found), int(found.rows_read()), int(found.bytes_read()))
        except Exception as error:  # the wheel's own class is a plain Exception
            said = str(error).strip()
            match = _CODE.search(said)
            raise QueryError(int(match[1]) if match else _UNKNOWN_EXCEPTION, said) from error
        finally:
            session.close()

    def close(self) -> None:
        """Let go of the directory."""
        self._first.close()

    def _connect(self) -> Any:
        return self._session(self._address)


def _preparation(asked: Asked) -> list[str]:
    """Return the statements that make a session the query's."""
    statements = [_set(_SERVER_DEFAULTS)]
    if asked.database and asked.database != "default":
        statements.append(f"USE {_identifier(asked.database)}")
    if asked.only_read:
        statements.append("SET readonly = 2")
    if asked.settings:
        statements.append(_set(asked.settings))  # in one go: readonly would refuse those after it
    return statements


def _set(settings: Mapping[str, str]) -> str:
    return "SET " + ", ".join(f"{_identifier(name)} = {_text(value)}" for name, value in settings.items())


def _identifier(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _data(found: Any) -> bytes:
    return bytes(found.bytes() or b"")


def _configuration(data: Path, backups: Path) -> str:
    return f"""<clickhouse>
    <path>{escape(str(data))}/</path>
    <logger><level>none</level></logger>
    <merge_tree><old_parts_lifetime>{OLD_PARTS_LIFETIME_S}</old_parts_lifetime></merge_tree>
    <backups><allowed_path>{escape(str(backups))}</allowed_path></backups>
</clickhouse>
"""
