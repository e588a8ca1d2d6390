# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook approve``: decide on a plan that somebody else's run made, and write the decision into a file."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from incident_runbooks.cli.completion import complete_incident, complete_remediation
from incident_runbooks.cli.options import Answer, Value, output_option
from incident_runbooks.errors import RunbookError, UsageError

Json = dict[str, Any]

_LARGEST = 32 * 1024 * 1024
_DURATION = re.compile(r"([1-9]\d{0,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_LONGEST = dt.timedelta(days=7)
_LONGEST_MESSAGE, _LONGEST_NAME = 2000, 200


@click.command()
@click.argument("incident", metavar="INCIDENT|RESULT.json", shell_complete=complete_incident)
@click.option(
    "--only",
    multiple=True,
    metavar="ID",
    help="Decide on this remediation only; repeat for more.",
    shell_complete=complete_remediation,
)
@click.option("--reject", is_flag=True, help="Reject the plan instead.")
@click.option("--expires-in", default="4h", metavar="DURATION", help="Such as 30m, 4h or 1d. [default: 4h]")
@click.option("--message", default="", metavar="TEXT", help="Why; an irreversible remediation needs it.")
@click.option("--by", metavar="NAME", help="Who decides. [default: RUNBOOK_OPERATOR, or the login name]")
@click.option("-o", "target", type=Value("path"), required=True, metavar="FILE", help="The file to write.")
@output_option
def approve(incident: str, target: str, output: str | None, **said: Any) -> Answer:
    """Approve somebody else's plan: write an approval file.

    The plan is shown on stderr; on a terminal it is asked before the file is written. Send the file to whoever runs
    the remediation: runbook run TYPE --incident ID --remediate --approval FILE. The file is not signed: it records a
    decision and proves nothing against a forger, so send it in a way that shows who sent it.
    """
    from incident_runbooks.cli import prompt, prompt_plan  # noqa: PLC0415 - help needs none of it
    from incident_runbooks.cli.options import wants_colour  # noqa: PLC0415
    from incident_runbooks.render.neutral import one_line  # noqa: PLC0415

    result = _result(incident)
    plan = result["plan"]
    ids = _chosen(plan, said["only"])
    document = _decision(result, ids, said)
    colour = wants_colour(sys.stderr, bool(os.environ.get("NO_COLOR")))
    click.echo("\n".join(_head(result) + prompt_plan.plan_lines(plan, colour, ids)), err=True)
    _warn(document, plan, result)
    if prompt.is_terminal() and not _agreed(document["decision"]):
        raise RunbookError(f"Writing {target}: not confirmed, so nothing was written", code="refused", exit_code=6)
    _write(Path(target), document)
    names = one_line(", ".join(ids), 400)
    text = (
        f"{document['decision']}: {names} of the plan {plan['digest'][:12]}, until {document['expires_at']}: {target}"
    )
    return Answer(0, document, lambda _colour: one_line(text, 2000), output)


def _result(incident: str) -> Json:
    """Return the result whose plan is decided on: of a file, or of the incident's last run that plans to remediate."""
    path = Path(incident).expanduser()
    if path.is_file() or path.suffix == ".json":
        return _from_file(path)
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import (  # noqa: PLC0415
        FILE_NAME,
        read_journal,
    )
    from incident_runbooks.execution.record import existing  # noqa: PLC0415

    directory = existing(incident)
    try:
        journal = read_journal(directory / FILE_NAME)
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    if journal.damage:
        raise RunbookError(
            f"Approving the plan of {incident}: its journal cannot be trusted: {journal.damage[0]}",
            code="refused",
            exit_code=6,
            hint=f"see: runbook verify {directory.name}",
        )
    for run_id in dict.fromkeys(record["run_id"] for record in reversed(journal.records) if record["type"] == "plan"):
        result: Json = fold(journal.records, run_id, incident_id=directory.name)
        if not _restores(result):
            return result
    raise UsageError(f"Approving the plan of {incident}: no run of it made one", hint="runbook run TYPE makes one")


def _restores(result: Mapping[str, Any]) -> bool:
    """Whether a plan is a rollback's: its ids are those of the remediations that it undoes."""
    return bool(result["run"]["mode"] == "rollback")


def _from_file(path: Path) -> Json:
    from incident_runbooks import schemas  # noqa: PLC0415 - help needs none of it

    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise UsageError(f"Reading the result {path}: it is larger than {_LARGEST // 1024 // 1024} MiB")
        document = json.loads(content, parse_constant=_no_constant)
    except OSError as error:
        raise UsageError(f"Reading the result {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"Reading the result {path}: it is no JSON: {str(error)[:200]}") from error
    problems = schemas.validate("result", document)
    if problems:
        raise UsageError(f"Reading the result {path}: {problems[0]}", hint="give a result.json of a run")
    if _restores(document):
        raise UsageError(
            f"Reading the result {path}: the plan of a rollback is not approved",
            hint="runbook rollback INCIDENT shows it and asks",
        )
    result: Json = document
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _chosen(plan: Mapping[str, Any], only: Sequence[str]) -> list[str]:
    """Return the remediations that are decided on.

    Raises:
        UsageError: nothing is recommended, or not what was named.
        RunbookError: the digest is not that of the plan which is shown (exit 6).
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import (  # noqa: PLC0415
        digest,
    )
    from incident_runbooks.cli.prompt_plan import recommended  # noqa: PLC0415

    known = [str(entry["id"]) for entry in recommended(plan)]
    if not known:
        raise UsageError("Approving the plan: it recommends nothing, so there is nothing to approve")
    for name in only:
        if name not in known:
            raise UsageError(f"Approving {name!r}: the plan does not recommend it", hint=f"known: {', '.join(known)}")
    if digest(plan["remediations"]) != plan["digest"]:
        raise RunbookError(
            f"Approving the plan {plan['digest']}: what it shows is not what this digest stands for",
            code="refused",
            exit_code=6,
            hint="the record was changed, cut or redacted; ask for it again, or approve where the incident is recorded",
        )
    return list(dict.fromkeys(only)) or known


def _decision(result: Mapping[str, Any], ids: Sequence[str], said: Mapping[str, Any]) -> Json:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.approvals import operator  # noqa: PLC0415

    message, by = said["message"].strip(), (operator() if said["by"] is None else said["by"]).strip()
    if not by or len(by) > _LONGEST_NAME:
        raise UsageError("Reading --by: a name is needed", hint=f"at most {_LONGEST_NAME} characters")
    if len(message) > _LONGEST_MESSAGE:
        raise UsageError(f"Reading --message: it has {len(message)} characters", hint=f"at most {_LONGEST_MESSAGE}")
    entries = {entry["id"]: entry for entry in result["plan"]["remediations"]}
    grave = [name for name in ids if entries[name]["risk"] == "irreversible"]
    if grave and not message and not said["reject"]:
        raise UsageError(f"Approving {', '.join(grave)}: it is irreversible and needs a reason", hint="add --message")
    now = dt.datetime.now(dt.UTC)
    bound = {"incident": result["incident"].get("id"), "environment": result["plan"].get("environment")}
    return {
        "plan_digest": result["plan"]["digest"],
        "decision": "rejected" if said["reject"] else "approved",
        "remediations": list(ids),
        "decided_by": by,
        "decided_at": _instant(now),
        "expires_at": _instant(now + _duration(said["expires_in"])),
        "message": message,
        **{key: value for key, value in bound.items() if value},
    }


def _instant(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _duration(text: str) -> dt.timedelta:
    match = _DURATION.fullmatch(text)
    duration = dt.timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None
    if duration is None or duration > _LONGEST:
        raise UsageError(
            f"Reading --expires-in {text!r}: it is no duration of at most 7 days", hint="such as 30m or 4h"
        )
    return duration


def _head(result: Mapping[str, Any]) -> list[str]:
    from incident_runbooks.render.neutral import one_line  # noqa: PLC0415

    incident, run = result["incident"], result["run"]
    facts = [incident.get("id"), incident.get("title"), f"planned by {run.get('operator')} at {run.get('started_at')}"]
    environment = result["plan"].get("environment")
    facts += [f"environment {environment}"] if environment else []
    return [one_line(" | ".join(str(fact) for fact in facts if fact), 400)]


def _warn(document: Mapping[str, Any], plan: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Say what would have the file refused later."""
    from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval import (  # noqa: PLC0415
        same_person,
    )
    from incident_runbooks.render.neutral import one_line  # noqa: PLC0415

    by = document["decided_by"]
    if same_person(by, str(result["run"].get("operator") or "")):
        line = f"{by} made this plan as well; the approval is refused where {by} is the operator of the remediation"
        click.echo(one_line(line, 400), err=True)
    unknown = [entry["id"] for entry in plan["remediations"] if entry.get("targets_unknown")]
    for name in set(unknown) & set(document["remediations"]):
        click.echo(f"{one_line(name, 100)} will be refused: what it would touch is not known", err=True)


def _agreed(decision: str) -> bool:
    from incident_runbooks.cli import prompt  # noqa: PLC0415

    try:
        return prompt.read(f"Write this decision ({decision})? y/n: ").lower() in ("y", "yes")
    except EOFError:
        return False


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Write a new file that only its owner may write; one that is there already may be somebody's decision."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(document, indent=2, ensure_ascii=True) + "\n")
    except FileExistsError as error:
        raise UsageError(f"Writing the approval file {path}: it is there already", hint="name another one") from error
    except OSError as error:
        raise UsageError(f"Writing the approval file {path}: {error.strerror}") from error
