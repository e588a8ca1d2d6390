# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Decide how to roll out: one patch on exactly the object that was looked at, or why not. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.connection_budget import surge_pods
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence import value_for_people
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    Json,
    Revision,
    Wish,
    World,
    annotations_of,
    chosen_container,
    env_entry,
    fingerprint,
    images,
    without_hash,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_guards import (
    first_objection,
    recent_restarts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import (
    LAST_ACTION,
    RESTARTED_AT,
    managed_by,
)

NO_SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
DEFAULT_SURGE = "25%"


@dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        status: ``planned``, ``refused`` or ``nothing_to_do``.
        word: a stable word for the last two; ``None`` for ``planned``.
        reason: why, in one sentence.
        targets: what would be touched, from what to what. The same as long as the world is the same.
        patch: the body of the patch.
        patch_kind: ``strategic`` or ``json``.
        caveats: what a person should know before approving.
        put_back: the strategy to put back when the rollout has ended; ``None`` where it is not touched.
    """

    status: str
    reason: str
    word: str | None = None
    targets: Sequence[Json] = ()
    patch: Any = None
    patch_kind: str = "strategic"
    caveats: Sequence[str] = field(default_factory=tuple)
    put_back: Json | None = None


def make_plan(world: World, wish: Wish, now: dt.datetime) -> Plan:
    """Decide what to do about the workload.

    Args:
        now: the instant that a restart is marked with.
    """
    if wish.action in {"restart", "undo"} and _acted_already(world, wish):
        text = f"{world.text} was already changed by {wish.action} for the incident {wish.incident}"
        return Plan("nothing_to_do", text, "same_incident")
    objection = first_objection(world, wish, now)
    if objection:
        return Plan("refused", objection[1], objection[0])
    changes = _changes(world, wish)
    if not changes:
        return Plan("nothing_to_do", f"{world.text} is already as wanted", "no_change")
    targets = [_target(world, wish, changes)]
    if not same_targets(wish.targets, targets):
        text = f"{world.text} is not any more what the plan was made for; look again and make a new plan"
        return Plan("refused", text, "plan_changed", targets)
    patch, kind = _patch(world, wish, now)
    summary, known = _summary(world, changes), caveats(world, wish, now)
    put_back = dict(world.strategy()) if wish.action != "scale" and lowers_surge(world, wish) else None
    return Plan("planned", summary, None, targets, patch, kind, known, put_back)


def _acted_already(world: World, wish: Wish) -> bool:
    """Whether this incident has done this; the marks stay in the templates of later revisions as well."""
    things = [world.workload, world.template, *(revision.template for revision in world.revisions)]
    return wish.mark is not None and any(annotations_of(thing).get(LAST_ACTION) == wish.mark for thing in things)


def _target(world: World, wish: Wish, changes: Sequence[Json]) -> Json:
    return {
        "kind": world.kind,
        "name": world.name,
        "namespace": world.metadata.get("namespace"),
        "uid": world.metadata.get("uid"),
        "action": wish.action,
        # the status changes all the time; what is decided on is what the pods are made from
        "template": fingerprint(world.template),
        "changes": list(changes),
    }


def _changes(world: World, wish: Wish) -> list[Json]:
    changes = _CHANGES[wish.action](world, wish)
    if changes and wish.action != "scale" and lowers_surge(world, wish):
        changes.append({"what": "strategy", "old": world.strategy(), "new": NO_SURGE})
    return changes


def _restart_changes(world: World, _wish: Wish) -> list[Json]:
    return [{"what": "restart", "old": annotations_of(world.template).get(RESTARTED_AT), "new": "now"}]


def _env_changes(world: World, wish: Wish) -> list[Json]:
    container = chosen_container(world, wish) or {}
    changes = []
    for name, value in sorted(wish.env.items()):
        entry = env_entry(container, name)
        old = None if entry is None else str(entry.get("value") or "")
        if old == value:
            continue
        change = {"what": "env", "container": container["name"], "name": name}
        shown_old = None if old is None else value_for_people(name, old)
        shown_new = value_for_people(name, value)
        # what is masked alike is told apart: targets are compared, and a new value needs a new approval
        hidden = {} if shown_new == value else {"new_fingerprint": fingerprint(value)}
        changes.append({**change, "old": shown_old, "new": shown_new, **hidden})
    return changes


def _scale_changes(world: World, wish: Wish) -> list[Json]:
    if world.replicas == wish.replicas:
        return []
    return [{"what": "replicas", "old": world.replicas, "new": wish.replicas}]


def _undo_changes(world: World, wish: Wish) -> list[Json]:
    revision = _wanted_revision(world, wish)
    if revision.template == without_hash(world.template):
        return []
    changes: list[Json] = [{"what": "revision", "old": world.revision(), "new": revision.number}]
    before, after = images(world.template), images(revision.template)
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old != new:
            changes.append({"what": "image", "container": name, "old": old, "new": new})
    changes.append({"what": "template", "old": fingerprint(world.template), "new": fingerprint(revision.template)})
    return changes


_CHANGES = {
    "restart": _restart_changes,
    "set_env": _env_changes,
    "scale": _scale_changes,
    "undo": _undo_changes,
}


def _wanted_revision(world: World, wish: Wish) -> Revision:
    """The revision to go back to; the guards have made sure that there is one."""
    if wish.to_revision is not None:
        return next(revision for revision in world.revisions if revision.number == wish.to_revision)
    current = world.revision() or 0
    return max(
        (revision for revision in world.revisions if revision.number < current), key=lambda revision: revision.number
    )


def surge_now(world: World) -> int:
    """Pods that a rollout starts before it ends old ones. Only a Deployment does so, if it rolls at all."""
    strategy = world.strategy()
    if world.kind != "Deployment" or strategy.get("type") == "Recreate":
        return 0
    surge = (strategy.get("rollingUpdate") or {}).get("maxSurge", DEFAULT_SURGE)
    return surge_pods(surge, world.replicas or 0) or 0


def lowers_surge(world: World, wish: Wish) -> bool:
    """Whether the strategy must change for a rollout without extra pods."""
    return wish.surge == "none" and surge_now(world) > 0


def _patch(world: World, wish: Wish, now: dt.datetime) -> tuple[Any, str]:
    """Return the patch and its kind. Its resourceVersion makes the server refuse it on any other state."""
    if wish.action == "undo":
        return _undo_patch(world, wish), "json"
    mark = {LAST_ACTION: wish.mark} if wish.mark else {}
    metadata: Json = {"resourceVersion": world.metadata.get("resourceVersion")}
    if mark:
        metadata["annotations"] = mark
    if wish.action == "scale":
        return {"metadata": metadata, "spec": {"replicas": wish.replicas}}, "strategic"
    template: Json = {"metadata": {"annotations": dict(mark)}}
    if wish.action == "restart":
        template["metadata"]["annotations"][RESTARTED_AT] = _seconds(now)
    else:
        container = chosen_container(world, wish) or {}
        env = [{"name": name, "value": value} for name, value in sorted(wish.env.items())]
        template["spec"] = {"containers": [{"name": container["name"], "env": env}]}
    spec: Json = {"template": template}
    if lowers_surge(world, wish):
        spec["strategy"] = NO_SURGE
    return {"metadata": metadata, "spec": spec}, "strategic"


def _undo_patch(world: World, wish: Wish) -> list[Json]:
    """Replace the whole template, as a merge could not take away what was added since."""
    kept = dict(annotations_of(world.workload))
    if wish.mark:
        kept[LAST_ACTION] = wish.mark
    patch: list[Json] = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": world.metadata.get("resourceVersion")},
        {"op": "add", "path": "/metadata/annotations", "value": kept},
        {"op": "replace", "path": "/spec/template", "value": _wanted_revision(world, wish).template},
    ]
    if lowers_surge(world, wish):
        patch.append({"op": "add", "path": "/spec/strategy", "value": NO_SURGE})
    return patch


def _seconds(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _summary(world: World, changes: Sequence[Json]) -> str:
    return f"{world.text}: {'; '.join(_change_text(change) for change in changes if change['what'] != 'template')}"


def _change_text(change: Mapping[str, Any]) -> str:
    what = change["what"]
    if what == "restart":
        return "replace its pods one after the other"
    if what == "strategy":
        return "replace pods without extra ones (maxSurge 0, maxUnavailable 1)"
    label = f"{what} {change['name']}" if what == "env" else what
    if what == "image":
        label = f"image of {change['container']}"
    old = "not set" if change["old"] is None else change["old"]
    return f"{label} from {old} to {change['new']}"


def caveats(world: World, wish: Wish, now: dt.datetime) -> list[str]:
    """What a person should know before approving, in sentences."""
    found = [*world.gaps]
    managed = managed_by(world.metadata)
    if managed:
        text = f"{managed['tool']} manages {world.text} ({managed['evidence']}) and may undo this"
        found.append(f"{text}; make the same change there")
    if wish.action == "scale":
        return found
    found += _surge_caveats(world, wish)
    if wish.action == "set_env":
        found += _env_caveats(world, wish)
    earlier = recent_restarts(world, now, wish.restart_window_s)
    if earlier:
        found.append(f"{world.text} was already restarted at {_seconds(earlier[-1])}")
    status = world.workload.get("status") or {}
    if world.kind == "Deployment" and (status.get("updatedReplicas") or 0) != (status.get("replicas") or 0):
        found.append(f"a rollout of {world.text} is under way; it is replaced by this one")
    return found


def _surge_caveats(world: World, wish: Wish) -> list[str]:
    found = []
    if lowers_surge(world, wish):
        found.append(
            f"{world.text} has maxSurge 0 and maxUnavailable 1 until the rollout has ended; "
            f"then {strategy_text(world)} is put back"
        )
    elif surge_now(world):
        found.append(f"up to {surge_now(world)} extra pods open their connections before old ones close theirs")
    gone_first = lowers_surge(world, wish) or not surge_now(world)
    if world.replicas == 1 and gone_first:
        found.append("there is only one pod, so requests fail until the new one is ready")
    return found


def strategy_text(world: World) -> str:
    """The strategy's numbers, ``maxSurge 25%, maxUnavailable 25%``."""
    rolling = world.strategy().get("rollingUpdate") or {}
    return ", ".join(f"{key} {value}" for key, value in sorted(rolling.items())) or "the defaults"


def _env_caveats(world: World, wish: Wish) -> list[str]:
    container = chosen_container(world, wish) or {}
    found = []
    missing = [name for name in sorted(wish.env) if env_entry(container, name) is None]
    if missing:
        text = f"{', '.join(missing)} is not set on {container['name']} so far; the application may not read it at all"
        if container.get("envFrom"):
            text += "; it may so far come from a ConfigMap or Secret as a whole (envFrom), which this overrides"
        found.append(text)
    return found
