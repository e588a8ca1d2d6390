# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Evidence of the database: some tables by ``pg_dump -Fc`` from one snapshot, encrypted before they reach the disk."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, cast

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_audit import (
    KINDS,
    LOCK_TIMEOUT_S,
    TABLES,
    Database,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_encryption import CHUNK, encrypted
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_source import Item
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import hidden
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import one_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    libpq_parameters,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import evidence_sources as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

PATH = "db/dump.pgdump.age"
MESSAGE_LENGTH, KEPT_STDERR = 300, 16 * 2**10
# https://www.postgresql.org/docs/current/libpq-envars.html; what has no variable cannot be handed on
_NOT_HANDED_ON = frozenset({"client_encoding", "application_name", "fallback_application_name", "options"})
# what libpq itself takes from there in the session too
_FROM_THE_ENVIRONMENT = ("PGPASSFILE", "PGPASSWORD", "PGSSLROOTCERT", "PGSSLMODE", "PGSSLCERT", "PGSSLKEY", "PGUSER")

# pg_dump --table takes neither partitions nor tables that inherit, so that every one of them is named to it
SIZES = """
WITH RECURSIVE wanted AS (
    SELECT schema || '.' || tab AS name, to_regclass(format('%%I.%%I', schema, tab))::oid AS oid
    FROM unnest(%(schemas)s::text[], %(tables)s::text[]) AS given (schema, tab)),
tree AS (
    SELECT oid FROM wanted WHERE oid IS NOT NULL
    UNION SELECT i.inhrelid FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid),
relations AS (
    SELECT name, NULL::text AS schema, NULL::text AS tab, NULL::oid AS oid FROM wanted WHERE oid IS NULL
    UNION ALL SELECT n.nspname || '.' || c.relname, n.nspname::text, c.relname::text, c.oid
    FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace)
SELECT name, schema, tab, r.oid IS NOT NULL AS found, c.relkind::text AS kind,
       coalesce(pg_table_size(c.oid), 0) AS bytes, greatest(coalesce(c.reltuples, 0), 0)::bigint AS rows_estimate,
       pg_database_size(current_database()) AS database_bytes
FROM relations r LEFT JOIN pg_class c ON c.oid = r.oid ORDER BY name
"""
MOST_RELATIONS = 5000  # an argument each


class DumpEvidence:
    """Some tables, with everything about them.

    Args:
        database: where, and of which snapshot.
        options: ``tables``, each ``schema.table``, and ``program``.
        recipients: who may read it.
        named: the same as texts.
        free_bytes: gives the free space of the disk.
    """

    name = "dump"
    first = PATH
    parallel = 1

    def __init__(
        self,
        database: Database,
        options: Mapping[str, Any],
        recipients: Sequence[Any],
        named: Sequence[str],
        free_bytes: Callable[[], int],
    ) -> None:
        self._database = database
        self._tables = [str(table) for table in options["tables"]]
        self._program = str(options["program"])
        self._recipients, self._named = recipients, [" ".join(text.split()[:2]) for text in named]
        self._free_bytes = free_bytes
        self._secrets = (str(database.params["login_password"] or ""), *postgres_secrets(database.params))
        self._sizes: list[Json] = []
        self._clear = _Clear(io.BytesIO())
        self._attempted = f"Dumping {len(self._tables)} tables"

    def look(self) -> list[Item]:
        """See :meth:`Source.look`; also raises when a table is not there, or not the space for all of them."""
        schemas, tables = zip(*(table.split(".") for table in self._tables), strict=True)
        with self._database.kept() as session:
            self._sizes = session.ask(SIZES, {"schemas": list(schemas), "tables": list(tables)})
        self._attempted = f"Dumping {len(self._tables)} tables on {session.server}"
        missing = [row["name"] for row in self._sizes if not row["found"]]
        if missing:
            raise IncidentsError(f"{self._attempted}: there is no {missing[0]}; check dump.tables")
        for row in self._sizes:
            if row["kind"] not in TABLES:
                what = KINDS.get(row["kind"], "no table")
                raise IncidentsError(f"{self._attempted}: {row['name']} is {what}, of which pg_dump gives no rows")
        if len(self._sizes) > MOST_RELATIONS:
            raise IncidentsError(
                f"{self._attempted}: with partitions these are {len(self._sizes)} tables, more than {MOST_RELATIONS}"
            )
        size = sum(int(row["bytes"]) for row in self._sizes)
        if problem := decisions.space_problem(size, self._free_bytes()):
            raise IncidentsError(f"{self._attempted}: {problem}")
        return [
            Item(
                path=PATH,
                source=" ".join(self._command("SNAPSHOT")),
                chunks=self._chunks,
                collected_from={"server": session.server, "snapshot": self._database.snapshot},
                facts=self._facts,
                estimate_bytes=size,
            )
        ]

    def close(self) -> None:
        """See :meth:`Source.close`."""
        self._database.close()

    def _facts(self) -> Json:
        tables = [{name: row[name] for name in ("name", "bytes", "rows_estimate")} for row in self._sizes]
        return {
            "format": "pg_dump -Fc in age",
            "tables": tables,
            "database_bytes": self._sizes[0]["database_bytes"],
            "snapshot": self._database.snapshot,
            "encrypted_to": self._named,
            "clear_sha256": self._clear.digest.hexdigest(),
            "clear_bytes": self._clear.size,
        }

    def _command(self, snapshot: str) -> list[str]:
        tables = [f"--table={_pattern(row['schema'], row['tab'])}" for row in self._sizes]
        waiting = f"--lock-wait-timeout={LOCK_TIMEOUT_S * 1000}"
        return [self._program, "--format=custom", "--no-password", waiting, f"--snapshot={snapshot}", *tables]

    def _chunks(self) -> Iterator[bytes]:
        session = self._database.session  # the one that holds the snapshot
        environ = _environment({**libpq_parameters(self._database.params), **session.address})
        try:
            process = subprocess.Popen(  # noqa: S603 - an option of whoever runs it, and never a shell
                self._command(self._database.snapshot),
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=CHUNK,
            )
        except OSError as error:
            why = f"{self._program} cannot be started: {error.strerror}; check dump.program"
            raise IncidentsError(f"{self._attempted}: {why}") from None
        late = threading.Event()
        timer = threading.Timer(self._database.timeout_s, _end, (process, late))
        timer.daemon = True
        timer.start()
        output, errors = cast("tuple[IO[bytes], IO[bytes]]", (process.stdout, process.stderr))  # both are pipes
        said = _Said(errors)
        self._clear = _Clear(output)
        stream = encrypted(self._clear, self._recipients)
        try:
            yield from _each(stream)
            code = process.wait()
        finally:
            timer.cancel()
            with suppress(ProcessLookupError):
                process.kill()  # before the stream is closed, whose thread may wait for it
            stream.close()  # type: ignore[attr-defined]  # it is a generator
            process.wait()
            said.end()
        if code != 0:
            raise IncidentsError(f"{self._attempted}: {self._why(code, said.text, late=late.is_set())}")

    def _why(self, code: int, text: str, *, late: bool) -> str:
        if late:
            return f"pg_dump was not done in {self._database.timeout_s} s; raise source_timeout or name fewer tables"
        if code < 0:
            return f"pg_dump was ended by {signal.Signals(-code).name}"
        lines = [line for line in text.splitlines() if "error:" in line] or text.splitlines() or ["it said nothing"]
        # the first error; DETAIL and HINT lines behind it may quote rows
        return f"pg_dump ended with {code}: {hidden(one_line(lines[0], MESSAGE_LENGTH), self._secrets)}"


class _Clear:
    """What pg_dump writes, counted and hashed on the way to the encryption."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        """See :meth:`Reader.read`."""
        content = self._stream.read(size)
        self.digest.update(content)
        self.size += len(content)
        return content


class _Said:
    """The end of what a program says on its standard error, read so that it never waits for us."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._kept = b""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while part := os.read(self._stream.fileno(), 4096):
            self._kept = self._kept + part if len(self._kept) < KEPT_STDERR else self._kept

    def end(self) -> None:
        """Wait for its end."""
        self._thread.join(5)

    @property
    def text(self) -> str:
        """What was said."""
        return self._kept.decode("utf-8", "replace")


def _end(process: subprocess.Popen[bytes], late: threading.Event) -> None:
    late.set()
    process.kill()


def _each(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Yield from a generator without handing on an early end: something else has to be ended first."""
    for chunk in stream:  # noqa: UP028 - see above
        yield chunk


def _pattern(*names: str) -> str:
    """A table for pg_dump, whose patterns fold case and know wildcards outside of quotes."""
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)


def _environment(parameters: Mapping[str, str]) -> dict[str, str]:
    """The environment of the program alone: the password is in no list of processes and in no file.

    Raises:
        IncidentsError: libpq has no variable for a parameter.
    """
    from psycopg import pq  # noqa: PLC0415 - see evidence_audit

    variables = {o.keyword.decode(): o.envvar.decode() for o in pq.Conninfo.get_defaults() if o.envvar}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    kept = {name: os.environ[name] for name in _FROM_THE_ENVIRONMENT if name in os.environ}
    given: dict[str, str] = {}
    for name, value in parameters.items():
        if name in _NOT_HANDED_ON:
            continue
        if name not in variables:
            raise IncidentsError(f"Dumping tables: pg_dump cannot be given the connection parameter {name} safely")
        given[variables[name]] = value
    return {**environ, **kept, **given, "PGAPPNAME": "incident-runbook", "LC_ALL": "C"}
