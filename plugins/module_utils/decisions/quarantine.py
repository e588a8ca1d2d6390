# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Take a pod out of its Service and off the network without ending it, and give it back. Pure, no I/O.

A pod whose labels do not fit its ReplicaSet any more is released by it, and a new one is made in its place:
https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#isolating-pods-from-a-replicaset
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import hold_objection
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import controller, owner_text
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine_facts import (
    RECORD,
    REPLACING,
    World,
    allows_something,
    clean_pods,
    isolated,
    matches,
    record_of,
    serving,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine_wish import (
    QUARANTINED,
    RELEASED,
    Wish,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

Json = dict[str, Any]
Objection = tuple[str, str]

QUARANTINE, RELEASE = "quarantine", "release"


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        status: ``planned``, ``nothing_to_do`` or ``refused``.
        word: a stable word for the last two; ``None`` for ``planned``.
        targets: the policy and the pods, those that are done already among them.
        patches: merge patches by the pod's name, on the versions that were looked at.
        manifest: of the policy, where it has to be made.
    """

    status: str
    reason: str
    word: str | None = None
    targets: tuple[Json, ...] = ()
    caveats: tuple[str, ...] = ()
    patches: Mapping[str, Json] = field(default_factory=dict)
    manifest: Json | None = None


def make_plan(world: World, wish: Wish, now: dt.datetime) -> Plan:
    """Decide whether and how the pods are quarantined or given back: all of them, or none."""
    gone = [name for name in wish.pods if world.pod(name) is None] if wish.state == RELEASED else []
    left = [name for name in wish.pods if name not in gone]
    targets: list[Json] = []
    patches: dict[str, Json] = {}
    caveats = [f"there is no {_named(gone)} any more, so nothing of it is given back"] if gone else []
    manifest = None
    if wish.state == QUARANTINED:
        existing, manifest = world.policy(wish.policy), policy_manifest(wish)
        if existing is not None and not _same_policy(existing, manifest):
            text = f"NetworkPolicy {wish.policy} is there and is another one; give another name as policy"
            return Plan("refused", text, "policy_differs")
        manifest = None if existing is not None else manifest
        targets.append({"action": "isolate", "kind": "NetworkPolicy", "name": wish.policy})
    for name in left:
        pod = world.pod(name)
        if pod is None:
            return Plan("refused", f"there is no pod {name}; it was replaced, or its name is another", "not_found")
        objection = _objection(pod, world, wish)
        if objection:
            return Plan("refused", objection[1], objection[0], (), tuple(caveats))
        targets.append(_target(pod, wish))
        if not _is_as_wished(pod, world, wish):
            patches[name] = _patch(pod, wish, now)
            caveats += _caveats(pod, world, wish)
    if not same_targets(wish.targets, targets):
        text = "the pods are not those of the plan that was approved; look again and make a new plan"
        return Plan("refused", text, "plan_changed", tuple(targets), tuple(caveats))
    if not patches and manifest is None:
        text = f"{_named(left)} {wish.state} already" if left else caveats[0]
        return Plan("nothing_to_do", text, "no_change", (), tuple(caveats))
    return Plan("planned", _reason(wish, left), None, tuple(targets), tuple(caveats), patches, manifest)


def policy_manifest(wish: Wish) -> Json:
    """The NetworkPolicy that lets nothing in or out of what has the quarantine label."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": wish.policy, "annotations": {"incidents.brandconnect/incident": wish.incident}},
        "spec": {
            "podSelector": {"matchExpressions": [{"key": wish.quarantine_label, "operator": "Exists"}]},
            "policyTypes": ["Ingress", "Egress"],
        },
    }


def _objection(pod: Mapping[str, Any], world: World, wish: Wish) -> Objection | None:
    name, record = pod["metadata"]["name"], record_of(pod)
    if pod["metadata"].get("deletionTimestamp") and (record is not None or wish.state != RELEASED):
        return "being_deleted", f"pod {name} is being deleted; save its logs and its objects at once"
    # one that cannot be read stands for nobody's wish: it keeps no pod from being isolated
    foreign = record is not None and record["incident"] != wish.incident
    if foreign and record is not None and (record["incident"] or wish.state == RELEASED):
        who = f"by {record['by'] or 'somebody'} since {record['since'] or 'an unknown time'}"
        text = f"pod {name} is quarantined for the incident {record['incident']} ({who}), not for {wish.incident}"
        return "held_by_other", text
    if wish.state == RELEASED or _is_as_wished(pod, world, wish):
        return None
    if wish.label not in _taken(pod, wish):
        return "label_missing", f"pod {name} has no label {wish.label}; name another one as label"
    return _objection_of_others(pod, world, wish, _labels_after(pod, wish))


def _is_as_wished(pod: Mapping[str, Any], world: World, wish: Wish) -> bool:
    """Whether nothing is left to do for a pod. Its annotation alone keeps nobody from it."""
    record = record_of(pod)
    if wish.state == RELEASED:
        return record is None
    if record is None or (record["quarantine_label"], record["policy"]) != (wish.quarantine_label, wish.policy):
        return False
    return isolated(pod, world.services)


