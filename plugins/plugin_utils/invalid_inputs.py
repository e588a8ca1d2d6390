# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Which inputs of a runbook make no sense, by its role's argument spec and by its header, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.inputs import problem, shown
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.header import Header
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction_variables import resolve

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times faster where libyaml is there
_LOCALHOST = "localhost"  # of the second play; the inventory need not name it
_MOST_SAID = 5


class InvalidInputError(IncidentsError):
    """An input of the runbook makes no sense, so nothing runs."""


def invalid_inputs(root: Path, play: Any, header: Header) -> list[str]:
    """Return what is wrong with the inputs that the inventory, the extra vars and the play give.

    What cannot be resolved yet is left to the task that needs it. Defaults are for ``runbook validate`` to look at.

    Args:
        root: the collection's directory.
        play: the play, as callbacks get it.
        header: of the runbook.

    Raises:
        IncidentsError: the role's argument spec cannot be read.
    """
    manager = play.get_variable_manager()
    own = manager.get_vars(play=play)  # the role's defaults too, which the inventory outranks
    outranking = {**play.get_vars(), **manager.extra_vars}
    hostvars = own.get("hostvars")
    prefix = f"{header.role}_"
    options: Mapping[str, Any] | None = None
    found: dict[str, None] = {}
    for host in {*(hostvars or ()), _LOCALHOST} if hostvars is not None else ():
        given = hostvars.raw_get(host)
        given = {**(given if isinstance(given, Mapping) else {}), **outranking}
        named = [name for name in given if name.startswith(prefix)]
        if named and options is None:
            options = _options(root, header.role)
        for name in named:
            if options and name in options and (said := _wrong(name, own | given, options[name] or {}, header, play)):
                found[said] = None
    problems = sorted(found)
    more = len(problems) - _MOST_SAID
    return [*problems[:_MOST_SAID], *([f"and {more} more"] if more > 0 else [])]


def _wrong(name: str, given: Mapping[str, Any], option: Mapping[str, Any], header: Header, play: Any) -> str | None:
    value = resolve(given, name, play)
    if value is None or option.get("no_log"):
        return None
    validation = ArgumentSpecValidator({name: dict(option)}).validate({name: value})
    if validation.error_messages:
        return f"{name} {shown(value)}: {validation.error_messages[0]}"
    limits = header.limits.get(name)
    wrong = problem(validation.validated_parameters[name], limits) if limits else None
    return f"{name}: {wrong}" if wrong else None


def _options(root: Path, role: str) -> Mapping[str, Any]:
    source = root / "roles" / role / "meta" / "argument_specs.yml"
    try:
        data = yaml.load(source.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe loaders
        return dict(data["argument_specs"]["main"].get("options") or {})
    except FileNotFoundError:
        return {}  # Ansible does not ask for one either
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        cause = " ".join(str(error).split())
        raise IncidentsError(f"Reading the argument spec {source}: {type(error).__name__} {cause}") from error
