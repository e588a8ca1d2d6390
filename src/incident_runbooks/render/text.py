# SPDX-License-Identifier: GPL-3.0-or-later
"""A result document as text for a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from incident_runbooks.render import details, told
from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.style import bold, columns, painted
from incident_runbooks.render.table import table

Json = Mapping[str, Any]

_LINE = 240
_MEANING = {
    "healthy": "nothing wrong was found",
    "findings": "something is wrong",
    "incomplete": "not everything could be examined",
    "resolved": "remediated, and verified",
    "unresolved": "remediated, but the trouble is still there",
    "unverified": "remediated, but not shown to have helped",
    "refused": "what was asked for was refused",
    "failed": "it did not work",
    "unknown": "it was cut off; what was under way may or may not have happened",
}
# of a run that only tells, or gives back: it examines what it changes, and not the platform
_OF_ITS_OWN = {
    "report": {"healthy": ("DONE", "it says nothing of the platform")},
    "rollback": {
        "healthy": ("DONE", "there is nothing to restore; it says nothing of the platform"),
        "findings": ("FINDINGS", "something is not as it was before the runs"),
        "resolved": ("RESTORED", "and verified; it says nothing of the platform"),
        "unresolved": ("UNRESOLVED", "restored, but something is not as it was before"),
        "unverified": ("UNVERIFIED", "restored, but not shown to be as before"),
    },
}


def render(
    result: Json,
    colour: bool,
    again: Sequence[str] = (),
    path: Path | None = None,
    standing: Sequence[str] = (),
) -> str:
    """Return the whole document as text.

    Args:
        result: a result document.
        colour: paint what a status means.
        again: arguments that a next command has to repeat, such as ``--inventory PATH``.
        path: the incident's directory.
        standing: further lines at the end: what is due.
    """
    sections = [
        _head(result, colour),
        told.not_paged(result, colour),
        _findings(result, colour),
        _recommended(result, colour, again),
        _not_recommended(result),
        told.approval(result, colour),
        _actions(result, colour),
        _verification(result, colour),
        told.notifications(result, colour),
        told.notices(result, colour),
        told.notes(result, colour),
        _follow_ups(result),
        _errors(result, colour),
        "\n".join([_foot(result, path), *standing]),
    ]
    return "\n\n".join(section for section in sections if section)


def duration(seconds: float | None) -> str:
    """Return a duration in words of a clock: ``15 min``, ``1 h 30 min``, ``2.4 s``."""
    if seconds is None:
        return "-"
    if seconds == 0:
        return "at once"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else left, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def next_command(result: Json, remediations: Sequence[str], again: Sequence[str]) -> str:
    """Return what to type to run remediations in this incident, or to give back what they changed."""
    incident = result["incident"]
    if _restores(result):
        digest = _beside_the_ids(result["plan"], remediations)[:2]
        # a digest is of the whole plan, so all that it gives back is named with it
        names = dict.fromkeys(entry["id"] for entry in result["plan"]["remediations"]) if digest else remediations
        words = ["runbook", "rollback", str(incident["id"])]
        words += [*(word for name in names for word in ("--only", str(name))), *digest]
        return one_line(shlex.join([*words, *again]), 2000)
    words = ["runbook", "run", str(incident["type"]), "--incident", str(incident["id"]), "--remediate"]
    words += [word for name in remediations for word in ("--approve", str(name))]
    words += _beside_the_ids(result["plan"], remediations)
    return one_line(shlex.join([*words, *again]), 2000)


def _restores(result: Json) -> bool:
    """Whether its plan is a rollback's: the ids are those of the remediations that it undoes."""
    return bool(result["run"].get("mode") == "rollback")


def _beside_the_ids(plan: Json, remediations: Sequence[str]) -> list[str]:
    """Return what an approval of these needs beside their ids."""
    risks = {entry.get("risk") for entry in plan["remediations"] if entry.get("id") in remediations}
    if not risks & {"destructive", "irreversible"}:
        return []
    two = ["--second-approver", "NAME", "--reason", "TEXT"] if "irreversible" in risks else []
    return ["--plan-digest", str(plan.get("digest"))[:12], *two]


def _head(result: Json, colour: bool) -> str:
    incident, run, outcome = result["incident"], result["run"], str(result["outcome"])
    kind = one_line(incident.get("type") or "-", 60)
    usual = (one_line(outcome, 20).upper(), _MEANING.get(outcome, ""))
    word, meaning = _OF_ITS_OWN.get(str(run.get("mode")), {}).get(outcome, usual)
    verdict = painted(word, outcome, colour)
    facts = [incident.get("title"), incident.get("severity"), incident.get("priority"), run.get("mode")]
    facts += ["check mode: nothing was changed"] if run.get("check_mode") else []
    line = one_line(" | ".join(str(fact) for fact in facts if fact), _LINE)
    return f"{bold(kind, colour)}: {verdict}, {meaning}\n{line}"


