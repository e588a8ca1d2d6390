# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""By how many pods a workload may grow, and how to go back. Pure, no I/O.

It never lowers the pods but to go back. Where an autoscaler scales the workload, its limits are changed, because it
would undo anything else within seconds. What was before stands in an annotation of the same object, set by the same
patch, so that there is never more without the way back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.connection_budget import whole_number
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_hold import hold_objection
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.scale_facts import (
    pods_left,
    quota_facts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.scale_world import (
    BEFORE,
    LAST_ACTION,
    Plan,
    Wish,
    World,
    records_of,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import (
    budget as pods_budget,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.workloads import (
    managed_by,
)

Json = dict[str, Any]


def make_plan(world: World, wish: Wish) -> Plan:
    """Decide. The first objection counts."""
    plan = _objection(world) or (_scale(world, wish) if wish.action == "scale" else _revert(world, wish))
    if plan.status == "planned" and not same_targets(wish.targets, plan.targets):
        reason = "the plan is not the approved one any more; look again and approve the new one"
        return Plan("refused", reason, "plan_changed", plan.targets, caveats=plan.caveats)
    return plan


def _objection(world: World) -> Plan | None:
    if world.patched["metadata"].get("deletionTimestamp") or world.workload["metadata"].get("deletionTimestamp"):
        return Plan("refused", f"{world.kind} {world.name} or its autoscaler is being deleted", "being_deleted")
    if world.autoscalers_unread:
        reason = f"whether an autoscaler scales it is not known: {world.autoscalers_unread}"
        return Plan("refused", reason, "autoscaler_unknown")
    if not world.replicas:
        return Plan("refused", f"{world.kind} {world.name} is switched off, it has 0 pods", "no_pods")
    if records_of(world.patched) is None:
        reason = f"the annotation {BEFORE} of {_label(world)} cannot be read, so what was before is not known"
        return Plan("refused", f"{reason}; look at it, set the pods by hand and remove it", "record_unreadable")
    return None


def _scale(world: World, wish: Wish) -> Plan:
    records = records_of(world.patched) or []
    mine = next((entry for entry in records if entry["incident"] == wish.incident), None)
    base = int(mine["pods"]) if mine else world.replicas
    wanted = min(base + wish.step, wish.max_replicas)
    limits = world.limits
    if wanted <= world.replicas:
        if mine:
            return Plan("nothing_to_do", f"this incident has scaled it, to {_text(limits)}", "same_incident")
        reason = f"it has {world.replicas} pods, and more than {wish.max_replicas} are not allowed"
        return Plan("nothing_to_do", reason, "at_max_replicas")
    if mine and (objection := _changed_since(world, records, mine)):
        return objection
    allowed = _within(world, wish, wanted)
    if isinstance(allowed, Plan):
        return allowed
    target, why = allowed
    new = _limits(world, target)
    if new == limits:  # the autoscaler has it and has not acted yet
        return Plan(
            "nothing_to_do", f"it is set so already, to {_text(limits)}", "same_incident" if mine else "no_change"
        )
    entry = {"incident": wish.incident, "before": mine["before"] if mine else limits, "set": new, "pods": base}
    kept = [record for record in records if record is not mine]
    reason = f"{_label(world)}: {_change_text(limits, new)}, {target - world.replicas} pods more"
    if why:
        reason += f"; not {wanted} pods, because {why}"
    return Plan(
        "planned", reason, None, (_target(world, "scale", new),), target, _patch(world, new, [*kept, entry], wish),
        _caveats(world, kept),
    )  # fmt: skip


def _within(world: World, wish: Wish, wanted: int) -> tuple[int, str | None] | Plan:
    """Return the most pods up to *wanted* that quota and connection budget allow, and what keeps it below."""
    known = quota_facts(world.quotas, (world.workload.get("spec") or {}).get("template") or {})
    left, quota = pods_left(known)
    target, why = wanted, None
    if left is not None and world.replicas + left < wanted:
        target, why = world.replicas + left, f"the quota {quota} lets in only {left} more"
    if target <= world.replicas:
        return Plan("refused", f"the quota {quota} lets in no more pods", "quota")
    fits = _budget(world, wish.connection_budget)
    if isinstance(fits, str):
        return Plan("refused", f"the connections that more pods take are not known: {fits}", "budget_unknown")
    need, allowed = fits(target)
    asked = need
    while need > allowed and target > world.replicas:
        target -= 1
        need, _ = fits(target)
        why = f"they would take {asked} connections of {allowed}"
    if target <= world.replicas:
        return Plan("refused", f"more pods take too many connections: {asked} of {allowed}", "over_budget")
    return target, why


def _budget(world: World, given: Mapping[str, Any]) -> Any:
    """Return a function from pods to the connections needed and allowed, or why it cannot be computed."""
    if given.get("fits") is None:
        return str(given.get("reason") or "no connection budget is given")
    terms = [term for term in given.get("terms") or [] if isinstance(term, Mapping)]
    term = next((term for term in terms if term.get("name") == world.name), None)
    pool = whole_number((term or {}).get("pool_max"))
    processes = whole_number((term or {}).get("processes_per_pod", 1))
    need, allowed, own = (
        whole_number(value) for value in (given.get("need"), given.get("allowed"), (term or {}).get("need"))
    )
    if pool is None or processes is None or need is None or allowed is None or own is None:
        return f"{world.name} is not in the connection budget"
    others = need - own

    def fits(pods: int) -> tuple[int, int]:
        return others + pool * processes * _most_pods(world, pods), allowed

    return fits


def _most_pods(world: World, pods: int) -> int:
    """The most pods at a time if there are to be so many: up to the autoscaler's maximum, and a rollout's surge."""
    workload = {**world.workload, "spec": {**world.workload["spec"], "replicas": pods}}
    limits = _limits(world, pods)
    autoscaler = {"max": limits["maxReplicas"]} if "maxReplicas" in limits else None
    return pods_budget(world.kind, workload, autoscaler)["pods_at_most"]


def _limits(world: World, pods: int) -> Json:
    if world.autoscaler is None:
        return {"replicas": pods}
    now = world.limits
    return {"minReplicas": max(now["minReplicas"], pods), "maxReplicas": max(now["maxReplicas"], pods)}


def _changed_since(world: World, records: list[Json], mine: Json) -> Plan | None:
    """Who goes back takes with him what others have changed after him."""
    if records[-1] is not mine:
        reason = f"the incident {records[-1]['incident']} has scaled it since and must put it back first"
        return Plan("refused", reason, "changed_since")
    if world.limits != mine["set"]:
        now, ours = _text(world.limits), _text(mine["set"])
        return Plan("refused", f"somebody has changed it since: it is {now}, and was set to {ours}", "changed_since")
    return None


def _revert(world: World, wish: Wish) -> Plan:
    records = records_of(world.patched) or []
    mine = next((entry for entry in records if entry["incident"] == wish.incident), None)
    if mine is None:
        return Plan("nothing_to_do", "this incident has scaled nothing that is not put back", "not_scaled")
    if objection := hold_objection(world.workload, f"{world.kind} {world.name}", wish.incident):
        return Plan("refused", objection[1], objection[0])
    if objection_of_others := _changed_since(world, records, mine):
        return objection_of_others
    new = mine["before"]
    if new.keys() != world.limits.keys() or any(new[key] > world.limits[key] for key in new):
        # going back never starts pods: of those nobody has computed the connections
        return Plan("refused", f"the annotation {BEFORE} does not say what was before", "record_unreadable")
    kept = [record for record in records if record is not mine]
    reason = f"{_label(world)}: back, {_change_text(world.limits, new)}"
    least = new.get("replicas", 0)
    return Plan(
        "planned", reason, None, (_target(world, "revert", new),), least, _patch(world, new, kept, wish),
        _caveats(world, []),
    )  # fmt: skip


def _patch(world: World, limits: Json, records: list[Json], wish: Wish) -> Json:
    annotations = {
        BEFORE: json.dumps(records, sort_keys=True) if records else None,
        LAST_ACTION: f"{wish.incident}/{wish.action}",
    }
    version = world.patched["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version, "annotations": annotations}, "spec": limits}


def _target(world: World, action: str, new: Json) -> Json:
    return {
        "kind": "HorizontalPodAutoscaler" if world.autoscaler else world.kind,
        "name": world.patched["metadata"]["name"],
        "namespace": world.workload["metadata"].get("namespace"),
        "uid": world.patched["metadata"].get("uid"),
        "workload": f"{world.kind}/{world.name}",
        "action": action,
        "changes": [{"what": key, "old": world.limits[key], "new": new[key]} for key in sorted(new)],
    }


def _caveats(world: World, others: list[Json]) -> list[str]:
    found = []
    if world.quotas_unread:
        found.append(f"quotas could not be read, so whether they let in more pods is not known: {world.quotas_unread}")
    if others:
        found.append(f"the incident {others[-1]['incident']} has scaled it as well, and has not put it back")
    if world.autoscaler is not None:
        found.append(
            f"the autoscaler {world.patched['metadata']['name']} is changed, because it would undo a change of the "
            "workload itself"
        )
    if tool := managed_by(world.patched["metadata"]):
        found.append(f"{tool['tool']} manages it and may undo the change ({tool['evidence']}); commit it there")
    return found


def _label(world: World) -> str:
    return f"autoscaler {world.patched['metadata']['name']}" if world.autoscaler else f"{world.kind} {world.name}"


def _text(limits: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(limits.items()))


def _change_text(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {old[key]} -> {new[key]}" for key in sorted(new) if old[key] != new[key]) or "no change"
