# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""An evidence hold: a mark on an object that keeps everybody from restarting, changing or deleting it. Pure, no I/O.

It stands in the object's own annotations, not in the pod template, so that setting it replaces no pod.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.interlock import KEEPS_EVIDENCE
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

Json = dict[str, Any]
Objection = tuple[str, str]

HOLD = "incidents.brandconnect/evidence-hold"
HOLD_BY = "incidents.brandconnect/evidence-hold-by"
HOLD_SINCE = "incidents.brandconnect/evidence-hold-since"
HELD, RELEASED = "held", "released"
# an annotation is text from outside: a command is only made of what is the id of an incident that can hold something
_HOLDER = re.compile(rf"{KEEPS_EVIDENCE}-\d{{8}}T\d{{6}}Z-[0-9a-f]{{4}}")


@dataclass(frozen=True)
class HoldPlan:
    """What to do about a hold.

    Attributes:
        status: ``planned``, ``nothing_to_do`` or ``refused``.
        reason: why, in one sentence.
        word: a stable word for the last two; ``None`` for ``planned``.
        patch: the merge patch; ``None`` where nothing is to be done.
    """

    status: str
    reason: str
    word: str | None = None
    patch: Json | None = None


def hold_of(item: Mapping[str, Any] | None) -> Json | None:
    """Return the hold on an object: ``incident``, ``by`` and ``since``; ``None`` where there is none."""
    annotations = ((item or {}).get("metadata") or {}).get("annotations") or {}
    if not annotations.get(HOLD):
        return None
    return {"incident": annotations[HOLD], "by": annotations.get(HOLD_BY), "since": annotations.get(HOLD_SINCE)}


def hold_objection(item: Mapping[str, Any] | None, label: str, incident: str | None) -> Objection | None:
    """Return a stable word and a sentence when an object is held for another incident; ``None`` otherwise.

    Args:
        item: the object as it is.
        label: how texts call it.
        incident: the incident that wants to act.
    """
    hold = hold_of(item)
    if hold is None or hold["incident"] == incident:
        return None
    text = (
        f"{label} is evidence of the incident {hold['incident']} ({_since(hold)}) and must stay as it is; "
        f"ask those who lead that incident to preserve it and to release the hold{_command(hold)}"
    )
    return "evidence_hold", text


def plan_hold(item: Mapping[str, Any], label: str, state: str, incident: str, who: str, now: dt.datetime) -> HoldPlan:
    """Decide how to set or remove a hold.

    Args:
        item: the object as it is.
        label: how texts call it.
        state: ``held`` or ``released``.
        incident: the incident that sets or removes it; only that which has set it removes it.
        who: the person.
    """
    hold = hold_of(item)
    if hold and hold["incident"] != incident:
        text = f"{label} is held for the incident {hold['incident']} ({_since(hold)}), not for {incident}"
        return HoldPlan("refused", f"{text}; release it there{_command(hold)}", "held_by_other")
    if state == HELD and hold:
        return HoldPlan("nothing_to_do", f"{label} is held for this incident already ({_since(hold)})", "no_change")
    if state == RELEASED and not hold:
        return HoldPlan("nothing_to_do", f"{label} is not held", "no_change")
    if state == HELD:
        values: dict[str, str | None] = {HOLD: incident, HOLD_BY: who, HOLD_SINCE: rfc3339(now)}
        reason = f"hold {label} as evidence of {incident}"
    else:
        values = dict.fromkeys((HOLD, HOLD_BY, HOLD_SINCE))
        reason = f"release {label}, which was held ({_since(hold or {})})"
    version = (item.get("metadata") or {}).get("resourceVersion")
    return HoldPlan("planned", reason, None, {"metadata": {"resourceVersion": version, "annotations": values}})


def is_release(action: Mapping[str, Any]) -> bool:
    """Whether a recorded action released a hold and did nothing else.

    It changes nothing of the platform, and the evidence that was collected stays.

    Args:
        action: a record of an action.
    """
    return bool(action.get("rolls_back")) and set(action.get("before") or {}) == {"hold"}


def _command(hold: Mapping[str, Any]) -> str:
    """How the hold is released, where it is one of this collection's incidents."""
    incident = str(hold["incident"])
    return f": runbook rollback {incident} --only preserve-evidence" if _HOLDER.fullmatch(incident) else ""


def _since(hold: Mapping[str, Any]) -> str:
    return f"by {hold.get('by') or 'somebody'} since {hold.get('since') or 'an unknown time'}"
