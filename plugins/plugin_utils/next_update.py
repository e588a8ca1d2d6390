# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""When those who were told about an incident should hear of it again. Pure.

========  =====================================================================
P0        15 minutes
P1        30 minutes, or half of the SLA if that is shorter; at least 5 minutes
P2        60 minutes
P3, P4    4 hours
========  =====================================================================

A runbook's header may say otherwise (``update_every_s``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import parse_instant

Json = dict[str, Any]

_MINUTE_S = 60
_INTERVALS_S = {"P0": 15 * _MINUTE_S, "P1": 30 * _MINUTE_S, "P2": 60 * _MINUTE_S}
_DEFAULT_S = 4 * 60 * _MINUTE_S
_SHORTEST_S = 5 * _MINUTE_S
_TOLD_BY = frozenset({"slack", "statuspage"})
_NOT_TOLD = frozenset({"not_configured", "superseded"})


def interval_s(priority: str | None, sla_target_s: float | None = None, update_every_s: int | None = None) -> int:
    """Return the seconds between two updates.

    Args:
        priority: ``P0`` to ``P4``; an unknown one is taken for P3.
        sla_target_s: seconds until the incident is to be resolved.
        update_every_s: what the header says; it has the last word.
    """
    if update_every_s:
        return update_every_s
    interval = _INTERVALS_S.get(priority or "", _DEFAULT_S)
    if priority == "P1" and sla_target_s is not None:
        interval = min(interval, max(_SHORTEST_S, int(sla_target_s // 2)))
    return interval


def next_update(
    header: Mapping[str, Any], messages: Sequence[Mapping[str, Any]], opened_at: str | None, now: dt.datetime
) -> Json | None:
    """Return when the next update is due; ``None`` once the incident is resolved, and where nobody was to be told.

    Args:
        header: ``priority``, ``sla_target_s`` and ``update_every_s`` of the runbook.
        messages: those of the outbox.
        opened_at: when the incident began, RFC 3339; counts until something was sent.
        now: the present instant, with a time zone.

    Returns:
        ``interval_s``, ``last_update_at`` (``None`` where nothing was sent), ``due_at``, ``overdue`` and
        ``overdue_s`` (0 where it is not).
    """
    messages = [item for item in messages if item["channel"] in _TOLD_BY and item["state"] not in _NOT_TOLD]
    if not messages or _is_over(messages):
        return None
    told = (item for item in messages if item["state"] == "sent" and item["sent_at"])
    last = max((item["sent_at"] for item in told), default=None)
    start = parse_instant(last) or parse_instant(opened_at) or parse_instant(messages[0]["created_at"])
    if start is None:
        return None
    interval = interval_s(header.get("priority"), header.get("sla_target_s"), header.get("update_every_s"))
    due = start + dt.timedelta(seconds=interval)
    late = max(0, int((now - due).total_seconds()))
    return {
        "interval_s": interval,
        "last_update_at": last,
        "due_at": rfc3339(due),
        "overdue": now > due,
        "overdue_s": late,
    }


def _is_over(messages: Sequence[Mapping[str, Any]]) -> bool:
    last = max(item["round"] for item in messages)
    return any(item["stage"] == "resolved" and item["round"] == last and item["state"] == "sent" for item in messages)
