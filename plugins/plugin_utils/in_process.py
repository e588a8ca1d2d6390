# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Run a module of this collection inside the Ansible worker instead of a new interpreter.

A worker is forked from a process that has imported the module already (Ansible loads action plugins before
it forks), so a check costs a fork instead of packing, a new interpreter and all imports.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible import constants
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, censor, conclude
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import Connection, settings


class InProcessAction(ActionBase):  # type: ignore[misc]  # ansible-core ships no types
    """Base of the action plugins; a subclass names its module's :class:`ModuleSpec`.

    One whose module logs in somewhere names the :class:`Connection` that the inventory may describe, or several.
    """

    _supports_check_mode = True
    _supports_async = True

    spec: ModuleSpec
    system: Connection | tuple[Connection, ...] = ()

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run in process where that equals running the module; otherwise run the ordinary module."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        try:
            arguments = self._arguments(task_vars or {})
        except IncidentsError as error:
            return {**result, "failed": True, "msg": error.message}
        if self._must_leave_the_process():
            wrap_async = self._task.async_val and not self._connection.has_native_async
            result.update(self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=wrap_async))
            return result
        with self._task_environment():
            result.update(self._run_here(arguments, task_vars))
        return result

    def _arguments(self, task_vars: dict[str, Any]) -> dict[str, Any]:
        """The task's arguments, and where the module logs in, what the inventory says of that."""
        given = dict(self._task.args)
        found: dict[str, Any] = {}
        for system in (self.system,) if isinstance(self.system, Connection) else self.system:
            found |= settings(system, given, task_vars, self.spec.argument_spec)
        return {**found, **given}

    def _must_leave_the_process(self) -> bool:
        return bool(self._connection.transport != "local" or self._connection.become or self._task.async_val)

    @contextmanager
    def _task_environment(self) -> Iterator[None]:
        """Apply the ``environment`` keyword, which an ordinary module would get from its shell."""
        wanted: dict[str, Any] = {}
        self._compute_environment_string(wanted)
        if not wanted:  # then others may run beside it
            yield
            return
        before = dict(os.environ)
        os.environ.update({name: str(value) for name, value in wanted.items()})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def _run_here(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        validation = ArgumentSpecValidator(self.spec.argument_spec, **self.spec.constraints).validate(arguments)
        params: dict[str, Any] = validation.validated_parameters
        secrets = set(validation._no_log_values)  # noqa: SLF001 - AnsibleModule reads it the same way
        secrets.update(self.spec.secrets(params))
        if validation.errors.errors:
            result: dict[str, Any] = {"failed": True, "msg": self._explain(validation.errors)}
        else:
            result = _with_lines(conclude(self.spec, params, bool(self._task.check_mode)))
        if self._shows_invocation(task_vars):
            result.setdefault("invocation", {"module_args": params})
        return censor(result, secrets)

    def _shows_invocation(self, task_vars: dict[str, Any] | None) -> bool:
        """Whether results carry the module's arguments: always up to ansible-core 2.20, then as configured."""
        if not hasattr(constants, "INJECT_INVOCATION"):
            return True
        return bool(constants.config.get_config_value("INJECT_INVOCATION", variables=task_vars or {}))

    def _explain(self, errors: Any) -> str:
        message = str(errors.msg)
        if isinstance(errors[0], UnsupportedError):
            return f"Unsupported parameters for ({self._task.resolved_action}) module: {message}"
        return message


def _with_lines(result: dict[str, Any]) -> dict[str, Any]:
    """Add output split into lines, as Ansible does for an ordinary module."""
    lines = {f"{name}_lines": (result[name] or "").splitlines() for name in ("stdout", "stderr") if name in result}
    return {**lines, **result}