def _objection_of_others(
    pod: Mapping[str, Any], world: World, wish: Wish, after: Mapping[str, str]
) -> Objection | None:
    """What its owners and the Services say to the new labels."""
    name, reference = pod["metadata"]["name"], controller(pod)
    owner = world.owners.get(str(reference.get("uid")))
    if reference and (reference.get("kind") not in REPLACING or owner is None):
        text = f"pod {name} is one of {owner_text(pod)}, which makes no new pod while this one is there"
        return "unsupported", f"{text}; isolate it by hand, by a NetworkPolicy alone"
    # of a ReplicaSet its Deployment counts: a released hold stays in the annotations that were copied down
    above = world.owners.get(str(controller(owner).get("uid"))) if owner else None
    text = str(owner_text(owner if owner and above else pod))
    held = hold_objection(pod, f"pod {name}", wish.incident) or hold_objection(above or owner, text, wish.incident)
    if held:
        return held
    if owner and matches((owner.get("spec") or {}).get("selector") or {}, after):
        text = f"{owner_text(pod)} would keep pod {name} and make no clean one: it does not choose by {wish.label}"
        return "label_not_selected", f"{text}; name a label of its selector as label"
    served = serving(after, world.services)
    if served:
        text = f"pod {name} would still be served by {', '.join(served)}; name the labels they choose by as more_labels"
        return "still_served", text
    return None


def _labels_after(pod: Mapping[str, Any], wish: Wish) -> Json:
    labels, changes = pod["metadata"].get("labels") or {}, _changes(pod, wish)
    return {name: value for name, value in {**labels, **changes}.items() if value is not None}


def _changes(pod: Mapping[str, Any], wish: Wish) -> Json:
    """The labels that a quarantine changes; ``None`` for those that go."""
    taken, before = _taken(pod, wish), (record_of(pod) or {}).get("quarantine_label")
    gone = dict.fromkeys([*taken, *([before] if before else [])])
    return {**gone, wish.quarantine_label: taken[wish.label]}


def _target(pod: Mapping[str, Any], wish: Wish) -> Json:
    metadata, record = pod["metadata"], record_of(pod)
    return {
        "action": QUARANTINE if wish.state == QUARANTINED else RELEASE,
        "kind": "Pod",
        "namespace": metadata.get("namespace"),
        "name": metadata["name"],
        "uid": metadata.get("uid"),
        "labels": record["labels"] if record and wish.state == RELEASED else _taken(pod, wish),
    }


def _taken(pod: Mapping[str, Any], wish: Wish) -> dict[str, str]:
    """The labels that are off the pod in quarantine, with their values: of now, else as they were taken off before."""
    labels, before = pod["metadata"].get("labels") or {}, (record_of(pod) or {"labels": {}})["labels"]
    now = {name: labels[name] for name in (wish.label, *wish.more_labels, *before) if name in labels}
    if not before and wish.quarantine_label in labels:  # its annotation is lost, and the value is that of the label
        before = {wish.label: labels[wish.quarantine_label]}
    return {**before, **now}


def _patch(pod: Mapping[str, Any], wish: Wish, now: dt.datetime) -> Json:
    head: Json = {"resourceVersion": pod["metadata"].get("resourceVersion")}
    if wish.state == RELEASED:
        record = record_of(pod) or {"labels": {}}
        label = record.get("quarantine_label") or wish.quarantine_label
        return {"metadata": head | {"labels": {label: None, **record["labels"]}, "annotations": {RECORD: None}}}
    record = {
        "incident": wish.incident,
        "by": wish.who,
        "since": rfc3339(now),
        "reason": wish.reason,
        "quarantine_label": wish.quarantine_label,
        "policy": wish.policy,
        "labels": _taken(pod, wish),
    }
    return {
        "metadata": head | {"labels": _changes(pod, wish), "annotations": {RECORD: json.dumps(record, sort_keys=True)}}
    }


def _caveats(pod: Mapping[str, Any], world: World, wish: Wish) -> list[str]:
    name, spec = pod["metadata"]["name"], pod.get("spec") or {}
    if wish.state == RELEASED:
        text = "its owner takes it back and ends one pod that is too many, which may be this one; save its evidence"
        return [f"pod {name}: {text} first", f"NetworkPolicy {wish.policy} stays; it concerns quarantined pods only"]
    found = []
    if record_of(pod) is not None:
        found.append(f"the annotation of pod {name} says that it is in quarantine, and it is not, or not in this one")
    if spec.get("hostNetwork"):
        found.append(f"pod {name} uses the network of its node, which no NetworkPolicy keeps it from")
    if any(each.get("livenessProbe") for each in spec.get("containers") or []):
        text = (
            "without its network it may fail its liveness probe, and a restart of its container loses memory and files"
        )
        found.append(f"pod {name}: {text}")
    owner = world.owners.get(str(controller(pod).get("uid")))
    if owner is None:
        found.append(f"pod {name} has no owner, so nobody makes a clean one in its place")
    elif not clean_pods(owner, world.pods, wish.pods):
        found.append(f"no other pod of {owner_text(pod)} is ready; its Service has nobody until a clean one is")
    after = _labels_after(pod, wish)
    allowing = [
        str(each["metadata"]["name"])
        for each in world.policies
        if each["metadata"]["name"] != wish.policy
        and allows_something(each.get("spec") or {})
        and matches((each.get("spec") or {}).get("podSelector") or {}, after)
    ]
    if allowing:
        found.append(f"policies add up: what {', '.join(allowing[:5])} allow to pod {name} stays allowed")
    return found


def _same_policy(existing: Mapping[str, Any], manifest: Mapping[str, Any]) -> bool:
    spec, wanted = existing.get("spec") or {}, manifest["spec"]
    selector = {name: value for name, value in (spec.get("podSelector") or {}).items() if value}
    types = set(spec.get("policyTypes") or []) == set(wanted["policyTypes"])
    return selector == wanted["podSelector"] and types and not allows_something(spec)


def _reason(wish: Wish, pods: Sequence[str]) -> str:
    if wish.state == RELEASED:
        return f"give back {_named(pods)} to its Service"
    return f"take {_named(pods)} out of its Service and off the network, without ending it"


def _named(pods: Sequence[str]) -> str:
    return f"pod {pods[0]}" if len(pods) == 1 else f"pods {', '.join(pods)}"
