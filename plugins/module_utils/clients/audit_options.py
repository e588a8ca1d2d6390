# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The options that the modules of the audit trail share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.audit_window import (
    EXPORT_ACTIONS,
    FAILED_LOGIN_ACTIONS,
    READ_ACTIONS,
    actions,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def common_spec() -> dict[str, dict[str, Any]]:
    """The connection, the time, the table and the actions."""
    return {
        **postgres_argument_spec(),
        "since": {"type": "str", "required": True},
        "until": {"type": "str", "required": True},
        "schema": {"type": "str", "default": "public"},
        "table": {"type": "str", "default": "audit_logs"},
        "actions": {"type": "list", "elements": "str", "default": READ_ACTIONS},
        "export_actions": {"type": "list", "elements": "str", "default": EXPORT_ACTIONS},
        "failed_login_actions": {"type": "list", "elements": "str", "default": FAILED_LOGIN_ACTIONS},
        "trusted_cidrs": {"type": "list", "elements": "str", "default": []},
        "baseline_weeks": {"type": "int", "default": 4},
    }


def action_options(attempted: str, params: Mapping[str, Any]) -> dict[str, list[str]]:
    """Read the lists of actions.

    Raises:
        IncidentsError: one of them is empty or holds a pattern.
    """
    return {
        name: actions(attempted, name, params[name]) for name in ("actions", "export_actions", "failed_login_actions")
    }


def bounded(attempted: str, params: Mapping[str, Any], bounds: Mapping[str, tuple[float, float]]) -> None:
    """Check numbers.

    Raises:
        IncidentsError: one of them is out of its bounds.
    """
    for option, (least, most) in bounds.items():
        if not least <= params[option] <= most:
            raise IncidentsError(f"{attempted}: {option} must be between {least} and {most}, not {params[option]}")
