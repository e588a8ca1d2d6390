# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook history``: the incidents that were recorded, the newest first.

It reads the result of each incident's last run, and folds a journal only where that does not say what the incident
came to: a thousand incidents are listed in about a second.
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
_OF_THE_PLATFORM = frozenset({"diagnose", "remediate"})


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

    name = None if kind is None else catalogue.get(kind).name
    now = dt.datetime.now(dt.UTC)
    after = None if since is None else _moment(since, now)
    try:
        found = [
            incident
            for incident in incidents.list_incidents()
            if name in (None, incident.type)
            and (after is None or incident.opened_at >= after)
            and (incident.journal.is_file() or incident.result.is_file())  # else nothing was recorded
        ]
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    shown = [entry(incident, now) for incident in (found[:limit] if limit else found)]
    return Answer(EXIT_OK, shown, lambda colour: _text(shown, len(found), colour), output)


def entry(incident: Incident, now: dt.datetime) -> Json:
    """Return what the list says of one incident; keys are ``None`` where nothing was recorded."""
    from incident_runbooks.standing import next_update_of  # noqa: PLC0415

    last, content = _read(incident.result), _journal(incident)
    said = _of_the_incident(incident, last, _last_started(content))
    run, sla = _last_run(last, said), _mapping(said.get("sla"))
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
        "runs": None if content is None else content.count(_STARTED),
        "last_run": {"id": run.get("id"), "mode": run.get("mode"), "ended_at": run.get("ended_at")} if run else None,
        "under_way": incident.holder,
        "next_update": next_update_of(
            incident.path, {"type": incident.type, **facts}, target, incident.opened_at, now
        ),
    }  # fmt: skip


def _of_the_incident(incident: Incident, last: Json, started: str | None) -> Json:
    """What the incident came to.

    A run that only reports, gives back, or never looked, says nothing of the platform; and the last result nothing of
    a run that was cut off after it.

    Args:
        started: the run that the journal says began last; ``None`` where it names none.
    """
    run = _mapping(last.get("run"))
    cut_off = started not in (None, run.get("id")) and incident.holder is None
    looked = any(last.get(part) for part in ("findings", "actions", "verification"))
    if not cut_off and (not last or (looked and run.get("mode") in _OF_THE_PLATFORM)):
        return last
    report = _read(incident.path / "report.json")
    if not cut_off and _last_of(report).get("id") == run.get("id"):
        return report
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_files import (  # noqa: PLC0415
        read_incident,
    )

    try:
        return read_incident(incident.path)
    except IncidentsError:
        return last


def _last_run(last: Json, said: Json) -> Json:
    """The run that began last, with or without a result."""
    run, later = _mapping(last.get("run")), _last_of(said)
    return run if later.get("id") in (None, run.get("id")) else later


def _last_of(record: Json) -> Json:
    """The last run that an incident's document tells of."""
    runs = record.get("runs")
    return _mapping(runs[-1]) if isinstance(runs, list) and runs else {}


def _read(path: Any) -> Json:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return _mapping(json.loads(path.read_bytes()))
    return {}


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _journal(incident: Incident) -> bytes | None:
    with contextlib.suppress(OSError):
        return incident.journal.read_bytes()
    return None


def _last_started(content: bytes | None) -> str | None:
    """The id of the run that began last; only its line is read."""
    place = (content or b"").rfind(_STARTED)
    if not content or place < 0:
        return None
    end = content.find(b"\n", place)
    with contextlib.suppress(ValueError, RecursionError):
        record = _mapping(json.loads(content[content.rfind(b"\n", 0, place) + 1 : end if end >= 0 else None]))
        return record["run_id"] if isinstance(record.get("run_id"), str) else None
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
