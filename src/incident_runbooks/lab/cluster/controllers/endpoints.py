# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the pods of a Service are: EndpointSlices, and Endpoints for older clients.

Source: pkg/controller/endpointslice, staging/src/k8s.io/endpointslice, pkg/controller/endpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from incident_runbooks.lab.cluster.controllers import owners, pods
from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import ENDPOINT_SLICES, ENDPOINTS, PODS, SERVICES, Resource
from incident_runbooks.lab.cluster.store import random_suffix
from incident_runbooks.lab.cluster.writes import selectors

Json = dict[str, Any]
Ports = tuple[tuple[str, str, int], ...]  # name, protocol, number

SERVICE_LABEL = "kubernetes.io/service-name"
_MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_MANAGER = "endpointslice-controller.k8s.io"
_PER_SLICE = 100


class EndpointSlices(Controller):
    """Follows Services and pods."""

    component = "endpoint-slice-controller"

    def concerns(self, change: Change) -> Iterable[Key]:
        """The Service, or those that a pod belongs to or did."""
        namespace, name = change.object["metadata"].get("namespace", ""), change.object["metadata"]["name"]
        if change.resource is SERVICES:
            yield namespace, name
        elif change.resource is PODS:
            for service in self.store.all(SERVICES, namespace):
                if any(_selects(service, pod) for pod in (change.object, change.before) if pod):
                    yield namespace, service["metadata"]["name"]
        elif change.resource is ENDPOINT_SLICES and change.type == DELETED:
            yield namespace, (change.object["metadata"].get("labels") or {}).get(SERVICE_LABEL, "")

    def reconcile(self, key: Key) -> None:
        """Write the slices and the Endpoints of a Service."""
        service = self.store.find(SERVICES, *key)
        if service is None:
            if self.store.find(ENDPOINTS, *key) is not None:
                self.store.delete(ENDPOINTS, *key)
            return
        if not service["spec"].get("selector"):
            return  # somebody else writes them
        members = [pod for pod in self.store.all(PODS, key[0]) if _selects(service, pod) and _is_member(pod)]
        groups: dict[Ports, list[Json]] = {}
        for pod in members:
            groups.setdefault(_ports(service, pod), []).append(pod)
        self._write_slices(service, groups or {(): []})
        self._write_endpoints(service, groups)

    def _write_slices(self, service: Json, groups: dict[Ports, list[Json]]) -> None:
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        there = [
            each
            for each in self.store.owned_by(ENDPOINT_SLICES, service)
            if (each["metadata"].get("labels") or {}).get(_MANAGED_BY) == _MANAGER
        ]
        wanted = [
            {
                "addressType": "IPv4",
                "endpoints": [_endpoint(service, pod) for pod in members[first : first + _PER_SLICE]],
                "ports": [_port(*each) for each in ports],
            }
            for ports, members in groups.items()
            for first in range(0, max(1, len(members)), _PER_SLICE)
        ]
        for old, content in zip(there, wanted, strict=False):
            self.store.update(ENDPOINT_SLICES, {**old, **content})
        for old in there[len(wanted) :]:
            self.store.delete(ENDPOINT_SLICES, namespace, old["metadata"]["name"])
        for content in wanted[len(there) :]:
            labels = {**(service["metadata"].get("labels") or {}), SERVICE_LABEL: name, _MANAGED_BY: _MANAGER}
            metadata = {
                "name": f"{name}-{random_suffix()}",
                "generateName": f"{name}-",
                "namespace": namespace,
                "labels": labels,
                "ownerReferences": [owners.reference(SERVICES, service)],
            }
            self.store.create(ENDPOINT_SLICES, {"metadata": metadata, **content})

    def _write_endpoints(self, service: Json, groups: dict[Ports, list[Json]]) -> None:
        subsets = []
        for ports, members in groups.items():
            listed = [pod for pod in members if not pods.is_terminating(pod) or _publishes_all(service)]
            ready = [_address(pod) for pod in listed if pods.is_ready(pod) or _publishes_all(service)]
            unready = [_address(pod) for pod in listed if not pods.is_ready(pod) and not _publishes_all(service)]
            subset: Json = {"addresses": ready} if ready else {}
            subset |= {"notReadyAddresses": unready} if unready else {}
            if subset:
                subsets.append(subset | {"ports": [_port(*each) for each in ports]})
        namespace, name = service["metadata"]["namespace"], service["metadata"]["name"]
        metadata = {"name": name, "namespace": namespace, "labels": service["metadata"].get("labels") or {}}
        wanted = {"metadata": metadata} | ({"subsets": subsets} if subsets else {})
        self._put(ENDPOINTS, wanted)

    def _put(self, resource: Resource, wanted: Json) -> None:
        there = self.store.find(resource, wanted["metadata"]["namespace"], wanted["metadata"]["name"])
        if there is None:
            self.store.create(resource, wanted)
        else:
            self.store.update(resource, {**wanted, "metadata": {**there["metadata"], **wanted["metadata"]}})


def _selects(service: Json, pod: Json) -> bool:
    selector = service["spec"].get("selector")
    return bool(selector) and selectors.selects({"matchLabels": selector}, pod["metadata"].get("labels"))


def _is_member(pod: Json) -> bool:
    return bool((pod.get("status") or {}).get("podIP")) and pods.phase(pod) not in ("Succeeded", "Failed")


def _publishes_all(service: Json) -> bool:
    return bool(service["spec"].get("publishNotReadyAddresses"))


def _ports(service: Json, pod: Json) -> Ports:
    """Return the ports of a Service as they are in a pod; one whose name the pod does not have is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort") or port["port"]
        number = target if isinstance(target, int) else _named_port(pod, target)
        if number is not None:
            found.append((port.get("name", ""), port.get("protocol", "TCP"), number))
    return tuple(found)


def _named_port(pod: Json, name: str) -> int | None:
    if name.isdigit():
        return int(name)
    ports = [port for container in pod["spec"]["containers"] for port in container.get("ports") or ()]
    return next((port["containerPort"] for port in ports if port.get("name") == name), None)


def _port(name: str, protocol: str, number: int) -> Json:
    return {"name": name, "port": number, "protocol": protocol}


def _endpoint(service: Json, pod: Json) -> Json:
    serving, terminating = pods.is_ready(pod), pods.is_terminating(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": _publishes_all(service) or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": _target(pod),
    }


def _address(pod: Json) -> Json:
    return {"ip": pod["status"]["podIP"], "nodeName": pod["spec"].get("nodeName"), "targetRef": _target(pod)}


def _target(pod: Json) -> Json:
    metadata = pod["metadata"]
    return {"kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}
