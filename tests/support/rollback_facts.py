# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs recorded of a workload and its variables, and what is there now, for tests of rollbacks."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback import (
    compare,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollback_steps import steps_of
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import fingerprint

Json = dict[str, Any]

INCIDENT = "pool-exhaustion-20261123T214012Z-3f9a"
HEADER = [
    {"id": "resize-pool", "title": "Resize", "risk": "disruptive", "can_roll_back": True, "touches": "one variable"},
    {
        "id": "kill-idle-connections",
        "title": "Kill",
        "risk": "disruptive",
        "can_roll_back": False,
        "touches": "sessions",
    },
    {"id": "deploy-pgbouncer", "title": "Deploy", "risk": "disruptive", "can_roll_back": True, "touches": "objects"},
    {"id": "restart-backend", "title": "Restart", "risk": "disruptive", "can_roll_back": False, "touches": "the pods"},
]
STRATEGY = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}}
FROM_SECRET = {"secretKeyRef": {"name": "settings", "key": "max"}}


def state(value: str | None = None, source: Json | None = None) -> Json:
    thing = source or value
    return {
        "set": thing is not None,
        "value": value,
        "value_from": source,
        "fingerprint": None if thing is None else fingerprint(thing),
    }


def change(old: str | None, new: str | None, name: str = "MAX", old_from: Json | None = None) -> Json:
    before, after = state(old, old_from), state(new)
    sources = {"old_from": old_from} if old_from else {}
    prints = {"old_fingerprint": before["fingerprint"], "new_fingerprint": after["fingerprint"]}
    return {"what": "env", "container": "app", "name": name, "old": old, "new": new, **sources, **prints}


def target(*changes: Json, uid: str = "u1") -> Json:
    return {"kind": "Deployment", "namespace": "shop", "name": "backend", "uid": uid, "changes": list(changes)}


def action(name: str = "resize-pool", *targets: Json, **more: Any) -> Json:
    return {"id": name, "status": "done", "changed": True, "targets": list(targets), "title": name, **more}


def run(name: str, *actions: Json, mode: str = "remediate", plan: Json | None = None, ended: bool = True) -> list[Json]:
    started = {"run": {"mode": mode, "check_mode": False}}
    said = [("run_started", started), *([("plan", plan)] if plan else []), *(("action", each) for each in actions)]
    return [{"run_id": name, "type": kind, "data": data, "at": "t"} for kind, data in said] + (
        [{"run_id": name, "type": "run_ended", "data": {}, "at": "t"}] if ended else []
    )


def rollout(*variables: tuple[str, Json], uid: str = "u1", **more: Any) -> Json:
    """A result of k8s_rollout in check mode."""
    listed = [{"container": "app", "name": name, **each} for name, each in variables]
    counts = {"replicas": 2, "updated": 2, "available": 2}
    before = {"kind": "Deployment", "name": "backend", "uid": uid, "variables": listed, "strategy": STRATEGY, **counts}
    return {"status": "planned", "before": {**before, **more}, "results": []}


def judged(records: list[Json], **present: Json) -> list[Json]:
    """Judge the steps of a journal; *present* by run, with underscores."""
    steps = steps_of(records, HEADER)
    seen = {step["key"]: [present[step["run_id"]]] for step in steps if step["run_id"] in present}
    return compare(steps, seen, INCIDENT)


def one(old: str | None, new: str | None, now: Json, **more: Any) -> Json:
    (found,) = judged(run("r1", action("resize-pool", target(change(old, new, **more)))), r1=rollout(("MAX", now)))
    return found
