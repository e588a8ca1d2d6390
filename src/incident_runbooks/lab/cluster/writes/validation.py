# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects make sense: names, required fields, and what must not be changed.

These are the checks of the real server that a person or a program is likely to meet; it has many more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.resources import (
    AUTOSCALERS,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from incident_runbooks.lab.cluster.writes import pod_validation, rules, selectors
from incident_runbooks.lab.cluster.writes.rules import Cause

Json = dict[str, Any]

_WORKLOADS = (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS)
_SERVICE_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_STATEFUL_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
    "revisionHistoryLimit",
)
_STATEFUL_IMMUTABLE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy',"
    " 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_MAX_DATA = 1024 * 1024  # bytes in a Secret or ConfigMap


def require(resource: Resource, new: Json, old: Json | None = None) -> None:
    """Raise unless an object makes sense.

    Args:
        resource: its type.
        new: the object with its defaults.
        old: what it replaces; ``None`` when it is created.

    Raises:
        ApiError: 422, with every cause.
    """
    causes = [*_metadata(resource, new), *_by_type(resource, new)]
    if old is not None:
        causes += _changes(resource, old, new)
    if causes:
        name = new["metadata"].get("name") or new["metadata"].get("generateName") or ""
        raise errors.invalid(resource, name, causes)


def _metadata(resource: Resource, obj: Json) -> Iterator[Cause]:
    metadata = obj["metadata"]
    name = metadata.get("name")
    if name:
        yield from _NAMES.get(resource, rules.subdomain)("metadata.name", name)
    elif not metadata.get("generateName"):
        yield rules.required("metadata.name", "name or generateName is required")
    yield from rules.labels("metadata.labels", metadata.get("labels"))
    yield from rules.notes("metadata.annotations", metadata.get("annotations"))


def _by_type(resource: Resource, obj: Json) -> Iterator[Cause]:
    check = _CHECKS.get(resource)
    if check is not None:
        yield from check(obj)


def _workload(obj: Json) -> Iterator[Cause]:
    spec = obj["spec"]
    yield from rules.not_negative("spec.replicas", spec.get("replicas"))
    yield from rules.not_negative("spec.minReadySeconds", spec.get("minReadySeconds"))
    template = spec["template"]
    labels = (template.get("metadata") or {}).get("labels")
    selector = spec.get("selector")
    if selector is None:
        yield rules.required("spec.selector")
    elif not selectors.from_object(selector):
        yield rules.invalid("spec.selector", {}, "empty selector is invalid for deployment")
    elif not selectors.selects(selector, labels):
        detail = "`selector` does not match template `labels`"
        shown = rules.go_value(labels or {})
        message = f"Invalid value: map[string]string{shown}: {detail}" if labels else f"Invalid value: null: {detail}"
        yield "FieldValueInvalid", message, "spec.template.metadata.labels"
    yield from rules.labels("spec.template.metadata.labels", labels)
    claims = [claim["metadata"]["name"] for claim in spec.get("volumeClaimTemplates") or ()]
    yield from pod_validation.spec("spec.template.spec", template["spec"], claims)
    if template["spec"].get("restartPolicy") in ("OnFailure", "Never"):
        yield rules.unsupported("spec.template.spec.restartPolicy", template["spec"]["restartPolicy"], ("Always",))
    yield from _strategy(spec)


