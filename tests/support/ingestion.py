# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: S608 - names are the tests' own
"""Run ingestion-lag against the lab, and look at ClickHouse, the platforms and the metric worker without it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from incident_runbooks.lab.clickhouse.part import ClickHousePart
from incident_runbooks.lab.lab import Lab
from support.auth import assert_holds_neither_secret_nor_token
from support.payments import PaymentsRunbook, World
from support.platform import wait_until
from support.runbook import Run

DIAGNOSE, REMEDIATE, SYNC = (f"ingestion-lag-{name}" for name in ("diagnose", "remediate", "sync"))
WORKER = "metric-worker"
TABLE = "analytics.metric_snapshots"
_PARTITION = "splitByChar('_', _part)[1]"  # 18.16 has no column _partition_id
_SUMS = "count() AS total, sum(cityHash64(*)) AS checksum"
_PARTITIONS = """
    SELECT database, table, partition_id, sum(rows) AS total FROM system.parts
    WHERE active AND (database = 'analytics' OR table = 'query_log_0') GROUP BY database, table, partition_id
"""

Json = dict[str, Any]


class IngestionRunbook(PaymentsRunbook):
    """The playbook, as who may remediate and nobody else; no run of it records a secret."""

    def __init__(self, metrics: Metrics, directory: Path) -> None:
        super().__init__(metrics.lab, directory, "ingestion_lag")
        self.hosts |= {"clickhouse": metrics.part.variables(), "social": {}}
        self._metrics = metrics
        self._next: list[str] | None = None

    def run(self, *options: str, **extra: Any) -> Run:
        """Run it."""
        return self._without_secret(super().run(*options, **extra))

    def _without_secret(self, run: Run) -> Run:
        secrets = [*self._metrics.secrets(), self.backend["kubernetes_api_key"]]
        assert_holds_neither_secret_nor_token(run, secrets)
        return run

    def command(self, **extra: Any) -> list[str]:
        """Return what is run next."""
        command, self._next = self._next or super().command(**extra), None
        return command

    def roll_back(self, run: Run) -> Run:
        """Roll back the incident of a run."""
        command = self.command(incident=run.directory.name)
        command[1] = "playbooks/rollback.yml"
        self._next = command
        output, _ = self.start().communicate(timeout=300)
        result = json.loads((run.directory / "result.json").read_text(encoding="utf-8"))
        assert result["run"]["mode"] == "rollback", output
        return self._without_secret(Run(0, output, result, self.journal(run.directory), run.directory))


class Metrics(World):
    """What the playbook acts on, by other ways than its own.

    Args:
        lab: which is up, with the data plane.
        part: the ClickHouse that metrics go to; the lab's own unless said.

    Attributes:
        part: that one.
        clickhouse: how it is asked.
    """

    def __init__(self, lab: Lab, part: ClickHousePart | None = None) -> None:
        super().__init__(lab)
        self.part = part or lab.clickhouse
        self.clickhouse = self.part.client

    def rows(self, platform: str | None = None, since: int = 0) -> int:
        """Count the rows of a platform that are newer than a Unix time."""
        where = f"created_at > toDateTime({since})" + (f" AND platform = '{platform}'" if platform else "")
        return int(self.clickhouse.value(f"SELECT count() FROM {TABLE} WHERE {where}"))

    def now(self) -> int:
        """Return ClickHouse's clock."""
        return int(self.clickhouse.value("SELECT toUnixTimestamp(now())"))

    def wait_for_rows(self, platform: str, since: int) -> None:
        """Wait until a platform has a row that is newer than a Unix time."""
        wait_until(lambda: self.rows(platform, since) > 0, f"new row of {platform}")

    def partitions(self) -> dict[tuple[str, str], int]:
        """Return the rows of each partition by table and id."""
        return {(each["table"], each["partition_id"]): each["total"] for each in self.clickhouse.rows(_PARTITIONS)}

    def past(self) -> dict[tuple[str, str], int]:
        """The same without this month's, into which the metric worker writes."""
        month = str(self.clickhouse.value("SELECT toString(toYYYYMM(now()))"))
        return {key: rows for key, rows in self.partitions().items() if key != ("metric_snapshots", month)}

    def mutations(self) -> list[str]:
        """Return the mutations that are not done."""
        found = self.clickhouse.rows("SELECT mutation_id FROM system.mutations WHERE is_done = 0")
        return [str(each["mutation_id"]) for each in found]

    def sums(self) -> dict[str, Json]:
        """Return number and checksum of the rows of each partition of the metrics, by its id."""
        found = self.clickhouse.rows(f"SELECT {_PARTITION} AS id, {_SUMS} FROM {TABLE} GROUP BY id")
        return {str(each.pop("id")): each for each in found}

    def archived(self, uri: str) -> Json:
        """Return the same of a file in the archive, as the current engine reads it."""
        (found,) = self.lab.clickhouse.client.rows(f"SELECT {_SUMS} FROM url('{uri}', 'Native')")
        return found

    def standing(self) -> Json:
        """Return what the remediations change: old rows, every mutation, the worker's template and its pods."""
        pods = [pod["metadata"] for pod in self.cluster.pods(WORKER)]
        mutations = "SELECT table, mutation_id, is_done FROM system.mutations ORDER BY table, mutation_id"
        return {
            "past": self.past(),
            "mutations": self.clickhouse.rows(mutations),
            "generation": self.cluster.get("deployments", WORKER)["metadata"]["generation"],
            "pods": {each["uid"] for each in pods if "deletionTimestamp" not in each},
        }

    def paused(self) -> str | None:
        """Return which platforms the metric worker is told to leave out."""
        return self.cluster.environment(WORKER).get("METRIC_PAUSED_PLATFORMS")

    def secrets(self) -> list[str]:
        """Return what must be in no record."""
        tokens = [each.token for each in self.lab.social.accounts]
        return [*super().secrets(), self.lab.clickhouse.password, self.part.password, *tokens]

    @contextmanager
    def only_read(self, *, clickhouse: bool = True) -> Iterator[None]:
        """In the block nothing is changed, in the cluster, nor in ClickHouse where it can be asked."""
        before = (self.past(), self.mutations()) if clickhouse else None
        with self.cluster.only_read():
            yield
        assert ((self.past(), self.mutations()) if clickhouse else None) == before
