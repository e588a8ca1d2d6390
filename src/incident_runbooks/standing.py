# SPDX-License-Identifier: GPL-3.0-or-later
"""How an incident stands at this moment: when the next update is due, and when report and post-mortem are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.next_update import next_update
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox import DIRECTORY, Outbox
from incident_runbooks import catalogue
from incident_runbooks.errors import RunbookError

Json = dict[str, Any]


def next_update_of(
    directory: Path, incident: Mapping[str, Any], sla_target_s: float | None, opened_at: str | None, now: dt.datetime
) -> Json | None:
    """Return when those who were told should hear again, as :func:`next_update` says it; ``None`` for never.

    An outbox that cannot be read says nothing here; ``runbook verify`` says what is wrong with it.

    Args:
        directory: the incident's directory.
        incident: its ``type`` and ``priority``.
        opened_at: when it began, RFC 3339.
    """
    if not (directory / DIRECTORY).is_dir():
        return None
    try:
        messages = Outbox(directory).messages()
    except IncidentsError:
        return None
    header = {"priority": incident.get("priority"), "sla_target_s": sla_target_s}
    return next_update({**header, "update_every_s": _update_every_s(incident.get("type"))}, messages, opened_at, now)


def _update_every_s(kind: Any) -> int | None:
    try:
        return catalogue.get(str(kind)).update_every_s
    except RunbookError:  # a type of an earlier version
        return None
