# SPDX-License-Identifier: GPL-3.0-or-later
"""The inputs of a role: its argument specs and its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.inputs import problem
from incident_runbooks.validation.problems import Problems, mapping, named

Json = dict[str, Any]

_TYPES = frozenset({"str", "list", "dict", "bool", "int", "float", "path", "raw", "jsonarg", "json", "bytes", "bits"})
_MAIN = "main"
_NUMBERS = frozenset({"int", "float"})


def check_specs(problems: Problems, role: str, limits: Mapping[str, Any]) -> set[str]:
    """Check the argument specs of a role, and its defaults.

    Args:
        role: the role's name, with underscores.
        limits: what its header says of its inputs, by their names.

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
    options = mapping(mapping(specs.get(_MAIN)).get("options"))
    _check_defaults(problems, role, options)
    _check_limits(problems, role, options, limits)
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


def _check_limits(problems: Problems, role: str, options: Json, limits: Mapping[str, Any]) -> None:
    source = problems.root / "roles" / role / "meta" / "runbook.yml"
    for name, said in limits.items():
        option = mapping(options.get(name))
        if not option:
            close = get_close_matches(str(name), options, n=1)
            fix = f"did you mean {close[0]}?" if close else "name an input of meta/argument_specs.yml"
            problems.add(source, f"inputs: {name} is no input", fix)
        elif (("format" in mapping(said)) == (_element(option) in _NUMBERS)) and option.get("type") != "dict":
            fix = "give a number limits, and a text a format"
            problems.add(source, f"inputs: {name} is of the type {_element(option)}, which does not go with that", fix)
        elif mapping(said) and (wrong := _not_allowed(option.get("default"), said)):
            problems.add(source, f"inputs: the default of {name} does not fit: {wrong}", "correct the one or the other")


def _element(option: Json) -> str:
    return str(option.get("elements", "str") if option.get("type") == "list" else option.get("type", "str"))


def _not_allowed(default: Any, said: Json) -> str | None:
    try:
        return None if _is_template(default) else problem(default, said)
    except (KeyError, TypeError):  # the schema says what is wrong with it
        return None


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value
