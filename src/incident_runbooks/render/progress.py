# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens while it happens, on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import Any

from incident_runbooks.catalogue import IncidentType
from incident_runbooks.cli.options import wants_colour
from incident_runbooks.inventory import Inventory
from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.style import painted


class Progress:
    """Writes one line per event on stderr.

    Args:
        verbosity: from 1 on, every step too.
    """

    def __init__(self, verbosity: int = 0) -> None:
        self._verbosity = verbosity
        self._colour = wants_colour(sys.stderr, bool(os.environ.get("NO_COLOR")))

    def begin(self, kind: IncidentType, remediate: bool, check: bool, inventory: Inventory) -> None:
        """Say what is going to run on which inventory, before anything acts."""
        mode = "remediate" if remediate else "diagnose, nothing is changed"
        if remediate and check:
            mode = "remediate in check mode, nothing is changed"
        sources = ", ".join(inventory.sources)
        self._say(
            f"runbook: {kind.name} ({mode}), "
            f"inventory {one_line(sources, 400)} (from {one_line(inventory.origin, 200)})"
        )

    def show(self, record: Mapping[str, Any]) -> None:
        """Show one journal record; what it has no line for is passed over."""
        shown = {
            "finding": self._finding,
            "action": self._action,
            "verification": self._verification,
            "error": self._error,
            "step_started": self._step_started,
            "step_ended": self._step_ended,
            "run_interrupted": self._run_interrupted,
        }
        show = shown.get(str(record.get("type")))
        if show is not None:
            show(record.get("data") or {})

    def _finding(self, data: Mapping[str, Any]) -> None:
        self._status(data, f"{data.get('component')}/{data.get('check')}: {data.get('summary')}")

    def _action(self, data: Mapping[str, Any]) -> None:
        reason = f": {data['reason']}" if data.get("reason") else ""
        self._status(data, f"{data.get('id')}{reason}")

    def _verification(self, data: Mapping[str, Any]) -> None:
        self._status(data, f"{data.get('check')}: {data.get('summary')}")

    def _error(self, data: Mapping[str, Any]) -> None:
        self._status({"status": "failed"}, f"{data.get('code')}: {data.get('message')}", limit=1000)

    def _step_started(self, data: Mapping[str, Any]) -> None:
        if self._verbosity or data.get("mutates"):
            self._status({"status": "..."}, f"{data.get('host')}: {data.get('name')}")

    def _step_ended(self, data: Mapping[str, Any]) -> None:
        if self._verbosity:
            took = f" ({data['duration_s']:.1f} s)" if isinstance(data.get("duration_s"), (int, float)) else ""
            self._status({"status": str(data.get("status"))}, f"{data.get('host')}: {data.get('name')}{took}")

    def _run_interrupted(self, data: Mapping[str, Any]) -> None:
        self._status({"status": "unknown"}, f"the run was cut off: {data.get('reason')}")

    def _status(self, data: Mapping[str, Any], text: str, limit: int = 200) -> None:
        status = str(data.get("status"))
        self._say(f"  {painted(one_line(status, 12).ljust(12), status, self._colour)} {one_line(text, limit)}")

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):  # nobody listens: the run goes on
            print(line, file=sys.stderr, flush=True)
