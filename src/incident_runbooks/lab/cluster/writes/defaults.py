# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that the API fills in where a writer says nothing.

Source: the defaulting functions of each type, as the API reference documents them. Clients rely on many of them
(kubectl fails on a Deployment without a strategy), so an object without them does not come into the store.
"""

from __future__ import annotations

import base64
import copy
from collections.abc import Callable, Mapping
from typing import Any

from incident_runbooks.lab.cluster.resources import (
    AUTOSCALERS,
    CLUSTER_ROLE_BINDINGS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    INGRESSES,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    VOLUME_CLAIMS,
    Resource,
)
from incident_runbooks.lab.cluster.writes import pod_defaults

Json = dict[str, Any]

_RBAC = "rbac.authorization.k8s.io"


def apply(resource: Resource, obj: Json) -> Json:
    """Return a copy of an object with the defaults of its type."""
    complete = copy.deepcopy(obj)
    fill = _DEFAULTS.get(resource)
    if fill is not None:
        fill(complete)
    return complete


def _pod(pod: Json) -> None:
    spec = pod.setdefault("spec", {})
    pod_defaults.fill_spec(spec)
    pod_defaults.fill_pod(spec)
    status = pod.setdefault("status", {})
    status.setdefault("phase", "Pending")
    status.setdefault("qosClass", pod_defaults.quality_of_service(spec))


def _template(spec: Json) -> None:
    template = spec.setdefault("template", {})
    metadata = template.setdefault("metadata", {})
    metadata.setdefault("creationTimestamp", None)
    pod_defaults.fill_spec(template.setdefault("spec", {}))


def _deployment(deployment: Json) -> None:
    spec = deployment.setdefault("spec", {})
    _template(spec)
    strategy = spec.setdefault("strategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        rolling = strategy.setdefault("rollingUpdate", {})
        rolling.setdefault("maxUnavailable", "25%")
        rolling.setdefault("maxSurge", "25%")
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    deployment.setdefault("status", {})


def _replica_set(replica_set: Json) -> None:
    spec = replica_set.setdefault("spec", {})
    _template(spec)
    _set(spec, replicas=1)
    _set(replica_set.setdefault("status", {}), replicas=0)


def _stateful_set(stateful_set: Json) -> None:
    spec = stateful_set.setdefault("spec", {})
    _template(spec)
    _set(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady")
    strategy = spec.setdefault("updateStrategy", {})
    if strategy.setdefault("type", "RollingUpdate") == "RollingUpdate":
        strategy.setdefault("rollingUpdate", {}).setdefault("partition", 0)
    _set(spec.setdefault("persistentVolumeClaimRetentionPolicy", {}), whenDeleted="Retain", whenScaled="Retain")
    for claim in spec.get("volumeClaimTemplates") or ():
        _set(claim, apiVersion="v1", kind="PersistentVolumeClaim")
        claim.setdefault("metadata", {}).setdefault("creationTimestamp", None)
        _claim(claim)
    _set(stateful_set.setdefault("status", {}), replicas=0, availableReplicas=0)


def _budget(budget: Json) -> None:
    status = budget.setdefault("status", {})
    _set(status, disruptionsAllowed=0, currentHealthy=0, desiredHealthy=0, expectedPods=0)


def _claim(claim: Json) -> None:
    _set(claim.setdefault("spec", {}), volumeMode="Filesystem")
    _set(claim.setdefault("status", {}), phase="Pending")


def _service(service: Json) -> None:
    spec = service.setdefault("spec", {})
    _set(spec, type="ClusterIP", sessionAffinity="None")
    if spec["type"] == "ExternalName":
        return
    _set(spec, internalTrafficPolicy="Cluster", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if port.get("targetPort") in (None, 0, "") and "port" in port:
            port["targetPort"] = port["port"]
    service.setdefault("status", {}).setdefault("loadBalancer", {})


def _autoscaler(autoscaler: Json) -> None:
    spec = autoscaler.setdefault("spec", {})
    _set(spec, minReplicas=1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    status = autoscaler.setdefault("status", {})
    _set(status, desiredReplicas=0, currentMetrics=None)


def _secret(secret: Json) -> None:
    _set(secret, type="Opaque")
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}
        secret["data"] = (secret.get("data") or {}) | encoded


def _namespace(namespace: Json) -> None:
    name = namespace.get("metadata", {}).get("name")
    if name:
        namespace["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name
    namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    namespace.setdefault("status", {}).setdefault("phase", "Active")


def _binding(binding: Json) -> None:
    _set(binding.setdefault("roleRef", {}), apiGroup=_RBAC)
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            _set(subject, apiGroup=_RBAC)


def _endpoints(endpoints: Json) -> None:
    for subset in endpoints.get("subsets") or ():
        for port in subset.get("ports") or ():
            _set(port, protocol="TCP")


def _endpoint_slice(endpoint_slice: Json) -> None:
    for port in endpoint_slice.get("ports") or ():
        _set(port, name="", protocol="TCP")


def _event(event: Json) -> None:
    _set(event, source={}, reportingComponent="", reportingInstance="", firstTimestamp=None, lastTimestamp=None)
    _set(event, eventTime=None)


def _network_policy(policy: Json) -> None:
    spec = policy.setdefault("spec", {})
    spec.setdefault("policyTypes", ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])


def _ingress(ingress: Json) -> None:
    ingress.setdefault("status", {}).setdefault("loadBalancer", {})


def _set(target: Json, **values: Any) -> None:
    for name, value in values.items():
        target.setdefault(name, value)


_DEFAULTS: Mapping[Resource, Callable[[Json], None]] = {
    PODS: _pod,
    DEPLOYMENTS: _deployment,
    REPLICA_SETS: _replica_set,
    STATEFUL_SETS: _stateful_set,
    SERVICES: _service,
    SECRETS: _secret,
    NAMESPACES: _namespace,
    AUTOSCALERS: _autoscaler,
    VOLUME_CLAIMS: _claim,
    DISRUPTION_BUDGETS: _budget,
    ROLE_BINDINGS: _binding,
    CLUSTER_ROLE_BINDINGS: _binding,
    ENDPOINTS: _endpoints,
    ENDPOINT_SLICES: _endpoint_slice,
    EVENTS: _event,
    NETWORK_POLICIES: _network_policy,
    INGRESSES: _ingress,
}
