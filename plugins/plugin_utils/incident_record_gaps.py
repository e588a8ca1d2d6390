# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What an incident's document does not know, and what to type so that it does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

_MOMENTS = {
    "started_at": "when the trouble began",
    "detected_at": "when the alert was triggered",
    "acknowledged_at": "when somebody acknowledged it",
    "mitigated_at": "when the mitigation was applied",
    "resolved_at": "when the service was restored",
}
_IMPACT = {
    "users": ("how many users were affected", "--users-affected N"),
    "data": ("which data was at risk", "--data-at-risk TEXT"),
    "revenue": ("what it cost", "--revenue-impact TEXT"),
}


def gaps(record: Json) -> list[Json]:
    """Return what is unknown: ``key``, ``what`` in words, and ``how`` to state it, a command. Nothing was wrong: none.

    Args:
        record: the document, with every part but this one.
    """
    if record["report_due_at"] is None and not record["actions"]:
        return []
    command = f"runbook post-incident {record['incident']['id'] or 'INCIDENT'}"
    return [{"key": key, "what": what, "how": f"{command} {how}"} for key, what, how in _gaps(record)]


def _gaps(record: Json) -> Iterator[tuple[str, str, str]]:
    for key, what in _MOMENTS.items():
        moment = record[key]
        option = f"--{key.replace('_', '-')} TIME"
        if moment["source"] == "unknown":
            yield key, f"{what}: {moment['basis']}", option
        elif key in ("detected_at", "acknowledged_at") and moment["source"] != "stated":
            yield key, f"{what}: taken from the runs ({moment['basis']})", option
    if record["root_cause"]["source"] != "stated":
        only = "only inferred from the findings" if record["root_cause"]["text"] else "nobody has stated it"
        yield "root_cause", f"the root cause: {only}", "--root-cause TEXT"
    for name, (what, how) in _IMPACT.items():
        if record["impact"][name]["source"] == "unknown":
            yield f"impact_{name}", what, how
    for number, item in enumerate(record["follow_ups"], start=1):
        if item["title"] in record["unassigned"]:
            yield "owner", f"who owns the follow-up {number}: {item['title']}", f"--owner {number}=NAME"
