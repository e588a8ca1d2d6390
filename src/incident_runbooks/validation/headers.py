# SPDX-License-Identifier: GPL-3.0-or-later
"""The header of a runbook, and the files that it needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils import messages_templates
from incident_runbooks import schemas
from incident_runbooks.validation.problems import Problems, mapping, named, sequence

Json = dict[str, Any]

_SCHEMA = "write it as src/incident_runbooks/schemas/runbook.schema.json says"


def check_header(problems: Problems, role: str, header: Json) -> None:
    """Check what a header says, against its schema and against the role.

    Args:
        role: the role's name, with underscores.
        header: what could be read of it.
    """
    directory = problems.root / "roles" / role
    source = directory / "meta" / "runbook.yml"
    if not header:  # what cannot be read is said already
        problems.add(source, "it is no header", _SCHEMA)
        return
    invalid = schemas.validate("runbook", header)
    for problem in invalid:
        problems.add(source, problem, _SCHEMA)
    name = role.replace("_", "-")
    if header.get("type") != name:
        problems.add(
            source, f"type: {header.get('type')!r} is not the role's name", f"write {name}, or rename the role"
        )
    _check_messages(problems, role, header, valid=not invalid)
    _check_remediations(problems, role, header)
    playbook = problems.root / "playbooks" / f"{role}.yml"
    needed = [directory / "tasks" / f"{phase}.yml" for phase in ("diagnose", "verify")]
    for file in [*needed, directory / "README.md", playbook]:
        if not file.is_file():
            problems.add(file, f"it is not there, and the runbook {name} needs it", "add it")


def remediation_ids(header: Json) -> list[str]:
    """Return the ids of a header's remediations, in their order."""
    return [str(mapping(item)["id"]) for item in sequence(header.get("remediations")) if "id" in mapping(item)]


def conditions(header: Json) -> Iterator[tuple[str, Json]]:
    """Yield each condition of a header's messages, with the message's purpose."""
    for notice in sequence(mapping(header.get("messages")).get("notices")):
        purpose = str(mapping(notice).get("purpose"))
        yield purpose, mapping(mapping(notice).get("when"))
        for line in sequence(mapping(notice).get("component_status")):
            yield purpose, mapping(line)
        for texts in mapping(mapping(notice).get("texts")).values():
            for text in sequence(texts):
                yield purpose, mapping(mapping(text).get("when"))


def _check_messages(problems: Problems, role: str, header: Json, *, valid: bool) -> None:
    source = problems.root / "roles" / role / "meta" / "runbook.yml"
    if valid:  # the templates are read as the schema has them
        for problem in messages_templates.problems(mapping(header.get("messages"))):
            problems.add(source, problem, "correct the text of the message")
    ids = remediation_ids(header)
    for purpose, condition in conditions(header):
        wanted = [*sequence(condition.get("remediations")), *sequence(condition.get("changed"))]
        for unknown in set(map(str, wanted)) - set(ids):
            problems.add(
                source,
                f"messages/{purpose}: there is no remediation {unknown!r}",
                f"name one of the header's: {named(ids)}",
            )


def _check_remediations(problems: Problems, role: str, header: Json) -> None:
    directory = problems.root / "roles" / role
    source = directory / "meta" / "runbook.yml"
    ids = remediation_ids(header)
    for twice in {name for name in ids if ids.count(name) > 1}:
        problems.add(source, f"remediations: {twice!r} is there twice", "give each an id of its own")
    for name in ids:
        file = directory / "tasks" / "remediate" / f"{name}.yml"
        if not file.is_file():
            problems.add(file, f"it is not there, and the header has the remediation {name!r}", "add it")
    for file in sorted((directory / "tasks" / "remediate").glob("*.yml")):
        if file.stem not in ids:
            problems.add(file, "no remediation of the header has this id, so nothing runs it", "add it to the header")
