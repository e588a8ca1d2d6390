# SPDX-License-Identifier: GPL-3.0-or-later
"""api_latency against the real Prometheus with histograms of today, yesterday and a week ago.

Prometheus' own ``histogram_quantile`` is the second channel.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from modules.k8s_support import Api, Reply, api
from modules.prometheus_support import Exporter, RealPrometheus, free_port

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.api_latency import RETURN, SPEC
from incident_runbooks.lab.binaries import find_program

__all__ = ["api"]

BOUNDS = (0.05, 0.1, 0.5, 1.0, 2.5)
DAY, WEEK = 86400, 604800
QUERY = "/api/v1/query"
METRIC = "http_request_duration_seconds"
# route -> requests per 15 s by bucket (the last above all bounds), and the instance that answers
NOW = {
    ("/api/campaigns", "a"): (0, 0, 10, 40, 50, 200),
    ("/api/offers", "a"): (1000, 100, 50, 5, 0, 0),
    ("/api/offers", "b"): (800, 100, 50, 5, 0, 0),
    ("/api/rare", "a"): (0, 0, 0, 0, 1, 0),
    ("/api/idle", "a"): (0, 0, 0, 0, 0, 0),
    ("/ws/chat", "a"): (0, 0, 0, 0, 0, 5000),
}
EARLIER = {("/api/campaigns", "a"): (100, 100, 50, 0, 0, 0), ("/api/offers", "a"): (1000, 100, 50, 5, 0, 0)}


def openmetrics() -> str:
    """Counters every 15 s: the last ten minutes, and ten minutes a day and a week ago."""
    now = int(time.time()) // 15 * 15
    lines: dict[str, list[str]] = {"_bucket": [], "_sum": [], "_count": []}
    for back, rows in ((WEEK, EARLIER), (DAY, EARLIER), (0, NOW)):
        for step in range(-40, 1 if back == 0 else 5):
            at = now - back + step * 15
            for (route, instance), counts in rows.items():
                add(lines, route, instance, [count * (step + 41) for count in counts], at)
    return "\n".join([f"# TYPE {METRIC} histogram", *by_series(lines), "# EOF", ""])


def add(lines: dict[str, list[str]], route: str, instance: str, counts: list[int], at: int) -> None:
    labels = f'job="backend",instance="{instance}",route="{route}",status="{500 if route == "/api/rare" else 200}"'
    below = 0
    for bound, count in zip((*BOUNDS, math.inf), counts, strict=True):
        below += count
        lines["_bucket"].append(
            f'{METRIC}_bucket{{{labels},le="{"+Inf" if math.isinf(bound) else bound}"}} {below} {at}'
        )
    seconds = sum(bound * count for bound, count in zip((*BOUNDS, 4.0), counts, strict=True))
    lines["_sum"].append(f"{METRIC}_sum{{{labels}}} {seconds} {at}")
    lines["_count"].append(f"{METRIC}_count{{{labels}}} {below} {at}")


def by_series(lines: dict[str, list[str]]) -> list[str]:
    return [line for group in lines.values() for line in group]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPrometheus]:
    """Prometheus with histograms of three times, and the job ``backend`` up."""
    directory = tmp_path_factory.mktemp("latency")
    (directory / "data").mkdir()
    (directory / "metrics.txt").write_text(openmetrics(), encoding="utf-8")
    program = find_program("promtool")
    subprocess.run(
        [program.path, "tsdb", "create-blocks-from", "openmetrics", "--quiet", "metrics.txt", "data"],
        cwd=directory,
        env={**os.environ, **program.environ},
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    target = Exporter(lambda: "# TYPE started gauge\nstarted 1\n")
    running = RealPrometheus(
        directory, {"backend": [target.port], "dead": [free_port()]}, "--storage.tsdb.retention.time=30d"
    )
    try:
        running.wait_for('up{job="backend"} == 1')
        running.wait_for('up{job="dead"} == 0')
        yield running
    finally:
        running.stop()
        target.stop()


def measure(url: str, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Run the module as its edges do."""
    options = {"prometheus_url": url, "prometheus_timeout": 10, "exclude_routes": ["/ws/*"], **given}
    validation = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate(options)
    assert not validation.errors.errors, validation.errors.msg
    result = conclude(SPEC, validation.validated_parameters, check_mode)
    json.dumps(result, allow_nan=False)
    censored: dict[str, Any] = censor(
        result, {*validation._no_log_values, *SPEC.secrets(validation.validated_parameters)}
    )
    return censored


