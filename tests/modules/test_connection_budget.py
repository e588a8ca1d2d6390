# SPDX-License-Identifier: GPL-3.0-or-later
"""connection_budget and exhaustion_kind as modules: what playbooks hand over, numbers as text and nulls included."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, conclude
from ansible_collections.brandconnect.incidents.plugins.modules import connection_budget, exhaustion_kind

SLOTS = {"max_connections": 100, "superuser_reserved": 3, "reserved": 0, "usable": 97, "used": 90, "limits": []}


def run(spec: ModuleSpec, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    validation = ArgumentSpecValidator(spec.argument_spec, **spec.constraints).validate(options)
    assert not validation.errors.errors, validation.errors.msg
    return conclude(spec, validation.validated_parameters, check_mode)


def budget(workload: dict[str, Any], **options: Any) -> dict[str, Any]:
    return run(connection_budget.SPEC, **{"slots": SLOTS, "workloads": [workload], "others": 5, **options})


def test_the_facts_of_k8s_workload_can_be_handed_over_as_they_are() -> None:
    facts = {"replicas": 2, "surge": 1, "max_replicas": 4, "pods_at_most": 5}
    result = budget({"name": "backend", "pool_max": "100", **facts}, proposed={"name": "backend", "pool_max": "14"})
    assert result["arithmetic"] == "100 x (4 + 1) + 5 = 505 > 77 = floor(97 x 0.8)"
    assert result["proposed"]["fits"] is True
    assert (result["changed"], result.get("failed")) == (False, None)


def test_check_mode_makes_no_difference() -> None:
    workload = {"name": "backend", "pool_max": 10, "pods_at_most": 5}
    assert budget(workload) == budget(workload, check_mode=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"slots": None},
        {"others": None},
        {"workloads": [{"name": "backend", "pool_max": None, "pods_at_most": 5}]},
        {"workloads": [{"name": "backend", "pool_max": "many", "pods_at_most": 5}]},
        {"workloads": [{"name": "backend", "pool_max": 10, "replicas": 4, "surge": None}]},
    ],
)
def test_null_is_not_known(changes: dict[str, Any]) -> None:
    result = budget({"name": "backend", "pool_max": 10, "pods_at_most": 5}, **changes)
    assert result["fits"] is None
    assert result["reason"].startswith("the budget cannot be computed: ")


def test_options_that_make_no_sense_fail_with_their_name() -> None:
    result = budget({"name": "backend", "pool_max": 10, "pods_at_most": 5}, share=2.0)
    assert result["failed"] is True
    assert result["msg"] == "Computing the connection budget: share is above 0 and up to 1, not 2"


def test_exhaustion_takes_the_results_of_the_other_modules() -> None:
    activity = {"reachable": True, "cause": None, "message": None, "slots": {**SLOTS, "used_ratio": 0.97}}
    result = run(exhaustion_kind.SPEC, activity=activity, logs=[])
    assert (result["kind"], result["current"], result["changed"]) == ("server_slots", True, False)
    assert run(exhaustion_kind.SPEC, activity=None)["kind"] == "unknown"
    assert run(exhaustion_kind.SPEC, activity=activity, critical_ratio=1.5)["failed"] is True
