# SPDX-License-Identifier: GPL-3.0-or-later
"""Ends every process of the pods when the cluster has ended, however it ended.

The kernel kills the first process of a container with us (see :mod:`.processes`), but not what that has started.
So a process of its own waits until the pipe from the cluster closes, and then kills what carries the cluster's mark.
Run as ``python -m incident_runbooks.lab.cluster.runtime.watchdog MARK``.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import psutil

from incident_runbooks.lab import processes as lab_processes
from incident_runbooks.lab.cluster.runtime.processes import Process

_ROUNDS = 10
VARIABLE = "RUNBOOK_LAB_CLUSTER"  # in the environment of every process of a pod


class Watchdog:
    """The process that waits for our end.

    Args:
        mark: what the pods' processes carry in :data:`VARIABLE`.
    """

    def __init__(self, mark: str) -> None:
        theirs, self._ours = os.pipe()
        try:
            child = subprocess.Popen(  # noqa: S603 - no foreign text
                [sys.executable, "-P", "-m", __name__, mark],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # no signal of a terminal reaches it
                cwd="/",
            )
        finally:
            os.close(theirs)
        self._process = Process(child)

    async def finish(self) -> None:
        """Have it clean up now, and wait for its end."""
        os.close(self._ours)
        await self._process.wait()


def main() -> int:
    """Wait for the end of standard input, then kill; return the exit status."""
    mark = sys.argv[1]
    while os.read(sys.stdin.fileno(), 4096):
        pass
    for _ in range(_ROUNDS):  # one may have started another meanwhile
        if not (found := lab_processes.marked(VARIABLE, mark)):
            break
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        lab_processes.wait_until_gone(found, 2.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
