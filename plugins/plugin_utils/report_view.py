# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What the report's templates need of an incident's document beyond its own keys. Pure; nothing is escaped here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils import report_text
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import mapping, parse_instant, text
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_parts import is_page
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_text import Raw, duration, markdown

Json = dict[str, Any]

_EVENTS, _ROWS, _CHANGES = 400, 100, 12
_MILESTONES = {
    "alert_triggered": "Alert triggered",
    "trouble_found": "Trouble found by the first run",
    "team_paged": "Team paged",
    "root_cause_identified": "Root cause identified",
    "mitigation_applied": "Mitigation applied",
    "service_restored": "Service restored",
}
_MEANING = {
    "healthy": "Nothing is wrong",
    "findings": "Something is wrong, and nothing was done since it was found",
    "incomplete": "Not everything could be examined",
    "resolved": "Resolved and verified",
    "unresolved": "Remediated, but the trouble is still there",
    "unverified": "Remediated, but not shown to have helped",
    "refused": "What was asked for was refused",
    "failed": "What was tried did not work",
    "unknown": "Cut off; what was under way may or may not have happened",
}
_TONES = {
    **dict.fromkeys(("ok", "healthy", "resolved", "done", "sent", "already_sent", "kept", "safe"), "good"),
    **dict.fromkeys(("degraded", "findings", "incomplete", "unverified", "partial", "refused", "disruptive"), "warn"),
    **dict.fromkeys(("down", "failed", "unresolved", "breached", "destructive", "irreversible"), "bad"),
    **dict.fromkeys(("unknown",), "unsure"),
}
_WORDS = ("text", "body", "summary", "message", "description", "title", "name")
_ACTING = frozenset({"remediate", "rollback"})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MENTIONABLE = re.compile(r"[A-Za-z0-9][\w.-]{0,38}")
_EVERYBODY = frozenset({"channel", "here", "everyone", "all", "team"})


def filters() -> dict[str, Callable[..., Any]]:
    """The templates' filters."""
    return {
        **{name: getattr(report_text, name) for name in ("clock", "date", "due", "duration", "figure", "iso", "words")},
        "changes": changes,
        "counted": counted,
        "message": message,
        "mention": mention,
        "minutes": report_text.minutes,
        "tone": tone,
    }


def view(record: Json) -> Json:
    """Return the variables of the templates: the document's own keys, and what follows from them."""
    told = record["notifications"]
    return {
        **record,
        "headline": _headline(record),
        "summary": list(_summary(record)),
        "unsure": _unsure(record),
        "sla_word": _sla_word(record),
        "milestones": [{**row, "label": _MILESTONES[row["milestone"]]} for row in record["milestones"]],
        "duration_from": record["started_at"]["at"] or record["detected_at"]["at"] or record["opened_at"],
        "events": record["timeline"][:_EVENTS],
        "events_left": len(record["timeline"]) - _EVENTS,
        "evidence": [_file(item) for item in record["evidence"][:_ROWS]],
        "evidence_left": len(record["evidence"]) - _ROWS,
        "assigned": [item for item in record["follow_ups"] if item["title"] not in record["unassigned"]],
        "without_owner": [item for item in record["follow_ups"] if item["title"] in record["unassigned"]],
        "unpaged": [item for item in told if is_page(item) and item.get("status") == "failed"],
        "damage": [error for error in record["errors"] if error["code"] == "journal_damaged"],
        "run_errors": [error for error in record["errors"] if error["code"] != "journal_damaged"][:_ROWS],
        "versions": _versions(record),
    }


def tone(status: Any) -> str:
    """What a status means: good, warn, bad, unsure, or muted where it means nothing."""
    return _TONES.get(status, "muted") if isinstance(status, str) else "muted"


def mention(owner: Any) -> Raw:
    """An owner as Markdown, mentioned where it is one name and not everybody."""
    name = text(owner).strip().removeprefix("@")
    if _MENTIONABLE.fullmatch(name) and name.casefold() not in _EVERYBODY:
        return Raw(f"@{markdown(name)}")
    return Raw(markdown(name or "unassigned", 80))


def message(item: Json) -> str:
    """The words of a message that was or would be sent."""
    return next(_texts(item.get("payload"), 3), "") or text(item.get("text"))


