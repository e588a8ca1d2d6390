# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the workloads in the cluster: the scenarios of ``lab/workloads``, carried out and seen to be in effect."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.workloads.manifests import NAMESPACE
from incident_runbooks.lab.workloads.scenarios import (
    LEAKING_POOL_MAX,
    SCENARIOS,
    Environment,
    FaultFile,
    Restart,
    SecretDeleted,
    Step,
)

if TYPE_CHECKING:
    from incident_runbooks.lab.lab import Lab
    from incident_runbooks.lab.platform import Platform

_BACKEND = "backend"
_METRIC_WORKER = "metric-worker"
_NO_CONNECTION = "timeout exceeded when trying to connect"  # logged where requests wait for the pool in vain

_AT_REST = """
    SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state LIKE 'idle%%'
"""

Json = dict[str, Any]


def _inject(name: str, lab: Lab) -> None:
    platform = lab.platform()
    for step in SCENARIOS[name].steps:
        carry_out(step, lab, platform)
    lab.wait_until(lambda: _IN_EFFECT[name](lab, platform), f"the fault {name} is in effect")


def carry_out(step: Step, lab: Lab, platform: Platform) -> None:
    """Do one step of a scenario."""
    from incident_runbooks.lab.workloads import faults  # noqa: PLC0415 - needs psutil, which help does not

    if isinstance(step, Environment):
        variables = [{"name": name, "value": value} for name, value in step.variables.items()]
        _patch_template(platform, step.workload, {"spec": {"containers": [{"name": step.workload, "env": variables}]}})
        lab.wait_until(lambda: not _unsettled(platform, step), f"the pods of {step.workload} are replaced")
    elif isinstance(step, FaultFile):
        pods = [pod["metadata"]["name"] for pod in platform.pods(step.workload)][: step.pods] if step.pods else []
        faults.inject(
            platform.site.faults,
            step.workload,
            step.fault,
            step.parameters,
            pods=pods,
            survives_restart=step.survives_restart,
        )
    elif isinstance(step, SecretDeleted):
        platform.api.delete(f"/api/v1/namespaces/{NAMESPACE}/secrets/{step.name}")
    elif isinstance(step, Restart):
        _patch_template(platform, step.workload, {"metadata": {"annotations": {"lab/restarted": "true"}}})


def _patch_template(platform: Platform, workload: str, template: Json) -> None:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{workload}"
    platform.api.patch(path, {"spec": {"template": template}})


def _unsettled(platform: Platform, step: Environment) -> bool:
    """Whether pods are still to be replaced; one that is slow to start is what the fault is about."""
    if "FAULTS" in step.variables:
        return False
    return bool(platform.not_ready()) or any(
        "deletionTimestamp" in pod["metadata"] for pod in platform.pods(step.workload)
    )


def _count(lab: Lab, application: str) -> int:
    with lab.server.connect(lab.server.superuser) as connection:
        row = connection.execute(_AT_REST, [application]).fetchone()
    return int(row[0]) if row else 0


def _slots_are_gone(lab: Lab, platform: Platform) -> bool:
    """Refused, and by what was leaked, as a slot of a pod that was replaced is soon free again; and requests wait."""
    leaked = LEAKING_POOL_MAX * len(platform.pods(_BACKEND))
    gone = lab.server.refusal(lab.server.ops) == "server_slots_exhausted" and _count(lab, _BACKEND) >= leaked
    return gone and _logs(platform, _BACKEND, _NO_CONNECTION)


def _pools_are_gone(lab: Lab, platform: Platform) -> bool:
    return _count(lab, _BACKEND) >= platform.site.pool_max * len(platform.pods(_BACKEND)) and _logs(
        platform, _BACKEND, _NO_CONNECTION
    )


def _logs(platform: Platform, workload: str, text: str) -> bool:
    return any(text in platform.log(pod["metadata"]["name"]) for pod in platform.pods(workload))


def _containers(platform: Platform, workload: str) -> list[Json]:
    pods = platform.pods(workload)
    return [status for pod in pods for status in (pod.get("status") or {}).get("containerStatuses") or []]


def _one_is_not_ready(_: Lab, platform: Platform) -> bool:
    return any(not status["ready"] for status in _containers(platform, _BACKEND))


def _one_crashes(_: Lab, platform: Platform) -> bool:
    return any(status["restartCount"] > 0 and not status["ready"] for status in _containers(platform, _BACKEND))


def _waits_for(reason: str) -> Callable[[Lab, Platform], bool]:
    def holds(_: Lab, platform: Platform) -> bool:
        states = [status["state"].get("waiting") or {} for status in _containers(platform, _BACKEND)]
        return any(state.get("reason") == reason for state in states)

    return holds


def _ended_for(reason: str) -> Callable[[Lab, Platform], bool]:
    def holds(_: Lab, platform: Platform) -> bool:
        states = [status.get("lastState", {}).get("terminated") or {} for status in _containers(platform, _BACKEND)]
        return any(state.get("reason") == reason for state in states)

    return holds


def _says(workload: str, text: str) -> Callable[[Lab, Platform], bool]:
    return lambda _, platform: _logs(platform, workload, text)


_IN_EFFECT: dict[str, Callable[[Lab, Platform], bool]] = {
    "backend-leak": _slots_are_gone,
    "backend-pool-leak": _pools_are_gone,
    "backend-errors": _says(_BACKEND, "StripeAPIError"),
    "backend-unready": _one_is_not_ready,
    "backend-crash-loop": _one_crashes,
    "backend-slow-start": _one_is_not_ready,
    "backend-out-of-memory": _ended_for("OOMKilled"),
    "jwt-secret-missing": _waits_for("CreateContainerConfigError"),
    "metric-worker-rate-limited": _says(_METRIC_WORKER, "rate_limit_exceeded"),
}

_CAUSES = {
    "backend-leak": "connection_leak",
    "backend-pool-leak": "connection_leak",
    "backend-unready": "pods_not_ready",
    "backend-crash-loop": "crash_loop",
    "backend-slow-start": "pods_not_ready",
    "backend-out-of-memory": "crash_loop",
    "jwt-secret-missing": "pods_not_ready",
}

FAULTS = tuple(
    Fault(name, scenario.what, _CAUSES.get(name), partial(_inject, name), needs_cluster=True)
    for name, scenario in SCENARIOS.items()
)
