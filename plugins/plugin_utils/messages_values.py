# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What the placeholders of a message stand for, from the result so far. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

CLOCK = "clock"  # the check of the deadline by which a regulator has to be told
SETTINGS = "settings"  # the check of what was slowed down, or stands still, on purpose
SEAL = "tagmanifest-sha256.txt"  # of a bundle of evidence; its hash stands for every byte
TROUBLE = frozenset({"degraded", "down"})
_SHOWN = frozenset({*TROUBLE, "unknown"})
_ACTED = frozenset({"done", "partial", "unknown", "failed"})
_MOST = 5  # lines of a list: a message is read on a phone
_LONGEST = 300


def in_trouble(result: Mapping[str, Any]) -> bool:
    """Whether any finding is degraded or down."""
    return any(finding["status"] in TROUBLE for finding in result["findings"])


def values_of(
    result: Mapping[str, Any], header: Mapping[str, Any], incident_id: str, eta: str | None
) -> dict[str, str]:
    """Return the text of every placeholder; empty where there is nothing to say.

    Args:
        result: the result so far, as the fold gives it.
        header: the runbook's header.
        eta: until when the operator expects it to be resolved, in the operator's words.
    """
    operator = _line(result["run"]["operator"]) or "an unknown operator"
    stated = _line(eta)
    return {
        "incident": incident_id,
        **{key: _line(header.get(key)) for key in ("type", "title", "severity", "priority", "impact")},
        "started_at": _minute(result["run"]["started_at"]),
        "deadline": _minute(result["sla"]["deadline"]),
        "operator": operator,
        "eta": stated,
        "eta_note": f"{stated} (as stated by {operator})" if stated else "none given",
        "findings": _lines(_finding(item) for item in _worst_first(result["findings"])),
        "causes": ", ".join(causes(result)),
        "plan": ", ".join(item["id"] for item in result["plan"]["remediations"] if item["status"] == "recommended"),
        "actions": _lines(f"{item['id']} {item['status']}{_why(item)}" for item in result["actions"]),
        "verification": _lines(
            f"{item['check']} {item['status']}: {item['summary']}" for item in result["verification"]
        ),
        "outcome": result["outcome"],
        "notify_by": _notify_by(result["findings"]),
        "paused": _paused(result),
        "seals": _lines(f"{item['path']} {item['sha256']}" for item in result["evidence"] if _is_seal(item)),
    }


def causes(result: Mapping[str, Any]) -> list[str]:
    """Return the causes that findings in trouble name, each once, in the order of the findings."""
    named = [item["cause"] for item in result["findings"] if item["status"] in TROUBLE and item["cause"]]
    return list(dict.fromkeys(named))


def findings_match(wanted: Iterable[Mapping[str, Any]], result: Mapping[str, Any]) -> bool:
    """Whether every matcher of a header (check, component, status, cause) fits some finding."""
    return all(any(_fits(matcher, finding) for finding in result["findings"]) for matcher in wanted)


def applies(condition: Mapping[str, Any], result: Mapping[str, Any], *, before: bool) -> bool:
    """Whether all that a condition of a header names is so; an empty one always is.

    Args:
        condition: ``remediations``, ``changed``, ``findings`` and ``any_finding``, each optional.
        before: whether the run has yet to act.
    """
    remediations, changed = condition.get("remediations"), condition.get("changed")
    if remediations and not remediations_match(remediations, result, before=before):
        return False
    if changed and not any(item["changed"] and item["id"] in changed for item in result["actions"]):
        return False
    some = condition.get("any_finding")
    if some and not any(findings_match([matcher], result) for matcher in some):
        return False
    return findings_match(condition.get("findings") or (), result)


def template_of(notice: Mapping[str, Any], stage: str, result: Mapping[str, Any]) -> str:
    """Return the text of a notice for a stage, not filled in: of several the first that fits; empty where none does."""
    text = notice["texts"].get(stage) or ""
    if isinstance(text, str):
        return text
    before = stage == "opened"
    fits = (item["text"] for item in text if applies(item.get("when") or {}, result, before=before))
    return str(next(fits, ""))


def remediations_match(wanted: Iterable[str], result: Mapping[str, Any], *, before: bool) -> bool:
    """Whether one of the remediations is approved (before acting), or was run."""
    if before:
        planned = result["plan"]["remediations"]
        ids = {item["id"] for item in planned if item["approved"] and item["status"] == "recommended"}
    else:
        ids = {item["id"] for item in result["actions"] if item["status"] in _ACTED}
    return not ids.isdisjoint(wanted)


def _fits(matcher: Mapping[str, Any], finding: Mapping[str, Any]) -> bool:
    return (
        finding["check"] == matcher["check"]
        and finding["status"] in matcher["status"]
        and finding["component"] == matcher.get("component", finding["component"])
        and ("cause" not in matcher or finding["cause"] in matcher["cause"])
    )


def _notify_by(findings: Iterable[Json]) -> str:
    """By when a regulator has to be told, whose overdue and assumed deadlines the finding itself says so."""
    return next((_line(item["summary"]) for item in findings if item["check"] == CLOCK), "")


def _paused(result: Mapping[str, Any]) -> str:
    """What stands still or is slowed on purpose: as it was verified in this run, else as the diagnosis found it."""
    verified = [item for item in result["verification"] if item["check"] == SETTINGS and item["status"] == "resolved"]
    if verified:
        return _line(verified[-1]["summary"])
    found = [item["data"].get("paused") for item in result["findings"] if item["check"] == SETTINGS]
    names = found[0] if found else None
    return _line(f"paused on purpose: {', '.join(map(str, names))}") if isinstance(names, list) and names else ""


def _is_seal(item: Json) -> bool:
    return str(item.get("path") or "").endswith(f"/{SEAL}") and bool(item.get("sha256"))


def _worst_first(findings: Iterable[Json]) -> list[Json]:
    order = {"down": 0, "degraded": 1, "unknown": 2}
    return sorted((item for item in findings if item["status"] in _SHOWN), key=lambda item: order[item["status"]])


def _finding(item: Json) -> str:
    return f"{item['component']}/{item['check']} {item['status']}: {item['summary']}"


def _why(item: Json) -> str:
    return f": {item['reason']}" if item["reason"] else ""


def _lines(texts: Iterable[str]) -> str:
    lines = [_line(text) for text in texts]
    more = [f"and {len(lines) - _MOST} more"] if len(lines) > _MOST else []
    return "\n".join([*lines[:_MOST], *more])


def _line(value: Any) -> str:
    text = " ".join(str(value or "").split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _minute(moment: str | None) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC" if moment else ""
