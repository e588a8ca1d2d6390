# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Evidence of the database: one snapshot that all of it is of, and the audit trail out of it, as CSV."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_source import Item
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import PostgresError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import evidence_sources as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session

Json = dict[str, Any]

LOCK_TIMEOUT_S = 2
CHUNK = 256 * 2**10
INTEGERS = frozenset({"int2", "int4", "int8"})
INSTANTS = frozenset({"timestamptz", "timestamp"})
CSV_SHARE = 1.5  # CSV is about as much larger than what the planner takes a row for

# https://www.postgresql.org/docs/current/catalog-pg-class.html, relkind
TABLES = ("r", "p")
KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table", "S": "a sequence"}

COLUMNS = """
SELECT a.attname AS name, t.typname AS type, c.relkind::text AS kind
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid JOIN pg_class c ON c.oid = a.attrelid
WHERE a.attrelid = to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))
AND a.attnum > 0 AND NOT a.attisdropped
"""
# Between the first and the last id of the time that matters, in the whole table: rows of another time are no gap
GAPS = """
WITH span AS (SELECT min({id}) AS least, max({id}) AS most FROM {table}
          WHERE {time} >= %(since)s AND {time} < %(until)s),
steps AS (SELECT {id} AS id, lag({id}) OVER (ORDER BY {id}) AS before FROM {table}, span
          WHERE {id} BETWEEN span.least AND span.most),
gaps AS (SELECT before AS after, id AS before, id - before - 1 AS missing FROM steps WHERE id - before > 1)
SELECT after, before, missing, count(*) OVER () AS gaps, sum(missing) OVER () AS total
FROM gaps ORDER BY missing DESC, after LIMIT {most}
"""


