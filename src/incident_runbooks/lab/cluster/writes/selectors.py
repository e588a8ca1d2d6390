# SPDX-License-Identifier: GPL-3.0-or-later
"""Label and field selectors: which objects a request means.

Grammar of label selectors: k8s.io/apimachinery/pkg/labels. Fields that can be selected: "Field selectors" of the
Kubernetes documentation, and the field label conversions of each type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.resources import (
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICES,
    Resource,
)

Json = dict[str, Any]

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_SETS = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)")
_EQUALS = re.compile(rf"({_KEY})\s*(==|=|!=|>|<)\s*({_VALUE})")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
_VALUE_ONLY = re.compile(_VALUE)

_COMMON_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS: Mapping[Resource, tuple[str, ...]] = {
    PODS: (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    ),
    EVENTS: (
        *(f"involvedObject.{name}" for name in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")),
        "involvedObject.resourceVersion",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    SECRETS: ("type",),
    NAMESPACES: ("status.phase",),
    NODES: ("spec.unschedulable",),
    REPLICA_SETS: ("status.replicas",),
    SERVICES: ("spec.clusterIP", "spec.type"),
}


@dataclass(frozen=True)
class Requirement:
    """One condition on a label or a field.

    Attributes:
        key: of the label, or path of the field.
        operator: ``in``, ``notin``, ``exists``, ``!``, ``>``, ``<``.
        values: what the operator compares with.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, values: Mapping[str, str]) -> bool:
        """Whether an object with these labels (or fields) is meant."""
        there = self.key in values
        match self.operator:
            case "in":
                return there and values[self.key] in self.values
            case "notin":
                return not there or values[self.key] not in self.values
            case "exists":
                return there
            case "!":
                return not there
            case _:
                return there and _compares(values[self.key], self.operator, self.values[0])


def parse_labels(text: str) -> tuple[Requirement, ...]:
    """Return the conditions of a label selector as clients write it.

    Raises:
        ApiError: 400, it cannot be parsed.
    """
    if not text.strip():
        return ()
    return tuple(_label_requirement(part) for part in _split(text))


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _label_requirement(part: str) -> Requirement:
    text = part.strip()
    if found := _SETS.fullmatch(text):
        values = tuple(value.strip() for value in found[3].split(","))
        if all(_VALUE_ONLY.fullmatch(value) for value in values):
            return Requirement(found[1], found[2], values)
    elif found := _EQUALS.fullmatch(text):
        operator = {"=": "in", "==": "in", "!=": "notin"}.get(found[2], found[2])
        return Requirement(found[1], operator, (found[3],))
    elif found := _EXISTS.fullmatch(text):
        return Requirement(found[2], "!" if found[1] else "exists")
    raise errors.bad_request(f"unable to parse requirement: {text!r} is no valid label selector requirement")


def _compares(value: str, operator: str, wanted: str) -> bool:
    try:
        left, right = int(value), int(wanted)
    except ValueError:
        return False
    return left > right if operator == ">" else left < right


def parse_fields(resource: Resource, text: str) -> tuple[Requirement, ...]:
    """Return the conditions of a field selector as clients write it.

    Raises:
        ApiError: 400, it cannot be parsed, or objects of that type cannot be selected by that field.
    """
    found = []
    for part in filter(None, text.split(",")):
        pieces = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
        if pieces is None:
            raise errors.bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        key = pieces[1].strip()
        _require_supported(resource, key)
        found.append(Requirement(key, "notin" if pieces[2] == "!=" else "in", (pieces[3],)))
    return tuple(found)


def _require_supported(resource: Resource, key: str) -> None:
    if key in _COMMON_FIELDS or key in _FIELDS.get(resource, ()):
        return
    if resource in _FIELDS:
        raise errors.bad_request(f"field label not supported: {key}")
    known = ", ".join(f'"{name}"' for name in _COMMON_FIELDS)
    raise errors.bad_request(f'"{key}" is not a known field selector: only {known}')


def fields_match(requirements: Sequence[Requirement], obj: Json) -> bool:
    """Whether an object fulfils a field selector; a field that is not there counts as empty."""
    return all(each.matches({each.key: _field(obj, each.key)}) for each in requirements)


def labels_match(requirements: Sequence[Requirement], labels: Mapping[str, str] | None) -> bool:
    """Whether labels fulfil a label selector."""
    return all(each.matches(labels or {}) for each in requirements)


def _field(obj: Json, path: str) -> str:
    value: Any = obj
    for name in {"source": "source.component"}.get(path, path).split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "false" if path in ("spec.unschedulable", "spec.hostNetwork") else ""
    return str(value)


def from_object(selector: Json | None) -> tuple[Requirement, ...] | None:
    """Return the conditions of a ``LabelSelector``; ``None`` selects nothing, an empty one everything."""
    if selector is None:
        return None
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
    return (
        *(Requirement(key, "in", (value,)) for key, value in (selector.get("matchLabels") or {}).items()),
        *(
            Requirement(each["key"], operators.get(each["operator"], each["operator"]), tuple(each.get("values") or ()))
            for each in selector.get("matchExpressions") or ()
        ),
    )


def selects(selector: Json | None, labels: Mapping[str, str] | None) -> bool:
    """Whether a ``LabelSelector`` selects an object with these labels."""
    requirements = from_object(selector)
    return requirements is not None and labels_match(requirements, labels)


def to_text(selector: Json | None) -> str:
    """Return a ``LabelSelector`` as clients write it, such as ``app=a,tier in (b,c)``."""
    return ",".join(_requirement_text(each) for each in from_object(selector) or ())


def _requirement_text(requirement: Requirement) -> str:
    match requirement.operator:
        case "exists":
            return requirement.key
        case "!":
            return f"!{requirement.key}"
        case "in" if len(requirement.values) == 1:
            return f"{requirement.key}={requirement.values[0]}"
        case operator:
            return f"{requirement.key} {operator} ({','.join(sorted(requirement.values))})"
