# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles say alike of the pods of a workload, whichever it is; several in one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.journal_bench import Bench
from support.runbook import ROOT

Json = dict[str, Any]

REDIS = {"kind": "StatefulSet", "name": "redis"}
SILENT = {
    "pods": [],
    "denied": [],
    "unknown": [],
    "hpa": None,
    "env": [],
    "budget": None,
    "reachable": False,
    "workload": None,
    "cause": "timeout",
    "message": "no answer",
    "hint": "look at it",
}


def seen(replicas: int = 2, ready: int = 2, reason: str | None = None, *, failed: bool = False) -> Json:
    """A result of k8s_workload."""
    pods = [{"name": f"redis-{number}", "ready": number < ready, "reason": reason} for number in range(replicas)]
    rollout = {"done": ready == replicas, "failed": failed, "reason": "Updating", "message": "one is left"}
    workload = {**REDIS, "replicas": replicas, "rollout": rollout}
    nothing: Json = {"hpa": None, "env": [], "budget": None, "denied": [], "unknown": [], "cause": None, "message": ""}
    return {
        "reachable": True,
        "workload": workload,
        "pods": pods,
        "pods_total": replicas,
        "pods_ready": ready,
    } | nothing


UNREAD = seen() | {
    "pods_total": None,
    "pods_ready": None,
    "unknown": [{"part": "pods", "cause": "forbidden", "message": "may not", "hint": "bind a Role"}],
}
CASES: dict[str, tuple[Json, Json, str, str | None]] = {
    "well": (seen(), {}, "ok", None),
    "silent": (SILENT, {}, "unknown", "timeout"),
    "told nothing": ({"reachable": True}, {}, "unknown", "rule_error"),
    "unread": (UNREAD, {}, "unknown", "forbidden"),
    "off": (seen(0, 0), {"common_least_replicas": 1}, "down", "scaled_down"),
    "off on purpose": (seen(0, 0), {}, "ok", None),
    "none": (seen(2, 0, "Pending"), {"common_no_ready_pods": "Look at the claims."}, "down", "no_ready_pods"),
    "crashing": (seen(2, 1, "CrashLoopBackOff"), {}, "degraded", "crash_loop"),
    "crashing, not apart": (seen(2, 1, "CrashLoopBackOff"), {"common_told_apart": False}, "degraded", "pods_not_ready"),
    "stuck": (seen(2, 1, failed=True), {}, "degraded", "rollout_stuck"),
    "waiting": (seen(2, 1), {}, "degraded", "pods_not_ready"),
}  # fmt: skip


def task(phase: str, **variables: Any) -> Json:
    role = {"name": "brandconnect.incidents.common", "tasks_from": phase, "rolespec_validate": False}
    return {"name": phase, "ansible.builtin.import_role": role, "vars": {"common_workload": REDIS, **variables}}


def test_each_state_of_the_pods_has_its_words(tmp_path: Path) -> None:
    bench = Bench(ROOT / ".collections", tmp_path)
    logs = [{"check": "logs", "vars": {"lines": "{{ 6 * 7 }}"}, "otherwise": "{{ lines }} lines"}]
    tasks = [
        task("judge_workload", common_check=check, common_found=found, **more)
        for check, (found, more, _, _) in CASES.items()
    ]
    tasks[0]["vars"]["common_findings"] = logs
    done = bench.run(bench.playbook([{"tasks": tasks}], "pool_exhaustion"))
    found = {finding["check"]: finding for finding in done.result["findings"]}
    said = {check: (found[check]["status"], found[check]["cause"]) for check in CASES}
    assert said == {check: (status, cause) for check, (_, _, status, cause) in CASES.items()}
    assert found["well"]["summary"] == "2 of 2 pods of redis are ready"
    assert found["silent"]["summary"] == "The pods of StatefulSet redis could not be read: no answer"
    assert found["off"]["summary"] == "StatefulSet redis is scaled to 0 pods"
    assert (found["none"]["next_step"], "Pending" in found["none"]["summary"]) == ("Look at the claims.", True)
    assert found["logs"]["summary"] == "42 lines", "judged in the same task, with variables of its own"