def _texts(value: Any, depth: int) -> Iterator[str]:
    data = mapping(value)
    yield from (data[key] for key in _WORDS if isinstance(data.get(key), str) and data[key].strip())
    if depth:
        for part in data.values():
            yield from _texts(part, depth - 1)


def changes(action: Json) -> list[Json]:
    """The plain values that differ before and after an action; the first dozen."""
    old, new = dict(_flat(action["before"])), dict(_flat(action["after"]))
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    missing = "none"
    found = [{"name": name, "before": old.get(name, missing), "after": new.get(name, missing)} for name in names]
    return found[:_CHANGES]


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (str, int, float)) and not path.endswith(("resource_version", "generation", "uid")):
        yield path, f"{value:g}" if isinstance(value, float) else value


def counted(action: Json) -> str:
    """What became of an action's targets, counted: ``terminated 4, spared 1``."""
    said = (item.get("result") for item in action["results"] if isinstance(item, dict))
    counts = Counter(result for result in said if isinstance(result, str))
    return ", ".join(f"{result.replace('_', ' ')} {count}" for result, count in counts.items())


def _headline(record: Json) -> str:
    took = record["duration_s"]
    if record["resolved_at"]["at"] and took is not None:
        return f"Restored {duration(took)} after {'it began' if record['started_at']['at'] else 'the detection'}"
    return _MEANING[record["outcome"]]


def _sla_word(record: Json) -> str:
    return {True: "missed", False: "kept", None: "open" if record["resolved_at"]["at"] is None else "unknown"}[
        record["sla"]["breached"]
    ]


def _summary(record: Json) -> Iterator[str]:
    yield f"{_MEANING[record['outcome']]}."
    sla, left = record["sla"], None
    if sla["target_s"] is not None and sla["elapsed_s"] is not None:
        left = sla["target_s"] - sla["elapsed_s"]
        words = {"kept": f"kept, {duration(left)} left", "missed": f"missed by {duration(-left)}"}
        yield f"SLA of {duration(sla['target_s'])}: {words.get(_sla_word(record), _sla_word(record))}."
    done = [item["id"] for item in record["actions"] if item["changed"]]
    unsure = _unsure(record)
    if done:
        yield f"Changed: {', '.join(dict.fromkeys(done))}."
    if unsure:
        yield unsure
    elif not done:
        yield "Nothing was changed."
    if record["unassigned"]:
        yield f"{len(record['unassigned'])} of {len(record['follow_ups'])} follow-ups have no owner."


def _unsure(record: Json) -> str:
    """What may have been changed besides what is recorded, in a sentence; empty where nothing may."""
    steps = [error for error in record["errors"] if error.get("mutates") is True]
    actions = [item for item in record["actions"] if item["status"] == "unknown" and not item["check_mode"]]
    told = {item["run_id"] for item in [*steps, *actions]}
    runs = [
        run
        for run in record["runs"]
        if run["mode"] in _ACTING and not run["check_mode"] and run["outcome"] == "unknown" and run["id"] not in told
    ]
    names = [f"{error.get('name') or 'a step'} on {error['component'] or 'unknown'}" for error in steps]
    names += [item["id"] for item in actions]
    names += [f"{run['id'] or 'a run'} was cut off" for run in runs]
    return f"What was changed is not fully known: {', '.join(dict.fromkeys(names))}." if names else ""


def _file(item: Json) -> Json:
    name, digest, size = text(item.get("path")) or text(item.get("name")), text(item.get("sha256")), item.get("bytes")
    return {
        "path": name or "unnamed",
        "source": text(item.get("source")),
        "sha256": Raw(digest) if _SHA256.fullmatch(digest) else "",
        "bytes": f"{size:,}" if isinstance(size, int) else "unknown",
        "truncated": item.get("truncated") is True,
    }


def _versions(record: Json) -> str:
    """What the last run ran with."""
    run = next(reversed(record["runs"]), None)
    versions = mapping(run["versions"]) if run else {}
    known = {name.replace("_", "-"): text(version) for name, version in versions.items() if text(version)}
    return ", ".join(f"{name} {version}" for name, version in known.items())


def last_event(record: Json) -> str | None:
    """When the last thing of the incident was recorded."""
    timed = [(parsed, event["at"]) for event in record["timeline"] if (parsed := parse_instant(event["at"]))]
    return max(timed)[1] if timed else None
