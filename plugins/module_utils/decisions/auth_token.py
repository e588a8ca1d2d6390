# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What an access token says of itself to anybody, and whose clock is off. Pure, no I/O.

A JSON Web Token (RFC 7519) shows header and claims to whoever has it. They are read for what they tell, unverified.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import in_utc

_PARTS = 3  # header, claims, signature
_LENGTH = 40
_HALF_S = 0.5  # both kinds of time are cut off to whole seconds
_LATEST = 253_402_300_799.0  # 9999-12-31T23:59:59Z, the last that a datetime knows

Json = dict[str, Any]


def token_facts(token: str | None) -> Json:
    """Return ``algorithm``, ``key_id``, ``lifetime_s``, ``issued_at`` and ``expires_at``."""
    header, claims = _parts(token or "")
    issued, expires = _number(claims.get("iat")), _number(claims.get("exp"))
    return {
        "algorithm": _word(header.get("alg")),
        "key_id": _word(header.get("kid")),
        "lifetime_s": expires - issued if issued is not None and expires is not None else None,
        "issued_at": _moment(issued),
        "expires_at": _moment(expires),
    }


def issued_skew_s(token: str | None, asked_at: float) -> float | None:
    """Return how many seconds the clock of whoever issued a token is ahead of ours.

    Args:
        asked_at: when it was asked for, in seconds since the epoch by our clock.
    """
    issued = _number(_parts(token or "")[1].get("iat"))
    return None if issued is None else issued + _HALF_S - asked_at


def date_skew_s(date: str | None, middle: float) -> float | None:
    """Return how many seconds the clock behind a header ``Date`` is ahead of ours.

    Args:
        middle: of the exchange, in seconds since the epoch by our clock.
    """
    try:
        found = parsedate_to_datetime(str(date)[:64]) if date else None
    except (TypeError, ValueError):
        return None
    if found is None:
        return None
    return in_utc(found).timestamp() + _HALF_S - middle


def has_expired(token: str, now: float) -> bool:
    """Return whether a token says that it is good no more."""
    expires = _number(_parts(token)[1].get("exp"))
    return expires is not None and expires <= now


def clock_facts(dates: Iterable[float | None], issued: Iterable[float | None], most_s: float) -> Json:
    """Return the largest difference of each kind, rounded, and whether one is more than *most_s*."""
    date, token = _largest(dates), _largest(issued)
    known = [abs(each) for each in (date, token) if each is not None]
    return {"date_skew_s": date, "issued_skew_s": token, "wrong": max(known) > most_s if known else None}


def _largest(found: Iterable[float | None]) -> float | None:
    known = [each for each in found if each is not None]
    if not known:
        return None
    furthest: float = max(known, key=abs)
    return round(furthest, 1)


def _parts(token: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims; empty for what is no such token."""
    parts = token.split(".")
    if len(parts) != _PARTS:
        return {}, {}
    return _plain(parts[0]), _plain(parts[1])


def _plain(part: str) -> Mapping[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LATEST:
        return None
    return float(value)


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _word(value: Any) -> str | None:
    return plain_line(value, _LENGTH) if isinstance(value, str) and value else None
