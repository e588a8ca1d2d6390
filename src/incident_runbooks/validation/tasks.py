# SPDX-License-Identifier: GPL-3.0-or-later
"""The tasks of a role: what Ansible's own syntax check does not read, as they are included while a playbook runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jinja2 import Environment, TemplateSyntaxError

from incident_runbooks.collection import FQCN
from incident_runbooks.validation.headers import conditions
from incident_runbooks.validation.problems import Problems, mapping, sequence

Json = dict[str, Any]

_INCLUDES = re.compile(r"(ansible\.builtin\.)?(include|import)_tasks")
_EXPRESSIONS = frozenset({"when", "until", "failed_when", "changed_when", "that"})
_WORD = re.compile(r"(?<![\w-])[a-z]+(?:-[a-z0-9]+)+(?![\w-])")
# how inputs are called; an unknown word of that form in a header is a slip of the pen
_LIKE_INPUT = re.compile(r"(max|min|accept)-.+|.+-(s|ms|bytes|ratio|items|days)")
_SIMILAR = 0.85
_JINJA = Environment(autoescape=True)  # it parses, and never renders


def check_tasks(problems: Problems, role: str, inputs: set[str], header: Json | None) -> None:
    """Check the tasks of a role: modules, files, inputs and templates that they name.

    Args:
        role: the role's name, with underscores.
        inputs: the names of its inputs.
        header: its header, where it is a runbook.
    """
    directory = problems.root / "roles" / role
    texts = {}
    for file in sorted([*directory.glob("tasks/**/*.yml"), *directory.glob("vars/*.yml")]):
        texts[file] = problems.text(file)
        _check_file(problems, role, file, problems.read(file))
    for file in sorted(directory.glob("templates/**/*.j2")):
        texts[file] = problems.text(file)
        _check_template(problems, file, "the template", texts[file])
    playbook = problems.root / "playbooks" / f"{role}.yml"
    if playbook.is_file():
        texts[playbook] = problems.text(playbook)
    if header is not None:
        _check_inputs(problems, role, inputs, texts)
        _check_words(problems, role, inputs, header)
        _check_checks(problems, role, header, "\n".join(texts.values()))


def _check_file(problems: Problems, role: str, file: Path, data: Any) -> None:
    for key, value in _pairs(data):
        if key.startswith(f"{FQCN}.") and not _is_plugin(problems.root, key):
            problems.add(file, f"there is no module {key}", "correct the name")
        if _INCLUDES.fullmatch(key):
            _check_include(problems, role, file, value)
        for text in _expressions(key, value):
            _check_template(problems, file, repr(text[:80]), f"{{{{ {text} }}}}")
    for text in _texts(data):
        if "{{" in text or "{%" in text:
            _check_template(problems, file, repr(text[:80]), text)


def _is_plugin(root: Path, name: str) -> bool:
    short = name.removeprefix(f"{FQCN}.")
    return any((root / "plugins" / folder / f"{short}.py").is_file() for folder in ("modules", "action"))


def _check_include(problems: Problems, role: str, file: Path, value: Any) -> None:
    name = str(mapping(value).get("file", "") if isinstance(value, dict) else value)
    places = [file.parent, problems.root / "roles" / role / "tasks"]
    if name and "{{" not in name and not any((place / name).is_file() for place in places):
        problems.add(file, f"it includes {name}, which is not there", "correct the name, or add the file")


def _check_template(problems: Problems, file: Path, what: str, text: str) -> None:
    try:
        _JINJA.parse(text)
    except TemplateSyntaxError as error:
        problems.add(file, f"{what}: it is no template: {error.message}", "correct the template")


def _check_inputs(problems: Problems, role: str, inputs: set[str], texts: dict[Path, str]) -> None:
    """Every variable with the role's prefix is an input, or is set by the tasks themselves."""
    pattern = re.compile(rf"(?<![\w.]){role}_[a-z0-9_]*[a-z0-9]\b")
    sets = re.compile(rf"^\s*(?:- )?({role}_\w+):|(?:register|loop_var|index_var): ({role}_\w+)", re.MULTILINE)
    known = inputs | {name for text in texts.values() for found in sets.findall(text) for name in found if name}
    for file, text in texts.items():
        for name in sorted(set(pattern.findall(text)) - known):
            close = get_close_matches(name, inputs, n=1)
            fix = f"did you mean {close[0]}?" if close else "describe it in meta/argument_specs.yml"
            problems.add(file, f"{name} is neither an input of the role nor set by its tasks", fix)


def _check_words(problems: Problems, role: str, inputs: set[str], header: Json) -> None:
    """What a header's sentences call an input is one."""
    known = {name.removeprefix(f"{role}_").replace("_", "-") for name in inputs}
    for item in map(mapping, sequence(header.get("remediations"))):
        said = [*sequence(item.get("preconditions")), item.get("touches"), item.get("verified_by")]
        for word in sorted(set(_WORD.findall(" ".join(map(str, said)))) - known):
            close = get_close_matches(word, known, n=1, cutoff=_SIMILAR)
            if close or _LIKE_INPUT.fullmatch(word):
                problems.add(
                    problems.root / "roles" / role / "meta" / "runbook.yml",
                    f"remediations/{item.get('id')}: it speaks of {word}, which is no input of the role",
                    f"did you mean {close[0]}?" if close else "name an input of meta/argument_specs.yml",
                )


def _check_checks(problems: Problems, role: str, header: Json, text: str) -> None:
    """What a message waits for is judged by some task."""
    for purpose, condition in conditions(header):
        findings = [*sequence(condition.get("findings")), *sequence(condition.get("any_finding"))]
        for finding in map(mapping, findings):
            name = str(finding.get("check"))
            if not re.search(rf"\bcheck: [\"']?{re.escape(name)}\b", text):
                problems.add(
                    problems.root / "roles" / role / "meta" / "runbook.yml",
                    f"messages/{purpose}: no task of the role judges the check {name!r}",
                    "correct the check's name",
                )


def _pairs(data: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield str(key), value
            yield from _pairs(value)
    elif isinstance(data, list):
        for item in data:
            yield from _pairs(item)


def _expressions(key: str, value: Any) -> list[str]:
    if key not in _EXPRESSIONS:
        return []
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, str) and "{{" not in item]


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)
