# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The types of journal records, and which parts of them are structure rather than payload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.bounding import fit
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.bounding_clean import Keep, clean
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor

# What a task of this collection may hand over; the writer's own types cannot be forged by a result.
FROM_TASKS = frozenset(
    {
        *("finding", "plan", "action", "verification", "notification", "evidence", "follow_up"),
        *("notice", "note", "error"),
    }
)

# Keys not named here are known names as well, but their values are payload.
_STRUCTURE: dict[str, dict[str, Keep]] = {
    "run_started": {
        "incident": {"id": True, "type": True, "severity": True, "priority": True},
        "run": {"id": True, "mode": True, "versions": {"*": True}},
        "sla": {"target_s": True},
    },
    "step_started": {"step": True, "host": True, "action": True},
    "step_ended": {"step": True, "host": True, "action": True, "status": True, "duration_s": True},
    "finding": {"check": True, "component": True, "status": True, "cause": True, "recommend": {"*": True}, "at": True},
    "plan": {
        "digest": True,
        "approval": {"digest": True, "approved": {"*": True}, "decided_at": True, "expires_at": True, "source": True},
        "remediations": {"*": {"id": True, "risk": True, "status": True}},
    },
    "action": {"id": True, "risk": True, "status": True, "started_at": True, "ended_at": True},
    "verification": {"check": True, "status": True, "cause": True, "at": True},
    "notification": dict.fromkeys(
        (
            *("id", "channel", "purpose", "stage", "status", "cause"),
            *("fingerprint", "attempts", "next_attempt_at", "sent_at", "at"),
        ),
        True,
    ),
    "evidence": {"sha256": True, "at": True},
    "follow_up": {"due": True, "source": True, "remediation": True},
    "notice": {"code": True, "component": True, "at": True},
    "note": {"key": True, "at": True},
    "error": {"code": True, "component": True, "step": True, "at": True},
    "run_interrupted": {"reason": True, "after_s": True},
    "run_ended": {"hosts": {"*": {"*": True}}},
    "journal_recovered": {"torn_bytes": True},
    "journal_damaged": {},
}
_UNKNOWN: dict[str, Keep] = {"at": True}


def payload(kind: str, data: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Return the data of a record as it may be written: plain, redacted, bounded."""
    cleaned: dict[str, Any] = clean(data, redactor, _STRUCTURE.get(kind, _UNKNOWN))
    fitted: dict[str, Any] = fit(cleaned)
    return fitted


def records_in(result: Mapping[str, Any]) -> tuple[list[tuple[str, Mapping[str, Any]]], int]:
    """Return the records, type and data, that the result of a task carries, and how many it carries that are none."""
    several = result.get("records")
    candidates = [*([result["record"]] if "record" in result else []), *(several if isinstance(several, list) else ())]
    good = [(item["type"], item["data"]) for item in candidates if _is_record(item)]
    return good, len(candidates) - len(good) + (several is not None and not isinstance(several, list))


def _is_record(item: Any) -> bool:
    if not isinstance(item, Mapping) or not isinstance(item.get("data"), Mapping):
        return False
    return isinstance(item.get("type"), str) and item["type"] in FROM_TASKS
