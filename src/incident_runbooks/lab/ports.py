# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports for the lab's processes, which bind them only a second after they were chosen."""

from __future__ import annotations

import random
import socket
from contextlib import suppress
from pathlib import Path

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.server import HOST

_LOWEST = 10_000
_HIGHEST = 32_767  # below what Linux gives to outgoing connections unless told otherwise (man 7 ip)
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 200


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody has now.

    The kernel gives it to no outgoing connection: between now and when it is bound, there are many of those.

    Raises:
        RunbookError: none was found.
    """
    lowest, highest = _bounds()
    for _ in range(_TRIES):
        port = random.randint(lowest, highest)  # noqa: S311 - nothing secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise RunbookError(f"Looking for a free port on {HOST}: none of {_TRIES} between {lowest} and {highest} is")


def _bounds() -> tuple[int, int]:
    """Return from where to where; where outgoing connections leave too little room below them, all there is."""
    try:
        first = int(_RANGE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        first = _HIGHEST + 1
    return (_LOWEST, first - 1) if first > 2 * _LOWEST else (_LOWEST, _HIGHEST)
