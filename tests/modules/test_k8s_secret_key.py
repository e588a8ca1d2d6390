# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_secret_key changes one key of one Secret; kubectl is the second channel."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from modules.k8s_support import (
    CORE,
    Api,
    Asked,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    refusal,
)

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.k8s_secret_key import SPEC
from incident_runbooks.lab.lab import Lab

__all__ = ["api", "cluster"]

OLD, NEW, OTHER = "c4n4ry/old value", "c4n4ry/new-välue", "c4n4ry-other"
PATH = f"{CORE}/secrets/keys"


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def fingerprint(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:12]


def secret(**more: Any) -> dict[str, Any]:
    data = {"KEY": encoded(OLD), "OTHER": encoded(OTHER)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "type": "Opaque", "data": data, **more}


def run(options: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    """Run the module as its edges do; no form of a value is in what it says."""
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    params = {**defaults, "name": "keys", "key": "KEY", "value": NEW, **options}
    said = conclude(SPEC, params, check_mode)
    result = censor(said, {params["value"], *SPEC.secrets(params)})
    told = json.dumps(result, ensure_ascii=False)
    assert json.dumps(said, ensure_ascii=False) == told, "nothing has to be censored"
    for value in (OLD, OTHER, params["value"].strip() or OLD):
        assert value not in told
        assert encoded(value).rstrip("=") not in told
    return result


def stored(cluster: KubernetesCluster) -> dict[str, Any]:
    item: dict[str, Any] = cluster.json("get", "secret", "keys")
    return item


def values(cluster: KubernetesCluster) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in stored(cluster)["data"].items()}


def test_planned_set_and_not_set_twice(cluster: KubernetesCluster) -> None:
    cluster.apply([secret()])
    before = stored(cluster)
    planned = run(cluster.options(), check_mode=True)
    assert (planned["status"], planned["changed"]) == ("planned", True)
    (target,) = planned["targets"]
    assert (target["secret_name"], target["key"]) == ("keys", "KEY")
    assert (target["from"], target["to"]) == (fingerprint(OLD), fingerprint(NEW))
    assert planned["results"][0]["result"] == "would_set"
    assert stored(cluster) == before, "check mode writes nothing"

    done = run(cluster.options(targets=planned["targets"], incident="i1"))
    assert (done["status"], done["changed"], done["results"][0]["result"]) == ("done", True, "set")
    assert done["targets"] == planned["targets"]
    assert (done["before"]["fingerprint"], done["after"]["fingerprint"]) == (fingerprint(OLD), fingerprint(NEW))
    assert values(cluster) == {"KEY": NEW, "OTHER": OTHER}
    after = stored(cluster)
    assert after["metadata"]["annotations"]["incidents.brandconnect/last-action"] == "i1/set_key"

    for given in ({}, {"targets": planned["targets"]}):
        again = run(cluster.options(incident="i2", **given))
        assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "no_change", False)
    assert stored(cluster) == after


def test_a_plan_for_another_value_is_refused(cluster: KubernetesCluster) -> None:
    cluster.apply([secret()])
    targets = run(cluster.options(), check_mode=True)["targets"]
    cluster.apply([secret(data={"KEY": encoded("somebody else's"), "OTHER": encoded(OTHER)})])
    before = stored(cluster)
    for check_mode in (True, False):
        changed = run(cluster.options(targets=targets), check_mode=check_mode)
        assert (changed["status"], changed["refusal"], changed["changed"]) == ("refused", "plan_changed", False)
    assert run(cluster.options(targets=[]))["refusal"] == "plan_changed"
    assert stored(cluster) == before


def test_what_others_keep_and_what_cannot_change_is_refused(cluster: KubernetesCluster) -> None:
    for word, manifest in (
        ("managed", secret(metadata={"name": "keys", "labels": {"argocd.argoproj.io/instance": "shop"}})),
        ("managed", secret(metadata={"name": "keys", "labels": {"reconcile.external-secrets.io/managed": "true"}})),
        ("managed", secret(metadata={"name": "keys", "annotations": {"meta.helm.sh/release-name": "shop"}})),
        (
            "evidence_hold",
            secret(metadata={"name": "keys", "annotations": {"incidents.brandconnect/evidence-hold": "i"}}),
        ),
        ("immutable", secret(immutable=True)),
    ):
        cluster.apply([manifest])
        refused = run(cluster.options(incident="other"))
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", word, False)
        assert values(cluster)["KEY"] == OLD
        cluster.kubectl("delete", "secret", "keys")
    cluster.apply([secret()])
    for word, given in (
        ("empty_value", {"value": " \n"}),
        ("value_malformed", {"value": f"{NEW}\n", "expected_fingerprint": fingerprint(f"{NEW}\n")}),
        ("value_differs", {"expected_fingerprint": fingerprint("another")}),
        ("unknown_key", {"key": "KEYS"}),
    ):
        assert run(cluster.options(**given))["refusal"] == word
    assert values(cluster) == {"KEY": OLD, "OTHER": OTHER}
    added = run(cluster.options(key="KEYS", create=True, expected_fingerprint=fingerprint(NEW)))
    assert (added["status"], added["targets"][0]["from"]) == ("done", None)
    assert values(cluster) == {"KEY": OLD, "OTHER": OTHER, "KEYS": NEW}