def _findings(result: Json, colour: bool) -> str:
    findings = result["findings"]
    if not findings:
        return ""
    rows = [
        [item.get("status"), item.get("component"), item.get("check"), item.get("cause") or "-", item.get("summary")]
        for item in findings
    ]
    text = table(
        ["STATUS", "COMPONENT", "CHECK", "CAUSE", "SUMMARY"],
        rows,
        lambda row, line: painted(line, str(findings[row].get("status")), colour),
        last=_LINE,
        columns=columns(),
    )
    steps = [
        f"  {one_line(item.get('component'), 40)}/{one_line(item.get('check'), 40)}: {one_line(item['next_step'], 400)}"
        for item in findings
        if item.get("next_step")
    ]
    return "\n".join([bold("Findings", colour), text, *(["Next steps", *steps] if steps else [])])


def _recommended(result: Json, colour: bool, again: Sequence[str]) -> str:
    entries = [entry for entry in result["plan"]["remediations"] if entry.get("status") == "recommended"]
    done = {action.get("id") for action in result["actions"]}
    entries = [entry for entry in entries if entry.get("id") not in done]
    if not entries:
        return ""
    plan = str(result["plan"].get("digest") or "")
    head = "Would be restored" if _restores(result) else "Recommended"
    lines = [bold(head, colour) + (f" (plan {one_line(plan[:12], 12)})" if plan else "")]
    for entry in entries:
        risk = str(entry.get("risk"))
        lines.append(f"  {one_line(entry.get('id'), 60)} ({painted(one_line(risk, 20), risk, colour)}): "
                     f"{one_line(entry.get('title'), _LINE)}")  # fmt: skip
        lines.append(f"    because {one_line(entry.get('reason'), _LINE)}")
        lines += details.listed("would touch", entry.get("targets"))
        lines += details.listed("would spare", entry.get("excluded"))
        lines.append(f"    {next_command(result, [entry['id']], again)}")
    return "\n".join(lines)


def _not_recommended(result: Json) -> str:
    entries = [entry for entry in result["plan"]["remediations"] if entry.get("status") != "recommended"]
    done = {action.get("id") for action in result["actions"]}
    lines = [
        f"  {one_line(entry.get('id'), 60)}: {one_line(entry.get('reason'), _LINE)}"
        for entry in entries
        if entry.get("id") not in done
    ]
    return "\n".join(["Not recommended", *lines]) if lines else ""


def _actions(result: Json, colour: bool) -> str:
    lines = []
    for action in result["actions"]:
        status = str(action.get("status"))
        lines.append(f"  {painted(one_line(status, 20), status, colour)}  {one_line(action.get('id'), 60)} "
                     f"({one_line(action.get('risk'), 20)}): {one_line(action.get('title'), _LINE)}")  # fmt: skip
        if action.get("reason"):
            lines.append(f"    {one_line(action['reason'], _LINE)}")
        lines += [f"    {line}" for line in details.change(action.get("before"), action.get("after"))]
        lines += details.results(action.get("results"))
        hint = told.rollback_hint(result, action)
        lines += [f"    {hint}"] if hint else []
    return "\n".join([bold("Actions", colour), *lines]) if lines else ""


def _verification(result: Json, colour: bool) -> str:
    lines = []
    for item in result["verification"]:
        status = str(item.get("status"))
        lines.append(f"  {painted(one_line(status, 20), status, colour)}  {one_line(item.get('check'), 60)}: "
                     f"{one_line(item.get('summary'), _LINE)}")  # fmt: skip
        if item.get("next_step"):
            lines.append(f"    {one_line(item['next_step'], 400)}")
    return "\n".join([bold("Verification", colour), *lines]) if lines else ""


def _follow_ups(result: Json) -> str:
    if not result["actions"]:  # a diagnosis is no end; the document has them
        return ""
    lines = [f"  {one_line(item.get('title'), _LINE)}" for item in result["follow_ups"]]
    return "\n".join(["Follow-ups", *lines]) if lines else ""


def _errors(result: Json, colour: bool) -> str:
    lines = []
    for error in result["errors"]:
        where = f" on {one_line(error['component'], 60)}" if error.get("component") else ""
        lines.append(f"  {one_line(error.get('code'), 40)}{where}: {one_line(error.get('message'), 1000)}")
        if error.get("hint"):
            lines.append(f"    {one_line(error['hint'], 400)}")
    return "\n".join([painted(bold("Errors", colour), "failed", colour), *lines]) if lines else ""


def _foot(result: Json, path: Path | None) -> str:
    sla, incident, run = result["sla"], result["incident"], result["run"]
    lines = []
    if sla.get("target_s") is not None:
        late = "BREACHED" if sla.get("breached") else "kept so far"
        lines.append(f"SLA       {duration(sla['target_s'])}, {late}: {duration(sla.get('elapsed_s'))} elapsed, "
                     f"deadline {one_line(sla.get('deadline') or '-', 40)}")  # fmt: skip
    if incident.get("id"):
        lines.append(f"Incident  {one_line(incident['id'], 120)} ({one_line(run.get('id') or '-', 60)}, "
                     f"{duration(run.get('duration_s'))}, by {one_line(run.get('operator') or '-', 60)})")  # fmt: skip
    if run.get("inventory"):
        lines.append(f"Inventory {one_line(', '.join(map(str, run['inventory'])), _LINE)}")
    if path is not None:
        lines.append(f"Recorded  {one_line(path, 400)}")
    return "\n".join(lines)
