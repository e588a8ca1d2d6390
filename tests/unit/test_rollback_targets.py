# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that were added, an index that was built and variables that were set: when they are given back, and when not."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback import (
    compare,
    to_restore,
    workloads,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_acting import verdicts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_steps import steps_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import fingerprint

Json = dict[str, Any]

INCIDENT = "api-latency-20261128T101500Z-3fa1"
HEADER = [{"id": "scale-backend", "can_roll_back": True}, {"id": "create-index", "can_roll_back": True}]
DEFINITION = "CREATE INDEX idx ON public.offers USING btree (campaign_id)"
HPA = {"minReplicas": 2, "maxReplicas": 2}
RAISED = {"minReplicas": 4, "maxReplicas": 4}


def records(*actions: Json, plan: Json | None = None) -> list[Json]:
    """A journal with one run for each action; of a plan instead, a run that was cut off."""
    runs: list[Json] = []
    for number, each in enumerate(actions, start=1):
        said = [("run_started", {"run": {"mode": "remediate", "check_mode": False}}), ("action", each)]
        runs += [{"run_id": f"r{number}", "type": kind, "data": data, "at": "t"} for kind, data in said]
        runs.append({"run_id": f"r{number}", "type": "run_ended", "data": {}, "at": "t"})
    if plan:
        started = {"run": {"mode": "remediate", "check_mode": False}}
        runs += [{"run_id": "r0", "type": "run_started", "data": started, "at": "t"}]
        runs += [{"run_id": "r0", "type": "plan", "data": {"remediations": [plan]}, "at": "t"}]
    return runs


def judged(journal: list[Json], *present: Json) -> list[Json]:
    """Judge every step by the result of the same place, newest first."""
    steps = steps_of(journal, HEADER)
    return compare(
        steps, {step["key"]: [seen] for step, seen in zip(steps, present, strict=True)} if present else {}, INCIDENT
    )


# pods


def scaled(old: Json = HPA, new: Json = RAISED, **more: Any) -> Json:
    """The record of a remediation that scaled."""
    kind = "HorizontalPodAutoscaler" if "minReplicas" in old else "Deployment"
    target = {
        "kind": kind,
        "name": "backend",
        "namespace": "shop",
        "uid": "h1",
        "workload": "Deployment/backend",
        "action": "scale",
        "changes": [{"what": key, "old": old[key], "new": new[key]} for key in sorted(new)],
    }
    return {"id": "scale-backend", "status": "done", "changed": True, "targets": [target], **more}


def revert(
    limits: Json, status: str = "planned", refusal: str | None = None, then: Json = HPA, uid: str = "h1"
) -> Json:
    """A result of k8s_scale with action revert, in check mode."""
    autoscaler = {"name": "backend", "min": limits["minReplicas"], "max": limits["maxReplicas"]}
    before = {"kind": "Deployment", "name": "backend", "uid": "d1", "replicas": 2, "scaled_by": []}
    changes = [{"what": key, "old": limits.get(key), "new": HPA[key]} for key in sorted(HPA)]
    return {
        "status": status,
        "reason": "because",
        "refusal": refusal,
        "before": before | {"autoscaler": autoscaler if "minReplicas" in limits else None},
        "targets": [{"uid": uid, "changes": changes}] if status == "planned" else [],
    }


GONE: Json = {"status": "nothing_to_do", "refusal": "not_scaled"}


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (revert(RAISED), "restore"),
        (revert(RAISED, uid="h2"), "moved_on"),  # another autoscaler of the same name
        (revert({"minReplicas": 9, "maxReplicas": 9}, "refused", "changed_since"), "moved_on"),
        (revert(RAISED, "refused", "changed_since"), "moved_on"),  # another incident has scaled on top of it
        (revert(HPA, "refused", "changed_since"), "already_restored"),  # by hand
        (revert(HPA, **GONE), "already_restored"),
        (revert(RAISED, **GONE), "moved_on"),  # nothing says what was before
        (revert(RAISED, "refused", "autoscaler_unknown"), "unknown"),
        (revert(RAISED, "refused", "record_unreadable"), "unknown"),
        (revert(RAISED, "refused", "evidence_hold"), "unknown"),
        ({"failed": True, "cause": "forbidden", "msg": "may not"}, "unknown"),
        ({"failed": True, "cause": "not_found", "msg": "no such Deployment"}, "moved_on"),
        ({"status": "planned", "before": {"kind": "Deployment", "name": "other", "scaled_by": []}}, "unknown"),
    ],
)
def test_pods_go_back_unless_somebody_has_changed_their_number(now: Json, verdict: str) -> None:
    (found,) = judged(records(scaled()), now)
    assert found["verdict"] == verdict, found["reason"]
    assert bool(found["targets"]) == (verdict == "restore")
    assert to_restore([found]) == (["r1/scale-backend"] if verdict == "restore" else [])