class Database:
    """One snapshot of the database, which lasts until :meth:`close`.

    Args:
        params: the options of the connection.
        timeout_s: seconds for one statement.
    """

    def __init__(self, params: Mapping[str, Any], timeout_s: int) -> None:
        # what a superuser's login may read is not what this one is trusted with
        self.params = {
            **params,
            "ca_cert": params["postgres_ca_cert"],
            "reserved_user": None,
            "reserved_password": None,
        }
        self.timeout_s = timeout_s
        self.snapshot = ""
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The session that holds the snapshot.

        Raises:
            PostgresError: there is none, or no snapshot.
        """
        if self._session is None or self._session.lost:
            session = _log_in(self.params, self.timeout_s)
            try:
                session.ask("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                # where a policy hides rows it is an error, as it is for pg_dump: they are not left out without a word
                session.ask("SET LOCAL row_security TO off")
                session.ask(f"SET LOCAL lock_timeout TO '{LOCK_TIMEOUT_S}s'")
                session.ask(
                    "SET LOCAL idle_in_transaction_session_timeout TO 0"
                )  # a dump needs the snapshot to its end
                self.snapshot = str(session.ask("SELECT pg_export_snapshot() AS id")[0]["id"])
                session.ask("SAVEPOINT evidence")
            except PostgresError:
                session.close()
                raise
            self._session = session
        return self._session

    @contextmanager
    def kept(self) -> Iterator[Session]:
        """Ask without losing the snapshot when something is refused."""
        session = self.session
        try:
            yield session
        except BaseException:
            if not session.lost:
                with suppress(PostgresError):
                    session.ask("ROLLBACK TO SAVEPOINT evidence")
            raise

    def close(self) -> None:
        """Give the snapshot back; never raises."""
        if self._session is not None:
            self._session.close()
            self._session = None


class AuditEvidence:
    """The audit trail of a time.

    Args:
        database: where.
        options: ``schema``, ``table``, ``time_column`` and ``id_column``.
        window: beginning, and end, which is not in it.
        free_bytes: gives the free space of the disk.
    """

    name = "audit"
    parallel = 1

    def __init__(
        self,
        database: Database,
        options: Mapping[str, Any],
        window: tuple[dt.datetime, dt.datetime],
        free_bytes: Callable[[], int],
    ) -> None:
        self._database = database
        self._options = options
        self._values = {"since": window[0], "until": window[1]}
        self._free_bytes = free_bytes
        self._rows = 0
        self._integers = False
        self._kind = "r"
        self.first = f"db/{decisions.part_of_path(str(options['table']))}.csv"

    def look(self) -> list[Item]:
        """See :meth:`Source.look`; also raises when there is no such table, or not the space for it."""
        with self._database.kept() as session:
            self._check(session)
            plan = session.ask(f"EXPLAIN (FORMAT JSON) {self._select}", self._values)[0]["QUERY PLAN"][0]["Plan"]
        size = int(plan["Plan Rows"] * plan["Plan Width"] * CSV_SHARE)
        if problem := decisions.space_problem(size, self._free_bytes()):
            raise IncidentsError(f"Copying {self._table} on {session.server}: {problem}")
        window = {name: moment.isoformat() for name, moment in self._values.items()}
        return [
            Item(
                path=self.first,
                source=f"{self._copy} -- {window['since']}, {window['until']}",
                chunks=self._chunks,
                collected_from={"server": session.server, "snapshot": self._database.snapshot, **window},
                facts=self._facts,
                estimate_bytes=size,
            )
        ]

    def close(self) -> None:
        """See :meth:`Source.close`."""
        self._database.close()

    @property
    def _table(self) -> str:
        return f"{quoted(self._options['schema'])}.{quoted(self._options['table'])}"

    @property
    def _select(self) -> str:
        time, number = quoted(self._options["time_column"]), quoted(self._options["id_column"])
        return f"SELECT * FROM {self._table} {self._where} ORDER BY {time}, {number}"  # noqa: S608 - quoted identifiers

    @property
    def _where(self) -> str:
        time = quoted(self._options["time_column"])
        return f"WHERE {time} >= %(since)s AND {time} < %(until)s"

    @property
    def _copy(self) -> str:
        return f"COPY ({self._select}) TO STDOUT (FORMAT csv, HEADER)"

    def _check(self, session: Session) -> None:
        columns = session.ask(COLUMNS, self._options)
        found = {row["name"]: row["type"] for row in columns}
        if not found:
            raise IncidentsError(
                f"Copying {self._table} on {session.server}: there is no such table; check audit.table"
            )
        for option in ("time_column", "id_column"):
            if self._options[option] not in found:
                raise IncidentsError(f"Copying {self._table} on {session.server}: it has no column of audit.{option}")
        if found[self._options["time_column"]] not in INSTANTS:
            raise IncidentsError(f"Copying {self._table} on {session.server}: audit.time_column holds no instants")
        self._integers = found[self._options["id_column"]] in INTEGERS
        self._kind = str(columns[0]["kind"])

    def _chunks(self) -> Iterator[bytearray]:
        self._rows = -1  # the header is no row
        buffer = bytearray()
        # who stops early ends the COPY first, and only then goes back to the savepoint
        with self._database.kept() as session, closing(session.copy(self._copy, self._values)) as rows:
            for row in rows:
                self._rows += 1
                buffer += row
                if len(buffer) >= CHUNK:
                    yield buffer
                    buffer = bytearray()
        yield buffer

    def _facts(self) -> Json:
        """Compare what was copied with what the same snapshot holds.

        Raises:
            IncidentsError: it is not the same, or cannot be compared.
        """
        time, number = quoted(self._options["time_column"]), quoted(self._options["id_column"])
        with self._database.kept() as session:
            if self._kind not in TABLES:
                what = KINDS.get(self._kind, "no table")
                raise IncidentsError(
                    f"Copying {self._table} on {session.server}: it is {what}, which may not give every row"
                )
            counting = f"SELECT count(*) AS n FROM {self._table} {self._where}"  # noqa: S608 - quoted identifiers
            counted = int(session.ask(counting, self._values)[0]["n"])
            if problem := decisions.rows_problem(self._rows, counted):
                raise IncidentsError(f"Copying {self._table} on {session.server}: {problem}")
            gaps: Json = {"checked": False, "note": "the ids are no integers"}
            if self._integers:
                asked = GAPS.format(id=number, time=time, table=self._table, most=decisions.MOST_GAPS_SHOWN)
                gaps = decisions.gaps_facts(session.ask(asked, self._values))
        return {"rows": self._rows, "counted": counted, "gaps": gaps, "snapshot": self._database.snapshot}


def quoted(name: Any) -> str:
    """An identifier for SQL that has values too, so that percent signs are doubled.

    Raises:
        IncidentsError: PostgreSQL has no such identifiers.
    """
    text = str(name)
    if not text or not text.isprintable() or len(text.encode()) > 63:  # noqa: PLR2004 - NAMEDATALEN - 1
        raise IncidentsError(f"{decisions.ATTEMPTED}: {text[:63]!r} is no name of a table or column")
    return '"' + text.replace('"', '""').replace("%", "%%") + '"'


def _log_in(params: Mapping[str, Any], timeout_s: int) -> Session:
    # psycopg takes 0.2 s to load: in a worker that is beside what other components wait for
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import (  # noqa: PLC0415
        log_in,
    )

    return log_in(params, timeout_s)
