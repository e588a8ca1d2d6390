# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How many requests a second each process may send, so that all of them together stay below an account's limit.

    per process = floor(account_rps x headroom / (pods at most x processes per pod)), at least 1

A client-side limit holds in each process of each pod, so what counts is the most pods that there can be: the
autoscaler's maximum plus the surge of a rollout. A number that is not known makes the answer unknown; it is never
guessed. Stripe allows 100 requests a second in live mode, 25 in a sandbox, and 25 for each endpoint by default
(https://docs.stripe.com/rate-limits). Pure, no I/O.
"""

from __future__ import annotations

import math
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.connection_budget import (
    surge_pods,
    whole_number,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

_ATTEMPTED = "Computing the rate budget"
LEAST = 1  # a limiter of 0 would send nothing at all
DIGITS = 6  # floor(14.999999999999998) would be wrong by bad luck

Json = dict[str, Any]


def rate_budget(
    account_rps: int,
    headroom: float,
    replicas: Any,
    surge: Any,
    *,
    max_replicas: Any = None,
    processes_per_pod: int = 1,
    current: Any = None,
) -> Json:
    """Return the budget.

    Args:
        account_rps: requests a second that the account may send.
        headroom: share of them that all processes together may use, above 0 and up to 1.
        replicas: pods that are wanted now; ``None`` when it is not known.
        surge: pods that a rollout may add, or a percentage; ``None`` when it is not known.
        max_replicas: maximum of the autoscaler; ``None`` without one.
        processes_per_pod: processes in each pod that have a limiter of their own.
        current: the limit that each process has now, as a number or its text; ``None`` when it is not known.

    Returns:
        See the documentation of the module ``stripe_rate_budget``.

    Raises:
        IncidentsError: a number makes no sense.
    """
    _check(account_rps, headroom, processes_per_pod)
    allowed = round(account_rps * headroom, DIGITS)
    now = whole_number(replicas)
    most = max((number for number in (now, whole_number(max_replicas)) if number is not None), default=None)
    extra = None if most is None else surge_pods(surge, most)
    result: Json = {
        "allowed": allowed,
        "per_pod": None,
        "pods_at_most": None,
        "effective_now": _times(current, now, processes_per_pod),
        "effective_at_most": None,
        "effective_after": None,
        "current": _rate(current),
        "fits": None,
        "lower": None,
        "arithmetic": None,
    }
    if most is None or extra is None:
        what = "how many pods there are" if most is None else "how many pods a rollout may add"
        return result | {"reason": f"the budget cannot be computed: {what} is not known"}
    return result | _computed(allowed, f"{account_rps} x {headroom:g}", (most, extra), processes_per_pod, current)


def _computed(allowed: float, allowed_text: str, pods: tuple[int, int], processes: int, current: Any) -> Json:
    most, extra = pods
    at_most = most + extra
    count = at_most * processes
    text = f"({most} + {extra})" if processes == 1 else f"(({most} + {extra}) x {processes})"
    if not count:
        return {"pods_at_most": 0, "fits": True, "reason": "there can be no pods, so nothing is sent"}
    share = math.floor(round(allowed / count, DIGITS))
    per_pod, rate = max(share, LEAST), _rate(current)
    used = None if rate is None else round(rate * count, DIGITS)
    fits = None if used is None else used <= allowed
    arithmetic = f"floor({allowed_text} / {text}) = {share}"
    return {
        "per_pod": per_pod,
        "pods_at_most": at_most,
        "effective_at_most": used,
        "effective_after": per_pod * count,
        "fits": fits,
        "lower": None if rate is None else rate > per_pod,
        "arithmetic": arithmetic,
        "reason": _reason(arithmetic, allowed, share, count, (rate, used)),
    }


def _reason(arithmetic: str, allowed: float, share: int, count: int, now: tuple[float | None, float | None]) -> str:
    rate, used = now
    text = arithmetic
    if share < LEAST:
        text += f"; even {LEAST} a second in each of {count} processes is more than {allowed:g}: use fewer pods"
    if rate is None or used is None:
        return f"{text}; the current limit is not known"
    comparison = "within" if used <= allowed else "above"
    return f"{text}; now {rate:g} x {count} = {used:g} a second at most, {comparison} {allowed:g}"


def _times(current: Any, pods: int | None, processes: int) -> float | None:
    rate = _rate(current)
    return None if rate is None or pods is None else round(rate * pods * processes, DIGITS)


def _rate(value: Any) -> float | None:
    """A number above 0 or its text, as it stands in an environment; else ``None``."""
    try:
        rate = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return rate if math.isfinite(rate) and rate > 0 else None


def _check(account_rps: int, headroom: float, processes_per_pod: int) -> None:
    if account_rps < 1:
        raise IncidentsError(f"{_ATTEMPTED}: account_rps must be 1 or more, not {account_rps}")
    if not 0 < headroom <= 1:  # also true of NaN
        raise IncidentsError(f"{_ATTEMPTED}: headroom is above 0 and up to 1, not {headroom:g}")
    if processes_per_pod < 1:
        raise IncidentsError(f"{_ATTEMPTED}: processes_per_pod must be 1 or more, not {processes_per_pod}")
