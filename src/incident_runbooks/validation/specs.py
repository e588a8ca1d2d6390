# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of a role: its argument specs and its defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from incident_runbooks.validation.problems import Problems, mapping, named

Json = dict[str, Any]

_TYPES = frozenset({"str", "list", "dict", "bool", "int", "float", "path", "raw", "jsonarg", "json", "bytes", "bits"})
_MAIN = "main"


def check_specs(problems: Problems, role: str) -> set[str]:
    """Check the argument specs of a role, and its defaults.

    Args:
        role: the role's name, with underscores.

    Returns:
        The names of its inputs.
    """
    directory = problems.root / "roles" / role
    source = directory / "meta" / "argument_specs.yml"
    specs = mapping(mapping(problems.read(source)).get("argument_specs"))
    if not specs and source.is_file():
        problems.add(source, "it has no argument_specs", "describe the role's inputs there")
    inputs: set[str] = set()
    for entry_point, spec in specs.items():
        options = mapping(mapping(spec).get("options"))
        inputs |= set(options)
        for name, option in options.items():
            _check_option(problems, source, f"{entry_point}/{name}", role, mapping(option))
    _check_defaults(problems, role, mapping(mapping(specs.get(_MAIN)).get("options")))
    return inputs


def _check_option(problems: Problems, source: Path, where: str, role: str, option: Json) -> None:
    entry_point, _, name = where.partition("/")
    if entry_point == _MAIN and not name.startswith(f"{role}_"):
        problems.add(source, f"{where}: its name does not begin with {role}_", "rename it: variables are everywhere")
    kind = option.get("type", "str")
    if kind not in _TYPES:
        problems.add(source, f"{where}: there is no type {kind!r}", f"write one of {named(set(_TYPES))}")
        return
    if not option.get("description"):
        problems.add(source, f"{where}: it has no description", "say what it means, with its unit")
    if option.get("default") is not None and not _is_template(option["default"]):
        for wrong in _wrong_default(name, option):
            problems.add(source, f"{where}: its default does not fit: {wrong}", "correct the default, or its type")


def _wrong_default(name: str, option: Json) -> list[str]:
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator  # noqa: PLC0415 - as Ansible judges it

    said = ArgumentSpecValidator({name: option}).validate({name: option["default"]})
    return [str(message) for message in said.error_messages]


def _check_defaults(problems: Problems, role: str, options: Json) -> None:
    directory = problems.root / "roles" / role
    source, specs = directory / "defaults" / "main.yml", directory / "meta" / "argument_specs.yml"
    defaults = mapping(problems.read(source)) if source.is_file() else {}
    for name, option in options.items():
        if "default" not in mapping(option):
            if not mapping(option).get("required"):
                problems.add(specs, f"main/{name}: it is neither required nor has a default", "give it a default")
        elif name not in defaults:
            # Ansible does not apply the defaults of a role's spec
            problems.add(source, f"{name}: it is not there", "write the default of the argument spec here too")
        elif defaults[name] != option["default"]:
            problems.add(source, f"{name}: it is not the default that the argument spec says", "make them the same")
    for name in set(defaults) - set(options):
        problems.add(source, f"{name}: the argument spec has no such input", "describe it there, or remove it")


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value
