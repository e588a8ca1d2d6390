# SPDX-License-Identifier: GPL-3.0-or-later
"""An evidence hold and a quarantine are given back by name, by a plan that was looked at, by the same incident."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_measures import taken
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback import (
    compare,
    finding_of,
    needing_digest,
    to_restore,
    workloads,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_acting import (
    action_of,
    verdicts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_steps import steps_of
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_parts import undone_since

Json = dict[str, Any]

INCIDENT, OTHER = "data-breach-20261123T231455Z-3fa1", "data-breach-20261120T101500Z-11ab"
EVIDENCE, QUARANTINE = "preserve-evidence", "quarantine-pods"
HEADER = [{"id": EVIDENCE, "can_roll_back": True}, {"id": QUARANTINE, "can_roll_back": True}]
HELD: Json = {"kind": "Deployment", "name": "backend", "namespace": "shop", "uid": "d1", "state": "held"}
WHAT: Json = {"evidence": "snapshot", "sources": ["kubernetes"], "dump": []}
PODS = ("backend-1", "backend-2")


def preserved(*targets: Json, sha256: str | None = "ab" * 32) -> Json:
    after = {"hold": {}, "partial": False, "sha256": sha256}
    return {"id": EVIDENCE, "risk": "safe", "status": "done", "changed": True, "targets": list(targets), "after": after}


def quarantined(*names: str) -> Json:
    policy = {"action": "isolate", "kind": "NetworkPolicy", "name": "incident-quarantine"}
    labels = {"app": "backend"}
    pods = [
        {"action": "quarantine", "kind": "Pod", "namespace": "shop", "name": name, "uid": f"u-{name}", "labels": labels}
        for name in names
    ]
    return {"id": QUARANTINE, "risk": "destructive", "status": "done", "changed": True, "targets": [policy, *pods]}


def records(*actions: Json) -> list[Json]:
    """A journal with one run for each action."""
    runs: list[Json] = []
    for number, each in enumerate(actions, start=1):
        said = [
            ("run_started", {"run": {"mode": "remediate", "check_mode": False}}),
            ("action", each),
            ("run_ended", {}),
        ]
        runs += [{"run_id": f"r{number}", "type": kind, "data": data, "at": "t"} for kind, data in said]
    return runs


def judged(action: Json, now: Json) -> Json:
    (step,) = steps_of(records(action), HEADER, [EVIDENCE, QUARANTINE])
    (found,) = compare([step], {step["key"]: [now]}, INCIDENT)
    return found


def hold(incident: str | None, status: str = "planned", refusal: str | None = None) -> Json:
    """A result of k8s_hold with state released, in check mode."""
    before = {"incident": incident, "by": "alice", "since": "2026-11-23T23:20:12Z"} if incident else None
    targets = [{**HELD, "uid": "d2", "state": "released"}] if status == "planned" else []
    said = {"status": status, "refusal": refusal, "reason": "because"}
    return {**said, "before": {"hold": before}, "targets": targets}


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (hold(INCIDENT), "restore"),
        (hold(None, "nothing_to_do", "no_change"), "already_restored"),
        (hold(OTHER, "refused", "held_by_other"), "moved_on"),
        (hold(INCIDENT, "refused", "changed_meanwhile"), "unknown"),
        ({"failed": True, "cause": "forbidden", "msg": "may not"}, "unknown"),
        ({"failed": True, "cause": "not_found", "msg": "no such Deployment"}, "moved_on"),
    ],
)
def test_a_hold_is_taken_away_by_the_incident_that_has_set_it(now: Json, verdict: str) -> None:
    found = judged(preserved(HELD, WHAT), now)
    assert found["verdict"] == verdict, found["reason"]
    assert bool(to_restore([found])) == bool(found["targets"]) == (verdict == "restore")


def test_what_is_shown_of_a_hold() -> None:
    found = judged(preserved(HELD, WHAT), hold(INCIDENT))
    assert found["reason"] == (
        "evidence hold of Deployment backend, by alice since 2026-11-23T23:20:12Z, is taken away; "
        "what was collected stays"
    )
    (target,) = found["targets"]
    assert (target["uid"], target["now"], target["previous"]) == ("d2", f"held for {INCIDENT}", "not held")
    assert workloads([found], to_restore([found])) == [{"kind": "Deployment", "name": "backend"}]
    assert "NO SEALED EVIDENCE" in judged(preserved(HELD, sha256=None), hold(INCIDENT))["reason"]
    (difference,) = judged(preserved(HELD), hold(OTHER, "refused", "held_by_other"))["differences"]
    assert (difference["expected"], difference["now"]) == (INCIDENT, OTHER)


def test_a_run_that_found_it_held_has_nothing_to_give_back() -> None:
    (step,) = steps_of(records(preserved(WHAT)), HEADER, [EVIDENCE])
    assert (step["hold"], step["why_not"]) == (None, "its record holds nothing that could be given back")


def test_a_run_that_was_cut_off_while_it_held_is_looked_into() -> None:
    entry = {"id": EVIDENCE, "status": "recommended", "approved": True, "targets": [HELD, WHAT]}
    started = {"run": {"mode": "remediate", "check_mode": False}}
    said = [("run_started", started), ("plan", {"remediations": [entry]})]
    journal = [{"run_id": "r0", "type": kind, "data": data, "at": "t"} for kind, data in said]
    (step,) = steps_of(journal, HEADER, [EVIDENCE])
    assert (step["cut_off"], step["hold"]) == (True, {"kind": "Deployment", "name": "backend"})


def test_without_its_name_neither_is_given_back() -> None:
    journal = records(preserved(HELD, WHAT), quarantined(*PODS))
    for step in steps_of(journal, HEADER):
        (found,) = compare([step], {}, INCIDENT)
        assert (found["verdict"], found["reason"]) == (
            "nothing",
            f"it is given back by its name alone: --only {step['id']}",
        )
        assert finding_of(found)["status"] == "skipped"
    (pods,) = steps_of(journal, HEADER, [QUARANTINE])
    assert (pods["why_not"], pods["quarantine"], pods["hold"]) == (None, {"pods": list(PODS)}, None)


def test_both_need_a_plan_that_somebody_has_looked_at() -> None:
    for found in (judged(preserved(HELD), hold(INCIDENT)), judged(quarantined(PODS[0]), pods(backend_1=INCIDENT))):
        assert (found["risk"], needing_digest([found])) == ("destructive", [found])
    assert needing_digest([judged(preserved(HELD), hold(None, "nothing_to_do", "no_change"))]) == []
    disruptive = {**judged(preserved(HELD), hold(INCIDENT)), "risk": "disruptive"}
    assert needing_digest([disruptive]) == []


def pods(status: str = "planned", refusal: str | None = None, uid: str = "u-", **holders: str | None) -> Json:
    """A result of quarantine_pod with state released, in check mode; of each pod who holds it."""
    found = [
        {
            "name": name.replace("_", "-"),
            "uid": uid + name.replace("_", "-"),
            "incident": by,
            "labels": {"app-quarantine": "backend"} if by else {"app": "backend", "tier": "web"},
        }
        for name, by in holders.items()
    ]
    return {"status": status, "refusal": refusal, "reason": "because", "before": {"pods": found}}


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (pods(backend_1=INCIDENT, backend_2=INCIDENT), "restore"),
        (pods(backend_1=INCIDENT, backend_2=None), "restore"),
        (pods(backend_1=INCIDENT), "restore"),  # the other one is gone
        (pods("nothing_to_do", "no_change", backend_1=None), "already_restored"),
        (pods("nothing_to_do", "no_change"), "already_restored"),
        (pods("refused", "held_by_other", backend_1=INCIDENT, backend_2=OTHER), "moved_on"),
        (pods(uid="another-", backend_1=INCIDENT), "moved_on"),
        (pods("refused", "being_deleted", backend_1=INCIDENT, backend_2=INCIDENT), "unknown"),
        ({"failed": True, "cause": "forbidden", "msg": "may not"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_pods_are_given_back_by_the_incident_that_has_isolated_them(now: Json, verdict: str) -> None:
    found = judged(quarantined(*PODS), now)
    assert found["verdict"] == verdict, found["reason"]
    assert bool(to_restore([found])) == bool(found["targets"]) == (verdict == "restore")


def test_what_is_shown_of_a_quarantine() -> None:
    found = judged(quarantined(*PODS), pods(backend_1=INCIDENT, backend_2=None))
    assert found["reason"].startswith("pod backend-1 gets back app=backend, and so its Services and the network")
    assert "save first what only it has" in found["reason"]
    assert [target["name"] for target in found["targets"]] == ["backend-1"]
    (difference,) = judged(quarantined("backend-1"), pods("refused", "held_by_other", backend_1=OTHER))["differences"]
    assert (difference["expected"], difference["now"]) == (f"for {INCIDENT}", f"for {OTHER}")


def test_an_annotation_that_somebody_took_away_is_no_end_of_a_quarantine() -> None:
    now = pods("nothing_to_do", "no_change", backend_1=None)
    now["before"]["pods"][0]["labels"] = {"app-quarantine": "backend"}
    found = judged(quarantined("backend-1"), now)
    assert (found["verdict"], "somebody has taken its annotation away" in found["reason"]) == ("moved_on", True)


@pytest.mark.parametrize(
    ("action", "now", "status"),
    [
        (preserved(HELD), hold(None, "nothing_to_do", "no_change"), "resolved"),
        (preserved(HELD), hold(INCIDENT), "unresolved"),
        (preserved(HELD), {"failed": True, "cause": "timeout", "msg": "silence"}, "unverified"),
        (quarantined(*PODS), pods("nothing_to_do", "no_change", backend_2=None), "resolved"),  # its owner has ended one
        (quarantined(*PODS), pods(backend_2=INCIDENT), "unresolved"),
    ],
)
def test_both_are_verified_by_another_look(action: Json, now: Json, status: str) -> None:
    steps = steps_of(records(action), HEADER, [action["id"]])
    (verdict,) = verdicts(steps, {steps[0]["key"]: "done"}, {steps[0]["key"]: [now]}, INCIDENT)
    assert verdict["status"] == status, verdict


def test_evidence_stays_preserved_when_the_workload_is_released() -> None:
    done = {"status": "done", "changed": True, "reason": "released", "before": hold(INCIDENT)["before"], "after": {}}
    released = action_of(judged(preserved(HELD), hold(INCIDENT)), [done])
    wording = {EVIDENCE: {"regulator": "Evidence was preserved."}}
    measures, doubts = taken([preserved(HELD), released], wording=wording)
    assert ([each["id"] for each in measures], doubts) == ([EVIDENCE], [])
    back = {**done, "before": {"pods": [], "policy": {}, "policies_enforced_by": None}}
    isolated = action_of(judged(quarantined(PODS[0]), pods(backend_1=INCIDENT)), [back])
    measures, doubts = taken([quarantined(*PODS), isolated])
    assert (measures, doubts) == ([], [f"{QUARANTINE} was given back since"])

    last: Json = {"run": {"mode": "remediate"}}
    for action, undone in ((released, False), (isolated, True)):
        assert undone_since([last, {"run": {"mode": "rollback"}, "actions": [action]}], last) is undone
