# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook post-incident``: state what only people know, and write the incident's report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from incident_runbooks.cli.completion import complete_incident
from incident_runbooks.cli.options import Answer, output_option, verbose_option
from incident_runbooks.errors import RunbookError, UsageError

_PLAYBOOK = "post_incident"
_TIMEOUT_S = 120.0
_LONGEST = 8000
_TIMES = {
    "started_at": "When the trouble began",
    "detected_at": "When the alert was triggered",
    "acknowledged_at": "When somebody took it on",
    "mitigated_at": "When what helped had been done",
    "resolved_at": "When the service was restored",
}


def _time_options(command: Any) -> Any:
    for name, words in reversed(_TIMES.items()):
        flag = f"--{name.replace('_', '-')}"
        command = click.option(flag, metavar="TIME", help=f"{words}, RFC 3339 with a time zone.")(command)
    return command


@click.command("post-incident")
@click.argument("incident", shell_complete=complete_incident)
@click.option("--root-cause", metavar="TEXT", help="What actually went wrong.")
@click.option("--users-affected", metavar="N|unknown", help="How many users were affected.")
@click.option("--data-at-risk", metavar="TEXT", help="Which data was at risk, or none.")
@click.option("--revenue-impact", metavar="TEXT", help="What it cost.")
@click.option("--lesson", "lessons", multiple=True, metavar="TEXT", help="What was learned. Repeat for more.")
@click.option(
    "--owner",
    "owners",
    multiple=True,
    metavar="FOLLOW-UP=NAME",
    help="Who does a follow-up: its number in the report, or its title or the beginning of it. Repeat for more.",
)
@click.option("--due", multiple=True, metavar="FOLLOW-UP=WHEN", help="By when: a date or an RFC 3339 time.")
@click.option("--done", multiple=True, metavar="FOLLOW-UP", help="It is done. Repeat for more.")
@_time_options
@output_option
@verbose_option
def post_incident(incident: str, **given: Any) -> Answer:
    """State what only people know, and write the report.

    What is stated goes into the journal with your name. report.md, report.html, report.json and incident.ics are
    written into the incident's directory. A follow-up without a due time is due 14 days after the incident. What
    nobody states stays unknown, and the answer lists it.
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_files import (  # noqa: PLC0415
        read_incident,
    )
    from incident_runbooks.execution.record import existing  # noqa: PLC0415

    path = existing(incident)
    try:
        record = read_incident(path)
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    return _run(path, _statements(given, [item["title"] for item in record["follow_ups"]]), given)


def _run(path: Path, statements: Mapping[str, Any], given: Mapping[str, Any]) -> Answer:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415
    from incident_runbooks import catalogue, collection, execution, outcomes  # noqa: PLC0415

    result = execution.execute(
        execution.RunRequest(
            incident_type=catalogue.get(incidents.type_of(path.name)),
            inventory=["localhost,"],
            extra_vars={"incident": path.name, **statements},
            mode="report",
            timeout_s=_TIMEOUT_S,
            incident_id=path.name,
            verbosity=given["verbose"],
            playbook=collection.playbook(_PLAYBOOK),
        )
    )
    return Answer(outcomes.exit_code(result), result, lambda colour: _text(path, result, colour), given["output"])


def _statements(given: Mapping[str, Any], titles: Sequence[str]) -> dict[str, Any]:
    """Return the playbook's variables: what was given."""
    said: dict[str, Any] = {}
    for name in ("root_cause", "data_at_risk", "revenue_impact"):
        if given[name] is not None:
            said[name] = _text_of(name, given[name])
    if given["users_affected"] is not None:
        said["users_affected"] = _users(given["users_affected"])
    said |= {name: _time(name, given[name]) for name in _TIMES if given[name] is not None}
    if given["lessons"]:
        said["lessons"] = [_text_of("lesson", lesson) for lesson in given["lessons"]]
    for name in ("owners", "due"):
        if given[name]:
            pairs = [_pair(name, word, titles) for word in given[name]]
            said[name] = dict(pairs)
    if given["done"]:
        said["done"] = [_follow_up(word, titles) for word in given["done"]]
    return said


