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
KNOWN = {"workload": {"name": "metric-worker"}, "env": []}
SEEN: Json = {"workload": KNOWN, "logs": {}, "probe": {}, "disk": DISK, "parts": {}, "volume": {}}
AT_A_TIME = 11
LEFT = {"status": "planned", "targets": [{"kind": "log"}], "results": [{"kind": "log", "bytes": 60}]}
FEW = {"status": "planned", "targets": [{"kind": "log"}], "results": [{"kind": "log", "bytes": 40}]}
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


# what is said after a remediation, and what decides whether there is one

AGE: Json = {"table": "metric_snapshots", "status": "value", "age_s": 5, "newest": UNTIL, "cause": None}
LATER = "2026-11-28T10:18:00.000000Z"


def partition(name: str, rows: int) -> Json:
    return {"table": "metric_snapshots", "partition_id": name, "rows": rows}


def partitions(*rows: Json, truncated: bool = False) -> Json:
    return {"reachable": True, "partitions": list(rows), "truncated": truncated}


OLDER, NEWER, NEWEST = partition("202601", 10), partition("202602", 20), partition("202603", 30)
BEFORE, AFTER = partitions(OLDER, NEWER), partitions(NEWER)


def space(before: Json | None, after: Json, result: str = "dropped", mutations: tuple[str, ...] = ()) -> Json:
    named = [dict(zip(("table", "mutation_id"), each.split("/"), strict=True)) for each in mutations]
    return {
        "__ingestion_lag_ran": ["archive-old-data"],
        "__ingestion_lag_archived": {"results": [{"partition_id": "202601", "rows": 10, "result": result}]},
        "__ingestion_lag_seen": SEEN | {"parts": before or {}},
        "__ingestion_lag_space_now": {"found": {"parts": after, "disk": DISK | {"mutations": named}}},
        "__ingestion_lag_cause": CAUSE | (STUCK if mutations else {}),
        **KILL,
    }


def lines(pods_unread: int = 0, truncated: int = 0, **counts: int) -> Json:
    logs = {
        "reachable": True,
        "cause": None,
        "message": None,
        "hint": None,
        "pods_total": 1,
        "pods_read": 1,
        "pods_unread": [{"pod": "metric-worker-1"}] * pods_unread,
        "truncated": [{"pod": "metric-worker-1"}] * truncated,
        "classes": {name: {"count": count} for name, count in counts.items()},
    }
    return {"__ingestion_lag_logs_now": logs, "__ingestion_lag_seen": SEEN, "__ingestion_lag_cause": CAUSE}


@dataclass(frozen=True)
class Verdict:
    """What was seen after a remediation, and what is to be said of it."""

    name: str
    judge: str
    given: Json
    check: str
    status: str
    cause: str | None = None


VERDICTS = (
    Verdict("dropped and kept", "space", space(BEFORE, AFTER), "rows_kept", "resolved"),
    Verdict("not known before", "space", space(None, AFTER), "rows_kept", "unverified", "not_read"),
    *(
        Verdict("not all were read", "space", space(before, after), "rows_kept", "unverified", "truncated")
        for before, after in ((BEFORE | {"truncated": True}, AFTER), (BEFORE, AFTER | {"truncated": True}))
    ),
    Verdict("one unknown", "space", space(BEFORE, AFTER, "unknown"), "rows_kept", "unverified", "result_unknown"),
    Verdict(
        *("new rows hide nothing", "space", space(BEFORE, partitions(partition("202602", 19), NEWEST))),
        *("rows_kept", "unresolved", "rows_missing"),
    ),
    Verdict("one is gone", "space", space(BEFORE, partitions(NEWEST)), "rows_kept", "unresolved", "rows_missing"),
    Verdict(
        *("the mutation of another table", "space", space(BEFORE, AFTER, mutations=("other/mutation_4.txt",))),
        *("mutations", "resolved"),
    ),
    Verdict(
        *("the mutation", "space", space(BEFORE, AFTER, mutations=("metric_snapshots/mutation_4.txt",))),
        *("mutations", "unresolved", "still_there"),
    ),
    Verdict("ingested", "limits", lines(stored_meta=3), "limits", "resolved"),
    Verdict("limited", "limits", lines(rate_limit_meta=3, truncated=1), "limits", "unresolved", "still_limited"),
    Verdict("cut off", "limits", lines(stored_meta=3, truncated=1), "limits", "unverified", "not_all_read"),
    Verdict("unread", "limits", lines(stored_meta=3, pods_unread=1), "limits", "unverified", "not_all_read"),
    Verdict("nothing yet", "limits", lines(stored_meta=0), "limits", "unverified", "no_ingestion_yet"),
)


def fresh(**changes: Any) -> Json:
    return {"freshness": [AGE | changes]}


def again(**disk: Any) -> Json:
    """A second look before metrics are synced, of a Prometheus that said before that there is space."""
    probe = {"platforms": {name: {"verdict": "ok"} for name in PLATFORMS}}
    answers = {"used_ratio": VALUE | {"value": 0.5}, "volumes": VALUE}
    return {
        "__ingestion_lag_again": {"found": {"probe": probe, "disk": {"reachable": True} | disk}},
        "__ingestion_lag_seen": SEEN | {"volume": {"answers": answers}},
        "__ingestion_lag_cause": CAUSE,
    }


