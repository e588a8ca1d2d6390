# SPDX-License-Identifier: GPL-3.0-or-later
"""Record what persons state about an incident."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import parse_instant
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_follow_ups import (
    DONE,
    DUE,
    OWNER,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import RecordingAction, now

TEXTS = ("root_cause", "impact_users", "impact_data", "impact_revenue")
TIMES = ("started_at", "detected_at", "acknowledged_at", "mitigated_at", "resolved_at")


class ActionModule(RecordingAction):
    """See the documentation of the module ``note``."""

    argument_spec = {  # noqa: RUF012 - read only
        **{name: {"type": "str"} for name in (*TEXTS, *TIMES)},
        "lessons": {"type": "list", "elements": "str", "default": []},
        "owners": {"type": "dict", "default": {}},
        "due": {"type": "dict", "default": {}},
        "done": {"type": "list", "elements": "str", "default": []},
        "by": {"type": "str"},
    }

    def record(self, arguments: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - contract
        """Hand every statement to the journal; what was left out states nothing."""
        by = arguments["by"] or os.environ.get("RUNBOOK_OPERATOR") or _login()
        at = now()
        notes = [{"key": key, "value": value, "by": by, "at": at} for key, value in _statements(arguments)]
        return {"records": [{"type": "note", "data": note} for note in notes], "notes": notes}


def _statements(arguments: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, arguments[name].strip()) for name in TEXTS if (arguments[name] or "").strip())
    yield from ((name, _instant(name, arguments[name])) for name in TIMES if arguments[name])
    yield from (("lesson", lesson) for lesson in arguments["lessons"] if lesson.strip())
    for prefix, stated in ((OWNER, arguments["owners"]), (DUE, arguments["due"])):
        yield from ((f"{prefix}{title}", str(value)) for title, value in stated.items() if value)
    yield from ((f"{DONE}{title}", True) for title in arguments["done"])


def _instant(name: str, value: str) -> str:
    instant = parse_instant(value)
    if instant is None:
        raise IncidentsError(
            f"Stating {name}: {value!r} is no RFC 3339 time with a time zone, such as 2026-11-23T23:14:55Z"
        )
    return rfc3339(instant)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return f"uid {os.getuid()}"
