# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How the metric worker is told to ingest, and what would make it ask less often. Pure, no I/O.

It is told by two environment variables: an interval in seconds, and a list with commas of platforms that it leaves out.
What is not known is never overwritten, since it could not be put back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.social import PLATFORMS

Json = Mapping[str, Any]

ALL, LIMITED = "all", "limited"  # instead of the name of a platform
INTERVAL_S = (300, 21600)  # least and most that is set
_NUMBER = re.compile(r"^([0-9]+([.][0-9]+)?)?$")


@dataclass(frozen=True)
class Variables:
    """The names of the worker's variables.

    Attributes:
        interval: seconds between two ingestions.
        paused: platforms that are left out.
    """

    interval: str = "METRIC_INGESTION_INTERVAL"
    paused: str = "METRIC_PAUSED_PLATFORMS"


@dataclass(frozen=True)
class Settings:
    """How the worker is told to ingest, as far as it is shown.

    Attributes:
        names: of its variables.
        interval_s: seconds; 0 where it is not told, so that its own default counts, or where that is no number.
        paused: sorted.
        unread: variables whose present value is not known, or is no number.
    """

    names: Variables
    interval_s: float
    paused: Sequence[str]
    unread: Sequence[str]

    def plain(self) -> dict[str, Any]:
        """The settings as JSON data."""
        return {"interval_s": self.interval_s, "paused": list(self.paused), "unread": list(self.unread)}


@dataclass(frozen=True)
class Wish:
    """What is to be slowed down.

    Attributes:
        platform: which one is to be paused; ``limited`` for those that limit us, ``all`` to ask all of them less often.
        interval_s: seconds between two ingestions where all of them are asked less often.
    """

    platform: str = LIMITED
    interval_s: int = 3600


def read_settings(worker: Json, names: Variables) -> Settings:
    """Return how the worker is told to ingest.

    Args:
        worker: the result of k8s_workload; empty where it was not asked.
        names: of its variables.
    """
    shown = {
        each.get("name"): str(each.get("value") or "")
        for each in worker.get("env") or ()
        if each.get("effective") and each.get("shown")
    }
    text = shown.get(names.interval, "")
    number = _NUMBER.match(text) is not None
    paused = {each.strip() for each in shown.get(names.paused, "").split(",")} - {""}
    unread = {name: _unread(worker, name) for name in (names.interval, names.paused)}
    unread[names.interval] |= not number
    return Settings(
        names=names,
        interval_s=float(text) if number and text else 0.0,
        paused=sorted(paused),
        unread=[name for name, so in unread.items() if so],
    )


def _unread(worker: Json, name: str) -> bool:
    """Whether the present value of a variable is not known.

    So it is where the worker or a ConfigMap could not be read, where a definition that may count is not shown, where
    containers have one each, or where a Secret whose keys nobody has read may define it.
    """
    if not worker.get("workload") or _config_map_unread(worker):
        return True
    own = [each for each in worker.get("env") or () if each.get("name") == name and each.get("effective") is not False]
    if len(own) > 1 or any(each.get("effective") is None or not each.get("shown") for each in own):
        return True
    prefixes = [str(each.get("prefix") or "") for each in worker.get("env_from_secrets") or ()]
    return not own and any(name.startswith(prefix) for prefix in prefixes)


def _config_map_unread(worker: Json) -> bool:
    unknown = any(str(each.get("part")).startswith("configmap") for each in worker.get("unknown") or ())
    return unknown or any(each.get("resource") == "configmaps" for each in worker.get("denied") or ())


def platforms_there(social: Json) -> list[str]:
    """Return the platforms that have accounts; one that was not asked may have some.

    Args:
        social: the result of social_probe; empty where it was not asked.
    """
    shown = social.get("platforms") or {}
    return [name for name in PLATFORMS if (shown.get(name) or {}).get("accounts") != 0]


def slowed(
    settings: Settings, limited: Sequence[str], wish: Wish, there: Collection[str] = PLATFORMS
) -> dict[str, Any]:
    """Return what slows ingestion down.

    One platform is paused where one limits us; where all that there are do, or are paused, all are asked less often.

    Args:
        settings: the present ones.
        limited: platforms that limit us.
        wish: what is to be slowed down.
        there: platforms that have accounts; without any, nothing is known of them.

    Returns:
        ``all`` whether all platforms are asked less often; ``platforms`` those to pause otherwise; ``sets`` the
        variables with their new values; ``unread`` those whose present value decides, or would be overwritten, and is
        not known; ``done`` whether it is so already; ``refusal`` why it must not be set, ``None`` where it may be.
    """
    every = wish.platform == ALL
    if wish.platform == LIMITED:
        every = set(there or PLATFORMS) <= {*limited, *settings.paused}
    pause = list(limited) if wish.platform == LIMITED else [wish.platform] if wish.platform != ALL else []
    names = settings.names
    sets = (
        {names.interval: str(wish.interval_s)}
        if every
        else {names.paused: ",".join(sorted({*settings.paused, *pause}))}
    )
    deciding = {*sets, *([names.paused] if wish.platform == LIMITED else [])}
    unread = [name for name in settings.unread if name in deciding]
    return {
        "all": every,
        "platforms": pause,
        "sets": sets,
        "unread": unread,
        "done": settings.interval_s >= wish.interval_s if every else set(pause) <= set(settings.paused),
        "refusal": _refusal(settings.interval_s, unread, wish.interval_s if every else None),
    }


def _refusal(present_s: float, unread: Sequence[str], wanted_s: int | None) -> str | None:
    """Why nothing must be set; *wanted_s* is ``None`` where the interval stays."""
    if unread:
        return f"the present value is not known: {', '.join(unread)}"
    if wanted_s is None:
        return None
    least, most = INTERVAL_S
    if not least <= wanted_s <= most:
        return f"an interval must be {least} to {most} s, and {wanted_s} s is none"
    if present_s > wanted_s:
        return f"the metric worker ingests every {present_s:g} s already, less often than every {wanted_s:g} s"
    return None


def can_sync(settings: Settings, serving: Collection[str], wanted: Collection[str]) -> bool:
    """Whether each of the *wanted* platforms serves us and is not paused on purpose.

    Args:
        settings: the present ones.
        serving: platforms that serve every account.
        wanted: platforms whose metrics are to be synced.
    """
    known = settings.names.paused not in settings.unread
    return known and set(wanted) <= set(serving) - set(settings.paused)
