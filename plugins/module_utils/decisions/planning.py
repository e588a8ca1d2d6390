# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Decide what to recommend, what the plan is and what of it may run. Pure functions on plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

# A person approves these by id; the others need more than this release can check, so they never run.
APPROVED_BY_ID = frozenset({"safe", "disruptive"})
TROUBLE = frozenset({"degraded", "down"})


def recommend(remediations: Sequence[Json], findings: Sequence[Json]) -> list[Json]:
    """Say of every declared remediation whether findings recommend it, and why.

    Args:
        remediations: those of the runbook header, each with ``id``, ``title`` and ``risk``.
        findings: the findings of this run.

    Returns:
        One entry a remediation, in the header's order: id, title, risk, ``status`` (``recommended`` or
        ``not_recommended``) and ``reason``.

    Raises:
        IncidentsError: a finding recommends a remediation that the header does not declare.
    """
    known = {remediation["id"] for remediation in remediations}
    for finding in findings:
        for name in finding.get("recommend") or []:
            if name not in known:
                raise IncidentsError(
                    f"Reading the finding {finding['check']!r}: it recommends {name!r}, which the runbook header does "
                    f"not declare; declared are {', '.join(sorted(known)) or 'none'}"
                )
    unknown = [finding for finding in findings if finding["status"] == "unknown" and finding.get("required", True)]
    return [_recommendation(remediation, findings, unknown) for remediation in remediations]


def _recommendation(remediation: Json, findings: Sequence[Json], unknown: Sequence[Json]) -> Json:
    entry = {key: remediation[key] for key in ("id", "title", "risk")}
    reasons = [
        f"{finding['component']}/{finding['check']}: {finding['summary']}"
        for finding in findings
        if finding["status"] in TROUBLE and remediation["id"] in (finding.get("recommend") or [])
    ]
    if not reasons:
        return {**entry, "status": "not_recommended", "reason": "no finding recommends it"}
    if unknown and remediation["risk"] in ("destructive", "irreversible"):
        blind = ", ".join(f"{finding['component']}/{finding['check']}" for finding in unknown)
        return {**entry, "status": "not_recommended", "reason": f"diagnosis incomplete: {blind} unknown"}
    return {**entry, "status": "recommended", "reason": "; ".join(reasons)}


def make_plan(choice: Sequence[Json], previews: Mapping[str, Json], approved: Sequence[str]) -> Json:
    """Return the plan: every remediation with its real targets, and the digest over what would be touched.

    Args:
        choice: what :func:`recommend` returned.
        previews: by remediation id, what the remediation said in check mode: ``status``, ``targets``,
            ``excluded``, ``reason``, ``preview``; or ``error`` where the preview failed.
        approved: remediation ids that a person approved.
    """
    remediations = [_planned(entry, previews.get(entry["id"], {}), entry["id"] in approved) for entry in choice]
    return {"digest": digest(remediations), "remediations": remediations}


def _planned(entry: Json, preview: Json, approved: bool) -> Json:
    planned = {
        **entry,
        "approved": approved,
        "targets": list(preview.get("targets") or []),
        "excluded": list(preview.get("excluded") or []),
        "preview": dict(preview.get("preview") or {}),
    }
    if entry["status"] != "recommended":
        return planned
    if preview.get("error"):
        return {**planned, "targets_unknown": True, "reason": f"{entry['reason']}; preview failed: {preview['error']}"}
    if preview.get("status") != "planned":
        why = preview.get("reason") or "there is nothing that it may touch"
        return {**planned, "status": "not_recommended", "reason": f"{entry['reason']}; but {why}"}
    return planned


def digest(remediations: Sequence[Json]) -> str:
    """SHA-256 over the canonical JSON of what the recommended remediations would touch."""
    touched = [
        {"id": entry["id"], "risk": entry["risk"], "targets": entry["targets"]}
        for entry in remediations
        if entry["status"] == "recommended"
    ]
    canonical = json.dumps(touched, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def decide_run(plan: Json, approved: Sequence[str], findings: Sequence[Json]) -> tuple[list[str], list[Json]]:
    """Decide which remediations of the plan run now.

    Returns:
        The ids to run, in the plan's order; and the refusals, each with ``remediation`` and ``message``.
    """
    entries = {entry["id"]: entry for entry in plan["remediations"]}
    recommended = [name for name, entry in entries.items() if entry["status"] == "recommended"]
    trouble = "; ".join(
        f"{finding['component']}/{finding['check']} is {finding['status']}: {finding['summary']}"
        for finding in findings
        if finding["status"] in TROUBLE
    )
    to_run: list[str] = []
    refusals: list[Json] = []
    for name in dict.fromkeys(approved):
        why = _why_not(entries.get(name), trouble)
        if why is None and name in recommended:
            to_run.append(name)
        elif why:
            refusals.append({"remediation": name, "message": why})
    if recommended and not to_run and not refusals:
        names = ", ".join(recommended)
        refusals.append({"remediation": None, "message": f"recommended but not approved: {names}"})
    return [name for name in entries if name in to_run], refusals


def _why_not(entry: Json | None, trouble: str) -> str | None:
    if entry is None:
        return "this runbook has no such remediation"
    if entry["status"] != "recommended":
        return f"not recommended: {entry['reason']}; {trouble}" if trouble else None
    if entry.get("targets_unknown"):
        return f"its targets are not known: {entry['reason']}"
    if entry["risk"] not in APPROVED_BY_ID:
        return f"its risk is {entry['risk']}: approval by id alone is not enough"
    return None
