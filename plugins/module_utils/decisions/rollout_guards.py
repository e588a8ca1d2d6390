# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Why a workload may not be rolled out now. Pure, no I/O.

Each guard returns a stable word and a sentence, or ``None`` when it does not object.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence import is_secret_like
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import hold_objection
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    Revision,
    Wish,
    World,
    annotations_of,
    chosen_container,
    env_entry,
    variable_state,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import (
    LAST_ACTION,
    RESTARTED_AT,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import parse_instant

Objection = tuple[str, str]
Guard = Callable[[World, Wish, dt.datetime], Objection | None]

# reasons of the condition Progressing from a new pod template until its pods are available, or the deadline is over:
# https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status
_ROLLING = frozenset({"NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated"})
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def first_objection(world: World, wish: Wish, now: dt.datetime) -> Objection | None:
    """Return the first objection of the guards for this action."""
    for guard in (*COMMON, *BY_ACTION[wish.action]):
        objection = guard(world, wish, now)
        if objection:
            return objection
    return None


def recent_restarts(world: World, now: dt.datetime, window_s: int) -> list[dt.datetime]:
    """When the workload's pods were replaced within the last *window_s* seconds, as far as its revisions still show.

    That is what ``kubectl rollout restart`` and this collection's restarts leave in the template, and the other
    actions of this collection, of which the template shows the mark and the revision the time.
    """
    templates = [world.template, *(revision.template for revision in world.revisions)]
    moments = {parse_instant(annotations_of(template).get(RESTARTED_AT)) for template in templates}
    moments.update(_marked(world.revisions))
    return sorted(moment for moment in moments if moment and (now - moment).total_seconds() < window_s)


def _marked(revisions: Sequence[Revision]) -> Iterator[dt.datetime | None]:
    """When revisions with a new mark were made; later ones inherit it, and a restart says its own time."""
    for before, revision in itertools.pairwise(revisions):
        mark = annotations_of(revision.template).get(LAST_ACTION)
        if mark and not mark.endswith("/restart") and mark != annotations_of(before.template).get(LAST_ACTION):
            yield parse_instant(revision.created_at)


def _deleted(world: World, _wish: Wish, _now: dt.datetime) -> Objection | None:
    if world.metadata.get("deletionTimestamp"):
        return "being_deleted", f"{world.text} is being deleted"
    return None


def _evidence(world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    """What replaces or ends pods destroys what is in them; more pods and another strategy do not."""
    more_pods = wish.action == "scale" and (wish.replicas or 0) >= (world.replicas or 0)
    if more_pods or wish.action == "put_back":
        return None
    return hold_objection(world.workload, world.text, wish.incident)


def _expected(world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    now: dict[str, Any] = {
        "uid": world.metadata.get("uid"),
        "resource_version": world.metadata.get("resourceVersion"),
        "generation": world.metadata.get("generation"),
        "replicas": world.replicas,
    }
    for key, actual in now.items():
        believed = wish.expected.get(key)
        if believed is not None and str(believed) != str(actual):
            return "expected_differs", f"{key} of {world.text} was expected to be {believed}, but is {actual}"
    return _expected_env(world, wish)


def _expected_env(world: World, wish: Wish) -> Objection | None:
    container = chosen_container(world, wish) or {}
    for name, believed in (wish.expected.get("env") or {}).items():
        entry = env_entry(container, name) or {}
        if "valueFrom" in entry or believed != entry.get("value"):
            return "expected_differs", f"{name} of {world.text} does not have the value that was expected"
    for name, believed in _fingerprints(wish).items():
        state = variable_state(name, env_entry(container, name))
        if state["fingerprint"] != believed:
            return "expected_differs", f"{name} of {world.text} was changed meanwhile: it is now {_state_text(state)}"
    return None


def _fingerprints(wish: Wish) -> Mapping[str, str | None]:
    return wish.expected.get("env_fingerprints") or {}


def _state_text(state: Mapping[str, Any]) -> str:
    if not state["set"]:
        return "not set"
    return source_text(state["value_from"]) if state["value_from"] else state["value"] or "empty"


def _no_rollout_by_patch(world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    if wish.action in {"scale", "put_back"}:
        return None
    if world.spec.get("paused"):
        text = f"{world.text} is paused, so nothing would be rolled out; find out who paused it, then resume it"
        return "paused", text
    if world.strategy().get("type") == "OnDelete":
        return "on_delete", f"{world.text} has the strategy OnDelete: its pods change only when each is deleted"
    return None


def _restarts_unknown(world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    if not wish.restart_limit or world.revisions_unread is None:
        return None
    return "restarts_unknown", f"how often {world.text} was restarted lately is not known: {world.revisions_unread}"


def _too_often(world: World, wish: Wish, now: dt.datetime) -> Objection | None:
    restarts = recent_restarts(world, now, wish.restart_window_s)
    if not wish.restart_limit or len(restarts) < wish.restart_limit:
        return None
    minutes = round(wish.restart_window_s / 60)
    text = (
        f"{world.text} was restarted {len(restarts)} times in the last {minutes} minutes, last at "
        f"{restarts[-1].isoformat()}; another restart would not cure what those did not"
    )
    return "restarted_too_often", text


def _under_way(world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    """Two incidents at one workload: each would verify the other's pods. One that is stuck keeps nobody off."""
    mark = annotations_of(world.template).get(LAST_ACTION) or ""
    by, _, action = mark.rpartition("/")
    earlier = [revision.template for revision in world.revisions if revision.template != world.template]
    inherited = bool(earlier) and annotations_of(earlier[-1]).get(LAST_ACTION) == mark  # by whoever deployed since
    if not by or by == wish.incident or inherited or not _is_rolling(world):
        return None
    text = f"the incident {by} is rolling out {world.text} ({action}), and its pods are not available yet"
    return "rollout_under_way", f"{text}; wait until that has ended, or ask those who lead it to roll it back"


def _is_rolling(world: World) -> bool:
    status = world.workload.get("status") or {}
    observed = status.get("observedGeneration")
    if world.kind == "Deployment" and observed is not None and (world.metadata.get("generation") or 0) > observed:
        return True
    return any(
        condition.get("type") == "Progressing" and condition.get("reason") in _ROLLING
        for condition in status.get("conditions") or []
    )


def _no_pods(world: World, _wish: Wish, _now: dt.datetime) -> Objection | None:
    if world.replicas == 0:
        return "no_pods", f"{world.text} is scaled to 0, there is nothing to restart"
    return None


def _container(world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    names = ", ".join(str(each.get("name")) for each in world.containers)
    if wish.container is None and len(world.containers) != 1:
        return "ambiguous_container", f"{world.text} has the containers {names}; name one of them"
    if chosen_container(world, wish) is None:
        return "unknown_container", f"{world.text} has no container {wish.container}; it has {names}"
    return None


def _env_names(_world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    for name, wanted in wish.variables.items():
        if not _ENV_NAME.fullmatch(name):
            return "invalid_name", f"{name!r} is no valid name of an environment variable"
        if wanted and "value" in wanted and is_secret_like(name):
            text = f"{name} looks like a secret, which does not belong into a workload; put it into a Secret"
            return "secret_like_name", text
    return None


def _value_from(world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    container = chosen_container(world, wish) or {}
    for name in wish.variables:
        source = (env_entry(container, name) or {}).get("valueFrom")
        if source and name not in _fingerprints(wish):  # who names the fingerprint knows what is replaced
            return "value_from", f"{name} of {world.text} comes from {source_text(source)}; change it there"
    return None


def source_text(source: Mapping[str, Any]) -> str:
    """Where the value of a variable comes from, for its ``valueFrom``."""
    kinds = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}
    for key, kind in kinds.items():
        if key in source:
            return f"{kind} {source[key].get('name')}, key {source[key].get('key')}"
    return "a field of the pod"


def _scale(world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    if world.replicas is None:
        return "unsupported", f"{world.text} has one pod a node and cannot be scaled"
    wanted = wish.replicas or 0
    if wanted < world.replicas and not wish.lower:
        text = f"{world.text} has {world.replicas} replicas; scaling down to {wanted} is not done in an incident"
        return "scale_down", text
    if wanted > wish.max_replicas:
        return "above_max_replicas", f"{wanted} replicas are above the limit max_replicas of {wish.max_replicas}"
    if not world.autoscaler_known:
        return "autoscaler_unknown", f"whether an autoscaler scales {world.text} could not be read"
    if world.autoscaler:
        name = world.autoscaler["name"]
        text = f"the HorizontalPodAutoscaler {name} scales {world.text} and would undo it; change its limits instead"
        return "hpa_managed", text
    return None


def _undo(world: World, wish: Wish, _now: dt.datetime) -> Objection | None:
    if world.kind != "Deployment":
        return "unsupported", f"only a Deployment can be undone here, not {world.text}"
    current = world.revision()
    known = [revision.number for revision in world.revisions]
    if wish.to_revision is None:
        if current is None or not any(number < current for number in known):
            return "no_previous_revision", f"{world.text} keeps no revision before the current one"
    elif wish.to_revision not in known:
        kept = ", ".join(str(number) for number in known) or "none"
        return "unknown_revision", f"{world.text} keeps no revision {wish.to_revision}; it keeps {kept}"
    return None


COMMON: tuple[Guard, ...] = (_deleted, _evidence, _expected, _no_rollout_by_patch)
BY_ACTION: dict[str, tuple[Guard, ...]] = {
    "restart": (_no_pods, _restarts_unknown, _too_often, _under_way),
    "set_env": (_container, _env_names, _value_from, _under_way),
    "scale": (_scale,),
    "undo": (_undo,),
    "put_back": (),
}
