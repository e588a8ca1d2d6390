# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of Services and of what leads to pods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from incident_runbooks.lab.cluster.http.columns.column import AGE, NAME, NONE, Column, selector_text, status, wide
from incident_runbooks.lab.cluster.resources import (
    ENDPOINT_SLICES,
    ENDPOINTS,
    INGRESSES,
    NETWORK_POLICIES,
    SERVICES,
    Resource,
)

Json = dict[str, Any]

_SHOWN = 3  # endpoints


def _external(service: Json) -> str:
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName") or NONE)
    found = [each.get("ip") or each.get("hostname") for each in (_balancer(service).get("ingress") or ())]
    found += spec.get("externalIPs") or []
    return ",".join(found) or ("<pending>" if spec.get("type") == "LoadBalancer" else NONE)


def _balancer(obj: Json) -> Json:
    return status(obj).get("loadBalancer") or {}


def _ports(service: Json) -> str:
    shown = []
    for port in service["spec"].get("ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(shown) or NONE


def _limited(found: list[str]) -> str:
    if not found:
        return NONE
    more = f" + {len(found) - _SHOWN} more..." if len(found) > _SHOWN else ""
    return ",".join(found[:_SHOWN]) + more


def _endpoints(endpoints: Json) -> str:
    found: list[str] = []
    for subset in endpoints.get("subsets") or ():
        addresses = [each["ip"] for each in subset.get("addresses") or ()]
        ports = subset.get("ports") or ()
        found += [f"{ip}:{port['port']}" for port in ports for ip in addresses] if ports else addresses
    return _limited(found)


def _slice_ports(endpoint_slice: Json) -> str:
    ports = endpoint_slice.get("ports")
    return "<unset>" if not ports else _limited([str(each.get("port", "*")) for each in ports])


def _slice_addresses(endpoint_slice: Json) -> str:
    endpoints = endpoint_slice.get("endpoints")
    if not endpoints:
        return "<unset>"
    return _limited([address for each in endpoints for address in each.get("addresses") or ()])


def _hosts(ingress: Json) -> str:
    found = [each["host"] for each in ingress["spec"].get("rules") or () if each.get("host")]
    return _limited(found) if found else "*"


def _selector(labels: Mapping[str, str] | None) -> str:
    return _joined(f"{key}={value}" for key, value in sorted((labels or {}).items()))


def _joined(parts: Iterable[str]) -> str:
    return ",".join(parts) or NONE


COLUMNS: Mapping[Resource, tuple[Column, ...]] = {
    SERVICES: (
        NAME,
        Column("Type", lambda obj: obj["spec"].get("type")),
        Column("Cluster-IP", lambda obj: obj["spec"].get("clusterIP") or NONE),
        Column("External-IP", _external),
        Column("Port(s)", _ports),
        AGE,
        wide("Selector", lambda obj: _selector(obj["spec"].get("selector"))),
    ),
    ENDPOINTS: (NAME, Column("Endpoints", _endpoints), AGE),
    ENDPOINT_SLICES: (
        NAME,
        Column("AddressType", lambda obj: obj.get("addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    NETWORK_POLICIES: (NAME, Column("Pod-Selector", lambda obj: selector_text(obj["spec"].get("podSelector"))), AGE),
    INGRESSES: (
        NAME,
        Column("Class", lambda obj: obj["spec"].get("ingressClassName") or NONE),
        Column("Hosts", _hosts),
        Column("Address", lambda obj: ",".join(each.get("ip", "") for each in _balancer(obj).get("ingress") or ())),
        Column("Ports", lambda obj: "80, 443" if obj["spec"].get("tls") else "80"),
        AGE,
    ),
}
