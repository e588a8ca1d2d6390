# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What may be shown of a statement's text: which tables and columns, never a value. Pure, no I/O."""

from __future__ import annotations

import re

CUT = "…"
HIDDEN = "<insufficient privilege>"
LENGTH = 1000
_HEAD = 600  # the tail has the WHERE and the ORDER BY, which matter as much as what is read

# pg_stat_statements leaves values in utility statements, in comments, and in what was evicted while it ran. Quoted
# identifiers and $1 stay. What is opened and not closed goes to the end.
_PARTS = re.compile(
    r"""
    (?P<kept> "(?:[^"]|"")*" | \$[0-9]+ )
    | --[^\n]* | /\*.*?(?:\*/|\Z)
    | (?P<value> '(?:[^'\\]|'')*(?:'|\Z|(?=\\)) (?P<escape>\\.*)? | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z)
        | (?<![\w$])\.?[0-9][\w.]* )
    """,
    re.VERBOSE | re.DOTALL,
)


def shown(query: str) -> str:
    """Return a statement as one bounded line, each value as an ellipsis, without comments."""
    text = _PARTS.sub(_part, query)
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if len(line) <= LENGTH:
        return line
    return f"{line[:_HEAD]} {CUT} {line[-(LENGTH - _HEAD - 3) :]}"


def _part(found: re.Match[str]) -> str:
    if found["kept"] is not None:
        return found["kept"]
    return " " if found["value"] is None else CUT  # after a backslash nobody knows where the value ends
