# SPDX-License-Identifier: GPL-3.0-or-later
"""The incident types, read from the roles' own metadata; there is no second list.

``runbook list`` starts with this module, so it imports no more than PyYAML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from incident_runbooks.collection import roles_path
from incident_runbooks.errors import RunbookError, UsageError

DEFAULT_TIMEOUT_S = 1800  # for everything that a run does
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times faster where libyaml is there
_ROLE_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Remediation:
    """A named action of an incident type.

    Attributes:
        risk: ``safe``, ``disruptive``, ``destructive`` or ``irreversible``.
    """

    id: str
    title: str
    risk: str


@dataclass(frozen=True)
class RoleOption:
    """One typed input of a role, from ``meta/argument_specs.yml`` and ``defaults/main.yml``.

    Attributes:
        variable: the role's variable, with the role's prefix.
        name: the same without the prefix and with dashes, as on the command line.
        type: Ansible's type name, such as ``int`` or ``list``.
        elements: the type of a list's elements.
        choices: the values allowed; of a list, those of its elements.
        default: the role's default, ``None`` where it has none.
        description: paragraphs.
        required: the role does not run without it; the inventory may give it.
        limits: what its values may be beyond the type, as the header says; empty for anything.
    """

    variable: str
    name: str
    type: str
    elements: str
    choices: tuple[Any, ...]
    default: Any
    description: tuple[str, ...]
    required: bool
    limits: Mapping[str, Any] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class IncidentType:
    """One incident type.

    Attributes:
        name: with dashes, as on the command line.
        role: with underscores, as role and playbook are called.
        sla_target_s: seconds until it is to be resolved.
        required_components: the hosts that the inventory must have.
        update_every_s: seconds between two updates, where the runbook says it.
        act_timeout_s: seconds that a run may take that acts, where the runbook says it.
        alerts: names of the Prometheus alerts that mean it.
        private: only a closed circle is told of it.
        limits: of the role's inputs, by variable.
    """

    name: str
    role: str
    title: str
    severity: str
    priority: str
    impact: str
    sla_target_s: int
    required_components: tuple[str, ...]
    remediations: tuple[Remediation, ...]
    path: Path = field(repr=False)
    update_every_s: int | None = None
    act_timeout_s: int | None = None
    alerts: tuple[str, ...] = ()
    private: bool = False
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False, hash=False)

    def timeout_s(self, *, acting: bool) -> int:
        """Return the seconds that a run may take unless somebody says otherwise.

        Args:
            acting: whether it may remediate: some remediations wait for hours, and must not be cut off in the middle.
        """
        return (self.act_timeout_s if acting else None) or DEFAULT_TIMEOUT_S

    @cached_property
    def options(self) -> tuple[RoleOption, ...]:
        """The role's inputs, in the order of its spec; secrets are no options, they belong into the inventory."""
        specs = _mapping(self.path / "meta" / "argument_specs.yml")
        defaults_file = self.path / "defaults" / "main.yml"
        defaults = _mapping(defaults_file) if defaults_file.is_file() else {}
        options = specs.get("argument_specs", {}).get("main", {}).get("options") or {}
        return tuple(
            _option(self.role, variable, spec or {}, defaults, self.limits.get(variable) or {})
            for variable, spec in options.items()
            if not (spec or {}).get("no_log")
        )


def incident_types() -> list[IncidentType]:
    """Return every incident type of the collection, by name.

    Raises:
        RunbookError: a header cannot be read.
    """
    return [_read(name) for name in _roles()]


def get(name: str) -> IncidentType:
    """Return one incident type, by its name with dashes or underscores.

    Raises:
        UsageError: there is none of that name.
        RunbookError: its header cannot be read.
    """
    role = name.replace("-", "_")
    roles = _roles()
    if role in roles:
        return _read(role)
    raise unknown_type(name, [known.replace("_", "-") for known in roles])


def names() -> list[str]:
    """Return the names of the incident types, with dashes, without reading their headers."""
    return [role.replace("_", "-") for role in _roles()]


def unknown_type(name: str, known: list[str]) -> UsageError:
    """Return the error for a name that no incident type has."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistyped name pays for it

    close = get_close_matches(name.replace("_", "-"), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "see: runbook list"
    return UsageError(f"unknown incident type {name!r}; known: {', '.join(known)}", hint=hint)


def _roles() -> list[str]:
    return sorted(
        header.parent.parent.name
        for header in roles_path().glob("*/meta/runbook.yml")
        if _ROLE_NAME.fullmatch(header.parent.parent.name)
    )


def _read(role: str) -> IncidentType:
    path = roles_path() / role
    source = path / "meta" / "runbook.yml"
    header = _mapping(source)
    try:
        return IncidentType(
            name=role.replace("_", "-"),
            role=role,
            title=str(header["title"]),
            severity=str(header["severity"]),
            priority=str(header["priority"]),
            impact=str(header["impact"]),
            sla_target_s=int(header["sla_target_s"]),
            required_components=tuple(str(name) for name in header.get("required_components") or ()),
            remediations=tuple(
                Remediation(id=str(item["id"]), title=str(item["title"]), risk=str(item["risk"]))
                for item in header.get("remediations") or ()
            ),
            path=path,
            update_every_s=int(header["update_every_s"]) if header.get("update_every_s") else None,
            act_timeout_s=int(header["act_timeout_s"]) if header.get("act_timeout_s") else None,
            alerts=tuple(str(name) for name in header.get("alerts") or ()),
            private=(header.get("messages") or {}).get("private") is True,
            limits=dict(header.get("inputs") or {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunbookError(
            f"Reading the runbook header {source}: {type(error).__name__} {error}",
            hint="compare it with schemas/runbook.schema.json",
        ) from error


def _option(
    role: str, variable: str, spec: Mapping[str, Any], defaults: Mapping[str, Any], limits: Mapping[str, Any]
) -> RoleOption:
    description = spec.get("description") or ()
    return RoleOption(
        variable=variable,
        name=variable.removeprefix(f"{role}_").replace("_", "-"),
        type=str(spec.get("type", "str")),
        elements=str(spec.get("elements", "str")),
        choices=tuple(spec.get("choices") or ()),
        default=defaults.get(variable),
        description=(description,) if isinstance(description, str) else tuple(str(part) for part in description),
        required=bool(spec.get("required", False)),
        limits=limits,
    )


def _mapping(source: Path) -> dict[str, Any]:
    try:
        data = yaml.load(source.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe loaders
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunbookError(f"Reading {source}: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise RunbookError(f"Reading {source}: it is not a mapping")
    return data
