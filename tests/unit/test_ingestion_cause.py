# SPDX-License-Identifier: GPL-3.0-or-later
"""Why metrics are late: one case for each row of the decision table of ingestion-lag, and what must not decide."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from modules.k8s_support import run_module

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.ingestion_cause import CAUSES
from ansible_collections.brandconnect.incidents.plugins.modules.ingestion_cause import SPEC
from support.ages import Ago, dated

Json = dict[str, Any]

LATE, FRESH = 9120, 120
NOW = dt.datetime(2026, 11, 28, 10, tzinfo=dt.UTC)
PLATFORMS = ("meta", "tiktok", "youtube")
RETRY_AT = "2026-11-28T10:17:00.000000Z"


def social(**verdicts: Any) -> Json:
    """What social_probe returns: a verdict, or several, for each platform; ok where nothing is said."""
    platforms: Json = {}
    reauthorize: list[Json] = []
    for name in PLATFORMS:
        said = verdicts.get(name, "ok")
        words = [said] if isinstance(said, str) else list(said)
        limited = {"rate_limited", "quota_exhausted"}.intersection(words)
        platforms[name] = {
            "verdict": words[0],
            "cause": None if words == ["ok"] else "server_error" if words[0] == "unreachable" else "said",
            "message": None if words == ["ok"] else f"{name} says so",
            "retry_at": RETRY_AT if limited else None,
            "by_verdict": {word: words.count(word) for word in words},
        }
        bad = [word for word in words if word in ("token_expired", "token_revoked", "permission")]
        reauthorize += [{"platform": name, "account": f"{name}-1", "verdict": word} for word in bad]
    return {"reachable": True, "platforms": platforms, "reauthorize": reauthorize}


def clickhouse(age_s: float | None = LATE, used: float | None = 0.4, **changes: Any) -> Json:
    status = "value" if age_s is not None else "unknown"
    fresh = {"table": "metric_snapshots", "status": status, "age_s": age_s, "message": None if age_s else "code 60"}
    most = {"database": "analytics", "table": "metric_snapshots", "partition_id": "202611", "parts": 12}
    return {
        "reachable": True,
        "used_ratio": used,
        "freshness": [fresh],
        "mutations": [],
        "most_parts": [most],
        "replicas": [],
        "limits": {"parts_to_throw_insert": 3000},
        **changes,
    }


def stuck(reason: str = "Code: 53. Cannot convert string") -> list[Json]:
    return [{"table": "metric_snapshots", "mutation_id": "mutation_4.txt", "stuck": True, "fail_reason": reason}]


def crowded(parts: int = 3100) -> list[Json]:
    return [{"database": "analytics", "table": "metric_snapshots", "partition_id": "202611", "parts": parts}]


def worker(ready: int = 2, replicas: int = 2, *, ready_now: bool = False, **container: Any) -> Json:
    one = {"name": "worker", "restarts": 4, "reason": None, "ready": ready_now, **container}
    pod = {"name": "metric-worker-1", "containers": [one]}
    return {"reachable": True, "workload": {"replicas": replicas}, "pods_ready": ready, "pods": [pod]}


def ended(reason: str, age_s: float) -> Json:
    return {"reason": reason, "exit_code": 137, "signal": None, "finished_at": Ago(age_s)}


def logs(**counts: int) -> Json:
    classes = {name: {"count": count} for name, count in counts.items()}
    return {"reachable": True, "pods_total": 2, "pods_read": 2, "pods_unread": [], "truncated": [], "classes": classes}


def at(**ages: float) -> Json:
    """Logs with one line of each class, so many seconds ago."""
    found = logs(**dict.fromkeys(ages, 1))
    for name, age in ages.items():
        found["classes"][name]["last_at"] = (NOW - dt.timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    return found


def no_way(**verdicts: Any) -> Json:
    """What social_probe returns where nothing can be reached."""
    found = social(**{**dict.fromkeys(PLATFORMS, "unreachable"), **verdicts})
    for each in found["platforms"].values():
        if each["verdict"] == "unreachable":
            each["cause"] = "refused"
    return found


def healthy(**changes: Any) -> Json:
    return {"social": social(), "clickhouse": clickhouse(FRESH), "worker": worker(), "logs": logs(), **changes}


def late(**changes: Any) -> Json:
    return healthy(**{"clickhouse": clickhouse(), **changes})


def why(given: Json) -> Json:
    found = run_module(SPEC, dated(given))
    assert found.get("failed") is not True, found
    return found


PAUSED = {"env": [{"name": "METRIC_PAUSED_PLATFORMS", "value": "youtube", "effective": True, "shown": True}]}
VOLUME = {"answers": {"volumes": {"status": "value", "value": 1}, "used_ratio": {"status": "value", "value": 0.93}}}
DOWN = {"reachable": False, "cause": "refused", "message": "connection refused"}
NOBODY = dict.fromkeys(PLATFORMS, "unreachable")
ROWS = {
    "clickhouse_down": [late(clickhouse=DOWN, logs=logs(database=7))],
    "replica_readonly": [
        late(clickhouse=clickhouse(replicas=[{"database": "a", "table": "t", "readonly": True}])),
        late(clickhouse=clickhouse(replicas=[{"database": "a", "table": "t", "session_expired": True}])),
        late(logs=logs(readonly=3)),
        late(logs=at(readonly=60, stored_meta=60)),  # not older
    ],
    "disk_full": [
        late(clickhouse=clickhouse(used=0.995)),
        late(clickhouse=clickhouse(used=0.995), social=social(meta="rate_limited")),  # no row is taken, of no platform
        late(clickhouse=clickhouse(used=0.93), logs=logs(disk=3), social=social(meta="rate_limited")),
        late(clickhouse=clickhouse(used=0.93)),  # every platform serves us
        late(clickhouse=clickhouse(used=None), logs=logs(disk=3)),
        late(clickhouse=clickhouse(used=None), volume=VOLUME),
        healthy(clickhouse=clickhouse(FRESH, used=0.93)),
    ],
    "mutation_stuck": [
        late(clickhouse=clickhouse(mutations=stuck(), most_parts=crowded())),
        late(clickhouse=clickhouse(mutations=stuck())),
    ],
    "too_many_parts": [
        late(clickhouse=clickhouse(most_parts=crowded())),
        late(logs=logs(parts=9), social=social(tiktok="token_expired")),
    ],
    "worker_failing": [
        late(worker=worker(1, last_termination=ended("OOMKilled", 600))),
        late(worker=worker(1, reason="CrashLoopBackOff", last_termination=ended("Error", 60))),
        late(worker=worker(1, reason="CrashLoopBackOff", last_termination=ended("OOMKilled", 99999))),
        late(worker=worker(1, reason="OOMKilled")),
        late(worker=worker(ready_now=True, last_termination=ended("OOMKilled", 20))),  # between two ends
        late(worker=worker(0)),
        late(worker=worker(0, 0)),
        late(worker=worker(0), social=social(meta="rate_limited")),
    ],
    "rate_limited": [
        late(social=social(meta="rate_limited")),
        late(social=social(youtube="quota_exhausted", tiktok="token_expired")),
        late(social=social(meta=("rate_limited", "ok"))),
        late(social=social(meta="rate_limited"), clickhouse=clickhouse(used=0.93)),  # the disk still takes rows
        late(social=social(meta="skipped"), logs=logs(rate_limit_meta=4)),
        late(social={"reachable": False}, logs=logs(rate_limit=4)),
        late(social=social(meta="skipped"), logs=at(rate_limit_meta=60, stored_meta=70, stored_tiktok=1)),
        late(social=social(meta="rate_limited"), logs=at(disk=60, stored_tiktok=50), clickhouse=clickhouse(used=0.93)),
        late(
            social=social(meta="rate_limited"),
            worker=worker(ready_now=True, last_termination=ended("OOMKilled", 1200)),
        ),
    ],
    "token": [
        late(social=social(meta="token_expired")),
        late(social=social(tiktok=("token_revoked", "ok"))),
        late(social=social(youtube="permission")),
        late(social=social(youtube="unknown"), logs=logs(unauthorized_youtube=4)),
    ],
    "network": [
        late(social=no_way(), logs=logs(network=5)),
        late(social=no_way(youtube="skipped"), logs=logs(network=5)),
        late(social=no_way(), logs=at(network=60, stored_meta=70, rate_limit=80)),
        late(social=no_way(), logs=at(network=60, rate_limit=80)),  # it explains why none could be asked
        late(social=no_way(), logs=at(network=60, unauthorized_meta=80)),
    ],
    "platform_down": [
        late(social=social(meta="unreachable")),
        late(social=social(**NOBODY)),  # each says itself that it has a problem
        late(social=social(**NOBODY), logs=logs(network=5)),
        late(social=no_way(meta="ok"), logs=logs(network=5)),
    ],
    "dashboard_old": [
        healthy(dashboard_reported=True),
        healthy(dashboard_reported=True, clickhouse=clickhouse(FRESH, used=0.93)),
    ],
    "none": [
        healthy(),
        healthy(logs=logs(rate_limit=9, disk=9, parts=9, readonly=9, network=9)),  # of a trouble that is over
        healthy(worker=worker(last_termination=ended("OOMKilled", 99999))),
        healthy(worker=worker(ready_now=True, last_termination=ended("OOMKilled", 1200))),
        healthy(clickhouse=clickhouse(-59)),
        healthy(logs=logs(stored_meta=4, stored_tiktok=4, stored_youtube=0), worker=worker() | PAUSED),
        healthy(logs=logs(stored_meta=0, stored_tiktok=0, stored_youtube=0)),
        healthy(logs=logs(stored_meta=4)),  # it was not looked for the others
    ],
    "unknown": [
        {},
        late(),
        late(social=social(meta="unknown")),
        healthy(social=social(meta="skipped")),
        healthy(logs={}),
        healthy(worker={}),
        healthy(clickhouse=clickhouse(None)),
        healthy(clickhouse=clickhouse(FRESH, mutations=None)),
        late(clickhouse=DOWN),  # it may be only we who do not reach it
        late(clickhouse={**DOWN, "cause": "invalid_auth"}, logs=logs(database=7)),
        late(logs=logs(rate_limit_meta=4)),  # lines are old: the platform serves us now
        late(logs=logs(unauthorized=4)),
        late(social=no_way(meta=("unreachable", "ok")), logs=logs(network=5)),
        late(social=no_way(meta="skipped", tiktok="skipped", youtube="skipped"), logs=logs(network=5)),
        late(social=no_way(), logs=at(network=60, stored_meta=50)),  # the worker has got through since
        late(social=social(meta="skipped"), logs=at(rate_limit_meta=60, stored_meta=50)),
        late(social=social(meta="unknown"), logs=at(unauthorized_meta=60, stored_meta=50)),
        late(social={"reachable": False}, logs=at(rate_limit=60, stored_meta=50)),
        *(late(logs=at(**{name: 60}, stored_tiktok=50)) for name in ("readonly", "parts")),
        late(clickhouse=clickhouse(used=None), logs=at(disk=60, stored_tiktok=50)),
        healthy(clickhouse=clickhouse(-61)),
        healthy(logs=logs(stored_meta=4, stored_tiktok=4, stored_youtube=0)),
    ],
}
CASES = [pytest.param(cause, given, id=f"{cause}-{n}") for cause, rows in ROWS.items() for n, given in enumerate(rows)]


@pytest.mark.parametrize(("cause", "given"), CASES)
def test_each_row_of_the_table(cause: str, given: Json) -> None:
    found = why(given)
    assert found["cause"] == cause, found["reason"]
    assert found["reason"]
    assert found["changed"] is False


def test_no_cause_is_without_a_case() -> None:
    assert set(ROWS) == set(CAUSES)


def test_what_else_is_proven_is_said() -> None:
    given = social(meta="rate_limited", tiktok="token_expired")
    found = why(late(social=given, clickhouse=clickhouse(used=0.93, mutations=stuck())))
    assert found["cause"] == "rate_limited"
    assert [each["cause"] for each in found["also"]] == ["token", "mutation_stuck", "disk_full"]
    assert (found["limited"], found["platforms_ok"], found["retry_at"]) == (["meta"], ["youtube"], RETRY_AT)
    assert [each["account"] for each in found["reauthorize"]] == ["tiktok-1"]


def test_a_disk_that_is_full_beside_another_cause_is_said() -> None:
    expired = social(meta="token_expired")
    for used, also in ((0.95, ["disk_full"]), (0.995, ["token"]), (0.85, [])):
        found = why(late(social=expired, clickhouse=clickhouse(used=used)))
        assert [each["cause"] for each in found["also"]] == also, found
    assert found["cause"] == "token"
    unknown = why(late(social=social(meta="unknown"), clickhouse=clickhouse(used=0.95)))
    assert (unknown["cause"], unknown["also"][0]["reason"]) == ("unknown", "ClickHouse's disk is 95% full")
    alone = why(late(clickhouse=clickhouse(used=0.95)))
    assert (alone["cause"], alone["also"]) == ("disk_full", [])


def test_a_platform_whose_rows_are_in_time_is_not_the_cause() -> None:
    given = late(social=social(meta="rate_limited", tiktok="token_expired"), platform_ages={"meta": 60, "tiktok": 9999})
    assert why(given)["cause"] == "token"


def test_the_oldest_table_and_the_oldest_platform_count() -> None:
    tables = [{"table": name, "status": "value", "age_s": age} for name, age in (("a", 60), ("b", 8000), ("c", 5))]
    found = why(healthy(clickhouse=clickhouse(freshness=tables)))
    assert (found["lagging"], found["lag_s"], found["evidence"][0]["table"]) == (True, 8000, "b")
    assert why(healthy(platform_ages={"meta": 8000}))["lagging"] is True
    assert why(healthy(max_lag_s=60))["lagging"] is True
    assert why(healthy(clickhouse=clickhouse(None)))["lagging"] is None


def test_an_empty_table_is_not_fresh() -> None:
    tables = [
        {"table": "metric_snapshots", "status": "value", "age_s": 5},
        {"table": "campaign_daily", "status": "empty", "age_s": None},
    ]
    found = why(healthy(clickhouse=clickhouse(freshness=tables)))
    assert found["cause"] == "unknown"
    assert any("campaign_daily" in gap for gap in found["gaps"])


def test_what_clickhouse_says_is_bounded() -> None:
    found = why(late(clickhouse=clickhouse(mutations=stuck("\x1b[2J" + "x" * 9999))))
    assert len(found["reason"]) < 400
    assert "\x1b" not in found["reason"]


@pytest.mark.parametrize(
    "given",
    [
        {"max_lag_s": -1},
        {"recent_s": float("nan")},
        {"disk_crit": 0},
        {"disk_crit": 90},
    ],
)
def test_limits_that_make_no_sense(given: Json) -> None:
    found = run_module(SPEC, dated(given))
    assert found["failed"] is True
    assert found["msg"].startswith("Telling why metrics are late")


def test_what_is_over_is_a_note() -> None:
    found = why(late(worker=worker(ready_now=True, last_termination=ended("OOMKilled", 1200))))
    assert any("ran out of memory" in note for note in found["notes"])


def test_a_row_of_the_future_is_no_age() -> None:
    found = why(healthy(clickhouse=clickhouse(-3600), platform_ages={"meta": -3600}))
    assert (found["lagging"], found["lag_s"]) == (None, None)
    assert sum("3600 s in the future" in gap for gap in found["gaps"]) == 2