def test_a_secret_that_is_not_there_fails(cluster: KubernetesCluster) -> None:
    failed = run(cluster.options())
    assert (failed["failed"], failed["status"], failed["cause"], failed["changed"]) == (
        True,
        "failed",
        "not_found",
        False,
    )
    assert 'secrets "keys" not found' in failed["msg"]


def test_a_change_in_between_is_never_overwritten(cluster: KubernetesCluster, api: Api) -> None:
    """The API is a relay here that changes the Secret after it was looked at."""
    cluster.apply([secret()])
    seen = stored(cluster)
    api.answers[PATH] = lambda asked: seen if asked.method == "GET" else relayed(cluster, asked)
    cluster.apply([secret(data={"KEY": encoded("theirs"), "OTHER": encoded(OTHER)})])
    result = run(api.options())
    assert (result["status"], result["refusal"], result["changed"]) == ("refused", "plan_changed", False)
    assert values(cluster)["KEY"] == "theirs"


def relayed(cluster: KubernetesCluster, asked: Asked) -> Reply:
    """Send a merge patch by kubectl; its refusal becomes the API server's."""
    try:
        cluster.kubectl("patch", "secret", "keys", "--type=merge", "--patch", asked.body.decode())
    except AssertionError as error:
        modified = "object has been modified" in str(error)
        return refusal(409, "Conflict", "modified") if modified else Reply(500, str(error).encode())
    return Reply(200, stored(cluster))


@pytest.mark.parametrize(
    ("answer", "status", "result", "changed"),
    [
        (refusal(403, "Forbidden"), "failed", "not_attempted", False),
        (refusal(409, "Conflict"), "refused", "not_attempted", False),
        (Reply(504, b""), "unknown", "unknown", True),
        (Reply(200, b"", length=10), "unknown", "unknown", True),
        (
            Reply(422, {"kind": "Status", "code": 422, "message": f"bad {encoded(NEW)}"}),
            "failed",
            "not_attempted",
            False,
        ),
        (
            Reply(422, {"kind": "Status", "code": 422, "message": f"{'x' * 285} {encoded(NEW)}"}),
            "failed",
            "not_attempted",
            False,
        ),
        (secret(), "failed", "differs", True),
    ],
)
def test_a_patch_that_is_not_taken_not_answered_or_undone(
    api: Api, answer: Any, status: str, result: str, changed: bool
) -> None:
    api.answers[PATH] = lambda asked: answer if asked.method == "PATCH" else secret()
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    params = {**defaults, **api.options(name="keys", key="KEY", value=NEW)}
    said = censor(conclude(SPEC, params, check_mode=False), {NEW, *SPEC.secrets(params)})
    assert (said["status"], said["results"][0]["result"], said["changed"]) == (status, result, changed)
    assert bool(said.get("failed")) is (result != "differs" and status != "refused")
    assert encoded(NEW)[:10] not in json.dumps(said), "a text that is cut off cuts the value off too"
    assert len(api.paths("PATCH")) == 1, "it is never sent twice"


def test_the_key_of_the_platform_and_back(cluster_lab: Lab) -> None:
    """In the lab, with the platform's own Secret."""
    assert cluster_lab.cluster is not None
    platform = KubernetesCluster(cluster_lab.cluster.kubeconfig, "brandconnect")
    listed = [item for item in platform.json("get", "secrets")["items"] if item["type"] == "Opaque" and item["data"]]
    item = next(each for each in listed if each["metadata"]["name"] == "stripe-keys")
    key, before = next(iter(sorted(item["data"].items())))
    original = base64.b64decode(before).decode()
    options = platform.options(name=item["metadata"]["name"], key=key)
    try:
        assert run({**options, "value": NEW})["status"] == "done"
        assert platform.json("get", "secret", options["name"])["data"][key] == encoded(NEW)
    finally:
        assert run({**options, "value": original})["status"] == "done"
    assert platform.json("get", "secret", options["name"])["data"] == item["data"]
