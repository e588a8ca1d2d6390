# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of latency and capacity, in good and in bad ways.

Nobody listens at any of these addresses, and the secrets are such as nobody has.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    prometheus = {"prometheus_url": "https://127.0.0.1:1", "prometheus_token": "c4nary-token"}
    cluster = {"host": "https://127.0.0.1:1", "api_key": "c4nary-key", "namespace": "shop", "name": "backend"}
    act = {**cluster, "incident": "i1", "connection_budget": {"fits": True, "need": 1, "allowed": 9, "terms": []}}
    secret = {**prometheus, "prometheus_token": CANARY}
    slow = {"latency": {"reachable": True, "verdict": "slow", "reason": "slow", "total": {}}}
    return {
        "latency of nobody": ("api_latency", prometheus, False),
        "latency in check mode": ("api_latency", {**prometheus, "exclude_routes": ["/ws/*"]}, True),
        "latency of a metric that makes no sense": ("api_latency", {**secret, "metric": CANARY}, False),
        "latency with an unknown option": ("api_latency", {**secret, "colour": CANARY}, False),
        "growth of nobody": ("k8s_hpa", cluster, False),
        "growth of a kind that is none": ("k8s_hpa", {**cluster, "kind": "Pod"}, False),
        "more pods of nobody in check mode": ("k8s_scale", act, True),
        "more pods than may be": ("k8s_scale", {**act, "step": 11}, False),
        "more pods without an incident": ("k8s_scale", cluster, False),
        "cause of nothing known": ("latency_cause", {}, False),
        "cause that is not known in check mode": ("latency_cause", slow, True),
        "cause with a share that makes no sense": ("latency_cause", {**slow, "part_share": 2}, False),
    }