def _text_of(name: str, text: str) -> str:
    if not 0 < len(text.strip()) <= _LONGEST:
        raise UsageError(f"Reading --{name.replace('_', '-')}: it has to have 1 to {_LONGEST} characters")
    return text.strip()


def _users(text: str) -> str:
    plain = text.strip().replace(",", "").replace("_", "")
    if plain.casefold() != "unknown" and not plain.isdecimal():
        raise UsageError(f"Reading --users-affected {text!r}: it is neither a number nor the word unknown")
    return plain.casefold()


def _time(name: str, text: str) -> str:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import (  # noqa: PLC0415
        parse_instant,
    )

    parsed = parse_instant(text)
    flag = f"--{name.replace('_', '-')}"
    if parsed is None:
        raise UsageError(
            f"Reading {flag} {text!r}: it is no RFC 3339 time with a time zone", hint="such as 2026-11-23T23:14:55Z"
        )
    if parsed > dt.datetime.now(dt.UTC):
        raise UsageError(f"Reading {flag} {text}: it is in the future", hint="check the clocks")
    return text


def _pair(name: str, word: str, titles: Sequence[str]) -> tuple[str, str]:
    # a title may have an equals sign, a name hardly
    which, separator, value = word.rpartition("=")
    flag = "--owner" if name == "owners" else f"--{name}"
    if not separator or not which.strip() or not value.strip():
        raise UsageError(f"Reading {flag} {word!r}: it is not of the form FOLLOW-UP=VALUE")
    if name == "due":
        _day_or_instant(word, value.strip())
    return _follow_up(which.strip(), titles), value.strip()


def _day_or_instant(word: str, value: str) -> None:
    try:
        dt.datetime.fromisoformat(value)
    except ValueError:
        raise UsageError(
            f"Reading --due {word!r}: {value!r} is neither a date nor an RFC 3339 time", hint="such as 2026-12-01"
        ) from None


def _follow_up(word: str, titles: Sequence[str]) -> str:
    """Return the title that a number, a title or its beginning means."""
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_follow_ups import (  # noqa: PLC0415
        same,
    )

    if not word.strip():
        raise UsageError("Looking for a follow-up: none is named", hint="give its number, or its title")
    if word.isdecimal() and 0 < int(word) <= len(titles):
        return titles[int(word) - 1]
    exact = [title for title in titles if same(title) == same(word)]
    found = exact or [title for title in titles if same(title).startswith(same(word))]
    if len(found) == 1:
        return found[0]
    known = "; ".join(f"{number} {title}" for number, title in enumerate(titles, start=1))
    cause = "several begin like that" if found else "there is none like that"
    raise UsageError(
        f"Looking for the follow-up {word!r}: {cause}", hint=f"known: {known}" if known else "none was recorded"
    )


def _text(path: Path, result: Mapping[str, Any], colour: bool) -> str:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_files import (  # noqa: PLC0415
        REPORTS,
        read_incident,
    )
    from incident_runbooks.render import told  # noqa: PLC0415
    from incident_runbooks.render.neutral import one_line  # noqa: PLC0415
    from incident_runbooks.render.style import bold, painted  # noqa: PLC0415

    if result["outcome"] != "healthy":
        lines = [painted(one_line(error["message"], 1000), "failed", colour) for error in result["errors"]]
        return "\n".join(lines) or f"the report was not written: {one_line(result['outcome'], 20)}"
    record = read_incident(path)
    parts = [told.notes(result, colour)]
    gaps = [f"  {one_line(gap['what'], 240)}\n    {one_line(gap['how'], 400)}" for gap in record["gaps"]]
    parts.append("\n".join([bold("Not known", colour), *gaps]) if gaps else "")
    parts.append("\n".join([bold("Written", colour), *(f"  {path / name}" for name in REPORTS)]))
    return "\n\n".join(part for part in parts if part)
