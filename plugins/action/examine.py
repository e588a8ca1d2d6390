# SPDX-License-Identifier: GPL-3.0-or-later
"""Run several modules of this collection that only look, in one worker."""

from __future__ import annotations

import contextvars
import copy
import importlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (
    auth_keepsake,  # noqa: F401 - makes the run's key before its workers are forked
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_steps import COLLECTION, may_examine
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.rules import all_hold

_ACTIONS = "ansible_collections.brandconnect.incidents.plugins.action."
_KEYS = frozenset({"as", "beside", "module", "args", "when", "vars"})
_MOST_BESIDE = 8

Json = dict[str, Any]


class ActionModule(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """See the documentation of the module ``examine``."""

    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    argument_spec = {"reads": {"type": "raw", "required": True}}  # noqa: RUF012 - read only

    @classmethod
    def finalize_task_arg(cls, name: str, value: Any, templar: Any, context: Any) -> Any:
        """Leave the entries untouched: each is templated when it is its turn."""
        return value if name == "reads" else super().finalize_task_arg(name, value, templar, context)

    def run(self, tmp: Any = None, task_vars: Json | None = None) -> Json:
        """Read one after the other, but for those that are read beside the next ones."""
        result: Json = super().run(tmp, task_vars)
        _, arguments = self.validate_argument_spec(argument_spec=self.argument_spec)
        found: Json = {}
        try:
            with ThreadPoolExecutor(_MOST_BESIDE) as threads:
                failed = self._read_all(_entries(arguments["reads"]), found, task_vars or {}, threads)
        except IncidentsError as error:
            return {**result, "failed": True, "msg": error.message}
        if failed:
            return {**result, **failed, "found": found}
        return {**result, "changed": False, "found": found}

    def _read_all(
        self, entries: list[Mapping[str, Any]], found: Json, task_vars: Json, threads: ThreadPoolExecutor
    ) -> Json:
        """Note in *found* what was read; return what the first said that failed, or nothing."""
        waiting: list[tuple[Mapping[str, Any], Future[Json]]] = []
        for number, entry in enumerate(entries, start=1):
            read = self._prepared(number, entry, found, task_vars)
            if entry.get("beside") and not any(self._task.environment or []):  # that is one for the whole process
                waiting.append((entry, threads.submit(contextvars.copy_context().run, read)))
            elif failed := _note(entry, read(), found):
                return failed
        return next((failed for entry, said in waiting if (failed := _note(entry, said.result(), found))), {})

    def _prepared(self, number: int, entry: Mapping[str, Any], found: Json, task_vars: Json) -> Callable[[], Json]:
        """What reads an entry; its condition and its arguments are those of now."""
        own = {**self._templar.available_variables, **(entry.get("vars") or {}), "found": found}
        templar = self._templar.copy_with_new_env(available_variables=own)
        try:
            if not all_hold(templar, entry.get("when", True)):
                return dict
            given = templar.template(entry.get("args") or {})
        except AnsibleError as error:
            raise IncidentsError(f"Reading {entry['as']}, entry {number}: {error}") from error
        action = self._action(str(entry["module"]), given)
        return lambda: dict(action.run(task_vars=task_vars))

    def _action(self, module: str, given: Json) -> Any:
        """The module's own action, as if a task of its own called it; loaded here, in the worker that needs it."""
        task = copy.copy(self._task)
        task.args = given
        task.action = task._resolved_action = COLLECTION + module  # noqa: SLF001 - what an error of its options names
        return importlib.import_module(_ACTIONS + module).ActionModule(
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )


def _note(entry: Mapping[str, Any], said: Json, found: Json) -> Json:
    """Note what an entry said; return why it failed, or nothing."""
    said = {name: value for name, value in said.items() if name not in ("invocation", "changed")}
    if said.get("failed"):
        told = f"Reading {entry['as']} by {entry['module']}: {said.get('msg') or 'it failed without a reason'}"
        return {**said, "msg": told}
    found[entry["as"]] = said
    return {}


def _entries(given: Any) -> list[Mapping[str, Any]]:
    """The entries, each of which names a module that only looks or probes.

    Raises:
        IncidentsError: one does not, or has keys that nobody reads.
    """
    if not isinstance(given, list):
        raise IncidentsError("Reading what is to be examined: reads is no list")
    for number, entry in enumerate(given, start=1):
        where = f"Reading what is to be examined, entry {number}"
        if not isinstance(entry, Mapping) or not entry.get("as") or not entry.get("module"):
            raise IncidentsError(f"{where}: it needs as and module")
        if strange := sorted(set(entry) - _KEYS):
            raise IncidentsError(f"{where}: unknown key {strange[0]!r}; known are {', '.join(sorted(_KEYS))}")
        if not isinstance(entry.get("beside", False), bool):
            raise IncidentsError(f"{where}: beside is neither true nor false")
        if not may_examine(str(entry["module"])):
            raise IncidentsError(f"{where}: {entry['module']} is no module of this collection that only looks")
    return given
