# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The geometry of a report's drawings: the timeline, the SLA's bar and the charts. Pure; the template draws them."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import parse_instant, text
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_axis import LEFT, RIGHT, Axis
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_text import duration, figure, plain, words

Json = dict[str, Any]

WIDTH = 1000
_LANE, _MARKS = 44, 3
_DRAWN = 150  # of each kind; a timeline with more is no picture
_BARS = 12


def timeline(record: Json) -> Json | None:
    """The timeline's drawing; ``None`` where no run says when it began."""
    runs = [run for run in record["runs"] if run["mode"] != "report" and seconds(run["started_at"]) is not None]
    shown = {run["id"] for run in runs}
    if not runs:
        return None
    covered = [(seconds(run["started_at"]) or 0.0, _end_of(run, record)) for run in runs]
    lanes = {
        "Findings": [_finding(item) for item in _findings(record)],
        "Actions": [_action(item) for item in record["actions"] if item["run_id"] in shown],
        "Verified": [_verdict(item) for item in record["verification"] if item["run_id"] in shown],
        "Told": [_message(item) for item in record["notifications"] if item.get("status") != "draft"],
    }
    lanes = {name: [mark for mark in marks if mark["at"] is not None][:_DRAWN] for name, marks in lanes.items()}
    lines = _lines(record)
    instants = [at for pair in covered for at in pair] + [line["at"] for line in lines]
    instants += [at for marks in lanes.values() for mark in marks for at in (mark["at"], mark["until"]) if at]
    axis = Axis(instants, covered)
    bars = [_run(axis, run, *span) for run, span in zip(runs, covered, strict=True)]
    placed: list[Json] = [{"name": "Runs", "bars": bars, "marks": []}]
    placed += [{"name": name, "bars": [], "marks": _placed(axis, marks)} for name, marks in lanes.items() if marks]
    top = 64
    for number, lane in enumerate(placed):
        lane["y"] = top + number * _LANE
    bottom = top + len(placed) * _LANE
    return {
        "width": WIDTH, "height": bottom + 34, "left": LEFT, "right": RIGHT, "top": top, "bottom": bottom,
        "lane_height": _LANE, "lanes": placed, "lines": _labelled(axis, lines), "ticks": axis.ticks(),
        "breaks": axis.breaks(),
    }  # fmt: skip


def seconds(at: Any) -> float | None:
    """An RFC 3339 time in seconds since the epoch."""
    parsed = parse_instant(at) if isinstance(at, str) else None
    return parsed.timestamp() if parsed else None


def _end_of(run: Json, record: Json) -> float:
    start = seconds(run["started_at"]) or 0.0
    own = [at for event in record["timeline"] if event["run_id"] == run["id"] if (at := seconds(event["at"]))]
    return max([start, seconds(run["ended_at"]) or start, *own])


def _findings(record: Json) -> list[Json]:
    states = [{**check, **check[part]} for check in record["findings"] for part in ("first", "last")]
    return list({(item["component"], item["check"], item["at"]): item for item in states}.values())


def _mark(at: Any, shape: str, status: str, label: str, what: str, until: Any = None) -> Json:
    title = plain(f"{text(at)[11:19]} {what}", 200)
    return {
        "at": seconds(at),
        "until": seconds(until),
        "shape": shape,
        "status": status,
        "label": label,
        "title": title,
    }


def _finding(item: Json) -> Json:
    what = f"{item['component']}/{item['check']} {item['status']}: {item['summary']}"
    return _mark(item["at"], "circle", item["status"], "", what)


def _action(item: Json) -> Json:
    start = item["started_at"] or item["ended_at"]
    what = f"{item['id']} {item['status']}"
    return _mark(start, "bar", item["status"], plain(item["id"], 40), what, item["ended_at"])


def _verdict(item: Json) -> Json:
    what = f"{item['check']} {item['status']}: {item['summary']}"
    return _mark(item["at"], "diamond", item["status"], "", what)


def _message(item: Json) -> Json:
    status = text(item.get("status"), "unknown")
    what = " ".join(text(item.get(key)) for key in ("channel", "purpose", "target") if item.get(key))
    return _mark(item["first_at"], "square", status, "", f"{what} {status}")


def _run(axis: Axis, run: Json, start: float, end: float) -> Json:
    x = axis.x(start)
    width = max(axis.x(end) - x, 4.0)
    label = run["mode"] + (" (check)" if run["check_mode"] else "")
    fits = width > 7.5 * len(label) + 10
    took = duration(end - start)
    who = plain(run["operator"], 60) or "an unknown operator"
    title = f"{label} by {who}: {run['outcome'] or 'under way'}, {took}"
    return {"x": x, "width": round(width, 1), "label": label if fits else "", "status": run["outcome"], "title": title}


