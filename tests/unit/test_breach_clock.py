# SPDX-License-Identifier: GPL-3.0-or-later
"""Until when who has to be told of a breach, across weekends, time zones and changes of the clocks."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_clock import (
    Clock,
    in_zone,
    read_moment,
)

ZONE = "Europe/London"


def clock(aware: str, after_h: float, **more: Any) -> Clock:
    at = read_moment(aware)
    return Clock(at, at.astimezone(dt.UTC) + dt.timedelta(hours=after_h), **more)


@pytest.mark.parametrize(
    ("aware", "deadline", "local"),
    [
        # a Friday evening: the weekend counts
        ("2026-11-27T21:40:00Z", "2026-11-30T21:40:00.000000Z", "Monday 30 November 2026 21:40 GMT"),
        # Christmas counts
        ("2026-12-24T09:00:00+00:00", "2026-12-27T09:00:00.000000Z", "Sunday 27 December 2026 09:00 GMT"),
        # the clocks go back: 72 hours end an hour earlier by the clock on the wall
        ("2026-10-23T22:00:00+01:00", "2026-10-26T21:00:00.000000Z", "Monday 26 October 2026 21:00 GMT"),
        # the clocks go forward: an hour later
        ("2027-03-26T22:00:00Z", "2027-03-29T22:00:00.000000Z", "Monday 29 March 2027 23:00 BST"),
        # the same moment, said in New York
        ("2026-11-27T16:40:00-05:00", "2026-11-30T21:40:00.000000Z", "Monday 30 November 2026 21:40 GMT"),
        # a leap day
        ("2028-02-27T12:00:00Z", "2028-03-01T12:00:00.000000Z", "Wednesday 01 March 2028 12:00 GMT"),
    ],
)
def test_the_deadline_is_72_hours_of_a_clock(aware: str, deadline: str, local: str) -> None:
    found = clock(aware, 1).plain(ZONE)
    assert (found["deadline"], found["deadline_local"]) == (deadline, local)
    assert (found["elapsed_s"], found["remaining_s"]) == (3600, 71 * 3600)
    assert (found["state"], found["late"], found["legal_review"]) == ("running", False, True)


def test_the_hours_go_on_across_a_change_of_the_clocks() -> None:
    now = read_moment("2026-10-26T22:00:00Z")  # 73 hours after, though the clock on the wall moved by 72
    found = Clock(read_moment("2026-10-23T22:00:00+01:00"), now).plain(ZONE)
    assert (found["late"], found["late_by_s"]) == (True, 3600)


@pytest.mark.parametrize(("after_h", "late"), [(71.99, False), (72, False), (72.01, True), (80, True)])
def test_reasons_are_asked_for_after_72_hours(after_h: float, late: bool) -> None:
    found = clock("2026-11-27T21:40:00Z", after_h, risk="high").plain(ZONE)
    assert found["reasons_for_delay_required"] is late
    assert found["state"] == ("overdue" if late else "running")
    assert (found["remaining_s"] < 0) is late


@pytest.mark.parametrize(
    ("risk", "reasoned", "regulator", "people", "late"),
    [
        ("unlikely", True, "not_required", "not_required", False),
        ("unlikely", False, "undecided", "undecided", True),  # nobody says why
        ("risk", False, "required", "not_required", True),
        ("high", False, "required", "required", True),
        ("unknown", True, "undecided", "undecided", True),
    ],
)
def test_who_has_to_be_told_depends_on_the_risk(
    risk: str, reasoned: bool, regulator: str, people: str, late: bool
) -> None:
    found = clock("2026-11-27T21:40:00Z", 80, risk=risk, reasoned=reasoned).plain(ZONE)
    assert (found["regulator_duty"], found["people_duty"], found["late"]) == (regulator, people, late)
    assert found["state"] == ("overdue" if late else "not_required")
    assert found["assumed"] is False


@pytest.mark.parametrize(("notified_h", "state"), [(70, "notified"), (73, "notified_late")])
def test_what_was_notified_in_time_stays_in_time(notified_h: float, state: str) -> None:
    aware = read_moment("2026-11-27T21:40:00Z")
    found = clock("2026-11-27T21:40:00Z", 500, notified_at=aware + dt.timedelta(hours=notified_h)).plain(ZONE)
    assert (found["state"], found["remaining_s"]) == (state, None)
    assert found["late"] is (state == "notified_late")


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-11-27", "2026-11-27T21:40:00", "2026-11-27T21:40Z", "2026-13-27T21:40:00Z", "1hour",
     "2026-11-27T25:40:00Z", "20261127T214000Z"],
)  # fmt: skip
def test_a_moment_without_a_time_zone_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|no such moment"):
        read_moment(text)


def test_a_zone_that_is_not_known_is_left_out() -> None:
    assert in_zone(read_moment("2026-11-27T21:40:00Z"), "Europe/Atlantis") is None
    assert in_zone(read_moment("2026-11-27T21:40:00Z"), "../../etc/passwd") is None


DEADLINE = "2026-11-30 21:40 UTC (Monday 30 November 2026 21:40 GMT)"


@pytest.mark.parametrize(
    ("after_h", "more", "said", "people"),
    [
        (1, {"risk": "high"}, f"The regulator has to be told by {DEADLINE}", "have to be told without undue delay"),
        (1, {"assumed": True}, f"told by {DEADLINE}; ASSUMED: counted from an assumed moment", "NOT DECIDED"),
        (80, {"risk": "risk"}, f"OVERDUE: THE REGULATOR WAS TO BE TOLD BY {DEADLINE}; give the reasons", "need not be"),
        (80, {"assumed": True}, f"OVERDUE: THE REGULATOR WAS TO BE TOLD BY {DEADLINE}; ASSUMED", "NOT DECIDED"),
        (80, {"notified_at": read_moment("2026-11-28T00:40:00+01:00")}, "was told at 2026-11-27 23:40 UTC", "NOT"),
        (90, {"notified_at": read_moment("2026-12-01T00:00:00Z")}, "2026-12-01 00:00 UTC, LATE; give the", "NOT"),
        (80, {"risk": "unlikely", "reasoned": True}, "The regulator need not be told at this risk", "need not be"),
    ],
)
def test_what_has_to_be_told_is_a_line_for_people(after_h: float, more: dict[str, Any], said: str, people: str) -> None:
    found = clock("2026-11-27T21:40:00Z", after_h, **more).plain(ZONE)
    assert said in found["notify_by"]
    assert people in found["tell_people"]
    assert len(f"{found['notify_by']}. {found['tell_people']}") <= 240, "a terminal shows no more of a line"
    assert "2026-11-30 21:40 UTC" in clock("2026-11-27T21:40:00Z", 1).plain("Nowhere/None")["notify_by"]
