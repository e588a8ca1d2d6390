# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""End with the process that started this one: nobody would watch a run whose wrapper was killed."""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


def end_with_parent() -> bool:
    """Ask the kernel for SIGTERM when the parent dies; return whether it will (on Linux)."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) == 0)
