# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""For which accounts social platforms are asked, and what their answers are together. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    social_meta,
    social_tiktok,
    social_youtube,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.social import (
    LIMITED,
    META,
    OK,
    PLATFORMS,
    REAUTHORIZE,
    SKIPPED,
    TIKTOK,
    UNPROVEN,
    Row,
    Seen,
    Verdict,
    of_platform,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import in_utc, rfc3339


class HasAccount(Protocol):
    """What is needed of an account."""

    @property
    def platform(self) -> str: ...

    @property
    def account(self) -> str: ...


SomeAccount = TypeVar("SomeAccount", bound=HasAccount)


def judge(platform: str, account: str, seen: Seen, now: dt.datetime) -> Verdict:
    """Return what an answer of a platform means."""
    if platform == META:
        return social_meta.read(seen, now)
    return social_tiktok.read(seen, now, account) if platform == TIKTOK else social_youtube.read(seen, now)


def sample(accounts: Sequence[SomeAccount], failing: Sequence[str], most: int) -> list[SomeAccount]:
    """Return the accounts to ask for: of each platform at most *most*, the failing ones first, else in their order."""
    ordered = sorted(accounts, key=lambda each: each.account not in failing)  # keeps the order otherwise
    return [each for name in PLATFORMS for each in [one for one in ordered if one.platform == name][:most]]


def times(attempted: str, given: Mapping[str, Any], now: dt.datetime) -> dict[str, dt.datetime]:
    """Return until when platforms are not to be asked; those times that are over are left out.

    Raises:
        IncidentsError: a name is no platform, or a time is none.
    """
    found: dict[str, dt.datetime] = {}
    for name, value in given.items():
        if name not in PLATFORMS:
            raise IncidentsError(f"{attempted}: skip_until has a name that is no platform; use {', '.join(PLATFORMS)}")
        if value in (None, ""):
            continue
        try:
            moment = dt.datetime.fromisoformat(str(value))
        except ValueError:
            text = f"{attempted}: skip_until of {name} is no time such as 2026-11-28T10:17:00Z"
            raise IncidentsError(text) from None
        aware = in_utc(moment)
        if aware > now:
            found[str(name)] = aware
    return found


def skipped(platform: str, until: dt.datetime) -> Verdict:
    """Return the verdict of an account whose platform is not to be asked yet."""
    text = f"{platform} is not asked before {rfc3339(until)}, as skip_until says"
    return Verdict(SKIPPED, "skip_until", text, "ask again then", retry_at=until, retry_source="skip_until")


def not_asked() -> Verdict:
    """Return the verdict of an account that was left out because of what an earlier one was answered."""
    text = "not asked: an earlier account shows that the platform is limited, does not answer or is slow"
    return Verdict(SKIPPED, "not_asked", text, "see the other accounts of the platform")


def overall(rows: Sequence[Row], wanted: Sequence[str], counts: Mapping[str, int]) -> dict[str, Any]:
    """Return the rows of the accounts with what follows from them, as the module returns it.

    Args:
        counts: how many accounts each platform has.
    """
    by_platform = {name: [row for row in rows if row["platform"] == name] for name in wanted}
    platforms = {name: of_platform(found, counts[name]) for name, found in by_platform.items()}
    reachable = any(row["answered"] for row in rows)
    first = next(iter(platforms.values()))
    told = {name: None if reachable else first[name] for name in ("cause", "message", "hint")}
    shown = ("platform", "account", "name", "verdict")
    return {
        "reachable": reachable,
        **told,
        "all_ok": all(platform["verdict"] == OK for platform in platforms.values()),
        "platforms": platforms,
        "accounts": [{name: value for name, value in row.items() if name != "answered"} for row in rows],
        "limited": [name for name in wanted if LIMITED.intersection(platforms[name]["by_verdict"])],
        "reauthorize": [{name: row[name] for name in shown} for row in rows if row["verdict"] in REAUTHORIZE],
        "unproven": [
            name for name in wanted if not by_platform[name] or UNPROVEN.intersection(platforms[name]["by_verdict"])
        ],
    }
