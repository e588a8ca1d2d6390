# SPDX-License-Identifier: GPL-3.0-or-later
"""Do the parts of a collection of runbooks agree: headers, inputs, tasks, alerts and playbooks?

Everything is read, nothing is run; only the playbooks' syntax is Ansible's own to judge (:mod:`.syntax`).
"""

from __future__ import annotations

from pathlib import Path

from incident_runbooks.validation.alerts import check_alerts
from incident_runbooks.validation.headers import check_header
from incident_runbooks.validation.problems import Problem, Problems, mapping
from incident_runbooks.validation.specs import check_specs
from incident_runbooks.validation.tasks import check_tasks

__all__ = ["Problem", "check_files", "roles_of", "runbooks_of"]


def roles_of(root: Path) -> list[str]:
    """Return the roles of a collection that have inputs or a header, by name."""
    found = [*root.glob("roles/*/meta/argument_specs.yml"), *root.glob("roles/*/meta/runbook.yml")]
    return sorted({path.parent.parent.name for path in found})


def runbooks_of(root: Path) -> list[str]:
    """Return those of its roles that are runbooks: they have a header."""
    return sorted(path.parent.parent.name for path in root.glob("roles/*/meta/runbook.yml"))


def check_files(root: Path) -> list[Problem]:
    """Return what is wrong with the files of a collection, by file.

    Args:
        root: the collection's directory.
    """
    problems = Problems(root)
    headers = {}
    for role in runbooks_of(root):
        header = mapping(problems.read(root / "roles" / role / "meta" / "runbook.yml"))
        headers[role] = header
        check_header(problems, role, header)
    for role in roles_of(root):
        inputs = check_specs(problems, role, mapping(headers.get(role, {}).get("inputs")))
        check_tasks(problems, role, inputs, headers.get(role))
    check_alerts(problems, headers)
    return problems.sorted()