def _placed(axis: Axis, marks: list[Json]) -> list[Json]:
    """Give marks that would cover each other different heights."""
    free = [float("-inf")] * _MARKS
    placed = []
    for mark in sorted(marks, key=lambda mark: mark["at"]):
        x = axis.x(mark["at"])
        width = max(axis.x(mark["until"]) - x, 6.0) if mark["until"] else 0.0
        row = next((row for row in range(_MARKS) if free[row] <= x), min(range(_MARKS), key=lambda row: free[row]))
        free[row] = x + max(width, 13.0) + (7 * len(mark["label"]) + 8 if mark["label"] else 0)
        placed.append({**mark, "x": x, "width": round(width, 1), "row": row, "left_label": x + width > RIGHT - 150})
    return placed


def _lines(record: Json) -> list[Json]:
    names = {"detected_at": "detected", "mitigated_at": "mitigated", "resolved_at": "restored"}
    lines = [
        {"at": at, "label": label, "kind": label}
        for name, label in names.items()
        if (at := seconds(record[name]["at"])) is not None
    ]
    deadline = seconds(record["sla"]["deadline"])
    return [*lines, *([{"at": deadline, "label": "SLA deadline", "kind": "deadline"}] if deadline is not None else [])]


def _labelled(axis: Axis, lines: list[Json]) -> list[Json]:
    free = [float("-inf")] * 3
    placed = []
    for line in sorted(lines, key=lambda line: line["at"]):
        x = axis.x(line["at"])
        wide = 7.4 * len(line["label"]) + 16
        anchor = "end" if x + wide > WIDTH else "start"
        start = x - wide if anchor == "end" else x
        row = next((row for row in range(3) if free[row] <= start), 2)
        free[row] = start + wide
        placed.append({**line, "x": x, "anchor": anchor, "row": row})
    return placed


def sla_bar(record: Json) -> Json | None:
    """How much of the time was used; ``None`` where the runbook allows none or nothing was measured."""
    target, elapsed = record["sla"]["target_s"], record["sla"]["elapsed_s"]
    if not target or elapsed is None:
        return None
    whole = max(target, elapsed)
    used = elapsed / target * 100
    return {
        "used": round(elapsed / whole * 100, 2),
        "target": round(target / whole * 100, 2),
        "percent": f"{used:.1f}".removesuffix(".0") if used < 10 else f"{used:.0f}",  # noqa: PLR2004 - finer says nothing
    }


def charts(verification: list[Json]) -> list[Json]:
    """One chart for each figure of each verification."""
    return [_chart(item, number) for item in verification for number in item["figures"]][: _DRAWN // 5]


def _chart(item: Json, measured: Json) -> Json:
    name, target = measured["name"], measured["target"]
    samples = list(enumerate(measured["samples"], start=1))
    step = -(-len(samples) // (_BARS - 1)) if len(samples) > _BARS else 1
    kept = samples[::step] if (len(samples) - 1) % step == 0 else [*samples[::step], samples[-1]]
    one = len(samples) == 1
    bars = [("before", measured["baseline"], "before")]
    bars += [("after" if one else str(number), value, "after") for number, value in kept]
    values = [value for _, value, _ in bars if value is not None] + ([target] if target is not None else [])
    low, high = min(0.0, *values), max(0.0, *values)
    top, bottom = 46.0, 150.0
    per = (bottom - top) / ((high - low) or 1)
    zero = bottom + low * per
    slot = 272 / len(bars)
    drawn = [
        {**_bar(14 + slot * position, slot, value, zero, per), "label": label, "kind": kind,
         "value": "?" if value is None else figure(value, name), "status": _verdict_of(value, measured, item["status"])}
        for position, (label, value, kind) in enumerate(bars)
    ]  # fmt: skip
    described = ", ".join(f"{label} {figure(value, name)}" for label, value, _ in bars)
    return {
        "check": item["check"], "status": item["status"], "name": words(name), "bars": drawn, "zero": round(zero, 1),
        "target": None if target is None else {"y": round(zero - target * per, 1), "label": figure(target, name)},
        "description": described + ("" if target is None else f"; target {figure(target, name)}"),
        "of": None if len(kept) == len(samples) else len(samples),
    }  # fmt: skip


def _bar(x: float, slot: float, value: float | None, zero: float, per: float) -> Json:
    height = 0.0 if value is None else abs(value) * per
    width = min(slot * 0.62, 54.0)
    return {
        "x": round(x + (slot - width) / 2, 1),
        "y": round(zero if value is None or value < 0 else zero - height, 1),
        "width": round(width, 1),
        "height": round(max(height, 1.5), 1),
        "middle": round(x + slot / 2, 1),
    }


def _verdict_of(value: float | None, measured: Json, status: str) -> str:
    """The colour of a sample: whether it has reached the target, from the side on which the baseline was."""
    target, baseline = measured["target"], measured["baseline"]
    if value is None or target is None or baseline == target:
        return status
    reached = value <= target if baseline > target else value >= target
    return status if reached else "degraded"
