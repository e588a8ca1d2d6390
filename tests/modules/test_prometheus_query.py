# SPDX-License-Identifier: GPL-3.0-or-later
"""prometheus_query against the real Prometheus, whose own answers are the second channel."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from modules.k8s_support import Api, Reply, api, until
from modules.prometheus_support import Exporter, RealPrometheus, exporter, free_port, payments, prometheus

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.prometheus_query import RETURN, SPEC

__all__ = ["api", "exporter", "prometheus"]

SUCCESS, FAILED = "sum(rate(stripe_payment_success_total[2s]))", "sum(rate(stripe_payment_failed_total[2s]))"
RATIO = f"({FAILED} or vector(0)) / (({FAILED} or vector(0)) + ({SUCCESS} or vector(0)))"
QUERY = "/api/v1/query"
CANARY = "c4nary-prometheus"
NO_CHECK = False


def vector(value: str = "2", at: float = 1.0) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [at, value]}]}}


def ask(url: str, queries: dict[str, Any], *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    """Run the module as its edges do."""
    options = {"prometheus_url": url, "queries": queries, "prometheus_timeout": 10, **given}
    validation = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate(options)
    assert not validation.errors.errors, validation.errors.msg
    result = conclude(SPEC, validation.validated_parameters, check_mode)
    json.dumps(result, allow_nan=False)
    return censor(result, {*validation._no_log_values, *SPEC.secrets(validation.validated_parameters)})


def one(url: str, query: Any, **given: Any) -> dict[str, Any]:
    result: dict[str, Any] = ask(url, {"it": query}, **given)["answers"]["it"]
    return result


def expose(exporter: Exporter, prometheus: RealPrometheus, text: str, ready: str) -> None:
    """Let the exporter expose more, and wait until Prometheus has it."""
    before = exporter.text
    exporter.text = lambda: before() + text
    prometheus.wait_for(ready)


def test_a_value_is_what_prometheus_says(prometheus: RealPrometheus) -> None:
    rate = 'sum(rate(stripe_payment_success_total{job="backend"}[2s]))'
    ratio = {"query": RATIO, "volume": "sum(stripe_payment_failed_total)", "min": 1}
    result = ask(prometheus.url, {"scalar": "1.5 + 1", "ratio": ratio, "rate": rate}, job="backend")
    assert (result["reachable"], result["cause"], result["unanswered"], result["changed"]) == (True, None, [], False)
    results = result["answers"]
    assert results["scalar"]["value"] == 2.5
    assert results["ratio"]["value"] == pytest.approx(0.25, rel=0.05)
    assert results["ratio"]["volume"] > 1
    assert results["rate"]["value"] == pytest.approx(float(prometheus.ask(rate)[0]["value"][1]), rel=0.05)
    assert {each["status"] for each in results.values()} == {"value"}
    assert {each["partial"] for each in results.values()} == {False}
    assert (result["targets"]["state"], result["targets"]["total"], result["targets"]["up"]) == ("up", 1, 1)
    assert result["targets"]["list"][0]["scraped_s_ago"] < 10
    checked = ask(prometheus.url, {"scalar": "1.5 + 1"}, check_mode=True)
    assert checked["answers"]["scalar"]["value"] == 2.5, "check mode makes no difference"


def test_the_result_has_the_documented_keys(prometheus: RealPrometheus) -> None:
    returned = yaml.safe_load(RETURN)
    down = ask(f"http://127.0.0.1:{free_port()}", {"it": "1"}, job="backend")
    calls = {"query": SUCCESS, "range": {"window_s": 2, "step_s": 1}, "limit": 1e9}
    up = ask(prometheus.url, {"it": "1", "calls": calls}, job="half")
    for result in (down, up):
        assert set(result) - {"changed"} == set(returned)
        assert set(result["targets"]) == set(returned["targets"]["contains"])
        for each in result["answers"].values():
            assert set(each) == set(returned["answers"]["contains"])
    series = up["answers"]["calls"]["series"][0]
    assert set(series) == set(returned["answers"]["contains"]["series"]["contains"])


def test_what_is_no_value_is_told_apart(prometheus: RealPrometheus, exporter: Exporter) -> None:
    old = int((time.time() - 60) * 1000)
    expose(exporter, prometheus, f"pushed 7 {old}\nfew_total 12\n", 'pushed{job="backend"} + few_total')
    few = 'few_total{job="backend"}'
    result = ask(
        prometheus.url,
        {
            "no_traffic": "vector(0) / vector(0)",
            "empty": "no_such_metric",
            "saturated": "vector(1) / vector(0)",
            "bad": "sum(",
            "duplicates": 'up{job="half"} * on() up{job="half"}',
            "text": '"words"',
            "pushed": {"query": "max(pushed)", "selector": "pushed", "max_age_s": 600},
            "old": {"query": "max(pushed) or vector(0)", "selector": "pushed", "max_age_s": 10},
            "hidden": {"query": "sum(no_such_metric) or vector(0)", "selector": "no_such_metric"},
            "few": {"query": RATIO, "volume": few, "min": 20},
            "enough": {"query": RATIO, "volume": few, "min": "12"},
            "uncounted": {"query": RATIO, "volume": "no_such_metric", "min": 1},
            "too_few_itself": {"query": few, "min": 13},
        },
    )
    said = {name: (each["status"], each["reason"]) for name, each in result["answers"].items()}
    assert said == {
        "no_traffic": ("nan", "nan"),
        "empty": ("no_data", "empty"),
        "saturated": ("infinite", "+Inf"),
        "bad": ("error", "bad_data"),
        "duplicates": ("error", "execution"),
        "text": ("error", "unreadable"),
        "pushed": ("value", None),
        "old": ("stale", "old_samples"),
        "hidden": ("no_data", "series_missing"),
        "few": ("low_volume", "low_volume"),
        "enough": ("value", None),
        "uncounted": ("no_data", "no_volume"),
        "too_few_itself": ("low_volume", "low_volume"),
    }
    assert sorted(result["unanswered"]) == ["bad", "duplicates", "text"]
    assert result["reachable"] is True, "a bad query does not disturb the others"
    assert result["cause"] in {"bad_data", "execution"}
    values = {name: each["value"] for name, each in result["answers"].items() if each["value"] is not None}
    assert set(values) == {"pushed", "enough", "few", "too_few_itself"}, "no number where there is none"
    assert 55 < result["answers"]["old"]["sample_age_s"] < 600
    assert "HTTP 400" in result["answers"]["bad"]["message"]
    assert "HTTP 422" in result["answers"]["duplicates"]["message"]


@pytest.mark.parametrize(
    ("job", "state", "silence", "value", "partial"),
    [
        ("backend", "up", "no_data", "value", False),
        ("half", "partial", "unknown", "value", True),
        ("dead", "down", "unknown", "unknown", True),
        ("nobody", "missing", "unknown", "unknown", True),
        ('injected"} or vector(1) or up{job="backend', "missing", "unknown", "unknown", True),
    ],
)
def test_silence_of_dead_targets_is_unknown(
    prometheus: RealPrometheus, job: str, state: str, silence: str, value: str, partial: bool
) -> None:
    queries = {"silence": "no_such_metric", "nan": "vector(0)/vector(0)", "guarded": "sum(no_such_metric) or vector(0)"}
    result = ask(prometheus.url, queries, job=job)
    assert result["targets"]["state"] == state
    said = {name: each["status"] for name, each in result["answers"].items()}
    assert said == {"silence": silence, "nan": "nan" if silence == "no_data" else "unknown", "guarded": value}
    assert {each["partial"] for each in result["answers"].values()} == {partial}
    if value == "unknown":
        assert result["answers"]["guarded"]["reason"] == f"targets_{state}"
        assert result["answers"]["guarded"]["value"] is None, "a zero of nobody is no zero"


def test_a_target_that_dies_makes_its_silence_unknown(tmp_path: Path) -> None:
    backend = Exporter(payments(100, 0))
    prometheus = RealPrometheus(tmp_path, {"backend": [backend.port]})
    query = "sum(stripe_payment_success_total)"
    try:
        prometheus.wait_for(query)
        assert one(prometheus.url, query, job="backend")["status"] == "value"
        backend.stop()
        until(lambda: not prometheus.ask(query), "the series ends")
        dead = ask(prometheus.url, {"it": query}, job="backend")
        assert prometheus.ask('up{job="backend"}')[0]["value"][1] == "0", "Prometheus itself says that it is down"
        assert (dead["answers"]["it"]["status"], dead["answers"]["it"]["reason"]) == ("unknown", "targets_down")
        assert dead["targets"]["list"][0]["state"] == "down"
        assert one(prometheus.url, query)["status"] == "no_data", "without the job it cannot be told"

        prometheus.process.send_signal(signal.SIGSTOP)
        stopped = psutil.Process(prometheus.process.pid)
        until(lambda: stopped.status() == psutil.STATUS_STOPPED, "it hangs")
        hangs = ask(prometheus.url, {"it": query, "other": "1"}, job="backend", prometheus_timeout=1)
        assert (hangs["reachable"], hangs["cause"]) == (False, "timeout")
        assert {each["status"] for each in hangs["answers"].values()} == {"unknown"}
        assert hangs["targets"]["state"] == "unknown"
        assert hangs["answers"]["it"]["partial"] is None
    finally:
        prometheus.stop()
    gone = ask(prometheus.url, {"it": query}, job="backend")
    assert (gone["reachable"], gone["cause"], gone["unanswered"]) == (False, "refused", ["it"])


def test_a_scrape_that_is_long_ago_is_stale(prometheus: RealPrometheus) -> None:
    at = time.time()
    result = ask(prometheus.url, {"it": "1"}, job="backend", scrape_max_age_s=1)
    assert result["targets"]["state"] == "up", "it is scraped several times a second"
    assert time.time() - at < 60


def test_the_points_of_a_range_and_what_is_computed_of_them(prometheus: RealPrometheus, exporter: Exporter) -> None:
    expose(exporter, prometheus, "steady 0.02\n", 'count_over_time(steady{job="backend"}[5s]) > 16')
    span = {"window_s": 4, "step_s": 1}
    series = 'steady{job="backend"}'
    result = ask(
        prometheus.url,
        {
            "steady": {"query": series, "range": span, "limit": 0.05},
            "above": {"query": series, "range": span, "limit": 0.01},
            "mixed": {"query": f"{series} / (time() % 2 > bool 0)", "range": span, "limit": 1},
            "several": {"query": 'up{job="half"}', "range": span},
            "nothing": {"query": "no_such_metric", "range": span},
            "ended": {"query": f"{series} and on() (vector(time()) < {time.time() - 2})", "range": span},
        },
        job="backend",
    )
    steady = result["answers"]["steady"]
    assert (steady["status"], steady["value"]) == ("value", 0.02)
    (line,) = steady["series"]
    assert (line["min"], line["max"], line["last"]) == (0.02, 0.02, 0.02)
    assert line["average"] == pytest.approx(0.02)
    assert line["within"]["points"] == len(line["points"])
    assert line["within"]["points"] >= 3
    assert line["within"]["seconds"] == len(line["points"]) - 1
    assert result["answers"]["above"]["series"][0]["within"] == {"points": 0, "seconds": 0.0}
    mixed = result["answers"]["mixed"]["series"][0]
    assert {point["status"] for point in mixed["points"]} == {"value", "infinite"}
    assert {point["value"] for point in mixed["points"]} == {0.02, None}
    assert mixed["within"]["points"] <= 1, "an infinite point is not within any limit"
    several = result["answers"]["several"]
    assert (several["value"], several["min"], several["max"], len(several["series"])) == (None, 0, 1, 2)
    assert result["answers"]["nothing"]["status"] == "no_data"
    assert (result["answers"]["ended"]["status"], result["answers"]["ended"]["value"]) == ("stale", None)
    assert abs(result["clock_skew_s"]) < 5
    assert steady["series"][0]["points"][0]["at"].endswith("Z")


def test_hostile_and_many_labels_are_bounded(prometheus: RealPrometheus, exporter: Exporter) -> None:
    key = "sk_live_" + "a1" * 12
    labels = "".join(f'l{number:02}="x",' for number in range(30))
    hostile = f'hostile{{note="{{{{ 1 + 1 }}}} <b>\\n{key} {"y" * 3000}",{labels}}} 1\n'
    many = "".join(f'many{{n="{number}"}} {number}\n' for number in range(60))
    expose(exporter, prometheus, hostile + many, 'hostile{job="backend"}')
    result = ask(prometheus.url, {"hostile": 'hostile{job="backend"}', "many": 'many{job="backend"}'}, max_series=10)
    shown = result["answers"]["hostile"]["samples"][0]["labels"]
    assert len(shown) <= 20
    assert all(len(value) <= 200 and "\n" not in value for value in shown.values())
    note = one(prometheus.url, 'sum by (note) (hostile{job="backend"})')["samples"][0]["labels"]["note"]
    assert note.startswith("{{ 1 + 1 }} <b>")
    assert key not in json.dumps(result)
    assert key not in note
    many_result = result["answers"]["many"]
    assert (len(many_result["samples"]), many_result["truncated"]) == (10, True)
    assert (many_result["min"], many_result["max"]) == (0, 59), "what is not shown counts all the same"
    counted = one(prometheus.url, {"query": 'many{job="backend"}', "min": sum(range(60))}, max_series=1)
    assert counted["volume"] == sum(range(60))


def test_a_query_that_takes_too_long_is_no_dead_server(tmp_path: Path) -> None:
    """Prometheus looks at its limit between the parts of a query, so it takes several that are slow."""
    slow = " + ".join(f"sum_over_time((vector({number}) + vector(1))[300s:1ms])" for number in range(4))
    backend = Exporter(payments(1, 1))
    limited = RealPrometheus(tmp_path, {"backend": [backend.port]}, "--query.timeout=50ms")
    try:
        limited.wait_for("up")
        result = ask(limited.url, {"slow": slow}, prometheus_timeout=30)
    finally:
        limited.stop()
        backend.stop()
    assert (result["reachable"], result["cause"]) == (True, "timeout")
    assert (result["answers"]["slow"]["status"], result["answers"]["slow"]["reason"]) == ("error", "timeout")
    assert "HTTP 503" in result["answers"]["slow"]["message"]


def test_all_are_asked_at_the_same_time_and_equal_ones_once(api: Api) -> None:
    together = threading.Barrier(21)  # 20 queries and the targets; one that is asked late breaks it

    def answer(_asked: Any) -> Any:
        together.wait(timeout=5)
        return vector()

    api.answers[QUERY] = answer
    queries: dict[str, Any] = {f"q{number}": f"metric_{number}" for number in range(18)}
    queries |= {"gated": {"query": "a", "volume": "b", "min": 1}, "twice": {"query": "a", "volume": "b", "min": 1}}
    result = ask(api.url, queries, job="backend", prometheus_timeout=20)
    assert {each["value"] for each in result["answers"].values()} <= {2.0, None}
    assert len(api.asked) == len(result["calls"]) == 21
    assert result["answers"]["twice"]["volume"] == 2
    assert {asked.method for asked in api.asked} == {"GET"}


@pytest.mark.parametrize(
    ("reply", "reachable", "cause", "status"),
    [
        (Reply(401, b"no"), False, "invalid_auth", "unknown"),
        (Reply(403, b"no"), False, "not_permitted", "unknown"),
        (Reply(404, b"404 page not found"), False, "not_found", "unknown"),
        (Reply(502, b"<html>"), False, "server_error", "unknown"),
        (Reply(302, b"", {"Location": "http://127.0.0.1:1/"}), False, "invalid", "unknown"),
        (Reply(200, b"<html>sign in"), False, "no_answer", "unknown"),
        (Reply(200, {"status": "success"}), False, "no_answer", "unknown"),
        (Reply(200, b'{"status": "success", "data": '), False, "no_answer", "unknown"),
        (Reply(delay_s=4, body=vector()), False, "timeout", "unknown"),
        (Reply(503, {"status": "error", "errorType": "unavailable", "error": "x"}), True, "unavailable", "error"),
        (Reply(500, {"status": "error", "errorType": "new", "error": "x"}), True, "internal", "error"),
    ],
)
def test_whatever_else_answers_is_unknown_with_its_cause(
    api: Api, reply: Reply, reachable: bool, cause: str, status: str
) -> None:
    api.answers[QUERY] = reply
    result = ask(api.url, {"it": "1"}, prometheus_timeout=1)
    assert (result["reachable"], result["cause"]) == (reachable, cause)
    assert (result["answers"]["it"]["status"], result["answers"]["it"]["reason"]) == (status, cause)
    assert result["message"]
    assert result["hint"]
    assert "communications" not in result["hint"]


@pytest.mark.parametrize(
    "data",
    [
        {"resultType": "vector", "result": [{"metric": {}, "histogram": [1, {}]}]},
        {"resultType": "vector", "result": [{"metric": {}, "value": [1, "many"]}]},
        {"resultType": "vector", "result": [{"value": [1, "1"]}]},
        {"resultType": "vector", "result": "none"},
        {"resultType": "scalar", "result": None},
        {"resultType": "streams", "result": []},
        {},
    ],
)
def test_an_answer_of_another_kind_is_an_error(api: Api, data: dict[str, Any]) -> None:
    api.answers[QUERY] = {"status": "success", "data": data}
    result = ask(api.url, {"it": "1"}, job="backend")
    assert (result["answers"]["it"]["status"], result["answers"]["it"]["reason"]) == ("error", "unreadable")
    assert result["targets"]["state"] == "unknown"


def test_a_clock_that_is_behind_makes_a_range_unknown(api: Api) -> None:
    now = time.time()
    points = {"resultType": "matrix", "result": [{"metric": {}, "values": [[now, "1"]]}]}
    api.answers["/api/v1/query_range"] = {"status": "success", "data": points}
    span = {"query": "x", "range": {"window_s": 60, "step_s": 15}}
    for behind, status in ((100, "unknown"), (2, "value"), (-100, "value")):
        api.answers[QUERY] = vector(str(now - behind))
        assert one(api.url, span)["status"] == status


def test_tls_by_an_authority_of_ones_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    served = {"tls_server_config": {"cert_file": "cert.pem", "key_file": "key.pem"}}
    (tmp_path / "web.yml").write_text(yaml.safe_dump(served), encoding="utf-8")
    secured = RealPrometheus(tmp_path, {}, f"--web.config.file={tmp_path / 'web.yml'}")
    url = secured.url.replace("http", "https", 1)
    try:
        until(lambda: ask(url, {"it": "1"}, prometheus_timeout=1)["cause"] == "tls", "it is not trusted")
        trusted = ask(url, {"it": "1"}, prometheus_ca_cert=str(tmp_path / "ca.pem"))
        plain = ask(secured.url, {"it": "1"})
    finally:
        secured.stop()
    assert (trusted["reachable"], trusted["answers"]["it"]["value"]) == (True, 1)
    assert plain["reachable"] is False


@pytest.mark.parametrize(
    "login",
    [{"prometheus_token": CANARY}, {"prometheus_username": "ops", "prometheus_password": f"{CANARY}/é"}],
)
def test_the_login_travels_in_a_header_and_nowhere_else(api: Api, login: dict[str, str]) -> None:
    seen: list[str] = []

    def answer(asked: Any) -> Any:
        seen.append(asked.headers["Authorization"])
        said = f"{asked.headers['Authorization']} {json.dumps(login)}"
        return Reply(400, {"status": "error", "errorType": "bad_data", "error": said})

    api.answers[QUERY] = answer
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    uncensored = conclude(SPEC, {**defaults, "prometheus_url": api.url, "queries": {"it": "1"}, **login}, NO_CHECK)
    kind, _, value = seen[0].partition(" ")
    assert kind == ("Bearer" if "prometheus_token" in login else "Basic")
    told = json.dumps(uncensored)
    assert CANARY not in told
    assert value not in told
    assert uncensored["answers"]["it"]["reason"] == "bad_data"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"prometheus_url": "ftp://x"}, "prometheus_url must be an address"),
        ({"prometheus_url": "http://prometheus.example.com", "prometheus_token": CANARY}, "must begin with https://"),
        ({"prometheus_url": f"http://ops:{CANARY}@127.0.0.1"}, "without login, query and fragment"),
        ({"prometheus_url": "http://[nonsense"}, "is no valid address"),
        ({"prometheus_token": f"{CANARY}\n{CANARY}"}, "characters that no key has"),
        ({"prometheus_timeout": 0}, "prometheus_timeout must be 1 second or more"),
        ({"prometheus_ca_cert": "/nonexistent.pem"}, "prometheus_ca_cert is no file"),
        ({"max_series": 0}, "max_series must be 1 or more"),
        ({"queries": {"a b": "1"}}, "is no name of a query"),
        ({"queries": {"a": ""}}, "'a' has no query"),
        ({"queries": {"a": ["1"]}}, "must be PromQL, or a dictionary"),
        ({"queries": {"a": {"query": "1", "rnage": 1}}}, "unknown options, rnage"),
        ({"queries": {"a": {"query": "1", "range": {"window_s": 5}}}}, "range needs window_s and step_s"),
        ({"queries": {"a": {"query": "1", "range": {"window_s": 9999, "step_s": 1}}}}, "between 1 and 500 steps"),
        ({"queries": {"a": {"query": "1", "limit": 1}}}, "limit is for queries with a range"),
        ({"queries": {"a": {"query": "1", "volume": "1"}}}, "volume is given"),
        ({"queries": {"a": {"query": "1", "min": "many"}}}, "min must be a number"),
        ({"queries": {"a": {"query": "1", "min": "NaN"}}}, "min must be a number"),
        ({"queries": {f"q{number}": "1" for number in range(21)}}, "at most 20"),
        ({"job": "a\nb"}, "job must be the name of a job"),
    ],
)
def test_options_that_make_no_sense_fail_with_one_sentence(api: Api, given: dict[str, Any], said: str) -> None:
    options = {"url": api.url, "queries": {"it": "1"}, **given}
    url = options.pop("prometheus_url", options.pop("url"))
    result = ask(url, options.pop("queries"), **{key: value for key, value in options.items() if key != "url"})
    assert result["failed"] is True
    assert said in result["msg"]
    assert CANARY not in result["msg"]
    assert api.asked == []


def test_no_address_is_a_result(api: Api) -> None:
    result = ask("", {"it": "1"}, job="backend")
    assert (result["reachable"], result["cause"], result["answers"]["it"]["status"]) == (
        False,
        "not_configured",
        "unknown",
    )
    assert result["hint"] == "set it on the inventory host prometheus"
    assert result["calls"] == []
