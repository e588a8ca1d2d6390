# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""When an incident began, was detected, acknowledged, mitigated and resolved; and what follows from that.

Each moment is ``{at, source, basis}``: ``source`` is stated, observed, inferred or unknown, ``basis`` says in words
what it rests on. What a person stated goes before what was observed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import (
    detection,
    instant,
    parse_instant,
    text,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_parts import (
    TROUBLE,
    about_the_platform,
    is_page,
    says_something,
    undone_since,
)

Json = dict[str, Any]

REPORT_DUE = dt.timedelta(hours=24)
POST_MORTEM_DUE = dt.timedelta(hours=48)
_GOOD = frozenset({"resolved", "healthy"})
_IN_PART = frozenset({"refused", "failed"})
_EFFECTIVE = frozenset({"done", "partial"})


@dataclass(frozen=True)
class Moments:
    """The moments of one incident.

    Attributes:
        opened: when its first run began, RFC 3339.
        trouble: whether any run found something wrong.
        last: when the last record was written, RFC 3339.
    """

    opened: str | None
    trouble: bool
    last: str | None
    started_at: Json
    detected_at: Json
    acknowledged_at: Json
    mitigated_at: Json
    resolved_at: Json

    def at(self, name: str) -> dt.datetime | None:
        """The instant of a moment."""
        return parse_instant(getattr(self, name)["at"])

    def seconds(self, start: str, end: str, otherwise: str | None = None) -> float | None:
        """Seconds between two moments, ``None`` where one is unknown or they are in the wrong order.

        Args:
            otherwise: the start, where *start* is unknown.
        """
        first, last = self.at(start) or (self.at(otherwise) if otherwise else None), self.at(end)
        if first is None or last is None or last < first:
            return None
        return round((last - first).total_seconds(), 3)

    def reference(self) -> str | None:
        """From when due times count: resolved, else detected, else opened; ``None`` where nothing was wrong."""
        if not self.trouble and self.detected_at["source"] != "stated":
            return None
        return self.resolved_at["at"] or self.detected_at["at"] or self.opened


def moments(records: list[Json], results: list[Json], notes: list[Json]) -> Moments:
    """Find the moments in the records and results of every run, and in what persons state."""
    began = [result["run"]["started_at"] for result in results if result["run"]["started_at"]]
    resolved = _stated(notes, "resolved_at") or _resolved(results)
    return Moments(
        opened=began[0] if began else None,
        trouble=any(item["status"] in TROUBLE for result in about_the_platform(results) for item in result["findings"]),
        last=next((at for record in reversed(records) if (at := instant(record.get("at")))), None),
        started_at=_stated(notes, "started_at") or unknown("nobody has stated it"),
        detected_at=_stated(notes, "detected_at") or _given(records) or _first_trouble(results),
        acknowledged_at=_stated(notes, "acknowledged_at") or _first_run(results),
        mitigated_at=_stated(notes, "mitigated_at") or _mitigated(results, resolved),
        resolved_at=resolved,
    )


def unknown(basis: str) -> Json:
    """A moment that is not known, and why."""
    return {"at": None, "source": "unknown", "basis": basis}


def moment(at: str | None, source: str, basis: str) -> Json:
    """A moment; unknown where it has no instant."""
    return {"at": at, "source": source, "basis": basis} if at else unknown(f"{basis}, at a time that is not recorded")


def _stated(notes: list[Json], key: str) -> Json | None:
    for note in reversed(notes):
        at = instant(note["value"]) if note["key"] == key else None
        parsed = parse_instant(at)
        if parsed:
            return moment(rfc3339(parsed), "stated", f"stated by {text(note['by'], 'somebody')}")
    return None


def _given(records: list[Json]) -> Json | None:
    """The alert's own time, where a run was given it."""
    at = detection(records)
    return moment(rfc3339(at), "stated", "the alert's time, given to the run") if at else None


def _first_trouble(results: list[Json]) -> Json:
    for result in about_the_platform(results):
        for item in result["findings"]:
            if item["status"] in TROUBLE:
                basis = f"the first finding of trouble: {item['component']}/{item['check']} {item['status']}"
                return moment(item["at"], "observed", basis)
    return unknown("no run found anything wrong")


def _first_run(results: list[Json]) -> Json:
    """Whoever starts a run has taken notice; that is a conclusion, for a program may have started it."""
    for result in results:
        run = result["run"]
        if run["mode"] != "report" and run["started_at"]:
            who = text(run["operator"], "an unknown operator")
            return moment(run["started_at"], "inferred", f"the first run was started by {who}")
    return unknown("no run was started")


def _resolved(results: list[Json]) -> Json:
    """The beginning of the last unbroken row of good runs."""
    telling = [result for result in results if says_something(result) and result["run"]["mode"] != "rollback"]
    if not any(item["status"] in TROUBLE for result in telling for item in result["findings"]):
        return unknown("no run found anything wrong")
    if not _is_good(telling[-1]):
        return unknown(f"the outcome of the last run is {telling[-1]['outcome']}")
    if undone_since(results, telling[-1]):
        return unknown("a rollback has changed something since, and nothing was examined after it")
    bad = [number for number, result in enumerate(telling) if not _is_good(result)]
    first = telling[bad[-1] + 1 if bad else 0]
    if _is_verified(first):
        at = _latest(item["at"] for item in first["verification"])
        return moment(at, "observed", f"the last verification of {first['run']['id']}: all resolved")
    at = _latest(item["at"] for item in first["findings"])
    return moment(at, "observed", f"the diagnosis {first['run']['id']} found nothing wrong any more")


def _is_good(result: Json) -> bool:
    if result["outcome"] == "refused" and not result["actions"]:  # it did nothing, and says what it saw
        return bool(result["findings"]) and all(item["status"] in ("ok", "skipped") for item in result["findings"])
    return result["outcome"] in _GOOD or (result["outcome"] in _IN_PART and _is_verified(result))


def _is_verified(result: Json) -> bool:
    """Whether it was measured that the trouble is over, whatever became of a further action of the run."""
    blind = any(item["status"] == "unknown" and item["required"] for item in result["findings"])
    return bool(result["verification"]) and not blind and {v["status"] for v in result["verification"]} == {"resolved"}


def _latest(instants: Iterator[str | None]) -> str | None:
    timed = [(parsed, at) for at in instants if (parsed := parse_instant(at))]
    return max(timed)[1] if timed else None


def _mitigated(results: list[Json], resolved: Json) -> Json:
    end = parse_instant(resolved["at"])
    if end is None:
        return unknown("nothing that was done is shown to have helped")
    before = [
        (at, item, result)
        for result in results
        for item in result["actions"]
        if item["status"] in _EFFECTIVE and item["changed"] and (at := parse_instant(item["ended_at"])) and at <= end
    ]
    if not before:
        return unknown("it was resolved without an action that was recorded")
    _, action, result = max(before, key=lambda entry: entry[0])
    verified = _is_verified(result)
    basis = f"the end of {action['id']}, {'which was verified' if verified else 'the last action before the recovery'}"
    return moment(action["ended_at"], "observed" if verified else "inferred", basis)


def metrics(when: Moments) -> Json:
    """Seconds to detect, acknowledge, mitigate and resolve; ``None`` where a moment is unknown."""
    return {
        "ttd_s": when.seconds("started_at", "detected_at"),
        "tta_s": when.seconds("detected_at", "acknowledged_at"),
        "ttm_s": when.seconds("detected_at", "mitigated_at"),
        "ttr_s": when.seconds("detected_at", "resolved_at"),
    }


def service_level(when: Moments, results: list[Json], as_of: dt.datetime | None) -> Json:
    """Whether the incident was resolved in time, counted from its detection or its first run, whichever is first.

    ``breached`` is ``None`` where it cannot be said: nothing was wrong, or it is open and there is time left.
    """
    target = next((result["sla"]["target_s"] for result in reversed(results) if result["sla"]["target_s"]), None)
    opened, detected = parse_instant(when.opened), when.at("detected_at")
    start = min((at for at in (opened, detected) if at), default=None)
    resolved = when.at("resolved_at")
    end = resolved or as_of or parse_instant(when.last)
    elapsed = round(max(0.0, (end - start).total_seconds()), 3) if start and end else None
    late = target is not None and elapsed is not None and elapsed > target
    judged = when.reference() is not None and target is not None and elapsed is not None
    return {
        "target_s": target,
        "counted_from": rfc3339(start) if start else None,
        "counted_from_what": None if start is None else "detected" if start == detected else "opened",
        "deadline": _deadline(start, target),
        "elapsed_s": elapsed,
        "until": None if end is None else "resolved" if resolved else "as_of" if as_of else "last_record",
        "breached": late if judged and (late or resolved) else None,
    }


def _deadline(start: dt.datetime | None, target: float | None) -> str | None:
    try:
        return rfc3339(start + dt.timedelta(seconds=target)) if start and target is not None else None
    except OverflowError:
        return None


def due_times(when: Moments) -> Json:
    """By when the report and the post-mortem are due; ``None`` where nothing was wrong."""
    reference = parse_instant(when.reference())
    due = {"report_due_at": REPORT_DUE, "post_mortem_due_at": POST_MORTEM_DUE}
    try:
        return {name: rfc3339(reference + after) if reference else None for name, after in due.items()}
    except OverflowError:
        return dict.fromkeys(due)


def milestones(when: Moments, cause: Json, told: list[Json]) -> list[Json]:
    """The rows of the report's short timeline, known or not."""
    alert = when.detected_at if when.detected_at["source"] == "stated" else unknown("no alert's time was given")
    first = when.detected_at if when.detected_at["source"] == "observed" else None
    rows = {
        "alert_triggered": alert,
        **({"trouble_found": first} if first else {}),
        "team_paged": _paged(told),
        "root_cause_identified": _identified(cause),
        "mitigation_applied": when.mitigated_at,
        "service_restored": when.resolved_at,
    }
    return [{"milestone": name, **row} for name, row in rows.items()]


def _identified(cause: Json) -> Json:
    """When a finding first named the cause; a statement afterwards says what it was, not when it was known."""
    first = next(iter(cause["causes"]), None)
    if first is not None:
        basis = f"{first['component']}/{first['check']} names {first['cause']}: {first['summary']}"
        return moment(first["at"], "inferred", basis)
    if cause["at"]:
        return moment(cause["at"], "stated", f"stated by {text(cause['by'], 'somebody')}")
    return unknown("no root cause was stated or found")


def _paged(told: list[Json]) -> Json:
    pages = [item for item in told if is_page(item)]
    sent = [item for item in pages if item.get("status") in ("sent", "already_sent")]
    if sent:
        first = min(sent, key=lambda item: parse_instant(item["first_at"]) or dt.datetime.max.replace(tzinfo=dt.UTC))
        return moment(first["first_at"], "observed", f"the page to {text(first.get('target'), 'the team')} was sent")
    if pages:
        last = pages[-1]
        why = text(last.get("cause")) or text(last.get("message"))
        status = text(last.get("status"), "unknown").replace("_", " ")
        return unknown(f"the page was not sent: {status}{f', {why}' if why else ''}")
    return unknown("no page was recorded")
