# SPDX-License-Identifier: GPL-3.0-or-later
"""quarantine_pod isolates a pod of a real Deployment and gives it back; kubectl is the second channel."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from modules.k8s_support import (
    CORE,
    Api,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    pod,
    refusal,
    run_module,
    serve_backend,
    until,
)

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine_facts import RECORD
from ansible_collections.brandconnect.incidents.plugins.modules.quarantine_pod import SPEC
from support.bundles import WHO, collect

__all__ = ["api", "cluster"]

Json = dict[str, Any]
INCIDENT = WHO["incident"]
RUNS = ["sleep", "100000"]
POLICIES = "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"


def manifests(kind: str = "Deployment") -> list[Json]:
    container = {"name": "backend", "image": "registry.example.com/backend:1", "command": RUNS}
    template = {
        "metadata": {"labels": {"app": "backend", "tier": "web"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    more = {"serviceName": "backend"} if kind == "StatefulSet" else {}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "backend"}}, "template": template, **more}
    return [
        {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "backend"}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "backend"},
            "spec": {"selector": {"app": "backend"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
    ]


def pods(cluster: KubernetesCluster) -> dict[str, Json]:
    """The pods by name."""
    return {each["metadata"]["name"]: each for each in cluster.json("get", "pods")["items"]}


def served(cluster: KubernetesCluster) -> set[str]:
    """The pods that the Service sends to."""
    subsets = cluster.json("get", "endpoints", "backend").get("subsets") or []
    return {address["targetRef"]["name"] for each in subsets for address in each.get("addresses") or []}


@pytest.fixture
def backend(cluster: KubernetesCluster) -> KubernetesCluster:
    """Two pods behind a Service."""
    cluster.apply(manifests())
    until(lambda: len(served(cluster)) == 2, "both pods are served")
    return cluster


preserved: Json = {}


@pytest.fixture(scope="module", autouse=True)
def _preserved(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Evidence of the incident, which every test but one has."""
    folder = tmp_path_factory.mktemp("evidence")
    folder.chmod(0o700)
    preserved.update(collect(folder / "bundle").anchor)


def run(cluster: KubernetesCluster | Api, *, check_mode: bool = False, **given: Any) -> Json:
    known = {"incident": INCIDENT, "evidence_anchor": preserved}
    return run_module(SPEC, cluster.options(**{**known, **given}), check_mode=check_mode)


def test_no_pod_is_touched_before_evidence_is_preserved(api: Api, tmp_path: Path) -> None:
    serve(api, suspect_pod())
    api.answers[f"{CORE}/pods/backend-1"] = suspect_pod()
    hosts = Path("/etc/hostname")
    some_file = {"path": str(hosts), "sha256": hashlib.sha256(hosts.read_bytes()).hexdigest()}
    for given in (
        {"evidence_anchor": None},
        {"evidence_anchor": some_file},
        {"incident": "another"},
        {"evidence_anchor": None, "evidence_override": "x"},
    ):
        plan = run(api, pods=["backend-1"], check_mode=True, **given)
        assert plan["status"] == "planned"
        assert any("evidence_override" in caveat for caveat in plan["caveats"])
        refused = run(api, pods=["backend-1"], **given)
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "no_evidence", False)
    assert api.paths("PATCH") == api.paths("POST") == []
    reason = "the attacker is deleting rows"
    done = run(api, pods=["backend-1"], wait_s=0, evidence_anchor=None, evidence_override=reason)
    assert (done["status"], done["changed"]) == ("done", True)
    overridden = {"kind": "Evidence", "name": INCIDENT, "result": "overridden", "reason": reason}
    assert overridden in done["results"]
    assert any(f"by decision: {reason}" in caveat for caveat in done["caveats"])
    tmp_path.chmod(0o700)
    partial = run(api, pods=["backend-1"], wait_s=0, evidence_anchor=collect(tmp_path / "p", broken=True).anchor)
    assert partial["status"] == "done"
    assert any("the evidence is partial" in caveat for caveat in partial["caveats"])
    given = {"labels": {"app-quarantine": "backend"}, "annotations": {RECORD: json.dumps(RECORDED)}}
    serve(api, suspect_pod(**given))
    assert run(api, pods=["backend-1"], state="released", evidence_anchor=None)["status"] == "done"


