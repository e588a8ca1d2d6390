# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the communications until told to stop: ``python -m incident_runbooks.lab.communications --directory DIR``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from incident_runbooks.lab.communications.app import Server
from incident_runbooks.lab.server import HOST


def main() -> int:
    """Serve; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m incident_runbooks.lab.communications", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="their own folder, with the keys in it")
    parser.add_argument("--port", type=int, required=True, help=f"of {HOST}")
    arguments = parser.parse_args()
    try:
        asyncio.run(_serve(arguments.directory, arguments.port))
    except OSError as exc:
        print(f"starting the communications on {HOST}:{arguments.port}: {exc}", file=sys.stderr)
        return 1
    return 0


async def _serve(directory: Path, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(directory)
    await server.start(HOST, port)
    try:
        await stop.wait()
    finally:
        await server.stop()


if __name__ == "__main__":
    sys.exit(main())
