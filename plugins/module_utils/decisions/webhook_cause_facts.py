# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What the checks of webhook-failures returned, as far as their cause is decided by it. Pure, no I/O.

Whatever a check could not learn is ``None`` here and a sentence in ``gaps``: it never looks like a good answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

# classes of log lines that are read here; others are ignored
SIGNATURE, TIMESTAMP, HANDLER = "signature", "timestamp", "handler"


@dataclass(frozen=True)
class Probe:
    """What one URL made of our requests, by the words of webhook_probe; ``None`` where it was not asked.

    Attributes:
        name: ``public`` as Stripe reaches it, ``service`` inside of the cluster.
        url: the URL.
        unsigned: answer to a request without a signature.
        signed: answer to one with a fresh signature of the deployed secret.
        stale: answer to one whose signature is too old.
        detail: what it said, in one line.
        private: whether its name leads to addresses that Stripe cannot reach.
        certificate: whether its certificate is valid.
    """

    name: str
    url: str = ""
    unsigned: str | None = None
    signed: str | None = None
    stale: str | None = None
    detail: str = ""
    private: bool = False
    certificate: bool | None = None

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Those of the unsigned and of the signed request, as far as they were made."""
        return tuple(word for word in (self.unsigned, self.signed) if word)

    @property
    def fine(self) -> bool:
        """Whether it rejects what is not signed and, where that was tried, takes what is."""
        good = self.unsigned == "verified" and self.signed in (None, "accepted")
        return good and self.certificate is not False


@dataclass(frozen=True)
class Facts:
    """All that is known.

    Attributes:
        probes: by name.
        pods_ready: ready pods, and ``replicas`` those that are wanted.
        lines: log lines by class; a class that is not there was not looked for.
        secret_problem: why the deployed secret cannot be right, such as an empty value.
        secret: fingerprint of the deployed secret, and ``wanted`` of the one that should be.
        pods_older: pods that started before the Secret was last changed.
        endpoint: Stripe's endpoint, and ``endpoint_problems`` the words of what is wrong with it.
        missing: events that were not delivered and that the platform has not processed, oldest first.
        missed_at: when the newest of them was made; ``None`` where no time can be read.
        failed_at: when the newest of them was made after which the platform has processed none of its type.
        processed_at: when the platform has last processed an event of any type.
        gaps: what is needed and could not be learned.
        notes: what else should be known, without which the cause is decided all the same.
    """

    probes: Mapping[str, Probe] = field(default_factory=dict)
    pods_ready: int | None = None
    replicas: int | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    secret: str | None = None
    secret_problem: str | None = None
    wanted: str | None = None
    pods_older: Sequence[str] = ()
    endpoint: Json | None = None
    endpoint_problems: Mapping[str, str] = field(default_factory=dict)
    missing: Sequence[Json] | None = None
    missed_at: dt.datetime | None = None
    failed_at: dt.datetime | None = None
    processed_at: dt.datetime | None = None
    gaps: Sequence[str] = ()
    notes: Sequence[str] = ()

    def count(self, name: str) -> int:
        """How many log lines there are of a class."""
        return self.lines.get(name, 0)

    def signed(self, *words: str) -> Probe | None:
        """The first URL that made this of a signed request."""
        return next((probe for probe in self.probes.values() if probe.signed in words), None)


def said(probe: Probe) -> str:
    """What a URL made of our requests, in one line."""
    words = ", ".join(
        f"{kind} request {word.replace('_', ' ')}"
        for kind, word in (("unsigned", probe.unsigned), ("signed", probe.signed), ("stale", probe.stale))
        if word
    )
    return f"{words} ({probe.detail})" if probe.detail else words or "no answer"


def evidence(facts: Facts) -> list[dict[str, Any]]:
    """What was read, each with ``source``."""
    probes = [
        {"source": f"probe {probe.name}", "unsigned": probe.unsigned, "signed": probe.signed, "stale": probe.stale}
        for probe in facts.probes.values()
    ]
    lines = [{"source": "logs", "class": name, "lines": count} for name, count in facts.lines.items()]
    secret = {
        "source": "secret",
        "deployed": facts.secret,
        "wanted": facts.wanted,
        "pods_older": list(facts.pods_older),
    }
    endpoint = {
        "source": "endpoint",
        "id": (facts.endpoint or {}).get("id"),
        "status": (facts.endpoint or {}).get("status"),
        "problems": dict(facts.endpoint_problems),
    }
    missing = {"source": "events", "missing": None if facts.missing is None else len(facts.missing)}
    return [*probes, *(line for line in lines if line["lines"]), secret, endpoint, missing]
