# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook doctor``: what is configured, reachable and permitted, before somebody needs it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from incident_runbooks import catalogue, collection, inventory
from incident_runbooks.cli.completion import incident_types
from incident_runbooks.cli.options import Answer, Value, inventory_option, output_option, verbose_option

_PLAYBOOK = "doctor"
_TIMEOUT_S = 60


@click.command()
@click.option(
    "--type",
    "kinds",
    multiple=True,
    metavar="TYPE",
    shell_complete=lambda _ctx, _param, incomplete: incident_types(incomplete),
    help="Ask only for what this incident type needs; repeat for more. A host that it requires has to be there then.",
)
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
def doctor(kinds: Sequence[str], **given: Any) -> Answer:
    """Ask what is configured, reachable and permitted.

    Each component of the inventory gets a harmless question, and each system is asked what the login may do there.
    Nothing is changed, nobody is told, and no incident is opened. What was not tried is said.

    The exit code is 0 when everything that is configured works, 3 when something is missing or not permitted, and 4
    when something could not be asked.
    """
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415
    from incident_runbooks import outcomes  # noqa: PLC0415 - help needs none of it
    from incident_runbooks.doctor import document, home_check  # noqa: PLC0415
    from incident_runbooks.render.doctor import render  # noqa: PLC0415
    from incident_runbooks.render.progress import Progress  # noqa: PLC0415

    named = [catalogue.get(kind) for kind in dict.fromkeys(kinds)]
    types = [kind.name for kind in named] or catalogue.names()
    where = inventory.resolve(given["inventory"], os.environ, Path.cwd())
    Progress(given["verbose"]).announce(f"doctor for {', '.join(types)}, nothing is changed", where)
    result = _examined(types, where, given)
    required = {component for kind in named for component in kind.required_components}
    said = document(result, types, required, [home_check(incidents.home(), types)])
    return Answer(outcomes.exit_code(said), said, lambda colour: render(said, colour), given["output"])


def _examined(types: Sequence[str], where: inventory.Inventory, given: dict[str, Any]) -> dict[str, Any]:
    """Run the playbook, recorded in a directory that is gone afterwards: it is no incident."""
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.header import DOCTOR  # noqa: PLC0415
    from incident_runbooks import execution  # noqa: PLC0415 - help needs none of it

    told = DOCTOR.incident
    kind = catalogue.IncidentType(
        name=told["type"],
        role=_PLAYBOOK,
        title=told["title"],
        severity=told["severity"],
        priority=told["priority"],
        impact=told["impact"],
        sla_target_s=DOCTOR.sla_target_s,
        required_components=(),
        remediations=(),
        path=collection.roles_path() / _PLAYBOOK,
    )
    request = execution.RunRequest(
        incident_type=kind,
        inventory=list(where.sources),
        extra_vars={"doctor_types": list(types)},
        timeout_s=given["timeout"],
        verbosity=given["verbose"],
        playbook=collection.playbook(_PLAYBOOK),
    )
    with tempfile.TemporaryDirectory(prefix="runbook-doctor-") as home:
        return execution.execute(request, Path(home))
