# SPDX-License-Identifier: GPL-3.0-or-later
"""When the next update is due."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.next_update import interval_s, next_update

Json = dict[str, Any]
OPENED = "2026-11-23T23:00:00.000000Z"
HEADER = {"priority": "P1", "sla_target_s": 3600}


def at(time: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"2026-11-23T{time}+00:00")


def message(**more: Any) -> Json:
    said = {"channel": "slack", "stage": "opened", "state": "sent", "round": 1, "sent_at": OPENED}
    return {**said, "created_at": OPENED, **more}


@pytest.mark.parametrize(
    ("priority", "sla", "every", "seconds"),
    [
        ("P0", None, None, 900),
        ("P0", 600, None, 900),
        ("P1", 3600, None, 1800),
        ("P1", 1800, None, 900),
        ("P1", 900, None, 450),
        ("P1", 120, None, 300),
        ("P1", None, None, 1800),
        ("P2", 600, None, 3600),
        ("P3", 600, None, 14400),
        ("P4", None, None, 14400),
        (None, None, None, 14400),
        ("P0", None, 120, 120),
    ],
)
def test_intervals(priority: str | None, sla: int | None, every: int | None, seconds: int) -> None:
    assert interval_s(priority, sla, every) == seconds


def test_it_is_due_after_the_last_update_that_arrived() -> None:
    messages = [
        message(),
        message(stage="progress", sent_at="2026-11-23T23:10:00.000000Z"),
        message(stage="progress", state="failed", sent_at=None),
        message(channel="pagerduty", sent_at="2026-11-23T23:20:00.000000Z"),
    ]
    said = next_update(HEADER, messages, OPENED, at("23:39:00"))
    assert said == {
        "interval_s": 1800,
        "last_update_at": "2026-11-23T23:10:00.000000Z",
        "due_at": "2026-11-23T23:40:00.000000Z",
        "overdue": False,
        "overdue_s": 0,
    }
    late = next_update(HEADER, messages, OPENED, at("23:41:30"))
    assert late is not None
    assert (late["overdue"], late["overdue_s"]) == (True, 90)


def test_where_nothing_arrived_it_counts_from_the_beginning() -> None:
    messages = [message(state="failed", sent_at=None)]
    said = next_update(HEADER, messages, "2026-11-23T22:50:00Z", at("23:00:00"))
    assert said is not None
    assert said["due_at"] == "2026-11-23T23:20:00.000000Z"
    assert said["last_update_at"] is None


def test_none_is_due_where_it_is_over_or_nobody_was_to_be_told() -> None:
    over = [message(), message(stage="resolved")]
    assert next_update(HEADER, over, OPENED, at("23:59:00")) is None
    assert next_update(HEADER, [], OPENED, at("23:59:00")) is None
    assert next_update(HEADER, [message(state="not_configured", sent_at=None)], OPENED, at("23:59:00")) is None
    untold = next_update(HEADER, [message(), message(stage="resolved", state="failed")], OPENED, at("23:59:00"))
    assert untold is not None, "nobody has heard of the end"
    again = next_update(HEADER, [*over, message(round=2)], OPENED, at("23:59:00"))
    assert again is not None
    assert again["overdue"] is True
