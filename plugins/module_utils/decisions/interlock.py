# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether an incident that is under way keeps others from acting. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

KEEPS_EVIDENCE = "data-breach"  # restarting or deleting pods destroys what it has to look at


def objection(kind: str, workloads: Iterable[Mapping[str, Any]], under_way: Iterable[Mapping[str, Any]]) -> str | None:
    """Return why a run may not act on workloads now; ``None`` where nothing speaks against it.

    Args:
        kind: the incident type of the run.
        workloads: what it would act on, each with ``kind`` and ``name``.
        under_way: the incidents with a run at this moment, each with ``id``, ``type`` and ``who``.
    """
    names = sorted({f"{each.get('kind')} {each.get('name')}" for each in workloads})
    if not names or kind == KEEPS_EVIDENCE:
        return None
    for incident in under_way:
        if incident["type"] == KEEPS_EVIDENCE:
            return (
                f"Acting on {', '.join(names)}: the incident {incident['id']} is under way ({incident['who']}), and "
                "the workloads may be its evidence; ask those who lead it, and wait until they have preserved it"
            )
    return None
