# SPDX-License-Identifier: GPL-3.0-or-later
"""Conformance: who a client is, what it may do, how it is told that it may not, and what is recorded of it.

Sources: [authn] kubernetes.io/docs/reference/access-authn-authz/authentication; [rbac] .../rbac; [review]
.../authorization;
[responses] apiserver/pkg/endpoints/handlers/responsewriters/errors.go (forbiddenMessage); [audit]
kubernetes.io/docs/tasks/debug/debug-cluster/audit; [token] .../service-accounts-admin (TokenRequest API).
"""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import kubernetes
import pytest
import yaml

from support.conformance import MERGE, Api, Server, config_map, deployment, pod

Json = dict[str, Any]

_RBAC = "rbac.authorization.k8s.io/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass
class Account:
    """A ServiceAccount with some rights.

    Attributes:
        user: its name as a user.
        token: of it.
        api: plain HTTP as this user.
    """

    user: str
    token: str
    api: Api


@pytest.fixture
def account(space: Any, server: Server) -> Callable[..., Account]:
    """Makes a ServiceAccount that has these rules in the test's namespace."""

    def make(*rules: Json, name: str = "reader") -> Account:
        space.create("serviceaccounts", {"metadata": {"name": name}})
        if rules:
            space.create(f"{_RBAC}/roles", {"metadata": {"name": name}, "rules": list(rules)})
            space.create(f"{_RBAC}/rolebindings", _binding(space, name, "Role", name))
        token = space.api("POST", space.path("serviceaccounts", name, "token"), {"spec": {}}).created()["status"][
            "token"
        ]
        return Account(f"system:serviceaccount:{space.name}:{name}", token, server.api(token))

    return make


def _binding(space: Any, name: str, kind: str, role: str) -> Json:
    subject = {"kind": "ServiceAccount", "name": name, "namespace": space.name}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
    return {"metadata": {"name": name}, "roleRef": ref, "subjects": [subject]}


def _rule(resources: str, verbs: str, group: str = "", **more: Any) -> Json:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split(), **more}