RECORDED: Json = {
    "incident": INCIDENT,
    "by": "alice",
    "since": "2026-11-23T23:14:55Z",
    "reason": "",
    "quarantine_label": "app-quarantine",
    "policy": "incident-quarantine",
    "labels": {"app": "backend"},
}
OWN_POLICY: Json = {
    "metadata": {"name": "incident-quarantine"},
    "spec": {
        "podSelector": {"matchExpressions": [{"key": "app-quarantine", "operator": "Exists"}]},
        "policyTypes": ["Ingress", "Egress"],
    },
}


def recorded(labels: Json, record: Any = None) -> Json:
    """A pod with an annotation, and the labels that it has now."""
    text = record if isinstance(record, str) else json.dumps(record or RECORDED)
    return suspect_pod(labels=labels, annotations={RECORD: text}, ownerReferences=[])


def patched(api: Api) -> Json:
    """What was changed, once."""
    (patch,) = (json.loads(asked.body)["metadata"] for asked in api.asked if asked.method == "PATCH")
    found: Json = patch
    return found


def test_an_annotation_alone_is_no_quarantine(api: Api) -> None:
    api.answers[f"{CORE}/pods/backend-1"] = suspect_pod()
    serve(api, recorded({"app-quarantine": "backend"}), policies=(OWN_POLICY,))
    assert run(api, pods=["backend-1"])["refusal"] == "no_change"
    web = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "backend"}}}
    for labels, gone in (
        ({"app": "backend"}, {"app"}),
        ({"app": "backend", "app-quarantine": "backend"}, {"app"}),
        ({"tier": "web"}, {"app"}),
    ):
        serve(api, recorded(labels), policies=(OWN_POLICY,))
        api.answers[f"{CORE}/services"] = {"items": [web]}
        api.asked.clear()
        plan = run(api, pods=["backend-1"], check_mode=True)
        assert (plan["status"], plan["before"]["pods"][0]["quarantined"]) == ("planned", False)
        assert any("the annotation of pod backend-1" in caveat for caveat in plan["caveats"])
        done = run(api, pods=["backend-1"], targets=plan["targets"], wait_s=0)
        assert done["results"][-1]["result"] == "quarantined", done
        assert patched(api)["labels"] == {**dict.fromkeys(gone), "app-quarantine": "backend"}
    # a Service that came since, which chooses what was left
    serve(api, recorded({"app-quarantine": "backend", "tier": "web"}), policies=(OWN_POLICY,))
    api.answers[f"{CORE}/services"] = {"items": [web | {"spec": {"selector": {"tier": "web"}}}]}
    api.asked.clear()
    assert run(api, pods=["backend-1"])["refusal"] == "still_served"
    assert run(api, pods=["backend-1"], more_labels=["tier"], wait_s=0)["status"] == "done"
    assert patched(api)["labels"] == {"app": None, "tier": None, "app-quarantine": "backend"}
    assert json.loads(patched(api)["annotations"][RECORD])["labels"] == {"app": "backend", "tier": "web"}


@pytest.mark.parametrize("labels", [{"app": "backend"}, {"app-quarantine": "backend"}])
def test_an_annotation_that_cannot_be_read_keeps_no_pod_from_it(api: Api, labels: Json) -> None:
    api.answers[f"{CORE}/pods/backend-1"] = suspect_pod()
    for text in ("no json", "[]", '{"labels": {}}', '{"incident": 7, "labels": {}}'):
        serve(api, recorded(labels, text), policies=(OWN_POLICY,))
        api.asked.clear()
        assert run(api, pods=["backend-1"], wait_s=0)["status"] == "done"
        record = json.loads(patched(api)["annotations"][RECORD])
        assert (record["incident"], record["labels"]) == (INCIDENT, {"app": "backend"})


def test_another_label_or_policy_is_another_quarantine_and_given_back_by_the_record(api: Api) -> None:
    api.answers[f"{CORE}/pods/backend-1"] = suspect_pod()
    serve(api, recorded({"app-quarantine": "backend"}), policies=(OWN_POLICY,))
    done = run(api, pods=["backend-1"], quarantine_label="apart", policy="apart", wait_s=0)
    assert [each["result"] for each in done["results"]] == ["created", "quarantined"]
    assert patched(api)["labels"] == {"app": None, "app-quarantine": None, "apart": "backend"}
    record = json.loads(patched(api)["annotations"][RECORD])
    assert (record["quarantine_label"], record["policy"]) == ("apart", "apart")
    serve(api, recorded({"apart": "backend"}, record))
    api.asked.clear()
    assert run(api, pods=["backend-1"], state="released")["status"] == "done"
    assert patched(api)["labels"] == {"apart": None, "app": "backend"}


