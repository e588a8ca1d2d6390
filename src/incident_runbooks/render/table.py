# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of neutralised text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from incident_runbooks.render.neutral import one_line, width

CELL = 100
_NARROWEST = 24  # a last column that would be narrower than this is not wrapped


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    paint: Callable[[int, str], str] = lambda _row, line: line,
    limit: int = CELL,
    last: int = CELL,
    columns: int = 0,
) -> str:
    """Return rows in aligned columns.

    Args:
        head: the columns' titles.
        rows: cells.
        paint: gets a row's number and its finished line, and returns it coloured.
        limit: the widest that a cell may be.
        last: the widest that a cell of the last column may be.
        columns: of the terminal, in which the last column continues below itself; 0 for one line a row.
    """
    limits = [limit] * (len(head) - 1) + [last]
    cells = [list(head), *([one_line(*each) for each in zip(row, limits, strict=True)] for row in rows)]
    widths = [max(width(row[column]) for row in cells) for column in range(len(head))]
    indent = sum(widths[:-1]) + 2 * (len(head) - 1)
    room = columns - indent if columns - indent >= _NARROWEST else last
    lines = [_line(row, widths, indent, room) for row in cells]
    return "\n".join([lines[0], *(paint(number, line) for number, line in enumerate(lines[1:]))])


def _line(row: Sequence[str], widths: Sequence[int], indent: int, room: int) -> str:
    padded = [cell + " " * (wanted - width(cell)) for cell, wanted in zip(row[:-1], widths[:-1], strict=True)]
    text = textwrap.wrap(row[-1], room, break_on_hyphens=False) or [
        ""
    ]  # by characters: a wide one is rare, and only the line is longer
    return f"\n{' ' * indent}".join(["  ".join([*padded, text[0]]).rstrip(), *text[1:]])
