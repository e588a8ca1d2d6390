# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Where a Service of Kubernetes leads: its selector, its ports, and the addresses behind it. Pure, no I/O.

Source: https://kubernetes.io/docs/concepts/services-networking/service/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import is_ready

VERDICTS = (
    *("ok", "no_service", "no_endpoints", "selector_matches_nothing", "wrong_target_port", "not_ready", "unknown"),
)
NAMES = 20  # of pods that are named
_EXTERNAL = "ExternalName"
_ENDED = frozenset({"Succeeded", "Failed"})
_LENGTH = 200

Json = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """What the API server said.

    Attributes:
        service: the object; ``None`` where it is not there or was not read.
        pods: those that its selector matches and that have not ended; ``None`` where they were not read.
        slices: its EndpointSlices; ``None`` where they were not read.
        missing: whether the API server says that there is no such Service.
    """

    service: Mapping[str, Any] | None = None
    pods: Sequence[Mapping[str, Any]] | None = None
    slices: Sequence[Mapping[str, Any]] | None = None
    missing: bool = False


def selector(service: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels by which a Service finds its pods; empty where somebody else writes its endpoints."""
    return dict(_spec(service).get("selector") or {})


def is_external(service: Mapping[str, Any]) -> bool:
    """Whether a Service is only another name for something outside of the cluster."""
    return _spec(service).get("type") == _EXTERNAL


def alive(pods: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the pods that have not ended; the others are behind no Service."""
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in _ENDED]


def facts(seen: Seen) -> Json:
    """Return what the module says of a Service."""
    ports = [_port(port, seen) for port in _spec(seen.service or {}).get("ports") or ()]
    found = None if seen.slices is None else _endpoints(seen.slices)
    word, certain, reason = _judge(seen, ports, found)
    return {
        "verdict": word,
        "certain": certain,
        "reason": plain_line(reason, 2 * _LENGTH),
        "service": _service(seen.service) if seen.service else None,
        "ports": ports,
        "endpoints": found,
        "pods_matching": None if seen.pods is None else len(seen.pods),
        "pods": [_pod(pod) for pod in (seen.pods or ())[:NAMES]],
    }


def _judge(seen: Seen, ports: Sequence[Json], found: Json | None) -> tuple[str, bool, str]:
    """Return the verdict, whether it is proven, and why."""
    service = seen.service
    if service is None:
        return ("no_service", True, "there is no such Service") if seen.missing else _not_known("the Service")
    if is_external(service):
        return "unknown", False, f"it leads out of the cluster, to {_spec(service).get('externalName')}"
    labels = ",".join(f"{name}={value}" for name, value in selector(service).items())
    if labels and seen.pods is not None and not seen.pods:
        return "selector_matches_nothing", True, f"no pod has its labels ({labels})"
    if lost := [port for port in ports if port["resolved"] is False]:
        names = ", ".join(f"{_name(port)} to {port['target_port']}" for port in lost)
        return "wrong_target_port", True, f"it leads to a port that no pod behind it has: {names}"
    if found is None:
        return _not_known("where it leads to")
    if not found["ready"]:
        if not found["not_ready"]:
            return "no_endpoints", True, "there is no address behind it"
        return "not_ready", True, f"none of the {found['not_ready']} addresses behind it is ready"
    doubtful = [port for port in ports if port["declared"] is False]
    if doubtful:
        names = ", ".join(f"{_name(port)} to {port['target_port']}" for port in doubtful)
        return (
            "wrong_target_port",
            False,
            f"no container declares where it leads to, though it need not: {names}",
        )
    total = found["ready"] + found["not_ready"]
    return "ok", True, f"{found['ready']} of {total} addresses behind it are ready"


def _not_known(what: str) -> tuple[str, bool, str]:
    return "unknown", False, f"{what} could not be read"


def _name(port: Json) -> str:
    return f"port {port['name'] or port['port']}"


def _port(port: Mapping[str, Any], seen: Seen) -> Json:
    """One port of the Service, and what becomes of it in the pods behind it."""
    target = port.get("targetPort") or port.get("port")
    protocol = str(port.get("protocol") or "TCP")
    declared = [_declared(pod, protocol) for pod in seen.pods or ()]
    own: list[Json] = [each for listed in declared for each in listed]
    named = isinstance(target, str) and not target.isdigit()
    if named:
        numbers = sorted({int(each["containerPort"]) for each in own if each.get("name") == target})
        resolved = bool(numbers) if declared else None
        known = resolved
    else:
        numbers, resolved = [int(str(target))] if target is not None else [], None
        # a container may listen on what it does not declare; one that declares nothing says nothing
        known = any(each.get("containerPort") in numbers for each in own) if declared and all(declared) else None
    return {
        "name": port.get("name"),
        "port": port.get("port"),
        "protocol": protocol,
        "target_port": target,
        "leads_to": numbers,
        "resolved": resolved,
        "declared": known,
    }


def _declared(pod: Mapping[str, Any], protocol: str) -> list[Json]:
    """The ports that containers of a pod declare, also sidecars."""
    spec = pod.get("spec") or {}
    sidecars = [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
    return [
        dict(port)
        for container in (*(spec.get("containers") or ()), *sidecars)
        for port in container.get("ports") or ()
        if str(port.get("protocol") or "TCP") == protocol
    ]


def _endpoints(slices: Iterable[Mapping[str, Any]]) -> Json:
    """Return how many addresses are ready; a pod with an address of each family is one."""
    ready: dict[str, bool] = {}
    for each in slices:
        for endpoint in each.get("endpoints") or ():
            name = _identity(endpoint)
            # not known is to be read as ready, https://kubernetes.io/docs/reference/kubernetes-api/ (EndpointSlice)
            serves = (endpoint.get("conditions") or {}).get("ready") is not False
            ready[name] = ready.get(name, False) or serves
    names = {state: sorted(name for name, found in ready.items() if found is state) for state in (True, False)}
    return {
        "ready": len(names[True]),
        "not_ready": len(names[False]),
        "names_ready": names[True][:NAMES],
        "names_not_ready": names[False][:NAMES],
    }


def _identity(endpoint: Mapping[str, Any]) -> str:
    target = endpoint.get("targetRef") or {}
    return str(target.get("name") or next(iter(endpoint.get("addresses") or ()), "unnamed"))


def _service(service: Mapping[str, Any]) -> Json:
    metadata, spec = service.get("metadata") or {}, _spec(service)
    return {
        "name": metadata.get("name"),
        "namespace": metadata.get("namespace"),
        "uid": metadata.get("uid"),
        "created_at": metadata.get("creationTimestamp"),
        "type": spec.get("type") or "ClusterIP",
        "cluster_ip": spec.get("clusterIP"),
        "selector": selector(service),
        "publishes_not_ready": bool(spec.get("publishNotReadyAddresses")),
    }


def _pod(pod: Mapping[str, Any]) -> Json:
    ports = [*_declared(pod, "TCP"), *_declared(pod, "UDP")]
    return {
        "name": (pod.get("metadata") or {}).get("name"),
        "ready": is_ready(pod),
        "ports": [{"name": each.get("name"), "port": each.get("containerPort")} for each in ports],
    }


def _spec(service: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = service.get("spec") or {}
    return found
