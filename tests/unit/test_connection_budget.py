# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether all pools fit into the server's slots, with the arithmetic."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.connection_budget import (
    budget,
    surge_pods,
    whole_number,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

SLOTS = {"max_connections": 100, "superuser_reserved": 3, "reserved": 0, "usable": 97, "used": 90}


def backend(**changes: Any) -> dict[str, Any]:
    return {"name": "backend", "pool_max": 100, "replicas": 4, "max_replicas": 4, "surge": 1} | changes


def test_the_sentence_has_every_number() -> None:
    result = budget(SLOTS, [backend()], 5, 0.8)
    assert result["arithmetic"] == "100 x (4 + 1) + 5 = 505 > 77 = floor(97 x 0.8)"
    assert (result["need"], result["allowed"], result["fits"], result["over_by"]) == (505, 77, False, 428)
    assert result["largest_fitting"] == {"backend": 14}
    assert result["reason"].endswith("the largest pool size that fits backend is 14")
    assert result["terms"] == [
        {
            "name": "backend",
            "pool_max": 100,
            "pods_at_most": 5,
            "processes_per_pod": 1,
            "need": 500,
            "arithmetic": "100 x (4 + 1)",
        },
        {"name": "others", "need": 5, "arithmetic": "5"},
    ]


@pytest.mark.parametrize(
    ("workload", "pods"),
    [
        (backend(), 5),
        (backend(max_replicas=10), 11),
        (backend(max_replicas=2), 5),  # the autoscaler has not yet ended what runs
        (backend(max_replicas=None), 5),
        (backend(surge="25%"), 5),
        (backend(max_replicas=10, surge="25%"), 13),  # rounded up, of the most there can be
        (backend(surge="100%"), 8),
        (backend(surge=0), 4),
        (backend(replicas=0, max_replicas=None, surge=0), 0),
        (backend(pods_at_most=7), 7),
        ({"name": "worker", "pool_max": 1, "pods_at_most": 3}, 3),
        (backend(replicas=None, max_replicas=None), None),
        (backend(surge=None), None),
        (backend(surge="some"), None),
    ],
)
def test_the_most_pods_count(workload: dict[str, Any], pods: int | None) -> None:
    assert budget(SLOTS, [workload], 0, 0.8)["terms"][0]["pods_at_most"] == pods


@pytest.mark.parametrize(
    ("slots", "workload", "others", "why"),
    [
        (None, backend(), 0, "PostgreSQL's connection slots are not known"),
        ({}, backend(), 0, "PostgreSQL's connection slots are not known"),
        ({"max_connections": 100}, backend(), 0, "PostgreSQL's connection limits are not known"),
        (SLOTS, backend(pool_max=None), 0, "the pool size of backend is not known"),
        (SLOTS, backend(pool_max="many"), 0, "the pool size of backend is not a whole number"),
        (SLOTS, backend(pool_max=-1), 0, "the pool size of backend is not a whole number"),
        (SLOTS, backend(surge=None), 0, "how many pods backend can have is not known"),
        (SLOTS, backend(), None, "the connections of everything else are not known"),
    ],
)
def test_what_is_not_known_is_not_guessed(
    slots: dict[str, Any] | None, workload: dict[str, Any], others: Any, why: str
) -> None:
    result = budget(slots, [workload], others, 0.8)
    assert (result["fits"], result["over_by"], result["arithmetic"]) == (None, None, None)
    assert result["largest_fitting"] == {"backend": None}
    assert why in result["reason"]


def test_a_proposal_is_judged_beside_what_is() -> None:
    result = budget(SLOTS, [backend(pool_max=10)], 5, 0.8, {"name": "backend", "pool_max": 100})
    assert result["fits"] is True
    assert result["proposed"]["fits"] is False
    assert (result["proposed"]["name"], result["proposed"]["pool_max"]) == ("backend", 100)
    assert result["proposed"]["arithmetic"] == "100 x (4 + 1) + 5 = 505 > 77 = floor(97 x 0.8)"


def test_a_proposal_needs_no_present_size() -> None:
    result = budget(SLOTS, [backend(pool_max=None)], 5, 0.8, {"name": "backend", "pool_max": 14})
    assert result["fits"] is None
    assert result["proposed"]["fits"] is True


def test_no_size_fits_and_it_says_so() -> None:
    result = budget({**SLOTS, "max_connections": 8}, [backend(pool_max=1)], 5, 0.8)
    assert result["largest_fitting"] == {"backend": 0}
    assert "no pool size of backend fits" in result["reason"]


def test_a_workload_without_pods_takes_nothing() -> None:
    result = budget(SLOTS, [backend(replicas=0, max_replicas=0, surge=0)], 5, 0.8)
    assert (result["need"], result["fits"], result["largest_fitting"]) == (5, True, {"backend": None})
    assert "any pool size fits" in result["reason"]


@pytest.mark.parametrize(
    ("workloads", "share", "proposed"),
    [
        ([backend(), backend()], 0.8, None),
        ([backend()], 0.0, None),
        ([backend()], 1.1, None),
        ([backend()], float("nan"), None),
        ([backend()], 0.8, {"name": "other", "pool_max": 5}),
        ([backend()], 0.8, {"name": "backend", "pool_max": 0}),
        ([backend(processes_per_pod=0)], 0.8, None),
    ],
)
def test_options_that_make_no_sense(workloads: Any, share: float, proposed: Any) -> None:
    with pytest.raises(IncidentsError, match="Computing the connection budget"):
        budget(SLOTS, workloads, 0, share, proposed)


def test_the_largest_size_fits_and_one_more_does_not() -> None:
    """The promise of largest_fitting, over many shapes."""
    shapes = itertools.product((1, 2, 3, 7), (0, 1, "25%"), (1, 4), (0, 5, 80), (20, 100, 503), (0.5, 0.55, 0.8, 1.0))
    for replicas, surge, processes, others, connections, share in shapes:
        slots = {"max_connections": connections, "superuser_reserved": 3, "reserved": 2}
        workload = backend(replicas=replicas, max_replicas=None, surge=surge, processes_per_pod=processes)
        worker = {"name": "worker", "pool_max": 2, "pods_at_most": 1}
        result = budget(slots, [workload, worker], others, share)
        assert result["allowed"] == math.floor(round((connections - 5) * share, 6))
        largest = result["largest_fitting"]["backend"]
        sizes = {largest: True, largest + 1: False} if largest else {1: False}
        for size, fits in sizes.items():
            tried = budget(slots, [{**workload, "pool_max": size}, worker], others, share)
            assert tried["fits"] is fits, (replicas, surge, processes, others, connections, share, size)


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), ("5", 5), (" 5 ", 5), (5.0, 5), (5.5, None), ("٣", None), (True, None), (None, None), ("-1", None)],
)
def test_whole_numbers(value: Any, number: int | None) -> None:
    assert whole_number(value) == number


@pytest.mark.parametrize(
    ("surge", "pods", "extra"), [("25%", 4, 1), ("25%", 5, 2), ("0%", 5, 0), (2, 5, 2), ("x%", 5, None)]
)
def test_surge_rounds_up(surge: Any, pods: int, extra: int | None) -> None:
    assert surge_pods(surge, pods) == extra
