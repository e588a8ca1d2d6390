# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The edge of every module: one declaration, run as an ordinary module or in process with equal results.

A module declares a :class:`ModuleSpec`; ``main()`` hands it to :func:`run_as_module`, the action plugin of
the same name hands it to ``plugin_utils/in_process.py``. Both come through :func:`conclude`, so results,
errors and censoring of secrets are the same either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain


def _no_secrets(_params: Mapping[str, Any]) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class ModuleSpec:
    """What a module is: its work, its options and its secrets.

    Attributes:
        run: the work, ``run(params, check_mode) -> result``; raises :class:`IncidentsError`.
        argument_spec: Ansible's argument spec.
        constraints: ``mutually_exclusive``, ``required_if`` and the like, by keyword.
        secrets: secret values inside the parameters that ``no_log`` cannot know, such as the password in
            a connection string.
    """

    run: Callable[[dict[str, Any], bool], dict[str, Any]]
    argument_spec: dict[str, dict[str, Any]]
    constraints: Mapping[str, Any] = field(default_factory=dict)
    secrets: Callable[[Mapping[str, Any]], Iterable[str]] = _no_secrets


def conclude(spec: ModuleSpec, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Do the work and return the plain result; a failure is ``failed`` and ``msg``, never a traceback."""
    try:
        result = spec.run(params, check_mode)
    except IncidentsError as error:
        result = {**error.details, "failed": True, "msg": error.message}
    result.setdefault("changed", False)
    plain: dict[str, Any] = to_plain(result)
    return plain


def censor(result: dict[str, Any], secrets: Iterable[str]) -> dict[str, Any]:
    """Remove every secret value from a result, as Ansible does for ``no_log`` parameters."""
    censored: dict[str, Any] = remove_values(result, {str(secret) for secret in secrets if secret})
    return censored


class _Module(AnsibleModule):  # type: ignore[misc]  # ansible-core ships no types
    """An Ansible module that also knows the secrets inside its parameters, even when they do not validate."""

    def __init__(self, spec: ModuleSpec) -> None:
        self._secrets = spec.secrets
        super().__init__(argument_spec=spec.argument_spec, supports_check_mode=True, **spec.constraints)

    def _return_formatted(self, kwargs: dict[str, Any]) -> None:
        self.no_log_values.update(str(secret) for secret in self._secrets(self.params) if secret)
        super()._return_formatted(kwargs)


def run_as_module(spec: ModuleSpec) -> NoReturn:
    """The body of every ``main()``."""
    module = _Module(spec)
    result = conclude(spec, module.params, module.check_mode)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
    raise AssertionError("exit_json returned")  # unreachable; ansible-core ships no types that say so
