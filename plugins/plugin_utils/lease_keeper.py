# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""A process that renews a Lease while the controller of a run lives. Started with this file as its program.

It is tied to the controller, not to the worker that starts it: the worker is gone in a moment. It carries the run's
id in its environment, by which a wrapper finds and stops it. What it logs in with comes through its standard
input, so that it is in no argument list, environment or file.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

RENEWALS = 3  # per duration, so that one that fails costs nothing
LOOK_S = 1.0  # how often to look for the controller where the kernel does not tell
ROOT = Path(__file__).resolve().parents[2]


def start_keeper(params: Mapping[str, Any], controller: int) -> int:
    """Start the process; return its id.

    Args:
        params: the options of ``acting_lease``.
        controller: the process to live as long as.

    Raises:
        OSError: it cannot be started.
    """
    told = json.dumps({"params": dict(params), "controller": controller, "path": sys.path})
    process = subprocess.Popen(  # noqa: S603 - this interpreter and this file
        [sys.executable, "-P", str(Path(__file__).resolve())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(told.encode())  # type: ignore[union-attr]
        process.stdin.close()  # type: ignore[union-attr]
    process.returncode = 0  # nobody waits for it; it ends with the controller
    return process.pid


class Controller:
    """The process that the keeper belongs to.

    Raises:
        ProcessLookupError: it is gone already.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._fd: int | None = None
        with contextlib.suppress(AttributeError, NotImplementedError):
            self._fd = os.pidfd_open(pid)

    def gone_within(self, seconds: float) -> bool:
        """Wait, at most so long, and return whether it has ended."""
        if self._fd is not None:
            return bool(select.select([self._fd], [], [], seconds)[0])
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            time.sleep(min(LOOK_S, left))
            try:
                os.kill(self._pid, 0)
            except ProcessLookupError:
                return True
            except PermissionError:
                continue
        return False


def keep(params: Mapping[str, Any], controller: Controller) -> None:
    """Renew until the controller has ended or the Lease is somebody else's; it is not given back here.

    A run whose controller was killed may still have workers that act, so the Lease has to expire.
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import (  # noqa: PLC0415
        Cluster,
    )
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_lease import (  # noqa: PLC0415
        Lease,
        LeaseLostError,
    )
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import (  # noqa: PLC0415
        IncidentsError,
    )

    period = params["duration_s"] / RENEWALS
    with Cluster(params) as cluster:
        lease = Lease(cluster, params["name"], params["holder"], params["duration_s"])
        while not controller.gone_within(period):
            try:
                lease.renew()
            except LeaseLostError:
                return
            except IncidentsError:
                continue  # the next one may come through before the Lease is over


def find_collection() -> None:
    """Let ``ansible_collections.brandconnect.incidents`` be the collection that this file is in."""
    name = ""
    for part in ("ansible_collections", "brandconnect", "incidents"):
        name = f"{name}.{part}" if name else part
        package = ModuleType(name)
        package.__path__ = [str(ROOT)] if part == "incidents" else []
        sys.modules[name] = package


def main() -> None:
    """Read what to do, and do it."""
    told = json.load(sys.stdin.buffer)
    sys.path[:] = told["path"]
    find_collection()
    with contextlib.suppress(ProcessLookupError):
        keep(told["params"], Controller(told["controller"]))


if __name__ == "__main__":
    main()
