# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``runbook doctor`` says: the findings of its playbook as checks with a status of their own, and an outcome."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SCHEMA_VERSION = "1.0"
THIS_MACHINE = "localhost"
ATTENTION = ("missing", "refused", "misconfigured", "expires")
NOT_ANSWERED = ("unreachable", "unknown")
STATUSES = (*ATTENTION, *NOT_ANSWERED, "ok", "not_configured", "not_granted", "not_asked")  # what a check can come to
_NO_ANSWER = frozenset({"refused", "unreachable", "dns", "timeout", "tls", "connection_lost", "no_answer", "proxy"})
_OVER = frozenset({"healthy", "findings", "incomplete"})  # any other outcome of the run is that of the whole


def document(result: Mapping[str, Any], types: Sequence[str], required: Collection[str], local: Sequence[Json]) -> Json:
    """Return the document of the command.

    Args:
        result: of the playbook's run.
        types: the incident types that were asked about.
        required: hosts without which a type that was named cannot be examined; one that is not configured is missing.
        local: checks of this machine.
    """
    asked = sorted((_check(finding) for finding in result["findings"]), key=lambda each: str(each["component"]))
    checks = [_required(each, asked, required) for each in [*local, *asked]]
    counts = Counter(each["status"] for each in checks)
    return {
        "schema_version": SCHEMA_VERSION,
        "outcome": _outcome(result, checks),
        "inventory": result["run"]["inventory"],
        "types": list(types),
        "started_at": result["run"]["started_at"],
        "duration_s": result["run"]["duration_s"],
        "versions": result["run"]["versions"],
        "counts": {status: counts[status] for status in STATUSES if counts[status]},
        "checks": checks,
        "errors": result["errors"],
    }


def home_check(home: Path, types: Sequence[str]) -> Json:
    """Return whether runs could be recorded in RUNBOOK_HOME, without writing there."""
    place = home
    while not place.exists() and place != place.parent:
        place = place.parent
    fine = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return {
        "component": THIS_MACHINE,
        "check": "home",
        "status": "ok" if fine else "missing",
        "summary": f"Runs are recorded in {home}"
        if fine
        else f"No run can be recorded in {home}: not writable: {place}",
        "next_step": None if fine else "Let RUNBOOK_HOME name a directory of your own.",
        "needed_by": list(types),
        "data": {},
    }


def _check(finding: Mapping[str, Any]) -> Json:
    data = dict(finding["data"])
    return {
        "component": finding["component"],
        "check": finding["check"],
        "status": _status(finding),
        "summary": finding["summary"],
        "next_step": finding.get("next_step") or None,
        "needed_by": list(data.pop("needed_by", [])),
        "data": data,
    }


def _status(finding: Mapping[str, Any]) -> str:
    status, cause = finding["status"], finding["cause"]
    if status == "ok":
        return "ok"
    if status == "unknown":
        return "unreachable" if cause in _NO_ANSWER else "unknown"
    return cause if cause in STATUSES else "unknown"


def _required(check: Json, checks: Sequence[Json], required: Collection[str]) -> Json:
    """A host without any settings, which a type that was named needs, is missing."""
    component = check["component"]
    whole = all(each["status"] == "not_configured" for each in checks if each["component"] == component)
    return {**check, "status": "missing"} if component in required and whole else check


def _outcome(result: Mapping[str, Any], checks: Sequence[Json]) -> str:
    if result["outcome"] not in _OVER:
        return str(result["outcome"])
    statuses = {each["status"] for each in checks}
    if statuses.intersection(NOT_ANSWERED) or result["errors"]:
        return "incomplete"
    nothing = all(each["status"] == "not_configured" for each in checks if each["component"] != THIS_MACHINE)
    return "findings" if statuses.intersection(ATTENTION) or nothing else "healthy"
