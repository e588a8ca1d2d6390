# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be broken at the ingress."""

from __future__ import annotations

from incident_runbooks.lab.services.faults import FaultFile

SLOW = "slow"
SLOW_S = 0.8


class Control(FaultFile):
    """The faults in effect. ``slow``: each request takes :data:`SLOW_S` longer to get to a pod."""
