# SPDX-License-Identifier: GPL-3.0-or-later
"""From a result document to the process's exit code, and the document of a run that never began."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incident_runbooks.errors import RunbookError

EXIT_OK = 0
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_FINDINGS = 3
EXIT_INCOMPLETE = 4
EXIT_UNKNOWN = 9
EXIT_SIGINT = 130
EXIT_SIGTERM = 143

_BY_OUTCOME = {
    "healthy": EXIT_OK,
    "resolved": EXIT_OK,
    "findings": EXIT_FINDINGS,
    "incomplete": EXIT_INCOMPLETE,
    "unresolved": 5,
    "unverified": 5,
    "failed": 5,
    "refused": 6,
    "unknown": EXIT_UNKNOWN,
}
# Of a failed run, the first of these codes among its errors decides; without one the remediation failed.
_BY_ERROR = {"internal": EXIT_INTERNAL, "usage": EXIT_USAGE, "no_hosts": EXIT_USAGE, "locked": 7}
_BY_SIGNAL = {"sigint": EXIT_SIGINT, "sigterm": EXIT_SIGTERM}


def exit_code(result: Mapping[str, Any]) -> int:
    """Return the exit code for a result document.

    ====  ==========================================================
    0     healthy, or resolved and verified
    1     internal error
    2     usage or invalid input, an inventory without the hosts too
    3     findings, action recommended
    4     diagnosis incomplete
    5     remediation failed or not verified
    6     refused: approval missing, plan changed, guard
    7     another run holds the incident
    9     outcome unknown: time-out, crash
    130   interrupted (SIGINT); 143 terminated (SIGTERM)
    ====  ==========================================================
    """
    outcome = result["outcome"]
    errors = result["errors"]
    if outcome == "failed":
        return next((_BY_ERROR[error["code"]] for error in errors if error["code"] in _BY_ERROR), _BY_OUTCOME[outcome])
    if outcome == "unknown":
        reasons = (error.get("reason") for error in errors)
        return next((_BY_SIGNAL[reason] for reason in reasons if reason in _BY_SIGNAL), EXIT_UNKNOWN)
    return _BY_OUTCOME[outcome]


def failed_result(kind: str | None, error: RunbookError) -> dict[str, Any]:
    """Return the document of a run that never began: valid, ``failed``, with the error as its only content.

    Args:
        kind: the incident type that was asked for.
    """
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold  # noqa: PLC0415

    result: dict[str, Any] = fold([])
    result["incident"]["type"] = kind
    return result | failed_document(error)


def failed_document(error: RunbookError) -> dict[str, Any]:
    """Return what is said in JSON by a command that failed and yields no result: these keys mean the same in one."""
    said = {"code": error.code, "message": error.message, "hint": error.hint, "component": None, "at": None}
    return {"outcome": "failed", "errors": [said]}
