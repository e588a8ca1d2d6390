# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Decide what to recommend and what the plan is; what of it may run, ``approval`` decides. Pure functions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.canonical import canonical
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

TROUBLE = frozenset({"degraded", "down"})


def recommend(remediations: Sequence[Json], findings: Sequence[Json]) -> list[Json]:
    """Say of every declared remediation whether findings recommend it, and why.

    Args:
        remediations: those of the runbook header, each with ``id``, ``title``, ``risk`` and what else it declares.
        findings: the findings of this run.

    Returns:
        One entry a remediation, in the header's order: what the header says of it, ``status`` (``recommended`` or
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
    entry = {**{key: remediation[key] for key in ("id", "title", "risk")}, **_declared(remediation)}
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


def _declared(remediation: Json) -> Json:
    """What a person who approves it should know; a header that does not say leaves it empty."""
    return {
        "causes": list(remediation.get("causes") or []),
        "preconditions": list(remediation.get("preconditions") or []),
        "touches": remediation.get("touches"),
        "verified_by": remediation.get("verified_by"),
        "can_roll_back": remediation.get("can_roll_back") is True,
        **({"review_after_s": remediation["review_after_s"]} if "review_after_s" in remediation else {}),
    }


def make_plan(choice: Sequence[Json], previews: Mapping[str, Json]) -> Json:
    """Return the plan: every remediation with its real targets, and the digest over what would be touched.

    Args:
        choice: what :func:`recommend` returned.
        previews: by remediation id, what the remediation said in check mode: ``status``, ``targets``,
            ``excluded``, ``reason``, ``preview``; or ``error`` where the preview failed.
    """
    remediations = [_planned(entry, previews.get(entry["id"], {})) for entry in choice]
    return {"digest": digest(remediations), "approval": None, "remediations": remediations}


def _planned(entry: Json, preview: Json) -> Json:
    planned = {
        **entry,
        "approved": False,
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
    """SHA-256 over the canonical JSON of what the recommended remediations would touch; the targets' order counts not.

    Args:
        remediations: those of a plan, also of one that was recorded.
    """
    touched = [
        {"id": entry["id"], "risk": entry["risk"], "targets": sorted(entry["targets"], key=canonical)}
        for entry in remediations
        if entry["status"] == "recommended"
    ]
    return hashlib.sha256(canonical(touched).encode()).hexdigest()
