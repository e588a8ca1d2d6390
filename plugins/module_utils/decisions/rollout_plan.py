# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Decide how to roll out: one patch on exactly the object that was looked at, or why not. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    Json,
    Wish,
    World,
    annotations_of,
    chosen_container,
    env_entry,
    fingerprint,
    images,
    variable_state,
    without_hash,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_guards import (
    first_objection,
    recent_restarts,
    source_text,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_patch import (
    TEMPLATE_STAYS,
    make_patch,
    seconds_text,
    wanted_revision,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import (
    NO_SURGE,
    left_over,
    plan_strategy,
    strategy_text,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_strategy import (
    caveats as strategy_caveats,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import (
    LAST_ACTION,
    RESTARTED_AT,
    managed_by,
)


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
    acted = wish.action in {"restart", "undo"} and not wish.repeat and _acted_already(world, wish)
    if acted and not left_over(world):
        text = f"{world.text} was already changed by {wish.action} for the incident {wish.incident}"
        return Plan("nothing_to_do", text, "same_incident")
    wish = replace(wish, action="put_back") if acted else wish
    objection = first_objection(world, wish, now)
    if objection:
        return Plan("refused", objection[1], objection[0])
    changes = _CHANGES[wish.action](world, wish)
    if not changes:  # what an earlier rollout has left is put back all the same
        wish = replace(wish, action="put_back")
    strategy = plan_strategy(world, wish)
    if strategy.now:
        changes.append({"what": "strategy", "old": world.strategy(), "new": strategy.now})
    if not changes:
        return Plan("nothing_to_do", f"{world.text} is already as wanted", "no_change")
    targets = [_target(world, wish, changes)]
    if not same_targets(wish.targets, targets):
        text = f"{world.text} is not any more what the plan was made for; look again and make a new plan"
        return Plan("refused", text, "plan_changed", targets)
    patch, kind = make_patch(world, wish, now, strategy.now)
    summary, known = _summary(world, changes), caveats(world, wish, now)
    return Plan("planned", summary, None, targets, patch, kind, known, strategy.afterwards)


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


def _restart_changes(world: World, _wish: Wish) -> list[Json]:
    return [{"what": "restart", "old": annotations_of(world.template).get(RESTARTED_AT), "new": "now"}]


def _env_changes(world: World, wish: Wish) -> list[Json]:
    container = chosen_container(world, wish) or {}
    changes = []
    for name, wanted in wish.variables.items():
        old, new = variable_state(name, env_entry(container, name)), variable_state(name, wanted)
        # what is masked alike is told apart by its fingerprint: a new value needs a new approval
        if old["fingerprint"] == new["fingerprint"]:
            continue
        sources = {f"{key}_from": state["value_from"] for key, state in (("old", old), ("new", new))}
        changes.append(
            {
                "what": "env",
                "container": container["name"],
                "name": name,
                "old": old["value"],
                "new": new["value"],
                **{key: source for key, source in sources.items() if source},
                "old_fingerprint": old["fingerprint"],
                "new_fingerprint": new["fingerprint"],
            }
        )
    return changes


def _scale_changes(world: World, wish: Wish) -> list[Json]:
    if world.replicas == wish.replicas:
        return []
    return [{"what": "replicas", "old": world.replicas, "new": wish.replicas}]


def _undo_changes(world: World, wish: Wish) -> list[Json]:
    revision = wanted_revision(world, wish)
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


def _no_changes(_world: World, _wish: Wish) -> list[Json]:
    return []


_CHANGES = {
    "restart": _restart_changes,
    "set_env": _env_changes,
    "scale": _scale_changes,
    "undo": _undo_changes,
    "put_back": _no_changes,
}


def _summary(world: World, changes: Sequence[Json]) -> str:
    return f"{world.text}: {'; '.join(_change_text(change) for change in changes if change['what'] != 'template')}"


def _change_text(change: Mapping[str, Any]) -> str:
    what = change["what"]
    if what == "restart":
        return "replace its pods one after the other"
    if what == "strategy" and change["new"] == NO_SURGE:
        return "replace pods without extra ones (maxSurge 0, maxUnavailable 1)"
    if what == "strategy":
        return f"put back {strategy_text(change['new'])}, which a rollout that was cut off had left at maxSurge 0"
    label = f"{what} {change['name']}" if what == "env" else what
    if what == "image":
        label = f"image of {change['container']}"
    return f"{label} from {_value_text(change, 'old')} to {_value_text(change, 'new')}"


def _value_text(change: Mapping[str, Any], key: str) -> str:
    source = change.get(f"{key}_from")
    if source:
        return source_text(source)
    return "not set" if change[key] is None else str(change[key]) or "empty"


def caveats(world: World, wish: Wish, now: dt.datetime) -> list[str]:
    """What a person should know before approving, in sentences."""
    found = [*world.gaps]
    managed = managed_by(world.metadata)
    if managed:
        text = f"{managed['tool']} manages {world.text} ({managed['evidence']}) and may undo this"
        found.append(f"{text}; make the same change there")
    found += strategy_caveats(world, wish)
    if wish.action in TEMPLATE_STAYS:
        return found
    if wish.action == "set_env":
        found += _env_caveats(world, wish)
    earlier = recent_restarts(world, now, wish.restart_window_s)
    if earlier:
        found.append(f"{world.text} was already restarted at {seconds_text(earlier[-1])}")
    status = world.workload.get("status") or {}
    if world.kind == "Deployment" and (status.get("updatedReplicas") or 0) != (status.get("replicas") or 0):
        found.append(f"a rollout of {world.text} is under way; it is replaced by this one")
    return found


def _env_caveats(world: World, wish: Wish) -> list[str]:
    container = chosen_container(world, wish) or {}
    found = []
    missing = [name for name, wanted in wish.variables.items() if wanted and env_entry(container, name) is None]
    if missing:
        text = f"{', '.join(missing)} is not set on {container['name']} so far; the application may not read it at all"
        if container.get("envFrom"):
            text += "; it may so far come from a ConfigMap or Secret as a whole (envFrom), which this overrides"
        found.append(text)
    return found
