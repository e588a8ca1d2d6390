# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook notify INCIDENT``: send what an incident's outbox still holds, or an update."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import click

from incident_runbooks import catalogue, inventory
from incident_runbooks.cli.completion import complete_incident
from incident_runbooks.cli.options import Answer, Value, inventory_option, output_option, verbose_option
from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.outcomes import EXIT_OK, exit_code
from incident_runbooks.working_directory import working_directory

_PLAYBOOK = "notify"
_TIMEOUT_S = 120
_LONGEST_UPDATE = 2000
_SEND = ("now", "force")


@click.command()
@click.argument("incident", shell_complete=complete_incident)
@click.option("--update", metavar="TEXT", help="Tell those who were told of it this, in your own words.")
@click.option("--public", is_flag=True, help="With --update: also on the status page.")
@click.option("--now", is_flag=True, help="Try again what failed, although it is not due yet or failed for good.")
@click.option("--force", is_flag=True, help="Like --now, and send again what may have arrived.")
@click.option("--check", "--dry-run", "check", is_flag=True, help="Send nothing; show what would be sent.")
@inventory_option
@output_option
@click.option(
    "--timeout",
    type=Value("float", above=0),
    default=_TIMEOUT_S,
    metavar="SECONDS",
    help=f"Stop everything after this many seconds. [default: {_TIMEOUT_S}]",
)
@verbose_option
def notify(incident: str, **given: Any) -> Answer:
    """Send what is due about an incident, or an update.

    Due is what is waiting, and what failed and is to be tried again. Each message is sent once. What may have arrived
    on Slack, and cannot be looked up there, is only sent again with --force. The exit code is 5 when something is
    left undelivered.
    """
    from incident_runbooks.execution.record import existing  # noqa: PLC0415 - help needs none of it

    path = existing(incident)
    if given["public"] and given["update"] is None:
        raise UsageError("Updating the status page: there is nothing to say", hint="add --update TEXT")
    if given["update"] is not None and not 0 < len(given["update"].strip()) <= _LONGEST_UPDATE:
        raise UsageError(f"Reading the update: it has to have 1 to {_LONGEST_UPDATE} characters")
    return _shown(path, given) if given["check"] else _sent(path, given)


def _sent(path: Path, given: dict[str, Any]) -> Answer:
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415
    from incident_runbooks import collection, execution  # noqa: PLC0415
    from incident_runbooks.render.outbox import render_outbox  # noqa: PLC0415

    where = inventory.resolve(given["inventory"], os.environ, working_directory())
    variables: dict[str, Any] = {"incident": path.name}
    variables |= {f"runbook_send_{name}": True for name in _SEND if given[name]}
    if given["update"] is not None:
        variables["runbook_update"] = given["update"].strip()
        variables["runbook_update_public"] = given["public"]
    result = execution.execute(
        execution.RunRequest(
            incident_type=catalogue.get(incidents.type_of(path.name)),
            inventory=list(where.sources),
            extra_vars=variables,
            mode="report",
            timeout_s=given["timeout"],
            incident_id=path.name,
            verbosity=given["verbose"],
            playbook=collection.playbook(_PLAYBOOK),
        )
    )
    return Answer(
        exit_code(result), result, lambda colour: render_outbox(_messages(path), colour, result), given["output"]
    )


def _shown(path: Path, given: dict[str, Any]) -> Answer:
    """What is in the outbox, and what would be sent now."""
    from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_states import (  # noqa: PLC0415
        Zeal,
        is_due,
    )
    from incident_runbooks.render.outbox import render_outbox  # noqa: PLC0415

    zeal, now = Zeal(now=given["now"], force=given["force"]), dt.datetime.now(dt.UTC)
    messages = [{**message, "due": is_due(message, zeal, now)} for message in _messages(path)]
    drafts = _drafts(path, given, messages, rfc3339(now)) if given["update"] is not None else []
    document = {"incident": {"id": path.name}, "messages": messages, "drafts": drafts}
    return Answer(EXIT_OK, document, lambda colour: render_outbox([*messages, *drafts], colour, None), given["output"])


def _drafts(path: Path, given: dict[str, Any], sent: list[dict[str, Any]], now: str) -> list[dict[str, Any]]:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import messages as composing  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import (  # noqa: PLC0415
        messages_situation as situations,
    )
    from incident_runbooks.execution.record import operator  # noqa: PLC0415

    try:
        result = situations.result_so_far(path, None)
        result["run"]["operator"] = operator()
        situation = composing.Situation(path.name, situations.header_of(path.name), result, sent, now=now)
        drafts = composing.compose_update(situation, given["update"], public=given["public"])
    except IncidentsError as error:
        raise RunbookError(error.message) from error
    known = {message["key"] for message in sent}
    return [{**draft, "state": "draft", "due": draft["key"] not in known and not draft["withheld"]} for draft in drafts]


def _messages(path: Path) -> list[dict[str, Any]]:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox import Outbox  # noqa: PLC0415

    try:
        return Outbox(path).messages()
    except IncidentsError as error:
        raise RunbookError(error.message) from error
