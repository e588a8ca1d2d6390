# SPDX-License-Identifier: GPL-3.0-or-later
"""What ingestion-lag makes of facts that a lab cannot easily have: the role's own rules, run by Ansible."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.journal_bench import Bench
from support.runbook import ROOT

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
SEEN: Json = {"workload": {}, "logs": {}, "probe": {}, "disk": DISK, "parts": {}, "volume": {}}
AT_A_TIME = 11
LEFT = {"status": "planned", "targets": [{"kind": "log", "bytes": 60}]}
FEW = {"status": "planned", "targets": [{"kind": "log", "bytes": 40}]}
NONE = {"status": "nothing_to_do", "targets": []}
OLD = {"parts": {"eligible": {"partitions": 2, "rows": 10, "bytes": 500}}}
ARCHIVE = {"ingestion_lag_retention_days": 90, "ingestion_lag_archive_uri": "s3://bucket/old"}
KILL = {"ingestion_lag_kill_mutations": ["metric_snapshots/mutation_4.txt"]}


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
CASES = (
    Case("well", {}, "ok", None),
    Case("not known", {"cause": "unknown", "gaps": ["the logs"]}, "unknown", "not_known", words="the logs"),
    Case("late and all is well", LATE, "degraded", "rows_late", ("sync-metrics",)),
    Case("late with a gap", LATE | {"gaps": ["the disk"]}, "unknown", "not_known"),
    Case("late, one is limited", LATE | {"platforms_ok": ["tiktok"]}, "unknown", "not_known"),
    Case("late, one is paused", LATE, "unknown", "not_known", seen=PAUSED),
    Case(
        *("late, one is paused, another is wanted", LATE, "degraded", "rows_late", ("sync-metrics",)),
        seen=PAUSED,
        given={"ingestion_lag_sync_platform": "tiktok"},
    ),
    Case("limited", LIMITED, "degraded", "rate_limited", ("slow-ingestion",)),
    Case("limited and paused", LIMITED, "degraded", "rate_limited", words=UNTIL, seen=PAUSED),
    Case("limited, all hourly", LIMITED, "degraded", "rate_limited", words="less often", seen=HOURLY, given=ALL),
    Case("limited, all", LIMITED, "degraded", "rate_limited", ("slow-ingestion",), given=ALL),
    Case("limited by the logs only", LIMITED | {"limited": []}, "degraded", "rate_limited", words="--platform"),
    Case("every one limits", LIMITED | {"limited": PLATFORMS}, "degraded", "rate_limited", words="less", seen=HOURLY),
    Case("token", {"cause": "token"}, "degraded", "token", words="connect them again"),
    Case(
        "full of logs", FULL, "down", "disk_full", ("free-clickhouse-space",), given={"__ingestion_lag_cleanup": LEFT}
    ),
    Case(
        *("full, few logs", FULL, "down", "disk_full", ()),
        words="--retention-days",
        seen=OLD,
        given={"__ingestion_lag_cleanup": FEW},
    ),
    Case(
        *("full of old rows", FULL, "down", "disk_full", ("archive-old-data",)),
        seen=OLD,
        given={"__ingestion_lag_cleanup": FEW, **ARCHIVE},
    ),
    Case(
        *("full of old rows, discarded and archived", FULL, "down", "disk_full", ()),
        seen=OLD,
        given={"__ingestion_lag_cleanup": NONE, **ARCHIVE, "ingestion_lag_discard_without_archive": True},
    ),
    Case("full of new rows", FULL, "down", "disk_full", given={"__ingestion_lag_cleanup": NONE, **ARCHIVE}),
    Case(
        *("full, leftovers not known", FULL, "down", "disk_full", ()),
        seen=OLD,
        given={"__ingestion_lag_cleanup": {"status": "failed"}, **ARCHIVE},
    ),
    Case("stuck", STUCK, "degraded", "mutation_stuck", words="--kill-mutations"),
    Case(
        *("stuck and read", STUCK, "degraded", "mutation_stuck", ("free-clickhouse-space",)),
        given={"__ingestion_lag_cleanup": LEFT, **KILL},
    ),
    Case(
        *("stuck, not the one that was read", STUCK, "degraded", "mutation_stuck", ()),
        given={"__ingestion_lag_cleanup": {"status": "refused"}, **KILL},
    ),
    Case("replica", {"cause": "replica_readonly"}, "down", "replica_readonly", words="Drop nothing"),
    Case("old dashboard", {"cause": "dashboard_old"}, "degraded", "dashboard_old", words="cache"),
    Case("paused for nothing", {}, "degraded", "still_paused", words="rollback", seen=PAUSED, check="settings"),
    Case("paused for something", LIMITED, "ok", None, words="Paused: meta", seen=PAUSED, check="settings"),
    Case("no disk", {}, "unknown", "not_known", seen={"disk": DISK | {"used_ratio": None}}, check="disk"),
    Case(
        *("the disk by its volume", {}, "down", "full", (), "95 %"),
        seen={
            "disk": DISK | {"used_ratio": None, "disks": None},
            "volume": {"answers": {"used_ratio": {"status": "value", "value": 0.95}}},
        },
        check="disk",
    ),
    Case("a disk that fills", {}, "degraded", "filling", seen={"disk": DISK | {"used_ratio": 0.85}}, check="disk"),
    Case(
        "no rows",
        {},
        "degraded",
        "no_rows",
        check="freshness",
        seen={
            "disk": DISK
            | {
                "freshness": [
                    {"table": "metric_snapshots", "status": "empty", "age_s": None, "newest": None, "cause": None}
                ]
            }
        },
    ),
    Case(
        "no answer",
        {},
        "unknown",
        "timeout",
        check="freshness",
        seen={"disk": {"reachable": False, "cause": "timeout"}},
    ),
)


@pytest.fixture(scope="module")
def judged() -> list[list[Json]]:
    """The findings of each case, all judged in one run."""
    role = {"name": "brandconnect.incidents.ingestion_lag", "tasks_from": "judge/together", "rolespec_validate": False}
    tasks = [
        {
            "name": case.name,
            "ansible.builtin.import_role": role,
            "vars": {"__ingestion_lag_cause": CAUSE | case.cause, "__ingestion_lag_seen": SEEN | case.seen}
            | case.given,
        }
        for case in CASES
    ]
    found: list[list[Json]] = [[]]
    for part in (tasks[at : at + AT_A_TIME] for at in range(0, len(tasks), AT_A_TIME)):
        with tempfile.TemporaryDirectory(prefix="ingestion-") as directory:
            bench = Bench(ROOT / ".collections", Path(directory))
            bench.hosts = dict.fromkeys(("backend", "social", "clickhouse", "prometheus"))
            done = bench.run(bench.playbook([{"hosts": "backend", "tasks": part}], "ingestion_lag"))
            assert done.rc == 0, done.output
            for finding in done.of_type("finding"):
                found[-1].append(finding)
                if finding["check"] == "ingestion_cause":  # the last one of a case
                    found.append([])
    return found


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case.name for case in CASES])
def test_the_cause_decides_what_is_recommended(judged: list[list[Json]], number: int) -> None:
    case = CASES[number]
    finding = next(each for each in judged[number] if each["check"] == case.check)
    said = (finding["status"], finding["cause"], tuple(finding["recommend"]))
    assert said == (case.status, case.says, case.recommend), finding
    assert case.words in f"{finding['summary']} {finding.get('next_step')}"
    if case.check == "ingestion_cause" and case.status in ("degraded", "down"):
        assert finding["next_step"]


def test_only_the_cause_recommends(judged: list[list[Json]]) -> None:
    others = [each for findings in judged for each in findings if each["check"] != "ingestion_cause"]
    assert [each["check"] for each in others if each["recommend"]] == []
    assert len(judged) == len(CASES) + 1
