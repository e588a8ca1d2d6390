# SPDX-License-Identifier: GPL-3.0-or-later
"""What ingestion-lag makes of facts that a lab cannot easily have: the role's own rules, run by Ansible."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from support.ingestion_facts import (
    ALL,
    ARCHIVE,
    AT_A_TIME,
    DISCARD,
    DISK,
    FEW,
    FROM_SECRET,
    FULL,
    HIDDEN,
    HOURLY,
    KILL,
    LATE,
    LEFT,
    LIMITED,
    NONE,
    OLD,
    OVERRIDDEN,
    PAUSED,
    PLATFORMS,
    SEEN,
    STUCK,
    UNREAD,
    UNTIL,
    VALUE,
    WORDS,
    Case,
    setting,
    told,
)
from support.journal_bench import Bench
from support.runbook import ROOT

Json = dict[str, Any]

TOKEN = {"cause": "token"}
FULL_DISK = {"disk": DISK | {"used_ratio": 0.95}}
TOMORROW = DISK["freshness"][0] | {
    "status": "unknown",
    "age_s": None,
    "cause": "in_the_future",
    "message": "the time of the newest row is 86000 s in the future",
}
BESIDE = {"also": [{"cause": "disk_full", "reason": "ClickHouse's disk is 95% full"}]}
CASES = (
    Case("well", {}, "ok", None),
    Case("not known", {"cause": "unknown", "gaps": ["the logs"]}, "unknown", "not_known", words="the logs"),
    Case("late and all is well", LATE, "degraded", "rows_late", ("sync-metrics",)),
    Case("late with a gap", LATE | {"gaps": ["the disk"]}, "unknown", "not_known"),
    Case("late, one is limited", LATE | {"platforms_ok": ["tiktok"]}, "unknown", "not_known"),
    Case("late, one is paused", LATE, "unknown", "not_known", words="--sync-platform", seen=PAUSED),
    Case(
        *("late, one is paused, another is wanted", LATE, "degraded", "rows_late", ("sync-metrics",)),
        seen=PAUSED,
        given={"ingestion_lag_sync_platform": "tiktok"},
    ),
    Case(
        *("late, one was not asked", LATE | {"platforms_ok": ["meta", "tiktok"]}, "unknown", "not_known"),
        words="would ask youtube as well",
        given={"ingestion_lag_platforms": ["meta", "tiktok"]},
    ),
    Case(
        *("late, one was not asked, another is wanted", LATE | {"platforms_ok": ["meta", "tiktok"]}),
        *("degraded", "rows_late", ("sync-metrics",)),
        given={"ingestion_lag_platforms": ["meta", "tiktok"], "ingestion_lag_sync_platform": "tiktok"},
    ),
    Case("limited", LIMITED, "degraded", "rate_limited", ("slow-ingestion",)),
    Case("limited and paused", LIMITED, "degraded", "rate_limited", words=UNTIL, seen=PAUSED),
    Case("limited, all hourly", LIMITED, "degraded", "rate_limited", words="less often", seen=HOURLY, given=ALL),
    Case("limited, all", LIMITED, "degraded", "rate_limited", ("slow-ingestion",), given=ALL),
    Case("limited by the logs only", LIMITED | {"limited": []}, "degraded", "rate_limited", words="--platform"),
    Case("every one limits", LIMITED | {"limited": PLATFORMS}, "degraded", "rate_limited", words="less", seen=HOURLY),
    Case(
        *("the only one that is asked limits", LIMITED, "degraded", "rate_limited", ("slow-ingestion",)),
        seen=setting(METRIC_INGESTION_INTERVAL="21600"),  # it is paused, so that says nothing
        given={"ingestion_lag_platforms": ["meta"]},
    ),
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
    Case(
        *("old rows that are archived", FULL, "degraded", "to_archive", (), "compare the copies"),
        seen=OLD,
        given={"__ingestion_lag_cleanup": FEW, **ARCHIVE},
        check="old_data",
    ),
    Case(
        *("old rows that are discarded", FULL, "degraded", "to_discard", (), "WITHOUT A COPY"),
        seen=OLD,
        given={"__ingestion_lag_cleanup": NONE, **DISCARD},
        check="old_data",
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
            "volume": {"answers": {"used_ratio": VALUE | {"value": 0.95}, "volumes": VALUE}},
        },
        check="disk",
    ),
    *(
        Case(
            *(f"the disk beside {cause['cause']}", cause | BESIDE, "down", "full", recommend, words),
            seen={"disk": DISK | {"used_ratio": 0.95}, **OLD},
            given={"__ingestion_lag_cleanup": left, **given},
            check="disk",
        )
        for cause, left, given, recommend, words in (
            (TOKEN, LEFT, {}, ("free-clickhouse-space",), "60 bytes of it are no data"),
            (TOKEN, FEW, {}, (), "--retention-days"),
            (TOKEN, FEW, ARCHIVE, ("archive-old-data",), "500 bytes, are old"),
            (LIMITED, LEFT, {}, ("free-clickhouse-space",), "Grow the volume"),
            ({"cause": "replica_readonly"}, LEFT, {}, (), "First do what ingestion_cause says"),
            (STUCK, LEFT, KILL, (), "First do what ingestion_cause says"),
        )
    ),
    Case("a full disk alone", FULL, "down", "full", words="ingestion_cause", seen=FULL_DISK, check="disk"),
    *(
        Case(
            *("the disk of one of several volumes", {}, "unknown", "not_known", ()),
            seen={
                "disk": DISK | {"used_ratio": None, "disks": None},
                "volume": {"answers": {"used_ratio": VALUE | {"value": 0.95}, "volumes": volumes}},
            },
            check="disk",
        )
        for volumes in (VALUE | {"value": 2}, {"status": "unknown", "value": None})
    ),
    Case("a setting of a Secret", {}, "unknown", "not_known", seen=HIDDEN, check="settings"),
    Case("a setting of whom nobody knows", {}, "unknown", "not_known", seen=UNREAD, check="settings"),
    Case("a setting that a Secret may have", {}, "unknown", "not_known", seen=FROM_SECRET, check="settings"),
    Case("an interval in words", {}, "unknown", "not_known", seen=WORDS, check="settings"),
    Case("overridden", {}, "ok", None, words="3600", seen=OVERRIDDEN, check="settings"),
    *(
        Case("limited, not known what is set", LIMITED, "degraded", "rate_limited", words="not known", seen=seen)
        for seen in (HIDDEN, UNREAD, FROM_SECRET)
    ),
    Case("limited, interval in words", LIMITED, "degraded", "rate_limited", words="not known", seen=WORDS, given=ALL),
    Case("late, not known who is paused", LATE, "unknown", "not_known", seen=HIDDEN),
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
        *("a row of tomorrow", {}, "unknown", "in_the_future", (), "a time zone that is wrong"),
        check="freshness",
        seen={"disk": DISK | {"freshness": [TOMORROW]}},
    ),
    Case(
        *("a row of tomorrow beside late ones", {}, "degraded", "rows_late", (), "9000 s old"),
        check="freshness",
        seen={"disk": DISK | {"freshness": [TOMORROW, DISK["freshness"][0] | {"age_s": 9000}]}},
    ),
    Case(
        *("a clock that is a little ahead", {}, "ok", None, (), "is 0 s old"),
        check="freshness",
        seen={"disk": DISK | {"freshness": [DISK["freshness"][0] | {"age_s": -20}]}},
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
            "vars": {
                "__ingestion_lag_cause": told(case.cause, case.seen, case.given),
                "__ingestion_lag_seen": SEEN | case.seen,
                **case.given,
            },
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


def test_only_the_cause_recommends_and_a_disk_that_is_full_beside_it(judged: list[list[Json]]) -> None:
    for case, findings in zip(CASES, judged, strict=False):
        others = [each["check"] for each in findings if each["recommend"] and each["check"] != "ingestion_cause"]
        assert others == (["disk"] if case.check == "disk" and case.recommend else []), case.name
    assert len(judged) == len(CASES) + 1
