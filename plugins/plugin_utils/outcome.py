# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The outcome of a run: the first line of a table that fits what was recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

OUTCOMES = (
    "healthy",
    "findings",
    "incomplete",
    "resolved",
    "unresolved",
    "unverified",
    "refused",
    "failed",
    "unknown",
)

_COULD_NOT_RUN = frozenset({"no_hosts", "usage", "internal", "locked"})
_REFUSALS = frozenset({"refused", "plan_changed"})
_ACTION_FAILURES = frozenset({"remediation_failed"})
_STEP_FAILURES = frozenset({"step_failed", "unreachable", "no_findings", "no_plan"})
_ACTED = frozenset({"done", "partial"})
_ACTING = frozenset({"remediate", "rollback"})
_TROUBLE = frozenset({"degraded", "down"})


def outcome_of(result: Mapping[str, Any], *, ended: bool) -> str:
    """Return the outcome of a result; it comes from what was recorded, never from a return code.

    ==  ===========================================================================================  ===========
    1   the end of the run was not recorded                                                          unknown
    2   the run could not be done: no hosts, usage, an internal error, the incident is locked        failed
    3   an action was cut off and cannot say what it had done                                        unknown
    4   an action was refused, or the plan had changed                                               refused
    5   an action failed                                                                             failed
    6   an action did something, or was verified: any verification unresolved                        unresolved
        no verification, any unverified, a step failed, or a required finding unknown                unverified
        all resolved                                                                                 resolved
    7   a run that only reports or tells, and examines nothing: a step failed                        failed
        otherwise                                                                                    healthy
    8   a step failed that nobody rescued, no findings at all, or a required one is unknown          incomplete
    9   any finding degraded or down                                                                 findings
    10  otherwise                                                                                    healthy
    ==  ===========================================================================================  ===========

    Args:
        result: a result document; its key ``outcome`` is not read.
        ended: whether the end of the run was recorded.
    """
    codes = {error["code"] for error in result["errors"]}
    actions = {action["status"] for action in result["actions"]}
    if not ended:
        return "unknown"
    if codes & _COULD_NOT_RUN:
        return "failed"
    if "unknown" in actions:
        return "unknown"
    if "refused" in actions or codes & _REFUSALS:
        return "refused"
    if "failed" in actions or codes & _ACTION_FAILURES:
        return "failed"
    run = result["run"]
    acted = run["mode"] in _ACTING and not run["check_mode"] and (actions & _ACTED or result["verification"])
    if acted:
        blind = _blind(result["findings"]) or bool(_STEP_FAILURES & codes)
        return _verified({verdict["status"] for verdict in result["verification"]}, blind)
    if run["mode"] == "report":
        return "failed" if _STEP_FAILURES & codes else "healthy"
    return _diagnosed(result["findings"], codes)


def outcome_but_for_refusals(result: Mapping[str, Any]) -> str:
    """Return the outcome that a run has whose end was recorded, apart from what was refused beside the rest.

    A refused remediation says nothing of how the platform is: what else was done has been verified all the same.

    Args:
        result: a result document; its key ``outcome`` is not read.
    """
    actions = [action for action in result["actions"] if action["status"] != "refused"]
    errors = [error for error in result["errors"] if error["code"] not in _REFUSALS]
    return outcome_of({**result, "actions": actions, "errors": errors}, ended=True)


def has_acted(result: Mapping[str, Any]) -> bool:
    """Whether any action has done something, as far as is known."""
    return any(action["status"] in _ACTED for action in result["actions"])


def _verified(verdicts: Collection[str], blind: bool) -> str:
    if "unresolved" in verdicts:
        return "unresolved"
    return "unverified" if blind or not verdicts or "unverified" in verdicts else "resolved"


def _blind(findings: Collection[Mapping[str, Any]]) -> bool:
    return any(finding["status"] == "unknown" and finding["required"] for finding in findings)


def _diagnosed(findings: Collection[Mapping[str, Any]], codes: Collection[str]) -> str:
    if _blind(findings) or not findings or _STEP_FAILURES.intersection(codes):
        return "incomplete"
    return "findings" if any(finding["status"] in _TROUBLE for finding in findings) else "healthy"
