# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens while it happens, on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from incident_runbooks.catalogue import IncidentType
from incident_runbooks.cli.options import wants_colour
from incident_runbooks.inventory import Inventory
from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.progress_lines import line_of
from incident_runbooks.render.progress_state import ProgressState
from incident_runbooks.render.style import painted

if TYPE_CHECKING:  # a pipe does not pay for rich
    from rich.text import Text

    from incident_runbooks.render.live import LiveLines

_NO_CURSOR = frozenset({"", "dumb", "unknown"})
_STARTED = b'"run_started"'  # in a text the quotes would be escaped


class Progress:
    """Writes one line per event on stderr, and on a terminal what happens at the moment below them.

    The live part begins with the run's first record and goes with its last one, so that it stands neither while
    the run is started nor when something else is printed or asked. As a context manager it goes in any case.

    Args:
        verbosity: from 1 on, every step too.
    """

    def __init__(self, verbosity: int = 0) -> None:
        self._verbosity = verbosity
        self._colour = wants_colour(sys.stderr, bool(os.environ.get("NO_COLOR")))
        self._state = ProgressState()
        self._lock = threading.Lock()
        self._live: LiveLines | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def begin(self, kind: IncidentType, remediate: bool, check: bool, inventory: Inventory) -> None:
        """Say what is going to run on which inventory, before anything acts."""
        mode = "remediate" if remediate else "diagnose, nothing is changed"
        if remediate and check:
            mode = "remediate in check mode, nothing is changed"
        self.announce(f"{kind.name} ({mode})", inventory)

    def announce(self, what: str, inventory: Inventory) -> None:
        """Say what is going to run on which inventory.

        Args:
            what: such as ``rollback of pool-exhaustion-20261123T231455Z-3fa1``.
        """
        sources = ", ".join(inventory.sources)
        self._say(
            f"runbook: {one_line(what, 400)}, "
            f"inventory {one_line(sources, 400)} (from {one_line(inventory.origin, 200)})"
        )

    def show(self, record: Mapping[str, Any]) -> None:
        """Show one journal record; what it has no line for is passed over."""
        started = record.get("type") == "run_started"
        with self._lock:
            if started:
                self._state = ProgressState()
            self._state.feed(record, incident_began_at(record) if started else None)
            ended = self._state.ended
        if started:
            self._start()
        line = line_of(record, self._verbosity)
        if line is not None:
            label = painted(one_line(line.status, 12).ljust(12), line.status, self._colour)
            self._say(f"  {label} {one_line(line.text, line.limit)}")
        if ended:
            self.stop()

    def stop(self) -> None:
        """Take the live part away; what was said stays. It returns with the next run's first record."""
        live, self._live = self._live, None
        if live is not None:
            with contextlib.suppress(OSError, ValueError):
                live.stop()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to something else, such as a question, while the run goes on."""
        self.stop()
        try:
            yield
        finally:
            if self._state.phase and not self._state.ended:
                self._start()

    def _start(self) -> None:
        self.stop()
        if not self._colour or os.environ.get("TERM", "") in _NO_CURSOR:
            return
        from incident_runbooks.render.live import LiveLines  # noqa: PLC0415 - a pipe does not pay for rich

        self._live = LiveLines(sys.stderr, self._draw)
        self._live.start()

    def _draw(self, width: int) -> list[Text]:
        from incident_runbooks.render.progress_view import lines  # noqa: PLC0415 - a pipe does not pay for rich

        unicode = (sys.stderr.encoding or "").lower().startswith("utf")
        with self._lock:
            return lines(self._state, time.time(), width, unicode=unicode)

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody listens: the run goes on
            if self._live is not None:
                self._live.print(line)
            else:
                print(line, file=sys.stderr, flush=True)


def incident_began_at(record: Mapping[str, Any]) -> float | None:
    """Return from when the incident's time counts, seconds since the epoch; ``None`` where its journal cannot be read.

    Args:
        record: the record ``run_started`` of a run.
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents  # noqa: PLC0415
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import (  # noqa: PLC0415
        counted_from,
    )
    from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import (  # noqa: PLC0415
        FILE_NAME,
        parse_record,
    )

    try:
        path = incidents.incident_dir(str(record["data"]["incident"]["id"])) / FILE_NAME
        with path.open("rb") as file:
            records = [found for line in file if _STARTED in line and (found := parse_record(line))]
    except (OSError, KeyError, TypeError, IncidentsError):
        return None
    began = counted_from(records)
    return began.timestamp() if began else None
