# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells clients which types there are: discovery, aggregated and by group."""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.cluster.resources import RESOURCES, Resource, Subresource

Json = dict[str, Any]

_LIST = {"kind": "APIResourceList", "apiVersion": "v1"}


def core_versions(address: str) -> Json:
    """Answer ``/api``."""
    where = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": where}


def groups() -> Json:
    """Answer ``/apis``."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in _group_names()]}


def group(name: str) -> Json | None:
    """Answer ``/apis/GROUP``."""
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name) if name in _group_names() else None


def resource_list(group_name: str, version: str) -> Json | None:
    """Answer ``/apis/GROUP/VERSION`` and ``/api/v1``; ``None`` if there is no such version."""
    types = [each for each in RESOURCES if (each.group, each.version) == (group_name, version)]
    if not types:
        return None
    listed = []
    for each in types:
        listed.append(_resource(each))
        listed += [_subresource(each, name, sub) for name, sub in each.subresources.items()]
    return _LIST | {"groupVersion": types[0].api_version, "resources": listed}


def aggregated(*, core: bool) -> Json:
    """Answer ``/api`` or ``/apis`` with everything at once (apidiscovery.k8s.io/v2)."""
    names = [""] if core else _group_names()
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [_aggregated_group(name) for name in names],
    }


def group_versions() -> list[str]:
    """Return every group and version, such as ``apps/v1``."""
    return list(dict.fromkeys(each.api_version for each in RESOURCES))


def _group_names() -> list[str]:
    return list(dict.fromkeys(each.group for each in RESOURCES if each.group))


def _versions(name: str) -> list[str]:
    return list(dict.fromkeys(each.version for each in RESOURCES if each.group == name))


def _group(name: str) -> Json:
    versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in _versions(name)]
    return {"name": name, "versions": versions, "preferredVersion": versions[0]}


def _resource(resource: Resource) -> Json:
    found: Json = {
        "name": resource.plural,
        "singularName": resource.kind.lower() if resource.stored else "",
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    found |= {"shortNames": list(resource.short_names)} if resource.short_names else {}
    return found | ({"categories": list(resource.categories)} if resource.categories else {})


def _subresource(resource: Resource, name: str, subresource: Subresource) -> Json:
    found: Json = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": subresource.kind,
        "verbs": list(subresource.verbs),
    }
    return found | ({"group": subresource.group, "version": subresource.version} if subresource.group else {})


def _aggregated_group(name: str) -> Json:
    versions = [
        {
            "version": version,
            "resources": [_aggregated(each) for each in RESOURCES if (each.group, each.version) == (name, version)],
            "freshness": "Current",
        }
        for version in _versions(name)
    ]
    return {"metadata": {"name": name, "creationTimestamp": None} if name else {}, "versions": versions}


def _aggregated(resource: Resource) -> Json:
    found: Json = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.kind.lower(),
        "verbs": list(resource.verbs),
    }
    found |= {"shortNames": list(resource.short_names)} if resource.short_names else {}
    found |= {"categories": list(resource.categories)} if resource.categories else {}
    if resource.subresources:
        found["subresources"] = [
            {
                "subresource": name,
                "responseKind": _kind(each.group or resource.group, each.version or resource.version, each.kind),
                "verbs": list(each.verbs),
            }
            for name, each in resource.subresources.items()
        ]
    return found


def _kind(group_name: str, version: str, kind: str) -> Json:
    return {"group": group_name, "version": version, "kind": kind}
