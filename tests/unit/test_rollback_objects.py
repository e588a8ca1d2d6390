# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that were applied are given back only as they were left."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.applying import substance
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_steps import steps_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import fingerprint
from support.rollback_facts import (
    HEADER,
    INCIDENT,
    action,
    judged,
    run,
)

Json = dict[str, Any]


def config_map(size: str) -> Json:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pool"}, "data": {"size": size}}


def applied(operation: str, before: Json | None, after: Json, result: str = "applied") -> Json:
    mine = {"kind": "ConfigMap", "name": "pool", "result": result, "uid": "u9", "fingerprint": fingerprint(after)}
    about = {"api_version": "v1", "kind": "ConfigMap", "namespace": "shop", "name": "pool", "operation": operation}
    current = {"uid": None, "current": fingerprint(substance(before)) if before else None}
    states = {"before": {"ConfigMap/pool": before}, "after": {"ConfigMap/pool": after}}
    return action("deploy-pgbouncer", about | current, results=[mine], **states)


def present(item: Json | None, *, created_for: str | None = INCIDENT, uid: str = "u9", **more: Any) -> Json:
    """A result of k8s_restore in check mode."""
    facts = {
        "exists": item is not None,
        "uid": uid if item else None,
        "fingerprint": fingerprint(item) if item else None,
        "created_for": created_for if item else None,
        "managers": ["incident-runbooks"] if item else [],
    }
    entry = {"kind": "ConfigMap", "name": "pool", "present": facts | more, "differences": []}
    return {"status": "planned", "results": [entry]}


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (present(config_map("1")), "restore"),
        (present(None), "already_restored"),
        (present(config_map("2")), "moved_on"),
        (present(config_map("1"), uid="other"), "moved_on"),
        (present(config_map("1"), created_for=None), "moved_on"),
        (present(config_map("1"), created_for="another-incident"), "moved_on"),
        (present(config_map("1"), managers=["kubectl"]), "moved_on"),
    ],
)
def test_only_what_this_incident_created_and_nobody_changed_is_deleted(now: Json, verdict: str) -> None:
    (found,) = judged(run("r1", applied("create", None, config_map("1"))), r1=now)
    assert found["verdict"] == verdict, found["reason"]


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (present(config_map("2"), created_for=None), "restore"),
        (present(config_map("1")), "already_restored"),
        (present(config_map("3")), "moved_on"),
        (present(None), "moved_on"),
    ],
)
def test_an_object_that_was_changed_gets_its_earlier_content(now: Json, verdict: str) -> None:
    (found,) = judged(run("r1", applied("update", config_map("1"), config_map("2"))), r1=now)
    assert found["verdict"] == verdict, found["reason"]


def test_options_of_objects_are_in_reverse_order_and_whole() -> None:
    done = applied("update", config_map("1"), config_map("2"))
    created = applied("create", None, config_map("1"))
    both = done | {"targets": [*done["targets"], *({**each, "kind": "Service"} for each in created["targets"])]}
    both["results"] = [*done["results"], {**created["results"][0], "kind": "Service"}]
    (step,) = steps_of(run("r1", both), HEADER)
    assert [(entry["kind"], entry["previous"]) for entry in step["objects"]] == [
        ("Service", None),
        ("ConfigMap", config_map("1")),
    ]
    spoilt = done | {"before": {"ConfigMap/pool": "[cut: object of 4 keys, 900000 bytes]"}}
    (step,) = steps_of(run("r1", spoilt), HEADER)
    assert "not whole in the record" in step["why_not"]


def test_of_an_apply_that_was_cut_off_only_what_nobody_else_wrote_goes() -> None:
    unknown = applied("create", None, config_map("1"), result="unknown") | {"status": "unknown"}
    (found,) = judged(run("r1", unknown), r1=present(config_map("7")))
    assert found["verdict"] == "restore"
    others = present(config_map("7"), managers=["incident-runbooks", "kubectl-edit"])
    (found,) = judged(run("r1", unknown), r1=others)
    assert found["verdict"] == "moved_on"
    untouched = applied("create", None, config_map("1"), result="not_attempted") | {"status": "failed"}
    (step,) = steps_of(run("r1", untouched), HEADER)
    assert step["values"] == []
