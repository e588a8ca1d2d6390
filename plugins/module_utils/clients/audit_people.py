# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whom records are about, and the file that names all of them. Identifiers only, no other personal data."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import bundle_files
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_files import FILE_MODE
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    Failure,
    PostgresError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import sql_query
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

BATCH = 10_000
MOST_OWNERS = 20 * BATCH  # rows, of a batch
# Identifiers are text in the trail; what is no number is nobody's
_IDS = "(SELECT given::bigint FROM unnest(%(ids)s::text[]) AS given WHERE given ~ '^[0-9]{1,18}$')"
_USERS = f"SELECT id::text, id FROM public.users WHERE id IN {_IDS}"  # noqa: S608 - a constant
OWNERS = [
    *({"resource_type": name, "query": _USERS} for name in ("user", "creator", "brand")),
    {
        "resource_type": "campaign",
        "query": f"SELECT id::text, brand_id FROM public.campaigns WHERE id IN {_IDS}",  # noqa: S608 - a constant
    },
    {
        "resource_type": "payment",
        "query": "SELECT payments.id::text, brand_id FROM public.payments JOIN public.campaigns"  # noqa: S608 - as above
        f" ON campaigns.id = campaign_id WHERE payments.id IN {_IDS}",
    },
]


def owner_queries(attempted: str, given: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the query of each type of record.

    Raises:
        IncidentsError: one of them could change something, or does not take ``%(ids)s``.
    """
    queries: dict[str, str] = {}
    for each in given:
        name, query = str(each["resource_type"]).strip(), str(each["query"])
        problem = sql_query.objection(query)
        if not problem and "%(ids)s" not in query:
            problem = "it has to choose records by %(ids)s"
        if problem:
            raise IncidentsError(f"{attempted}: the query of the owners of {name[:60]}: {problem}")
        queries[name] = query
    return queries


def owners(session: Session, query: str, ids: Sequence[str], schema: str) -> dict[str, set[str]]:
    """Return the owners of each record that has any; a payment may be about a brand and a creator.

    Args:
        session: outside of a transaction.
        query: gives record and owner, by ``%(ids)s``.
        ids: of the records.
        schema: where tables without one are looked for.

    Raises:
        PostgresError: the server refused it, or it has more rows than are read.
    """
    found: dict[str, set[str]] = {}
    for begin in range(0, len(ids), BATCH):
        batch = list(ids[begin : begin + BATCH])
        _, rows = session.select(query, {"ids": batch}, MOST_OWNERS + 1, schema)
        if len(rows) > MOST_OWNERS:
            text = f"more than {MOST_OWNERS} rows for {len(batch)} records"
            failure = Failure("invalid_query", text, advice="let the query give each record and person once")
            raise PostgresError("Reading whom records are about", failure)
        for row in rows:
            if len(row) > 1 and row[1] is not None:
                found.setdefault(str(row[0]), set()).add(str(row[1]))
    return found


def resolve(
    session: Session, records: Iterable[Mapping[str, Any]], queries: Mapping[str, str], schema: str
) -> dict[str, Any]:
    """Return ``people``, ``by_type``, ``without_owner`` and ``failed`` of these records."""
    by_type: dict[str, list[str]] = {}
    for record in records:
        by_type.setdefault(str(record["resource_type"]), []).append(str(record["resource_id"]))
    people: set[str] = set()
    failed: list[str] = []
    types: list[dict[str, Any]] = []
    without = 0
    for name, ids in sorted(by_type.items()):
        found: dict[str, set[str]] | None = None
        if name in queries:
            try:
                found = owners(session, queries[name], ids, schema)
            except PostgresError as error:
                if session.lost:
                    raise
                failed.append(f"{name[:100]} ({error.failure.cause})")
        of_type = {person for each in (found or {}).values() for person in each}
        people |= of_type
        without += len(ids) - len(found or {})
        types.append(
            {"resource_type": name[:100], "records": len(ids), "people": None if found is None else len(of_type)}
        )
    return {"people": sorted(people, key=by_number), "by_type": types, "without_owner": without, "failed": failed}


def by_number(identifier: str) -> tuple[int, str]:
    """Sort numbers as such, whatever else after them."""
    return (int(identifier), "") if identifier.isdecimal() else (2**63, identifier)


def check_place(attempted: str, path: Path) -> None:
    """Check where a list of people would be written.

    Raises:
        IncidentsError: the path is not absolute, or others may read, write or replace what is there.
    """
    if not path.is_absolute() or not path.name:
        raise IncidentsError(f"{attempted}: affected_file must be an absolute path")
    if not path.parent.is_dir():
        raise IncidentsError(f"{attempted}: the folder of affected_file is not there; make {path.parent} with 0700")
    found = path.parent.lstat()
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or mode & bundle_files.NOT_OWNER:
        raise IncidentsError(
            f"{attempted}: {path.parent}, where affected_file would be, must be your own with 0700, not {mode:04o}"
        )


def write(path: Path, people: Sequence[str], *, check_mode: bool) -> dict[str, Any]:
    """Write one identifier a line, readable by the owner only; a file with other content is left as it is."""
    content = "".join(f"{person}\n" for person in people).encode()
    plain: dict[str, Any] = {
        "path": str(path),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "people": len(people),
        "written": False,
        "problem": None,
    }
    try:
        if os.path.lexists(path):
            same = path.is_file() and not path.is_symlink() and path.read_bytes() == content
            return {**plain, "problem": None if same else "there is another file with this name; name a new one"}
        if check_mode:
            return plain
        part = path.with_name(f"{path.name}.part")
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        bundle_files.sync(path.parent)
    except OSError as error:
        return {**plain, "problem": f"it cannot be written: {error.strerror or 'error'}"}
    return {**plain, "written": True}
