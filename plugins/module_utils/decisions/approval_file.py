# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Decide whether the decision in an approval file is good for a run. Pure functions on plain data."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval import Approval, same_person

Json = dict[str, Any]

CLOCK_SKEW = dt.timedelta(minutes=5)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_LONGEST_SHOWN = 200


def instant(text: str) -> dt.datetime | None:
    """Return the instant that an RFC 3339 text means, ``None`` where it is none."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return dt.datetime.fromisoformat(text.upper())
    except ValueError:  # a 31st of February
        return None


def why_refused(
    document: Json, *, operator: str, now: dt.datetime, incident: str | None, environment: str | None
) -> str | None:
    """Return why the decision is not good for this run; ``None`` where it is. The digest is compared later.

    Args:
        document: the file's content, valid by its schema, with instants that can be read.
        operator: who runs it.
        incident: id of the incident of this run.
        environment: of the inventory; ``None`` where it does not say.
    """
    by = _shown(document["decided_by"])
    if document["decision"] != "approved":
        why = _shown(document["message"]).strip()
        return f"{by} rejected the plan{f': {why}' if why else ''}"
    for key, mine in (("incident", incident), ("environment", environment)):
        meant = document.get(key)
        if meant is not None and meant != mine:
            own = f"this run is of {mine}" if mine else f"this run has no {key}"
            return f"it is for the {key} {_shown(meant)}, and {own}"
    if same_person(document["decided_by"], operator):
        return f"{by} approved it and is also the operator; somebody else has to approve it"
    decided, expires = instant(document["decided_at"]), instant(document["expires_at"])
    if decided is None or expires is None:
        return "it does not say when it was decided and until when it is good"
    if decided > now + CLOCK_SKEW:
        return f"it is not valid yet: decided at {document['decided_at']}; check the clocks"
    if expires <= now:
        return f"it expired at {document['expires_at']}"
    return None


def approval_of(document: Json, asked: Sequence[str], operator: str) -> Approval:
    """Return what an accepted file approves.

    Args:
        document: the file's content.
        asked: run only these of it; empty for all.
    """
    covered = document.get("remediations")
    return Approval(
        operator=operator,
        ids=list(asked) or covered,
        covered=covered,
        digest=document["plan_digest"],
        decided_by=document["decided_by"],
        second_approver=document["decided_by"],
        reason=document["message"],
        decided_at=document["decided_at"],
        expires_at=document["expires_at"],
        source="file",
    )


def _shown(text: Any) -> str:
    return str(text) if len(str(text)) <= _LONGEST_SHOWN else f"{str(text)[:_LONGEST_SHOWN]}..."
