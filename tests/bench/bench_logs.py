# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the scan of many pods' logs, against ``kubectl logs`` and ``grep`` on the same pods in the same run.

200 pods with 1 MB of log each, in a cluster of the lab's own. Prints the median of three of: the module k8s_logs as a
process of its own with what it finds and its peak memory, and kubectl for all pods by selector and pod by pod.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from incident_runbooks.lab import kubernetes, processes
from incident_runbooks.lab.api import ClusterApi
from incident_runbooks.lab.binaries import find_program

PODS = 200
LINES = 8000
ERRORS = 40
RUNS = 3
AIM_MEMORY_MB = 150
PATTERNS = {"server_slots": [r"\b53300\b", "sorry, too many clients already"], "app_pool": ["timeout exceeded"]}
_READY_S = 120

# What a scan as a process of its own costs, memory included
SCAN = """
import json, resource, sys
from ansible_collections.brandconnect.incidents.plugins.modules.k8s_logs import SPEC
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import conclude
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
given = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate(json.load(sys.stdin))
assert not given.error_messages, given.error_messages
result = conclude(SPEC, given.validated_parameters, False)
print(json.dumps({"result": result, "kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def log_file(directory: Path) -> Path:
    """One log: JSON lines as the backend writes them, a few of them errors."""
    every = LINES // ERRORS
    path = directory / "log"
    with path.open("w", encoding="utf-8") as file:
        for number in range(LINES):
            line = {
                "level": "info",
                "context": "Http",
                "msg": f"GET /api/campaigns/{number} 200 duration: {number % 90}ms",
            }
            if number % every == 0:
                error = {"type": "error", "message": "sorry, too many clients already", "code": "53300"}
                line = {"level": "error", "context": "TypeOrmModule", "msg": "query failed", "err": error}
            file.write(json.dumps(line | {"time": "2026-11-23T21:40:12.110Z", "pod": "x" * 20}) + "\n")
    return path


def deploy(api: ClusterApi, log: Path) -> None:
    """Start the pods, and wait until each has written its log."""
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}})
    command = ["sh", "-c", f"cat {shlex.quote(str(log))}; touch ready; exec sleep 1d"]
    container = {"name": "app", "image": "registry.example/app:1", "command": command}
    container["readinessProbe"] = {"exec": {"command": ["test", "-f", "ready"]}, "periodSeconds": 1}
    template = {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}}
    spec = {"replicas": PODS, "selector": {"matchLabels": {"app": "app"}}, "template": template}
    metadata = {"name": "app", "namespace": "bench"}
    api.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    deadline = time.monotonic() + _READY_S
    while (found := api.get("/apis/apps/v1/namespaces/bench/deployments/app") or {})["status"].get(
        "readyReplicas"
    ) != PODS:
        if time.monotonic() > deadline:
            sys.exit(f"bench: the pods are not ready: {found.get('status')}")
        time.sleep(0.5)


def scan(kubeconfig: Path) -> tuple[float, dict[str, Any]]:
    options = {"kubeconfig": str(kubeconfig), "namespace": "bench", "kind": "Deployment", "name": "app"}
    options |= {"patterns": PATTERNS, "since_s": 3600, "request_timeout": 60}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", SCAN], input=json.dumps(options), capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"bench: the scan failed:\n{done.stderr}")
    return took, json.loads(done.stdout)


def shell(script: str, environ: dict[str, str]) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run(["sh", "-c", script], env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: {script}:\n{done.stderr[-2000:]}")
    return time.perf_counter() - started, done.stdout.strip()


def measure(kubeconfig: Path, directory: Path) -> None:
    kubectl = find_program("kubectl")
    environ = {**os.environ, **kubectl.environ}
    base = f"{shlex.quote(str(kubectl.path))} --kubeconfig {kubeconfig} --cache-dir {directory}/kubectl -n bench"
    search = "grep -cE '53300|too many clients|timeout exceeded'"
    by_selector = f"{base} logs -l app=app --tail=-1 --max-log-requests={PODS} | {search}"
    by_pod = f"{base} get pods -o name | xargs -P 16 -I% {base} logs % | {search}"
    scans = [scan(kubeconfig) for _ in range(RUNS + 1)][1:]
    seconds = statistics.median(took for took, _ in scans)
    result, kilobytes = scans[-1][1]["result"], max(said["kilobytes"] for _, said in scans)
    count = sum(found["count"] for found in result["classes"].values())
    megabytes = result["bytes"] / 1e6
    expected = PODS * ERRORS
    print(f"{'k8s_logs, a process of its own':<48}{seconds:>9.2f} s   {megabytes / seconds:>6.0f} MB/s", flush=True)
    print(f"{'':<48}{count:>9} lines found of {expected}, pods read {result['pods_read']} of {result['pods_total']}")
    said = "met" if kilobytes / 1024 <= AIM_MEMORY_MB else "MISSED"
    print(f"{'peak memory':<48}{kilobytes / 1024:>9.0f} MB   aim {AIM_MEMORY_MB} MB: {said}")
    for label, script in (
        ("kubectl logs -l | grep", by_selector),
        ("kubectl logs, pod by pod, 16 at a time | grep", by_pod),
    ):
        runs = [shell(script, environ) for _ in range(RUNS)]
        took = statistics.median(seconds for seconds, _ in runs)
        print(f"{label:<48}{took:>9.2f} s   {megabytes / took:>6.0f} MB/s   {runs[-1][1]} lines found", flush=True)
        print(f"{'':<48}{took / seconds:>9.2f} times as long as k8s_logs")


def main() -> None:
    """Start a cluster, measure, stop it."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    with tempfile.TemporaryDirectory(prefix="runbook-bench-") as name:
        directory = Path(name)
        part = kubernetes.lay_out(directory)
        record = kubernetes.start(part, mark={})
        try:
            kubernetes.wait_until_it_answers(part, record)
            deploy(ClusterApi(part.kubeconfig), log_file(directory))
            measure(part.kubeconfig, directory)
        finally:
            if process := record.find():
                processes.stop([process])


if __name__ == "__main__":
    main()
