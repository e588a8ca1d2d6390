# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules that read metrics and rows, compute a budget and set a Secret's key, in good and in bad ways.

Nobody listens at any of these addresses, and the secrets are such as nobody has.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    return _prometheus() | _sql() | _secret_key() | _budget()


def _prometheus() -> dict[str, Case]:
    module = "prometheus_query"
    login = {"prometheus_username": "ops", "prometheus_password": CANARY}
    queries = {"up": "up", "ratio": {"query": "a / b", "range": {"window_s": 60, "step_s": 60}, "limit": 1}}
    down = {"prometheus_url": "http://127.0.0.1:1", **login, "queries": queries, "job": "backend"}
    return {
        "metrics of nobody": (module, down, False),
        "metrics of nobody in check mode": (module, down, True),
        "metrics without an address": (module, {"queries": queries}, False),
        "metrics of an address that makes no sense": (module, {**down, "prometheus_url": f"ftp://{CANARY}"}, False),
        "metrics with a query that makes no sense": (module, {**down, "queries": {"a": {"min": 1}}}, False),
        "metrics with its secret in a wrong place": (module, {**down, "prometheus_username": CANARY}, False),
        "metrics with a wrong type": (module, {**down, "max_series": "many"}, False),
        "metrics with an unknown option": (module, {**down, "colour": CANARY}, False),
    }


def _sql() -> dict[str, Case]:
    module = "sql_query"
    down = {
        "login_host": "127.0.0.1",
        "login_port": 1,
        "login_user": "ops",
        "login_password": CANARY,
        "query": "SELECT id FROM payments WHERE id = ANY(%(ids)s)",
        "args": {"ids": [1, 2]},
    }
    return {
        "rows of nobody": (module, down, False),
        "rows of nobody in check mode": (module, down, True),
        "rows by a query that acts": (module, {**down, "query": "SELECT pg_terminate_backend(1)"}, False),
        "rows with a malformed connection string": (
            module,
            {"login_dsn": f"postgresql://ops:{CANARY}@[nonsense", "query": "SELECT 1"},
            False,
        ),
        "rows with a wrong type": (module, {**down, "max_rows": "many"}, False),
        "rows with an unknown option": (module, {**down, "colour": CANARY}, False),
    }


def _secret_key() -> dict[str, Case]:
    module = "k8s_secret_key"
    down = {
        "host": "https://127.0.0.1:1",
        "api_key": CANARY,
        "namespace": "brandconnect",
        "name": "stripe-keys",
        "key": "STRIPE_SECRET_KEY",
        "value": f"{CANARY}!",
    }
    return {
        "key without a cluster": (module, down, False),
        "key in check mode": (module, down, True),
        "key that makes no sense": (module, {**down, "key": "a/b"}, False),
        "key with its secret in a wrong place": (module, {**down, "key": CANARY}, False),
        "key with an unknown option": (module, {**down, "colour": CANARY}, False),
    }


def _budget() -> dict[str, Case]:
    module, given = "stripe_rate_budget", {"replicas": 4, "surge": "25%", "current": "100"}
    return {
        "rate": (module, given, False),
        "rate in check mode": (module, given, True),
        "rate of pods that nobody knows": (module, {"current": 100}, False),
        "rate with a share that makes no sense": (module, {**given, "headroom": 2}, False),
        "rate with a wrong type": (module, {**given, "replicas": "many"}, False),
        "rate with an unknown option": (module, {**given, "colour": "red"}, False),
    }