def by_route(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["route"]: row for row in result["routes"]}


def theirs(prometheus: RealPrometheus, share: float, by: str = "route", offset: str = "") -> dict[str, float]:
    """What Prometheus computes."""
    series = f'{METRIC}_bucket{{route!="/ws/chat"}}[300s] {offset}'
    answer = prometheus.ask(f"histogram_quantile({share}, sum by (le, {by}) (rate({series})))")
    return {each["metric"].get(by, ""): float(each["value"][1]) * 1000 for each in answer}


def test_quantiles_are_those_of_prometheus(prometheus: RealPrometheus) -> None:
    result = measure(prometheus.url)
    assert (result["reachable"], result["cause"], result["changed"]) == (True, None, False)
    routes = by_route(result)
    for share, key in ((0.5, "p50_ms"), (0.95, "p95_ms"), (0.99, "p99_ms")):
        expected = theirs(prometheus, share)
        assert set(expected) == set(routes)
        for route, value in expected.items():
            found = routes[route][key]
            assert (found is None) if math.isnan(value) else found == pytest.approx(value, rel=0.01), (route, key)
    for offset, key in (("offset 1d", "p95_day_ago_ms"), ("offset 7d", "p95_week_ago_ms")):
        expected = theirs(prometheus, 0.95, offset=offset)
        assert {route: routes[route][key] for route in expected} == pytest.approx(expected, rel=0.01)
    before = by_route(measure(prometheus.url, before_s=86400))
    assert {route: row["p95_before_ms"] for route, row in before.items()} == {
        route: row["p95_day_ago_ms"] for route, row in routes.items()
    }
    assert before["/api/campaigns"]["times_before"] == routes["/api/campaigns"]["times_day_ago"]
    assert {row["p95_before_ms"] for row in routes.values()} == {None}
    checked = measure(prometheus.url, check_mode=True)
    assert by_route(checked)["/api/campaigns"]["p95_ms"] == 2500


def test_the_route_that_costs_the_most_time_comes_first(prometheus: RealPrometheus) -> None:
    result = measure(prometheus.url)
    first = result["routes"][0]
    assert (first["route"], first["verdict"], first["saturated"], first["p95_ms"]) == (
        "/api/campaigns",
        "slow",
        True,
        2500,
    )
    assert first["time_share"] > 0.7
    assert first["request_share"] < 0.2, "few requests"
    assert first["times_day_ago"] > 5
    assert (result["verdict"], result["slow_routes"]) == ("slow", ["/api/campaigns"])
    assert result["reason"] == "p95 of /api/campaigns is at least 2500 ms, above 500 ms"
    assert result["total"]["time_share"] == 1.0
    rate = prometheus.ask(f'sum(rate({METRIC}_sum{{route!="/ws/chat"}}[300s]))')
    assert result["total"]["seconds_per_s"] == pytest.approx(float(rate[0]["value"][1]), rel=0.02)
    assert result["requests"] == 7


def test_too_little_traffic_and_none_are_not_judged(prometheus: RealPrometheus) -> None:
    routes = by_route(measure(prometheus.url))
    assert routes["/api/rare"]["verdict"] == "low_volume"
    assert routes["/api/rare"]["error_ratio"] == pytest.approx(1.0, abs=0.01), "the two are asked one after the other"
    assert (routes["/api/idle"]["verdict"], routes["/api/idle"]["p95_ms"]) == ("no_traffic", None)
    assert routes["/api/offers"]["verdict"] == "ok"
    assert "/ws/chat" not in routes
    assert "/ws/chat" in by_route(measure(prometheus.url, exclude_routes=["/ws/ch"]))
    idle = measure(prometheus.url, exclude_routes=["/ws/*", "/api/campaigns", "/api/offers", "/api/r*"])
    assert (idle["verdict"], idle["reason"]) == ("no_traffic", "no requests came")


