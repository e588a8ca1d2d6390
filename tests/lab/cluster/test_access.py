# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who, who may do what, and what is written down about it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks.lab.cluster import access, identities
from incident_runbooks.lab.cluster.access import Attributes
from incident_runbooks.lab.cluster.audit import COMPLETE, AuditLog, Record, hide_arguments
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http import requests
from incident_runbooks.lab.cluster.identities import Identities, User
from incident_runbooks.lab.cluster.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
)
from incident_runbooks.lab.cluster.store import Store

BOT = identities.service_account("shop", "bot")


@pytest.fixture
def store() -> Store:
    made = Store()
    for name in ("shop", "other"):
        made.create(NAMESPACES, {"metadata": {"name": name}})
    return made


def rule(verbs: str, resources: str, groups: str = "", names: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {"verbs": verbs.split(), "resources": resources.split(), "apiGroups": groups.split(",")}
    return made | ({"resourceNames": names.split()} if names else {})


def grant(store: Store, *rules: dict[str, Any], cluster: bool = False, binding: str = "Role") -> None:
    """Bind rules to the ServiceAccount ``bot``."""
    subjects = [{"kind": "ServiceAccount", "name": "bot", "namespace": "shop"}]
    ref = {"kind": "ClusterRole" if cluster else binding, "name": "reader"}
    if ref["kind"] == "ClusterRole":
        store.create(CLUSTER_ROLES, {"metadata": {"name": "reader"}, "rules": list(rules)})
    else:
        store.create(ROLES, {"metadata": {"name": "reader", "namespace": "shop"}, "rules": list(rules)})
    bound: dict[str, Any] = {"metadata": {"name": "b", "namespace": "shop"}, "roleRef": ref, "subjects": subjects}
    store.create(CLUSTER_ROLE_BINDINGS if cluster else ROLE_BINDINGS, bound)


def may(store: Store, verb: str, resource: str, namespace: str = "shop", name: str = "", group: str = "") -> bool:
    plural, _, subresource = resource.partition("/")
    wanted = Attributes(verb, group, plural, subresource, namespace, name)
    return access.allows(store, BOT, wanted) is not None


def test_nothing_is_allowed_without_a_rule(store: Store) -> None:
    assert not may(store, "get", "pods")


def test_a_role_counts_in_its_namespace_only(store: Store) -> None:
    grant(store, rule("get list", "pods"))
    assert may(store, "get", "pods")
    assert not may(store, "get", "pods", "other")
    assert not may(store, "list", "pods", ""), "all namespaces need a ClusterRoleBinding"
    assert not may(store, "delete", "pods")


def test_a_subresource_needs_its_own_rule(store: Store) -> None:
    grant(store, rule("get", "pods pods/log"))
    assert may(store, "get", "pods/log")
    assert not may(store, "get", "pods/exec")


def test_a_rule_may_name_objects(store: Store) -> None:
    grant(store, rule("get patch", "deployments", "apps", "backend worker"))
    assert may(store, "patch", "deployments", name="backend", group="apps")
    assert not may(store, "patch", "deployments", name="postgres", group="apps")
    assert not may(store, "get", "deployments", group="apps"), "a list names nobody"
    assert not may(store, "get", "deployments", name="backend"), "another API group"


@pytest.mark.parametrize(
    ("resources", "wanted", "expected"),
    [
        ("*", "pods", True),
        ("*", "pods/log", True),
        ("*/scale", "deployments/scale", True),
        ("*/scale", "deployments", False),
        ("pods/*", "pods/log", False),  # RBAC knows no such pattern
    ],
)
def test_stars(store: Store, resources: str, wanted: str, expected: bool) -> None:
    grant(store, rule("*", resources, "*"))
    assert may(store, "get", wanted, group="apps") is expected


def test_a_cluster_role_in_a_role_binding_counts_there_only(store: Store) -> None:
    grant(store, rule("get", "secrets"), binding="ClusterRole")
    assert may(store, "get", "secrets")
    assert not may(store, "get", "secrets", "other")


def test_a_cluster_role_binding_counts_everywhere(store: Store) -> None:
    grant(store, rule("list", "pods"), cluster=True)
    assert may(store, "list", "pods", "")
    assert may(store, "list", "pods", "other")


def test_an_account_of_the_same_name_elsewhere_is_another_one(store: Store) -> None:
    grant(store, rule("list", "pods"), cluster=True)
    stranger = identities.service_account("other", "bot")
    assert access.allows(store, stranger, Attributes("list", resource="pods", namespace="shop")) is None


def test_paths_have_rules_of_their_own(store: Store) -> None:
    grant(store, {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/api/*"]}, cluster=True)
    assert access.allows(store, BOT, Attributes("get", path="/healthz")) is not None
    assert access.allows(store, BOT, Attributes("get", path="/api/v1")) is not None
    assert access.allows(store, BOT, Attributes("get", path="/metrics")) is None


def test_groups_are_bound_too_and_masters_may_everything(store: Store) -> None:
    store.create(CLUSTER_ROLES, {"metadata": {"name": "r"}, "rules": [rule("get", "pods")]})
    subjects = [{"kind": "Group", "name": "system:serviceaccounts:shop"}]
    ref = {"kind": "ClusterRole", "name": "r"}
    store.create(CLUSTER_ROLE_BINDINGS, {"metadata": {"name": "b"}, "roleRef": ref, "subjects": subjects})
    assert may(store, "get", "pods", "other")
    master = User("lab-admin", ("system:masters",))
    assert access.allows(store, master, Attributes("delete", resource="nodes")) is not None


@pytest.mark.parametrize(
    ("wanted", "said", "details"),
    [
        (
            Attributes("list", resource="pods", namespace="shop"),
            'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "shop"',
            {"kind": "pods"},
        ),
        (
            Attributes("patch", "apps", "deployments", "scale", "shop", "web"),
            (
                'deployments.apps "web" is forbidden: User "x" cannot patch resource "deployments/scale" in API group'
                ' "apps" in the namespace "shop"'
            ),
            {"name": "web", "group": "apps", "kind": "deployments"},
        ),
        (
            Attributes("get", resource="nodes", name="n"),
            'nodes "n" is forbidden: User "x" cannot get resource "nodes" in API group "" at the cluster scope',
            {"name": "n", "kind": "nodes"},
        ),
        (Attributes("get", path="/metrics"), 'forbidden: User "x" cannot get path "/metrics"', {}),
    ],
)
def test_a_refusal_names_verb_and_resource(store: Store, wanted: Attributes, said: str, details: Any) -> None:
    with pytest.raises(ApiError) as caught:
        access.require(store, User("x"), wanted)
    assert (caught.value.code, caught.value.message, caught.value.details) == (403, said, details)


def test_users_of_the_file_are_read_again_when_it_changes(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    known = Identities(path, store)
    path.write_text(json.dumps({"t1": {"user": "ann", "groups": ["ops"]}}))
    assert known.authenticate("Bearer t1") == User("ann", ("ops", "system:authenticated"))
    path.write_text(json.dumps({"t22": {"user": "bob", "groups": []}}))
    assert known.authenticate("bearer t22").name == "bob"
    with pytest.raises(ApiError) as caught:
        known.authenticate("Bearer t1")
    assert (caught.value.code, caught.value.message) == (401, "Unauthorized")


def test_without_a_token_nobody_in_particular_asks(store: Store, tmp_path: Path) -> None:
    assert Identities(tmp_path / "none", store).authenticate(None).name == "system:anonymous"


def test_a_token_of_a_service_account_dies_with_it(store: Store, tmp_path: Path) -> None:
    account = store.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot", "namespace": "shop"}})
    known = Identities(tmp_path / "none", store)
    token, _ = known.issue(account, 600, ["api"])
    found = known.authenticate(f"Bearer {token}")
    assert (found.name, found.groups) == (BOT.name, BOT.groups)
    store.delete(SERVICE_ACCOUNTS, "shop", "bot")
    store.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot", "namespace": "shop"}})
    with pytest.raises(ApiError):
        known.authenticate(f"Bearer {token}")


@pytest.mark.parametrize("damage", ["expired", "changed", "other key"])
def test_a_bad_token_is_refused(store: Store, tmp_path: Path, damage: str) -> None:
    account = store.create(SERVICE_ACCOUNTS, {"metadata": {"name": "bot", "namespace": "shop"}})
    known = Identities(tmp_path / "none", store)
    token, _ = known.issue(account, -1 if damage == "expired" else 600, ["api"])
    if damage == "changed":
        token = token[:-6] + "AAAAAA"
    if damage == "other key":
        known = Identities(tmp_path / "none", store)
    with pytest.raises(ApiError):
        known.authenticate(f"Bearer {token}")


def test_the_audit_log_says_who_did_what_and_hides_arguments(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path)
    uri = "/api/v1/namespaces/shop/pods/web/exec?command=psql&command=secret%20word&container=web"
    record = Record(requests.parse("GET", uri.partition("?")[0], {"container": "web"}), uri, "127.0.0.1", "kubectl/1")
    record.user = BOT
    record.decision = "allow"
    log.write(record, COMPLETE, 101)
    event = json.loads(path.read_text())
    log.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert (event["verb"], event["user"]["username"], event["responseStatus"]["code"]) == ("get", BOT.name, 101)
    assert event["objectRef"] == {
        "resource": "pods", "namespace": "shop", "name": "web", "apiVersion": "v1", "subresource": "exec",
    }  # fmt: skip
    assert "secret" not in path.name + json.dumps(event)
    assert "command=REDACTED&command=REDACTED&container=web" in event["requestURI"]
    assert hide_arguments("/api/v1/pods?limit=1") == "/api/v1/pods?limit=1"
    assert os.sep in event["requestURI"]
