# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may hold a Lease, by what it says and the API server's time."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.lease import (
    TOLERANCE_S,
    body,
    expiry_text,
    facts,
    held_text,
    identity_of,
    judge,
    read_lease,
    released,
)

NOW = dt.datetime(2026, 11, 23, 23, 14, 55, tzinfo=dt.UTC)
ME, OTHER = "alice@ops-1 incident-1 run-1", "bob@ops-2 incident-2 run-2"


def ago(seconds: float) -> str:
    return (NOW - dt.timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def lease(holder: str | None = OTHER, renewed_ago: float | None = 4, duration: Any = 15, **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"holderIdentity": holder, "leaseDurationSeconds": duration, "acquireTime": ago(60)}
    if renewed_ago is not None:
        spec["renewTime"] = ago(renewed_ago)
    return {"metadata": {"name": "x", "resourceVersion": "7"}, "spec": {**spec, **more}}


@pytest.mark.parametrize(
    ("there", "take_over", "step"),
    [
        (None, False, "create"),
        (lease(holder=""), False, "take"),
        (lease(holder=None), False, "take"),
        ({"metadata": {}}, False, "take"),
        (lease(ME), False, "renew"),
        (lease(ME, renewed_ago=1000), False, "renew"),
        (lease(), False, "locked"),
        (lease(renewed_ago=-30), False, "locked"),
        (lease(renewed_ago=15 + TOLERANCE_S), False, "locked"),
        (lease(renewed_ago=15 + TOLERANCE_S + 0.1), False, "take_over"),
        (lease(), True, "take_over"),
        # written by hand to keep everybody off: it says no time, so it is never over by itself
        (lease(renewed_ago=None, acquireTime=None), False, "locked"),
        (lease(renewed_ago=1000, duration=None), False, "locked"),
        (lease(renewed_ago=1000, duration=0), False, "locked"),
        (lease(renewed_ago=1000, duration=None), True, "take_over"),
        (lease(renewed_ago=None), False, "take_over"),
        (lease(renewTime="nonsense", acquireTime="nonsense"), False, "locked"),
    ],
)
def test_who_may_have_it(there: dict[str, Any] | None, take_over: bool, step: str) -> None:
    assert judge(there, ME, NOW, take_over=take_over).step == step


def test_a_take_over_tells_whom_it_was_taken_from_and_whether_it_was_over() -> None:
    stale = judge(lease(renewed_ago=30), ME, NOW)
    assert stale.expired
    assert stale.previous == {
        "holder": OTHER,
        "acquired_at": ago(60),
        "renewed_at": ago(30),
        "held_s": 60,
        "age_s": 30,
        "expires_in_s": -15,
    }
    assert not judge(lease(), ME, NOW, take_over=True).expired
    assert judge(lease(ME), ME, NOW).previous is None


def test_what_is_written_to_acquire_and_to_renew() -> None:
    new = body(None, "x", ME, NOW, 15)
    assert (new["kind"], new["metadata"]) == ("Lease", {"name": "x"})
    assert new["spec"] == {
        "holderIdentity": ME,
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-11-23T23:14:55.000000Z",
        "renewTime": "2026-11-23T23:14:55.000000Z",
        "leaseTransitions": 0,
    }
    taken = body(lease(leaseTransitions=3), "x", ME, NOW, 20)
    assert taken["metadata"]["resourceVersion"] == "7", "on what was looked at, or not at all"
    assert taken["spec"]["leaseTransitions"] == 4
    assert taken["spec"]["acquireTime"] == taken["spec"]["renewTime"] == "2026-11-23T23:14:55.000000Z"
    renewed = body(lease(ME, leaseTransitions=3), "x", ME, NOW, 15)
    assert renewed["spec"]["leaseTransitions"] == 3
    assert renewed["spec"]["acquireTime"] == ago(60), "since when it has it stays"
    assert renewed["spec"]["renewTime"] == "2026-11-23T23:14:55.000000Z"


def test_a_released_lease_is_free_and_remembers_how_often_it_changed_hands() -> None:
    free = released(lease(ME, leaseTransitions=3), NOW)
    assert judge(free, OTHER, NOW).step == "take"
    assert free["spec"]["leaseTransitions"] == 3
    assert free["spec"]["leaseDurationSeconds"] == 1
    assert free["metadata"]["resourceVersion"] == "7"


def test_texts() -> None:
    live, stale = facts(read_lease(lease()), NOW), facts(read_lease(lease(renewed_ago=20)), NOW)
    assert held_text(live) == f"{OTHER}, for 60 s, renewed 4 s ago"
    assert expiry_text(live) == "without a renewal it expires in 11 s"
    assert expiry_text(stale) == "it expired 5 s ago"
    assert expiry_text(facts(read_lease(lease(duration=None)), NOW)) == "it does not expire by itself"
    assert identity_of("Alice  B.", "ops-1", "i", "r") == "Alice B.@ops-1 i r"
