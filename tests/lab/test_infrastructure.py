# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform stands on in the lab: how its nodes are and how full volumes are, truly, and in its faults."""

from __future__ import annotations

import os
from pathlib import Path

from incident_runbooks.lab.cluster.runtime import volume_stats
from incident_runbooks.lab.cluster.runtime.volume_stats import Volume
from incident_runbooks.lab.faults.infrastructure import CLAIM
from incident_runbooks.lab.lab import Lab
from support.latency import Seen, wait_until

LABELS = f'namespace="brandconnect",persistentvolumeclaim="{CLAIM}"'
TINY = 2**30  # others write to the same file system meanwhile


def test_the_metrics_of_volumes_are_those_of_the_file_system(tmp_path: Path) -> None:
    lines = volume_stats.text([Volume("n", "c", tmp_path), Volume("n", "gone", tmp_path / "gone")]).splitlines()
    values = {line.split("{")[0]: int(line.split()[-1]) for line in lines if not line.startswith("#")}
    assert [line for line in lines if "gone" in line] == []
    assert set(values) == {
        f"kubelet_volume_stats_{name}"
        for name in ("capacity_bytes", "available_bytes", "used_bytes", "inodes", "inodes_free", "inodes_used")
    }
    system = os.statvfs(tmp_path)
    assert values["kubelet_volume_stats_capacity_bytes"] == system.f_blocks * system.f_frsize
    assert abs(values["kubelet_volume_stats_available_bytes"] - system.f_bavail * system.f_frsize) < TINY
    assert values["kubelet_volume_stats_inodes"] == system.f_files


def test_a_volume_with_a_quota_is_used_by_what_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "1").write_bytes(b"x" * 2**20)
    found = volume_stats.measure(Volume("n", "c", tmp_path, 4 * 2**20))
    assert found
    assert (found.capacity, found.used) == (4 * 2**20, 2**20)
    assert found.available == 3 * 2**20
    over = volume_stats.measure(Volume("n", "c", tmp_path, 2**19))
    assert over
    assert over.available == 0


def free_and_size(seen: Seen) -> tuple[float, float]:
    found = [seen.number(f"kubelet_volume_stats_{name}_bytes{{{LABELS}}}") for name in ("available", "capacity")]
    return found[0], found[1]


def test_prometheus_knows_how_full_the_volume_of_postgresql_is(payments_lab: Lab) -> None:
    seen = Seen(payments_lab)
    system = os.statvfs(payments_lab.server.data)
    wait_until(lambda: free_and_size(seen)[1], "a scrape of the kubelet")
    free, size = free_and_size(seen)
    assert size == system.f_blocks * system.f_frsize
    assert abs(free - system.f_bavail * system.f_frsize) < TINY
    assert seen.number(f"kubelet_volume_stats_inodes{{{LABELS}}}") == system.f_files
    (pod,) = seen.platform.pods("postgres")
    (mounted,) = (each["persistentVolumeClaim"] for each in pod["spec"]["volumes"] if each["name"] == "data")
    assert mounted == {"claimName": CLAIM}


def test_a_full_volume_is_in_effect_and_healed(payments_lab: Lab) -> None:
    seen = Seen(payments_lab)
    assert payments_lab.break_("postgres-volume-full") is True
    free, size = free_and_size(seen)
    (database,) = seen.sql("SELECT sum(pg_database_size(oid))::bigint FROM pg_database")
    assert database[0] < size < os.statvfs(payments_lab.server.data).f_blocks * 512
    assert free / size < 0.1
    assert payments_lab.heal("postgres-volume-full") == ["postgres-volume-full"]
    wait_until(lambda: free_and_size(seen)[1] > size, "the volume is that of the file system again")


def test_a_node_under_pressure_is_in_effect_and_healed(payments_lab: Lab) -> None:
    api = payments_lab.platform().api

    def conditions() -> dict[str, str]:
        (node,) = api.items("/api/v1/nodes")
        return {each["type"]: each["status"] for each in node["status"]["conditions"]}

    healthy = {"MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", "Ready": "True"}
    assert conditions() == healthy
    assert payments_lab.break_("node-memory-pressure") is True
    assert conditions() == {**healthy, "MemoryPressure": "True"}
    assert "node-memory-pressure" in payments_lab.heal()
    assert conditions() == healthy
