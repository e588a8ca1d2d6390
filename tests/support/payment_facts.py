# SPDX-License-Identifier: GPL-3.0-or-later
"""What a payment-failure diagnosis has seen, as the modules return it, for the tests of what it concludes."""

from __future__ import annotations

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_cause import (
    payment_cause,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_cause_facts import Limits

NOW = dt.datetime(2026, 11, 24, 15, 0, tzinfo=dt.UTC)
LIMITS = Limits(
    failure_ratio=0.05,
    min_events=20,
    min_lines=3,
    throttled_ratio=0.01,
    account_rps=25,
    slow_s=2,
    recent_s=300,
    burst_s=30,
)
PODS = ("a", "b")
RIGHT, WRONG = "0123456789ab", "ba9876543210"

Json = dict[str, Any]


def status(said: str = "ok", *, relevant: bool = False, **changes: Any) -> Json:
    return {"status": said, "affected_relevant": relevant, "fresh": True, "message": None} | changes


INCIDENT = status("down", relevant=True)
ELSEWHERE = status("degraded")
PAGE_UNKNOWN = status("unknown", cause="unreachable", message="no URL answered", fresh=False)


def api(cause: str | None = None, latency_s: float | None = 0.2, **changes: Any) -> Json:
    return {
        "reachable": cause in (None, "forbidden"),
        "cause": cause,
        "message": cause,
        "latency_s": latency_s,
    } | changes


def workload(pods: tuple[str, ...] = PODS, **changes: Any) -> Json:
    entries = [{"name": name, "deleting": False} for name in pods]
    return {"reachable": True, "pods_total": len(pods), "pods": entries, "message": None} | changes


def logs(age_s: float | None = 5, **classes: dict[str, int]) -> Json:
    last = (NOW - dt.timedelta(seconds=age_s)).isoformat() if age_s is not None else None
    found = {name: {"count": sum(pods.values()), "pods": pods, "last_at": last} for name, pods in classes.items()}
    return {"reachable": True, "pods_total": 2, "pods_read": 2, "pods_unread": [], "truncated": [], "classes": found}


ALL, ONE = {"a": 40, "b": 40}, {"b": 40}
CUT_OFF = {"truncated": [{"pod": "a"}]}


def stored_key(fingerprint: str = RIGHT, older: tuple[str, ...] = (), **changes: Any) -> Json:
    return {
        "reachable": True,
        "exists": True,
        "message": None,
        "unknown": [],
        "changed_at": "2026-11-24T14:00:00Z",
        "keys": {"STRIPE_SECRET_KEY": {"exists": True, "empty": False, "fingerprint": fingerprint}},
        "pods_older": [{"name": name, "started_at": "2026-11-24T12:00:00Z"} for name in older],
    } | changes


def metrics(ratio: float | None = 0.0, events: float | None = 200, **others: Any) -> Json:
    reasons, statuses = others.pop("reasons", {}), others.pop("statuses", {})
    values = {"failure_ratio": ratio, "events": events, "calls_per_s": 4.0, "throttled_ratio": 0.0} | others
    values = {"trouble_ratio": ratio} | values
    results = {
        name: {"status": "no_data" if value is None else "value", "value": value} for name, value in values.items()
    }
    series = [{"labels": {"reason": reason}, "value": count} for reason, count in reasons.items()]
    results["failed_by_reason"] = {"status": "value" if series else "no_data", "value": None, "series": series}
    series = [{"labels": {"status": status}, "value": count} for status, count in statuses.items()]
    results["calls_by_status"] = {"status": "value" if series else "no_data", "value": None, "series": series}
    return {"reachable": True, "message": None, "answers": results}


NO_METRICS: Json = {"reachable": False, "cause": "refused", "message": "connection refused", "answers": {}}
CLUSTER_DOWN: Json = {"reachable": False, "cause": "timeout", "message": "the API server did not answer"}
HEALTHY: Json = {
    "status": status(),
    "api": api(),
    "workload": workload(),
    "logs": logs(),
    "stored_key": stored_key(),
    "metrics": metrics(),
}


def judged(expected: str | None = RIGHT, **given: Any) -> Json:
    facts = HEALTHY | {"stored_key_name": "STRIPE_SECRET_KEY", "expected_fingerprint": expected} | given
    return payment_cause(facts, LIMITS, NOW)


def failing(reason: str, ratio: float = 0.9) -> Json:
    return metrics(ratio, reasons={reason: ratio * 200})


THROTTLED = metrics(0.4, throttled_ratio=0.4, calls_per_s=60.0, reasons={"rate_limit": 80.0})
