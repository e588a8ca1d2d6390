# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds the slots, and what may be said of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.holders import holders, suspect


def group(application: str | None, state: str, sessions: int, age_s: float | None = 700.0) -> dict[str, Any]:
    return {"application": application, "state": state, "sessions": sessions, "max_state_age_s": age_s}


def activity(*groups: dict[str, Any], usable: int = 20) -> dict[str, Any]:
    return {"reachable": True, "slots": {"usable": usable}, "groups": list(groups)}


def logs(waits: int = 0, read: int = 2, total: int = 2, **more: Any) -> dict[str, Any]:
    classes = {"app_pool": {"count": waits}} if waits else {}
    return {"reachable": True, "pods_read": read, "pods_total": total, "classes": classes, **more}


BACKEND = {"application": "backend", "workload": "backend"}


def test_sessions_are_summed_up_by_application() -> None:
    found = holders(
        activity(
            group("backend", "idle", 8, 10.0),
            group("backend", "idle in transaction", 2, 90.0),
            group("backend", "active", 1, 999.0),
            group(None, "idle", 1),
        )
    )
    assert found[0] == {"application": "backend", "sessions": 11, "idle": 10, "longest_idle_s": 90.0, "share": 0.5}
    assert found[1]["application"] == ""


@pytest.mark.parametrize("seen", [None, {}, {"reachable": False, "slots": None, "groups": []}])
def test_nothing_is_said_of_a_server_that_was_not_asked(seen: dict[str, Any] | None) -> None:
    assert holders(seen) == []
    assert suspect([], [BACKEND], 0.5)[0] is None


def test_without_slots_there_is_no_share_and_no_suspect() -> None:
    found = holders({"slots": None, "groups": [group("backend", "idle", 8)]})
    assert found[0]["share"] is None
    assert suspect(found, [BACKEND], 0.5)[0] is None


@pytest.mark.parametrize(
    ("log", "leaks", "waits", "text"),
    [
        (logs(waits=3), True, 3, "it leaks them"),
        (logs(waits=0), False, 0, "rather too large"),
        (logs(waits=0, read=1), None, None, "could not be read"),  # the other log may say it
        (logs(waits=0, truncated=[{"pod": "a"}]), None, None, "could not be read whole"),
        (logs(waits=0, pods_unread=[{"pod": "a"}]), None, None, "could not be read whole"),
        (logs(waits=3, read=1), True, 3, "it leaks them"),
        (logs(waits=0, read=0, total=0), None, None, "could not be read"),
        ({"reachable": False, "classes": {}}, None, None, "could not be read"),
        (None, None, None, "could not be read"),
    ],
)
def test_a_leak_takes_idle_sessions_and_requests_that_wait(
    log: dict[str, Any] | None, leaks: bool | None, waits: int | None, text: str
) -> None:
    found = holders(activity(group("backend", "idle", 10)))
    who, reason = suspect(found, [{**BACKEND, "logs": log}], 0.5)
    assert who is not None
    assert (who["workload"], who["leaks"], who["pool_time_outs"]) == ("backend", leaks, waits)
    assert text in reason


def test_an_application_of_nobody_is_named_but_not_judged() -> None:
    found = holders(activity(group("report-export", "idle", 12)))
    who, reason = suspect(found, [{**BACKEND, "logs": logs(waits=9)}], 0.5)
    assert who is not None
    assert (who["application"], who["workload"], who["leaks"]) == ("report-export", None, None)
    assert "no known workload" in reason


def test_below_the_share_nobody_is_suspect() -> None:
    found = holders(activity(group("backend", "idle", 9), group("worker", "active", 11)))
    assert suspect(found, [BACKEND], 0.5) == (None, "no application holds 50% or more of the usable slots at rest")


@pytest.mark.parametrize(
    ("last_at", "leaks", "text"),
    [
        ("2026-11-24T12:00:01.000000Z", True, "it leaks them"),
        ("2026-11-24T11:59:59.000000Z", None, "the last at 11:59:59 UTC, so it may be over"),
        (None, None, "at an unknown time"),
        ("yesterday", None, "at an unknown time"),
    ],
)
def test_requests_that_waited_a_while_ago_prove_no_leak(last_at: str | None, leaks: bool | None, text: str) -> None:
    log = logs() | {"classes": {"app_pool": {"count": 3, "last_at": last_at}}}
    found = holders(activity(group("backend", "idle", 10)))
    who, reason = suspect(found, [{**BACKEND, "logs": log}], 0.5, dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC))
    assert who is not None
    assert (who["leaks"], who["pool_time_outs"]) == (leaks, 3)
    assert text in reason


def test_what_a_previous_instance_logged_went_with_its_sessions() -> None:
    log = logs() | {"classes": {"app_pool": {"count": 3, "previous": 3}}}
    who, _ = suspect(holders(activity(group("backend", "idle", 10))), [{**BACKEND, "logs": log}], 0.5)
    assert who is not None
    assert who["leaks"] is False
