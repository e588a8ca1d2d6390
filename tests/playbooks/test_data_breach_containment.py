# SPDX-License-Identifier: GPL-3.0-or-later
"""Containment of a suspected breach that few incidents need: a pod under suspicion, an encrypted dump, everybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyrage
import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_verify import verify_incident
from incident_runbooks.lab.lab import Lab
from support.breach import AWARE, EVIDENCE, BreachRunbook, BreachWorld, assert_closed_circle, breached, runbook, world
from support.platform import wait_until
from support.runbook import Run, assert_no_secret, planned, recommended, verdicts

__all__ = ["breached", "runbook", "world"]
QUARANTINE, EVERYBODY = "quarantine-pods", "revoke-all-sessions"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/brandconnect/networkpolicies"
PODS = "/api/v1/namespaces/brandconnect/pods"

Json = dict[str, Any]


def served(world: BreachWorld) -> set[str]:
    """The pods that the backend's Service sends to."""
    subsets = world.cluster.get("endpoints", "backend", group="api/v1").get("subsets") or []
    return {address["targetRef"]["name"] for each in subsets for address in each.get("addresses") or []}


@pytest.fixture
def suspect(world: BreachWorld, data_lab: Lab) -> Iterator[Json]:
    """A pod of the backend; ended afterwards with what isolates it."""
    wait_until(lambda: len(served(world)) >= 2, "backend with its pods in service")
    pod = world.cluster.pods()[0]
    yield pod
    world.cluster.api.delete(f"{PODS}/{pod['metadata']['name']}")
    for policy in world.cluster.api.items(POLICIES):
        world.cluster.api.delete(f"{POLICIES}/{policy['metadata']['name']}")


def test_a_pod_under_suspicion_is_isolated_and_runs_on_after_an_encrypted_dump(
    runbook: BreachRunbook, breached: BreachWorld, suspect: Json
) -> None:
    name = suspect["metadata"]["name"]
    identity = pyrage.x25519.Identity.generate()
    runbook.variables |= {
        "data_breach_suspect_pods": [name],
        "data_breach_leaked": ["jwt-signing-key"],
        "data_breach_evidence_sources": ["kubernetes", "dump"],
        "data_breach_dump_tables": ["public.payments"],
        "data_breach_encrypt_to": [str(identity.to_public())],
    }
    with breached.cluster.only_read():
        plan = runbook.run(**AWARE)
    assert set(recommended(plan)) >= {EVIDENCE, QUARANTINE}, plan.result["findings"]
    assert planned(plan, QUARANTINE)["status"] == "recommended", planned(plan, QUARANTINE)["reason"]
    before = served(breached)
    assert name in before

    approval = {"runbook_plan_digest": plan.result["plan"]["digest"]}
    run = runbook.approve(EVIDENCE, QUARANTINE, incident=plan.directory, **approval, **AWARE)
    done = [(each["id"], each["status"]) for each in run.result["actions"]]
    assert done == [(EVIDENCE, "done"), (QUARANTINE, "done")], run.result["actions"]
    now = breached.cluster.get("pods", name, group="api/v1")
    assert now["metadata"]["uid"] == suspect["metadata"]["uid"], "it was not ended"
    assert (now["status"]["phase"], "app" in now["metadata"]["labels"]) == ("Running", False)
    assert name not in served(breached)
    assert len(served(breached)) == len(before), "a clean pod has taken its place"
    (policy,) = breached.cluster.api.items(POLICIES)
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert not {"ingress", "egress"} & policy["spec"].keys()
    found = {each["check"]: each["cause"] for each in run.result["verification"]}
    assert (found["quarantine"], verdicts(run)["evidence"]) == ("policy_not_enforced", "resolved"), found

    (dump,) = run.directory.glob("evidence/snapshot/data/**/*.age")
    sealed = dump.read_bytes()
    assert pyrage.decrypt(sealed, [identity]).startswith(b"PGDMP")
    assert verify_incident(run.directory)["intact"] is True
    dump.chmod(0o600)
    dump.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    broken = verify_incident(run.directory)
    assert broken["intact"] is False
    assert dump.name in json.dumps(broken)
    assert_closed_circle(run, breached)
    assert_no_secret(run, [*breached.secrets(), str(identity)])

    again = runbook.approve(QUARANTINE, incident=run.directory, **AWARE)
    assert again.result["actions"] == []
    assert served(breached) == served(breached) - {name}
    assert_both_are_given_back_by_name(runbook, breached, run, suspect)


