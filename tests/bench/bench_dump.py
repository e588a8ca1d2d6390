# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a database's dump as evidence, encrypted, hashed and sealed, against ``kubectl exec POD -- pg_dump > file``.

A stand-in for pg_dump writes the same 2 GB of random bytes to both, so that what is compared is the way: the module
evidence_snapshot as a process of its own in a lab with a real PostgreSQL, and kubectl through the lab's cluster into
a file that is fsynced. Prints the median of three of each, and the module's peak memory. ``BENCH_MEGABYTES`` takes
another size.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyrage

from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.lab import Lab

MEGABYTES = int(os.environ.get("BENCH_MEGABYTES", "2000"))
RUNS = 3
AIM_MEMORY_MB = 150
AIM_THROUGHPUT = 0.9

TAKE = """
import json, resource, sys
from ansible_collections.brandconnect.incidents.plugins.modules.evidence_snapshot import SPEC
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import conclude
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
given = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate(json.load(sys.stdin))
assert not given.error_messages, given.error_messages
result = conclude(SPEC, given.validated_parameters, False)
print(json.dumps({"result": result, "kilobytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def options(lab: Lab, home: Path, program: Path) -> dict[str, Any]:
    hosts = json.loads((lab.directory.path / "inventory.json").read_text(encoding="utf-8"))["_meta"]["hostvars"]
    postgres = hosts["postgres"]
    return {
        "directory": str(home),
        "incident": "bench",
        "custodian": "bench",
        "sources": ["dump"],
        "namespace": "brandconnect",
        "kubeconfig": str(lab.cluster.kubeconfig),
        "encrypt_to": [str(pyrage.x25519.Identity.generate().to_public())],
        "dump": {"tables": ["public.users"], "program": str(program)},
        "login_host": postgres["postgres_host"],
        "login_port": postgres["postgres_port"],
        "login_db": postgres["postgres_database"],
        "login_user": lab.server.superuser.user,
        "login_password": lab.server.superuser.password,
    }


def take(given: dict[str, Any], number: int) -> tuple[float, float]:
    """Seconds of one snapshot, and megabytes of its peak."""
    started = time.perf_counter()
    command, given = [sys.executable, "-c", TAKE], {**given, "name": f"run{number}"}
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"bench: the snapshot failed:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout)
    if said["result"]["status"] != "done" or said["result"]["bytes_total"] < MEGABYTES * 1_000_000:
        sys.exit(f"bench: not everything was taken: {said['result']}")
    return took, said["kilobytes"] / 1024


def copy(lab: Lab, home: Path, source: Path) -> float:
    """Seconds of kubectl's way, until it is on the disk."""
    kubectl = find_program("kubectl")
    base = f"{shlex.quote(str(kubectl.path))} --kubeconfig {lab.cluster.kubeconfig} --cache-dir {home}/kubectl"
    script = f"{base} -n brandconnect exec deployment/backend -- {source} > {home}/copy && sync {home}/copy"
    started = time.perf_counter()
    done = subprocess.run(
        ["sh", "-c", script], env={**os.environ, **kubectl.environ}, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - started
    if done.returncode != 0 or (home / "copy").stat().st_size != MEGABYTES * 1_000_000:
        sys.exit(f"bench: kubectl exec failed:\n{done.stderr[-2000:]}")
    (home / "copy").unlink()
    return took


def measure(lab: Lab, home: Path) -> None:
    data, program = home / "data", home / "pg_dump"
    subprocess.run(["sh", "-c", f"head -c {MEGABYTES}000000 /dev/urandom > {data}"], check=True)
    program.write_text(f"#!/bin/sh\nexec cat {data}\n", encoding="utf-8")
    program.chmod(0o755)
    given, copies, taken = options(lab, home, program), [], []
    for number in range(RUNS):
        copies.append(copy(lab, home, program))
        taken.append(take(given, number))
        subprocess.run(["rm", "-rf", str(home / "evidence")], check=True)
    ours, theirs = statistics.median(took for took, _ in taken), statistics.median(copies)
    for label, took in (
        (f"{MEGABYTES} MB of a dump as evidence, encrypted", ours),
        ("kubectl exec > file, sync", theirs),
    ):
        print(f"{label:<48}{took:>9.2f} s   {MEGABYTES / took:>6.0f} MB/s", flush=True)
    said = "met" if theirs / ours >= AIM_THROUGHPUT else "MISSED"
    print(f"{'throughput against kubectl exec':<48}{theirs / ours:>9.2f}     aim {AIM_THROUGHPUT}: {said}")
    peak = max(peak for _, peak in taken)
    said = "met" if peak <= AIM_MEMORY_MB else "MISSED"
    print(f"{'peak memory':<48}{peak:>9.0f} MB  aim {AIM_MEMORY_MB} MB: {said}")


def main() -> None:
    """Bring up a lab, measure, and take it down."""
    with tempfile.TemporaryDirectory(prefix="runbook-bench-") as name:
        home = Path(name)
        lab = Lab(home / "lab", lambda _: None)
        try:
            lab.up(None, payments=False, data=False)
            measure(lab, home)
        finally:
            lab.down()


if __name__ == "__main__":
    main()
