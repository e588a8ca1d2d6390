# SPDX-License-Identifier: GPL-3.0-or-later
"""A terminal for tests: a real pseudo-terminal, and a model of what stands on its screen.

The model knows what the live progress writes (text, line feeds, colours, cursor up, erase below) and wraps long lines
anew when its width changes, as most terminals do. Anything else that moves the cursor is an error.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
import threading
from typing import TextIO

from incident_runbooks.render.neutral import width

_PART = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n]+)")


class Screen:
    """What a terminal shows: whole lines, wrapped at its width."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._lines = [""]

    def feed(self, text: str) -> None:
        """Write *text* to the terminal."""
        end = 0
        for part in _PART.finditer(text):
            assert part.start() == end, f"a terminal would obey {text[end : part.start()]!r}"
            end = part.end()
            if part[2]:
                self._control(part[1], part[2])
            elif part[4]:
                self._lines.append("")
            elif part[5]:
                self._lines[-1] += part[5]
        assert end == len(text), f"a terminal would obey {text[end:]!r}"

    def lines(self) -> list[str]:
        """The lines, as they were written, without the empty ones."""
        return [line.rstrip() for line in self._lines if line.strip()]

    def _control(self, arguments: str, command: str) -> None:
        if command == "A":
            assert self._lines[-1] == "", "the cursor stands in a line"
            self._up(int(arguments or 1))
        else:
            assert command in "mJ", f"ESC[{arguments}{command}"

    def _up(self, count: int) -> None:
        """Go up and, as the live progress always does then, erase everything below."""
        assert count < self.rows, "no cursor goes above the screen"
        self._lines.pop()
        while count > 0:
            line = self._lines.pop()
            taken = max(1, -(-width(line) // self.columns))
            assert taken <= count, f"half of the line {line!r} would be erased"
            count -= taken
        self._lines.append("")


class Terminal:
    """A pseudo-terminal whose other end is read all the time.

    Attributes:
        stream: the end that a program writes to.
        follower: its file descriptor.
    """

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.leader, self.follower = pty.openpty()
        self.stream: TextIO = os.fdopen(os.dup(self.follower), "w", encoding="utf-8", errors="backslashreplace")
        self._read: list[bytes] = []
        self.resize(columns, rows)
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self.follower, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def text(self) -> str:
        """What was written so far; a terminal turns each line feed into two characters."""
        return b"".join(self._read).decode("utf-8", "replace").replace("\r\n", "\n")

    def close(self) -> None:
        """Close the writing end, and read what is left."""
        if not self.stream.closed:
            self.stream.close()
            os.close(self.follower)
            self._thread.join(10)
            os.close(self.leader)

    def _drain(self) -> None:
        while True:
            try:
                data = os.read(self.leader, 65536)
            except OSError:  # how Linux says that the writing end is closed
                return
            if not data:
                return
            self._read.append(data)
