# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in the pod of the lab's PostgreSQL: its log goes to standard output, and the pod ends with the server.

The server itself is the lab's and not the pod's. Environment: ``LAB_POSTGRES_DATA``, its data directory, and
``LAB_POSTGRES_LOG``, its log file.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import TextIO

import psutil

_POLL_S = 0.1


def follow(data: Path, log: Path, out: TextIO) -> None:
    """Copy the server's log as it grows, until the server is gone.

    Args:
        data: its data directory; the lock file in it names the server's process.
        log: its log file; what was there before is not copied.
        out: where the copy goes.
    """
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(0, os.SEEK_END)
        while True:
            alive = runs(data)
            while chunk := file.read(65536):
                out.write(chunk)
            out.flush()
            if not alive:
                return
            time.sleep(_POLL_S)


def runs(data: Path) -> bool:
    """Return whether a server works in a data directory."""
    try:
        pid = int((data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        process = psutil.Process(pid)
        return process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    except (OSError, ValueError, IndexError, psutil.Error):
        return False


def main() -> int:
    """Follow the server; 1 when it is gone."""
    signal.signal(signal.SIGTERM, _leave)
    data, log = (Path(os.environ.get(name, "")) for name in ("LAB_POSTGRES_DATA", "LAB_POSTGRES_LOG"))
    try:
        follow(data, log, sys.stdout)
        print(f"postgres: no server works in {data}", file=sys.stderr)
    except OSError as error:
        print(f"postgres: reading {log}: {error.strerror}", file=sys.stderr)
    return 1


def _leave(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
