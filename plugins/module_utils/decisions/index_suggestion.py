# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The index that the text of a slow statement asks for. Pure, no I/O.

Only a plain SELECT of one table is understood: conditions on columns that all have to hold, and an order of columns.
Columns that are compared for equality come first, then those of the order, or else one of a range, because a B-tree is
read in its order behind the columns that are fixed. https://www.postgresql.org/docs/current/indexes-multicolumn.html
and https://www.postgresql.org/docs/current/indexes-ordering.html. Anything else gets no suggestion: whoever builds an
index has the server's own plan checked first, and a guess costs an incident its time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

_MOST_COLUMNS = 4
_LEAST_SHARE = 0.1  # of the time of the database; an index for less does not end an incident
_NAME = r'(?:"[^"]+"|[A-Za-z_][\w$]*)'
_COLUMN = rf"(?:{_NAME}\s*\.\s*)?({_NAME})"
_VALUE = r"(?:\$[0-9]+|…|true|false|now\(\))(?:\s*::\s*[\w ]+?(?:\([^()]*\))?)?"
_STATEMENT = re.compile(
    rf"""^select\s.+?\sfrom\s+(?:(?P<schema>{_NAME})\s*\.\s*)?(?P<table>{_NAME})
    (?:\s+(?:as\s+)?(?!(?:where|order|limit|offset|join|inner|left|right|cross|natural|full|group|for)\b){_NAME})?
    (?:\s+where\s+(?P<where>.+?))?
    (?:\s+order\s+by\s+(?P<order>.+?))?
    (?P<limit>\s+(?:limit|fetch)\s.+)?;?$""",
    re.IGNORECASE | re.VERBOSE,
)
_NOT_PLAIN = re.compile(
    r"\b(or|join|union|intersect|except|group\s+by|having|with|exists|distinct|over)\b", re.IGNORECASE
)
_EQUAL = re.compile(
    rf"^{_COLUMN}\s*(?:=\s*{_VALUE}|=\s*any\s*\(\s*{_VALUE}\s*\)|in\s*\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\))$",
    re.IGNORECASE,
)
_RANGE = re.compile(rf"^{_COLUMN}\s*(?:<=?|>=?)\s*{_VALUE}$", re.IGNORECASE)
_ORDER = re.compile(rf"^{_COLUMN}(?:\s+(asc|desc))?$", re.IGNORECASE)  # NULLS FIRST or LAST needs an index of its own


def suggest(statements: Iterable[Mapping[str, Any]], table: Mapping[str, Any], database: str | None) -> Json | None:
    """Return the index that the most expensive plain statement on a table asks for.

    Args:
        statements: of ``pg_statements``, largest share of the time first.
        table: one of its ``tables``, with ``schema`` and ``table``.
        database: the one that the table is in; ``None`` where it is not known.

    Returns:
        ``schema``, ``table``, ``columns`` (each ``name`` and ``order``), ``method``, ``query_id`` and ``statement``;
        ``None`` when no statement says enough, or none that does takes a tenth of the time of the database.
    """
    for statement in statements:
        if (
            statement.get("hidden")
            or not statement.get("query_id")
            or statement.get("database") not in {None, database}
            or (statement.get("share") or 0.0) < _LEAST_SHARE
        ):
            continue
        columns = columns_of(str(statement.get("statement") or ""), table["schema"], table["table"])
        if columns:
            return {
                "schema": table["schema"],
                "table": table["table"],
                "columns": [{"name": name, "order": order} for name, order in columns],
                "method": "btree",
                "query_id": statement["query_id"],
                "statement": statement["statement"],
            }
    return None


def columns_of(statement: str, schema: str, table: str) -> list[tuple[str, str]]:
    """Return the columns of the index with their order; none where the statement is not understood.

    Args:
        statement: one line in which values are parameters or ellipses.
    """
    if _NOT_PLAIN.search(statement) or len(re.findall(r"\bfrom\b", statement, re.IGNORECASE)) != 1:
        return []
    found = _STATEMENT.match(statement.strip())
    if not found or _plain(found["table"]) != table:
        return []
    if found["schema"] and _plain(found["schema"]) != schema:
        return []
    conditions = _conditions(found["where"] or "")
    equal = [_plain(hit[1]) for part in conditions if (hit := _EQUAL.match(part))]
    ranges = [_plain(hit[1]) for part in conditions if (hit := _RANGE.match(part))]
    understood = len(equal) + len(ranges) == len(conditions)
    order = _order(found["order"])
    if order is None or (order and not equal and not (found["limit"] and understood)):
        # The whole table in order is read from end to end with and without an index. Where few rows meet a condition
        # that is not understood, reading in order until there are enough of them is slower than to sort those few.
        return []
    wanted = [(name, "asc") for name in equal]
    wanted += order or [(name, "asc") for name in ranges[:1]]
    first: dict[str, str] = {}
    for name, way in wanted:
        first.setdefault(name, way)
    return list(first.items())[:_MOST_COLUMNS]


def _conditions(where: str) -> list[str]:
    """The conditions that all have to hold, without parentheses around them, those not understood among them."""
    whole = _bare(where)
    if not whole:
        return []
    if re.search(r"\bbetween\b", whole, re.IGNORECASE):
        return [whole]  # it has an AND of its own
    depths = _depths(whole)
    ends = [hit.span() for hit in re.finditer(r"\band\b", whole, re.IGNORECASE) if depths[hit.start()] == 0]
    if not ends:
        return [whole]
    starts = [0, *(end for _, end in ends)]
    stops = [*(start for start, _ in ends), len(whole)]
    return [each for start, stop in zip(starts, stops, strict=True) for each in _conditions(whole[start:stop])]


def _bare(part: str) -> str:
    """Without the parentheses around all of it; those of ``(a) AND (b)`` do not belong together."""
    part = part.strip()
    while part.startswith("(") and part.endswith(")") and 0 not in _depths(part)[1:-1]:
        part = part[1:-1].strip()
    return part


def _depths(text: str) -> list[int]:
    """How many parentheses are open behind each character; a quoted name counts as inside of one."""
    depths, depth, quoted = [], 0, False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(character, 0)
        depths.append(depth + quoted)
    return depths


def _order(given: str | None) -> list[tuple[str, str]] | None:
    """The columns of the order; ``None`` when it is of anything else than columns."""
    if not given:
        return []
    found = [_ORDER.match(part.strip()) for part in given.split(",")]
    if not all(found):
        return None
    return [(_plain(hit[1]), (hit[2] or "asc").lower()) for hit in found if hit]


def _plain(name: str) -> str:
    """A name as the catalogue has it."""
    return name[1:-1] if name.startswith('"') else name.lower()
