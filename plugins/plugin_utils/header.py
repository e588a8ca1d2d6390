# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""From a play to the runbook it belongs to, and the runbook's header ``roles/<incident>/meta/runbook.yml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # seven times faster where libyaml is there
_ROLE = re.compile(r"[a-z][a-z0-9_]*")
_VERSION = re.compile(r"^version:\s*[\"']?([^\s\"']+)", re.MULTILINE)


@dataclass(frozen=True)
class Header:
    """What the journal needs of a runbook's header.

    Attributes:
        incident: ``type``, ``title``, ``severity``, ``priority`` and ``impact``.
        sla_target_s: seconds until the incident is to be resolved.
        role: the role's name.
        limits: what inputs of the role may be beyond their types, by variable.
    """

    incident: Mapping[str, str]
    sla_target_s: int
    role: str = ""
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


# The playbook doctor.yml is no runbook: it looks at what all of them need, and there is nothing to resolve
DOCTOR = Header(
    {"type": "doctor", "title": "Doctor", "severity": "low", "priority": "P4", "impact": "none"}, sla_target_s=60
)


def find_header(root: Path, playbook: str) -> Header | None:
    """Return the header of the runbook that a playbook file belongs to; ``None`` where it is no runbook.

    A playbook belongs to the incident type that it is named after: ``pool_exhaustion.yml``.

    Args:
        root: the collection's directory.
        playbook: the file that the play was read from.

    Raises:
        IncidentsError: there is a header, but it cannot be read.
    """
    role = Path(playbook).stem
    source = root / "roles" / role / "meta" / "runbook.yml"
    if not _ROLE.fullmatch(role) or not source.is_file():
        return None
    try:
        data = yaml.load(source.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - both are safe loaders
        incident = {key: str(data[key]) for key in ("title", "severity", "priority", "impact")}
        kind = {"type": role.replace("_", "-")}
        return Header(kind | incident, int(data["sla_target_s"]), role, dict(data.get("inputs") or {}))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        cause = " ".join(str(error).split())
        raise IncidentsError(f"Reading the runbook header {source}: {type(error).__name__} {cause}") from error


def collection_version(root: Path) -> str:
    """Return the version of the collection, from ``galaxy.yml`` or, as Galaxy installs it, ``MANIFEST.json``."""
    for name, pattern in (("galaxy.yml", _VERSION), ("MANIFEST.json", re.compile(r'"version":\s*"([^"]+)"'))):
        try:
            match = pattern.search((root / name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            continue
        if match:
            return match[1]
    return "unknown"
