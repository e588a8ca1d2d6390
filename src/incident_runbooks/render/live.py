# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines at the bottom of a terminal that are redrawn in place, with permanent lines passing above them.

``rich`` lays the lines out; its ``Live`` is not used because it hides the cursor, which a killed process leaves
hidden, and because it loses its place when the terminal becomes narrower and wraps anew what was drawn.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Sequence
from typing import TextIO

from rich.console import Console
from rich.segment import Segment
from rich.text import Text

_INTERVAL_S = 0.25
_STOP_WITHIN_S = 2.0
_SMALLEST = (20, 4)
_FALLBACK = (80, 24)

Line = Sequence[Segment]


class LiveLines:
    """The live part of one terminal.

    A thread looks four times a second whether something has changed, and only then redraws. The lines stay one
    column narrower than the terminal, so that it does not wrap them. While another job is in the terminal's
    foreground nothing is redrawn.

    Args:
        stream: a terminal.
        draw: returns the lines for a width in columns; called from the thread too.
    """

    def __init__(self, stream: TextIO, draw: Callable[[int], Sequence[Text]]) -> None:
        self._stream = stream
        self._draw = draw
        self._console = Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._shown: list[Line] = []
        self._shown_at = _FALLBACK

    def start(self) -> None:
        """Draw, and go on redrawing until :meth:`stop`; a second call does nothing."""
        if self._thread is None:
            self._stopping.clear()
            self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Take the live lines away; the cursor stands where they began. A second call does nothing."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._stopping.set()
        thread.join(_STOP_WITHIN_S)
        if not thread.is_alive():  # a terminal that was halted with Ctrl-S would hold this one up as well
            with self._lock:
                self._replace([])

    def print(self, line: str) -> None:
        """Print a permanent line above the live ones; the terminal wraps it where it is too long."""
        with self._lock:
            lines: list[Line] = []
            if self._thread is not None and _in_foreground(self._stream):
                with contextlib.suppress(Exception):  # a permanent line is not lost over one that passes
                    lines = self._lines()
            self._replace(lines, above=f"{line}\n")

    def _watch(self) -> None:
        while True:
            with contextlib.suppress(Exception), self._lock:  # a terminal that went away does not disturb the run
                self._look()
            if self._stopping.wait(_INTERVAL_S):
                return

    def _look(self) -> None:
        if not _in_foreground(self._stream):
            self._shown = []  # other programs write: what is above the cursor is not known to be ours any more
            return
        lines = self._lines()
        if lines != self._shown or self._shown_at != _size(self._stream):
            self._replace(lines)

    def _lines(self) -> list[Line]:
        columns, rows = _size(self._stream)
        options = self._console.options.update(width=columns - 1, height=None)
        lines: list[Line] = []
        for text in self._draw(columns - 1):
            lines += self._console.render_lines(text, options, pad=False)
        return lines[: rows - 1]

    def _replace(self, lines: list[Line], above: str = "") -> None:
        size = _size(self._stream)
        drawn = "".join(f"{_ansi(line)}\n" for line in lines)
        text = _erased(self._shown, *size) + above + drawn
        self._shown, self._shown_at = lines, size
        if text:
            self._stream.write(text)
            self._stream.flush()


def _erased(lines: Sequence[Line], columns: int, rows: int) -> str:
    """Return what takes *lines* away from above the cursor, also where the terminal has wrapped them since."""
    up = sum(max(1, -(-Segment.get_line_length(list(line)) // columns)) for line in lines)
    return f"\r\x1b[{min(up, rows - 1)}A\x1b[J" if up else ""


def _ansi(line: Line) -> str:
    return "".join(segment.style.render(segment.text) if segment.style else segment.text for segment in line)


def _size(stream: TextIO) -> tuple[int, int]:
    """Return the terminal's columns and rows at this moment."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return _FALLBACK
    columns, rows = (size.columns, size.lines) if size.columns and size.lines else _FALLBACK
    return max(columns, _SMALLEST[0]), max(rows, _SMALLEST[1])


def _in_foreground(stream: TextIO) -> bool:
    """Return whether this process may draw: on its own terminal it has to be in the foreground."""
    try:
        return os.tcgetpgrp(stream.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return True  # not the terminal that controls this process: no other job has it