def test_isolated_replaced_and_given_back(backend: KubernetesCluster) -> None:
    before = pods(backend)
    suspect, other = sorted(before)
    plan = run(backend, pods=[suspect], check_mode=True)
    assert (plan["status"], plan["changed"], plan["refusal"]) == ("planned", True, None)
    assert [each["action"] for each in plan["targets"]] == ["isolate", "quarantine"]
    assert [each["result"] for each in plan["results"]] == ["would_be_created", "would_be_quarantined"]
    assert plan["before"]["pods"][0]["services"] == ["backend"]
    assert "nothing says that the network plugin" in plan["caveats"][-1]
    assert pods(backend) == before, "check mode changes nothing"
    assert backend.json("get", "networkpolicies")["items"] == []

    done = run(backend, pods=[suspect], targets=plan["targets"], reason="it called nobody knows whom", held_by="alice")
    assert (done["status"], done["changed"], done["targets"]) == ("done", True, plan["targets"])
    assert [each["result"] for each in done["results"]] == ["created", "quarantined"]
    now = pods(backend)
    (clean,) = set(now) - set(before)
    assert now[suspect]["metadata"]["uid"] == before[suspect]["metadata"]["uid"], "it was not ended"
    assert now[suspect]["status"]["phase"] == "Running"
    assert now[suspect]["status"]["containerStatuses"][0]["restartCount"] == 0
    labels = now[suspect]["metadata"]["labels"]
    assert (labels["app-quarantine"], "app" in labels, labels["tier"]) == ("backend", False, "web")
    record = json.loads(now[suspect]["metadata"]["annotations"][RECORD])
    assert (record["incident"], record["by"], record["labels"]) == (INCIDENT, "alice", {"app": "backend"})
    until(lambda: served(backend) == {other, clean}, "the Service has the clean pod in its place")
    (policy,) = backend.json("get", "networkpolicies")["items"]
    assert policy["spec"]["podSelector"] == {"matchExpressions": [{"key": "app-quarantine", "operator": "Exists"}]}
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert not {"ingress", "egress"} & policy["spec"].keys()
    assert done["after"]["pods"][0]["services"] == []

    for given in ({}, {"targets": plan["targets"]}):
        again = run(backend, pods=[suspect], **given)
        assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "no_change", False)
    assert pods(backend)[suspect]["metadata"]["annotations"] == now[suspect]["metadata"]["annotations"]

    for given in ({}, {"state": "released"}):
        foreign = run_module(SPEC, backend.options(incident="another", pods=[suspect], **given))
        assert (foreign["status"], foreign["refusal"]) == ("refused", "held_by_other")
    back = run(backend, pods=[suspect], state="released")
    assert (back["status"], back["changed"], back["results"][0]["result"]) == ("done", True, "released")
    until(lambda: len(pods(backend)) == 2, "the ReplicaSet ends the pod that is too many")
    left = pods(backend).get(suspect)
    assert left is None or left["metadata"]["labels"] == before[suspect]["metadata"]["labels"]
    assert left is None or RECORD not in (left["metadata"].get("annotations") or {})


