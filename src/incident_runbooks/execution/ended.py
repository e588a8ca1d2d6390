# SPDX-License-Identifier: GPL-3.0-or-later
"""How a playbook ended, as its supervisor saw it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

LINES = 400


@dataclass
class Ended:
    """How it ended.

    Attributes:
        reason: why the wrapper stopped it: ``timeout``, ``sigint``, ``sigterm``; ``None`` if it ended by itself.
        exit_status: ansible-playbook's, ``None`` if a signal ended it.
        output: its last lines.
        survivors: processes that could not be stopped, for the operator to know.
    """

    reason: str | None = None
    exit_status: int | None = None
    output: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))
    survivors: list[str] = field(default_factory=list)
