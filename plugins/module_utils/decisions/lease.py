# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Who may hold a Lease, and what is written into it. Pure, no I/O.

The fields and their meaning are those of client-go's leader election (``coordination.k8s.io/v1``): the Lease is its
holder's until ``renewTime`` plus ``leaseDurationSeconds``, and is free without a ``holderIdentity``. client-go judges
by the observer's own clock since it last saw the Lease change. One look cannot do that, so here every instant,
written or compared, is the API server's, and the clocks of the machines do not matter.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import parse_instant, rfc3339

Json = dict[str, Any]

API_VERSION = "coordination.k8s.io/v1"
KIND = "Lease"
TOLERANCE_S = 2.0  # the server says what time it is in whole seconds, and a cluster may have several servers
RELEASED_DURATION_S = 1  # what client-go leaves behind; zero is not valid


@dataclass(frozen=True)
class Held:
    """What a Lease says of its holder.

    Attributes:
        identity: ``holderIdentity``; empty when nobody holds it.
        acquired_at: since when.
        renewed_at: when it was last renewed; ``None`` where it does not say, which a person may write by hand.
        duration_s: seconds for which a renewal is good; ``None`` where it does not say.
        transitions: how often the holder has changed.
    """

    identity: str
    acquired_at: dt.datetime | None
    renewed_at: dt.datetime | None
    duration_s: int | None
    transitions: int

    @property
    def expires_at(self) -> dt.datetime | None:
        """When it is over without a further renewal; ``None`` for never."""
        if self.renewed_at is None or self.duration_s is None:
            return None
        return self.renewed_at + dt.timedelta(seconds=self.duration_s)

    def expired(self, now: dt.datetime) -> bool:
        """Whether the holder has not renewed it in time."""
        return self.expires_at is not None and now > self.expires_at + dt.timedelta(seconds=TOLERANCE_S)


@dataclass(frozen=True)
class Verdict:
    """What to do about a Lease.

    Attributes:
        step: ``create``, ``renew`` (it is ours), ``take`` (nobody's), ``take_over`` (another's) or ``locked``.
        previous: facts of the holder before, where there was another one; ``None`` otherwise.
        expired: whether that holder had stopped renewing it.
    """

    step: str
    previous: Json | None = None
    expired: bool = False


def read_lease(lease: Mapping[str, Any]) -> Held:
    """Read a Lease as the API serves it; what makes no sense counts as not said."""
    spec = lease.get("spec") or {}
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    return Held(
        identity=str(spec.get("holderIdentity") or ""),
        acquired_at=parse_instant(spec.get("acquireTime")),
        renewed_at=parse_instant(spec.get("renewTime")) or parse_instant(spec.get("acquireTime")),
        duration_s=duration if isinstance(duration, int) and duration > 0 else None,
        transitions=transitions if isinstance(transitions, int) else 0,
    )


def judge(lease: Mapping[str, Any] | None, identity: str, now: dt.datetime, *, take_over: bool = False) -> Verdict:
    """Decide whether *identity* may have the Lease.

    Args:
        lease: as the API serves it; ``None`` when there is none.
        now: the API server's time.
        take_over: whether one that is still held is taken all the same.
    """
    if lease is None:
        return Verdict("create")
    held = read_lease(lease)
    if not held.identity:
        return Verdict("take")
    if held.identity == identity:
        return Verdict("renew")
    expired = held.expired(now)
    return Verdict("take_over" if expired or take_over else "locked", facts(held, now), expired)


def facts(held: Held, now: dt.datetime) -> Json:
    """Return what a person needs to know of a holder.

    Returns:
        ``holder``, ``acquired_at`` and ``renewed_at`` (RFC 3339 or ``None``), ``held_s`` since it was acquired,
        ``age_s`` since it was renewed, ``expires_in_s``; the last is negative for one that is over and ``None`` for
        one that never is.
    """
    left = (held.expires_at - now).total_seconds() if held.expires_at else None
    return {
        "holder": held.identity,
        "acquired_at": _text(held.acquired_at),
        "renewed_at": _text(held.renewed_at),
        "held_s": _seconds_since(held.acquired_at, now),
        "age_s": _seconds_since(held.renewed_at, now),
        "expires_in_s": None if left is None else round(left, 1),
    }


def body(
    lease: Mapping[str, Any] | None,
    name: str,
    identity: str,
    now: dt.datetime,
    duration_s: int,
) -> Json:
    """Return the Lease to write, to acquire or to renew it.

    It carries the ``resourceVersion`` of the one that was looked at, so it is written on that or not at all.

    Args:
        lease: the one that was looked at; ``None`` to create it.
    """
    spec = {"holderIdentity": identity, "leaseDurationSeconds": duration_s, "renewTime": rfc3339(now)}
    if lease is None:
        spec |= {"acquireTime": rfc3339(now), "leaseTransitions": 0}
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
    held = read_lease(lease)
    if held.identity != identity:
        spec |= {"acquireTime": rfc3339(now), "leaseTransitions": held.transitions + 1}
    return {**lease, "spec": {**(lease.get("spec") or {}), **spec}}


def released(lease: Mapping[str, Any], now: dt.datetime) -> Json:
    """Return the Lease without a holder, as client-go releases it."""
    spec = {
        "holderIdentity": "",
        "leaseDurationSeconds": RELEASED_DURATION_S,
        "acquireTime": rfc3339(now),
        "renewTime": rfc3339(now),
    }
    return {**lease, "spec": {**(lease.get("spec") or {}), **spec}}


def identity_of(operator: str, host: str, incident: str, run_id: str) -> str:
    """Return what a run calls itself as a holder: for people, and different for each run."""
    return " ".join(f"{operator}@{host} {incident} {run_id}".split())


def held_text(previous: Mapping[str, Any]) -> str:
    """Return a holder as texts name it, such as ``bob@host x run-1, for 30 s, renewed 4 s ago``."""
    parts = [str(previous["holder"])]
    if previous["held_s"] is not None:
        parts.append(f"for {previous['held_s']:g} s")
    if previous["age_s"] is not None:
        parts.append(f"renewed {previous['age_s']:g} s ago")
    return ", ".join(parts)


def expiry_text(previous: Mapping[str, Any]) -> str:
    """Return when a holder's right is over if it does not renew it."""
    left = previous["expires_in_s"]
    if left is None:
        return "it does not expire by itself"
    return f"without a renewal it expires in {left:g} s" if left >= 0 else f"it expired {-left:g} s ago"


def _text(moment: dt.datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _seconds_since(moment: dt.datetime | None, now: dt.datetime) -> float | None:
    return None if moment is None else round(max(0.0, (now - moment).total_seconds()), 1)
