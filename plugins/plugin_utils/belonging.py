# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Which runbook a play belongs to, in which mode it runs, and which incident it continues.

A playbook that is named after an incident type is that type's runbook. The playbooks that all types share,
``rollback.yml`` and the like, belong to the incident that they are told. ``doctor.yml`` belongs to none, and is
recorded only for a wrapper that says where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.header import DOCTOR, Header, find_header
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction_variables import resolve

SHARED = {"rollback": "rollback", "post_incident": "report", "notify": "report"}
MODES = ("diagnose", "remediate")
ACTING = frozenset({"remediate", "rollback"})


class NoIncidentError(IncidentsError):
    """The incident that a run is to continue was not named, or is not there."""


@dataclass(frozen=True)
class Belonging:
    """What a play belongs to.

    Attributes:
        header: of the runbook.
        mode: ``diagnose``, ``remediate``, ``rollback`` or ``report``.
        incident: the incident to continue; ``None`` opens a new one.
        environment: the variable ``runbook_environment``; ``None`` where the inventory does not say.
        detected_at: the variable ``runbook_detected_at``, the time of the alert as it was given.
    """

    header: Header
    mode: str
    incident: str | None
    environment: str | None = None
    detected_at: str | None = None


def belonging_of(root: Path, play: Any, given: str | None, base: Path | None) -> Belonging | None:
    """Return what a play belongs to; ``None`` where it is no runbook's.

    Args:
        root: the collection's directory.
        play: the play, as callbacks get it.
        given: RUNBOOK_INCIDENT, if it is set.
        base: the state directory; default is the platform's place for state.

    Raises:
        NoIncidentError: a shared playbook is not told an incident, or is told one that is not there.
        IncidentsError: the runbook's header cannot be read, or the incident is of another type.
    """
    playbook = str(play.get_path()).rpartition(":")[0]
    if _is_ours(root, playbook) and Path(playbook).stem == DOCTOR.incident["type"]:
        wanted = given and incidents.type_of(given) == DOCTOR.incident["type"]
        return Belonging(DOCTOR, MODES[0], given) if wanted else None
    shared = _shared_mode(root, playbook)
    header = None if shared else find_header(root, playbook)
    if shared is None and header is None:
        return None
    variables = play.get_variable_manager().get_vars(play=play)
    environment = _environment(variables, play)
    if shared or header is None:
        incident = str(resolve(variables, "incident", play) or given or "")
        return Belonging(_header_of(root, playbook, incident, base), str(shared), incident, environment)
    kind = header.incident["type"]
    if given and incidents.type_of(given) != kind:
        raise IncidentsError(f"Continuing the incident {given}: it is none of the type {kind}; unset RUNBOOK_INCIDENT")
    mode = resolve(variables, "runbook_mode", play)
    detected_at = resolve(variables, "runbook_detected_at", play)
    alert = str(detected_at) if detected_at else None
    return Belonging(header, mode if mode in MODES else MODES[0], given, environment, alert)


def _shared_mode(root: Path, playbook: str) -> str | None:
    """The mode of a shared playbook."""
    mode = SHARED.get(Path(playbook).stem)
    return mode if mode and _is_ours(root, playbook) else None


def _is_ours(root: Path, playbook: str) -> bool:
    """Whether it is one of this collection; anybody may have a playbook of the same name."""
    return Path(playbook).resolve().parent == (root / "playbooks").resolve()


def _header_of(root: Path, playbook: str, incident: str, base: Path | None) -> Header:
    attempt = f"Running {Path(playbook).name} for "
    if not incident:
        raise NoIncidentError(f"{attempt}an incident: none was named; set -e incident=ID, or RUNBOOK_INCIDENT")
    try:
        path = incidents.incident_dir(incident, base)
    except IncidentsError as error:
        raise NoIncidentError(error.message) from None
    if not path.is_dir():
        raise NoIncidentError(f"{attempt}the incident {incident}: there is none in {path.parent}; check RUNBOOK_HOME")
    kind = incidents.type_of(incident)
    header = find_header(root, f"{kind.replace('-', '_')}.yml")
    if header is None:
        raise NoIncidentError(f"{attempt}the incident {incident}: this collection has no runbook of the type {kind}")
    return header


def _environment(variables: Mapping[str, Any], play: Any) -> str | None:
    """The inventory says it of all hosts, so of localhost too; what the play says itself wins."""
    hostvars = variables.get("hostvars")
    local = hostvars.raw_get("localhost") if hostvars is not None else {}
    known = {**(local if isinstance(local, Mapping) else {}), **variables}
    environment = resolve(known, "runbook_environment", play)
    return str(environment) if environment else None
