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
class Approvals:
    """What comes with the ids that were approved.

    Attributes:
        plan_digest: of the plan that was approved, whole or its beginning.
        second_approver: who approved as well.
        reason: why.
        file: an approval file, absolute.
        source: ``options``, or ``prompt`` where the plan was shown and the operator asked.
    """

    plan_digest: str | None = None
    second_approver: str | None = None
    reason: str | None = None
    file: str | None = None
    source: str = "options"


@dataclass(frozen=True)
class RunRequest:
    """What to run.

    Attributes:
        inventory: absolute paths or host lists.
        extra_vars: the inputs that the operator really gave, never a secret; Ansible takes their texts literally.
        mode: ``diagnose`` or ``remediate``.
        approved: remediation ids.
        approvals: what comes with them.
        take_over: take the incident over from a run that holds it and is gone.
        notify: tell people; a diagnosis never does.
        eta: what people may be told about when it is over.
        detected_at: when it was noticed, RFC 3339.
        timeout_s: seconds for everything; ``None`` for as long as the incident type needs.
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
    approvals: Approvals = Approvals()
    take_over: bool = False
    notify: bool = True
    eta: str | None = None
    detected_at: str | None = None
    check_mode: bool = False
    timeout_s: float | None = None
    incident_id: str | None = None
    verbosity: int = 0
    on_event: Callable[[Mapping[str, Any]], None] | None = None
    playbook: str | None = None

    @property
    def playbook_name(self) -> str:
        """The playbook that runs."""
        return self.playbook or collection.playbook(self.incident_type.role)

    @property
    def limit_s(self) -> float:
        """Seconds for everything."""
        if self.timeout_s is not None:
            return self.timeout_s
        return self.incident_type.timeout_s(acting=self.mode in ("remediate", "rollback"))

    @property
    def variables(self) -> dict[str, Any]:
        """The extra vars of the play; what was not given is left out, so that the inventory may say it."""
        texts = {
            "runbook_plan_digest": self.approvals.plan_digest,
            "runbook_second_approver": self.approvals.second_approver,
            "runbook_reason": self.approvals.reason,
            "runbook_approval": self.approvals.file,
            "runbook_eta": self.eta,
            "runbook_detected_at": self.detected_at,
        }
        return {
            **{name: _untemplated(value) for name, value in self.extra_vars.items()},
            "runbook_mode": self.mode,
            "approved": list(self.approved),
            **{name: _untemplated(text) for name, text in texts.items() if text is not None},
            **({"runbook_approval_source": self.approvals.source} if self.approvals.source != "options" else {}),
            **({"runbook_take_over": True} if self.take_over else {}),
            **({} if self.notify else {"runbook_notify": False}),
        }


def _untemplated(value: Any) -> Any:
    """Return *value* so that Ansible takes each text in it literally: braces that a person typed are no template."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if isinstance(value, Mapping):
        return {key: _untemplated(item) for key, item in value.items()}
    return [_untemplated(item) for item in value] if isinstance(value, (list, tuple)) else value


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
