# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is suspect, what is attributed, and how sure that is: the decisions of audit_scope."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    audit_scope,
    audit_trail,
    audit_verdict,
    audit_window,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.audit_scope import Judged

UNTIL = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)
WINDOW = audit_window.Window(UNTIL - dt.timedelta(weeks=2), UNTIL, 4)
LIMITS = audit_scope.Limits(ratio=5.0, min_records=25, min_failed_logins=10, shared_by=10, most=50)
HOME, ELSEWHERE = "198.18.0.1", "198.51.100.23"
WHOLE = {"gaps": {"known": True, "count": 0, "missing": 0}, "tampered": {"known": True, "count": 0}}
TOTALS = {
    "events": 1000,
    "without_actor": 0,
    "without_address": 0,
    "unreadable_addresses": 0,
    "taken": 800,
    **dict.fromkeys(("taken_without_actor", "taken_without_address", "taken_unreadable"), 0),
}


def row(actor: int = 7, address: str = HOME, *, new: bool = False, **given: Any) -> dict[str, Any]:
    """One address of an actor who has a history, from which it did nothing that is looked at."""
    counts = dict.fromkeys(("reads", "exports", "open_exports", "failed_logins", "records"), 0)
    history = {"events_before": 400, "taken_before": 200, "exports_before": 0, "exports_ever": 0}
    found = {
        **counts,
        **history,
        "actor_id": actor,
        "address": address,
        "new": new,
        "trusted": False,
        "actors": 1,
        "known_actors": 0,
        "first_seen": WINDOW.since,
        "last_seen": UNTIL,
        "addresses_of_actor": 1,
        "candidates": 1,
        **given,
    }
    return {"events": found["reads"] + found["exports"] + found["failed_logins"], **found}


def judge(*rows: dict[str, Any], expected: tuple[int, ...] = ()) -> Judged:
    return audit_scope.judge(rows, WINDOW, LIMITS, expected)


def doubts(**given: Any) -> audit_verdict.Doubts:
    """None at all, but for these."""
    none: dict[str, Any] = {
        "baseline": True,
        "any_baseline": True,
        "candidates_omitted": 0,
        "records_cut": False,
        "addresses_omitted": 0,
        "unnamed_exports": 0,
        "owners_unknown": 0,
        "owners_failed": [],
        "dropped": {"exports": 0, "no_history": 0, "new_addresses": 0},
        "excused": [],
        "unlisted": [],
        "totals": {**TOTALS, **given.pop("totals", {})},
    }
    return audit_verdict.Doubts(**{**none, **given})


def verdict(judged: Judged | None = None, trail: Any = WHOLE, **given: Any) -> tuple[str, str, list[str]]:
    """Status, level and reasons."""
    found = judged.suspects if judged else []
    if judged:
        given = {"dropped": judged.dropped, **given}
    sure = audit_verdict.confidence(found, trail, doubts(**given))
    return audit_verdict.status(found, trail, sure["level"], doubts(**given)), sure["level"], sure["reasons"]


def test_one_export_of_everything_makes_a_suspect_of_who_never_exported() -> None:
    (suspect,) = judge(row(exports=1, open_exports=1)).suspects
    assert (suspect["score"], suspect["attributed"]) == (2, "all")
    assert "1 of them of no single record" in suspect["reasons"][0]["text"]
    assert judge(row(exports=1, open_exports=1, exports_ever=3)).suspects == [], "who exports at other hours"


def test_a_few_exports_of_records_are_no_suspect_and_not_fine_either() -> None:
    judged = judge(row(exports=24, records=24))
    assert (judged.suspects, judged.dropped["exports"]) == ([], 1)
    status, level, reasons = verdict(judged)
    assert (status, level) == ("unknown", "low")
    assert reasons[0] == "1 account exported more than expected, and too little to be suspected"
    assert judge(row(exports=25, records=25)).suspects


def test_without_a_doubt_it_is_ok() -> None:
    assert verdict() == ("ok", "high", [audit_verdict.UNSEEN])
    assert verdict(judge(row(reads=100, records=40)))[0] == "ok"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"totals": {"taken": 0}}, "none of actions and export_actions occurs"),
        ({"totals": {"taken_without_actor": 5000}}, "5000 reads or exports name no actor"),
        ({"totals": {"taken_unreadable": 3}}, "the address of 3 reads or exports cannot be read"),
        ({"totals": {"taken_without_address": 401}}, "401 of 800 reads and exports have no address"),
        ({"unlisted": ["campaign.updated", "users.download"]}, "users.download took away was not looked at"),
        ({"any_baseline": False}, "there is no row before this time"),
        ({"candidates_omitted": 3}, "3 more actors were not looked at"),
    ],
)
def test_what_nobody_looked_at_is_not_fine(given: dict[str, Any], said: str) -> None:
    status, level, reasons = verdict(**given)
    assert (status, level) == ("unknown", "low")
    assert said in reasons[0]
    changed = {**WHOLE, "tampered": {"known": True, "count": 1}}
    assert verdict(trail=changed, **given)[0] == "unknown", (
        "not: nobody's access is unusual in a trail that was changed"
    )


