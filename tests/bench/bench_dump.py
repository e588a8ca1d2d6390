# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure a database's dump as evidence, encrypted, hashed and sealed, against ``kubectl exec POD -- pg_dump > file``.

First pg_dump -Fc itself, 2 GB of it from a table of the lab's PostgreSQL, taken both ways: the module
evidence_snapshot as a process of its own, and kubectl through the lab's cluster into a file that is fsynced. Then as
many random bytes that a stand-in for pg_dump writes as fast as it can, three times: how fast the way itself is.
Prints medians, and the peak of our memory. ``BENCH_MEGABYTES`` takes another size.
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
OF_A_TABLE, OF_A_STAND_IN = 1, 3  # runs each way; pg_dump takes some minutes for 2 GB
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


ROW_MB = 0.1
TABLE = "CREATE TABLE public.bench (id int, data bytea)"


def options(lab: Lab, home: Path, program: Path, table: str) -> dict[str, Any]:
    """What the module gets."""
    hosts = json.loads((lab.directory.path / "inventory.json").read_text(encoding="utf-8"))["_meta"]["hostvars"]
    postgres, login = hosts["postgres"], lab.server.superuser
    return {
        "directory": str(home),
        "incident": "bench",
        "custodian": "bench",
        "sources": ["dump"],
        "namespace": "brandconnect",
        "kubeconfig": str(lab.cluster.kubeconfig),
        "encrypt_to": [str(pyrage.x25519.Identity.generate().to_public())],
        "dump": {"tables": [f"public.{table}"], "program": str(program)},
        "login_host": postgres["postgres_host"],
        "login_port": postgres["postgres_port"],
        "login_db": postgres["postgres_database"],
        "login_user": login.user,
        "login_password": login.password,
    }


def take(given: dict[str, Any], home: Path) -> tuple[float, float, float]:
    """Seconds of one snapshot, megabytes that it took, and megabytes of its peak."""
    started = time.perf_counter()
    command = [sys.executable, "-c", TAKE]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"bench: the snapshot failed:\n{done.stderr[-2000:]}")
    said = json.loads(done.stdout)
    if said["result"]["status"] != "done":
        sys.exit(f"bench: not everything was taken: {said['result']}")
    subprocess.run(["rm", "-rf", str(home / "evidence")], check=True)
    return took, said["result"]["bytes_total"] / 1e6, said["kilobytes"] / 1024


def copy(lab: Lab, home: Path, source: str) -> tuple[float, float]:
    """Seconds of kubectl's way, until it is on the disk, and megabytes."""
    kubectl = find_program("kubectl")
    base = f"{shlex.quote(str(kubectl.path))} --kubeconfig {lab.cluster.kubeconfig} --cache-dir {home}/kubectl"
    script = f"{base} -n brandconnect exec deployment/backend -- {source} > {home}/copy && sync {home}/copy"
    started = time.perf_counter()
    done = subprocess.run(
        ["sh", "-c", script], env={**os.environ, **kubectl.environ}, capture_output=True, text=True, check=False
    )
    took = time.perf_counter() - started
    if done.returncode != 0:
        sys.exit(f"bench: kubectl exec failed:\n{done.stderr[-2000:]}")
    size = (home / "copy").stat().st_size / 1e6
    (home / "copy").unlink()
    return took, size


def fill(lab: Lab) -> None:
    """Make a table of random bytes, which pg_dump writes as text and compresses to about their size again."""
    with lab.server.connect(lab.server.superuser) as connection, connection.cursor() as cursor:
        cursor.execute(TABLE.encode())
        with cursor.copy(b"COPY public.bench FROM STDIN") as rows:
            for number in range(int(MEGABYTES / ROW_MB)):
                rows.write_row((number, os.urandom(int(ROW_MB * 1e6))))


def both_ways(given: dict[str, Any], lab: Lab, home: Path, source: str, runs: int) -> tuple[float, float, float, float]:
    """Medians of seconds, ours and kubectl's; megabytes, and megabytes of our peak."""
    ours, theirs = [], []
    for _ in range(runs):
        theirs.append(copy(lab, home, source))
        ours.append(take(given, home))
    seconds = statistics.median(each[0] for each in ours), statistics.median(each[0] for each in theirs)
    return (*seconds, theirs[-1][1], max(each[2] for each in ours))


def row(label: str, seconds: float, megabytes: float) -> None:
    print(f"{label:<48}{seconds:>9.2f} s   {megabytes / seconds:>6.0f} MB/s", flush=True)


def verdict(label: str, value: str, aim: str, *, met: bool) -> None:
    print(f"{label:<48}{value:>9}     aim {aim}: {'met' if met else 'MISSED'}", flush=True)


def of_a_table(lab: Lab, home: Path) -> None:
    """pg_dump itself."""
    program = Path(lab.server.folder) / "pg_dump"
    fill(lab)
    given = options(lab, home, program, "bench")
    passwords = home / "pgpass"
    passwords.touch(0o600)
    passwords.write_text(f"*:*:*:*:{given['login_password']}\n", encoding="utf-8")
    where = f"-h {given['login_host']} -p {given['login_port']} -U {given['login_user']} {given['login_db']}"
    source = f"env PGPASSFILE={passwords} {program} -Fc -t public.bench {where}"
    ours, theirs, megabytes, peak = both_ways(given, lab, home, source, OF_A_TABLE)
    row(f"pg_dump -Fc, {megabytes:.0f} MB, as evidence", ours, megabytes)
    row("kubectl exec pg_dump -Fc > file, sync", theirs, megabytes)
    ratio = theirs / ours
    verdict("throughput against kubectl exec", f"{ratio:.2f}", str(AIM_THROUGHPUT), met=ratio >= AIM_THROUGHPUT)
    verdict("peak memory", f"{peak:.0f} MB", f"{AIM_MEMORY_MB} MB", met=peak <= AIM_MEMORY_MB)


def of_a_stand_in(lab: Lab, home: Path) -> None:
    """As many bytes as fast as they come."""
    data, program = home / "data", home / "pg_dump"
    subprocess.run(["sh", "-c", f"head -c {MEGABYTES}000000 /dev/urandom > {data}"], check=True)
    program.write_text(f"#!/bin/sh\nexec cat {data}\n", encoding="utf-8")
    program.chmod(0o755)
    ours, theirs, megabytes, peak = both_ways(
        options(lab, home, program, "users"), lab, home, str(program), OF_A_STAND_IN
    )
    row(f"{megabytes:.0f} MB without a database, as evidence", ours, megabytes)
    row("kubectl exec > file, sync", theirs, megabytes)
    # no aim: one encrypts and hashes twice what the other copies
    print(f"{'throughput against kubectl exec':<48}{theirs / ours:>9.2f}", flush=True)
    verdict("peak memory", f"{peak:.0f} MB", f"{AIM_MEMORY_MB} MB", met=peak <= AIM_MEMORY_MB)


def main() -> None:
    """Bring up a lab, measure, and take it down."""
    with tempfile.TemporaryDirectory(prefix="runbook-bench-") as name:
        home = Path(name)
        lab = Lab(home / "lab", lambda _: None)
        try:
            lab.up(None, payments=False, data=False)
            of_a_table(lab, home)
            of_a_stand_in(lab, home)
        finally:
            lab.down()


if __name__ == "__main__":
    main()
