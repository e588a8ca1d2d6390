# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pod's spec must fulfil, in a pod and in a template."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from incident_runbooks.lab.cluster.writes import rules
from incident_runbooks.lab.cluster.writes.rules import Cause

Json = dict[str, Any]

_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MUTABLE = ("activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates")
_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def spec(path: str, value: Json, claims: Sequence[str] = ()) -> Iterator[Cause]:
    """Yield what is wrong with a pod's spec; *claims* are the names of volumes that a StatefulSet adds to it."""
    containers = value.get("containers") or []
    if not containers:
        yield rules.required(f"{path}.containers")
    if value.get("restartPolicy") not in _RESTART_POLICIES:
        yield rules.unsupported(f"{path}.restartPolicy", value.get("restartPolicy"), _RESTART_POLICIES)
    volumes = _names(value.get("volumes")) | set(claims)
    yield from _unique(f"{path}.volumes", value.get("volumes"))
    for index, volume in enumerate(value.get("volumes") or ()):
        yield from _name(f"{path}.volumes[{index}].name", volume)
    everything = [*(value.get("initContainers") or ()), *containers]
    for field in ("initContainers", "containers"):
        for index, container in enumerate(value.get(field) or ()):
            yield from _container(f"{path}.{field}[{index}]", container, volumes)
    seen = set()
    for index, each in enumerate(everything):
        if each.get("name") in seen:
            yield rules.duplicate(f"{path}.containers[{index - len(everything) + len(containers)}].name", each["name"])
        seen.add(each.get("name"))
    yield from rules.not_negative(f"{path}.terminationGracePeriodSeconds", value.get("terminationGracePeriodSeconds"))


def _names(items: Iterable[Json] | None) -> set[str]:
    return {each["name"] for each in items or () if each.get("name")}


def _name(path: str, item: Json) -> Iterator[Cause]:
    if not item.get("name"):
        yield rules.required(path)
    else:
        yield from rules.dns_label(path, item["name"])


def _unique(path: str, items: Iterable[Json] | None) -> Iterator[Cause]:
    seen = set()
    for index, each in enumerate(items or ()):
        name = each.get("name")
        if name in seen:
            yield rules.duplicate(f"{path}[{index}].name", name)
        seen.add(name)


def _container(path: str, container: Json, volumes: set[str]) -> Iterator[Cause]:
    yield from _name(f"{path}.name", container)
    if not container.get("image"):
        yield rules.required(f"{path}.image")
    if container.get("imagePullPolicy") not in _PULL_POLICIES:
        yield rules.unsupported(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    for index, port in enumerate(container.get("ports") or ()):
        there = f"{path}.ports[{index}].containerPort"
        yield from rules.port(there, port["containerPort"]) if "containerPort" in port else [rules.required(there)]
    for index, variable in enumerate(container.get("env") or ()):
        yield from _variable(f"{path}.env[{index}]", variable)
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        yield from _mount(f"{path}.volumeMounts[{index}]", mount, volumes)
    yield from _resources(f"{path}.resources", container.get("resources") or {})
    for field in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(field):
            yield from _probe(f"{path}.{field}", container[field], must_succeed_once=field != "readinessProbe")


def _variable(path: str, variable: Json) -> Iterator[Cause]:
    if not variable.get("name"):
        yield rules.required(f"{path}.name")
    elif "=" in variable["name"]:
        yield rules.invalid(f"{path}.name", variable["name"], "a valid environment variable name must consist only of"
                            " printable ASCII characters other than '='")  # fmt: skip
    source = variable.get("valueFrom")
    if source is None:
        return
    if variable.get("value"):
        yield rules.invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")
    if len(source) != 1:
        detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        yield rules.invalid(f"{path}.valueFrom", "", detail)
    for field in ("secretKeyRef", "configMapKeyRef"):
        if field in source and not source[field].get("key"):
            yield rules.required(f"{path}.valueFrom.{field}.key")


def _mount(path: str, mount: Json, volumes: set[str]) -> Iterator[Cause]:
    if not mount.get("name"):
        yield rules.required(f"{path}.name")
    elif mount["name"] not in volumes:
        yield rules.not_found(f"{path}.name", mount["name"])
    if not mount.get("mountPath"):
        yield rules.required(f"{path}.mountPath")


def _resources(path: str, resources: Json) -> Iterator[Cause]:
    for field in ("limits", "requests"):
        for name, value in (resources.get(field) or {}).items():
            yield from rules.quantity(f"{path}.{field}[{name}]", value)


def _probe(path: str, probe: Json, *, must_succeed_once: bool) -> Iterator[Cause]:
    handlers = [name for name in ("exec", "httpGet", "tcpSocket", "grpc") if probe.get(name) is not None]
    if not handlers:
        yield rules.required(path, "must specify a handler type")
    for extra in handlers[1:]:
        yield rules.forbidden(f"{path}.{extra}", "may not specify more than 1 handler type")
    for name in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold", "successThreshold"):
        yield from rules.not_negative(f"{path}.{name}", probe.get(name))
    if must_succeed_once and probe.get("successThreshold", 1) != 1:
        yield rules.invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def update(old: Json, new: Json) -> Iterator[Cause]:
    """Yield what a pod's spec must not become: almost everything stays as it was created."""
    if new.get("nodeName") != old.get("nodeName") and not old.get("nodeName"):
        old = old | {"nodeName": new.get("nodeName")}
    if _fixed(old) != _fixed(new):
        yield rules.forbidden("spec", _IMMUTABLE)


def _fixed(value: Json) -> Json:
    """Return the part of a pod's spec that cannot be changed."""
    fixed = copy.deepcopy({name: each for name, each in value.items() if name not in _MUTABLE})
    for field in ("containers", "initContainers"):
        for container in fixed.get(field) or ():
            container.pop("image", None)
    return fixed
