# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The parts of an incident's document that gather what its runs found, did and said."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import is_release
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import (
    instant,
    listed,
    mapping,
    parse_instant,
    text,
)

Json = dict[str, Any]

TROUBLE = frozenset({"degraded", "down"})
UNKNOWN = "unknown"
_EFFECTIVE = frozenset({"done", "partial"})
_TOUCHED = frozenset({"done", "partial", "failed", "unknown"})
_EXAMINING = frozenset({"diagnose", "remediate"})
_FIGURES = 4
# Numbers that name something, or that nobody compares
_NO_FIGURES = frozenset({"generation", "observed_generation", "resource_version", "revision", "pid", "exit_code"})


def says_something(result: Json) -> bool:
    """Whether a run says something about the platform: it examined, did or verified, or may have changed something."""
    if result["run"]["mode"] == "report":
        return False
    touched = any(error.get("mutates") is True for error in result["errors"])
    return bool(result["findings"] or result["actions"] or result["verification"] or touched)


def about_the_platform(results: list[Json]) -> list[Json]:
    """The runs whose findings are about the platform; those of a rollback are about what the runs had changed."""
    return [result for result in results if result["run"]["mode"] != "rollback"]


def meant_for_the_platform(results: list[Json]) -> list[Json]:
    """The runs that meant to examine the platform, also those that failed; only these decide what it came to."""
    return [result for result in results if result["run"]["mode"] in _EXAMINING]


def run_to_show(records: list[Json]) -> str | None:
    """The last run that examined or changed something, or meant to; ``None`` where there is none of them.

    A run that only reports, and a rollback that only looked or found nothing to restore, say nothing of how the
    incident stands.
    """
    last = None
    for record in records:
        if record["type"] == "run_started" and _may_tell(record["run_id"], mapping(record["data"].get("run")), records):
            last = str(record["run_id"])
    return last


def _may_tell(run_id: str, run: Json, records: list[Json]) -> bool:
    if run.get("mode") != "rollback":
        return run.get("mode") != "report"
    own = [record for record in records if record["run_id"] == run_id]
    acted = any(record["type"] == "action" and record["data"].get("status") in _TOUCHED for record in own)
    cut_off = not any(record["type"] == "run_ended" for record in own)
    return run.get("check_mode") is not True and (acted or cut_off)


def undone_since(results: list[Json], last: Json) -> bool:
    """Whether a rollback after the run *last* changed something of the platform."""
    later = [result for result in results[results.index(last) + 1 :] if result["run"]["mode"] == "rollback"]
    return any(item["changed"] and not is_release(item) for result in later for item in result["actions"])


def findings(results: list[Json]) -> list[Json]:
    """Each check once: how its trouble first showed, and how it stood last. Those with trouble come first."""
    seen: dict[tuple[str, str], Json] = {}
    for result in about_the_platform(results):
        for item in result["findings"]:
            now = {**item, "run_id": result["run"]["id"]}
            entry = seen.setdefault(
                (item["component"], item["check"]), {"component": item["component"], "check": item["check"]}
            )
            if "first" not in entry or (entry["first"]["status"] not in TROUBLE and item["status"] in TROUBLE):
                entry["first"] = now
            entry["last"] = now
    return sorted(seen.values(), key=lambda entry: entry["first"]["status"] not in TROUBLE)


def actions(results: list[Json]) -> list[Json]:
    """What was done, with the run and who approved it."""
    return [
        {
            **item,
            "run_id": result["run"]["id"],
            "mode": result["run"]["mode"],
            "check_mode": result["run"]["check_mode"],
            "approval": result["plan"]["approval"],
        }
        for result in results
        for item in result["actions"]
    ]


def root_cause(results: list[Json], notes: list[Json], done: list[Json]) -> Json:
    """What a person states; else what the findings name, first the causes that an effective action removes."""
    causes = _causes(results, done)
    stated = last_note(notes, "root_cause")
    if stated:
        by = text(stated["by"]) or None
        return {"text": said(stated["value"]), "source": "stated", "by": by, "at": stated["at"], "causes": causes}
    if causes:
        first = causes[0]
        what = f"{first['cause']}: {first['summary']}" if first["summary"] else first["cause"]
        return {"text": what, "source": "inferred", "by": None, "at": first["at"], "causes": causes}
    return {"text": None, "source": UNKNOWN, "by": None, "at": None, "causes": []}


def _causes(results: list[Json], done: list[Json]) -> list[Json]:
    effective = {item["id"] for item in done if item["status"] in _EFFECTIVE and item["changed"]}
    removed = {
        cause
        for result in results
        for entry in result["plan"]["remediations"]
        if entry["id"] in effective
        for cause in listed(entry.get("causes"))
        if isinstance(cause, str)
    }
    found: dict[str, Json] = {}
    for result in about_the_platform(results):
        for item in result["findings"]:
            if item["status"] in TROUBLE and item["cause"]:
                helps = item["cause"] in removed or bool(not removed and effective.intersection(item["recommend"]))
                entry = {key: item[key] for key in ("cause", "component", "check", "status", "summary", "at")}
                found.setdefault(item["cause"], {**entry, "addressed": helps})
    return sorted(found.values(), key=lambda entry: (not entry["addressed"], entry["status"] != "down"))


