# SPDX-License-Identifier: GPL-3.0-or-later
"""Why nobody can log in: one case for each row of the decision table of auth-down."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause import CAUSES
from support.auth_facts import (
    OTHER,
    RIGHT,
    down,
    healthy,
    key,
    logs,
    pods,
    probe,
    redis,
    refuses,
    says_no,
    silent,
    why,
)

Json = dict[str, Any]

# what is found -> cause, remedy, risk
ROWS: dict[str, tuple[Json, str, str | None, str]] = {
    "all is well": (healthy(), "none", None, "safe"),
    "anybody gets in": (down(probe=probe("wrong_password_accepted")), "password_not_checked", None, "safe"),
    "the database is away": (down(postgres=silent("refused"), logs=logs(database=9)), "database_down", None, "safe"),
    "Redis is scaled to 0": (
        down(redis=silent("refused"), redis_workload=pods("redis", 0, 0)),
        "redis_pod",
        None,
        "safe",
    ),
    "Redis runs out of memory": (
        down(redis=silent("refused"), redis_workload=pods("redis", 0, 1, last_termination={"reason": "OOMKilled"})),
        "redis_pod",
        None,
        "safe",
    ),
    "Redis' volume is not bound": (
        down(redis=silent("refused"), redis_workload=pods("redis", 0, 1, reason="ContainerCreating")),
        "redis_pod",
        None,
        "safe",
    ),
    "Redis hangs and is not ready": (
        down(redis=silent("timeout"), redis_workload=pods("redis", 0, 1)),
        "redis_pod",
        "restart_redis",
        "destructive",
    ),
    "Redis hangs": (
        down(redis=silent("timeout"), logs=logs(redis_refused=7)),
        "redis_unreachable",
        "restart_redis",
        "destructive",
    ),
    "Redis does not answer us": (down(redis=silent("timeout")), "redis_unreachable", None, "safe"),
    "Redis' Service leads nowhere": (down(redis=silent("refused")), "redis_unreachable", None, "safe"),
    "only the API does not reach Redis": (down(logs=logs(redis_refused=7)), "redis_unreachable", None, "safe"),
    "Redis reads its data": (
        down(redis=redis(loading={"active": True, "percent": 42.0}, cause="loading")),
        "redis_loading",
        None,
        "safe",
    ),
    "Redis wants another password": (
        down(redis=says_no("wrongpass"), logs=logs(redis_auth=4)),
        "redis_auth",
        None,
        "safe",
    ),
    "pods have an older password of Redis": (
        down(
            logs=logs(redis_auth=4),
            redis_secret={"reachable": True, "exists": True, "pods_older": [{"name": "backend-0"}]},
        ),
        "redis_auth",
        "restart_auth",
        "disruptive",
    ),
    "Redis is a replica": (down(redis=refuses("readonly", role="replica")), "redis_replica", None, "safe"),
    "Redis cannot save": (down(redis=refuses("misconf")), "redis_persistence_failing", None, "safe"),
    "Redis is full": (down(redis=refuses("oom")), "redis_memory", None, "safe"),
    "the key is gone, and Vault has it": (
        down(secret=key(None), expected_fingerprint=RIGHT),
        "jwt_key_missing",
        "restore_jwt_secret",
        "destructive",
    ),
    "the key is gone, and nobody knows which it was": (
        down(secret=key(None)),
        "jwt_key_missing",
        "restore_jwt_secret",
        "irreversible",
    ),
    "the Secret is gone": (
        down(secret={"reachable": True, "exists": False, "cause": "not_found", "keys": {}}),
        "jwt_key_missing",
        None,
        "safe",
    ),
    "the key is empty": (
        healthy(secret=key(OTHER, empty=True), expected_fingerprint=RIGHT),
        "jwt_key_missing",
        "restore_jwt_secret",
        "destructive",
    ),
    "the key is another one": (
        healthy(secret=key(OTHER), probe=probe("token_rejected"), logs=logs(jwt_invalid=30)),
        "jwt_key_differs",
        "restore_jwt_secret",
        "irreversible",
    ),
    "pods are older than the key": (
        healthy(secret=key(older=1), probe=probe("stale_replica")),
        "jwt_stale",
        "restart_auth",
        "disruptive",
    ),
    "pods are older than the Secret, and nobody is kept out": (
        healthy(secret=key(older=2)),
        "jwt_stale",
        None,
        "safe",
    ),
    "one replica refuses": (healthy(probe=probe("stale_replica")), "jwt_stale", "restart_auth", "disruptive"),
    "clocks are apart": (
        healthy(probe=probe("stale_replica", issued_skew_s=600.0, wrong=True), logs=logs(clock=5)),
        "clock_skew",
        None,
        "safe",
    ),
    "too many logins": (healthy(probe=probe("rate_limited")), "rate_limited", None, "safe"),
    "a storm of logins": (healthy(logs=logs(rate_limit=80)), "rate_limited", None, "safe"),
    "no pod is ready": (
        healthy(probe=probe("unreachable"), workload=pods("backend", 0, 2, reason="CrashLoopBackOff")),
        "backend_down",
        None,
        "safe",
    ),
    "the edge": (healthy(probe=probe("unreachable")), "unreachable", None, "safe"),
    "something else": (down(), "dependency", None, "safe"),
    "nothing was asked": ({}, "unknown", None, "safe"),
}


@pytest.mark.parametrize(("given", "cause", "remedy", "risk"), ROWS.values(), ids=ROWS)
def test_rows(given: Json, cause: str, remedy: str | None, risk: str) -> None:
    found = why(given)
    assert (found["cause"], found["remedy"], found["risk"]) == (cause, remedy, risk), found
    assert (found["remedy"] is None) or found["objection"] is None
    assert (found["next_step"] is None) is (remedy is not None or cause == "none"), found


def test_every_cause_has_a_row() -> None:
    assert {cause for _, cause, _, _ in ROWS.values()} == set(CAUSES)


@pytest.mark.parametrize("missing", sorted(set(healthy()) - {"redis_secret"}))
def test_what_is_not_known_is_never_well(missing: str) -> None:
    for instead in ({}, silent("timeout")):
        found = why(healthy(**{missing: instead}))
        assert found["cause"] == "unknown", found
        assert found["remedy"] is None
        assert found["gaps"]
