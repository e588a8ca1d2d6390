# SPDX-License-Identifier: GPL-3.0-or-later
"""What the metric worker logs leads to the classes, and those to the causes, of ingestion-lag."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from modules.k8s_support import run_module

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_lines import LogScan
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.log_patterns import compile_patterns
from ansible_collections.brandconnect.incidents.plugins.modules.ingestion_cause import SPEC
from incident_runbooks.lab.workloads import http_call
from incident_runbooks.lab.workloads.http_call import Answer, UnreachableError
from incident_runbooks.lab.workloads.ingestion import Ingestion
from incident_runbooks.lab.workloads.json_log import JsonLog

Json = dict[str, Any]

DEFAULTS = Path(__file__).parents[2] / "roles/ingestion_lag/defaults/main.yml"
ENVIRON = {
    "SOCIAL_URLS": json.dumps({name: f"http://{name}.example" for name in ("meta", "tiktok", "youtube")}),
    "SOCIAL_ACCOUNTS": json.dumps(
        [{"platform": name, "account": "1", "token": "t"} for name in ("meta", "tiktok", "youtube")]
    ),
    "CLICKHOUSE_URL": "http://127.0.0.1:8123",
}
GOOD = {"tiktok": {"code": 0}}
EXPIRED = "Error validating access token: Session has expired"
QUOTA = {"message": "You have exceeded your quota.", "errors": [{"reason": "quotaExceeded"}]}
CREDENTIALS = {"message": "Invalid Credentials", "errors": [{"reason": "authError"}]}


def meta(code: int, message: str) -> Json:
    return {"error": {"type": "OAuthException", "code": code, "message": message}}


def clickhouse(code: int, said: str) -> Answer:
    return Answer(500, {}, f"Code: {code}. DB::Exception: {said} (version 26.9.2.1)\n".encode())


# platform, what it or ClickHouse does, the class of the line, the cause where rows are late; nothing else tells it
ROWS: list[tuple[str, Any, str, str]] = [
    ("meta", (400, meta(80002, "(#80002) There have been too many calls")), "rate_limit_meta", "rate_limited"),
    ("tiktok", (200, {"code": 40100, "message": "Too many requests."}), "rate_limit_tiktok", "rate_limited"),
    ("youtube", (403, {"error": QUOTA}), "rate_limit_youtube", "rate_limited"),
    ("meta", (400, meta(190, EXPIRED)), "unauthorized_meta", "token"),
    ("tiktok", (200, {"code": 40105, "message": "Access token is incorrect."}), "unauthorized_tiktok", "token"),
    ("youtube", (401, {"error": CREDENTIALS}), "unauthorized_youtube", "token"),
    ("meta", UnreachableError("ETIMEDOUT", "request timed out after 30 s, ETIMEDOUT graph"), "network", "network"),
    ("youtube", UnreachableError("ECONNREFUSED", "connect ECONNREFUSED www"), "network", "network"),
    ("meta", clickhouse(252, "Too many parts (300 in all). (TOO_MANY_PARTS)"), "parts", "too_many_parts"),
    ("meta", clickhouse(243, "Cannot reserve 1.00 MiB. (NOT_ENOUGH_SPACE)"), "disk", "disk_full"),
    ("meta", clickhouse(242, "Table is in readonly mode. (TABLE_IS_READ_ONLY)"), "readonly", "replica_readonly"),
    ("tiktok", "down", "database", "clickhouse_down"),
]


def lines(monkeypatch: pytest.MonkeyPatch, platform: str, does: Any) -> bytes:
    """What the worker logs of one ingestion."""

    def exchange(method: str, *_: Any, **__: Any) -> Answer:
        writing = method == "POST"
        if writing and does == "down":
            raise UnreachableError("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:8123")
        if writing and isinstance(does, Answer):
            return does
        if isinstance(does, UnreachableError):
            raise does
        status, body = does if isinstance(does, tuple) else (200, GOOD.get(platform, {"id": "1"}))
        return Answer(status, {}, json.dumps(body).encode())

    monkeypatch.setattr(http_call, "exchange", exchange)
    log = io.StringIO()
    Ingestion(ENVIRON, JsonLog({}, log)).ingest(platform, [1, 2])
    return log.getvalue().encode()


def classes(text: bytes) -> dict[str, Json]:
    """As k8s_logs counts them, with the role's expressions."""
    patterns = yaml.safe_load(DEFAULTS.read_text(encoding="utf-8"))["ingestion_lag_log_patterns"]
    scan = LogScan(compile_patterns(patterns), 1)
    scan.feed(b"".join(b"2026-11-28T10:00:00.000000001Z " + line + b"\n" for line in text.splitlines()))
    scan.finish()
    return {name: {"count": scan.hits[name].count if name in scan.hits else 0} for name in patterns}


def late(counts: Mapping[str, Json], *, clickhouse_down: bool, unreachable: bool) -> Json:
    """What the other modules say that saw nothing but that rows are late."""
    verdict = {"verdict": "unreachable", "cause": "timeout", "by_verdict": {"unreachable": 1}}
    unasked = {"verdict": "unknown", "by_verdict": {"unknown": 1}}
    fresh = {"table": "metric_snapshots", "status": "value", "age_s": 9000}
    asked = {"reachable": True, "used_ratio": None, "freshness": [fresh], "mutations": [], "most_parts": []}
    down = {"reachable": False, "cause": "refused", "message": "connection refused"}
    pods = {"reachable": True, "pods_total": 1, "pods_read": 1, "classes": dict(counts)}
    names = ("meta", "tiktok", "youtube")
    return {
        "social": {"reachable": True, "platforms": dict.fromkeys(names, verdict if unreachable else unasked)},
        "clickhouse": down if clickhouse_down else {**asked, "replicas": [], "limits": {}},
        "worker": {"reachable": True, "workload": {"replicas": 1}, "pods_ready": 1, "pods": []},
        "logs": pods,
    }


@pytest.mark.parametrize(("platform", "does", "name", "cause"), ROWS)
def test_a_line_has_its_class_and_its_cause(
    monkeypatch: pytest.MonkeyPatch, platform: str, does: Any, name: str, cause: str
) -> None:
    text = lines(monkeypatch, platform, does)
    counts = classes(text)
    assert {each: found["count"] for each, found in counts.items() if found["count"]} == {name: 1}, text
    told = late(counts, clickhouse_down=does == "down", unreachable=cause == "network")
    result = run_module(SPEC, told)
    assert result.get("failed") is not True, result
    assert result["cause"] == cause, result


def test_an_outage_of_meta_is_no_matter_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says OAuthException then as well."""
    text = lines(monkeypatch, "meta", (500, meta(2, "An unexpected error has occurred.")))
    assert b"service_unavailable" in text
    assert not [name for name, found in classes(text).items() if found["count"]]


def test_a_line_of_success_is_no_failure() -> None:
    log = io.StringIO()
    JsonLog({}, log).info("MetricsWorker", "ingested 16 rows from meta", platform="meta", rows=16)
    counts = classes(log.getvalue().encode())
    assert [name for name, found in counts.items() if found["count"]] in ([], ["stored_meta"])
