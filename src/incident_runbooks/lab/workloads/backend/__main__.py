# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m incident_runbooks.lab.workloads.backend``: serve until SIGTERM."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from aiohttp import web

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.workloads.backend import auth, campaigns, payment_lookup, webhooks
from incident_runbooks.lab.workloads.backend.app import Backend, create
from incident_runbooks.lab.workloads.backend.cpu_quota import STAT_FILE, CpuQuota
from incident_runbooks.lab.workloads.backend.leak import leak
from incident_runbooks.lab.workloads.backend.metrics import Metrics
from incident_runbooks.lab.workloads.backend.payments import Payments
from incident_runbooks.lab.workloads.backend.pool import Pool
from incident_runbooks.lab.workloads.backend.settings import APPLICATION, Settings
from incident_runbooks.lab.workloads.backend.stripe_client import StripeClient
from incident_runbooks.lab.workloads.faults import Faults
from incident_runbooks.lab.workloads.json_log import JsonLog
from incident_runbooks.lab.workloads.misbehaviour import Misbehaviour
from incident_runbooks.lab.workloads.signals import stop_event

_DRAIN_S = 2.0


async def serve(environ: Mapping[str, str], journal: JsonLog) -> None:
    """Serve until told to stop.

    Raises:
        RunbookError: the environment is not valid.
        OSError: the address cannot be listened on.
    """
    stop = stop_event()
    settings, faults = Settings.from_environ(environ), Faults(APPLICATION, environ)
    pool = Pool(settings, journal)
    misbehaviour = Misbehaviour(faults, journal, {"leak": partial(leak, pool)})
    await misbehaviour.before_start()
    backend = Backend(settings, pool, journal, faults, Metrics(pool.counts), CpuQuota(Path(STAT_FILE)))
    pool.waited = backend.metrics.acquired
    app = create(backend)
    campaigns.add_routes(app)
    auth.add_routes(app, environ)
    webhooks.add_routes(app)
    client = _stripe(app, backend) if settings.stripe_api_url else None
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_DRAIN_S)
    await runner.setup()
    await pool.open()
    beside = [asyncio.create_task(misbehaviour.run())]
    if client:
        beside.append(asyncio.create_task(Payments(backend, client).run()))
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        journal.info("NestApplication", f"listening on {settings.host}:{settings.port}")
        await stop.wait()
        journal.info("NestApplication", "SIGTERM received, closing")
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)
        await runner.cleanup()
        if client:
            await client.close()
        await pool.close()


def _stripe(app: web.Application, backend: Backend) -> StripeClient:
    """Return the client of payments, which the routes that need Stripe use as well."""
    client = StripeClient(backend.settings, backend.faults, backend.metrics.stripe)
    payment_lookup.add_routes(app, client)
    return client


def main() -> int:
    """Run the backend; returns its exit status."""
    journal = JsonLog(os.environ)
    try:
        asyncio.run(serve(os.environ, journal))
    except RunbookError as error:
        journal.error("NestFactory", error.message)
        return 1
    except OSError as error:
        journal.error(
            "NestApplication", f"Error: listen {error.strerror}", err={"type": "Error", "message": str(error)}
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
