# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a session is, and what has become of those that were to end."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_revocation import (
    Done,
    Wish,
    nothing,
    owner_of,
    target,
    verdict,
    within,
)

SUSPECTS = Wish("suspects", frozenset({"1"}), ("refresh", "sessions"), 10)
CLEAN = {"owned": 0, "others": 9, "unreadable": 0, "others_within_5_percent": True}


@pytest.mark.parametrize(
    ("value", "field", "owner"),
    [
        ("42", "", "42"),
        (" 42\n", "", "42"),
        ('{"user": {"id": 1042}}', "", None),
        ('["1042"]', "", None),
        ('"1042"', "", None),
        ("10\ufffd42", "", None),
        ("", "", None),
        (None, "", None),
        ("4\x002", "", None),
        ("x" * 201, "", None),
        ('{"passport": {"user": 42}}', "passport.user", "42"),
        ('{"passport": {"user": "u-42"}}', "passport.user", "u-42"),
        ('{"passport": {"user": true}}', "passport.user", None),
        ('{"passport": {"user": 42.0}}', "passport.user", None),
        ('{"passport": {"user": [42]}}', "passport.user", None),
        ('{"passport": 42}', "passport.user", None),
        ("[42]", "passport.user", None),
        ("42", "passport.user", None),
        ("[" * 100_000, "passport.user", None),
        (None, "passport.user", None),
    ],
)
def test_whose_a_session_is(value: str | None, field: str, owner: str | None) -> None:
    assert owner_of(value, field) == owner


def test_nothing_is_said_of_accounts_while_some_sessions_are_nobodys() -> None:
    assert nothing({"sessions": 0}, 0)[::2] == ("nothing_to_do", "no_change")
    status, reason, word = nothing({"refresh": 0, "sessions": 0}, 7)
    assert (status, word) == ("refused", "owners_unknown")
    assert "whose 7 sessions are cannot be told" in reason


def test_nobody_is_not_a_suspect_and_one_of_all() -> None:
    assert (SUSPECTS.wants("1"), SUSPECTS.wants("11"), SUSPECTS.wants(None)) == (True, False, False)
    assert Wish("all", frozenset(), ("sessions",), 10).wants(None) is True


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [(100, 95, True), (100, 94, False), (100, 105, True), (100, 106, False), (3, 2, True), (3, 1, False), (0, 1, True)],
)
def test_five_percent(before: int, after: int, same: bool) -> None:
    assert within(before, after) is same


@pytest.mark.parametrize(
    ("done", "after", "status", "said"),
    [
        (Done("sessions", count=2), {"sessions": CLEAN}, "done", "2 sessions revoked"),
        (Done("sessions", count=2), {}, "partial", "nobody could look"),
        (Done("sessions", count=2), {"sessions": CLEAN | {"owned": 1}}, "partial", "1 sessions of them are left"),
        (Done("sessions", count=2), {"sessions": CLEAN | {"unreadable": 3}}, "partial", "cannot be told"),
        (
            Done("sessions", count=2),
            {"sessions": CLEAN | {"others_within_5_percent": False}},
            "partial",
            "more than 5 %",
        ),
        (Done("sessions", "unknown", 2, reason="UNLINK: late"), {"sessions": CLEAN}, "unknown", "UNLINK: late"),
        (Done("sessions", "failed", reason="UNLINK: no"), {"sessions": CLEAN | {"owned": 2}}, "failed", "UNLINK: no"),
    ],
)
def test_what_it_has_come_to(done: Done, after: dict[str, Any], status: str, said: str) -> None:
    found, reason = verdict([done], after)
    assert found == status
    assert said in reason


def test_one_store_without_an_answer_makes_all_of_it_unknown() -> None:
    seen = {"refresh": {"owned": 0}, "sessions": CLEAN}
    for other in ("revoked", "failed", "not_attempted"):
        assert verdict([Done("refresh", other), Done("sessions", "unknown")], seen)[0] == "unknown"
    assert verdict([Done("refresh", "failed", reason="no"), Done("sessions", count=1)], seen)[0] == "partial"


def test_the_target_stands_for_all_accounts_and_shows_few() -> None:
    many = Wish("affected", frozenset(str(number) for number in range(60)), ("sessions",), 100)
    found = target(many, "sessions", {"address": "a:1"})
    assert (found["actors"], found["actor_ids"]) == (60, None)
    fewer = target(Wish("affected", many.actors - {"7"}, ("sessions",), 100), "sessions", {"address": "a:1"})
    assert fewer["actors_sha256"] != found["actors_sha256"]
