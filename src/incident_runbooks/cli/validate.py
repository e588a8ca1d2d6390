# SPDX-License-Identifier: GPL-3.0-or-later
"""``runbook validate``: do the parts of the runbooks agree, before somebody needs them?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from incident_runbooks.cli.completion import complete_file
from incident_runbooks.cli.options import Answer, Value, output_option
from incident_runbooks.collection import collection_root
from incident_runbooks.errors import UsageError
from incident_runbooks.outcomes import EXIT_OK, EXIT_USAGE


@click.command()
@click.option(
    "--collection",
    type=Value("path"),
    metavar="PATH",
    help="The directory of a copy of the collection, such as a checkout. [default: the collection in use]",
    shell_complete=complete_file,
)
@output_option
def validate(collection: str | None, output: str | None) -> Answer:
    """Validate the runbooks: headers, inputs, tasks, alerts, playbooks.

    Every header is compared with its schema and with what it names: files of remediations, alerts, inputs, checks,
    placeholders of messages. Argument specs and defaults have to agree; modules, files, inputs and templates that
    tasks name have to be there, also in files that Ansible reads only when it gets to them; Ansible itself checks the
    playbooks' syntax. Nothing is run and no inventory is read. All problems are listed, each with its file and how to
    fix it; the exit code is 0 where there is none, else 2.
    """
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.header import (  # noqa: PLC0415
        collection_version,
    )
    from incident_runbooks import validation  # noqa: PLC0415 - help needs none of it
    from incident_runbooks.validation.syntax import check_syntax, playbooks_of  # noqa: PLC0415

    root = Path(collection) if collection else collection_root()
    if not validation.runbooks_of(root):
        raise UsageError(
            f"Validating the collection in {root}: there is no roles/*/meta/runbook.yml",
            hint="name the directory that has roles and playbooks",
        )
    problems = sorted([*validation.check_files(root), *check_syntax(root)])
    document = {
        "collection": str(root.resolve()),
        "version": collection_version(root),
        "valid": not problems,
        "checked": {
            "runbooks": len(validation.runbooks_of(root)),
            "roles": len(validation.roles_of(root)),
            "playbooks": len(playbooks_of(root)),
        },
        "problems": [{"file": each.file, "what": each.what, "fix": each.fix} for each in problems],
    }
    return Answer(EXIT_USAGE if problems else EXIT_OK, document, lambda colour: _text(document, colour), output)


def _text(document: Mapping[str, Any], colour: bool) -> str:
    from incident_runbooks.render.neutral import one_line  # noqa: PLC0415
    from incident_runbooks.render.style import bold, painted  # noqa: PLC0415

    problems, checked = document["problems"], document["checked"]
    verdict = painted("VALID", "ok", colour) if not problems else painted(f"{len(problems)} PROBLEMS", "failed", colour)
    counted = ", ".join(f"{what}: {number}" for what, number in checked.items())
    lines = [f"{bold(one_line(document['collection'], 300), colour)}: {verdict} ({counted})"]
    for file, found in groupby(problems, key=lambda problem: str(problem["file"])):
        lines.append(f"  {one_line(file, 200)}")
        for problem in found:
            lines += [f"    {one_line(problem['what'], 500)}", f"      fix: {one_line(problem['fix'], 500)}"]
    return "\n".join(lines)
