# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How a rollout replaces pods: with extra ones or without, and what is put back afterwards. Pure, no I/O.

The strategy that a rollout sets for its own time stands next to the one before it, in an annotation that is written
by the same patch. So a run that is killed in between leaves behind what has to be put back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.connection_budget import surge_pods
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    PREVIOUS_STRATEGY,
    Json,
    Wish,
    World,
    annotations_of,
)

NO_SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
DEFAULT_SURGE = "25%"


@dataclass(frozen=True)
class StrategyPlan:
    """What becomes of the strategy.

    Attributes:
        now: what the patch sets; ``None`` where it leaves it alone.
        afterwards: what is put back when the rollout has ended; ``None`` for nothing.
        left_over: what an earlier rollout was to put back and did not.
    """

    now: Json | None = None
    afterwards: Json | None = None
    left_over: Json | None = None


def plan_strategy(world: World, wish: Wish) -> StrategyPlan:
    """Decide what becomes of the strategy in this rollout."""
    left = left_over(world)
    if wish.surge != "none" or wish.action in {"scale", "put_back"}:
        return StrategyPlan(left, None, left)
    if left:  # it is without extra pods already
        return StrategyPlan(None, left, left)
    return StrategyPlan(NO_SURGE, world.strategy()) if surge_now(world) else StrategyPlan()


def left_over(world: World) -> Json | None:
    """The strategy from before a rollout that was cut off; ``None`` when there is none, or another was set since."""
    try:
        previous = json.loads(annotations_of(world.workload).get(PREVIOUS_STRATEGY) or "null")
    except ValueError:
        return None
    if not isinstance(previous, dict) or world.strategy() != NO_SURGE:
        return None
    return previous


def annotation(world: World, strategy: Mapping[str, Any] | None) -> dict[str, str | None]:
    """What to write into the annotations with a *strategy*: the one before it, or nothing any more.

    Args:
        strategy: what the patch sets; ``None`` where it leaves it alone.
    """
    if strategy == NO_SURGE:
        return {PREVIOUS_STRATEGY: json.dumps(world.strategy(), sort_keys=True)}
    if strategy is None and left_over(world):
        return {}
    return {PREVIOUS_STRATEGY: None} if PREVIOUS_STRATEGY in annotations_of(world.workload) else {}


def surge_now(world: World) -> int:
    """Pods that a rollout starts before it ends old ones. Only a Deployment does so, if it rolls at all."""
    strategy = world.strategy()
    if world.kind != "Deployment" or strategy.get("type") == "Recreate":
        return 0
    surge = (strategy.get("rollingUpdate") or {}).get("maxSurge", DEFAULT_SURGE)
    return surge_pods(surge, world.replicas or 0) or 0


def strategy_text(strategy: Mapping[str, Any]) -> str:
    """The strategy's numbers, ``maxSurge 25%, maxUnavailable 25%``."""
    rolling = strategy.get("rollingUpdate") or {}
    return ", ".join(f"{key} {value}" for key, value in sorted(rolling.items())) or "the defaults"


def caveats(world: World, wish: Wish) -> list[str]:
    """What a person should know of the strategy before approving, in sentences."""
    plan = plan_strategy(world, wish)
    found = []
    if plan.left_over:
        found.append(
            f"{world.text} still has maxSurge 0 of a rollout that was cut off; "
            f"{strategy_text(plan.left_over)} is put back"
        )
    elif plan.afterwards:
        found.append(
            f"{world.text} has maxSurge 0 and maxUnavailable 1 until the rollout has ended; "
            f"then {strategy_text(plan.afterwards)} is put back"
        )
    if wish.action in {"scale", "put_back"}:
        return found
    surge = 0 if plan.afterwards else surge_now(world)
    if surge:
        found.append(f"up to {surge} extra pods open their connections before old ones close theirs")
    if world.replicas == 1 and not surge:
        found.append("there is only one pod, so requests fail until the new one is ready")
    return found
