# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that are redrawn in place on a real pseudo-terminal."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from rich.text import Text

from incident_runbooks.render import live
from incident_runbooks.render.live import LiveLines
from support.terminal import Screen, Terminal


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal(60, 10)
    yield opened
    opened.close()


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_INTERVAL_S", 0.01)


def until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def shown(terminal: Terminal) -> list[str]:
    screen = Screen(60, 10)
    screen.feed(terminal.text())
    return screen.lines()


def test_permanent_lines_stay_above_and_live_ones_go(terminal: Terminal) -> None:
    lines = LiveLines(terminal.stream, lambda _width: [Text("now", style="red"), Text("and this")])
    lines.print("before")
    lines.start()
    until(lambda: "and this" in terminal.text())
    lines.print("\x1b[31mpermanent\x1b[0m, and longer than the terminal is wide: " + "x" * 60)
    long = "permanent, and longer than the terminal is wide: " + "x" * 60
    until(lambda: terminal.text().count("and this\n") > 1)
    assert shown(terminal) == ["before", long, "now", "and this"]
    lines.stop()
    lines.stop()
    lines.print("after")
    terminal.close()
    assert shown(terminal) == ["before", long, "after"]
    assert "?25l" not in terminal.text(), "a hidden cursor stays hidden when the process is killed"


@pytest.mark.usefixtures("fast")
def test_only_what_has_changed_is_redrawn(terminal: Terminal) -> None:
    asked = 0
    said = "first"

    def draw(_width: int) -> list[Text]:
        nonlocal asked
        asked += 1
        return [Text(said)]

    lines = LiveLines(terminal.stream, draw)
    lines.start()
    until(lambda: asked > 5)
    assert terminal.text().count("first") == 1
    said = "second"
    until(lambda: "second" in terminal.text())
    lines.stop()
    terminal.close()
    assert (terminal.text().count("first"), terminal.text().count("second")) == (1, 1)


@pytest.mark.usefixtures("fast")
def test_the_terminal_becomes_narrower_and_wider(terminal: Terminal) -> None:
    def draw(width: int) -> list[Text]:
        return [Text("=" * width), Text("wrapped in full " * 6), Text("end")]

    lines = LiveLines(terminal.stream, draw)
    lines.start()
    screen, fed = Screen(60, 24), 0
    for columns in (60, 40, 25, 70, 33):
        terminal.resize(columns, 24)
        screen.columns = columns
        lines.print(f"at {columns}")
        settled = rf"at {columns}\n={{{columns - 1}}}\n[^=]*end\n\Z"
        until(lambda settled=settled: re.search(settled, terminal.text()) is not None)  # type: ignore[misc]
        text = terminal.text()
        screen.feed(text[fed:])
        fed = len(text)
    lines.stop()
    terminal.close()
    screen.feed(terminal.text()[fed:])
    assert screen.lines() == ["at 60", "at 40", "at 25", "at 70", "at 33"]


def test_more_lines_than_the_terminal_has_rows(terminal: Terminal) -> None:
    lines = LiveLines(terminal.stream, lambda _width: [Text(f"row {number}") for number in range(50)])
    lines.start()
    until(lambda: "row 8" in terminal.text())
    lines.stop()
    terminal.close()
    assert "row 9" not in terminal.text()
    assert shown(terminal) == []


@pytest.mark.usefixtures("fast")
def test_in_the_background_it_is_quiet(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "tcgetpgrp", lambda _fd: os.getpgrp() + 1)
    lines = LiveLines(terminal.stream, lambda _width: [Text("live")])
    lines.start()
    lines.print("permanent")
    until(lambda: "permanent" in terminal.text())
    time.sleep(0.05)
    assert terminal.text() == "permanent\n"
    monkeypatch.setattr(os, "tcgetpgrp", lambda _fd: os.getpgrp())
    until(lambda: "live" in terminal.text())
    lines.stop()


@pytest.mark.usefixtures("fast")
def test_what_cannot_be_drawn_costs_no_permanent_line(terminal: Terminal) -> None:
    asked = threading.Event()

    def draw(_width: int) -> list[Text]:
        asked.set()
        raise RuntimeError("broken")

    lines = LiveLines(terminal.stream, draw)
    lines.start()
    assert asked.wait(10)
    lines.print("permanent")
    lines.stop()
    terminal.close()
    assert terminal.text() == "permanent\n"


def test_a_terminal_that_goes_away_ends_the_drawing_quietly() -> None:
    leader, follower = os.openpty()
    stream = os.fdopen(follower, "w", encoding="utf-8")
    drawings = iter(range(1000))
    lines = LiveLines(stream, lambda _width: [Text(str(next(drawings)))])
    lines.start()
    os.close(leader)
    with pytest.raises(OSError, match="Input/output"):
        lines.print("nobody reads this")  # whoever prints decides what that means
    with pytest.raises(OSError, match="Input/output"):
        lines.stop()
    with pytest.raises(OSError, match="Input/output"):
        stream.close()
