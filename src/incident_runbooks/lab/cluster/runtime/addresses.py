# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of pods and services: on Linux each has its own of 127.0.0.0/8, elsewhere all share 127.0.0.1."""

from __future__ import annotations

import random
import socket
import sys

_GUARD_PORT = 39999  # on a range's first address: whoever holds it has the range
_PER_RANGE = 16 * 256
_TRIES = 200


class Addresses:
    """One range of 4096 addresses of its own, so that clusters side by side do not meet."""

    def __init__(self) -> None:
        self._guard: socket.socket | None = None
        self._first = 0
        self._next = 1
        self._free: list[str] = []
        self._used: set[str] = set()

    def take(self) -> str:
        """Return an address that nobody of this cluster has."""
        if sys.platform != "linux":
            return "127.0.0.1"
        if self._guard is None:
            self._guard, self._first = _claim()
        address = self._free.pop(0) if self._next >= _PER_RANGE - 1 else self._following()
        self._used.add(address)
        return address

    def give_back(self, address: str) -> None:
        """Nobody has it any more."""
        if address in self._used:
            self._used.remove(address)
            self._free.append(address)

    def close(self) -> None:
        """Give the range up."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    def _following(self) -> str:
        self._next += 1
        return _dotted(self._first + self._next)


def _claim() -> tuple[socket.socket, int]:
    """Return the guard of a range that no other cluster has, and where it begins."""
    for _ in range(_TRIES):
        first = random.randrange(2048, 4096) * _PER_RANGE  # noqa: S311 - no secret; 127.128.0.0 and above
        guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            guard.bind((_dotted(first + 1), _GUARD_PORT))
        except OSError:
            guard.close()
            continue
        return guard, first
    raise RuntimeError(f"cannot take a range of loopback addresses: port {_GUARD_PORT} is in use on {_TRIES} of them")


def _dotted(offset: int) -> str:
    return f"127.{offset >> 16 & 255}.{offset >> 8 & 255}.{offset & 255}"
