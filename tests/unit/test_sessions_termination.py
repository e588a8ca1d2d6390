# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether to end sessions now, how many, when to stop, and how it went."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_facts import SessionFacts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.sessions import Choice, Exclusion
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.termination import (
    STOPPED_AT_TARGET,
    STOPPED_WITHOUT_EFFECT,
    batch_length,
    below,
    nothing_to_do,
    refusal,
    sessions_above,
    stop_reason,
    verdict,
)


def slots(used: int, usable: int = 17) -> dict[str, Any]:
    return {"used": used, "usable": usable, "used_ratio": round(used / usable, 4) if usable else None}


SOME = Choice(candidates=[SessionFacts(1)])


@pytest.mark.parametrize(
    ("used", "usable", "target", "above"),
    [
        (17, 17, 0.7, 6),
        (12, 17, 0.7, 1),
        (11, 17, 0.7, 0),
        (7, 10, 0.7, 1),
        (6, 10, 0.7, 0),
        (55, 100, 0.55, 1),
        (5, 0, 0.7, 0),
    ],
)
def test_how_many_must_go_to_be_below_the_target(used: int, usable: int, target: float, above: int) -> None:
    assert sessions_above(slots(used, usable), target) == above
    assert below(slots(used, usable), target) == (above == 0)


def test_nothing_is_ended_while_there_is_no_pressure() -> None:
    assert "3 of 17" in refusal(slots(3), SOME, 0.8, None)
    assert "force_reason" in refusal(slots(3), SOME, 0.8, "")
    assert refusal(slots(3), SOME, 0.8, "the leak is known") == ""
    assert refusal(slots(14), SOME, 0.8, None) == ""
    assert refusal(slots(8, 10), SOME, 0.8, None) == ""


def test_a_login_that_may_end_nobody_is_refused_and_not_told_that_all_is_well() -> None:
    choice = Choice(excluded=[Exclusion(SessionFacts(1), "not_permitted", "x")])
    assert "pg_signal_backend" in refusal(slots(17), choice, 0.8, "forced")
    assert refusal(slots(17), Choice(), 0.8, None) == ""


def test_a_batch_never_ends_more_than_the_target_needs() -> None:
    assert batch_length(5, slots(17), 0.7) == 5
    assert batch_length(5, slots(13), 0.7) == 2
    assert batch_length(5, slots(3), None) == 5


def test_when_to_stop() -> None:
    ended, stuck, changed = ({"result": result} for result in ("terminated", "not_terminated", "skipped_changed"))
    assert stop_reason([ended], slots(11), 0.7) == STOPPED_AT_TARGET
    assert stop_reason([ended], slots(11), None) == ""
    assert stop_reason([stuck, stuck], slots(17), 0.7) == STOPPED_WITHOUT_EFFECT
    assert stop_reason([stuck, ended], slots(17), 0.7) == ""
    assert stop_reason([changed], slots(17), 0.7) == ""


@pytest.mark.parametrize(
    ("results", "stopped", "status"),
    [
        (["terminated", "terminated"], "", "done"),
        (["terminated", "skipped_gone"], "", "done"),
        (["terminated", "not_attempted"], STOPPED_AT_TARGET, "done"),
        (["terminated", "not_attempted"], STOPPED_WITHOUT_EFFECT, "partial"),
        (["terminated", "skipped_changed"], "", "partial"),
        (["terminated", "not_terminated"], "", "partial"),
        (["not_terminated"], STOPPED_WITHOUT_EFFECT, "partial"),
        (["skipped_changed", "skipped_gone"], "", "nothing_to_do"),
    ],
)
def test_the_verdict(results: list[str], stopped: str, status: str) -> None:
    said, reason = verdict([{"result": result} for result in results], slots(11), stopped)
    assert said == status
    assert "11 of 17" in reason
    assert stopped in reason


def test_the_reason_for_doing_nothing_counts_the_exclusions() -> None:
    excluded = [Exclusion(SessionFacts(pid), "state" if pid else "superuser", "x") for pid in range(3)]
    assert nothing_to_do(Choice(excluded=excluded), []) == "no session qualifies: 2 state, 1 superuser"
    assert nothing_to_do(Choice(), []) == "there is no session"
    assert "1 skipped_gone" in nothing_to_do(Choice(), [{"result": "skipped_gone"}])
