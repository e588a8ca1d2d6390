# SPDX-License-Identifier: GPL-3.0-or-later
"""The alerts that the headers name are there, and lead to their runbooks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from incident_runbooks.validation.problems import Problems, mapping, named, sequence

Json = dict[str, Any]

_TESTS = ".test.yml"
_LABEL = "runbook"


def check_alerts(problems: Problems, headers: Mapping[str, Json]) -> None:
    """Check that headers and alert rules name each other.

    Args:
        headers: what could be read of them, by role.
    """
    rules = list(_rules(problems))
    kinds = {role.replace("_", "-") for role in headers}
    named_by: dict[str, str] = {}
    for role, header in headers.items():
        source = problems.root / "roles" / role / "meta" / "runbook.yml"
        for name in map(str, sequence(header.get("alerts"))):
            if name in named_by:
                problems.add(source, f"alerts: {name} is named by {named_by[name]} too", "leave it to one of them")
            named_by[name] = role.replace("_", "-")
            if name not in {alert for _, alert, _ in rules}:
                problems.add(source, f"alerts: no file in alerts/ has the alert {name}", f"add it to alerts/{role}.yml")
    for file, name, label in rules:
        if label is None:
            problems.add(file, f"{name}: it has no label {_LABEL}", "name its incident type there")
        elif label not in kinds:
            problems.add(file, f"{name}: its label {_LABEL} is no incident type: {label!r}", f"known: {named(kinds)}")
        elif named_by.get(name) != label:
            said = f"the header of {named_by[name]}" if name in named_by else "no header"
            problems.add(
                file,
                f"{name}: its label {_LABEL} is {label}, and {said} names it",
                f"name it in roles/{label.replace('-', '_')}/meta/runbook.yml alone, or correct the label",
            )


def _rules(problems: Problems) -> Iterator[tuple[Path, str, str | None]]:
    """Yield file, name and label of each alert."""
    for file in sorted((problems.root / "alerts").glob("*.yml")):
        if file.name.endswith(_TESTS):
            continue
        content = mapping(problems.read(file))
        for group in sequence(content.get("groups")):
            for rule in map(mapping, sequence(mapping(group).get("rules"))):
                if "alert" in rule:
                    label = mapping(rule.get("labels")).get(_LABEL)
                    yield file, str(rule["alert"]), None if label is None else str(label)
