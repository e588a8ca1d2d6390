# SPDX-License-Identifier: GPL-3.0-or-later
"""What the systems say of logging in, as auth_cause takes it: well, and broken in each way."""

from __future__ import annotations

from typing import Any

from modules.k8s_support import run_module

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause import CAUSES
from ansible_collections.brandconnect.incidents.plugins.modules.auth_cause import SPEC

Json = dict[str, Any]

RIGHT, OTHER = "9f86d081884c", "60303ae22b99"


def probe(verdict: str = "ok", **clock: Any) -> Json:
    wrong = {"date_skew_s": 0.1, "issued_skew_s": 0.1, "wrong": False, **clock}
    return {"reachable": True, "verdict": verdict, "reason": f"the probe says {verdict}", "clock": wrong}


def redis(**changes: Any) -> Json:
    return {
        "reachable": True,
        "authenticated": True,
        "cause": None,
        "message": None,
        "role": "master",
        "loading": {"active": False, "percent": None},
        "persistence": {"aof_enabled": True, "aof_last_write_ok": True, "aof_rewrite_in_progress": False},
        "keys": 12,
        "writes": {"verdict": "accepted", "reasons": [], "doubts": []},
        **changes,
    }


def refuses(cause: str, **changes: Any) -> Json:
    reasons = [{"cause": cause, "message": f"it says {cause}"}]
    return redis(writes={"verdict": "refused", "reasons": reasons, "doubts": []}, **changes)


def silent(cause: str) -> Json:
    return {"reachable": False, "cause": cause, "message": f"{cause}, says the network"}


def says_no(cause: str) -> Json:
    return {"reachable": True, "authenticated": False, "cause": cause, "message": f"{cause.upper()} no"}


def pods(name: str, ready: int, replicas: int, **container: Any) -> Json:
    listed = [
        {
            "name": f"{name}-{number}",
            "ready": number < ready,
            "containers": [
                {
                    "name": name,
                    "reason": None,
                    "state": "running",
                    "restarts": 0,
                    **(container if number >= ready else {}),
                }
            ],
        }
        for number in range(replicas)
    ]
    return {"reachable": True, "workload": {"replicas": replicas}, "pods_ready": ready, "pods": listed}


def key(fingerprint: str | None = RIGHT, *, older: int = 0, **changes: Any) -> Json:
    facts = {"exists": fingerprint is not None, "empty": False, "fingerprint": fingerprint, **changes}
    stale = [{"name": f"backend-{number}", "started_at": "2026-11-24T15:00:00Z"} for number in range(older)]
    return {"reachable": True, "exists": True, "keys": {"JWT_SECRET": facts}, "pods_older": stale, "immutable": False}


def vault(fingerprint: str = RIGHT, **changes: Any) -> Json:
    versions = [{"version": 3, "fingerprint": fingerprint}, {"version": 2, "fingerprint": OTHER}]
    facts = {"exists": True, "empty": False, "fingerprint": fingerprint}
    return {
        "reachable": True,
        "state": "present",
        "version": 3,
        "keys": {"JWT_SECRET": facts},
        "versions": versions,
        **changes,
    }


def logs(**counts: int) -> Json:
    classes = {name: {"count": count} for name, count in counts.items()}
    return {"reachable": True, "pods_total": 2, "pods_read": 2, "pods_unread": [], "truncated": [], "classes": classes}


def healthy(**changes: Any) -> Json:
    return {
        "probe": probe(),
        "redis": redis(),
        "redis_workload": pods("redis", 1, 1),
        "redis_secret": {"reachable": True, "exists": True, "pods_older": []},
        "vault": vault(),
        "secret": key(),
        "workload": pods("backend", 2, 2),
        "logs": logs(redis_refused=0),
        "postgres": {"reachable": True, "cause": None},
        **changes,
    }


def down(**changes: Any) -> Json:
    return healthy(**{"probe": probe("dependency"), **changes})


def why(given: Json) -> Json:
    found = run_module(SPEC, given)
    assert not found.get("failed"), found
    assert found["cause"] in CAUSES
    assert found["changed"] is False
    return found