def assert_both_are_given_back_by_name(runbook: BreachRunbook, world: BreachWorld, run: Run, suspect: Json) -> None:
    """The hold and the quarantine: deliberately, once, and by nobody else."""
    name, incident = suspect["metadata"]["name"], run.result["incident"]["id"]
    both = {"only": [EVIDENCE, QUARANTINE]}
    with world.cluster.only_read():
        in_passing = runbook.roll_back(run)
        look = runbook.roll_back(run, "--check", **both)
    assert (in_passing.result["outcome"], in_passing.result["actions"]) == ("healthy", []), in_passing.result
    assert in_passing.finding(EVIDENCE)["summary"] == f"it is given back by its name alone: --only {EVIDENCE}"
    entries = [(each["id"], each["risk"], each["status"]) for each in look.result["plan"]["remediations"]]
    assert entries == [(each, "destructive", "recommended") for each in (QUARANTINE, EVIDENCE)]
    approval = {"runbook_plan_digest": look.result["plan"]["digest"], **both}
    assert refusal_of(runbook.roll_back(run, **both)).endswith("the digest of the plan is needed")
    world.hold_for("data-breach-20261120T101500Z-11ab")
    assert "is held for the incident data-breach-20261120T101500Z-11ab" in refusal_of(
        runbook.roll_back(run, **approval)
    )
    world.hold_for(incident)
    assert (world.hold(), name in served(world)) == (incident, False)

    back = runbook.roll_back(run, **approval)
    assert (back.rc, back.result["outcome"]) == (0, "resolved"), back.result
    done = [(each["id"], each["status"], each["changed"]) for each in back.result["actions"]]
    assert done == [(QUARANTINE, "done", True), (EVIDENCE, "done", True)]
    assert verdicts(back) == {f"rollback_{QUARANTINE}": "resolved", f"rollback_{EVIDENCE}": "resolved"}
    assert world.hold() is None
    pods = {each["metadata"]["name"]: each for each in world.cluster.api.items(PODS)}
    assert name not in pods or pods[name]["metadata"]["labels"] == suspect["metadata"]["labels"]
    assert not any("app-quarantine" in each["metadata"]["labels"] for each in pods.values())
    assert list(run.directory.glob("evidence/snapshot/tagmanifest-sha256.txt")), "what was collected stays"
    assert world.told.messages("incidents") == []
    again = runbook.roll_back(run, **both)
    assert (again.rc, again.result["outcome"], again.result["actions"]) == (0, "healthy", [])


def refusal_of(run: Run) -> str:
    assert (run.result["outcome"], run.result["actions"]) == ("refused", []), run.result
    return str(run.result["errors"][0]["message"])


def test_everybody_is_logged_out_only_where_nobody_knows_whose_data_it_is(
    runbook: BreachRunbook, breached: BreachWorld
) -> None:
    nobody = "SELECT id, id FROM unnest(%(ids)s::text[]) AS wanted (id) WHERE false"
    types = ("user", "creator", "brand", "campaign", "payment")
    runbook.variables["data_breach_owners"] = [{"resource_type": each, "query": nobody} for each in types]
    before, actor = breached.sessions(), breached.truth().actor_id
    assert breached.others_tokens(actor) > 0
    alone = runbook.approve(EVERYBODY, **AWARE)
    assert EVERYBODY in recommended(alone), alone.finding("breach_cause")
    assert (alone.result["outcome"], alone.result["actions"]) == ("refused", [])
    assert breached.sessions() == before, "one person alone logs nobody out"

    approval = {
        "runbook_plan_digest": alone.result["plan"]["digest"],
        "runbook_second_approver": "grace",
        "runbook_reason": "nobody can tell whom it concerns",
    }
    run = runbook.approve(EVIDENCE, EVERYBODY, incident=alone.directory, **approval, **AWARE)
    done = [(each["id"], each["status"]) for each in run.result["actions"]]
    assert done == [(EVIDENCE, "done"), (EVERYBODY, "done")], run.result["actions"]
    assert before.keys() & breached.sessions().keys() == set()
    assert verdicts(run)["sessions_of_all"] == "resolved", run.result["verification"]
    assert (breached.refresh_tokens(actor), breached.others_tokens(actor)) == (0, 0)
    assert_closed_circle(run, breached)
    assert_no_secret(run, breached.secrets())
