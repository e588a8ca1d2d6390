# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack, PagerDuty and Statuspage fail, each in the ways that clients must tell apart, or cannot be reached at all.

They can fail beside anything else, and each can be healed alone: an incident goes on while nobody can be told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from incident_runbooks.lab.communications import control, part
from incident_runbooks.lab.faults.fault import Fault

if TYPE_CHECKING:
    from incident_runbooks.lab.lab import Lab

_NAMES = {"slack": "Slack", "pagerduty": "PagerDuty", "statuspage": "Statuspage"}
_WHAT = {
    control.DOWN: "answers 503",
    control.TIMEOUT: "takes requests and never answers, nothing happens",
    control.ANSWER_LOST: "does what is asked, but the answer never comes",
    control.RATE_LIMITED: "refuses every request as one too many",
    control.INVALID_AUTH: "accepts no key any more",
}


def _tell(lab: Lab) -> None:
    lab.tell_communications()


def _stop(lab: Lab) -> None:
    lab.stop_communications()
    lab.wait_until(lambda: not part.answers(lab.communications), "nothing listens for communications")


def _start(lab: Lab) -> None:
    lab.start_communications()


FAULTS = (
    *(
        Fault(f"{vendor}-{kind}", f"{_NAMES[vendor]} {_WHAT[kind]}", None, _tell, part=vendor, undo=_tell)
        for vendor in control.VENDORS
        for kind in control.KINDS
    ),
    Fault(
        "communications-down",
        "connections to Slack, PagerDuty and Statuspage are refused",
        None,
        _stop,
        part=part.NAME,
        undo=_start,
    ),
)
