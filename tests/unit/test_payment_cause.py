# SPDX-License-Identifier: GPL-3.0-or-later
"""Why payments fail: one case for each row of the decision table, and the same where a part is not known."""

from __future__ import annotations

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_cause import (
    CAUSES,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.modules.payment_cause import SPEC, run
from support.payment_cause_rows import ROWS
from support.payment_facts import (
    ALL,
    NO_METRICS,
    ONE,
    PAGE_UNKNOWN,
    THROTTLED,
    Json,
    failing,
    judged,
    logs,
    metrics,
    stored_key,
)


@pytest.mark.parametrize(("cause", "given"), ROWS.values(), ids=ROWS)
def test_the_first_row_that_fits_names_the_cause(cause: str, given: Json) -> None:
    said = judged(**given)
    assert said["cause"] == cause, said
    assert said["cause"] in CAUSES
    assert said["reason"]
    if cause == "unknown":
        assert said["gaps"] or "no log line" in said["reason"], said


@pytest.mark.parametrize("cause", sorted(set(CAUSES)))
def test_every_cause_has_a_row(cause: str) -> None:
    assert cause in {expected for expected, _ in ROWS.values()}


def test_what_is_not_known_is_named() -> None:
    said = judged(status=PAGE_UNKNOWN, logs=logs() | {"pods_read": 1}, metrics=NO_METRICS, expected=None)
    assert said["gaps"] == [
        "Stripe's status page: no URL answered",
        "logs: those of 1 of 2 pods were read",
        "which key is right is not known",
        "Prometheus: connection refused",
    ]
    assert "logs: those of 1 of 2 pods were read" in said["reason"]


def test_a_secret_that_may_not_be_read_is_no_missing_key() -> None:
    refused = {"reachable": True, "exists": None, "cause": "forbidden", "message": "HTTP 403", "keys": {}}
    said = judged(stored_key=refused)
    assert said["key"] is None
    assert "the Secret: HTTP 403" in said["gaps"]


def test_the_pods_that_it_shows_on_are_named() -> None:
    said = judged(logs=logs(auth=ONE), stored_key=stored_key(older=("b",)), metrics=failing("authentication", 0.5))
    assert (said["pods"], said["key"]) == (["b"], "as_expected")
    assert judged()["pods"] == []


def test_whose_burst_it_is_is_said() -> None:
    ours = judged(logs=logs(rate_limit=ALL), metrics=THROTTLED)["reason"]
    assert "up to 60.0 calls a second were made, as a mean over 30 s, which is more than the 25 that it takes" in ours
    hidden = judged(logs=logs(rate_limit=ALL), metrics=metrics(0.4, throttled_ratio=0.4))["reason"]
    assert "up to 4.0 calls a second were made, as a mean over 30 s: a burst of more than the 25" in hidden
    assert "within one second does not show in it" in hidden


@pytest.mark.parametrize(
    ("name", "value"),
    [("failure_ratio", 0.0), ("failure_ratio", 1.5), ("throttled_ratio", float("nan")), ("recent_s", -1.0)],
)
def test_a_threshold_that_makes_no_sense_is_refused(name: str, value: float) -> None:
    defaults = {option: facts.get("default") for option, facts in SPEC.argument_spec.items()}
    with pytest.raises(IncidentsError, match=f"Telling why payments fail: {name} "):
        run(defaults | {name: value}, check_mode=False)


def test_hostile_text_of_a_system_is_bounded() -> None:
    said = judged(metrics=NO_METRICS | {"message": "x\n" * 5000})
    assert max(map(len, said["gaps"])) < 250
    assert "\n" not in "".join(said["gaps"])


def test_a_mix_of_causes_is_named() -> None:
    reason = judged(**ROWS["mix: declines and network, none enough alone"][1])["reason"]
    assert "no log line" not in reason
    assert "declines 9" in reason
    assert "network 9" in reason


def test_how_many_were_before_is_not_made_up() -> None:
    few = judged(metrics=metrics(None, 0.0, events_before=5.0))
    assert "5 in as long a time before" in few["reason"]
    assert few["gaps"] == [few["reason"]]


def test_what_only_the_log_says_is_said_to_be_so() -> None:
    alone = judged(logs=logs(auth=ALL), metrics=NO_METRICS)
    assert (alone["cause"], "by the log alone" in alone["reason"]) == ("key_rejected", True)
    assert "by the log alone" not in judged(logs=logs(auth=ALL), metrics=failing("authentication"))["reason"]


def test_an_outage_shows_on_the_pods_that_get_server_errors() -> None:
    agree = ROWS["outage: the page and the pods agree, with more answers 429"][1]
    assert judged(**agree | {"logs": logs(stripe_side=ONE, rate_limit={"a": 90})})["pods"] == ["b"]


@pytest.mark.parametrize(
    "classes",
    [
        {"auth": None},
        {"auth": {"count": 3, "pods": {"a": 3}, "last_at": "yesterday"}},
        {"auth": {"count": 3, "pods": {"a": 3}, "last_at": "2026-11-24T14:59:55"}},
        {"auth": {"count": 3, "pods": {"a": 3}, "last_at": 7}},
        {"auth": {"count": 3, "pods": ["a"]}},
        {"auth": "x"},
    ],
)
def test_an_answer_of_another_shape_is_no_crash(classes: Json) -> None:
    assert judged(logs=logs() | {"classes": classes})["cause"] in CAUSES


def test_a_time_that_cannot_be_read_may_be_now() -> None:
    found = logs(auth=ALL)
    found["classes"]["auth"]["last_at"] = "yesterday"
    assert judged(logs=found, metrics=failing("authentication"))["cause"] == "key_rejected"
