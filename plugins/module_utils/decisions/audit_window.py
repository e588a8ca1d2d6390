# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The time that an audit trail is looked at, and what it is compared with. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

WEEK = dt.timedelta(weeks=1)
LONGEST = dt.timedelta(days=92)
WEEKS = (1, 12)

READ_ACTIONS = [
    *(f"{what}.{how}" for what in ("user", "creator", "brand", "campaign", "payment") for how in ("read", "select")),
    *("payout.read", "message.read", "metric.read", "offer.read"),
]
EXPORT_ACTIONS = [
    *(f"{what}.export" for what in ("user", "creator", "brand", "campaign", "payment", "payout", "message", "report")),
    *("user.bulk_read", "campaign.bulk_read", "payment.bulk_read", "data.export"),
]
_BULK = frozenset({"bulk", "all", "dump", "backup"})
_WORDS = re.compile(r"[^a-z0-9]+")
FAILED_LOGIN_ACTIONS = ["user.login_failed", "login.failed", "auth.failed"]


@dataclass(frozen=True)
class Window:
    """What is looked at.

    Attributes:
        since: the first moment.
        until: the first moment after it.
        weeks: so many before ``since`` are the baseline.
    """

    since: dt.datetime
    until: dt.datetime
    weeks: int

    @property
    def baseline_since(self) -> dt.datetime:
        """The first moment of the baseline."""
        return self.since - self.weeks * WEEK

    @property
    def scale(self) -> float:
        """What a count of the baseline is multiplied with to be expected here.

        The baseline counts the same hours of each week before, which a time longer than a week has more than once.
        """
        return max(1.0, (self.until - self.since) / WEEK) / self.weeks

    def values(self) -> dict[str, Any]:
        """For queries; ``length_s`` in seconds, at most a week."""
        length = min(self.until - self.since, WEEK)
        return {
            "since": self.since,
            "until": self.until,
            "baseline_since": self.baseline_since,
            "length_s": length.total_seconds(),
        }


def window(attempted: str, since: Any, until: Any, weeks: int) -> Window:
    """Read the options.

    Raises:
        IncidentsError: a time is none or has no time zone, or they make no sense together.
    """
    if not WEEKS[0] <= weeks <= WEEKS[1]:
        raise IncidentsError(f"{attempted}: baseline_weeks must be between {WEEKS[0]} and {WEEKS[1]}, not {weeks}")
    first, last = _moment(attempted, "since", since), _moment(attempted, "until", until)
    if not first < last:
        raise IncidentsError(f"{attempted}: until must be after since")
    if last - first > LONGEST:
        raise IncidentsError(f"{attempted}: since and until must be within {LONGEST.days} days of each other")
    return Window(first, last, weeks)


def networks(attempted: str, cidrs: Iterable[Any]) -> list[str]:
    """Read addresses and networks, such as ``192.0.2.0/24``.

    Raises:
        IncidentsError: one of them is none, or is everybody's.
    """
    found = []
    for text in cidrs:
        try:
            network = ipaddress.ip_network(str(text).strip(), strict=False)
        except ValueError:
            raise IncidentsError(
                f"{attempted}: trusted_cidrs holds what is no network; give it as 192.0.2.0/24"
            ) from None
        if network.prefixlen == 0:
            raise IncidentsError(f"{attempted}: trusted_cidrs trusts everybody with {network}; name your own networks")
        found.append(str(network))
    return found


def actions(attempted: str, option: str, given: Iterable[Any]) -> list[str]:
    """Read names of actions; they are compared without regard to case.

    Raises:
        IncidentsError: there are none, or a pattern is among them.
    """
    names = sorted({str(name).strip().lower() for name in given} - {""})
    if not names:
        raise IncidentsError(f"{attempted}: {option} is empty; name the actions of your application")
    if pattern := [name for name in names if "%" in name or "*" in name]:
        raise IncidentsError(f"{attempted}: {option} takes whole names, no patterns such as {pattern[0][:60]}")
    return names


def bulk(export_actions: Iterable[str]) -> list[str]:
    """Return those that take many records at once, whatever record they name."""
    return [name for name in export_actions if name.startswith("data.") or _BULK & set(_WORDS.split(name))]


def looks_like(words: frozenset[str], action: str) -> bool:
    """Whether one of the words is in the name of an action, as a whole: ``thread.created`` reads nothing."""
    return bool(words & set(_WORDS.split(action.lower())))


def _moment(attempted: str, option: str, text: Any) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(str(text).strip().upper())
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise IncidentsError(
            f"{attempted}: {option} must be a time with its zone (RFC 3339), such as 2026-11-28T10:00:00Z"
        )
    return found.astimezone(dt.UTC)
