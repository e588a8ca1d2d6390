# SPDX-License-Identifier: GPL-3.0-or-later
"""The live part of the progress: a few lines about the present, cut to the terminal's width.

Every text from outside is neutralised and stands in a ``rich.text.Text``, which interprets no markup.
"""

from __future__ import annotations

from rich.text import Text

from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.neutral import width as columns
from incident_runbooks.render.progress_state import Component, ProgressState, clock, tally, worst
from incident_runbooks.render.style import rich_style
from incident_runbooks.render.text import duration

_NARROW = 70  # below, the phases and the tallies have no room
_BAR = 20
_LONGEST = 1000
_SHOWN_AFTER_S = 0.3  # what ends sooner, such as a step that is skipped, would only flicker
_NEAR_BREACH = 0.8
_STATUS, _MIN_BAR = 12, 5


def lines(state: ProgressState, now: float, width: int, *, unicode: bool = True) -> list[Text]:
    """Return the lines to draw, none wider than *width* but those of remediations, which are told in full.

    Args:
        now: seconds since the epoch.
        width: columns.
        unicode: the terminal's encoding has more than ASCII.
    """
    if state.began_at is None:
        return []
    rows = [_component(component, now, width) for component in state.rows()]
    if state.verified:
        rows.append(_row(worst(state.verified), f"verification: {tally(state.verified)}", width))
    remediations = [_row(item.status, f"{item.id}: {item.title}") for item in state.remediations.values()]
    return [Text(), _head(state, now, width, unicode=unicode), *rows, *remediations]


def _head(state: ProgressState, now: float, width: int, *, unicode: bool) -> Text:
    head = Text("  ")
    if width >= _NARROW:
        for phase in state.phases:
            present = phase == state.phase
            head.append(f"[{phase}]" if present else phase, style="bold" if present else "dim")
            head.append(" ")
    else:
        head.append(f"[{state.phase}]", style="bold")
        head.append(" ")
    if state.check_mode and width >= _NARROW:
        head.append("(check mode) ", style="yellow")
    head.append(" ")
    _time(head, state, now, width, unicode=unicode)
    return head


def _time(head: Text, state: ProgressState, now: float, width: int, *, unicode: bool) -> None:
    elapsed, target = max(0.0, now - (state.began_at or now)), state.sla_target_s
    if target is None:
        head.append(clock(elapsed))
        return
    breached = elapsed > target
    style = "bold red" if breached else "yellow" if elapsed >= _NEAR_BREACH * target else "green"
    head.append(f"{clock(elapsed)} of {duration(target)}" + (", breached" if breached else ""), style=style)
    room = min(_BAR, width - head.cell_len - 1)
    if room >= _MIN_BAR:
        full = min(room, int(room * elapsed / target))
        done, left = ("━", "─") if unicode else ("=", "-")
        head.append(" ").append(done * full, style=style).append(left * (room - full), style="dim")


def _component(component: Component, now: float, width: int) -> Text:
    name = one_line(component.name, 20)
    running = now - component.since if component.step else 0.0
    parts = []
    if component.checks and (width >= _NARROW or running < _SHOWN_AFTER_S):
        parts.append(f"found {component.tally()}")
    if running >= _SHOWN_AFTER_S:
        parts.append(component.step + (f" ({int(running)} s)" if running >= 1 else ""))
    status = component.status or ("..." if component.step else "")
    return _row(status, f"{name}: {'; '.join(parts)}" if parts else name, width)


def _row(status: str, text: str, width: int | None = None) -> Text:
    shown = one_line(status, _STATUS)
    padding = " " * (_STATUS - columns(shown) + 1)
    row = Text("  ").append(shown, style=rich_style(status)).append(padding + one_line(text, _LONGEST))
    if width is not None:
        row.truncate(width, overflow="ellipsis")
    return row
