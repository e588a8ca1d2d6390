# SPDX-License-Identifier: GPL-3.0-or-later
"""What ingestion-lag says after a remediation, and what decides whether there is one: its own rules, run by Ansible."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.ingestion_facts import (
    DISK,
    FULL,
    HIDDEN,
    KILL,
    KNOWN,
    LIMITED,
    PAUSED,
    PLATFORMS,
    SEEN,
    STUCK,
    UNTIL,
    VALUE,
    setting,
    told,
)
from support.journal_bench import Bench
from support.runbook import ROOT

Json = dict[str, Any]

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
        "__ingestion_lag_cause": told(STUCK if mutations else {}),
        **KILL,
    }


def left(ratio: float, *, volumes: int = 1, returned: bool | None = True, **disk: Any) -> Json:
    """What is used of a disk after a remediation, by the metrics of the volume of a server that does not know it."""
    told_by = {"answers": {"used_ratio": VALUE | {"value": ratio}, "volumes": VALUE | {"value": volumes}}}
    found = {"disk": DISK | {"used_ratio": None, "disks": None} | disk, "parts": AFTER, "volume": told_by}
    return space(BEFORE, AFTER) | {
        "__ingestion_lag_archived": {"results": [], "space": {"returned": returned}},
        "__ingestion_lag_space_now": {"found": found},
        "__ingestion_lag_cause": told(FULL),
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
    return {"__ingestion_lag_logs_now": logs, "__ingestion_lag_seen": SEEN, "__ingestion_lag_cause": told({})}


def told_now(value: str | None, *, every: bool = False) -> Json:
    """What the worker is told by the variable that was set; ``None`` where that is not shown."""
    name = "METRIC_INGESTION_INTERVAL" if every else "METRIC_PAUSED_PLATFORMS"
    worker = {"reachable": True, "cause": None, "message": None, "hint": None, **KNOWN}
    env = [] if value is None else [{"name": name, "value": value, "shown": True, "effective": True}]
    cause = told(LIMITED, given={"ingestion_lag_platform": "all"} if every else {})
    return {"__ingestion_lag_told_now": worker | {"env": env}, "__ingestion_lag_cause": cause}


ENDS = "the limit is said to end 2026-11-28 10:17 UTC"


@dataclass(frozen=True)
class Verdict:
    """What was seen after a remediation, and what is to be said of it."""

    name: str
    judge: str
    given: Json
    check: str
    status: str
    cause: str | None = None
    words: str = ""


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
    Verdict("space, by metrics", "space", left(0.4), "disk", "resolved"),
    Verdict("none, by metrics", "space", left(0.97), "disk", "unresolved", "still_full"),
    Verdict("not yet, by metrics", "space", left(0.97, returned=None), "disk", "unverified", "space_not_returned"),
    Verdict("of which volume", "space", left(0.4, volumes=2), "disk", "unverified", "not_known"),
    Verdict("no share of a volume", "space", left(-0.4), "disk", "unverified", "not_known"),
    Verdict("full, whatever metrics say", "space", left(0.4, used_ratio=0.97), "disk", "unresolved", "still_full"),
    Verdict("ingested", "limits", lines(stored_meta=3), "limits", "resolved"),
    Verdict("limited", "limits", lines(rate_limit_meta=3, truncated=1), "limits", "unresolved", "still_limited"),
    Verdict("cut off", "limits", lines(stored_meta=3, truncated=1), "limits", "unverified", "not_all_read"),
    Verdict("unread", "limits", lines(stored_meta=3, pods_unread=1), "limits", "unverified", "not_all_read"),
    Verdict("nothing yet", "limits", lines(stored_meta=0), "limits", "unverified", "no_ingestion_yet"),
    Verdict("paused", "settings", told_now("meta"), "settings", "resolved", words=f"meta is paused on purpose; {ENDS}"),
    Verdict("slowed", "settings", told_now("3600", every=True), "settings", "resolved", words="only each 3600 s"),
    Verdict("set back", "settings", told_now(""), "settings", "unresolved", "set_back", words="is '', and not 'meta'"),
    Verdict("not shown", "settings", told_now(None), "settings", "unverified", "not_read"),
)


def fresh(**changes: Any) -> Json:
    return {"freshness": [AGE | changes]}


def again(worker: Json = SEEN, **disk: Any) -> Json:
    """A second look before metrics are synced, of a Prometheus that said before that there is space."""
    probe = {"platforms": {name: {"verdict": "ok"} for name in PLATFORMS}}
    seen = SEEN | worker | {"volume": {"answers": {"used_ratio": VALUE | {"value": 0.5}, "volumes": VALUE}}}
    return {
        "__ingestion_lag_again": {"found": {"probe": probe, "disk": {"reachable": True} | disk}},
        "__ingestion_lag_seen": seen,
        "__ingestion_lag_cause": told({}, seen),
    }


def rows(first: Json, now: Json) -> Json:
    return {"__ingestion_lag_rows_first": first, "__ingestion_lag_rows_now": now, "__ingestion_lag_began": UNTIL}


# of an inventory that calls the worker's variables otherwise
NAMED = {"metric_paused_variable": "LEFT_OUT", "metric_interval_variable": "EVERY"}
CONCLUDED: Json = {
    "__ingestion_lag_seen": SEEN
    | setting(LEFT_OUT="meta, tiktok", EVERY="900")
    | {
        "disk": DISK | {"used_ratio": None},
        "volume": {"answers": {"used_ratio": VALUE | {"value": 0.7}, "volumes": VALUE}},
        "probe": {"platforms": {"youtube": {"by_verdict": {"ok": 3}}}},
    },
    "ingestion_lag_platform": "youtube",
    "ingestion_lag_sync_platform": "youtube",
}
CONCLUSIONS: tuple[tuple[str, Json, str], ...] = tuple(
    (f"concluded {name}", {}, f"__ingestion_lag_cause.{that}")
    for name, that in (
        ("settings", "settings == {'interval_s': 900.0, 'paused': ['meta', 'tiktok'], 'unread': []}"),
        ("slower", "slower.sets == {'LEFT_OUT': 'meta,tiktok,youtube'}"),
        ("sync", "can_sync"),
        ("disk", "disk.used_ratio == 0.7"),
    )
)
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
    ("asked again, full", again(used_ratio=0.95), "__ingestion_lag_no_sync == 'the disk of ClickHouse is 95 % full'"),
    (
        *("two are asked, all are ingested", {"ingestion_lag_platforms": ["meta", "tiktok"]}),
        "__ingestion_lag_to_sync | length == 3 and 'platform' not in __ingestion_lag_sync_arguments | join",
    ),
    (
        *("one is asked and ingested", {"ingestion_lag_sync_platform": "youtube"}),
        "__ingestion_lag_to_sync == ['youtube'] and '--platform=youtube' in __ingestion_lag_sync_arguments",
    ),
    (
        "two were asked, all are ingested",
        {
            "__ingestion_lag_again": {},
            "__ingestion_lag_seen": SEEN | {"probe": {"platforms": {n: {"verdict": "ok"} for n in ("meta", "tiktok")}}},
            "__ingestion_lag_cause": told({"platforms_ok": ["meta", "tiktok"]}),
        },
        "__ingestion_lag_no_sync == 'not asked: youtube; name another with --sync-platform'",
    ),
    ("asked again, one is paused", again(PAUSED, used_ratio=0.4), "'on purpose: meta' in __ingestion_lag_no_sync"),
    (
        "asked again, hidden",
        again(HIDDEN, used_ratio=0.4),
        "'paused on purpose is not known' in __ingestion_lag_no_sync",
    ),
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
    conclude = {"name": "brandconnect.incidents.ingestion_lag", "tasks_from": "conclude", "rolespec_validate": False}
    named = {"name": "Name", "ansible.builtin.set_fact": NAMED}
    concluding = {"name": "Conclude", "ansible.builtin.import_role": conclude, "vars": CONCLUDED}
    holds, concluded = (
        [
            {
                "name": name,
                "ansible.builtin.assert": {"that": [that], "fail_msg": f"NOT SO: {name}."},
                "vars": given,
                "ignore_errors": True,
            }
            for name, given, that in cases
        ]
        for cases in (TRUE, CONCLUSIONS)
    )
    files = [str(role / "defaults/main.yml"), str(role / "vars/main.yml")]
    with tempfile.TemporaryDirectory(prefix="ingestion-") as directory:
        bench = Bench(ROOT / ".collections", Path(directory))
        bench.hosts = dict.fromkeys(("backend", "social", "clickhouse", "prometheus"))
        plays = [
            {"hosts": "backend", "tasks": judging},
            {"hosts": "backend", "vars_files": files, "tasks": holds},
            {"hosts": "backend", "tasks": [named, concluding, *concluded]},  # what is registered outranks what is given
        ]
        done = bench.run(bench.playbook(plays, "ingestion_lag"))
        assert done.rc == 0, done.output
        names = [name for name, _, _ in (*TRUE, *CONCLUSIONS)]
        failed = [name for name in names if f"NOT SO: {name}." in done.output or f"[{name}]" not in done.output]
        return done.of_type("verification"), failed


def test_what_is_verified_is_known(verified: tuple[list[Json], list[str]]) -> None:
    said = iter(verified[0])
    for case in VERDICTS:
        found = next(each for each in said if each["check"] == case.check)  # in the order of the cases
        assert (found["status"], found["cause"]) == (case.status, case.cause), (case.name, found)
        assert case.words in found["summary"], (case.name, found)


def test_what_decides_is_known(verified: tuple[list[Json], list[str]]) -> None:
    assert verified[1] == []


def test_what_was_detached_by_hand_is_never_dropped() -> None:
    for path in (ROOT / "roles/ingestion_lag").rglob("*.yml"):
        assert "detached_by_hand" not in path.read_text(encoding="utf-8"), path
