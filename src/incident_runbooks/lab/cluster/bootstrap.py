# SPDX-License-Identifier: GPL-3.0-or-later
"""What every cluster has from the start: namespaces, roles, the API's own Service, ServiceAccounts."""

from __future__ import annotations

import asyncio
from typing import Any

from incident_runbooks.lab.cluster import identities
from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.history import ADDED, Change
from incident_runbooks.lab.cluster.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    SERVICES,
    Resource,
)
from incident_runbooks.lab.cluster.writes import defaults

Json = dict[str, Any]

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_API_ADDRESS = "127.96.0.1"
_READ = ("get", "list", "watch")
_WRITE = ("create", "delete", "deletecollection", "patch", "update")
_DISCOVERY = ("/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz",
              "/version", "/version/")  # fmt: skip
_PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_EVERYBODY = (identities.AUTHENTICATED, "system:unauthenticated")

# What the built-in roles for users cover, per API group
_VIEWED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("configmaps", "endpoints", "events", "namespaces", "persistentvolumeclaims", "persistentvolumeclaims/status",
          "pods", "pods/log", "pods/status", "serviceaccounts", "services", "services/status")),
    ("apps", ("controllerrevisions", "deployments", "deployments/scale", "deployments/status", "replicasets",
              "replicasets/scale", "replicasets/status", "statefulsets", "statefulsets/scale", "statefulsets/status")),
    ("autoscaling", ("horizontalpodautoscalers", "horizontalpodautoscalers/status")),
    ("discovery.k8s.io", ("endpointslices",)),
    ("networking.k8s.io", ("ingresses", "ingresses/status", "networkpolicies")),
    ("policy", ("poddisruptionbudgets", "poddisruptionbudgets/status")),
    ("metrics.k8s.io", ("nodes", "pods")),
)  # fmt: skip
_EDITED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("", ("configmaps", "events", "persistentvolumeclaims", "pods", "secrets", "serviceaccounts", "services")),
    ("apps", ("deployments", "deployments/scale", "replicasets", "replicasets/scale", "statefulsets",
              "statefulsets/scale")),
    ("autoscaling", ("horizontalpodautoscalers",)),
    ("coordination.k8s.io", ("leases",)),
    ("networking.k8s.io", ("ingresses", "networkpolicies")),
    ("policy", ("poddisruptionbudgets",)),
)  # fmt: skip


def fill(cluster: Cluster, ca_pem: bytes) -> None:
    """Create the objects, and see to it that each new namespace gets its own.

    Args:
        cluster: whose port is known.
        ca_pem: the certificate that pods must trust.
    """
    certificate = ca_pem.decode()
    for name in _NAMESPACES:
        _create(cluster, NAMESPACES, {"metadata": {"name": name}})
        _furnish(cluster, name, certificate)
    loop = asyncio.get_running_loop()

    def follow(change: Change) -> None:
        if change.resource is NAMESPACES and change.type == ADDED:
            loop.call_soon(_furnish, cluster, change.object["metadata"]["name"], certificate)

    cluster.store.on_change(follow)
    _create(cluster, SERVICES, _api_service(cluster.port))
    for name, rules in _roles().items():
        _create(cluster, CLUSTER_ROLES, {"metadata": _labelled(name), "rules": rules})
    _bind(cluster, "cluster-admin", "cluster-admin", (identities.ADMINISTRATORS,))
    _bind(cluster, "system:basic-user", "system:basic-user", (identities.AUTHENTICATED,))
    _bind(cluster, "system:discovery", "system:discovery", (identities.AUTHENTICATED,))
    _bind(cluster, "system:public-info-viewer", "system:public-info-viewer", _EVERYBODY)


def _furnish(cluster: Cluster, namespace: str, certificate: str) -> None:
    store = cluster.store
    there = store.find(NAMESPACES, None, namespace)
    if there is None or there["metadata"].get("deletionTimestamp"):
        return
    wanted: tuple[tuple[Resource, Json], ...] = (
        (SERVICE_ACCOUNTS, {"metadata": {"name": "default", "namespace": namespace}}),
        (
            CONFIG_MAPS,
            {"metadata": {"name": "kube-root-ca.crt", "namespace": namespace}, "data": {"ca.crt": certificate}},
        ),
    )
    for resource, obj in wanted:
        if store.find(resource, namespace, obj["metadata"]["name"]) is None:
            _create(cluster, resource, obj)


def _create(cluster: Cluster, resource: Resource, obj: Json) -> None:
    cluster.store.create(resource, defaults.apply(resource, obj))


def _labelled(name: str) -> Json:
    return {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}


def _api_service(port: int) -> Json:
    labels = {"component": "apiserver", "provider": "kubernetes"}
    ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": port}]
    address = {"clusterIP": _API_ADDRESS, "clusterIPs": [_API_ADDRESS]}
    return {"metadata": {"name": "kubernetes", "namespace": "default", "labels": labels},
            "spec": {"ports": ports} | address}  # fmt: skip


def _roles() -> dict[str, list[Json]]:
    everything = [_rule("*", ("*",), ("*",)), {"verbs": ["*"], "nonResourceURLs": ["*"]}]
    view = [_rule(group, resources, _READ) for group, resources in _VIEWED]
    edit = [
        *view,
        *(_rule(group, resources, _WRITE) for group, resources in _EDITED),
        _rule("", ("secrets",), _READ),
        _rule("coordination.k8s.io", ("leases",), _READ),
        _rule("", ("pods/exec",), ("create", "get")),
        _rule("", ("pods/eviction", "serviceaccounts/token"), ("create",)),
    ]
    reviews = [
        _rule("authorization.k8s.io", ("selfsubjectaccessreviews", "selfsubjectrulesreviews"), ("create",)),
        _rule("authentication.k8s.io", ("selfsubjectreviews",), ("create",)),
    ]
    return {
        "cluster-admin": everything,
        "edit": edit,
        "view": view,
        "system:basic-user": reviews,
        "system:discovery": [{"verbs": ["get"], "nonResourceURLs": list(_DISCOVERY)}],
        "system:public-info-viewer": [{"verbs": ["get"], "nonResourceURLs": list(_PUBLIC)}],
    }


def _rule(group: str, resources: tuple[str, ...], verbs: tuple[str, ...]) -> Json:
    return {"verbs": list(verbs), "apiGroups": [group], "resources": list(resources)}


def _bind(cluster: Cluster, name: str, role: str, groups: tuple[str, ...]) -> None:
    subjects = [{"kind": "Group", "name": group} for group in groups]
    ref = {"kind": "ClusterRole", "name": role}
    _create(cluster, CLUSTER_ROLE_BINDINGS, {"metadata": _labelled(name), "roleRef": ref, "subjects": subjects})
