# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what it costs to collect a long stream into an evidence bundle, against ``cat > file`` in the same run.

300 MB that a program writes go through a pipe, once into a bundle and once into a file that is fsynced, each as a
process of its own. Prints the median of three of: throughput, and how much the peak memory grew by the stream.
``BENCH_MEGABYTES`` takes another size.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MEGABYTES = int(os.environ.get("BENCH_MEGABYTES", "300"))
RUNS = 3
AIM_GROWTH_MB = 60
SOURCE = f"head -c {MEGABYTES}000000 /dev/zero"

# What a bundle costs as a process of its own: seconds, and kilobytes before and after
COLLECT = """
import resource, subprocess, sys, time
from pathlib import Path
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle import Bundle
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with Bundle.open(Path(sys.argv[1]), incident="bench", custodian="bench", collector="bench", run_id="bench") as bundle:
    bundle.write("small", [b"x" * 262144], source="to have everything loaded")
    before, started = peak(), time.perf_counter()
    source = subprocess.Popen(sys.argv[2], shell=True, stdout=subprocess.PIPE)
    entry = bundle.write("big", iter(lambda: source.stdout.read1(262144), b""), source=sys.argv[2])
    took = time.perf_counter() - started
    assert entry["error"] is None and source.wait() == 0, entry
    print(took, before, peak(), entry["bytes"], bundle.finish().sha256)
"""


def collect(home: Path, number: int) -> tuple[float, float]:
    """Seconds, and megabytes by which the peak grew."""
    command = [sys.executable, "-c", COLLECT, str(home / f"bundle{number}"), SOURCE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench: the bundle failed:\n{done.stderr[-2000:]}")
    took, before, after, size, _ = done.stdout.split()
    if int(size) != MEGABYTES * 1_000_000:
        sys.exit(f"bench: {size} bytes were collected of {MEGABYTES} MB")
    subprocess.run(["rm", "-rf", str(home / f"bundle{number}")], check=True)
    return float(took), (int(after) - int(before)) / 1024


def copy(home: Path) -> float:
    """Seconds of the shell's way, until it is on the disk."""
    started = time.perf_counter()
    subprocess.run(["sh", "-c", f"{SOURCE} | cat > {home}/file && sync {home}/file"], check=True)
    took = time.perf_counter() - started
    (home / "file").unlink()
    return took


def main() -> None:
    """Measure both by turns."""
    with tempfile.TemporaryDirectory(prefix="runbook-bench-") as name:
        home = Path(name)
        copies, bundles = [], []
        for number in range(RUNS):
            copies.append(copy(home))
            bundles.append(collect(home, number))
    ours, theirs = statistics.median(took for took, _ in bundles), statistics.median(copies)
    growth = max(grown for _, grown in bundles)
    for label, took in ((f"{MEGABYTES} MB into an evidence bundle", ours), ("cat > file, sync", theirs)):
        print(f"{label:<48}{took:>9.2f} s   {MEGABYTES / took:>6.0f} MB/s")
    # no aim: hashing and a pipe read by Python cost something against cat; what counts is a real dump's own speed
    print(f"{'throughput against cat':<48}{theirs / ours:>9.2f}")
    said = "met" if growth <= AIM_GROWTH_MB else "MISSED"
    print(f"{'growth of the peak memory':<48}{growth:>9.1f} MB  aim {AIM_GROWTH_MB} MB: {said}")


if __name__ == "__main__":
    main()
