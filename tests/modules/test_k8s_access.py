# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_access: what the login may do, asked of the API server and not done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from modules.k8s_support import TOKEN, Api, Asked, KubernetesCluster, Reply, api, cluster, refusal, run_module

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_access import SPEC

__all__ = ["api", "cluster"]
RBAC = Path(__file__).parents[2] / "deploy/rbac"
ACCESS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
USER = {"status": {"userInfo": {"username": "jane"}}}
READING = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "patch"]}
ROLE = {"kind": "Role", "metadata": {"name": "one"}, "rules": [READING]}


def manifests(*names: str) -> list[Any]:
    return [each for name in names for each in yaml.safe_load_all((RBAC / f"{name}.yml").read_text(encoding="utf-8"))]


def asked(api: Api, **given: Any) -> dict[str, Any]:
    return run_module(SPEC, api.options(roles=[ROLE], **given))


def only_get(request: Asked) -> Any:
    verb = json.loads(request.body)["spec"]["resourceAttributes"]["verb"]
    return Reply(201, {"status": {"allowed": verb == "get"}})


def test_a_permission_that_is_missing_is_named(api: Api) -> None:
    api.answers |= {WHO: Reply(201, USER), ACCESS: only_get}
    result = asked(api)
    assert (result["reachable"], result["user"], result["cause"], result["changed"]) == (True, "jane", None, False)
    (grant,) = result["grants"]
    assert (grant["granted"], grant["missing"]) == (False, ["patch deployments.apps"])
    assert {request.path for request in api.asked} == {WHO, ACCESS}
    assert result["requests"] == 3


def test_a_server_that_does_not_answer_a_question_grants_nothing(api: Api) -> None:
    api.answers |= {WHO: Reply(201, USER), ACCESS: refusal(403, "Forbidden")}
    result = asked(api)
    assert (result["reachable"], result["cause"]) == (True, "forbidden")
    (grant,) = result["grants"]
    assert (grant["granted"], len(grant["unknown"])) == (None, 2)


def test_an_older_server_does_not_say_who_it_is(api: Api) -> None:
    api.answers[ACCESS] = Reply(201, {"status": {"allowed": True}})
    result = asked(api)
    assert (result["user"], result["reachable"], result["grants"][0]["granted"]) == (None, True, True)


def test_a_login_that_is_refused_is_a_result(api: Api) -> None:
    api.answers |= {WHO: refusal(401, "Unauthorized"), ACCESS: refusal(401, "Unauthorized")}
    result = asked(api)
    assert (result["reachable"], result["cause"]) == (False, "auth")
    assert result["grants"][0]["granted"] is None
    assert TOKEN not in json.dumps(result)


def test_a_cluster_that_is_not_there_is_a_result() -> None:
    down = {"host": "https://127.0.0.1:1", "api_key": TOKEN, "namespace": "shop"}
    result = run_module(SPEC, {**down, "roles": [ROLE]})
    assert (result["reachable"], result["cause"]) == (False, "refused")


@pytest.fixture
def account(cluster: KubernetesCluster) -> dict[str, Any]:
    """The login of pool-exhaustion-diagnose, with exactly its Role."""
    for manifest in manifests("pool-exhaustion-diagnose"):
        manifest["metadata"]["namespace"] = cluster.namespace
        for subject in manifest.get("subjects", []):
            subject["namespace"] = cluster.namespace
        cluster.apply([manifest])
    token = cluster.kubectl("create", "token", "pool-exhaustion-diagnose").strip()
    kubeconfig = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))
    server = kubeconfig["clusters"][0]["cluster"]
    ca = cluster.kubeconfig.with_name("ca.pem")
    return {"host": server["server"], "api_key": token, "ca_cert": str(ca), "namespace": cluster.namespace}


def test_a_real_server_says_what_a_role_of_deploy_grants(cluster: KubernetesCluster, account: dict[str, Any]) -> None:
    roles = manifests("pool-exhaustion-diagnose", "pool-exhaustion-remediate")
    result = run_module(SPEC, {**account, "roles": roles})
    assert result["user"] == f"system:serviceaccount:{cluster.namespace}:pool-exhaustion-diagnose"
    diagnose, remediate = result["grants"]
    assert (diagnose["granted"], diagnose["missing"]) == (True, [])
    assert remediate["granted"] is False
    assert "patch deployments.apps backend" in remediate["missing"]
    may = cluster.kubectl("auth", "can-i", "--list", "--as", result["user"])
    assert "pods/log" in may
    assert "patch" not in may
