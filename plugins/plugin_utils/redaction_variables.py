# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The secrets that a play can get at: variables with secret names, resolved as a task would resolve them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.template import Templar

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction_secrets import (
    may_hold_secret,
    secret_values,
)

_DEPTH = 10
_VIEWS = frozenset({"vars", "hostvars"})  # of the variables that are looked at one by one


def secrets_of_play(play: Any) -> set[str]:
    """Return the secrets among the variables of every inventory host and of the play itself.

    All hosts, not only the play's own: a task reaches the others through ``hostvars`` and delegation. A value
    that cannot be resolved is left out, as no task can resolve it either.

    Args:
        play: the play, as callbacks get it.
    """
    own = play.get_variable_manager().get_vars(play=play)
    loader = play.get_loader()
    found = secret_values(_resolved(own, own, loader))
    hostvars = own.get("hostvars")
    for name in hostvars or ():
        host = hostvars.raw_get(name)
        found |= secret_values(_resolved(host, {**host, **own}, loader))
    return found


def resolve(variables: Mapping[str, Any], name: str, play: Any) -> Any:
    """Return one variable with its templates resolved, ``None`` where it is not defined or cannot be."""
    try:
        return Templar(loader=play.get_loader(), variables=dict(variables)).template(variables.get(name))
    except Exception:  # noqa: BLE001 - a template may run any lookup, and those raise anything
        return None


def _resolved(wanted: Mapping[str, Any], variables: Mapping[str, Any], loader: Any) -> dict[str, Any]:
    templar = Templar(loader=loader, variables=dict(variables))
    return dict(_each_resolved(wanted, templar))


def _each_resolved(wanted: Mapping[str, Any], templar: Any) -> Iterator[tuple[str, Any]]:
    for name, value in wanted.items():
        if name in _VIEWS or not _worth_resolving(name, value, 0):
            continue
        try:
            yield name, templar.template(value)
        except Exception:  # noqa: BLE001, S112 - a template may run any lookup, and those raise anything
            continue


def _worth_resolving(name: str, value: Any, depth: int) -> bool:
    """Whether the value, or anything below it, has a name that may be secret; everything else is not templated."""
    if depth > _DEPTH or value is None:
        return False
    if isinstance(value, dict):
        return may_hold_secret(name) or any(_worth_resolving(str(key), item, depth + 1) for key, item in value.items())
    if isinstance(value, list):
        return any(_worth_resolving(name, item, depth + 1) for item in value)
    # an address with a password in it can be under any name
    return may_hold_secret(name) or (isinstance(value, str) and "://" in value)
