# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The way of a module that changes one object with one patch: note the plan, send it, tell how that ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report, may_have_happened

Note = Callable[[str, str], None]


class Plan(Protocol):
    """What is to be done, as ``make_plan`` of a module decides it."""

    @property
    def status(self) -> str:
        """``planned``, ``nothing_to_do`` or ``refused``."""

    @property
    def reason(self) -> str:
        """Why, in one sentence."""

    @property
    def word(self) -> str | None:
        """A stable word for what is not planned."""

    @property
    def targets(self) -> Sequence[dict[str, Any]]:
        """What is touched."""

    @property
    def caveats(self) -> Sequence[str]:
        """What a person should know before."""


def may_act(report: Report, plan: Plan, note: Note, *, check_mode: bool) -> bool:
    """Note a plan in the report; return whether it is to be done now.

    Args:
        note: takes what became of the object, and why.
    """
    report.targets, report.caveats = list(plan.targets), list(plan.caveats)
    if plan.status != "planned":
        report.end(plan.status, plan.reason, plan.word)
        note("not_attempted", plan.reason)
        return False
    if check_mode:
        report.changed = True
        report.end("planned", plan.reason)
        note("would_change", plan.reason)
        return False
    return True


def send_patch(
    cluster: Cluster, path: str, patch: Mapping[str, Any] | None, kind: str, label: str, report: Report, note: Note
) -> bool:
    """Send a patch that carries a ``resourceVersion``; return whether the server took it. A conflict changes nothing.

    Args:
        kind: of the patch, as :meth:`Cluster.patch` takes it.
        label: how texts call the object.
        note: takes what became of the object, and why.

    Raises:
        KubernetesError: it was refused, or no answer came; the report tells them apart.
    """
    try:
        cluster.patch(path, patch, kind)
    except KubernetesError as error:
        if error.failure.cause == "conflict":
            reason = f"{label} was changed while it was looked at; look again and make a new plan"
            report.end("refused", reason, "plan_changed")
            note("not_attempted", error.failure.text)
            return False
        report.changed = may_have_happened(error.failure.cause, error.failure.status)
        report.end("unknown" if report.changed else "failed", error.message)
        note("unknown" if report.changed else "not_attempted", error.failure.text)
        raise
    report.changed = True
    return True
