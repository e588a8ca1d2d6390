# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours, by what a status means."""

from __future__ import annotations

import shutil
import sys

_GREEN, _YELLOW, _RED, _MAGENTA, _DIM = "32", "33", "31", "35", "2"

_BY_STATUS = {
    **dict.fromkeys(("ok", "healthy", "resolved", "done", "safe", "sent"), _GREEN),
    **dict.fromkeys(("degraded", "findings", "incomplete", "unverified", "partial", "refused", "disruptive"), _YELLOW),
    **dict.fromkeys(("down", "failed", "unresolved", "destructive", "irreversible"), _RED),
    **dict.fromkeys(("unknown",), _MAGENTA),
    **dict.fromkeys(("skipped", "nothing_to_do", "already_sent", "draft", "suppressed"), _DIM),
}

_RICH = {_GREEN: "green", _YELLOW: "yellow", _RED: "red", _MAGENTA: "magenta", _DIM: "dim"}


def painted(text: str, status: str, colour: bool) -> str:
    """Return *text* in the colour of *status*, or as it is without colours."""
    code = _BY_STATUS.get(status)
    return f"\x1b[{code}m{text}\x1b[0m" if colour and code else text


def bold(text: str, colour: bool) -> str:
    """Return *text* in bold, or as it is without colours."""
    return f"\x1b[1m{text}\x1b[0m" if colour else text


def columns() -> int:
    """Return how wide the terminal is that stdout is; 0 where it is none, or does not say."""
    return shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0


def rich_style(status: str) -> str:
    """Return the same colour as the library ``rich`` names it, empty for none."""
    return _RICH.get(_BY_STATUS.get(status, ""), "")
