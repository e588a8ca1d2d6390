# SPDX-License-Identifier: GPL-3.0-or-later
"""What depends on other objects before one is stored: namespaces, cluster addresses, ServiceAccounts."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Any

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES, Resource
from incident_runbooks.lab.cluster.store import Store

Json = dict[str, Any]

# Services get loopback addresses, so that whoever listens there can serve them
_SERVICE_NETWORK = ipaddress.ip_network("127.96.0.0/16")
_RESERVED = 10  # addresses at the start of the network


def admit(store: Store, resource: Resource, obj: Json) -> None:
    """Complete a new object by what the cluster knows.

    Args:
        store: the cluster's objects.
        resource: the object's type.
        obj: the object with its defaults; altered.

    Raises:
        ApiError: 403, it cannot be created there.
    """
    metadata = obj["metadata"]
    if resource.namespaced:
        _require_living_namespace(store, resource, metadata)
    if resource is SERVICES:
        _give_address(store, obj)
    if resource is PODS:
        _require_account(store, obj)


def keep_addresses(resource: Resource, old: Json, new: Json) -> None:
    """Keep what was allocated when a writer leaves it out."""
    if resource is not SERVICES:
        return
    for name in ("clusterIP", "clusterIPs"):
        if name in old["spec"] and not new["spec"].get(name):
            new["spec"][name] = old["spec"][name]


def _require_living_namespace(store: Store, resource: Resource, metadata: Json) -> None:
    namespace = store.find(NAMESPACES, None, metadata.get("namespace", "default"))
    if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
        return  # the store refuses one that is not there
    name, place = metadata.get("name") or metadata.get("generateName", ""), namespace["metadata"]["name"]
    said = f"unable to create new content in namespace {place} because it is being terminated"
    cause = {"reason": "NamespaceTerminating", "message": f"namespace {place} is being terminated",
             "field": "metadata.namespace"}  # fmt: skip
    details = {"name": name, "kind": resource.plural, "causes": [cause]}
    raise ApiError(403, "Forbidden", f'{resource.qualified} "{name}" is forbidden: {said}', details)


def _give_address(store: Store, service: Json) -> None:
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    if not spec.get("clusterIP"):
        taken = {each["spec"].get("clusterIP") for each in store.all(SERVICES)}
        # At random, as the real one: clusters side by side on one machine then do not meet
        offered = range(_RESERVED, _SERVICE_NETWORK.num_addresses - 1)
        while (address := str(_SERVICE_NETWORK[secrets.choice(offered)])) in taken:
            continue
        spec["clusterIP"] = address
    spec.setdefault("clusterIPs", [spec["clusterIP"]])


def _require_account(store: Store, pod: Json) -> None:
    namespace, name = pod["metadata"].get("namespace", "default"), pod["spec"]["serviceAccountName"]
    if name == "default" or store.find(SERVICE_ACCOUNTS, namespace, name) is not None:
        return
    said = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
    about = pod["metadata"].get("name") or pod["metadata"].get("generateName", "")
    raise ApiError(403, "Forbidden", f'pods "{about}" is forbidden: {said}', {"name": about, "kind": "pods"})
