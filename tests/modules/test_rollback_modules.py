# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules that know their own way back really return is what a rollback understands, and the world goes back."""

from __future__ import annotations

from typing import Any

from modules.k8s_support import KubernetesCluster, cluster, until
from modules.test_k8s_hold import BREACH, HOLD, hold
from modules.test_k8s_hold import manifest as held_backend
from modules.test_k8s_hold import state as state_of
from modules.test_k8s_scale import autoscaler, backend, budget_for, scale
from modules.test_pg_index import INCIDENT as INDEX_INCIDENT
from modules.test_pg_index import NAME, index, indexes, sales
from modules.test_quarantine_pod import INCIDENT as SUSPECTED
from modules.test_quarantine_pod import manifests, pods, served
from modules.test_quarantine_pod import run as quarantine

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback import compare
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_acting import verdicts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_steps import steps_of

__all__ = ["backend", "cluster", "index", "sales"]

Json = dict[str, Any]
KEPT = ("status", "changed", "reason", "targets", "before", "after", "results")


def step_of(name: str, done: Json) -> Json:
    """The step back of a remediation that recorded what a module returned."""
    action = {"id": name, **{key: done[key] for key in KEPT}}
    said = [("run_started", {"run": {"mode": "remediate"}}), ("action", action), ("run_ended", {})]
    records = [{"run_id": "r1", "type": kind, "data": data, "at": "t"} for kind, data in said]
    (step,) = steps_of(records, [{"id": name, "can_roll_back": True}], [name])
    assert step["why_not"] is None, step
    return step


def verdict_of(step: Json, now: Json, incident: str = "i1") -> str:
    (found,) = compare([step], {step["key"]: [now]}, incident)
    return str(found["verdict"])


def test_pods_that_were_added_go_back(backend: KubernetesCluster) -> None:
    backend.apply([autoscaler(2, 2)])
    done = scale(backend, connection_budget=budget_for(2))
    assert done["status"] == "done", done
    step = step_of("scale-backend", done)
    options = {**step["scale"], "incident": "i1"}
    assert verdict_of(step, scale(backend, check_mode=True, **options)) == "restore"
    backend.kubectl("patch", "hpa", "backend", "--type=merge", "-p", '{"spec":{"maxReplicas":9}}')
    assert verdict_of(step, scale(backend, check_mode=True, **options)) == "moved_on"
    assert scale(backend, **options)["status"] == "refused"
    most = done["after"]["autoscaler"]["max"]
    backend.kubectl("patch", "hpa", "backend", "--type=merge", "-p", f'{{"spec":{{"maxReplicas":{most}}}}}')
    assert scale(backend, **options)["status"] == "done"
    spec = backend.json("get", "hpa", "backend")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 2)
    now = scale(backend, check_mode=True, **options)
    assert verdict_of(step, now) == "already_restored"
    (verdict,) = verdicts([step], {step["key"]: "done"}, {step["key"]: [now]}, "i1")
    assert verdict["status"] == "resolved"


def test_a_workload_is_released_by_the_incident_that_holds_it(cluster: KubernetesCluster) -> None:
    cluster.apply([held_backend()])
    cluster.kubectl("rollout", "status", "deployment/backend", "--timeout=30s")
    step = step_of("preserve-evidence", hold(cluster))
    options = {**step["hold"], "state": "released"}
    before = state_of(cluster)
    assert verdict_of(step, hold(cluster, check_mode=True, **options), BREACH) == "restore"
    assert state_of(cluster) == before, "check mode writes nothing"
    cluster.kubectl("annotate", "--overwrite", "deployment", "backend", f"{HOLD}=another")
    assert verdict_of(step, hold(cluster, check_mode=True, **options), BREACH) == "moved_on"
    assert hold(cluster, **options)["status"] == "refused"
    cluster.kubectl("annotate", "--overwrite", "deployment", "backend", f"{HOLD}={BREACH}")
    assert hold(cluster, **options)["status"] == "done"
    assert state_of(cluster)[0] == {}
    now = hold(cluster, check_mode=True, **options)
    assert verdict_of(step, now, BREACH) == "already_restored"
    (verdict,) = verdicts([step], {step["key"]: "done"}, {step["key"]: [now]}, BREACH)
    assert verdict["status"] == "resolved"


def test_pods_are_given_back_and_one_that_its_owner_has_ended_is_no_trouble(cluster: KubernetesCluster) -> None:
    cluster.apply(manifests())
    until(lambda: len(served(cluster)) == 2, "both pods are served")
    suspect = min(pods(cluster))
    done = quarantine(cluster, pods=[suspect], evidence_anchor=None, evidence_override="this is a test of the way back")
    assert done["status"] == "done", done
    step = step_of("quarantine-pods", done)
    options = {**step["quarantine"], "state": "released"}
    isolated = pods(cluster)
    assert verdict_of(step, quarantine(cluster, check_mode=True, **options), SUSPECTED) == "restore"
    assert pods(cluster).keys() == isolated.keys()
    assert pods(cluster)[suspect]["metadata"]["labels"] == isolated[suspect]["metadata"]["labels"]
    other = quarantine(cluster, check_mode=True, incident="another", **options)
    assert (other["refusal"], verdict_of(step, other, "another")) == ("held_by_other", "moved_on")

    assert quarantine(cluster, **options)["status"] == "done"
    until(lambda: len(pods(cluster)) == len(served(cluster)) == 2, "the ReplicaSet ends the pod that is too many")
    now = quarantine(cluster, check_mode=True, **options)
    assert verdict_of(step, now, SUSPECTED) == "already_restored"
    cluster.kubectl("delete", "pod", suspect, "--ignore-not-found")
    gone = quarantine(cluster, check_mode=True, **options)
    assert verdict_of(step, gone, SUSPECTED) == "already_restored"


def test_only_the_index_that_was_built_is_dropped(sales: Any, index: Any) -> None:
    step = step_of("create-index", index())
    options = {**step["index"], "incident": INDEX_INCIDENT}
    assert verdict_of(step, index(check_mode=True, **options)) == "restore"
    quoted = NAME.replace('"', '""')
    with sales.connect() as connection:  # the same definition and comment, and yet another index
        connection.execute(f'REINDEX INDEX CONCURRENTLY "{quoted}"')
    rebuilt = index(check_mode=True, **options)
    assert (rebuilt["refusal"], verdict_of(step, rebuilt)) == ("plan_changed", "moved_on")
    assert index(**options)["status"] == "refused"
    assert NAME in indexes(sales)

    without = {key: value for key, value in options.items() if key != "targets"}
    assert index(**without)["status"] == "done"
    assert indexes(sales) == {}
    assert verdict_of(step, index(check_mode=True, **options)) == "already_restored"
    step = step_of("create-index", index())
    assert index(**{**step["index"], "incident": INDEX_INCIDENT})["status"] == "done"
    assert indexes(sales) == {}