def _as(kubectl: Any, server: Server, token: str, folder: Path) -> Any:
    """Return kubectl as the user of a token."""
    config = yaml.safe_load(server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    return replace(kubectl, kubeconfig=path)


# Who


def test_unknown_token_is_unauthorized(server: Server, kubectl: Any, tmp_path: Path) -> None:
    server.api("no-such-token")("GET", "/api/v1/pods").refused(401, "Unauthorized", "Unauthorized")
    said = _as(kubectl, server, "no-such-token", tmp_path).refused("get", "pods")
    # in brackets: what the server said, or client-go's own words where the discovery is refused already
    assert said.splitlines()[-1].startswith("error: You must be logged in to the server (")


def test_without_a_token_a_client_is_anonymous(server: Server) -> None:
    said = 'pods is forbidden: User "system:anonymous" cannot list resource "pods" in API group "" at the cluster scope'
    server.anonymous()("GET", "/api/v1/pods").refused(403, "Forbidden", said)
    assert server.anonymous()("GET", "/version").status == 200
    path = 'forbidden: User "system:anonymous" cannot get path "/openapi/v2"'
    server.anonymous()("GET", "/openapi/v2").refused(403, "Forbidden", path)


def test_whoami_names_user_and_groups(account: Any, server: Server, current_kubectl: Any, tmp_path: Path) -> None:
    reader = account()
    said = _as(current_kubectl, server, reader.token, tmp_path).out("auth", "whoami", "--output", "json")
    who = json.loads(said)["status"]["userInfo"]
    assert who["username"] == reader.user
    assert {"system:serviceaccounts", "system:authenticated"} <= set(who["groups"])


def test_create_token_issues_one_that_works(
    space: Any, account: Any, server: Server, current_kubectl: Any, tmp_path: Path
) -> None:
    reader = account(_rule("configmaps", "list"))
    token = current_kubectl.out("create", "token", "reader", "--duration", "10m")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert claims["sub"] == reader.user
    assert claims["exp"] - claims["iat"] == 600
    assert claims["kubernetes.io"]["serviceaccount"]["name"] == "reader"
    kubectl = _as(current_kubectl, server, token, tmp_path)
    assert "kube-root-ca.crt" in kubectl.out("get", "configmaps")
    space.api("DELETE", space.path("serviceaccounts", "reader")).ok()
    assert "Unauthorized" in kubectl.refused("get", "configmaps")


def test_token_for_less_than_ten_minutes_is_invalid(space: Any) -> None:
    space.create("serviceaccounts", {"metadata": {"name": "reader"}})
    spec = {"spec": {"expirationSeconds": 60}}
    answer = space.api("POST", space.path("serviceaccounts", "reader", "token"), spec)
    details = answer.refused(422, "Invalid")
    assert details["causes"][0]["field"] == "spec.expirationSeconds"
    assert "may not specify a duration less than 10 minutes" in answer.json["message"]


# May not


def test_forbidden_list_names_user_verb_and_resource(
    account: Any, space: Any, server: Server, kubectl: Any, tmp_path: Path
) -> None:
    reader = account()
    said = (
        f'pods is forbidden: User "{reader.user}" cannot list resource "pods" in API group "" in the namespace'
        f' "{space.name}"'
    )
    assert reader.api("GET", space.path("pods")).refused(403, "Forbidden", said) == {"kind": "pods"}
    assert _as(kubectl, server, reader.token, tmp_path).refused("get", "pods") == (
        f"Error from server (Forbidden): {said}"
    )


def test_forbidden_get_names_the_object(account: Any, space: Any) -> None:
    reader = account()
    details = reader.api("GET", space.path("secrets", "login")).refused(
        403,
        "Forbidden",
        f'secrets "login" is forbidden: User "{reader.user}" cannot get resource "secrets" in API group "" in the'
        f' namespace "{space.name}"',
    )
    assert details == {"name": "login", "kind": "secrets"}


def test_forbidden_subresource_names_it(account: Any, space: Any) -> None:
    space.create("apps/v1/deployments", deployment(replicas=0))
    reader = account(_rule("deployments", "*", "apps"))
    path = space.path("apps/v1/deployments", "web", "scale")
    details = reader.api("PATCH", path, {"spec": {"replicas": 1}}, sent=MERGE).refused(
        403,
        "Forbidden",
        f'deployments.apps "web" is forbidden: User "{reader.user}" cannot patch resource "deployments/scale" in API'
        f' group "apps" in the namespace "{space.name}"',
    )
    assert details == {"name": "web", "group": "apps", "kind": "deployments"}


def test_forbidden_exec_and_log_are_rights_of_their_own(account: Any, space: Any) -> None:
    space.create("pods", pod("one"))
    reader = account(_rule("pods", "*"))
    for verb, subresource, method in (("create", "exec", "POST"), ("get", "log", "GET")):
        answer = reader.api(method, space.path("pods", "one", subresource), command="true", stdout="true")
        answer.refused(403, "Forbidden")
        assert f'cannot {verb} resource "pods/{subresource}" in API group ""' in answer.json["message"]


def test_forbidden_comes_before_not_found(account: Any, space: Any) -> None:
    account().api("GET", space.path("configmaps", "gone")).refused(403, "Forbidden")


def test_python_client_learns_the_reason(account: Any, space: Any, server: Server, tmp_path: Path) -> None:
    reader = account()
    config = kubernetes.client.Configuration(host=server.url)
    config.ssl_ca_cert = str(server.ca)
    config.api_key = {"authorization": f"Bearer {reader.token}"}
    with kubernetes.client.ApiClient(config) as client, pytest.raises(kubernetes.client.ApiException) as refused:
        kubernetes.client.CoreV1Api(client).list_namespaced_pod(space.name)
    assert (refused.value.status, refused.value.reason) == (403, "Forbidden")
    assert json.loads(refused.value.body)["reason"] == "Forbidden"


# May


def test_role_allows_its_verbs_in_its_namespace_only(account: Any, space: Any) -> None:
    reader = account(_rule("configmaps", "get list"))
    assert reader.api("GET", space.path("configmaps")).status == 200
    reader.api("POST", space.path("configmaps"), config_map("one")).refused(403, "Forbidden")
    reader.api("GET", "/api/v1/namespaces/default/configmaps").refused(403, "Forbidden")
    reader.api("GET", "/api/v1/configmaps").refused(403, "Forbidden")


def test_role_with_names_allows_those_objects_only(account: Any, space: Any) -> None:
    for name in ("one", "two"):
        space.create("configmaps", config_map(name))
    reader = account(_rule("configmaps", "get list watch", resourceNames=["one"]))
    assert reader.api("GET", space.path("configmaps", "one")).status == 200
    reader.api("GET", space.path("configmaps", "two")).refused(403, "Forbidden")
    reader.api("GET", space.path("configmaps")).refused(403, "Forbidden")
    listed = reader.api("GET", space.path("configmaps"), fieldSelector="metadata.name=one").ok()
    assert [each["metadata"]["name"] for each in listed["items"]] == ["one"]


def test_role_of_the_cluster_bound_in_a_namespace_holds_there_only(account: Any, space: Any) -> None:
    reader = account()
    space.create(f"{_RBAC}/rolebindings", _binding(space, "reader", "ClusterRole", "view"))
    assert reader.api("GET", space.path("pods")).status == 200
    assert reader.api("GET", space.path("apps/v1/deployments")).status == 200
    reader.api("GET", space.path("secrets")).refused(403, "Forbidden")
    reader.api("GET", "/api/v1/pods").refused(403, "Forbidden")


def test_right_ends_with_its_binding(account: Any, space: Any) -> None:
    reader = account(_rule("configmaps", "list"))
    assert reader.api("GET", space.path("configmaps")).status == 200
    space.api("DELETE", space.path(f"{_RBAC}/rolebindings", "reader")).ok()
    reader.api("GET", space.path("configmaps")).refused(403, "Forbidden")


# Asking first


@pytest.mark.parametrize(("verb", "allowed"), [("list", True), ("delete", False)])
def test_self_subject_access_review(account: Any, space: Any, verb: str, allowed: bool) -> None:
    reader = account(_rule("pods", "get list"))
    asked = {"namespace": space.name, "verb": verb, "group": "", "resource": "pods"}
    answer = reader.api("POST", _REVIEWS, {"spec": {"resourceAttributes": asked}}).created()
    assert (answer["kind"], answer["apiVersion"]) == ("SelfSubjectAccessReview", "authorization.k8s.io/v1")
    assert answer["status"]["allowed"] is allowed
    assert bool(answer["status"].get("reason")) is allowed
    assert answer["spec"]["resourceAttributes"]["verb"] == verb


def test_self_subject_access_review_without_attributes_is_invalid(api: Api) -> None:
    api("POST", _REVIEWS, {"spec": {}}).refused(422, "Invalid")


def test_python_client_asks_what_it_may(account: Any, space: Any, client: Any) -> None:
    attributes = kubernetes.client.V1ResourceAttributes(
        namespace=space.name, verb="patch", group="apps", resource="deployments", subresource="scale"
    )
    review = kubernetes.client.V1SelfSubjectAccessReview(
        spec=kubernetes.client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
    )
    answer = kubernetes.client.AuthorizationV1Api(client).create_self_subject_access_review(review)
    assert answer.status.allowed is True


def test_kubectl_auth_can_i(account: Any, server: Server, kubectl: Any, tmp_path: Path) -> None:
    reader = account(_rule("pods pods/log", "get list"), _rule("deployments", "patch", "apps", resourceNames=["web"]))
    mine = _as(kubectl, server, reader.token, tmp_path)
    assert mine.out("auth", "can-i", "list", "pods") == "yes"
    assert mine.out("auth", "can-i", "get", "pods", "--subresource=log") == "yes"
    assert mine.out("auth", "can-i", "patch", "deployments.apps/web") == "yes"
    for question in (("delete", "pods"), ("get", "pods", "--subresource=exec"), ("patch", "deployments.apps/other")):
        done = mine("auth", "can-i", *question)
        assert (done.returncode, done.stdout.strip()) == (1, "no")
    listed = mine.out("auth", "can-i", "--list")
    assert any(line.split()[:1] == ["pods/log"] for line in listed.splitlines())


# In the name of somebody else


def test_impersonation_is_what_the_other_may(account: Any, space: Any, server: Server, kubectl: Any) -> None:
    reader = account(_rule("pods", "list"))
    assert kubectl.out("auth", "can-i", "list", "pods", f"--as={reader.user}") == "yes"
    assert kubectl("auth", "can-i", "delete", "pods", f"--as={reader.user}").stdout.strip() == "no"
    said = kubectl.refused("get", "configmaps", f"--as={reader.user}")
    assert f'User "{reader.user}" cannot list resource "configmaps"' in said
    (event,) = _audited(server, namespace=space.name, resource="configmaps")
    assert (event["user"]["username"], event["impersonatedUser"]["username"]) == ("lab-admin", reader.user)


def test_impersonation_is_a_right_of_its_own(account: Any, space: Any) -> None:
    reader = account(_rule("pods", "*"))
    answer = reader.api("GET", space.path("pods"), headers={"Impersonate-User": "boss"})
    said = f'users "boss" is forbidden: User "{reader.user}" cannot impersonate resource "users" in API group ""'
    answer.refused(403, "Forbidden", f"{said} at the cluster scope")


# What is recorded


def _audited(server: Server, **wanted: Any) -> list[Json]:
    """Return the events of the audit log whose object has these values."""
    events = [json.loads(line) for line in server.audit_log.read_text().splitlines()]
    return [each for each in events if wanted.items() <= each.get("objectRef", {}).items()]


def test_audit_log_has_user_verb_object_and_code(account: Any, space: Any, server: Server) -> None:
    reader = account(_rule("configmaps", "get"))
    reader.api("GET", space.path("configmaps", "gone")).refused(404, "NotFound")
    reader.api("DELETE", space.path("configmaps", "gone")).refused(403, "Forbidden")
    read, refused = _audited(server, namespace=space.name, resource="configmaps", name="gone")
    assert (read["kind"], read["apiVersion"], read["level"]) == ("Event", "audit.k8s.io/v1", "Metadata")
    assert (read["stage"], read["verb"], read["responseStatus"]["code"]) == ("ResponseComplete", "get", 404)
    assert read["user"]["username"] == refused["user"]["username"] == reader.user
    assert (refused["verb"], refused["responseStatus"]["code"]) == ("delete", 403)
    assert refused["annotations"]["authorization.k8s.io/decision"] == "forbid"
    assert read["annotations"]["authorization.k8s.io/decision"] == "allow"
    assert read["requestReceivedTimestamp"] <= read["stageTimestamp"]


def test_audit_log_tells_apart_list_watch_patch_and_subresources(space: Any, server: Server) -> None:
    space.create("apps/v1/deployments", deployment(replicas=0))
    space.list("apps/v1/deployments")
    space.api("GET", space.path("apps/v1/deployments"), watch="true", timeoutSeconds=1)
    path = space.path("apps/v1/deployments", "web", "scale")
    space.api("PATCH", path, {"spec": {"replicas": 0}}, sent=MERGE).ok()
    space.api("DELETE", space.path("apps/v1/deployments")).ok()
    events = _audited(server, namespace=space.name, resource="deployments")
    said = [(each["verb"], each["objectRef"].get("subresource"), each["stage"]) for each in events]
    assert said == [
        ("create", None, "ResponseComplete"),
        ("list", None, "ResponseComplete"),
        ("watch", None, "ResponseStarted"),
        ("watch", None, "ResponseComplete"),
        ("patch", "scale", "ResponseComplete"),
        ("deletecollection", None, "ResponseComplete"),
    ]
    assert {each["objectRef"]["apiGroup"] for each in events} == {"apps"}


def test_audit_log_knows_no_secret(space: Any, server: Server, core: Any, namespace: str) -> None:
    space.create("secrets", {"metadata": {"name": "login"}, "stringData": {"password": "hunter2-of-the-test"}})
    space.get("secrets", "login")
    space.create("pods", pod("one"))
    space.ready("one")
    talk = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec, "one", namespace, command=["echo", "hunter3-of-the-test"], stdout=True
    )
    assert talk == "hunter3-of-the-test\n"
    text = server.audit_log.read_text()
    hidden = ["hunter2-of-the-test", base64.b64encode(b"hunter2-of-the-test").decode(), "hunter3-of-the-test"]
    assert [each for each in [*hidden, server.token] if each in text] == []
    assert len(_audited(server, namespace=namespace, name="one", subresource="exec")) >= 1


def test_what_holds_secrets_is_readable_by_its_owner_only(server: Server) -> None:
    for name in ("kubeconfig", "tokens.json", "audit.jsonl"):
        assert stat.S_IMODE((server.directory / name).stat().st_mode) == 0o600, name