def test_why_pods_that_nobody_touched_stay_is_told() -> None:
    (raised,) = judged(records(scaled()), revert(RAISED, **GONE))
    assert raised["reason"].endswith("are as the runbook left them, but nothing says any more what was before")
    (changed,) = judged(records(scaled()), revert({"minReplicas": 9, "maxReplicas": 9}, "refused", "changed_since"))
    assert "were changed meanwhile: the runbook left maxReplicas 4, minReplicas 4, now it is" in changed["reason"]


def test_why_an_index_stays_is_told() -> None:
    (other,) = judged(records(built()), drop("refused", "plan_changed"))
    assert other["reason"].endswith("is another one now than the runbook left")
    (left,) = judged(records(built()), drop("refused", "constraint"))
    assert "is left alone: " in left["reason"]


def test_what_is_shown_of_pods() -> None:
    steps = steps_of(records(scaled()), HEADER)
    assert steps[0]["scale"] == {"kind": "Deployment", "name": "backend", "action": "revert"}
    assert (steps[0]["rollout"], steps[0]["index"], steps[0]["why_not"]) == (None, None, None)
    (found,) = judged(records(scaled()), revert(RAISED))
    assert found["reason"] == (
        "pods of Deployment backend go back from maxReplicas 4, minReplicas 4 to maxReplicas 2, minReplicas 2"
    )
    assert workloads([found], ["r1/scale-backend"]) == [{"kind": "HorizontalPodAutoscaler", "name": "backend"}]
    (moved,) = judged(records(scaled()), revert({"minReplicas": 9, "maxReplicas": 9}, "refused", "changed_since"))
    (difference,) = moved["differences"]
    assert difference == {
        "what": "pods of Deployment backend",
        "expected": "maxReplicas 4, minReplicas 4",
        "now": "maxReplicas 9, minReplicas 9",
        "previous": "maxReplicas 2, minReplicas 2",
    }


def test_a_workload_that_an_autoscaler_has_taken_over_is_left_alone() -> None:
    (found,) = judged(records(scaled({"replicas": 2}, {"replicas": 4})), revert(RAISED, **GONE))
    assert (found["verdict"], "something else" in found["reason"]) == ("moved_on", True)


def test_two_runs_that_scaled_go_back_at_once_and_are_verified_as_such() -> None:
    further = {"minReplicas": 6, "maxReplicas": 6}
    noted = {"incident": INCIDENT, "pods": 2, "before": HPA, "set": further}
    second = scaled(RAISED, further, after={"scaled_by": [noted]})
    journal = records(scaled(), second)
    now = revert(further)
    found = judged(journal, now, now)
    assert [(each["run_id"], each["verdict"]) for each in found] == [("r2", "restore"), ("r1", "already_restored")]
    steps = steps_of(journal, HEADER)
    (verdict,) = verdicts(steps, {"r2/scale-backend": "done"}, {"r2/scale-backend": [revert(HPA, **GONE)]}, INCIDENT)
    assert verdict["status"] == "resolved", verdict


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (revert(HPA, **GONE), "resolved"),
        (revert(RAISED), "unresolved"),
        ({"failed": True, "cause": "timeout", "msg": "silence"}, "unverified"),
    ],
)
def test_pods_are_verified_by_another_look(now: Json, status: str) -> None:
    steps = steps_of(records(scaled()), HEADER)
    (verdict,) = verdicts(steps, {"r1/scale-backend": "done"}, {"r1/scale-backend": [now]}, INCIDENT)
    assert verdict["status"] == status, verdict


@pytest.mark.parametrize(("now", "verdict"), [(revert(HPA, **GONE), "already_restored"), (revert(RAISED), "restore")])
def test_a_run_that_was_cut_off_while_scaling_is_looked_into(now: Json, verdict: str) -> None:
    entry = {"id": "scale-backend", "status": "recommended", "approved": True, "targets": scaled()["targets"]}
    (found,) = judged(records(plan=entry), now)
    assert found["verdict"] == verdict


# an index


def built(result: str = "created", oid: int | None = 7, **more: Any) -> Json:
    """The record of a remediation that built an index."""
    target = {"database": "shop", "schema": "public", "table": "offers", "table_oid": 5, "index": "idx"}
    index = {"oid": oid, "name": "idx", "definition": DEFINITION} if oid else None
    return {
        "id": "create-index",
        "status": "done" if result == "created" else result,
        "changed": True,
        "targets": [{"action": "create", **target, "statement": "CREATE INDEX"}],
        "results": [{"schema": "public", "table": "offers", "index": "idx", "result": result}],
        "after": {"index": index, "plan": None},
        **more,
    }


