# SPDX-License-Identifier: GPL-3.0-or-later
"""The metric worker in small: takes each platform's numbers in turn and keeps one database session.

Where the lab has social APIs and ClickHouse, it asks the ones for each platform and writes into the other.

Environment: ``METRIC_INGESTION_INTERVAL`` in seconds (1800), ``METRIC_PAUSED_PLATFORMS`` (a list with commas), those of
:mod:`.ingestion`, and as the backend's: ``DATABASE_*``, ``LOG_*``, ``POD_NAME``, ``LAB_FAULTS``, ``FAULTS``.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import Any

import psycopg

from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab.workloads import database, ingestion
from incident_runbooks.lab.workloads.faults import METRIC_WORKER, Faults
from incident_runbooks.lab.workloads.ingestion import CONTEXT, Ingestion
from incident_runbooks.lab.workloads.json_log import JsonLog
from incident_runbooks.lab.workloads.misbehaviour import Misbehaviour
from incident_runbooks.lab.workloads.platforms import PLATFORMS
from incident_runbooks.lab.workloads.signals import stop_event

_RETRY_S = 2.0
_CAMPAIGNS = "SELECT id FROM campaigns WHERE status = 'active' ORDER BY id"
_INGEST = (
    "INSERT INTO campaign_metrics (campaign_id, platform, views)"
    " SELECT id, %s, 1 + floor(random() * 100) FROM campaigns WHERE id = ANY(%s)"
    " ON CONFLICT (campaign_id, platform)"
    " DO UPDATE SET views = campaign_metrics.views + excluded.views, synced_at = now()"
)


class Worker:
    """Ingests until cancelled. A platform or ClickHouse that fails is logged, and is tried again the next time.

    Args:
        environ: see the module's description.
        journal: where it logs.
        faults: while it is to log errors it ingests nothing.

    Raises:
        UsageError: the environment is not valid.
    """

    def __init__(self, environ: Mapping[str, str], journal: JsonLog, faults: Faults) -> None:
        self._database = database.parameters(environ, METRIC_WORKER)
        self._interval_s = _interval(environ)
        self._ingestion = Ingestion(environ, journal)
        paused = ingestion.paused(environ)
        self._platforms = [each for each in PLATFORMS if each not in paused]
        self._journal = journal
        self._faults = faults

    async def run(self) -> None:
        """Ingest every interval; a session that is lost is opened again."""
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**self._database) as connection:
                    while True:
                        await self._ingest(connection)
                        await asyncio.sleep(self._interval_s)
            except psycopg.Error as error:
                err = database.err(error, f"{self._database['host']}:{self._database['port']}")
                self._journal.error(CONTEXT, f"{err['type']}: {err['message']}", err=err)
                await asyncio.sleep(_RETRY_S)

    async def _ingest(self, connection: psycopg.AsyncConnection[Any]) -> None:
        if self._faults.get("errors") is not None:
            return
        campaigns = [int(row[0]) for row in await (await connection.execute(_CAMPAIGNS)).fetchall()]
        asked = (asyncio.to_thread(self._ingestion.ingest, platform, campaigns) for platform in self._platforms)
        for platform, outcome in zip(self._platforms, await asyncio.gather(*asked), strict=True):
            if not outcome.campaigns:
                continue
            rows = (await connection.execute(_INGEST, [platform, outcome.campaigns])).rowcount
            self._journal.info(CONTEXT, f"ingested {rows} rows from {platform}", platform=platform, rows=rows)


async def work(environ: Mapping[str, str], journal: JsonLog) -> None:
    """Work until told to stop.

    Raises:
        RunbookError: the environment is not valid.
    """
    stop = stop_event()
    faults = Faults(METRIC_WORKER, environ)
    misbehaviour, worker = Misbehaviour(faults, journal), Worker(environ, journal, faults)
    await misbehaviour.before_start()
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(misbehaviour.run()), asyncio.create_task(worker.run())]
    tasks.append(asyncio.create_task(stop.wait()))
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for task in done:
        task.result()


def main() -> int:
    """Run the worker; returns its exit status."""
    journal = JsonLog(os.environ)
    try:
        asyncio.run(work(os.environ, journal))
    except RunbookError as error:
        journal.error(CONTEXT, error.message)
        return 1
    return 0


def _interval(environ: Mapping[str, str]) -> float:
    text = environ.get("METRIC_INGESTION_INTERVAL", "1800")
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise UsageError(f"Reading METRIC_INGESTION_INTERVAL: {text!r} is no number of seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
