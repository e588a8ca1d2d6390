# SPDX-License-Identifier: GPL-3.0-or-later
"""Customers who use the platform: they send requests to its public address, whatever comes of them.

Run as ``python -m incident_runbooks.lab.customers``. Ends on SIGTERM, and when the file named by ``--while`` is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import signal
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from incident_runbooks.lab.load import Load

_ANSWER_S = 20.0
_WATCH_S = 0.2


class Customers:
    """Send requests.

    Args:
        load: which, and how many.
        url: the public address.
        ca_cert: whom to trust there; read again for each connection, because the ingress may start anew.
    """

    def __init__(self, load: Load, url: str, ca_cert: Path) -> None:
        self._load, self._url, self._ca_cert = load, url, ca_cert
        self._numbers = itertools.cycle(range(1, load.numbers + 1))
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Send them until cancelled."""
        loop, interval_s = asyncio.get_running_loop(), self._load.together / self._load.per_second
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            due = loop.time()
            while True:
                for _ in range(self._load.together):
                    if len(self._under_way) < self._load.at_once:
                        task = asyncio.create_task(self._send(session))
                        self._under_way.add(task)
                        task.add_done_callback(self._under_way.discard)
                due = max(due + interval_s, loop.time())
                await asyncio.sleep(due - loop.time())

    async def _send(self, session: aiohttp.ClientSession) -> None:
        url = self._url + self._load.path.replace("{n}", str(next(self._numbers)))
        amount = self._load.amount_cents
        body = None if amount is None else {"amount_cents": amount}
        try:
            context = _trusting(self._ca_cert, self._ca_cert.stat().st_mtime_ns)
            async with session.request("GET" if body is None else "PATCH", url, json=body, ssl=context) as answer:
                await answer.read()
        except (aiohttp.ClientError, OSError):
            return  # a customer who gets no answer tries again later


_contexts: dict[tuple[Path, int], ssl.SSLContext] = {}


def _trusting(ca_cert: Path, version: int) -> ssl.SSLContext:
    if (ca_cert, version) not in _contexts:
        _contexts.clear()
        _contexts[ca_cert, version] = ssl.create_default_context(cafile=str(ca_cert))
    return _contexts[ca_cert, version]


async def _serve(customers: Customers, marker: Path) -> None:
    running = asyncio.create_task(customers.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    while marker.exists() and not running.done():
        await asyncio.wait({running}, timeout=_WATCH_S)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Send requests until told to stop."""
    parser = argparse.ArgumentParser(prog="customers", description="Customers who use the platform.")
    parser.add_argument("--url", required=True, help="the public address")
    parser.add_argument("--ca-cert", type=Path, required=True, help="the certificate to trust there")
    parser.add_argument("--load", type=json.loads, required=True, help="what to send, as JSON")
    parser.add_argument("--while", dest="marker", type=Path, required=True, help="end when this file is gone")
    given = parser.parse_args(arguments)
    asyncio.run(_serve(Customers(Load(**given.load), given.url, given.ca_cert), given.marker))
    return 0


if __name__ == "__main__":
    sys.exit(main())
