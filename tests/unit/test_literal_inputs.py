# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator gives as an input is text for Ansible and never a template, whatever the type of the input."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
import pytest
from ansible._internal._datatag._tags import TrustedAsTemplate
from ansible._internal._json._profiles._legacy import Decoder

from incident_runbooks import catalogue
from incident_runbooks.catalogue import IncidentType, RoleOption
from incident_runbooks.cli.run import RoleInput, _extra_vars, incident_command
from incident_runbooks.execution import RunRequest

TEMPLATE = "{{ lookup('ansible.builtin.pipe', 'touch pwned') }}"


def words(option: RoleOption, flag: str) -> list[str]:
    """What a hostile hand would type for one input; nothing for one that takes no free text."""
    if option.limits:
        return []
    element = option.elements if option.type == "list" else option.type
    if element == "dict":
        nested = json.dumps({"a": TEMPLATE, "b": [TEMPLATE, {"c": TEMPLATE}]})
        return [flag, nested, *([] if option.type == "list" else [flag, f"d={TEMPLATE}"])]
    return [] if option.choices or element in ("int", "float", "bool") else [flag, TEMPLATE]


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def as_ansible_reads(kind: IncidentType, arguments: list[str]) -> Any:
    """The extra vars of a run with these arguments, as Ansible reads them from the runner's file."""
    command = incident_command(kind)
    with command.make_context(kind.name, arguments) as context:
        given = _extra_vars(kind, context)
    variables = RunRequest(kind, ["localhost,"], extra_vars=given, eta=TEMPLATE).variables
    return json.loads(TrustedAsTemplate().tag(json.dumps(variables)), cls=Decoder)


@pytest.mark.parametrize("name", catalogue.names())
def test_no_text_input_of_any_type_is_a_template(name: str) -> None:
    kind = catalogue.get(name)
    inputs = [param for param in incident_command(kind).params if isinstance(param, RoleInput)]
    flags = {param.variable: param.opts[0] for param in inputs}
    hostile = [word for option in kind.options for word in words(option, flags[option.variable])]
    read = as_ansible_reads(kind, hostile)
    expected = {option.variable for option in kind.options if words(option, flags[option.variable])}
    given = {variable: value for variable, value in read.items() if variable in expected}
    assert given.keys() == expected
    found = [text for value in given.values() for text in texts(value)]
    assert found
    assert not [text for text in [*found, read["runbook_eta"]] if TrustedAsTemplate.is_tagged_on(text)]
    assert all(text.endswith(TEMPLATE) for text in found), "and it is the text that was typed"


@pytest.mark.parametrize("name", catalogue.names())
def test_an_input_with_a_format_or_limits_takes_no_template(name: str) -> None:
    kind = catalogue.get(name)
    inputs = {param.variable: param for param in incident_command(kind).params if isinstance(param, RoleInput)}
    for option in kind.options:
        if option.limits:
            typed = f"d={TEMPLATE}" if option.type == "dict" else TEMPLATE
            with pytest.raises(click.BadParameter):
                as_ansible_reads(kind, [inputs[option.variable].opts[0], typed])


def test_the_reader_of_this_test_tells_a_template() -> None:
    read = json.loads(TrustedAsTemplate().tag(json.dumps({"a": TEMPLATE})), cls=Decoder)
    assert TrustedAsTemplate.is_tagged_on(read["a"])


@pytest.mark.parametrize(
    "typed", ['{"__ansible_unsafe": "x"}', '{"a": [{"__ansible_vault": "x"}]}', "__ansible_unsafe=x"]
)
def test_ansible_s_own_keys_are_refused(typed: str) -> None:
    kind = next(kind for kind in catalogue.incident_types() if any(item.type == "dict" for item in kind.options))
    option = next(item for item in kind.options if item.type == "dict")
    with pytest.raises(click.BadParameter, match="without Ansible's own keys, __ansible_"):
        incident_command(kind).make_context(kind.name, [f"--{option.name}", typed])
