# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What the rows of webhook-failures have in common: whether events fail now, and what shows it. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_cause_facts import (
    HANDLER,
    SIGNATURE,
    TIMESTAMP,
    Facts,
    Probe,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_verdicts import PUBLIC, SERVICE


@dataclass(frozen=True)
class Case:
    """The facts, and what is used by more than one row.

    Attributes:
        failing: whether events fail now; ``None`` where that is not known.
        recent_s: seconds within which something is of now.
    """

    facts: Facts
    failing: bool | None
    recent_s: float
    now: dt.datetime

    @property
    def public(self) -> Probe | None:
        return self.facts.probes.get(PUBLIC)

    @property
    def service(self) -> Probe | None:
        return self.facts.probes.get(SERVICE)

    @property
    def stands(self) -> bool:
        """Whether events failed and nothing of any type was taken since, however long ago that is."""
        failed, processed = self.facts.failed_at, self.facts.processed_at
        return failed is not None and (self.failing is True or processed is None or processed <= failed)

    def logged(self, name: str) -> bool:
        """Whether lines of a class prove something: Stripe's events fail too. Anybody can send what is rejected."""
        return self.facts.count(name) > 0 and (self.failing is True or self.stands)

    @property
    def doubted(self) -> str | None:
        """Why the deployed secret may be wrong although nothing fails; ``None`` where events were seen to be taken."""
        arrives = self.facts.processed_at is not None and (
            (self.now - self.facts.processed_at).total_seconds() <= self.recent_s
        )
        if signed(self.facts) or (arrives and not self.facts.missing):
            return None
        return {
            "unusable": self.facts.secret_problem,
            "differs": f"the deployed secret is {self.facts.secret}, and not {self.facts.wanted} as it should be",
        }.get(stored(self.facts) or "")


def failing(facts: Facts, now: dt.datetime, recent_s: float) -> bool | None:
    """Whether events fail now.

    An event that is missing says so of its own time; that it is over is shown by a later one that was processed, not by
    the age of the first. While events are missing of a moment ago, others that arrive show only that not all fail.
    """
    if not facts.missing:
        return None if facts.missing is None else False

    def recent(moment: dt.datetime) -> bool:
        return (now - moment).total_seconds() <= recent_s

    if facts.failed_at is not None:
        return True if recent(facts.failed_at) else None
    if facts.missed_at is None:
        return None
    if not recent(facts.missed_at):
        return False
    if facts.count(HANDLER) or (facts.pods_older and facts.count(SIGNATURE)):
        return True
    return None if facts.count(SIGNATURE) or facts.count(TIMESTAMP) else False


def probes(facts: Facts) -> str:
    """Return what the URLs made of our requests: ``ok``, ``failing``, or ``unknown`` without the public one."""
    asked = [probe for probe in facts.probes.values() if probe.verdicts]
    if any(not probe.fine for probe in asked):
        return "failing"
    return "ok" if PUBLIC in {probe.name for probe in asked} else "unknown"


def signed(facts: Facts) -> bool | None:
    """Return whether every URL took what we signed; ``None`` where nothing was signed."""
    answers = [probe.signed for probe in facts.probes.values() if probe.signed]
    return all(word == "accepted" for word in answers) if answers else None


def stored(facts: Facts) -> str | None:
    """Return what the deployed secret is beside the right one; ``None`` where they cannot be compared."""
    if facts.secret_problem:
        return "unusable"
    if not facts.secret or not facts.wanted:
        return None
    return "as_expected" if facts.secret == facts.wanted else "differs"
