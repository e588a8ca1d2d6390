# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's ClickHouse 18.16 in the place of the lab's: on a small disk, seeded alike, and the worker writes there."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from modules.prometheus_support import Exporter, RealPrometheus

from incident_runbooks.lab.clickhouse.part import ClickHousePart, lay_out
from incident_runbooks.lab.clickhouse.seed import PLATFORMS, seed
from incident_runbooks.lab.clickhouse.states import SMALL_DISK
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.processes import ProcessRecord
from support.clickhouse import old_program, running
from support.ingestion import WORKER, Metrics

_CLAIM = '{namespace="brandconnect",persistentvolumeclaim="data-clickhouse-0"}'
_QUERIES = re.compile(r'^prometheus_http_requests_total\{[^}]*handler="/api/v1/query"[^}]*\} (\S+)$', re.MULTILINE)
_CAPACITY, _AVAILABLE = "kubelet_volume_stats_capacity_bytes", "kubelet_volume_stats_available_bytes"

Json = dict[str, Any]


class OldMetrics(Metrics):
    """What the playbook acts on, with 18.16 and a Prometheus that knows its volume.

    Attributes:
        prometheus_url: of a Prometheus that scrapes the metrics of the volume, as a kubelet exposes them.
    """

    def __init__(self, lab: Lab, part: ClickHousePart, prometheus_url: str) -> None:
        super().__init__(lab, part)
        self.prometheus_url = prometheus_url

    def write_here(self) -> None:
        """Let the metric worker write into it, and wait until it does; healing the lab undoes it."""
        variables = {
            "CLICKHOUSE_URL": self.part.url,
            "CLICKHOUSE_USER": self.part.user,
            "CLICKHOUSE_PASSWORD": self.part.password,
        }

        def change(deployment: Json) -> None:
            (container,) = deployment["spec"]["template"]["spec"]["containers"]
            others = [each for each in container["env"] if each["name"] not in variables]
            container["env"] = [*others, *({"name": name, "value": value} for name, value in variables.items())]

        since = self.now()
        self.lab.platform().set_up_anew(WORKER, change)
        for platform in PLATFORMS:
            self.wait_for_rows(platform, since)


@contextlib.contextmanager
def old_metrics(lab: Lab, directory: Path) -> Iterator[OldMetrics]:
    """Start it and its Prometheus; both are gone at the end.

    Args:
        lab: which is up, with the data plane.
        directory: of the test.
    """
    part = lay_out(directory, old_program())
    with running(part, disk_bytes=SMALL_DISK) as record:
        seed(part.client)
        with _volume(record, part, directory) as url:
            metrics = OldMetrics(lab, part, url)
            metrics.write_here()
            yield metrics


@contextlib.contextmanager
def _volume(record: ProcessRecord, part: ClickHousePart, directory: Path) -> Iterator[str]:
    statistics = _Statistics(Path(f"/proc/{record.pid}/root{part.data}"))
    kubelet = Exporter(statistics)
    folder = directory / "prometheus"
    folder.mkdir()
    prometheus = RealPrometheus(folder, {"kubelet": [kubelet.port]}, "--scrape.discovery-reload-interval=1s")
    statistics.asked = lambda: _asked(prometheus.url)
    try:
        prometheus.wait_for(f"predict_linear({_AVAILABLE}[1m], 60)")
        yield prometheus.url
    finally:
        prometheus.stop()
        kubelet.stop()


def _asked(prometheus_url: str) -> int:
    """How many queries Prometheus has answered."""
    metrics = requests.get(f"{prometheus_url}/metrics", timeout=5).text
    return sum(int(float(each)) for each in _QUERIES.findall(metrics))


class _Statistics:
    """What a kubelet asks of a volume and exposes: statfs() of where the server, and nobody else, has it mounted.

    A kubelet looks once a minute only. Here it sees that space came back once Prometheus was asked in vain.

    Attributes:
        asked: counts the queries to Prometheus.
    """

    def __init__(self, mounted: Path) -> None:
        self.asked: Callable[[], int] = int
        self._mounted = mounted
        self._shown = 0
        self._asked: int | None = None

    def __call__(self) -> str:
        found = os.statvfs(self._mounted)
        free = found.f_bavail * found.f_frsize
        if free <= self._shown or not self._shown or self._were_asked():
            self._shown, self._asked = free, None
        sizes = {_CAPACITY: found.f_blocks * found.f_frsize, _AVAILABLE: self._shown}
        return "".join(f"# TYPE {name} gauge\n{name}{_CLAIM} {size}\n" for name, size in sizes.items())

    def _were_asked(self) -> bool:
        """Whether there were queries since this was asked first."""
        asked = self.asked()
        self._asked = asked if self._asked is None else self._asked
        return asked > self._asked
