# SPDX-License-Identifier: GPL-3.0-or-later
"""More workers than processors, but not while a test measures how long requests take.

Each worker has a place, which its tests take in turn. A test with the marker ``measures`` takes as many places beside
its own as there are more workers than processors, so that those workers wait meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    with path.open("a", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
        yield


@contextlib.contextmanager
def _place(directory: Path, number: int) -> Iterator[None]:
    """Hold a worker's place; who waits for it comes before that worker's next test."""
    with contextlib.ExitStack() as place:
        with _held(directory / f"door-{number}"):
            place.enter_context(_held(directory / f"place-{number}"))
        yield


@contextlib.contextmanager
def turn(directory: Path, own: int, workers: int, more: int = 0) -> Iterator[None]:
    """Run a test when it is its turn.

    Args:
        directory: one that all workers share.
        own: which of the workers this is, from 0 on.
        workers: how many there are.
        more: how many others are to wait meanwhile.
    """
    with contextlib.ExitStack() as held:
        if more:
            held.enter_context(_held(directory / "measuring"))  # two that want each other's place would wait for ever
        for number in range(own, own + more + 1):
            held.enter_context(_place(directory, number % workers))
        yield


@contextlib.contextmanager
def turn_of_worker(directory: Path, *, measures: bool) -> Iterator[None]:
    """Run a test when it is the turn of this worker of pytest-xdist; at once where there is no other."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers == 1:
        yield
        return
    own = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    with turn(directory, own, workers, max(0, workers - len(os.sched_getaffinity(0))) if measures else 0):
        yield