def _strategy(spec: Json) -> Iterator[Cause]:
    strategy = spec.get("strategy")
    if strategy is None:
        return
    if strategy.get("type") not in ("Recreate", "RollingUpdate"):
        yield rules.unsupported("spec.strategy.type", strategy.get("type"), ("Recreate", "RollingUpdate"))
    rolling = strategy.get("rollingUpdate")
    if strategy.get("type") == "Recreate" and rolling is not None:
        yield rules.forbidden("spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
    if rolling and rolling.get("maxSurge") in (0, "0%") and rolling.get("maxUnavailable") in (0, "0%"):
        detail = "may not be 0 when `maxSurge` is 0"
        yield rules.invalid("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], detail)
    if spec.get("progressDeadlineSeconds", 600) <= spec.get("minReadySeconds", 0):
        detail = "must be greater than minReadySeconds"
        yield rules.invalid("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], detail)


def _pod(obj: Json) -> Iterator[Cause]:
    yield from pod_validation.spec("spec", obj["spec"])


def _service(obj: Json) -> Iterator[Cause]:
    spec = obj["spec"]
    if spec["type"] not in _SERVICE_TYPES:
        yield rules.unsupported("spec.type", spec["type"], _SERVICE_TYPES)
    ports = spec.get("ports") or []
    if not ports and spec["type"] != "ExternalName" and spec.get("clusterIP") != "None":
        yield rules.required("spec.ports")
    for index, port in enumerate(ports):
        there = f"spec.ports[{index}]"
        yield from rules.port(f"{there}.port", port["port"]) if "port" in port else [rules.required(f"{there}.port")]
        yield from rules.port(f"{there}.targetPort", port.get("targetPort"))
        if len(ports) > 1 and not port.get("name"):
            yield rules.required(f"{there}.name")


def _autoscaler(obj: Json) -> Iterator[Cause]:
    spec = obj["spec"]
    for field in ("kind", "name"):
        if not (spec.get("scaleTargetRef") or {}).get(field):
            yield rules.required(f"spec.scaleTargetRef.{field}")
    most, least = spec.get("maxReplicas", 0), spec.get("minReplicas", 1)
    if least < 1:
        yield rules.invalid("spec.minReplicas", least, "must be greater than or equal to 1")
    if most < 1:
        yield rules.invalid("spec.maxReplicas", most, "must be greater than 0")
    if most < least:
        yield rules.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`")


def _budget(obj: Json) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if "minAvailable" in spec and "maxUnavailable" in spec:
        yield rules.invalid("spec", {}, "minAvailable and maxUnavailable cannot be both set")


def _data(obj: Json) -> Iterator[Cause]:
    yield from rules.data_keys("data", obj.get("data"))
    size = sum(len(value) for value in (obj.get("data") or {}).values())
    if size > _MAX_DATA * (4 / 3 if obj.get("kind") == "Secret" else 1):
        yield "FieldValueTooLong", f"Too long: may not be more than {_MAX_DATA} bytes", "data"


def _role(obj: Json) -> Iterator[Cause]:
    for index, rule in enumerate(obj.get("rules") or ()):
        there = f"rules[{index}]"
        if not rule.get("verbs"):
            yield rules.required(f"{there}.verbs", "verbs must contain at least one value")
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            yield rules.required(f"{there}.apiGroups", "resource rules must supply at least one api group")
        if not rule.get("resources"):
            yield rules.required(f"{there}.resources", "resource rules must supply at least one resource")


def _binding(obj: Json) -> Iterator[Cause]:
    ref = obj["roleRef"]
    if ref.get("kind") not in ("Role", "ClusterRole"):
        yield rules.unsupported("roleRef.kind", ref.get("kind"), ("Role", "ClusterRole"))
    if not ref.get("name"):
        yield rules.required("roleRef.name")
    for index, subject in enumerate(obj.get("subjects") or ()):
        if not subject.get("name"):
            yield rules.required(f"subjects[{index}].name")
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            yield rules.required(f"subjects[{index}].namespace")


def _changes(resource: Resource, old: Json, new: Json) -> Iterator[Cause]:
    if resource in (DEPLOYMENTS, REPLICA_SETS) and old["spec"].get("selector") != new["spec"].get("selector"):
        yield rules.invalid("spec.selector", new["spec"].get("selector"), "field is immutable")
    if resource is STATEFUL_SETS and _fixed(old["spec"]) != _fixed(new["spec"]):
        yield rules.forbidden("spec", _STATEFUL_IMMUTABLE)
    if resource is PODS:
        yield from pod_validation.update(old["spec"], new["spec"])
    if resource in (SECRETS, CONFIG_MAPS):
        yield from _data_changes(old, new)
    if resource in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS) and old["roleRef"] != new["roleRef"]:
        yield rules.invalid("roleRef", new["roleRef"], "cannot change roleRef")
    if resource is SERVICES and old["spec"].get("clusterIP") != new["spec"].get("clusterIP"):
        yield rules.invalid("spec.clusterIPs[0]", new["spec"].get("clusterIPs"), "may not change once set")


def _fixed(spec: Json) -> Json:
    return {name: value for name, value in spec.items() if name not in _STATEFUL_MUTABLE}


def _data_changes(old: Json, new: Json) -> Iterator[Cause]:
    if old.get("type") != new.get("type"):
        yield rules.invalid("type", new.get("type"), "field is immutable")
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield rules.forbidden("immutable", "field is immutable when `immutable` is set")
    for field in ("data", "binaryData"):
        if (old.get(field) or {}) != (new.get(field) or {}):
            yield rules.forbidden(field, "field is immutable when `immutable` is set")


_NAMES: Mapping[Resource, Callable[[str, str], Any]] = {
    SERVICES: rules.service_name,
    NAMESPACES: rules.dns_label,
    ROLES: rules.path_name,
    ROLE_BINDINGS: rules.path_name,
    CLUSTER_ROLES: rules.path_name,
    CLUSTER_ROLE_BINDINGS: rules.path_name,
}
_CHECKS: Mapping[Resource, Callable[[Json], Iterator[Cause]]] = {
    **dict.fromkeys(_WORKLOADS, _workload),
    PODS: _pod,
    SERVICES: _service,
    AUTOSCALERS: _autoscaler,
    DISRUPTION_BUDGETS: _budget,
    SECRETS: _data,
    CONFIG_MAPS: _data,
    ROLES: _role,
    CLUSTER_ROLES: _role,
    ROLE_BINDINGS: _binding,
    CLUSTER_ROLE_BINDINGS: _binding,
}