def drop(status: str = "planned", refusal: str | None = None) -> Json:
    """A result of pg_index with action drop, in check mode."""
    before = {"index": {"oid": 8, "name": "idx", "definition": "CREATE INDEX idx ON theirs"}}
    return {"status": status, "refusal": refusal, "reason": "because", "checks": [], "before": before}


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (drop(), "restore"),
        (drop("nothing_to_do", "gone"), "already_restored"),
        (drop("refused", "not_ours"), "moved_on"),
        (drop("refused", "plan_changed"), "moved_on"),
        (drop("refused", "constraint"), "moved_on"),
        (drop("refused", "no_table"), "moved_on"),
        (drop("refused", "building"), "unknown"),
        (drop("refused", "not_permitted"), "unknown"),
        (drop("refused", "in_recovery"), "unknown"),
        ({"failed": True, "cause": "refused", "msg": "nothing listens"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_only_the_index_that_the_incident_built_is_dropped(now: Json, verdict: str) -> None:
    (found,) = judged(records(built()), now)
    assert found["verdict"] == verdict, found["reason"]
    assert bool(found["targets"]) == (verdict == "restore")
    assert workloads([found], ["r1/create-index"]) == [], "it is no workload of the cluster"


def test_the_index_is_named_by_identity_and_definition() -> None:
    (step,) = steps_of(records(built()), HEADER)
    assert step["index"] == {
        "action": "drop",
        "schema": "public",
        "table": "offers",
        "name": "idx",
        "targets": [
            {
                "action": "drop",
                "database": "shop",
                "schema": "public",
                "table": "offers",
                "table_oid": 5,
                "index": "idx",
                "index_oid": 7,
                "definition": DEFINITION,
            }
        ],
    }
    (moved,) = judged(records(built()), drop("refused", "plan_changed"))
    (difference,) = moved["differences"]
    assert (difference["expected"], difference["now"]) == (DEFINITION, "CREATE INDEX idx ON theirs")


def test_of_a_build_that_was_cut_off_the_comment_alone_says_whose_it_is() -> None:
    (step,) = steps_of(records(built("unknown", None)), HEADER)
    assert "targets" not in step["index"]
    assert step["why_not"] is None
    entry = {"id": "create-index", "status": "recommended", "approved": True, "targets": built()["targets"]}
    (found,) = judged(records(plan=entry), drop("nothing_to_do", "gone"))
    assert found["verdict"] == "already_restored"


def test_what_a_failed_build_left_behind_is_named_and_not_dropped() -> None:
    (found,) = judged(records(built("failed")))
    assert (found["verdict"], "drop_leftovers" in found["reason"]) == ("nothing", True)
    (nothing,) = steps_of(records(built("failed", None)), HEADER)
    assert nothing["values"] == []
    (nothing,) = steps_of(records(built("not_attempted", None)), HEADER)
    assert nothing["values"] == []


@pytest.mark.parametrize(
    ("now", "status"), [(drop("nothing_to_do", "gone"), "resolved"), (drop(), "unresolved"), ({}, "unverified")]
)
def test_a_dropped_index_is_verified_by_another_look(now: Json, status: str) -> None:
    steps = steps_of(records(built()), HEADER)
    (verdict,) = verdicts(steps, {"r1/create-index": "done"}, {"r1/create-index": [now]}, INCIDENT)
    assert verdict["status"] == status, verdict


# variables, as slow-ingestion sets them


def slowed(interval: str | None = "1800") -> Json:
    def change(name: str, old: str | None, new: str) -> Json:
        prints = {"old_fingerprint": fingerprint(old) if old else None, "new_fingerprint": fingerprint(new)}
        return {"what": "env", "container": "worker", "name": name, "old": old, "new": new, **prints}

    changes = [
        change("METRIC_INGESTION_INTERVAL", interval, "3600"),
        change("METRIC_PAUSED_PLATFORMS", None, "tiktok"),
    ]
    target = {"kind": "Deployment", "namespace": "shop", "name": "metric-worker", "uid": "w1", "changes": changes}
    return {"id": "slow-ingestion", "status": "done", "changed": True, "targets": [target]}


def worker(**values: str | None) -> Json:
    variables = [
        {
            "container": "worker",
            "name": name,
            "set": value is not None,
            "value": value,
            "value_from": None,
            "fingerprint": None if value is None else fingerprint(value),
        }
        for name, value in values.items()
    ]
    before = {"kind": "Deployment", "name": "metric-worker", "uid": "w1", "variables": variables, "replicas": 1}
    return {"status": "planned", "before": before, "results": []}


def test_an_interval_and_paused_platforms_go_back_together() -> None:
    (step,) = steps_of(records(slowed()), HEADER)
    assert (step["rollout"]["name"], step["rollout"]["action"]) == ("metric-worker", "set_env")
    assert step["rollout"]["env"] == {"METRIC_INGESTION_INTERVAL": "1800", "METRIC_PAUSED_PLATFORMS": None}
    (found,) = judged(records(slowed()), worker(METRIC_INGESTION_INTERVAL="3600", METRIC_PAUSED_PLATFORMS="tiktok"))
    assert (found["verdict"], len(found["targets"])) == ("restore", 2)
    (found,) = judged(records(slowed()), worker(METRIC_INGESTION_INTERVAL="900", METRIC_PAUSED_PLATFORMS="tiktok"))
    assert found["verdict"] == "moved_on"
    (found,) = judged(records(slowed(None)), worker(METRIC_INGESTION_INTERVAL=None, METRIC_PAUSED_PLATFORMS=None))
    assert found["verdict"] == "already_restored"
