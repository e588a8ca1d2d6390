# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a rollout is decided on: the workload, its revisions, its autoscaler, and what is wanted. Pure, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence import value_for_people
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import RESTARTED_AT, REVISION

Json = dict[str, Any]

TEMPLATE_HASH = "pod-template-hash"  # the Deployment controller's own label, never part of a template that is applied
FINGERPRINT_LENGTH = 12
PREVIOUS_STRATEGY = "incidents.brandconnect/previous-strategy"  # what a rollout has to put back at its end


@dataclass(frozen=True)
class Wish:
    """What is wanted.

    Attributes:
        action: ``restart``, ``set_env``, ``scale``, ``undo`` or ``put_back``.
        env: for set_env, values by name of the variable; ``None`` removes it.
        env_from: for set_env, ``valueFrom`` by name of the variable.
        container: for set_env; ``None`` when the pod has only one.
        replicas: for scale.
        lower: whether scale may also lower it.
        to_revision: for undo; ``None`` for the one before.
        surge: ``keep``, or ``none`` to replace pods without starting extra ones first.
        expected: what the caller believes of the workload.
        targets: the approved plan; ``None`` when there is none.
        incident: id of the incident, by which an action is not done twice.
        repeat: whether it is done all the same, because what the pods read when they start has changed since.
        max_replicas: scaling to more is refused.
        restart_limit: restarts within *restart_window_s* seconds from which another is refused; 0 for no limit.
    """

    action: str
    env: Mapping[str, str | None] = field(default_factory=dict)
    env_from: Mapping[str, Json] = field(default_factory=dict)
    container: str | None = None
    replicas: int | None = None
    lower: bool = False
    to_revision: int | None = None
    surge: str = "keep"
    expected: Mapping[str, Any] = field(default_factory=dict)
    targets: Sequence[Mapping[str, Any]] | None = None
    incident: str | None = None
    repeat: bool = False
    max_replicas: int = 20
    restart_limit: int = 2
    restart_window_s: int = 1800

    @property
    def mark(self) -> str | None:
        """What is written into the annotation ``incidents.brandconnect/last-action``."""
        return f"{self.incident}/{self.action}" if self.incident else None

    @property
    def variables(self) -> dict[str, Json | None]:
        """For set_env, the wanted definitions by name, ``value`` or ``valueFrom``; ``None`` for one to remove."""
        values = {name: None if value is None else {"value": value} for name, value in self.env.items()}
        sources = {name: {"valueFrom": dict(source)} for name, source in self.env_from.items()}
        return dict(sorted({**values, **sources}.items()))


@dataclass(frozen=True)
class Revision:
    """An earlier or the current pod template.

    Attributes:
        number: of the revision.
        template: the pod template, without the controller's own label.
        created_at: when it was made, RFC 3339; ``None`` when it does not say.
    """

    number: int
    template: Mapping[str, Any]
    created_at: str | None = None


@dataclass(frozen=True)
class World:
    """What was read.

    Attributes:
        workload: the object.
        revisions: the pod templates that its controller still keeps, oldest first.
        autoscaler: facts of the one that scales it; ``None`` for none.
        autoscaler_known: whether that could be read.
        gaps: what could not be read, as sentences.
        revisions_unread: why the revisions could not be read and what to do about it; ``None`` when they were.
    """

    workload: Mapping[str, Any]
    revisions: Sequence[Revision] = ()
    autoscaler: Mapping[str, Any] | None = None
    autoscaler_known: bool = True
    gaps: Sequence[str] = ()
    revisions_unread: str | None = None

    @property
    def kind(self) -> str:
        """Kind of the workload."""
        return str(self.workload["kind"])

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Its metadata."""
        return self.workload.get("metadata") or {}

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.metadata.get("name"))

    @property
    def text(self) -> str:
        """How texts call it."""
        return f"{self.kind} {self.name}"

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec."""
        return self.workload.get("spec") or {}

    @property
    def template(self) -> Mapping[str, Any]:
        """Its pod template."""
        return self.spec.get("template") or {}

    @property
    def replicas(self) -> int | None:
        """Pods that are wanted; ``None`` for a DaemonSet, which has one a node."""
        if self.kind == "DaemonSet":
            return None
        wanted = self.spec.get("replicas")
        return 1 if wanted is None else int(wanted)

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """Containers of its pods, without those for initialising."""
        return containers(self.template)

    def revision(self) -> int | None:
        """Number of the current revision of a Deployment."""
        number = str(annotations_of(self.workload).get(REVISION, ""))
        return int(number) if number.isdigit() else None

    def strategy(self) -> Json:
        """How pods are replaced, as it stands in the object."""
        return dict(self.spec.get("strategy") or self.spec.get("updateStrategy") or {})


