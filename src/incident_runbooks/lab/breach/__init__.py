# SPDX-License-Identifier: GPL-3.0-or-later
"""A breach to investigate: weeks of audit trail, an attack hidden in it, and what there is to be found."""

from __future__ import annotations

from incident_runbooks.lab.breach.attack import attack
from incident_runbooks.lab.breach.history import history, remove
from incident_runbooks.lab.breach.truth import Truth, recorded

__all__ = ["Truth", "attack", "history", "recorded", "remove"]