def volume(**answers: Json) -> Json:
    sizes = {"total_bytes": VALUE | {"value": 100}, "free_bytes": VALUE | {"value": 5}, "volumes": VALUE}
    return {"__ingestion_lag_seen": SEEN | {"volume": {"answers": sizes | answers}}}


def rows(first: Json, now: Json) -> Json:
    return {"__ingestion_lag_rows_first": first, "__ingestion_lag_rows_now": now, "__ingestion_lag_began": UNTIL}


LIMITED_ALL = {"__ingestion_lag_cause": CAUSE | LIMITED, "__ingestion_lag_seen": SEEN}
TRUE: tuple[tuple[str, Json, str], ...] = (
    ("newer", rows(fresh(), fresh(newest=LATER)), "__ingestion_lag_newer | length == 1 and __ingestion_lag_since"),
    ("same", rows(fresh(), fresh()), "__ingestion_lag_newer | length == 0"),
    ("not known first", rows(fresh(newest=None), fresh(newest=LATER)), "__ingestion_lag_newer | length == 0"),
    (
        *("of the future", rows(fresh(), fresh(newest=LATER, age_s=-1))),
        "__ingestion_lag_newer | length == 0 and not __ingestion_lag_since",
    ),
    ("asked again", again(used_ratio=0.4), "__ingestion_lag_no_sync == ''"),
    ("asked again, old server", again(used_ratio=None), "__ingestion_lag_no_sync == ''"),
    ("asked again in vain", again(reachable=False), "'not known' in __ingestion_lag_no_sync"),
    ("one volume", volume(), "__ingestion_lag_size_by_metrics"),
    ("two volumes", volume(volumes=VALUE | {"value": 2}), "not __ingestion_lag_size_by_metrics"),
    ("free unknown", volume(free_bytes={"status": "stale", "value": 5}), "not __ingestion_lag_size_by_metrics"),
    (
        *("only one is asked", LIMITED_ALL | {"ingestion_lag_platforms": ["meta"]}),
        "__ingestion_lag_slower == {'METRIC_PAUSED_PLATFORMS': 'meta'} and not __ingestion_lag_no_slower",
    ),
    *(
        (name, LIMITED_ALL | {"__ingestion_lag_seen": SEEN | seen}, "__ingestion_lag_no_slower")
        for name, seen in (("hidden", HIDDEN), ("unread", UNREAD), ("none", {"workload": {"workload": None}}))
    ),
    ("words", LIMITED_ALL | ALL | {"__ingestion_lag_seen": SEEN | WORDS}, "__ingestion_lag_no_slower"),
    ("not asked for", LIMITED_ALL | {"__ingestion_lag_seen": SEEN | WORDS}, "not __ingestion_lag_no_slower"),
)


@pytest.fixture(scope="module")
def verified() -> tuple[list[Json], list[str]]:
    """The verdicts of all cases, and what does not hold of that which should."""
    role = ROOT / "roles/ingestion_lag"
    judging = [
        {
            "name": case.name,
            "ansible.builtin.import_role": {
                "name": "brandconnect.incidents.ingestion_lag",
                "tasks_from": f"judge/{case.judge}",
                "rolespec_validate": False,
            },
            "vars": case.given,
        }
        for case in VERDICTS
    ]
    holds = [
        {
            "name": name,
            "ansible.builtin.assert": {"that": [that], "fail_msg": f"NOT SO: {name}."},
            "vars": given,
            "ignore_errors": True,
        }
        for name, given, that in TRUE
    ]
    files = [str(role / "defaults/main.yml"), str(role / "vars/main.yml")]
    with tempfile.TemporaryDirectory(prefix="ingestion-") as directory:
        bench = Bench(ROOT / ".collections", Path(directory))
        bench.hosts = dict.fromkeys(("backend", "social", "clickhouse", "prometheus"))
        plays = [{"hosts": "backend", "tasks": judging}, {"hosts": "backend", "vars_files": files, "tasks": holds}]
        done = bench.run(bench.playbook(plays, "ingestion_lag"))
        assert done.rc == 0, done.output
        failed = [name for name, _, _ in TRUE if f"NOT SO: {name}." in done.output or f"[{name}]" not in done.output]
        return done.of_type("verification"), failed


def test_what_is_verified_is_known(verified: tuple[list[Json], list[str]]) -> None:
    said = iter(verified[0])
    for case in VERDICTS:
        found = next(each for each in said if each["check"] == case.check)  # in the order of the cases
        assert (found["status"], found["cause"]) == (case.status, case.cause), (case.name, found)


def test_what_decides_is_known(verified: tuple[list[Json], list[str]]) -> None:
    assert verified[1] == []


def test_what_was_detached_by_hand_is_never_dropped() -> None:
    for path in (ROOT / "roles/ingestion_lag").rglob("*.yml"):
        assert "detached_by_hand" not in path.read_text(encoding="utf-8"), path
