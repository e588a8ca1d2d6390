# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The index that is proposed: what it is, how it is called, whether another one does the same. Pure, no I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

METHODS = ("btree", "hash", "gin", "gist", "brin")
LONGEST_NAME = 63  # bytes; the server cuts longer ones quietly. NAMEDATALEN - 1
MOST_COLUMNS = 8  # the server takes 32; an index that wide is no answer to an incident
_SYSTEM = re.compile(r"^(pg_.*|information_schema)$")
_INCIDENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$")
_MARK = re.compile(r"^incident-runbook (\S+) ([0-9a-f]{12})$")


@dataclass(frozen=True)
class Column:
    """One column of an index."""

    name: str
    descending: bool = False


@dataclass(frozen=True)
class Proposal:
    """An index that does not exist yet; names as the server has them, without quotes."""

    schema: str
    table: str
    columns: tuple[Column, ...]
    method: str
    index: str


def read(params: Mapping[str, Any]) -> Proposal:
    """Return the proposal of the module's options.

    Raises:
        ValueError: it makes no sense; the text says why.
    """
    columns = tuple(Column(column["name"], column["order"] == "desc") for column in params["columns"] or ())
    names = [column.name for column in columns]
    for what, name in [("schema", params["schema"]), ("table", params["table"]), *(("column", name) for name in names)]:
        check_name(what, name)
    if _SYSTEM.match(params["schema"]):
        raise ValueError(f"schema {params['schema']} is the server's own")
    if not 1 <= len(columns) <= MOST_COLUMNS:
        raise ValueError(f"columns must be 1 to {MOST_COLUMNS}, not {len(columns)}")
    if len(set(names)) < len(names):
        raise ValueError("a column is named twice")
    if params["method"] != "btree" and any(column.descending for column in columns):
        raise ValueError(f"an index of method {params['method']} has no order")
    if params["method"] == "hash" and len(columns) > 1:
        raise ValueError("an index of method hash has one column")
    index = params["name"] or default_name(params["table"], columns, params["method"])
    check_name("name", index)
    return Proposal(params["schema"], params["table"], columns, params["method"], index)


def check_name(what: str, name: str | None) -> None:
    """Check a name of PostgreSQL.

    Raises:
        ValueError: it is empty, too long, or has characters that cannot be printed.
    """
    if not name or len(name.encode()) > LONGEST_NAME or not name.isprintable():
        raise ValueError(f"{what} must be a printable name of 1 to {LONGEST_NAME} bytes")


def default_name(table: str, columns: Sequence[Column], method: str) -> str:
    """Return a name that the same proposal always gets: what does not fit is replaced by a digest of it."""
    parts = [f"{column.name}_desc" if column.descending else column.name for column in columns]
    name = "_".join(["idx", table, *parts, *([] if method == "btree" else [method])])
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: LONGEST_NAME - 9].decode(errors='ignore')}_{digest}"


def check_incident(incident: str | None) -> str:
    """Return the id of the incident.

    Raises:
        ValueError: there is none, or it is no id.
    """
    if not incident or not _INCIDENT.match(incident):
        raise ValueError("incident must be an id of at most 100 letters, digits, dots, colons, dashes and underscores")
    return incident


def mark(incident: str, definition: str) -> str:
    """Return the comment of an index that an incident makes, by which its rollback knows it again."""
    return f"incident-runbook {incident} {fingerprint(definition)}"


def fingerprint(definition: str) -> str:
    """Return what changes with the definition of an index."""
    return hashlib.sha256(definition.encode()).hexdigest()[:12]


def made_by(incident: str, index: Mapping[str, Any]) -> str | None:
    """Return why an index is not the one that this incident made, unchanged; ``None`` when it is."""
    found = _MARK.match(index["comment"] or "")
    if not found:
        return "no incident has made it: its comment says nothing of one"
    if found[1] != incident:
        return f"incident {found[1]} has made it"
    if found[2] != fingerprint(index["definition"]):
        return "it was changed since"
    return None


def serves(index: Mapping[str, Any], proposal: Proposal) -> bool:
    """Whether a usable index begins with the proposed columns, in their order or the reverse of it."""
    width = len(proposal.columns)
    names = [column.name for column in proposal.columns]
    if not (index["valid"] and index["ready"]) or index["partial"] or index["method"] != proposal.method:
        return False
    if list(index["columns"][:width]) != names:
        return False
    turned = {
        bool(given) != column.descending for given, column in zip(index["descending"], proposal.columns, strict=False)
    }
    return proposal.method != "btree" or len(turned) == 1  # a B-tree is read in both directions


def similar(index: Mapping[str, Any], proposal: Proposal) -> bool:
    """Whether a usable index begins with the proposed columns, in a mixture of directions."""
    names = [column.name for column in proposal.columns]
    usable = index["valid"] and not index["partial"] and index["method"] == proposal.method
    return bool(usable and list(index["columns"][: len(names)]) == names and not serves(index, proposal))


def is_query_id(text: str) -> bool:
    """Whether a text is a query id of PostgreSQL, a signed number of 64 bits."""
    return bool(re.fullmatch(r"-?[0-9]{1,19}", text)) and -(2**63) <= int(text) < 2**63