def annotations_of(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    """The annotations of an object or a pod template."""
    return (thing.get("metadata") or {}).get("annotations") or {}


def containers(template: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The containers of a pod template, without those for initialising."""
    return list((template.get("spec") or {}).get("containers") or [])


def images(template: Mapping[str, Any]) -> dict[str, Any]:
    """The images of a pod template by container."""
    return {str(container.get("name")): container.get("image") for container in containers(template)}


def env_entry(container: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The definition of a variable in a container that counts, which is the last of its name."""
    entries = [entry for entry in container.get("env") or [] if entry.get("name") == name]
    return entries[-1] if entries else None


def without_hash(template: Mapping[str, Any]) -> Json:
    """A pod template without the label that the Deployment controller adds."""
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != TEMPLATE_HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


def fingerprint(thing: Any) -> str:
    """A short digest of JSON data, by which a change is noticed."""
    canonical = json.dumps(thing, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:FINGERPRINT_LENGTH]


def owned_revisions(objects: Sequence[Mapping[str, Any]], uid: str) -> list[Revision]:
    """Read the ReplicaSets of a Deployment, or the ControllerRevisions of another workload, oldest first."""
    found = []
    for item in objects:
        owners = (item.get("metadata") or {}).get("ownerReferences") or []
        if not any(owner.get("uid") == uid for owner in owners):
            continue
        number, template = item.get("revision"), ((item.get("data") or {}).get("spec") or {}).get("template")
        if item.get("spec"):  # a ReplicaSet
            number, template = annotations_of(item).get(REVISION), item["spec"].get("template")
        if str(number or "").isdigit() and template:
            created = (item.get("metadata") or {}).get("creationTimestamp")
            found.append(Revision(int(str(number)), without_hash(template), created))
    return sorted(found, key=lambda revision: revision.number)


def describe(world: World, wish: Wish) -> Json:
    """The state of the workload, for before and after."""
    metadata, status = world.metadata, world.workload.get("status") or {}
    variables = _variables(world, wish)
    daemons = world.kind == "DaemonSet"
    return {
        "kind": world.kind,
        "name": world.name,
        "namespace": metadata.get("namespace"),
        "uid": metadata.get("uid"),
        "resource_version": metadata.get("resourceVersion"),
        "generation": metadata.get("generation"),
        "revision": world.revision(),
        "replicas": world.replicas,
        "updated": status.get("updatedNumberScheduled" if daemons else "updatedReplicas") or 0,
        "ready": status.get("numberReady" if daemons else "readyReplicas") or 0,
        "available": status.get("numberAvailable" if daemons else "availableReplicas") or 0,
        "strategy": world.strategy(),
        "images": images(world.template),
        "restarted_at": annotations_of(world.template).get(RESTARTED_AT),
        "previous_strategy": annotations_of(world.workload).get(PREVIOUS_STRATEGY),
        "env": {each["name"]: each["value"] for each in variables},
        "variables": variables,
    }


def _variables(world: World, wish: Wish) -> list[Json]:
    container = chosen_container(world, wish) or {}
    return [
        {"container": container.get("name"), "name": name, **variable_state(name, env_entry(container, name))}
        for name in wish.variables
    ]


def variable_state(name: str, entry: Mapping[str, Any] | None) -> Json:
    """What a variable is defined as, without secrets.

    Returns:
        ``set``: whether it is there at all; an empty value is one. ``value``: of one that stands in the workload.
        ``value_from``: the reference of one that does not. ``fingerprint``: of either, by which a value that is
        masked, cut or redacted later is told from the true one; ``None`` for one that is not set.
    """
    if entry is None:
        return {"set": False, "value": None, "value_from": None, "fingerprint": None}
    if entry.get("valueFrom"):
        source = dict(entry["valueFrom"])
        return {"set": True, "value": None, "value_from": source, "fingerprint": fingerprint(source)}
    value = str(entry.get("value") or "")  # the API server leaves an empty value out
    shown = value_for_people(name, value)
    return {"set": True, "value": shown, "value_from": None, "fingerprint": fingerprint(value)}


def chosen_container(world: World, wish: Wish) -> Mapping[str, Any] | None:
    """The container that set_env is meant for; ``None`` when that is not clear."""
    if wish.container is None:
        return world.containers[0] if len(world.containers) == 1 else None
    return next((each for each in world.containers if each.get("name") == wish.container), None)
