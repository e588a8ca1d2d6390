# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Pods in quarantine as plain facts, and who would still choose a pod by its labels. Pure, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import (
    controller,
    is_ready,
    owner_text,
)

Json = dict[str, Any]

RECORD = "incidents.brandconnect/quarantine"
REPLACING = ("ReplicaSet", "DaemonSet")  # owners that make a new pod, with another name
# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABEL = re.compile(r"(?:[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True)
class World:
    """What was read.

    Attributes:
        pods: all of the namespace.
        services: all of the namespace.
        policies: all NetworkPolicies of the namespace.
        owners: controllers of the pods and, of a ReplicaSet, its Deployment, by uid.
    """

    pods: Sequence[Mapping[str, Any]]
    services: Sequence[Mapping[str, Any]]
    policies: Sequence[Mapping[str, Any]]
    owners: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def pod(self, name: str) -> Mapping[str, Any] | None:
        """A pod by its name."""
        return next((each for each in self.pods if each["metadata"]["name"] == name), None)

    def policy(self, name: str) -> Mapping[str, Any] | None:
        """A NetworkPolicy by its name."""
        return next((each for each in self.policies if each["metadata"]["name"] == name), None)


def record_of(pod: Mapping[str, Any]) -> Json | None:
    """Return what the annotation says of a quarantined pod; ``None`` without one.

    One that cannot be read has no ``incident``. Whether the pod is in quarantine, its labels say: :func:`isolated`.
    """
    text = (pod["metadata"].get("annotations") or {}).get(RECORD)
    if not text:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    names = ("incident", "by", "since", "reason", "quarantine_label", "policy")
    if not isinstance(found, Mapping) or not isinstance(found.get("labels"), Mapping):
        return dict.fromkeys(names) | {"reason": "", "labels": {}}
    labels = {str(name): str(value) for name, value in found["labels"].items() if LABEL.fullmatch(str(name))}
    record = {name: found.get(name) if isinstance(found.get(name), str) else None for name in names}
    if not LABEL.fullmatch(record["quarantine_label"] or ""):
        record["quarantine_label"] = None
    return record | {"labels": {name: value for name, value in labels.items() if name != record["quarantine_label"]}}


def isolated(pod: Mapping[str, Any], services: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a pod is in the quarantine that its annotation tells of.

    It has the label of the quarantine, none of those that were taken off, and no Service chooses it.
    """
    record, labels = record_of(pod), pod["metadata"].get("labels") or {}
    if record is None or not record["incident"] or record["quarantine_label"] not in labels:
        return False
    return not record["labels"].keys() & labels.keys() and not serving(labels, services)


def describe(pod: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> Json:
    """Return what may be said of a pod: whether it is quarantined, by whom, and which Services choose it."""
    record = record_of(pod)
    return {
        "name": pod["metadata"]["name"],
        "uid": pod["metadata"].get("uid"),
        "quarantined": isolated(pod, services),
        **{name: (record or {}).get(name) for name in ("incident", "by", "since", "reason")},
        "labels": dict(pod["metadata"].get("labels") or {}),
        "services": serving(pod["metadata"].get("labels") or {}, services),
        "owner": owner_text(pod),
        "ready": is_ready(pod),
    }


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses what has these labels; an operator that is not known chooses it."""
    if any(labels.get(name) != value for name, value in (selector.get("matchLabels") or {}).items()):
        return False
    for each in selector.get("matchExpressions") or []:
        name, values = each.get("key"), each.get("values") or []
        verdicts = {
            "In": labels.get(name) in values,
            "NotIn": labels.get(name) not in values,
            "Exists": name in labels,
            "DoesNotExist": name not in labels,
        }
        if not verdicts.get(each.get("operator"), True):
            return False
    return True


def serving(labels: Mapping[str, str], services: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of the Services that choose a pod with these labels."""
    chosen = []
    for each in services:
        selector = (each.get("spec") or {}).get("selector")
        if selector and all(labels.get(name) == value for name, value in selector.items()):
            chosen.append(str(each["metadata"]["name"]))
    return sorted(chosen)


def replacing(world: World, names: Iterable[str]) -> set[str]:
    """The uids of the owners that make new pods in place of these."""
    pods = (world.pod(name) for name in names)
    owners = (controller(pod) for pod in pods if pod is not None)
    return {str(owner["uid"]) for owner in owners if owner.get("kind") in REPLACING}


def clean_pods(owner: Mapping[str, Any], pods: Iterable[Mapping[str, Any]], without: Iterable[str] = ()) -> int:
    """Count the ready pods of an owner.

    Args:
        without: names that do not count.
    """
    uid, left = owner["metadata"]["uid"], set(without)
    return sum(
        is_ready(pod) for pod in pods if controller(pod).get("uid") == uid and pod["metadata"]["name"] not in left
    )


def wanted_pods(owner: Mapping[str, Any]) -> int:
    """How many ready pods an owner is to have."""
    scheduled = (owner.get("status") or {}).get("desiredNumberScheduled")
    replicas = (owner.get("spec") or {}).get("replicas", scheduled)
    return int(1 if replicas is None else replicas)


def allows_something(spec: Mapping[str, Any]) -> bool:
    """Whether a NetworkPolicy lets anything in or out."""
    return bool(spec.get("ingress") or spec.get("egress"))
