# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What the recording action plugins (finding, plan, remediation, verification, follow_ups) have in common."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339, to_plain


class RecordingAction(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Base of actions that put a record into the journal: no connection, no change, plain results.

    A subclass declares :attr:`argument_spec`, :attr:`lazy` (arguments that it templates itself) and
    implements :meth:`record`.
    """

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    argument_spec: dict[str, dict[str, Any]]
    lazy: frozenset[str] = frozenset()

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        """Leave :attr:`lazy` arguments untouched; ansible.builtin.assert does the same with ``that``."""
        return value if name in cls.lazy else super().finalize_task_arg(name, value, templar, context)

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Validate the arguments and return what :meth:`record` says, as plain data."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=self.argument_spec)
        try:
            said = self.record(arguments, task_vars or {})
        except IncidentsError as error:
            said = {**error.details, "failed": True, "msg": error.message}
        result.update(to_plain(said))
        return result

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the task's result: ``record`` or ``records`` for the journal, ``ansible_facts`` for later tasks."""
        raise NotImplementedError


def run_id() -> str:
    """The id of this run, as the journal callback publishes it; empty where nothing records."""
    return os.environ.get("RUNBOOK_RUN_ID", "")


def is_recorded() -> bool:
    """Whether the controller that forked this worker records the run.

    The callback publishes the controller's process id; what a shell exports is nobody's parent.
    """
    return os.environ.get("RUNBOOK_RECORDER") == str(os.getppid())


def now() -> str:
    """The present instant, RFC 3339 in UTC."""
    return rfc3339(dt.datetime.now(dt.UTC))


def remembered(host_vars: Any, name: str) -> list[dict[str, Any]]:
    """Return the items of a list fact that this run has set (a fact cache may hold those of earlier runs)."""
    facts = host_vars.get("ansible_facts") or {}
    return [dict(item) for item in facts.get(name) or [] if item.get("run_id") == run_id()]
