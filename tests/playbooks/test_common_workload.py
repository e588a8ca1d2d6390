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


NOWHERE: Json = {"reachable": True, "cause": None, "message": None, "hint": None, "certain": True, "denied": []} | {
    **{name: [] for name in ("unknown", "ports", "pods")},
    "service": None,
    "endpoints": {"ready": 0},
    "reason": "it is so",
}
HTTP, METRICS = ({"name": name, "resolved": found} for name, found in (("http", True), ("metrics", False)))
DOUBT = {"verdict": "wrong_target_port", "certain": False, "ports": [HTTP], "endpoints": {"ready": 2}}
REFUSED = {"part": "endpointslices", "cause": "forbidden", "message": "may not", "hint": "bind a Role"}
SERVICES: dict[str, tuple[Json, bool, str, str | None, str]] = {
    "leads there": ({"verdict": "ok"}, False, "ok", None, ""),
    "not there": ({"verdict": "no_service", "cause": "not_found"}, False, "skipped", "no_service", "--service"),
    "not there, and missed": ({"verdict": "no_service"}, True, "unknown", "no_service", "was deleted"),
    "silent": (
        {"verdict": "unknown", "cause": "timeout", "message": "no answer", "hint": "look at it"},
        *(False, "unknown", "timeout", "look at it"),
    ),
    "not permitted": ({"verdict": "unknown", "unknown": [REFUSED]}, False, "unknown", "forbidden", "bind a Role"),
    "external": ({"verdict": "unknown"}, False, "unknown", "not_known", "Look at what it leads to"),
    "a doubt": (DOUBT, False, "ok", None, ""),
    "a doubt that counts": (DOUBT, True, "degraded", "wrong_target_port", "targetPort"),
    "one port of two": (
        {"verdict": "wrong_target_port", "ports": [HTTP, METRICS]},
        *(False, "degraded", "wrong_target_port", "targetPort"),
    ),
    "its only port": (
        {"verdict": "wrong_target_port", "ports": [METRICS]},
        *(False, "down", "wrong_target_port", "targetPort"),
    ),
    "no pod": (
        {"verdict": "selector_matches_nothing"},
        *(False, "down", "selector_matches_nothing", "labels"),
    ),
    "no address": ({"verdict": "no_endpoints"}, False, "down", "no_endpoints", "service-name=redis"),
    "none ready": ({"verdict": "not_ready"}, False, "down", "not_ready", "finding on the pods"),
}


def test_each_state_of_a_service_has_its_words(tmp_path: Path) -> None:
    bench = Bench(ROOT / ".collections", tmp_path)
    given = {"common_service": "redis", "common_service_option": "service"}
    tasks = [
        task("judge_service", **given, common_check=check, common_found=NOWHERE | found, common_way_fails=fails)
        for check, (found, fails, _, _, _) in SERVICES.items()
    ]
    done = bench.run(bench.playbook([{"tasks": tasks}], "pool_exhaustion"))
    found = {finding["check"]: finding for finding in done.result["findings"]}
    said = {check: (found[check]["status"], found[check]["cause"]) for check in SERVICES}
    assert said == {check: (status, cause) for check, (_, _, status, cause, _) in SERVICES.items()}
    for check, (_, _, _, _, words) in SERVICES.items():
        assert words in (found[check].get("next_step") or ""), check
        assert "redis" in found[check]["summary"]
        assert (found[check]["component"], found[check]["required"]) == ("backend", False)