def test_rows_without_an_actor_do_not_make_a_suspect_less_sure() -> None:
    judged = judge(row(exports=30, records=30), row(address=ELSEWHERE, new=True, reads=900, records=900))
    assert verdict(judged, totals={"taken_without_actor": 5})[:2] == ("down", "medium")


@pytest.mark.parametrize("action", ["thread.created", "user.login", "listing.updated", "viewer.added"])
def test_words_within_words_are_no_reads(action: str) -> None:
    assert verdict(unlisted=[action])[1] == "high"


def test_what_may_be_a_read_is_a_slight_doubt() -> None:
    assert verdict(unlisted=["notification.read"])[:2] == ("ok", "medium")


def test_many_accounts_tried_from_one_new_address_do_not_make_it_a_proxy() -> None:
    attack = {"new": True, "exports": 30, "records": 30, "actors": 400}
    (suspect,) = judge(row(address=ELSEWHERE, **attack)).suspects
    assert suspect["addresses"][0]["own"]
    assert audit_scope.attack_window([suspect])["addresses"] == [ELSEWHERE]
    (proxied,) = judge(row(address=ELSEWHERE, **attack, known_actors=300)).suspects
    assert not proxied["addresses"][0]["own"], "where most have come from before"


def test_one_harmless_read_elsewhere_does_not_hide_exports_from_the_usual_address() -> None:
    usual, harmless = row(exports=900, records=900), row(address=ELSEWHERE, new=True, reads=1, records=1)
    (suspect,) = judge(usual, harmless).suspects
    assert (suspect["attributed"], suspect["exports"], suspect["records"]) == ("all", 900, 901)
    assert audit_scope.pairs([suspect]) == ([7], ["*"])
    (reader,) = judge(row(reads=5000, records=900), {**harmless, "exports": 1, "open_exports": 1}).suspects
    assert reader["attributed"] == "all", "above the baseline by what came from the usual address"


def test_what_came_from_elsewhere_alone_leaves_the_actors_own_rows_out() -> None:
    usual, attack = row(reads=100, records=90), row(address=ELSEWHERE, new=True, exports=900, records=900)
    (suspect,) = judge(usual, attack).suspects
    assert (suspect["attributed"], suspect["events"], suspect["usual_events"]) == ("new_addresses", 900, 100)
    assert audit_scope.pairs([suspect]) == ([7], [ELSEWHERE])


def test_who_has_no_history_is_not_suspect_for_reading_alone() -> None:
    nothing = dict.fromkeys(("events_before", "taken_before"), 0)
    judged = judge(row(address=ELSEWHERE, new=True, reads=25, records=25, **nothing))
    assert (judged.suspects, judged.dropped["no_history"]) == ([], 1)
    status, level, reasons = verdict(judged)
    assert (status, level) == ("unknown", "low")
    assert "without a history" in reasons[0]


def test_who_has_no_history_and_exports_is_suspect_with_low_confidence() -> None:
    nothing = dict.fromkeys(("events_before", "taken_before"), 0)
    judged = judge(row(address=ELSEWHERE, new=True, exports=900, records=900, **nothing))
    assert [reason["reason"] for reason in judged.suspects[0]["reasons"]][-1] == "no_history"
    status, level, reasons = verdict(judged)
    assert (status, level) == ("degraded", "low")
    assert "nothing is known of the suspects from before" in reasons


def test_who_has_moved_and_reads_as_much_as_before_is_no_suspect() -> None:
    moved = row(address=ELSEWHERE, new=True, reads=110, records=90)  # 100 are expected
    judged = judge(moved)
    assert (judged.suspects, judged.dropped["new_addresses"]) == ([], 1)
    assert verdict(judged)[:2] == ("ok", "medium")
    assert judge({**moved, "failed_logins": 10}).suspects, "after guesses"
    assert judge({**moved, "reads": 151}).suspects, "or with more than half as much again"


def test_a_suspect_out_of_the_same_place_as_somebody_expected() -> None:
    backup = row(8, exports=1200, records=200, exports_before=1)
    attack = row(9, address=ELSEWHERE, new=True, exports=900, records=900)
    judged = judge(backup, attack, expected=(8, 11))
    assert [each["actor_id"] for each in judged.suspects] == [9]
    assert [(each["actor_id"], each["exports"], each["excused"]) for each in judged.expected] == [
        (8, 1200, True),
        (11, 0, True),
    ]
    assert "the activity of 8 is known and does not count" in verdict(judged, excused=[8])[2]


def test_who_is_expected_is_not_excused_where_it_came_from_a_new_address() -> None:
    usual, attack = row(8, reads=5, records=5), row(8, address=ELSEWHERE, new=True, exports=900, records=900)
    judged = judge(usual, attack, expected=(8,))
    assert [each["actor_id"] for each in judged.suspects] == [8]
    assert (judged.expected[0]["new_addresses"], judged.expected[0]["excused"]) == (True, False)
    guesses = row(8, address=ELSEWHERE, new=True, failed_logins=30)
    assert judge(usual, guesses, expected=(8,)).expected[0]["excused"], "somebody else guesses at its password"
    trusted = {**attack, "trusted": True}
    assert judge(usual, trusted, expected=(8,)).suspects == []