def test_what_it_must_not_touch(backend: KubernetesCluster) -> None:
    suspect, other = sorted(pods(backend))
    targets = run(backend, pods=[suspect], check_mode=True)["targets"]
    by_tier = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}
    backend.apply([by_tier | {"spec": {"selector": {"tier": "web"}, "ports": [{"port": 80}]}}])
    before = pods(backend)
    for given, word in (
        ({"pods": [suspect]}, "still_served"),
        ({"pods": ["gone"]}, "not_found"),
        ({"pods": [suspect], "label": "none"}, "label_missing"),
        ({"pods": [suspect], "label": "tier"}, "label_not_selected"),
        ({"pods": [suspect, other], "more_labels": ["tier"], "targets": targets}, "plan_changed"),
        ({"pods": [suspect], "more_labels": ["tier"], "targets": []}, "plan_changed"),
    ):
        for check_mode in (True, False):
            refused = run(backend, check_mode=check_mode, **given)
            assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", word, False)
    backend.kubectl("annotate", "deployment", "backend", "incidents.brandconnect/evidence-hold=other")
    assert run(backend, pods=[suspect], more_labels=["tier"])["refusal"] == "evidence_hold"
    backend.kubectl("annotate", "deployment", "backend", "incidents.brandconnect/evidence-hold-")
    assert run(backend, pods=[suspect], more_labels=["tier"], targets=targets)["refusal"] == "plan_changed"
    assert pods(backend) == before
    assert backend.json("get", "networkpolicies")["items"] == []
    done = run(backend, pods=[suspect], more_labels=["tier"])
    assert (done["status"], done["after"]["pods"][0]["services"]) == ("done", []), done["reason"]
    back = run(backend, pods=[suspect], state="released")
    assert (back["status"], back["after"]["pods"][0]["labels"]) == ("done", before[suspect]["metadata"]["labels"])


def test_a_stateful_set_makes_no_clean_pod(cluster: KubernetesCluster) -> None:
    cluster.apply(manifests("StatefulSet"))
    until(lambda: "backend-0" in pods(cluster), "the pod is there")
    refused = run(cluster, pods=["backend-0"])
    assert (refused["status"], refused["refusal"]) == ("refused", "unsupported")
    assert pods(cluster)["backend-0"]["metadata"]["labels"]["app"] == "backend"


def suspect_pod(**metadata: Any) -> Json:
    """A pod of the Deployment of the answering API, which the tests of its refusals need."""
    found = pod("backend-1")
    found["metadata"] |= {"labels": {"app": "backend"}, "resourceVersion": "5", **metadata}
    return found


def serve(api: Api, *served: Json, policies: tuple[Json, ...] = (), groups: tuple[str, ...] = ()) -> None:
    serve_backend(api, list(served))
    owner = {"kind": "ReplicaSet", "metadata": {"name": "backend-6f9c", "uid": "r1"}}
    owner["spec"] = {"replicas": 1, "selector": {"matchLabels": {"app": "backend"}}}
    api.answers["/apis/apps/v1/namespaces/shop/replicasets/backend-6f9c"] = owner
    api.answers[f"{CORE}/services"] = {"items": []}
    api.answers[POLICIES] = lambda asked: {"items": list(policies)} if asked.method == "GET" else Reply(201, {})
    api.answers["/apis"] = {"groups": [{"name": name} for name in groups]}


@pytest.mark.parametrize(
    ("answer", "status", "result", "changed"),
    [
        (refusal(403, "Forbidden"), "partial", "not_attempted", True),
        (refusal(409, "Conflict"), "partial", "not_attempted", True),
        (Reply(504, b""), "unknown", "unknown", True),
        (Reply(200, b"", length=10), "unknown", "unknown", True),
    ],
)
def test_a_patch_that_is_not_taken_or_not_answered(
    api: Api, answer: Any, status: str, result: str, changed: bool
) -> None:
    serve(api, suspect_pod())
    api.answers[f"{CORE}/pods/backend-1"] = answer
    said = run(api, pods=["backend-1"])
    assert (said["status"], said["results"][-1]["result"], said["changed"]) == (status, result, changed)
    assert said["results"][0] == {
        "kind": "NetworkPolicy",
        "name": "incident-quarantine",
        "result": "created",
        "reason": None,
    }
    assert len(api.paths("PATCH")) == 1, "it is never sent twice"
    patch = next(json.loads(asked.body) for asked in api.asked if asked.method == "PATCH")
    assert patch["metadata"]["resourceVersion"] == "5"


def test_a_policy_that_may_not_be_made_leaves_the_pod(api: Api) -> None:
    serve(api, suspect_pod())
    api.answers[POLICIES] = lambda asked: {"items": []} if asked.method == "GET" else refusal(403, "Forbidden")
    failed = run(api, pods=["backend-1"])
    assert (failed["failed"], failed["status"], failed["changed"]) == (True, "failed", False)
    assert failed["denied"][0]["resource"] == "networkpolicies"
    assert [each["result"] for each in failed["results"]] == ["not_attempted", "not_attempted"]
    assert api.paths("PATCH") == []


