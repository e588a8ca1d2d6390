# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer of Prometheus is worth: every state of the answer against every state of the targets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus import (
    Circumstances,
    Given,
    judge,
    server_time,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_answers import (
    Series,
    instant_text,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_queries import (
    SCRAPED_AT,
    Query,
    read_queries,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_targets import targets_facts

NOW = 1_795_467_480.0
UNREACHABLE = Given(None, "timeout", "no answer within 3 s", answered=False)
REFUSED = Given(None, "execution", "HTTP 422, duplicates", answered=True)


def vector(*values: str) -> Given:
    result = [{"metric": {"n": str(number)}, "value": [NOW, value]} for number, value in enumerate(values)]
    return Given({"resultType": "vector", "result": result})


def judged(main: Given, state: str | None = "up", query: Query | None = None, **given: Any) -> dict[str, Any]:
    targets = None if state is None else {"state": state, "reason": f"they are {state}"}
    around = Circumstances(targets, given.pop("skew", None), 20, NOW)
    result = judge(query or Query("it", "x"), main, given.get("volume"), given.get("age"), around)
    json.dumps(result, allow_nan=False)
    assert result["value"] is None or result["status"] in {"value", "low_volume"}
    return result


@pytest.mark.parametrize("state", [None, "up", "partial", "down", "missing", "unknown"])
@pytest.mark.parametrize(
    ("main", "status", "silent"),
    [
        (vector("0.5"), "value", False),
        (vector("0"), "value", False),
        (vector("1", "NaN"), "value", False),
        (vector("1", "+Inf"), "infinite", False),
        (vector("-Inf"), "infinite", False),
        (vector("NaN"), "nan", True),
        (vector(), "no_data", True),
        (REFUSED, "error", None),
        (UNREACHABLE, "unknown", None),
        (Given({"resultType": "string", "result": [NOW, "x"]}), "error", None),
    ],
)
def test_every_answer_against_every_state_of_the_targets(
    state: str | None, main: Given, status: str, silent: bool | None
) -> None:
    result = judged(main, state)
    if silent is None or state in {None, "up"}:
        assert result["status"] == status
    elif state in {"down", "missing"} or silent:
        assert (result["status"], result["reason"]) == ("unknown", f"targets_{state}")
    else:
        assert result["status"] == status
    assert result["partial"] == {None: None, "unknown": None, "up": False}.get(state, True)


@pytest.mark.parametrize(
    ("volume", "status", "reason"),
    [
        (vector("20"), "value", None),
        (vector("12", "8"), "value", None),
        (vector("19.9"), "low_volume", "low_volume"),
        (vector(), "no_data", "no_volume"),
        (vector("NaN"), "no_data", "no_volume"),
        (REFUSED, "error", "execution"),
        (UNREACHABLE, "unknown", "timeout"),
    ],
)
def test_the_gate_of_the_volume(volume: Given, status: str, reason: str | None) -> None:
    query = Query("it", "x", volume="y", min_volume=20)
    result = judged(vector("0.5"), query=query, volume=volume)
    assert (result["status"], result["reason"]) == (status, reason)
    if status == "low_volume":
        assert (result["value"], result["volume"]) == (0.5, 19.9)
        assert judged(vector("0.5"), "partial", query, volume=volume)["status"] == "unknown"


@pytest.mark.parametrize(
    ("age", "status", "reason"),
    [
        (vector("3"), "value", None),
        (vector("121"), "stale", "old_samples"),
        (vector("NaN"), "stale", "old_samples"),
        (vector(), "no_data", "series_missing"),
        (REFUSED, "error", "execution"),
        (UNREACHABLE, "unknown", "timeout"),
    ],
)
def test_the_gate_of_the_age(age: Given, status: str, reason: str | None) -> None:
    query = Query("it", "x or vector(0)", selector="x")
    result = judged(vector("0"), query=query, age=age)
    assert (result["status"], result["reason"]) == (status, reason)


def points(*values: str, step: float = 10, end: float = NOW) -> Given:
    start = end - (len(values) - 1) * step
    listed = [[start + number * step, value] for number, value in enumerate(values)]
    return Given({"resultType": "matrix", "result": [{"metric": {}, "values": listed}]})


@pytest.mark.parametrize(
    ("values", "status", "within"),
    [
        (("0.1", "0.01", "0.02", "0.05"), "value", {"points": 3, "seconds": 20.0}),
        (("0.01", "0.01", "0.2"), "value", {"points": 0, "seconds": 0.0}),
        (("0.01", "NaN", "0.01"), "value", {"points": 1, "seconds": 0.0}),
        (("0.01", "0.01", "NaN"), "nan", {"points": 0, "seconds": 0.0}),
        (("0.01", "+Inf", "0.01"), "value", {"points": 1, "seconds": 0.0}),
        (("0.01", "-Inf", "0.01"), "value", {"points": 1, "seconds": 0.0}),
    ],
)
def test_the_newest_points_that_stay_within_the_limit(
    values: tuple[str, ...], status: str, within: dict[str, float]
) -> None:
    query = Query("it", "x", window_s=60, step_s=10, limit=0.05)
    result = judged(points(*values), query=query)
    assert result["status"] == status
    assert result["series"][0]["within"] == within


def test_a_gap_breaks_the_row_and_a_series_that_ends_is_stale() -> None:
    gap = Series({}, ((NOW - 60, 0.0), (NOW - 10, 0.0), (NOW, 0.0)))
    assert gap.within(1, 10) == {"points": 2, "seconds": 10.0}
    query = Query("it", "x", window_s=60, step_s=10)
    assert judged(points("1", "1", end=NOW - 20), query=query)["reason"] == "series_ended"
    assert judged(points("1", "1", end=NOW - 10), query=query)["status"] == "value"
    assert judged(points("1"), query=query, skew=-60)["reason"] == "clock_skew"
    assert judged(points("1"), query=query, skew=60)["status"] == "value"


def up(instance: str, value: int, scraped_ago: float | None) -> list[dict[str, Any]]:
    labels = {"__name__": "up", "job": "backend", "instance": instance}
    found = [{"metric": labels, "value": [NOW, str(value)]}]
    if scraped_ago is not None:
        at = {"job": "backend", "instance": instance, SCRAPED_AT: "1"}
        found.append({"metric": at, "value": [NOW, str(NOW - scraped_ago)]})
    return found


@pytest.mark.parametrize(
    ("targets", "state", "counts"),
    [
        ([up("a", 1, 5), up("b", 1, 9)], "up", (2, 0, 0)),
        ([up("a", 1, 5), up("b", 0, 5)], "partial", (1, 1, 0)),
        ([up("a", 1, 5), up("b", 1, 200)], "partial", (1, 0, 1)),
        ([up("a", 0, 5)], "down", (0, 1, 0)),
        ([up("a", 1, 121)], "down", (0, 0, 1)),
        ([up("a", 1, None)], "down", (0, 0, 1)),
        ([up("a", 1, -3)], "up", (1, 0, 0)),
        ([], "missing", (0, 0, 0)),
    ],
)
def test_targets(targets: list[list[dict[str, Any]]], state: str, counts: tuple[int, int, int]) -> None:
    data = {"resultType": "vector", "result": [sample for target in targets for sample in target]}
    facts = targets_facts("backend", data, 120)
    assert (facts["state"], (facts["up"], facts["down"], facts["stale"])) == (state, counts)
    assert facts["total"] == len(targets) == len(facts["list"])
    assert (facts["reason"] is None) is (state == "up")


def test_targets_that_could_not_be_asked_for_are_unknown() -> None:
    assert targets_facts("backend", None, 120, "no answer")["state"] == "unknown"
    assert targets_facts("backend", {"resultType": "string", "result": []}, 120)["state"] == "unknown"


def test_the_points_of_two_looks_lie_on_one_grid() -> None:
    (query,) = read_queries({"it": {"query": "x", "range": {"window_s": "60", "step_s": 15}}})
    assert query.main(NOW + 1) == query.main(NOW + 14)
    assert dict(query.main(NOW)[1])["end"] == str(int(NOW))


def test_instants_that_are_no_date() -> None:
    assert instant_text(NOW) == "2026-11-23T20:58:00.000000Z"
    assert [instant_text(seconds) for seconds in (-1, float("nan"), float("inf"), 1e12)] == [None] * 4
    assert server_time(vector("5")) == 5
    assert server_time(UNREACHABLE) is None
