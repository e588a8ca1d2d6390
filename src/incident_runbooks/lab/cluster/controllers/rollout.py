# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of a rolling update: how many replicas each ReplicaSet shall have next. Pure.

Source: pkg/controller/deployment/rolling.go and util/deployment_util.go.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"


@dataclass(frozen=True)
class Bounds:
    """How far a rolling update may go from the wanted number.

    Attributes:
        replicas: wanted.
        surge: how many more there may be.
        unavailable: how many fewer may be available.
    """

    replicas: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        """How many there may be at most."""
        return self.replicas + self.surge

    @property
    def fewest_available(self) -> int:
        """How many must stay available."""
        return max(0, self.replicas - self.unavailable)


def bounds(deployment: Json) -> Bounds:
    """Return the bounds of a Deployment; a percentage of surge is rounded up, of unavailable down, and never both 0."""
    spec = deployment["spec"]
    replicas = int(spec.get("replicas", 1))
    if not is_rolling(deployment):
        return Bounds(replicas, 0, 0)
    limits = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    surge = scaled(limits.get("maxSurge", "25%"), replicas, up=True)
    unavailable = scaled(limits.get("maxUnavailable", "25%"), replicas, up=False)
    return Bounds(replicas, surge, min(replicas, unavailable if surge or unavailable else 1))


def is_rolling(deployment: Json) -> bool:
    """Whether its strategy is RollingUpdate, which is the default."""
    return bool((deployment["spec"].get("strategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """Return a number, or a percentage of *total* rounded up or down."""
    if isinstance(value, int):
        return value
    if not value.endswith("%"):
        return int(value)
    exact = int(value[:-1]) * total / 100
    return math.ceil(exact) if up else math.floor(exact)


def new_size(limit: Bounds, new: int, total: int) -> int:
    """Return the size of the new set.

    Args:
        limit: of the Deployment.
        new: its present size.
        total: sizes of all sets.
    """
    if new >= limit.replicas:
        return limit.replicas
    return new + max(0, min(limit.most - total, limit.replicas - new))


@dataclass(frozen=True)
class Size:
    """A ReplicaSet, as the arithmetic sees it.

    Attributes:
        name: its name.
        wanted: replicas in its spec.
        available: replicas that are available.
    """

    name: str
    wanted: int
    available: int


def old_sizes(limit: Bounds, new: Size | None, old: Sequence[Size]) -> dict[str, int]:
    """Return which old sets to make smaller, and how small.

    First those replicas go that are not available anyway, then as many others as the bounds allow.

    Args:
        limit: of the Deployment.
        new: the new set.
        old: the old ones, the oldest first.
    """
    every = [*old, *([new] if new else [])]
    new_unavailable = new.wanted - new.available if new else 0
    removable = sum(each.wanted for each in every) - limit.fewest_available - new_unavailable
    if removable <= 0:
        return {}
    sizes = {each.name: each.wanted for each in old}
    for each in old:
        unhealthy = min(removable, max(0, each.wanted - each.available))
        sizes[each.name] -= unhealthy
        removable -= unhealthy
    spare = min(sum(each.available for each in every) - limit.fewest_available, removable)
    for each in old:
        if spare <= 0:
            break
        taken = min(sizes[each.name], spare)
        sizes[each.name] -= taken
        spare -= taken
    return {each.name: sizes[each.name] for each in old if sizes[each.name] != each.wanted}


def proportional_sizes(limit: Bounds, sets: Sequence[Json]) -> dict[str, int]:
    """Return the sizes of the active sets when a Deployment is scaled in the midst of a rollout.

    Args:
        limit: of the Deployment.
        sets: the active ReplicaSets, the newest first.
    """
    sizes = {each["metadata"]["name"]: int(each["spec"]["replicas"]) for each in sets}
    allowed = limit.most if limit.replicas > 0 else 0
    left = allowed - sum(sizes.values())
    if not left:
        return {}
    ordered = sorted(sets, key=lambda each: -sizes[each["metadata"]["name"]])
    for each in ordered:
        name = each["metadata"]["name"]
        had = int((each["metadata"].get("annotations") or {}).get(MAXIMUM) or 0) or sum(sizes.values())
        share = round(int(each["spec"]["replicas"]) * allowed / had) - int(each["spec"]["replicas"])
        share = min(share, left) if left > 0 else max(share, left) if left < 0 else 0
        sizes[name] = max(0, sizes[name] + share)
        left -= share
    if ordered and left:
        first = ordered[0]["metadata"]["name"]
        sizes[first] = max(0, sizes[first] + left)
    return sizes
