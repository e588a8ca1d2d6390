# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a plan of PostgreSQL says about an index that is missing or used. Pure, no I/O.

https://www.postgresql.org/docs/current/using-explain.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]


def nodes(plan: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every node of EXPLAIN (FORMAT JSON)'s answer, in any shape that it may have."""
    ahead = list(plan) if isinstance(plan, list) else [plan]
    while ahead:
        node = ahead.pop()
        if not isinstance(node, Mapping):
            continue
        if "Node Type" in node:
            yield node
        ahead.extend([node.get("Plan"), *(node.get("Plans") or ())])


def summary(plan: Any, schema: str, table: str, index: str | None) -> Json:
    """Return what matters of a plan: ``reads_all`` of the table, ``sorts``, ``uses_index``, ``cost`` (planner's units).

    Args:
        index: name of the index in question.
    """
    found = list(nodes(plan))
    of_table = [node for node in found if (node.get("Schema"), node.get("Relation Name")) == (schema, table)]
    reads_all = any(node["Node Type"] == "Seq Scan" for node in of_table)
    cost = found[0].get("Total Cost") if found else None  # of the top node: with a LIMIT those below may cost more
    used = sorted({str(node["Index Name"]) for node in found if node.get("Index Name")})
    return {
        "reads_table": bool(of_table),
        "reads_all": reads_all,
        "sorts": any(node["Node Type"] in {"Sort", "Incremental Sort"} for node in found),
        "indexes": used[:20],
        "uses_index": None if index is None else index in used,
        "cost": cost if isinstance(cost, int | float) else None,
    }


def may_gain(seen: Mapping[str, Any]) -> bool:
    """Whether an index on the table may help: all of it is read, or what is read of it is sorted."""
    return bool(seen["reads_table"] and (seen["reads_all"] or seen["sorts"]))
