# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of the lab's ClickHouse."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from incident_runbooks.lab.clickhouse.engine import Engine
from incident_runbooks.lab.clickhouse.front import Front
from incident_runbooks.lab.clickhouse.logins import read_logins
from incident_runbooks.lab.server import HOST


def main() -> int:
    """Serve until told to stop; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m incident_runbooks.lab.clickhouse")
    parser.add_argument("--directory", type=Path, required=True, help="its own folder, with logins and data in it")
    parser.add_argument("--port", type=int, required=True, help=f"of {HOST}")
    arguments = parser.parse_args()
    os.umask(0o077)
    directory = arguments.directory.absolute()
    try:
        os.chdir(directory)  # the wheel reads config.xml of where it is imported, whatever it is told later
        engine = Engine(directory)
        front = Front((HOST, arguments.port), engine, read_logins(directory))
    except (OSError, RuntimeError, ValueError, ImportError) as exc:
        print(f"starting ClickHouse on {HOST}:{arguments.port}: {exc}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        # shutdown() waits for serve_forever(), which this thread is in
        signal.signal(number, lambda *_: threading.Thread(target=front.shutdown).start())
    try:
        front.serve_forever(poll_interval=0.05)
    finally:
        front.server_close()
        engine.close()
    return 0


if __name__ == "__main__":
    # a query that still runs would keep the interpreter waiting for its thread; the data is on disk
    status = main()
    sys.stdout.flush()
    os._exit(status)