def test_what_a_person_has_to_know(api: Api) -> None:
    lonely = suspect_pod()
    lonely["spec"]["hostNetwork"] = True
    lonely["spec"]["containers"][0]["livenessProbe"] = {"exec": {"command": ["true"]}}
    allows = {"metadata": {"name": "dns"}, "spec": {"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]}}
    serve(api, lonely, policies=(allows,), groups=("crd.projectcalico.org",))
    plan = run(api, pods=["backend-1"], check_mode=True)
    told = "\n".join(plan["caveats"])
    for part in ("network of its node", "liveness probe", "no other pod", "what dns allow", "Calico is installed"):
        assert part in told
    assert plan["before"]["policies_enforced_by"] == "Calico"
    orphan = suspect_pod(ownerReferences=[])
    serve(api, orphan)
    assert "nobody makes a clean one" in "\n".join(run(api, pods=["backend-1"], check_mode=True)["caveats"])
    other = {"metadata": {"name": "incident-quarantine"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    serve(api, suspect_pod(), policies=(other,))
    assert run(api, pods=["backend-1"])["refusal"] == "policy_differs"
    serve(api, suspect_pod(deletionTimestamp="2026-11-23T23:00:00Z"))
    assert run(api, pods=["backend-1"])["refusal"] == "being_deleted"
    serve(api, suspect_pod(annotations={RECORD: "no json"}))
    assert run(api, pods=["backend-1"], state="released")["refusal"] == "held_by_other"
    assert api.paths("PATCH") == []


def test_clean_pods_that_do_not_come_are_partial(api: Api) -> None:
    serve(api, suspect_pod())
    api.answers[f"{CORE}/pods/backend-1"] = suspect_pod()
    partial = run(api, pods=["backend-1"], wait_s=1)
    assert (partial["status"], partial["changed"]) == ("partial", True)
    assert "clean pods of backend-6f9c were not ready after 1 s" in partial["reason"]
    assert run(api, pods=["backend-1"], wait_s=0)["status"] == "done"


@pytest.mark.parametrize(
    "given",
    [
        {"pods": []},
        {"pods": ["a", "b"], "max_pods": 1},
        {"pods": ["a"], "max_pods": 11},
        {"pods": ["../a"]},
        {"pods": ["a"], "policy": "A b"},
        {"pods": ["a"], "label": "app", "quarantine_label": "app"},
        {"pods": ["a"], "quarantine_label": "-x"},
        {"pods": ["a"], "wait_s": 601},
    ],
)
def test_options_that_make_no_sense_fail(api: Api, given: Json) -> None:
    failed = run(api, **given)
    assert failed["failed"] is True
    assert failed["msg"].startswith("Choosing the pods: ")
    assert api.asked == []


def test_a_pod_that_is_gone_keeps_no_other_from_being_given_back(api: Api) -> None:
    serve(api, recorded({"app-quarantine": "backend"}))
    api.answers[f"{CORE}/pods/backend-1"] = suspect_pod()
    given = {"pods": ["backend-1", "ended"], "state": "released"}
    assert run(api, **given, check_mode=True)["targets"][0]["name"] == "backend-1"
    back = run(api, **given)
    assert (back["status"], [each["name"] for each in back["results"]]) == ("done", ["backend-1"])
    assert patched(api)["labels"] == {"app-quarantine": None, "app": "backend"}
    assert any("there is no pod ended any more" in caveat for caveat in back["caveats"])
    gone = run(api, pods=["ended"], state="released")
    assert (gone["status"], gone["refusal"], gone["changed"]) == ("nothing_to_do", "no_change", False)
    assert "there is no pod ended any more" in gone["reason"]


def test_a_pod_that_its_owner_ends_after_it_was_given_back_is_given_back(api: Api) -> None:
    ending = {"deletionTimestamp": "2026-11-23T23:00:00Z"}
    serve(api, suspect_pod(**ending))
    assert run(api, pods=["backend-1"], state="released")["status"] == "nothing_to_do"
    serve(api, suspect_pod(**ending, annotations={RECORD: json.dumps(RECORDED)}))
    assert run(api, pods=["backend-1"], state="released")["refusal"] == "being_deleted"
