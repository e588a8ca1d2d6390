# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whom the law wants told of a personal data breach, and by when. Pure, no I/O, and no legal advice.

UK GDPR and EU GDPR, Art. 33(1): the regulator within 72 hours after having become aware, unless the breach is unlikely
to result in a risk; later with reasons. Art. 33(4): in phases. Art. 34(1): the people concerned without undue delay
where the risk is high. The hours are hours of a clock: neither weekends nor a change of the clocks stop them.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

Json = dict[str, Any]

LIMIT = dt.timedelta(hours=72)
RISKS = ("unlikely", "risk", "high", "unknown")
REQUIRED, NOT_REQUIRED, UNDECIDED = "required", "not_required", "undecided"
# Art. 34(1); always subject to a review by legal
_TELL_PEOPLE = {
    REQUIRED: "People have to be told without undue delay: their risk is high",
    UNDECIDED: "Whether people have to be told is NOT DECIDED: assess their risk",
    NOT_REQUIRED: "People need not be told at this risk",
}
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Clock:
    """When somebody became aware, and what follows.

    Attributes:
        aware_at: that moment, with its time zone.
        now: the present.
        notified_at: when the regulator was first told; ``None`` while it was not.
        risk: one of :data:`RISKS`; while it is unknown, the duty is taken to be there.
        reasoned: whether the assessment of the risk has reasons and somebody who answers for it. Without them, that it
            is unlikely ends no duty: Art. 33(1) and (5) want it to be demonstrated.
        assumed: whether :attr:`aware_at` is only assumed, as nobody has said it.
    """

    aware_at: dt.datetime
    now: dt.datetime
    notified_at: dt.datetime | None = None
    risk: str = "unknown"
    reasoned: bool = False
    assumed: bool = False

    @property
    def deadline(self) -> dt.datetime:
        """The end of the 72 hours, in UTC: there an hour is always an hour."""
        return self.aware_at.astimezone(dt.UTC) + LIMIT

    @property
    def late(self) -> bool:
        """Whether the regulator was or is told too late, where it has to be told at all."""
        return self.regulator != NOT_REQUIRED and (self.notified_at or self.now) > self.deadline

    @property
    def regulator(self) -> str:
        """Whether the regulator has to be told."""
        return UNDECIDED if self._undecided else NOT_REQUIRED if self.risk == "unlikely" else REQUIRED

    @property
    def people(self) -> str:
        """Whether the people concerned have to be told."""
        return UNDECIDED if self._undecided else REQUIRED if self.risk == "high" else NOT_REQUIRED

    @property
    def _undecided(self) -> bool:
        return self.risk == "unknown" or (self.risk == "unlikely" and not self.reasoned)

    def plain(self, zone: str) -> Json:
        """What a result says of it.

        Args:
            zone: IANA name of the time zone in which people read the deadline.
        """
        end = self.notified_at or self.now
        local = in_zone(self.deadline, zone)
        return {
            "aware_at": rfc3339(self.aware_at),
            "assumed": self.assumed,
            "deadline": rfc3339(self.deadline),
            "deadline_local": local,
            "elapsed_s": (end - self.aware_at).total_seconds(),
            "remaining_s": None if self.notified_at else (self.deadline - self.now).total_seconds(),
            "notified_at": rfc3339(self.notified_at) if self.notified_at else None,
            "state": self._state(),
            "late": self.late,
            "late_by_s": (end - self.deadline).total_seconds() if self.late else None,
            "reasons_for_delay_required": self.late,
            "regulator_duty": self.regulator,
            "people_duty": self.people,
            "legal_review": True,
            "notify_by": self._notify_by(local),
            "tell_people": _TELL_PEOPLE[self.people],
        }

    def _notify_by(self, local: str | None) -> str:
        """By when the regulator has to be told, in one line; with that of Art. 34 it fits a line of a terminal."""
        state = self._state()
        if self.notified_at:
            late = ", LATE; give the reasons for the delay" if self.late else ""
            return f"The regulator was told at {_minute(self.notified_at)}{late}"
        if state == NOT_REQUIRED:
            return "The regulator need not be told at this risk; keep the reasons in the register"
        when = _minute(self.deadline) + (f" ({local})" if local else "")
        if self.assumed:
            when += "; ASSUMED: counted from an assumed moment"
        if state == "overdue":
            return f"OVERDUE: THE REGULATOR WAS TO BE TOLD BY {when}; give the reasons for the delay"
        return f"The regulator has to be told by {when}"

    def _state(self) -> str:
        if self.notified_at:
            return "notified_late" if self.late else "notified"
        if self.regulator == NOT_REQUIRED:
            return NOT_REQUIRED
        return "overdue" if self.late else "running"


def read_moment(text: str) -> dt.datetime:
    """Return the moment that a text of RFC 3339 with a time zone names.

    Raises:
        ValueError: it names none.
    """
    if not _RFC3339.fullmatch(text.strip()):
        raise ValueError("give RFC 3339 with a time zone, such as 2026-11-27T21:40:00Z")
    try:
        # a leap second, or more than microseconds, is nothing that Python's clock knows
        return dt.datetime.fromisoformat(text.strip().upper())
    except ValueError as error:
        raise ValueError(f"there is no such moment: {error}") from error


def _minute(moment: dt.datetime) -> str:
    """Return a moment in UTC, to the minute."""
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def in_zone(moment: dt.datetime, zone: str) -> str | None:
    """Return a moment as a clock on the wall there shows it; ``None`` where the zone is not known here."""
    try:
        where = zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
    local = moment.astimezone(where)
    return f"{local:%A %d %B %Y %H:%M %Z}"
