# SPDX-License-Identifier: GPL-3.0-or-later
"""What to run, and where it is recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import FILE_NAME
from incident_runbooks import collection
from incident_runbooks.catalogue import IncidentType


@dataclass(frozen=True)
class RunRequest:
    """What to run.

    Attributes:
        inventory: absolute paths or host lists.
        extra_vars: the role's inputs that the operator really gave; never a secret.
        mode: ``diagnose`` or ``remediate``.
        approved: remediation ids.
        timeout_s: seconds for everything.
        incident_id: the incident to continue; ``None`` opens a new one.
        verbosity: from 1 on, errors say more.
        on_event: gets each record of the run as it is written to the journal.
        playbook: another playbook than the incident type's, by FQCN or path.
    """

    incident_type: IncidentType
    inventory: Sequence[str]
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "diagnose"
    approved: Sequence[str] = ()
    check_mode: bool = False
    timeout_s: float = 1800.0
    incident_id: str | None = None
    verbosity: int = 0
    on_event: Callable[[Mapping[str, Any]], None] | None = None
    playbook: str | None = None

    @property
    def playbook_name(self) -> str:
        """The playbook that runs."""
        return self.playbook or collection.playbook(self.incident_type.role)


@dataclass(frozen=True)
class Case:
    """A run's place among the incidents.

    Attributes:
        home: RUNBOOK_HOME.
        path: the incident's directory.
    """

    home: Path
    incident_id: str
    path: Path
    run_id: str

    @property
    def journal(self) -> Path:
        """The incident's journal."""
        return self.path / FILE_NAME
