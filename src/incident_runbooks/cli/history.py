# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook history``: the incidents that were recorded, the newest first.

It reads the result of each incident's last run, not the journals: a thousand incidents are listed in about a second.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from incident_runbooks.cli.completion import incident_types
from incident_runbooks.cli.options import Answer, Value, output_option
from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.outcomes import EXIT_OK

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import Incident

Json = dict[str, Any]
DEFAULT_LIMIT = 20
_SINCE = re.compile(r"(\d{1,5})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_STARTED = b'"type":"run_started"'  # a journal is canonical JSON; in a text the quotes would be escaped
_OVER = frozenset({"resolved", "healthy"})


@click.command()
@click.option(
    "--type",
    "kind",
    metavar="TYPE",
    shell_complete=lambda _ctx, _param, incomplete: incident_types(incomplete),
    help="Incidents of this type only.",
)
@click.option(
    "--since", metavar="WHEN", help="Opened since then: a date, an RFC 3339 time, or an age such as 36h, 7d, 2w."
)
@click.option(
    "--limit",
    type=Value("int", above=-1),
    default=DEFAULT_LIMIT,
    metavar="N",
    help=f"At most so many; 0 for all. [default: {DEFAULT_LIMIT}]",
)
@output_option
def history(kind: str | None, since: str | None, limit: int, output: str | None) -> Answer:
    """List the incidents that were recorded, the newest first.

    Each with its outcome, whether its SLA was missed, who ran it last, and whether an update is due. JSON when piped.
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415
    from incident_runbooks import catalogue  # noqa: PLC0415

    name = catalogue.get(kind).name if kind else None
    now = dt.datetime.now(dt.UTC)
    after = _moment(since, now) if since else None
    try:
        found = [
            incident
            for incident in incidents.list_incidents()
            if (name in (None, incident.type)) and (after is None or incident.opened_at >= after)
        ]
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    shown = [entry(incident, now) for incident in (found[:limit] if limit else found)]
    return Answer(EXIT_OK, shown, lambda colour: _text(shown, len(found), colour), output)


def entry(incident: Incident, now: dt.datetime) -> Json:
    """Return what the list says of one incident; keys are ``None`` where nothing was recorded."""
    from incident_runbooks.standing import next_update_of  # noqa: PLC0415

    last = _read(incident.result)
    said = _of_the_incident(incident, last)
    run, sla = _mapping(last.get("run")), _mapping(said.get("sla"))
    facts = _mapping(said.get("incident"))
    outcome = said.get("outcome")
    target = sla.get("target_s")
    return {
        "id": incident.id,
        "type": incident.type,
        "title": facts.get("title"),
        "severity": facts.get("severity"),
        "priority": facts.get("priority"),
        "opened_at": incident.opened_at,
        "outcome": outcome,
        "sla_breached": _breached(sla, outcome, now),
        "operator": run.get("operator"),
        "runs": _runs(incident),
        "last_run": {"id": run.get("id"), "mode": run.get("mode"), "ended_at": run.get("ended_at")} if run else None,
        "under_way": incident.holder,
        "next_update": next_update_of(
            incident.path, {"type": incident.type, **facts}, target, incident.opened_at, now
        ),
    }  # fmt: skip


def _of_the_incident(incident: Incident, last: Json) -> Json:
    """What the incident came to; a run that only reports, or that never looked, says nothing of the platform."""
    looked = any(last.get(part) for part in ("findings", "actions", "verification"))
    if not last or (looked and _mapping(last.get("run")).get("mode") != "report"):
        return last
    report = _read(incident.path / "report.json")
    runs = report.get("runs")
    if isinstance(runs, list) and runs and _mapping(runs[-1]).get("id") == _mapping(last.get("run")).get("id"):
        return report
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_files import (  # noqa: PLC0415
        read_incident,
    )

    try:
        return read_incident(incident.path)
    except IncidentsError:
        return last


def _read(path: Any) -> Json:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return _mapping(json.loads(path.read_bytes()))
    return {}


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _runs(incident: Incident) -> int | None:
    with contextlib.suppress(OSError):
        return incident.journal.read_bytes().count(_STARTED)
    return None


def _breached(sla: Mapping[str, Any], outcome: Any, now: dt.datetime) -> bool | None:
    """What was recorded; of an incident that is still open, whether its deadline has passed since."""
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import (  # noqa: PLC0415
        parse_instant,
    )

    deadline = sla.get("deadline")
    parsed = parse_instant(deadline) if isinstance(deadline, str) else None
    if sla.get("breached") is True or outcome in _OVER or parsed is None:
        return sla["breached"] if isinstance(sla.get("breached"), bool) else None
    return now > parsed


def _moment(since: str, now: dt.datetime) -> str:
    """Return the instant in the form in which incidents say when they were opened; those compare as text."""
    age = _SINCE.fullmatch(since)
    try:
        if age:
            at = now - dt.timedelta(**{_UNITS[age[2]]: int(age[1])})
        else:
            parsed = dt.datetime.fromisoformat(since)
            at = parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)
        return f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError):
        raise UsageError(
            f"Reading --since {since!r}: it is no time", hint="such as 2026-11-23, 2026-11-23T23:14:55Z, 36h, 7d, 2w"
        ) from None


def _text(shown: list[Json], found: int, colour: bool) -> str:
    from incident_runbooks.render.style import painted  # noqa: PLC0415
    from incident_runbooks.render.table import table  # noqa: PLC0415

    if not shown:
        return "No incident was recorded."
    head = ["INCIDENT", "OPENED", "PRIORITY", "OUTCOME", "SLA", "RUNS", "BY", "NEXT UPDATE"]
    text = table(
        head,
        [_row(item) for item in shown],
        lambda number, line: painted(line, str(shown[number]["outcome"]), colour),
    )
    left = found - len(shown)
    return f"{text}\nand {left} older: --limit 0 shows all" if left > 0 else text


def _row(item: Json) -> list[Any]:
    outcome = item["outcome"] or "unknown"
    if item["under_way"] is not None:
        outcome = f"{outcome}, a run by {item['under_way'].get('operator', 'somebody')} is under way"
    sla = {True: "MISSED", False: "kept", None: "-"}[item["sla_breached"]]
    update = item["next_update"]
    due = f"{'OVERDUE ' if update['overdue'] else ''}{update['due_at'][:16]}Z" if update else "-"
    runs = "-" if item["runs"] is None else item["runs"]
    opened = f"{item['opened_at'][:16]}Z"
    return [item["id"], opened, item["priority"] or "-", outcome, sla, runs, item["operator"] or "-", due]
