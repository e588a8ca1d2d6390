# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections are exhausted, from what PostgreSQL shows and what applications logged."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exhaustion import KINDS, exhaustion_kind


def server(ratio: float = 0.2, **changes: Any) -> dict[str, Any]:
    slots = {"used": round(ratio * 97), "usable": 97, "used_ratio": ratio, "limits": []}
    return {"reachable": True, "cause": None, "message": None, "slots": slots} | changes


def down(cause: str) -> dict[str, Any]:
    return {"reachable": False, "cause": cause, "message": f"it says {cause}", "slots": None}


def logs(**counts: int) -> dict[str, Any]:
    classes = {name: {"count": count} for name, count in counts.items()}
    return {"reachable": True, "pods_total": 2, "pods_read": 2, "pods_unread": [], "truncated": [], "classes": classes}


LIMIT = [{"kind": "role", "name": "app", "limit": 5, "used": 5, "exhausted": True}]


@pytest.mark.parametrize(
    ("activity", "log", "kind", "cause", "current"),
    [
        # what PostgreSQL shows now
        (server(0.99), logs(), "server_slots", "server_slots_exhausted", True),
        (server(0.95), logs(), "server_slots", "server_slots_exhausted", True),
        (server(0.99), logs(app_pool=9, refused=9), "server_slots", "server_slots_exhausted", True),
        (down("server_slots_exhausted"), logs(), "server_slots", "server_slots_exhausted", True),
        (server(0.2, cause="server_slots_exhausted"), logs(), "server_slots", "server_slots_exhausted", True),
        (server(slots={**server()["slots"], "limits": LIMIT}), logs(), "server_slots", "role_slots_exhausted", True),
        (down("pooler_exhausted"), logs(), "pgbouncer", "pooler_exhausted", True),
        (down("refused"), logs(app_pool=9, server_slots=9), "not_exhaustion", "refused", True),
        (down("in_recovery"), logs(), "not_exhaustion", "in_recovery", True),
        (down("disk_full"), logs(), "not_exhaustion", "disk_full", True),
        # our own login failing says nothing of the application
        (down("auth"), logs(), "unknown", None, None),
        (down("dns"), logs(), "unknown", None, None),
        (down("timeout"), logs(app_pool=9), "unknown", None, None),
        (down("auth"), logs(server_slots=1), "server_slots", "server_slots_exhausted", None),
        # what applications logged
        (server(), logs(server_slots=3), "server_slots", "server_slots_exhausted", False),
        (server(), logs(app_pool=3), "app_pool", "pool_timeout", None),
        (server(), logs(pgbouncer=1, app_pool=8), "pgbouncer", "pooler_exhausted", None),
        (server(), logs(refused=5, app_pool=5), "not_exhaustion", "refused", None),
        (server(), logs(refused=1, app_pool=50), "app_pool", "pool_timeout", None),
        (server(), logs(dns=2, auth=7), "not_exhaustion", "auth", None),
        (server(), logs(), "none", None, None),
        (server(), logs(something_else=9), "none", None, None),
        # what was not read
        (server(), None, "unknown", None, None),
        (server(), {**logs(), "pods_read": 1}, "unknown", None, None),
        (server(), {**logs(), "pods_total": 0, "pods_read": 0}, "unknown", None, None),
        (server(), {**logs(), "truncated": [{"pod": "a"}]}, "unknown", None, None),
        (server(), {**logs(), "reachable": False, "message": "no"}, "unknown", None, None),
        (server(slots=None), logs(), "unknown", None, None),
        (None, logs(), "unknown", None, None),
        ({}, logs(app_pool=1), "unknown", None, None),
    ],
)
def test_kinds(activity: Any, log: Any, kind: str, cause: str | None, current: bool | None) -> None:
    result = exhaustion_kind(activity, [] if log is None else [log], 0.95)
    assert (result["kind"], result["cause"], result["current"]) == (kind, cause, current)
    assert kind in KINDS
    assert result["reason"]


def test_a_gap_is_named() -> None:
    result = exhaustion_kind(server(), [{**logs(), "pods_read": 1}], 0.95)
    assert result["gaps"] == ["logs of 1 of 2 pods were read"]
    assert "logs of 1 of 2 pods were read" in result["reason"]


def test_evidence_names_what_was_seen() -> None:
    result = exhaustion_kind(server(), [logs(app_pool=2), logs(app_pool=3, refused=1)], 0.95)
    assert result["evidence"] == [
        {"source": "postgres", "reachable": True, "cause": None, "used_ratio": 0.2},
        {"source": "logs", "class": "app_pool", "lines": 5},
        {"source": "logs", "class": "refused", "lines": 1},
    ]


def test_a_limit_of_nought_locks_somebody_out_on_purpose() -> None:
    nought = [{"kind": "role", "name": "old", "limit": 0, "used": 0, "exhausted": True}]
    result = exhaustion_kind(server(slots={**server()["slots"], "limits": nought}), [logs()], 0.95)
    assert result["kind"] == "none"
