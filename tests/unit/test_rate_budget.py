# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests a second each process may send, with the arithmetic."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rate_budget import rate_budget
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import conclude
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.modules.stripe_rate_budget import SPEC


def budget(**given: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"account_rps": 25, "headroom": 0.6, "replicas": 4, "surge": 1, "current": 100, **given}
    positional = [options.pop(name) for name in ("account_rps", "headroom", "replicas", "surge")]
    return rate_budget(*positional, **options)


def test_the_limit_of_a_process_is_not_the_accounts() -> None:
    """PAY-R3: 100 in each of four pods is 400 a second, 500 while they are replaced."""
    result = budget()
    assert (result["per_pod"], result["allowed"], result["pods_at_most"]) == (3, 15, 5)
    assert (result["effective_now"], result["effective_at_most"], result["effective_after"]) == (400, 500, 15)
    assert (result["fits"], result["lower"]) == (False, True)
    assert result["arithmetic"] == "floor(25 x 0.6 / (4 + 1)) = 3"
    assert result["reason"] == f"{result['arithmetic']}; now 100 x 5 = 500 a second at most, above 15"


@pytest.mark.parametrize(
    ("given", "per_pod", "fits", "lower"),
    [
        ({"current": "3"}, 3, True, False),
        ({"current": "2.5"}, 3, True, False),
        ({"current": 4}, 3, False, True),
        ({"account_rps": 100, "current": 12}, 12, True, False),
        ({"surge": "25%"}, 3, False, True),
        ({"surge": 0}, 3, False, True),
        ({"replicas": 2, "max_replicas": 9}, 1, False, True),
        ({"replicas": 9, "max_replicas": 2}, 1, False, True),
        ({"processes_per_pod": 2}, 1, False, True),
        ({"current": None}, 3, None, None),
        ({"current": "many"}, 3, None, None),
        ({"current": 0}, 3, None, None),
        ({"current": True}, 3, None, None),
        ({"replicas": 40, "current": 1}, 1, False, False),  # even the least is too much
        ({"replicas": 0, "surge": 0}, None, True, None),
        ({"replicas": None}, None, None, None),
        ({"surge": None}, None, None, None),
        ({"surge": "some"}, None, None, None),
        ({"headroom": 0.7, "account_rps": 30, "replicas": 2, "surge": 1}, 7, False, True),  # 30 x 0.7 is 20.99999...
    ],
)
def test_what_fits(given: dict[str, Any], per_pod: int | None, fits: bool | None, lower: bool | None) -> None:
    result = budget(**given)
    assert (result["per_pod"], result["fits"], result["lower"]) == (per_pod, fits, lower)
    assert result["reason"]
    if result["arithmetic"] is None and fits is None:
        assert result["reason"].startswith("the budget cannot be computed: ")


def test_the_budget_is_never_passed_but_by_the_least() -> None:
    for account, headroom, replicas, surge, processes in itertools.product(
        (1, 25, 100), (0.1, 0.6, 1), (1, 3, 10), (0, 1, "25%"), (1, 2)
    ):
        result = budget(
            account_rps=account, headroom=headroom, replicas=replicas, surge=surge, processes_per_pod=processes
        )
        count = result["pods_at_most"] * processes
        assert result["per_pod"] >= 1
        assert result["per_pod"] == 1 or result["per_pod"] * count <= result["allowed"] + 1e-6
        assert (result["per_pod"] + 1) * count > result["allowed"], "one more would be too much"
        again = budget(
            account_rps=account,
            headroom=headroom,
            replicas=replicas,
            surge=surge,
            processes_per_pod=processes,
            current=result["per_pod"],
        )
        assert again["lower"] is False, "a second run has nothing to lower"


@pytest.mark.parametrize(
    "given", [{"account_rps": 0}, {"headroom": 0}, {"headroom": 1.1}, {"headroom": math.nan}, {"processes_per_pod": 0}]
)
def test_numbers_that_make_no_sense_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(IncidentsError, match=f"Computing the rate budget: {next(iter(given))}"):
        budget(**given)


def test_the_module_takes_what_k8s_workload_says() -> None:
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    given = {**defaults, "replicas": 4, "surge": "1", "current": "100"}
    for check_mode in (False, True):
        result = conclude(SPEC, given, check_mode)
        assert (result["per_pod"], result["fits"], result["changed"]) == (3, False, False)
