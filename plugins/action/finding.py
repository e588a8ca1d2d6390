# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge what a check returned by first-match rules and record the finding."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleError

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    now,
    remembered,
    run_id,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.rules import RuleSet, all_hold

# Ansible's own words in front of why the arguments of a task could not be had
WRAPPING = re.compile(
    r"^(Task failed: )?(Finalization of task args for '[^']*' failed: )?"
    r"(Error while resolving value for '(?P<option>\w+)': )?"
)

FINDING = RuleSet(
    statuses=frozenset({"ok", "degraded", "down", "unknown", "skipped"}),
    keys=frozenset({"status", "cause", "summary", "recommend", "next_step"}),
    unknown="unknown",
    default="ok",
)


_ONE: dict[str, dict[str, Any]] = {
    "check": {"type": "str", "required": True},
    "component": {"type": "str"},
    "required": {"type": "bool", "default": True},
    "rules": {"type": "raw", "default": []},
    "otherwise": {"type": "raw", "default": "nothing to report"},
    "error": {"type": "str"},
    "data": {"type": "dict", "default": {}},
}


class ActionModule(RecordingAction):
    """See the documentation of the module ``finding``."""

    lazy = frozenset({"rules", "otherwise", "findings"})
    argument_spec = {  # noqa: RUF012 - read only
        **_ONE,
        "check": {"type": "str"},
        "findings": {"type": "raw"},
        "more": {"type": "str"},
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Judge, and hand what was found to the journal and to the plan."""
        several, more = arguments.pop("findings"), arguments.pop("more")
        if (several is None) == (arguments["check"] is None):
            raise IncidentsError("Judging: either check or findings is needed")
        given = [arguments] if several is None else several
        if not isinstance(given, list):
            raise IncidentsError("Reading findings: it is no list")
        if more and several is not None:
            given = [*given, *self._named(more)]
        host = task_vars["inventory_hostname"]
        if several is None:
            found = [self._finding(self._templar, arguments, host)]
            recorded: dict[str, Any] = {"record": {"type": "finding", "data": found[0]}}
        else:
            found = [one for number, each in enumerate(given, start=1) if (one := self._one_of(number, each, host))]
            recorded = {"records": [{"type": "finding", "data": each} for each in found]}
        own = run_id()
        facts = [*remembered(task_vars, "runbook_findings"), *({**each, "run_id": own} for each in found)]
        return {**recorded, "ansible_facts": {"runbook_findings": facts}}

    def _named(self, name: str) -> list[Any]:
        """Return the findings of a variable as they are written, not templated; none where it is not set."""
        found = self._templar.available_variables.get(name, [])
        if not isinstance(found, list):
            raise IncidentsError(f"Reading findings of {name}: it is no list")
        return found

    def _finding(self, templar: Any, given: dict[str, Any], host: str, cannot: str | None = None) -> dict[str, Any]:
        if cannot is not None:
            said = {"status": "unknown", "cause": "rule_error", "summary": cannot}
        elif given["error"] is not None:
            said = {"status": "unknown", "cause": "check_failed", "summary": _reason(given["error"])}
        else:
            said = FINDING.judge(templar, given["rules"], given["otherwise"])
        return {
            "check": given["check"],
            "component": given["component"] or host,
            "required": given["required"],
            "cause": None,
            "recommend": [],
            **said,
            "data": given["data"],
            "at": now(),
        }

    def _one_of(self, number: int, given: Any, host: str) -> dict[str, Any] | None:
        """Judge one of several, with its own variables; ``None`` where its ``when`` does not hold.

        What cannot be evaluated makes this one unknown, and no other.
        """
        if not isinstance(given, Mapping) or not given.get("check"):
            raise IncidentsError(f"Reading finding {number}: it needs check")
        if strange := sorted(set(given) - set(_ONE) - {"vars", "when"}):
            raise IncidentsError(f"Reading finding {number}: unknown key {strange[0]!r}")
        own = {**self._templar.available_variables, **(given.get("vars") or {})}
        templar = self._templar.copy_with_new_env(available_variables=own)
        read = {name: option.get("default") for name, option in _ONE.items()}
        read |= {name: given[name] for name in ("rules", "otherwise") if name in given}
        name = "when"
        try:
            if not all_hold(templar, given.get("when", True)):
                return None
            for name in ("check", "component", "required", "error", "data"):
                if name in given:
                    read[name] = to_plain(templar.template(given[name]))
        except AnsibleError as error:
            read |= {"check": str(read["check"] or given["check"]), "data": {}}
            return self._finding(templar, read, host, f"{name} could not be evaluated: {error}")
        return self._finding(templar, read, host)


def _reason(error: str) -> str:
    wrapping = WRAPPING.match(error)
    if not wrapping:
        return error
    option = f"{wrapping['option']}: " if wrapping["option"] else ""
    return option + error[wrapping.end() :]
