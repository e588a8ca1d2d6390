# SPDX-License-Identifier: GPL-3.0-or-later
"""Every process of a run, and how to stop them all.

Ansible's workers leave the process group (``setsid``) and modules may daemonise, so a process of the run is
whatever descends from this process since the run began (orphans come back to it, on Linux, as it is their
sub-reaper), and whatever carries the run's id in its environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, Self

import psutil

_PR_SET_CHILD_SUBREAPER = 36  # <sys/prctl.h>
_PR_GET_CHILD_SUBREAPER = 37
_POLL_S = 0.05
RUN_ID = "RUNBOOK_RUN_ID"


class ProcessTree:
    """The processes of one run; a context that adopts orphans while it lasts.

    Children that this process had before the run (a rehearsal lab's services) are no part of it.

    Args:
        run_id: the value of RUNBOOK_RUN_ID in the environment of the run's processes.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._own = psutil.Process()
        self._earlier: set[psutil.Process] = set()
        self._was_subreaper = False

    def __enter__(self) -> Self:
        self._was_subreaper = _become_subreaper(wanted=True)
        self._earlier = set(self._own.children())
        return self

    def __exit__(self, *_: object) -> None:
        self.reap()
        _become_subreaper(wanted=self._was_subreaper)

    def members(self) -> list[psutil.Process]:
        """Return the processes of the run that are alive."""
        found = {process for process in self._descendants() if _alive(process)}
        found.update(marked(self._run_id))
        return list(found)

    def stop(self, grace_s: float = 2.0, patience_s: float = 5.0) -> list[psutil.Process]:
        """Stop every process of the run: SIGTERM, a grace, SIGKILL, and look that they are gone.

        Args:
            grace_s: seconds between SIGTERM and SIGKILL.
            patience_s: seconds to wait after SIGKILL.

        Returns:
            Those still alive, which only a process in uninterruptible sleep or of another user can be.
        """
        return stop_all(self.members, grace_s, patience_s)

    def reap(self) -> None:
        """Collect the exit status of adopted orphans, so that no zombie of the run stays."""
        for child in self._own.children():
            if child not in self._earlier:
                with contextlib.suppress(OSError):
                    os.waitpid(child.pid, os.WNOHANG)

    def _descendants(self) -> Iterator[psutil.Process]:
        for child in self._own.children():
            if child in self._earlier:
                continue
            yield child
            with contextlib.suppress(psutil.Error):
                yield from child.children(recursive=True)


def marked(run_id: str) -> list[psutil.Process]:
    """Return the living processes of this user whose environment carries *run_id*."""
    uid = os.getuid()
    own = os.getpid()
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != own and process.uids().real == uid and process.environ().get(RUN_ID) == run_id:
                found.append(process)
    return [process for process in found if _alive(process)]


def stop_all(members: Any, grace_s: float, patience_s: float) -> list[psutil.Process]:
    """Stop what ``members()`` returns until it returns nothing; see :meth:`ProcessTree.stop`."""
    asked: set[psutil.Process] = set()
    deadline = time.monotonic() + grace_s
    while (alive := members()) and time.monotonic() < deadline:
        _signal((process for process in alive if process not in asked), "terminate")
        asked.update(alive)
        time.sleep(_POLL_S)
    deadline = time.monotonic() + patience_s
    while (alive := members()) and time.monotonic() < deadline:
        _signal(alive, "kill")
        time.sleep(_POLL_S)
    survivors: list[psutil.Process] = alive
    return survivors


def _signal(processes: Iterable[psutil.Process], how: str) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            getattr(process, how)()


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _become_subreaper(*, wanted: bool) -> bool:
    """Set whether orphaned descendants come back to this process; return what was set before."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    before = ctypes.c_int()
    libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0)
    return bool(before.value)
