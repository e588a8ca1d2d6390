# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that measure have the processors for themselves, and nobody waits for ever."""

from __future__ import annotations

import fcntl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.turns import turn

PATIENCE_S = 20


def test_who_measures_waits_for_one_other_and_comes_before_its_next_test(tmp_path: Path) -> None:
    order, began, may_end = [], threading.Event(), threading.Event()

    def other() -> None:
        with turn(tmp_path, 1, 3):
            began.set()
            assert may_end.wait(PATIENCE_S)
            order.append("other")
        with turn(tmp_path, 1, 3):
            order.append("next of the other")

    def measuring() -> None:
        with turn(tmp_path, 0, 3, more=1):
            order.append("measuring")

    with ThreadPoolExecutor() as threads:
        running = [threads.submit(other)]
        assert began.wait(PATIENCE_S)
        running.append(threads.submit(measuring))
        with turn(tmp_path, 2, 3):
            order.append("third")  # waits for nobody
        _until_held(tmp_path / "door-1")
        may_end.set()
        for each in running:
            each.result(PATIENCE_S)
    assert order == ["third", "other", "measuring", "next of the other"]


def test_all_of_them_may_measure(tmp_path: Path) -> None:
    alone, together = threading.Lock(), threading.Barrier(3)
    went_well = []

    def measuring(own: int) -> None:
        for _ in range(20):
            together.wait(PATIENCE_S)
            with turn(tmp_path, own, 3, more=1):
                assert alone.acquire(blocking=False), "two measure at once"
                alone.release()
        went_well.append(own)

    threads = [threading.Thread(target=measuring, args=[own], daemon=True) for own in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(PATIENCE_S)  # who waits for ever must not keep pytest waiting
    assert sorted(went_well) == [0, 1, 2]


def _until_held(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with path.open("a", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        time.sleep(0.01)
    raise AssertionError(f"nobody holds {path.name}")