@pytest.mark.parametrize(
    "given",
    [
        {"candidates_omitted": 1},
        {"addresses_omitted": 1},
        {"records_cut": True},
        {"unnamed_exports": 1},
        {"owners_unknown": 1},
        {"owners_failed": ["user"]},
        {"totals": {"taken_without_actor": 1}},
        {"unlisted": ["campaign.updated", "users.download"]},
        {"unlisted": ["notification.read"]},
    ],
)
def test_too_few_people_are_not_told_as_complete(given: dict[str, Any]) -> None:
    assert audit_verdict.complete(WHOLE, doubts(unlisted=["campaign.updated", "thread.created"]))
    assert not audit_verdict.complete(WHOLE, doubts(**given))


def test_a_trail_that_was_changed_is_not_complete() -> None:
    assert not audit_verdict.complete({**WHOLE, "gaps": {"known": True, "count": 1, "missing": 25}}, doubts())
    assert not audit_verdict.complete({**WHOLE, "tampered": {"known": True, "count": 1}}, doubts())


def test_a_trail_that_cannot_show_deletions_is_not_complete() -> None:
    no_numbers = audit_trail.trail([], WINDOW, audit_trail.Limits(3, 50), has_numbers=False)
    assert not audit_verdict.complete(no_numbers, doubts())
    assert not audit_verdict.complete({**WHOLE, "gaps": no_numbers["gaps"]}, doubts())
    assert not audit_verdict.complete({**WHOLE, "tampered": no_numbers["tampered"]}, doubts())


def test_an_export_that_may_be_about_everybody_is_never_cut_off() -> None:
    """Rows as the query orders them: one that names no record has the fewest, and would be the last."""
    named = [{"resource_type": "user", "exports": True, "unnamed": 0, "records": 99 - n} for n in range(60)]
    reports = [{"resource_type": "report", "exports": True, "unnamed": 9, "records": 0} for _ in range(60)]
    everybody = {"resource_type": "user", "exports": True, "unnamed": 1, "records": 0}
    reads = {"resource_type": "user", "exports": False, "unnamed": 1, "records": 5}
    rows = [*named, *reports, everybody, reads]
    kept = audit_scope.shown_resources(rows, 50)
    assert len(kept) == 50
    assert everybody in kept
    assert [row for row in rows if row in kept][:1] == kept[:1], "in the order of the query"
    assert audit_scope.shown_resources([*named[:9], everybody, reads], 50) == [*named[:9], everybody, reads]
    assert audit_scope.shown_resources(named, 50) == named[:50]


def test_bulk_actions_are_told_by_whole_words() -> None:
    assert audit_window.bulk(
        ["data.export", "user.bulk_read", "user.export", "user.export_all", "callback.export"]
    ) == [*("data.export", "user.bulk_read", "user.export_all")]


def steps(minutes: list[int]) -> list[dict[str, Any]]:
    """The steps back, as the query gives them, of rows that were written at these minutes."""
    at = [WINDOW.since + dt.timedelta(minutes=minute) for minute in minutes]
    found = [
        {
            "id": n + 1,
            "id_before": n,
            "missing": 0,
            "back": True,
            "created_at": at[n],
            "at_before": at[n - 1],
            "at_before_that": at[n - 2] if n > 1 else None,
            "at_after": at[n + 1] if n + 1 < len(at) else None,
        }
        for n in range(1, len(at))
        if at[n] < at[n - 1]
    ]
    return [{**step, "gaps": 0, "steps_back": len(found)} for step in found]


@pytest.mark.parametrize(
    ("minutes", "number", "moved"),
    [
        ([0, 10, 900, 20, 30], 3, "forward"),
        ([0, 10, 900, 20], 3, "forward"),
        ([900, 10, 20], 1, "forward"),
        ([0, 10, 30 * 24 * 60, 20, 30], 3, "forward"),
        ([500, 510, 100, 520, 530], 3, "back"),
        ([500, 510, 505, 520, 530], 3, "back"),
    ],
)
def test_the_row_whose_time_was_changed_is_named(minutes: list[int], number: int, moved: str) -> None:
    rows = steps(minutes)
    tampered = audit_trail.trail(rows, WINDOW, audit_trail.Limits(3, 50), has_numbers=True)["tampered"]
    (item,) = tampered["items"]
    assert (item["id"], item["moved"], tampered["count"]) == (number, moved, 1)
    assert item["created_at"] == WINDOW.since + dt.timedelta(minutes=minutes[number - 1])
    assert item["in_window"] is (item["created_at"] < UNTIL)
    if item["expected_after"] is not None and item["expected_before"] is not None:
        assert item["expected_after"] <= item["expected_before"]
