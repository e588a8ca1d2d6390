# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What latency_cause tells beside the cause: evidence, gaps, and what is against a remedy. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INPUTS = ("latency", "statements", "activity", "hpa", "top", "workload", "connection_budget")
Json = dict[str, Any]
Given = Mapping[str, Mapping[str, Any]]


def answered(given: Given, name: str) -> Mapping[str, Any]:
    """Return a result, or nothing when its system did not answer."""
    result = given.get(name) or {}
    if name == "connection_budget":
        return result if result.get("fits") is not None else {}
    return result if result.get("reachable") else {}


def objection(given: Given, cause: str) -> str | None:
    """Return why what would help must not be done now."""
    if cause not in {"capacity", "pool"}:
        return None
    result = given.get("connection_budget") or {}
    if result.get("fits") is None:
        return f"the connection budget is not known: {result.get('reason') or 'not asked'}"
    if result["fits"] is False:
        return f"the connections do not fit as it is: {result.get('reason')}"
    if cause == "pool" and not _may_grow(result):
        return f"no larger pool fits the connections: {result.get('reason')}"
    return None


def _may_grow(budget: Mapping[str, Any]) -> bool:
    largest = budget.get("largest_fitting") or {}
    sizes = [(term["pool_max"], largest.get(term["name"])) for term in budget.get("terms") or [] if "pool_max" in term]
    return not sizes or any(now is not None and most is not None and most > now for now, most in sizes)


def evidence(given: Given, database_share: float | None) -> list[Json]:
    """Return what was read, each with its source."""
    latency, hpa = answered(given, "latency"), answered(given, "hpa")
    found: list[Json] = []
    if latency:
        found.append(
            {
                "source": "latency",
                "verdict": latency.get("verdict"),
                "p95_ms": (latency.get("total") or {}).get("p95_ms"),
                "slow_routes": list(latency.get("slow_routes") or [])[:5],
            }
        )
    if database_share is not None:
        found.append({"source": "database", "share": round(database_share, 4)})
    if statements := answered(given, "statements").get("statements"):
        found.append(
            {"source": "statements", "query_id": statements[0].get("query_id"), "share": statements[0].get("share")}
        )
    if hpa:
        found.append({"source": "hpa", "verdict": hpa.get("verdict")})
    if activity := answered(given, "activity"):
        blocked = len((activity.get("blocking") or {}).get("blocked") or [])
        found.append(
            {"source": "activity", "blocked": blocked, "slots": (activity.get("slots") or {}).get("used_ratio")}
        )
    return found


def gaps(given: Given) -> list[str]:
    """Return what is not known."""
    found = []
    for name in INPUTS:
        result = given.get(name) or {}
        if name == "statements" and not result and (given.get("latency") or {}).get("verdict") == "ok":
            continue  # they are sampled only where something takes time
        if not answered(given, name):
            said = result.get("message") or result.get("reason") or "not asked"
            found.append(f"{name}: {said}")
        else:
            found += [f"{name}: {said}" for said in _incomplete(result)]
    if (statistics := answered(given, "statements").get("statistics") or {}).get("available") is False:
        found.append(f"statements: {statistics.get('cause')}, {statistics.get('hint')}")
    found += [f"latency: {gap}" for gap in answered(given, "latency").get("gaps") or []]
    return found


def _incomplete(result: Mapping[str, Any]) -> list[str]:
    """What a system that answered has not told."""
    found = [f"{part.get('part')} could not be read: {part.get('message')}" for part in result.get("unknown") or []]
    if result.get("cause") and not result.get("gaps"):
        found.append(str(result.get("message") or result["cause"]))
    if (visibility := result.get("visibility") or {}).get("sees_all") is False:
        found.append(str(visibility.get("reason") or "the login does not see all sessions"))
    return found
