# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which queries are run, what their refusal means, and how their values become JSON. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339, to_plain

CUT = "…"
LONGEST_QUERY = 20_000
MOST_ITEMS = 1000  # of an array; more is shown as text, which has a bound of its own

# Functions that act beyond their transaction, so that neither READ ONLY nor ROLLBACK holds them back. A guard against
# mistakes: a role that lacks the right to them is the boundary.
_FAR_REACHING = re.compile(
    r"""\b(
        pg_(?:terminate|cancel)_backend | pg_reload_conf | pg_rotate_logfile | pg_promote | pg_switch_wal
        | pg_wal_replay_(?:pause|resume) | pg_create_restore_point | pg_log_(?:backend_memory_contexts|standby_snapshot)
        | pg_(?:backup_start|backup_stop|start_backup|stop_backup)
        | pg_(?:create|drop|copy)_(?:physical_|logical_)?replication_slot\w* | pg_replication_slot_advance
        | pg_logical_\w+ | pg_replication_origin_\w+ | pg_stat_(?:reset|statements_reset|force)\w*
        | pg_(?:try_)?advisory_\w+ | pg_(?:read|write)_(?:file|binary_file|server_files)\w* | pg_file_\w+ | pg_ls_\w+
        | lo_(?:import|export|creat|create|unlink|put|from_bytea) | dblink\w* | postgres_fdw_disconnect\w*
        | set_config | pg_notify | query_to_xml\w* | cursor_to_xml\w* | pg_import_system_collations
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)

# SQLSTATE or its beginning -> cause, what to check. https://www.postgresql.org/docs/current/errcodes-appendix.html
_REFUSALS = (
    ("42501", "forbidden", "grant SELECT on what the query reads to the role that logs in"),
    ("25006", "read_only", "the query would change something; give one that only reads"),
    ("25001", "read_only", "the query would make its transaction writable; give one that only reads"),
    ("42P01", "invalid_query", "there is no such table in this schema; check its name, schema and the database"),
    ("42", "invalid_query", "check the query against the tables of this database"),
    ("0A000", "invalid_query", "the query must be one SELECT, VALUES or TABLE that changes nothing"),
    ("22", "invalid_data", "check args and the types that the query compares"),
    ("21", "invalid_data", "a subquery gives more than one row where one is expected"),
    ("53400", "out_of_resources", "the query needs more than the server allows; make it narrower"),
    ("55P03", "locked", "something holds a lock on the table; look for who blocks whom"),
    ("57014", "timeout", "the query takes too long; make it narrower or raise statement_timeout"),
    ("40001", "conflict", "the standby needed the rows that the query read; ask again"),
)

Json = dict[str, Any]


def objection(query: str) -> str | None:
    """Return what speaks against sending the query; ``None`` when nothing does."""
    if not query.strip():
        return "query is empty"
    if len(query) > LONGEST_QUERY:
        return f"query is longer than {LONGEST_QUERY} characters"
    if "\0" in query:
        return "query holds a NUL"
    found = _FAR_REACHING.search(query)
    if found:
        return f"query names {found[1].lower()}, which acts beyond a read-only transaction"
    return None


def argument_objection(args: Mapping[str, Any]) -> str | None:
    """Return what speaks against the values; ``None`` when nothing does."""
    for name, value in args.items():
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, (dict, list)) for item in items):
            return f"args.{str(name)[:64]} must be a value or a list of values"
        if any(isinstance(item, str) and "\0" in item for item in items):
            return f"args.{str(name)[:64]} holds a NUL"
    return None


def refusal(sqlstate: str | None, cause: str) -> tuple[str, str | None]:
    """Return the cause of a query that failed, and what to check where it is not the cause's own.

    Args:
        sqlstate: the server's code; ``None`` when the query did not get there.
        cause: as the client has read it.
    """
    if sqlstate is None:
        return ("invalid_query", "check the query and args") if cause == "unknown" else (cause, None)
    for code, word, hint in _REFUSALS:
        if sqlstate.startswith(code):
            return word, hint
    return cause, None


def duplicates(columns: Sequence[str]) -> list[str]:
    """Return the names that more than one column has."""
    return sorted({name for name in columns if columns.count(name) > 1})


def plain_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]], longest: int) -> tuple[list[Json], int]:
    """Return the rows as JSON data by column, and how many values were cut.

    Args:
        longest: characters of one value.
    """
    values = Values(longest)
    return [dict(zip(columns, map(values.plain, row), strict=True)) for row in rows], values.cut


class Values:
    """Makes values JSON data without losing any of them quietly.

    Attributes:
        cut: how many were too long.
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self.cut = 0

    def plain(self, value: Any) -> Any:
        """Return one value: numbers exact, or as text where JSON's would not be; NaN as null; instants in UTC."""
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, Decimal):
            return self._number(value)
        if isinstance(value, dt.datetime):
            return rfc3339(value)
        if isinstance(value, dt.timedelta):
            return value.total_seconds()
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._text(f"\\x{bytes(value)[: self._longest].hex()}")
        if isinstance(value, (list, tuple)) and len(value) <= MOST_ITEMS:
            return [self.plain(item) for item in value]
        if isinstance(value, (list, tuple, Mapping)):
            return self._nested(value)
        return self._text(str(value))

    def _number(self, value: Decimal) -> int | float | str | None:
        if not value.is_finite():
            return None
        if value == value.to_integral_value() and value.adjusted() < 18:  # noqa: PLR2004 - as many as a bigint has
            return int(value)
        number = float(value)
        return number if math.isfinite(number) and Decimal(repr(number)) == value else self._text(str(value))

    def _nested(self, value: Any) -> Any:
        """JSON of the database, or an array too long: as it is where it is short, else the beginning of its text."""
        plain = to_plain(value)
        text = json.dumps(plain, ensure_ascii=False)
        if len(text) > self._longest:
            return self._text(text)
        masked = mask(text)
        return plain if masked == text else self._text(text)

    def _text(self, text: str) -> str:
        if len(text) > self._longest:
            self.cut += 1
            text = text[: self._longest - 1] + CUT
        return mask(text)