def impact(general: str | None, notes: list[Json]) -> Json:
    """What persons state about users, data and revenue, and what the runbook says of such incidents."""
    return {name: _impact(last_note(notes, f"impact_{name}")) for name in ("users", "data", "revenue")} | {
        "general": general
    }


def _impact(note: Json | None) -> Json:
    if note is None or said(note["value"]).casefold() == UNKNOWN:
        return {"value": UNKNOWN, "source": UNKNOWN, "by": text(note["by"]) or None if note else None}
    return {"value": said(note["value"]), "source": "stated", "by": text(note["by"]) or None}


def last_note(notes: list[Json], key: str) -> Json | None:
    """The last statement of a key that says something."""
    return next((note for note in reversed(notes) if note["key"] == key and said(note["value"])), None)


def said(value: Any) -> str:
    """The words of a statement."""
    return text(value).strip()


def lessons(notes: list[Json]) -> list[Json]:
    """What was learned, as persons state it."""
    return [
        {"text": said(note["value"]), "by": text(note["by"]) or None, "at": note["at"]}
        for note in notes
        if note["key"] == "lesson" and said(note["value"])
    ]


def verification(results: list[Json]) -> list[Json]:
    """The verdicts, each with the figures that a chart can show."""
    return [
        {**item, "figures": figures(item), "run_id": result["run"]["id"]}
        for result in results
        for item in result["verification"]
    ]


def figures(item: Json) -> list[Json]:
    """The numbers that stand in the baseline and the samples: those with a target, then those that changed."""
    before = dict(_numbers(item["baseline"]))
    after = [dict(_numbers(mapping(sample))) for sample in item["samples"]]
    targets = dict(_numbers(item["target"]))
    found = []
    for name, value in before.items():
        samples = [sample.get(name) for sample in after]
        measured = [sample for sample in samples if sample is not None]
        target = targets.get(name)
        if measured and (target is not None or measured[-1] != value):
            found.append({"name": name, "baseline": value, "samples": samples, "target": target})
    found.sort(key=lambda figure: figure["target"] is None)
    return found[:_FIGURES]


def _numbers(value: Json, prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, item in value.items():
        if isinstance(item, dict) and not prefix:
            yield from _numbers(item, f"{key}.")
        elif key not in _NO_FIGURES and isinstance(item, (int, float)) and not isinstance(item, bool):
            yield f"{prefix}{key}", item


def notifications(results: list[Json]) -> list[Json]:
    """Each message once, as it stood last, and no drafts of what went out; ``first_at``: when it first stood so."""
    seen: dict[str, Json] = {}
    for result in results:
        for number, item in enumerate(result["notifications"]):
            name = text(item.get("id")) or _draft_name(item) or f"{result['run']['id']}/{number}"
            before = seen.pop(name, None)
            if before is not None and _sent(before):
                # a later run says "already sent"; the message went out when the first one says
                seen[name] = before if _sent(item) else {**item, **_of(before)}
            else:
                # when it went out is known to the outbox, also where the run that sent it could not record that
                sent_at = instant(item.get("sent_at")) if _sent(item) else None
                seen[name] = {**item, "run_id": result["run"]["id"], "first_at": sent_at or item["at"]}
    real = {_place(item) for item in seen.values() if item.get("status") != "draft"}
    kept = [item for item in seen.values() if item.get("status") != "draft" or _place(item) not in real]
    return sorted(kept, key=lambda item: _ordinal(item["first_at"]))


def is_page(item: Json) -> bool:
    """Whether a message is to wake somebody, rather than to tell that it is over."""
    return item.get("purpose") == "page" and item.get("stage") in (None, "opened")


def _draft_name(item: Json) -> str | None:
    return "/".join(("draft", *_place(item), text(item.get("target")))) if item.get("status") == "draft" else None


def _place(item: Json) -> tuple[str, str, str]:
    return text(item.get("channel")), text(item.get("purpose")), text(item.get("stage"))


def _sent(item: Json) -> bool:
    return item.get("status") in ("sent", "already_sent")


def _of(before: Json) -> Json:
    return {"status": before.get("status"), "run_id": before["run_id"], "first_at": before["first_at"]}


def _ordinal(at: str | None) -> float:
    parsed = parse_instant(at)
    return parsed.timestamp() if parsed else math.inf


def evidence(results: list[Json]) -> list[Json]:
    """Every file that was preserved, with the run that did."""
    return [{**item, "run_id": result["run"]["id"]} for result in results for item in result["evidence"]]
