# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of neutralised text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from incident_runbooks.render.neutral import one_line, width

CELL = 100


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    paint: Callable[[int, str], str] = lambda _row, line: line,
    limit: int = CELL,
) -> str:
    """Return rows in aligned columns.

    Args:
        head: the columns' titles.
        rows: cells; each becomes one line of at most *limit* columns.
        paint: gets a row's number and its finished line, and returns it coloured.
        limit: the widest that a cell may be.
    """
    cells = [list(head), *([one_line(cell, limit) for cell in row] for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(head))]
    lines = [_line(row, widths) for row in cells]
    return "\n".join([lines[0], *(paint(number, line) for number, line in enumerate(lines[1:]))])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (wanted - width(cell)) for cell, wanted in zip(row, widths, strict=True)]
    return "  ".join(padded).rstrip()
