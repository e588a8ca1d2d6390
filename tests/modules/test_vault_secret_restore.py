# SPDX-License-Identifier: GPL-3.0-or-later
"""vault_secret_restore takes a value from Vault to a Secret, unseen; kubectl is the second channel."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from modules.k8s_support import CORE, Api, KubernetesCluster, Reply, api, cluster, refusal

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.vault_secret_restore import SPEC
from support.vault import VaultServer, fingerprint, vault, vault_part

__all__ = ["api", "cluster", "vault", "vault_part"]

FIRST, SECOND, OTHER = "c4n4ry/first value", "c4n4ry/second välue", "c4n4ry-other"
PATH = f"{CORE}/secrets/auth"


def encoded(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


def secret(jwt: str | None, **more: Any) -> dict[str, Any]:
    data = {"OTHER": encoded(OTHER)} | ({} if jwt is None else {"JWT": encoded(jwt)})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "auth"}, "type": "Opaque", "data": data, **more}


def run(options: dict[str, Any], *, check_mode: bool = False) -> dict[str, Any]:
    """Run the module as its edges do; no form of a value is in what it says, though no option holds it."""
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    params = {**defaults, "vault_path": "backend", "name": "auth", "key": "JWT", **options}
    said = conclude(SPEC, params, check_mode)
    result = censor(said, set(SPEC.secrets(params)))
    told = json.dumps(result, ensure_ascii=False)
    assert json.dumps(said, ensure_ascii=False) == told, "nothing has to be censored"
    for value in (FIRST, SECOND, OTHER):
        assert value not in told
        assert encoded(value).rstrip("=") not in told
    return result


def stored(cluster: KubernetesCluster) -> dict[str, Any]:
    item: dict[str, Any] = cluster.json("get", "secret", "auth")
    return item


def values(cluster: KubernetesCluster) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in stored(cluster)["data"].items()}


def both(vault: VaultServer, where: KubernetesCluster | Api, **given: Any) -> dict[str, Any]:
    return {**vault.options(), **where.options(), **given}


def two(vault: VaultServer) -> None:
    for value in (FIRST, SECOND):
        vault.part.write("backend", {"JWT": value, "NUMBER": 7, "LINE": f"{FIRST}\n"})


def test_a_deleted_key_is_planned_restored_and_not_restored_twice(
    cluster: KubernetesCluster, vault: VaultServer
) -> None:
    two(vault)
    cluster.apply([secret(None)])
    before = stored(cluster)
    options = both(vault, cluster, vault_version=1, in_use=[fingerprint(FIRST)])
    planned = run(options, check_mode=True)
    assert (planned["status"], planned["changed"], planned["results"][0]["result"]) == ("planned", True, "would_set")
    (target,) = planned["targets"]
    assert (target["from"], target["to"], target["rotation"]) == (None, fingerprint(FIRST), False)
    assert (target["vault_path"], target["vault_version"]) == ("secret/backend", 1)
    assert stored(cluster) == before, "check mode writes nothing"

    done = run({**options, "targets": planned["targets"], "incident": "i1"})
    assert (done["status"], done["changed"], done["refusal"]) == ("done", True, None)
    assert done["targets"] == planned["targets"]
    assert (done["before"]["exists"], done["after"]["fingerprint"]) == (False, fingerprint(FIRST))
    assert values(cluster) == {"JWT": FIRST, "OTHER": OTHER}
    after = stored(cluster)
    assert after["metadata"]["annotations"]["incidents.brandconnect/last-action"] == "i1/set_key"

    for given in ({}, {"targets": planned["targets"]}):
        again = run({**options, **given})
        assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "no_change", False)
    assert stored(cluster) == after
    assert {each["method"] for each in vault.requests()[2:]} == {"GET"}, "Vault is only read"


def test_a_rotation_is_refused_unless_it_is_allowed(cluster: KubernetesCluster, vault: VaultServer) -> None:
    two(vault)
    cluster.apply([secret(FIRST)])
    before = stored(cluster)
    refused = run(both(vault, cluster))
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "rotation", False)
    assert (refused["targets"][0]["rotation"], refused["targets"][0]["vault_version"]) == (True, 2)
    elsewhere = run(both(vault, cluster, in_use=[fingerprint(SECOND), fingerprint("another")]))
    assert elsewhere["refusal"] == "rotation", "one pod that differs is enough"
    assert stored(cluster) == before
    planned = run(both(vault, cluster, allow_rotation=True), check_mode=True)
    assert planned["targets"][0]["rotation"] is True
    assert any("sessions" in caveat for caveat in planned["caveats"])
    assert run(both(vault, cluster, allow_rotation=True, targets=planned["targets"]))["status"] == "done"
    assert values(cluster)["JWT"] == SECOND
    # somebody overwrote the Secret, and the pods still use what Vault has: that is no rotation
    cluster.apply([secret("overwritten")])
    assert run(both(vault, cluster, in_use=[fingerprint(SECOND)]))["status"] == "done"
    assert values(cluster)["JWT"] == SECOND


def test_a_value_in_use_that_nobody_knows_counts_as_another(cluster: KubernetesCluster, vault: VaultServer) -> None:
    two(vault)
    for found in (None, " "):
        cluster.apply([secret(found)])
        refused = run(both(vault, cluster, expected_fingerprint=fingerprint(SECOND)))
        assert (refused["refusal"], refused["targets"][0]["rotation"]) == ("in_use_unknown", None)
        assert values(cluster).get("JWT") == found
    assert run(both(vault, cluster, allow_rotation=True))["status"] == "done"


def test_another_plan_is_refused(cluster: KubernetesCluster, vault: VaultServer) -> None:
    vault.part.write("backend", {"JWT": FIRST})
    cluster.apply([secret(None)])
    options = both(vault, cluster, in_use=[fingerprint(FIRST)])
    targets = run(options, check_mode=True)["targets"]
    vault.part.write("backend", {"JWT": FIRST})  # the same value as a new version
    before = stored(cluster)
    for check_mode in (True, False):
        changed = run({**options, "targets": targets}, check_mode=check_mode)
        assert (changed["status"], changed["refusal"], changed["changed"]) == ("refused", "plan_changed", False)
    assert run({**options, "targets": []})["refusal"] == "plan_changed"
    assert stored(cluster) == before
    assert run({**options, "targets": targets, "vault_version": 1})["status"] == "done"


def test_what_vault_does_not_have_is_refused(cluster: KubernetesCluster, vault: VaultServer) -> None:
    two(vault)
    vault.part.write("backend", {"JWT": FIRST})
    vault.part.delete_versions("backend", [1])
    vault.part.delete_versions("backend", [2], destroy=True)
    cluster.apply([secret(None)])
    before = stored(cluster)
    for word, given in (
        ("version_deleted", {"vault_version": 1}),
        ("version_destroyed", {"vault_version": 2}),
        ("not_in_vault", {"vault_version": 9}),
        ("not_in_vault", {"vault_path": "nothing"}),
        ("key_not_in_vault", {"vault_key": "NONE"}),
        ("value_differs", {"expected_fingerprint": fingerprint("another")}),
        ("unknown_key", {"create": False}),
    ):
        refused = run(both(vault, cluster, allow_rotation=True, **given))
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", word, False)
    vault.part.write("backend", {"NUMBER": 7, "LINE": f"{FIRST}\n", "BLANK": " "})
    for word, key in (("not_text", "NUMBER"), ("value_malformed", "LINE"), ("empty_value", "BLANK")):
        assert run(both(vault, cluster, allow_rotation=True, vault_key=key))["refusal"] == word
    assert stored(cluster) == before
    vault.part.write("backend", {"JWT": SECOND}, mount="kv")
    plain = run(both(vault, cluster, vault_mount="kv", in_use=[fingerprint(SECOND)]))
    assert (plain["status"], plain["targets"][0]["vault_version"]) == ("done", None)
    assert values(cluster)["JWT"] == SECOND


def test_what_others_keep_and_what_cannot_change_is_refused_with_a_way(
    cluster: KubernetesCluster, vault: VaultServer
) -> None:
    two(vault)
    label = {"name": "auth", "labels": {"reconcile.external-secrets.io/managed": "true"}}
    for word, way, manifest in (
        ("managed", "force-sync", secret(None, metadata=label)),
        (
            "managed",
            "at its source",
            secret(None, metadata={"name": "auth", "labels": {"argocd.argoproj.io/instance": "a"}}),
        ),
        ("immutable", "secret/backend, version 2", secret(None, immutable=True)),
        (
            "evidence_hold",
            "",
            secret(None, metadata={"name": "auth", "annotations": {"incidents.brandconnect/evidence-hold": "i"}}),
        ),
    ):
        cluster.apply([manifest])
        refused = run(both(vault, cluster, allow_rotation=True, incident="other"))
        assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", word, False)
        assert way in refused["reason"]
        assert "JWT" not in values(cluster)
        cluster.kubectl("delete", "secret", "auth")


@pytest.mark.parametrize(
    ("fault", "cause"), [("sealed", "sealed"), ("dr-secondary", "dr_secondary"), ("down", "server_error")]
)
def test_a_sick_vault_fails_and_the_cluster_is_not_touched(
    api: Api, vault: VaultServer, fault: str, cause: str
) -> None:
    two(vault)
    with vault.broken(fault):
        failed = run(both(vault, api, allow_rotation=True))
    assert (failed["failed"], failed["status"], failed["cause"], failed["changed"]) == (True, "failed", cause, False)
    assert failed["hint"]
    refused = run(both(vault, api, vault_token="hvs.nobody-s-token"))
    assert (refused["failed"], refused["cause"]) == (True, "invalid_auth")
    assert run(both(vault, api, vault_addr=""))["cause"] == "not_configured"
    assert api.asked == []


@pytest.mark.parametrize(
    ("answer", "status", "result", "changed"),
    [
        (refusal(403, "Forbidden"), "failed", "not_attempted", False),
        (refusal(409, "Conflict"), "refused", "not_attempted", False),
        (Reply(504, b""), "unknown", "unknown", True),
        (
            Reply(422, {"kind": "Status", "code": 422, "message": f"{encoded(FIRST)} {FIRST}"}),
            "failed",
            "not_attempted",
            False,
        ),
        (
            Reply(422, {"kind": "Status", "code": 422, "message": f"{'x' * 285} {encoded(FIRST)}"}),
            "failed",
            "not_attempted",
            False,
        ),
        (Reply(500, f"error near ...{FIRST[3:14]}...".encode()), "failed", "not_attempted", False),
        (secret(None), "failed", "differs", True),
    ],
)
def test_a_patch_that_is_not_taken_not_answered_or_undone(
    api: Api, vault: VaultServer, answer: Any, status: str, result: str, changed: bool
) -> None:
    """Also when the cluster quotes the value, or a part of it, which no option holds."""
    vault.part.write("backend", {"JWT": FIRST})
    api.answers[PATH] = lambda asked: answer if asked.method == "PATCH" else secret(None)
    said = run(both(vault, api, in_use=[fingerprint(FIRST)]))
    assert (said["status"], said["results"][0]["result"], said["changed"]) == (status, result, changed)
    told = json.dumps(said)
    assert encoded(FIRST)[:10] not in told, "a text that is cut off cuts the value off too"
    assert FIRST[3:14] not in told
    assert len(api.paths("PATCH")) == 1, "it is never sent twice"


def test_a_secret_that_is_not_there_fails(cluster: KubernetesCluster, vault: VaultServer) -> None:
    two(vault)
    failed = run(both(vault, cluster, allow_rotation=True))
    assert (failed["failed"], failed["status"], failed["cause"]) == (True, "failed", "not_found")