def test_excluded_routes_are_no_patterns_of_their_own(prometheus: RealPrometheus) -> None:
    hostile = ['"} or vector(1) or x{y="', "/api/c.mpaigns*", "\\", "(*"]
    assert "/api/campaigns" in by_route(measure(prometheus.url, exclude_routes=hostile))


def test_silence_is_not_health(prometheus: RealPrometheus) -> None:
    dead = measure(prometheus.url, job="dead")
    assert (dead["verdict"], dead["targets"]["state"]) == ("unknown", "down")
    missing = measure(prometheus.url, metric="nobody_has_it")
    assert missing["verdict"] == "unknown"
    assert "there are no such series" in missing["reason"]
    coarse = measure(prometheus.url, slo_p95_ms=3000)
    assert coarse["verdict"] == "unknown", "p95 is at least 2500 ms, which may be above 3000 ms"
    assert {row["instance"]: row["slow"] for row in coarse["instances"]} == {"a": None, "b": False}
    few = measure(prometheus.url, slo_p95_ms=3000, min_rps=50)
    assert {row["route"]: row["verdict"] for row in few["routes"]}["/api/campaigns"] == "low_volume"
    assert few["total"]["verdict"] == "unknown"
    assert (few["verdict"], "all routes together" in few["reason"]) == ("unknown", True)


def test_instances_and_parts(prometheus: RealPrometheus) -> None:
    share = f'sum(rate({METRIC}_sum{{route="/api/campaigns"}}[300s]))'
    given = {"parts": {"campaigns": share, "broken": "sum("}, "ingress_p95_query": "scalar(vector(0.75))"}
    result = measure(prometheus.url, **given, throttling_matchers={"pod": "backend-.*"})
    expected = theirs(prometheus, 0.95, "instance")
    assert {row["instance"]: row["p95_ms"] for row in result["instances"]} == pytest.approx(expected, rel=0.01)
    assert [(row["instance"], row["slow"]) for row in result["instances"]] == [("a", True), ("b", False)]
    assert result["parts"]["campaigns"]["share"] == pytest.approx(result["routes"][0]["time_share"], rel=0.02)
    assert result["parts"]["broken"] == {"seconds_per_s": None, "share": None}
    assert [gap.split(":")[0] for gap in result["gaps"]] == ["broken"]
    assert (result["cause"], result["verdict"]) == ("bad_data", "slow"), "a part that fails disturbs nothing else"
    assert result["ingress_p95_ms"] == 750
    assert result["throttling"] == {"pods": [], "max": None}


def test_the_result_has_the_documented_keys(prometheus: RealPrometheus) -> None:
    returned = yaml.safe_load(RETURN)
    up, down = measure(prometheus.url), measure(f"http://127.0.0.1:{free_port()}")
    for result in (up, down):
        assert set(result) - {"changed"} == set(returned)
    assert set(up["routes"][0]) == set(returned["routes"]["contains"])
    assert set(up["total"]) == set(returned["total"]["sample"])
    assert (down["reachable"], down["cause"], down["verdict"]) == (False, "refused", "unknown")
    unset = measure("")
    assert (unset["cause"], unset["verdict"], unset["requests"]) == ("not_configured", "unknown", 0)


def test_a_refusal_is_a_result_and_tells_no_token(api: Api) -> None:
    api.answers[QUERY] = Reply(401, b"no entry for c4nary-latency")
    result = measure(api.url, prometheus_token="c4nary-latency")
    assert (result["cause"], result["verdict"]) == ("invalid_auth", "unknown")
    assert "c4nary" not in json.dumps(result)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("metric", "a{b}"), ("route_label", 'x"'), ("job", ""), ("window_s", 0), ("min_rps", -1.0), ("max_routes", 0),
        ("slo_p95_ms", math.nan), ("parts", {"a": ""}), ("parts", {"a b": "1"}), ("scrape_max_age_s", 0),
        ("throttling_matchers", {'a="': "x"}), ("exclude_routes", ["/x"] * 51), ("ingress_p95_query", "1" * 4001),
    ],
)  # fmt: skip
def test_options_that_make_no_sense_fail(option: str, value: Any) -> None:
    result = measure("http://127.0.0.1:1", **{option: value})
    assert result["failed"]
    assert result["msg"].startswith(f"Reading the options of the API's latency: {option}")
