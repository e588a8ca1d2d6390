# SPDX-License-Identifier: GPL-3.0-or-later
"""What is found of late metrics, as the rules of the role ingestion_lag take it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modules.k8s_support import run_module

from ansible_collections.brandconnect.incidents.plugins.modules.ingestion_cause import SPEC

Json = dict[str, Any]

PLATFORMS = ["meta", "tiktok", "youtube"]
UNTIL = "2026-11-28T10:17:00.000000Z"
CAUSE: Json = {
    "cause": "none",
    "reason": "it is so",
    "also": [],
    "lagging": False,
    "lag_s": 1,
    "limited": [],
    "retry_at": None,
    "reauthorize": [],
    "platforms_ok": PLATFORMS,
    "evidence": [],
    "gaps": [],
    "notes": [],
}
LIMITED = {"cause": "rate_limited", "limited": ["meta"], "retry_at": UNTIL, "platforms_ok": ["tiktok", "youtube"]}
LATE = {"cause": "unknown", "lagging": True, "lag_s": 9000}
FULL = {"cause": "disk_full"}
STUCK = {"cause": "mutation_stuck"}
DISK: Json = {
    "reachable": True,
    "cause": None,
    "message": None,
    "hint": None,
    "used_ratio": 0.5,
    "disks": [{"name": "default", "total_bytes": 1000}],
    "freshness": [{"table": "metric_snapshots", "status": "value", "age_s": 5, "newest": UNTIL, "cause": None}],
}
KNOWN = {"workload": {"name": "metric-worker"}, "env": []}
SEEN: Json = {"workload": KNOWN, "logs": {}, "probe": {}, "disk": DISK, "parts": {}, "volume": {}}
AT_A_TIME = 11
LEFT = {"status": "planned", "targets": [{"kind": "log"}], "results": [{"kind": "log", "bytes": 60}]}
FEW = {"status": "planned", "targets": [{"kind": "log"}], "results": [{"kind": "log", "bytes": 40}]}
NONE = {"status": "nothing_to_do", "targets": []}
OLD = {"parts": {"eligible": {"partitions": 2, "rows": 10, "bytes": 500}}}
ARCHIVE = {"ingestion_lag_retention_days": 90, "ingestion_lag_archive_uri": "s3://bucket/old"}
DISCARD = {"ingestion_lag_retention_days": 90, "ingestion_lag_discard_without_archive": True}
KILL = {"ingestion_lag_kill_mutations": ["metric_snapshots/mutation_4.txt"]}


def told(cause: Json, seen: Json = {}, given: Json = {}) -> Json:  # noqa: B006 - read only
    """Return what ingestion_cause does of such a cause, with what it makes of the worker's settings and of the disk.

    Args:
        cause: what differs from CAUSE.
        seen: what differs from SEEN.
        given: inputs of the role.
    """
    known, found = CAUSE | cause, SEEN | seen
    verdicts = {name: "ok" if name in known["platforms_ok"] else "unknown" for name in PLATFORMS}
    verdicts |= dict.fromkeys(known["limited"], "rate_limited")
    sync = given.get("ingestion_lag_sync_platform")
    returned = run_module(
        SPEC,
        {
            "social": {"platforms": {name: {"by_verdict": {verdict: 1}} for name, verdict in verdicts.items()}},
            "clickhouse": found["disk"],
            "worker": found["workload"],
            "volume": found["volume"],
            "slow_platform": given.get("ingestion_lag_platform", "limited"),
            "sync_platforms": [sync] if sync else PLATFORMS,
        },
    )
    return known | {name: returned[name] for name in ("settings", "slower", "can_sync", "disk")}


def setting(**values: str) -> Json:
    shown = {"effective": True, "shown": True}
    return {
        "workload": {
            "workload": {"name": "metric-worker"},
            "env": [{"name": name, "value": value, **shown} for name, value in values.items()],
        }
    }


@dataclass(frozen=True)
class Case:
    """What was found, and what is to be said: status, cause, recommendations, and words of summary or next step."""

    name: str
    cause: Json
    status: str
    says: str | None
    recommend: tuple[str, ...] = ()
    words: str = ""
    seen: Json = field(default_factory=dict)
    given: Json = field(default_factory=dict)
    check: str = "ingestion_cause"


PAUSED = setting(METRIC_PAUSED_PLATFORMS="meta")
HOURLY = setting(METRIC_INGESTION_INTERVAL="3600")
ALL = {"ingestion_lag_platform": "all"}
VALUE = {"status": "value", "value": 1}
WORDS = setting(METRIC_INGESTION_INTERVAL="30m")


def environment(name: str, *, value: str | None = None, effective: bool | None = True) -> Json:
    return {"name": name, "value": value, "shown": value is not None, "effective": effective}


def worker(*env: Json, **more: Any) -> Json:
    return {"workload": KNOWN | {"env": list(env), **more}}


PAUSE, EVERY = "METRIC_PAUSED_PLATFORMS", "METRIC_INGESTION_INTERVAL"
HIDDEN = worker(environment(PAUSE))
UNREAD = worker(unknown=[{"part": "configmap settings", "cause": "forbidden"}])
FROM_SECRET = worker(environment(EVERY, value="3600"), env_from_secrets=[{"name": "all", "prefix": "METRIC_"}])
OVERRIDDEN = worker(
    *(environment(EVERY, effective=False), environment(EVERY, value="3600"), environment(PAUSE, value="")),
    env_from_secrets=[{"name": "all", "prefix": ""}],
)
