# SPDX-License-Identifier: GPL-3.0-or-later
"""Why webhooks fail: one case for each row of the decision table of webhook-failures, and what must not decide."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_cause import (
    CAUSES,
    webhook_cause,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_cause_read import read_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.modules import webhook_cause as module

Json = dict[str, Any]

NOW = dt.datetime(2026, 11, 24, 16, 0, tzinfo=dt.UTC)
KEY = "STRIPE_WEBHOOK_SECRET"
RIGHT, WRONG = "9f86d081884c", "0d6e4079e367"
URL = "https://api.example.com/api/webhooks/stripe"


def ago(seconds: float) -> str:
    return (NOW - dt.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def answers(unsigned: str = "verified", signed: str = "accepted", stale: str = "stale_rejected", **more: Any) -> Json:
    said = {"unsigned": unsigned, "signed": signed, "stale": stale}
    status = {"verified": 400, "accepted": 200, "not_verified": 200, "handler_error": 500, "wrong_path": 404}
    words = {
        kind: {"status": status.get(word), "verdict": word, "excerpt": None, "duration_s": 0.01}
        for kind, word in said.items()
    }
    return {
        "url": URL,
        "reachable": unsigned not in ("unreachable", "timeout"),
        "message": None,
        "dns": {"resolved": True, "public": True, "message": None},
        "tls": {"used": True, "valid": True, "message": None},
        **words,
        **more,
    }


def probe(public: Json | None = None, service: Json | None = None, **secret: Any) -> Json:
    used = {"used": True, "read": True, "fingerprint": RIGHT, "problems": [], **secret}
    shown = {"public": public or answers(), **({"service": service} if service else {})}
    return {"reachable": True, "secret": used, "probes": shown}


def not_signed(unsigned: str = "verified") -> Json:
    result = probe(answers(unsigned, "not_sent", "not_sent"))
    result["stored"] = {"used": False, "read": None, "fingerprint": None, "problems": []}
    return result


def endpoints(*problems: str, **changes: Any) -> Json:
    told = [{"problem": word, "message": f"it says {word}"} for word in problems]
    found = {"id": "we_1", "status": "disabled" if "disabled" in problems else "enabled"}
    return {"reachable": True, "endpoint": found, "problems": told} | changes


def events(*ages: float, kind: str = "payment_intent.succeeded", **changes: Any) -> Json:
    missing = [{"id": f"evt_{age:g}", "type": kind, "created": ago(age)} for age in sorted(ages, reverse=True)]
    return {"reachable": True, "missing": missing, "truncated": False} | changes


def processed(age: float, kind: str = "payment_intent.succeeded") -> Json:
    return {"reachable": True, "rows": [{"type": kind, "newest_at": ago(age)}]}


def pods(ready: int = 2) -> Json:
    return {"reachable": True, "workload": {"replicas": 2}, "pods_ready": ready}


def logs(**counts: int) -> Json:
    classes = {name: {"count": count} for name, count in counts.items()}
    return {"reachable": True, "pods_total": 2, "pods_read": 2, "pods_unread": [], "truncated": [], "classes": classes}


def secret(fingerprint: str = RIGHT, older: int = 0, **key: Any) -> Json:
    found = {"exists": True, "empty": False, "fingerprint": fingerprint, **key}
    names = [{"name": f"backend-{number}", "started_at": ago(9000)} for number in range(older)]
    return {"reachable": True, "exists": True, "keys": {KEY: found}, "pods_older": names}


def decide(wanted: str | None = RIGHT, **given: Json | None) -> Json:
    healthy = {
        "probe": probe(),
        "endpoints": endpoints(),
        "events": events(),
        "processed": processed(1),
        "workload": pods(),
        "logs": logs(),
        "stored_secret": secret(),
    }
    results = {name: value or {} for name, value in (healthy | given).items()}
    facts = read_facts(results, secret_key=KEY, wanted=wanted)
    result = webhook_cause(facts, NOW, recent_s=300)
    assert result["cause"] in CAUSES
    assert result["reason"]
    return result


FAILING = {"events": events(40, 60, 90), "processed": processed(1000)}
QUIET = {"events": events(400, 900), "processed": processed(1000)}  # nothing since
SILENT = {"reachable": False, "cause": "timeout", "message": "no answer within 3 s"}
BAD = answers(signed="bad_signature", stale="inconclusive")

ROWS = [
    # unsigned -> 404/405/3xx
    pytest.param("path_changed", {"probe": probe(answers("wrong_path", "wrong_path", "wrong_path"))}, id="path-404"),
    pytest.param("path_changed", {"probe": not_signed("redirect")}, id="path-3xx"),
    pytest.param(
        "path_changed", {"probe": probe(answers("wrong_path", "wrong_path"), service=answers())}, id="path-ingress"
    ),
    pytest.param("path_changed", {"probe": probe(service=answers("wrong_path", "wrong_path"))}, id="path-service"),
    pytest.param("path_changed", {"endpoints": endpoints("url_differs")}, id="path-endpoint-url"),
    # unsigned -> 200, before everything else
    pytest.param("signature_not_checked", {"probe": not_signed("not_verified")}, id="unchecked"),
    pytest.param(
        "signature_not_checked",
        {"probe": probe(answers("not_verified", "bad_signature")), "endpoints": endpoints("disabled"), **FAILING},
        id="unchecked-first",
    ),
    # signed -> 400 No signatures found: wrong secret
    pytest.param(
        "webhook_secret_wrong",
        {"probe": probe(BAD), "stored_secret": secret(WRONG), **FAILING},
        id="secret-differs-probe",
    ),
    pytest.param(
        "webhook_secret_wrong",
        {"stored_secret": secret(WRONG), "logs": logs(signature=9), **FAILING},
        id="secret-differs-pods-agree-with-it",
    ),
    pytest.param(
        "webhook_secret_wrong",
        {"probe": not_signed(), "stored_secret": secret(WRONG), "logs": logs(signature=30), **QUIET},
        id="secret-differs-no-event-for-a-while",
    ),
    pytest.param(
        "webhook_secret_wrong",
        {"probe": not_signed(), "stored_secret": secret(empty=True), "logs": logs(signature=30), **QUIET},
        id="secret-empty-no-event-for-a-while",
    ),
    pytest.param(
        "webhook_secret_wrong", {"wanted": None, "logs": logs(signature=9), **FAILING}, id="secret-not-to-be-compared"
    ),
    pytest.param(
        "webhook_secret_wrong", {"logs": logs(signature=9), **FAILING}, id="secret-of-vault-is-not-that-of-stripe"
    ),
    pytest.param(
        "webhook_secret_wrong",
        {"stored_secret": secret(exists=False), "probe": probe(BAD, read=False, cause="key_missing"), **FAILING},
        id="secret-without-key",
    ),
    pytest.param(
        "webhook_secret_wrong",
        {"stored_secret": secret(empty=True), "probe": not_signed(), **FAILING},
        id="secret-empty",
    ),
    # the same, pods older than the Secret
    pytest.param("webhook_secret_stale", {"probe": probe(BAD), "stored_secret": secret(older=2)}, id="secret-stale"),
    pytest.param(
        "webhook_secret_stale",
        {"probe": not_signed(), "stored_secret": secret(older=1), "logs": logs(signature=9), **FAILING},
        id="secret-stale-by-logs",
    ),
    pytest.param(
        "webhook_secret_stale",
        {
            "stored_secret": secret(older=1),
            "logs": logs(signature=30),
            "events": events(20, 220),
            "processed": processed(2),
        },
        id="secret-stale-of-one-pod",
    ),
    # the same, body parser
    pytest.param("body_altered", {"probe": probe(BAD), "logs": logs(signature=9), **FAILING}, id="body-parser"),
    # Timestamp outside the tolerance zone, fresh events
    pytest.param(
        "clock_skew", {"probe": probe(answers(signed="timestamp_rejected", stale="inconclusive"))}, id="clock-probe"
    ),
    pytest.param("clock_skew", {"probe": not_signed(), "logs": logs(timestamp=9), **FAILING}, id="clock-logs"),
    # endpoint disabled, only when nothing else is wrong
    pytest.param("endpoint_disabled", {"endpoints": endpoints("disabled")}, id="disabled"),
    pytest.param("endpoint_disabled", {"endpoints": endpoints("disabled"), "probe": SILENT}, id="disabled-unprobed"),
    pytest.param("path_changed", {"endpoints": endpoints("disabled", "url_differs")}, id="disabled-with-another-url"),
    pytest.param("event_types_missing", {"endpoints": endpoints("events_missing")}, id="endpoint-types"),
    pytest.param("mode_mismatch", {"endpoints": endpoints("mode", "disabled")}, id="endpoint-mode"),
    pytest.param("endpoint_missing", {"endpoints": endpoints("not_found", endpoint=None)}, id="endpoint-missing"),
    # 5xx or time-out of the handler
    pytest.param("handler_error", {"probe": probe(answers("handler_error", "handler_error"))}, id="handler-5xx"),
    pytest.param("handler_error", {"probe": probe(answers("timeout", "timeout"))}, id="handler-hangs"),
    pytest.param("handler_error", {"probe": probe(answers(signed="handler_error"))}, id="handler-5xx-signed-only"),
    pytest.param("handler_error", {"logs": logs(handler=5), **FAILING}, id="handler-one-type-only"),
    pytest.param("handler_error", {"logs": logs(handler=5), **QUIET}, id="handler-no-event-for-a-while"),
    pytest.param(
        "handler_error",
        {"logs": logs(handler=5), "events": events(20, 60, 200), "processed": processed(1)},
        id="handler-of-some-pods",
    ),
    pytest.param("handler_error", {"probe": probe(BAD), "logs": logs(handler=5)}, id="handler-maps-errors-to-400"),
    pytest.param(
        "handler_error",
        {"probe": probe(answers("handler_error", "handler_error")), "endpoints": endpoints("disabled")},
        id="handler-before-enabling",
    ),
    pytest.param("backend_down", {"workload": pods(0), "probe": probe(answers("unavailable"))}, id="no-pods"),
    # probes ok, old events missing
    pytest.param("events_missing", {"events": events(4000, 5000), "processed": processed(1)}, id="missing"),
    pytest.param("events_missing", {"events": events(60), "processed": processed(1)}, id="missing-later-one-arrived"),
    pytest.param("events_missing", {"events": events(400, kind="charge.refunded")}, id="missing-of-a-rare-type"),
    pytest.param(
        "events_missing",
        {"events": events(4000), "logs": logs(signature=9, handler=9, timestamp=9), "probe": not_signed()},
        id="missing-whatever-was-logged",
    ),
    # TLS, DNS, WAF
    pytest.param("edge", {"probe": probe(answers("refused_by_edge", "refused_by_edge"))}, id="edge-waf"),
    pytest.param("edge", {"probe": probe(answers(signed="too_large"))}, id="edge-too-large"),
    pytest.param(
        "edge", {"probe": probe(answers("unreachable", "unreachable"), service=answers())}, id="edge-dns-service-fine"
    ),
    pytest.param(
        "edge",
        {"probe": probe(answers("unreachable", tls={"used": True, "valid": False, "message": "expired"}))},
        id="edge-certificate",
    ),
    pytest.param("edge", {"probe": probe(answers("unreachable", "unreachable")), **FAILING}, id="edge-dns"),
    pytest.param(
        "edge", {"probe": probe(answers("unavailable", "unavailable"), service=answers())}, id="edge-ingress-503"
    ),
    pytest.param("edge", {"probe": probe(BAD, service=answers())}, id="edge-proxy-changes-body"),
    pytest.param(
        "edge",
        {"probe": probe(answers(dns={"resolved": True, "public": False, "message": None})), **FAILING},
        id="edge-private-name",
    ),
    # not in the table
    pytest.param("replay_accepted", {"probe": probe(answers(stale="stale_accepted"))}, id="replay"),
    pytest.param("none", {}, id="healthy"),
    pytest.param("none", {"probe": not_signed(), "stored_secret": None}, id="healthy-unsigned"),
    pytest.param("none", {"stored_secret": secret(older=2)}, id="healthy-secret-changed-another-key"),
    pytest.param("none", {"stored_secret": secret(WRONG)}, id="healthy-wanted-is-out-of-date"),
    pytest.param("none", {"stored_secret": secret(WRONG), "probe": not_signed()}, id="healthy-events-arrive"),
    pytest.param("none", {"logs": logs(signature=99, timestamp=9, header=9)}, id="healthy-forged-requests"),
]


@pytest.mark.parametrize(("cause", "given"), ROWS)
def test_rows(cause: str, given: Json) -> None:
    result = decide(**given)
    assert result["cause"] == cause, result["reason"]


def test_every_cause_has_a_row() -> None:
    assert {row.values[0] for row in ROWS} | {"unknown"} == set(CAUSES)


UNKNOWN = [
    pytest.param({"probe": None}, "the public URL", id="probe-not-made"),
    pytest.param({"probe": SILENT}, "no answer within 3 s", id="probe-silent"),
    pytest.param({"endpoints": SILENT}, "Stripe's webhook endpoint", id="endpoint"),
    pytest.param({"events": SILENT}, "undelivered events", id="events"),
    pytest.param({"events": events(missing=None)}, "undelivered events", id="events-not-compared"),
    pytest.param({"events": events(truncated=True)}, "older events", id="events-truncated"),
    pytest.param({"workload": SILENT}, "the pods", id="pods"),
    pytest.param({"logs": SILENT}, "the logs", id="logs"),
    pytest.param({"logs": logs() | {"pods_read": 1}}, "logs of 1 of 2 pods", id="logs-of-one-pod"),
    pytest.param({"probe": probe(answers(signed="not_sent"), read=False)}, "no signed request", id="secret"),
]


@pytest.mark.parametrize(("given", "gap"), UNKNOWN)
def test_what_is_not_known_is_never_healthy(given: Json, gap: str) -> None:
    result = decide(**given)
    assert result["cause"] == "unknown", result["reason"]
    assert any(gap in text for text in result["gaps"]), result["gaps"]
    assert gap in result["reason"]


@pytest.mark.parametrize(("given", "gap"), [row for row in UNKNOWN if "probe" not in row.values[0]])
def test_what_is_proven_is_named_whatever_else_is_not_known(given: Json, gap: str) -> None:
    result = decide(**({"probe": probe(answers("wrong_path"))} | given))
    assert result["cause"] == "path_changed"
    assert any(gap in text for text in result["gaps"])


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"probe": None, "events": events(4000)}, id="whether-the-endpoint-works-is-not-known"),
        pytest.param({"endpoints": SILENT, "events": events(4000)}, id="whether-it-is-enabled-is-not-known"),
        pytest.param(FAILING, id="events-fail-and-nothing-explains-it"),
        pytest.param({"events": events(60, kind="charge.refunded")}, id="none-of-its-type-arrived-since"),
        pytest.param({"events": events(60), "processed": processed(58)}, id="what-arrived-since-may-be-older"),
        pytest.param({**QUIET, "probe": not_signed()}, id="nothing-since"),
        pytest.param(
            {**QUIET, "probe": not_signed(), "stored_secret": secret(WRONG)}, id="nothing-since-secret-differs"
        ),
        pytest.param(
            {"events": events(4000), "probe": not_signed(), "stored_secret": secret(WRONG)}, id="secret-differs"
        ),
        pytest.param(
            {"events": events(20, 60), "probe": not_signed(), "logs": logs(signature=9)}, id="some-fail-and-some-arrive"
        ),
        pytest.param(
            {
                "events": {"reachable": True, "missing": [{"id": "evt_1", "type": "x", "created": None}]},
                "probe": not_signed(),
            },
            id="of-an-unknown-time",
        ),
    ],
)
def test_events_are_not_called_missing_of_the_past_while_they_may_fail_again(given: Json) -> None:
    result = decide(**given)
    assert result["cause"] == "unknown", result["reason"]
    assert "event" in result["reason"]


def test_forged_requests_do_not_lead_to_another_secret() -> None:
    """Nobody may bring the platform to change its secret by sending it rubbish."""
    result = decide(stored_secret=secret(WRONG), logs=logs(signature=999), probe=not_signed())
    assert (result["cause"], result["stored"], result["failing"]) == ("none", "differs", False)


@pytest.mark.parametrize("stored", [secret(WRONG), secret(empty=True), secret(exists=False)])
def test_without_any_event_a_doubtful_secret_is_not_called_healthy(stored: Json) -> None:
    result = decide(stored_secret=stored, probe=not_signed(), processed=processed(9000))
    assert result["cause"] == "unknown", result["reason"]
    assert "secret" in result["reason"] or KEY in result["reason"]


@pytest.mark.parametrize("stored", [secret(WRONG), secret(exists=False)])
@pytest.mark.parametrize("lines", [0, 1, 99])
def test_nothing_is_restored_while_nobody_knows_whether_events_fail(stored: Json, lines: int) -> None:
    """What is rejected anybody can send, and the inventory may name a wrong key."""
    result = decide(stored_secret=stored, probe=not_signed(), events=SILENT, logs=logs(signature=lines))
    assert result["cause"] == "unknown", result["reason"]
    assert any("undelivered events" in gap for gap in result["gaps"])


def test_an_unreachable_url_is_our_own_network_while_events_arrive() -> None:
    result = decide(probe=probe(answers("unreachable", "unreachable")))
    assert (result["cause"], result["probes"]) == ("unknown", "failing")


@pytest.mark.parametrize(
    ("given", "probes", "signed", "failing"),
    [
        ({}, "ok", True, False),
        ({"probe": not_signed()}, "ok", None, False),
        ({"probe": probe(BAD)}, "failing", False, False),
        ({"probe": None, "events": SILENT}, "unknown", None, None),
        (FAILING, "ok", True, True),
    ],
)
def test_what_an_action_is_allowed_by(given: Json, probes: str, signed: bool | None, failing: bool | None) -> None:
    result = decide(**given)
    assert (result["probes"], result["signed"], result["failing"]) == (probes, signed, failing)


def test_what_is_missing_is_passed_on_oldest_first() -> None:
    result = decide(events=events(31, 5000, truncated=True))
    assert [event["id"] for event in result["missing"]] == ["evt_5000", "evt_31"]
    assert "there are older events than those that were looked at" in result["notes"]


def test_evidence_names_what_was_seen() -> None:
    result = decide(probe=probe(BAD), logs=logs(signature=3, handler=0))
    seen = {"unsigned": "verified", "signed": "bad_signature", "stale": None}
    assert {"source": "probe public", **seen} in result["evidence"]
    assert {"source": "logs", "class": "signature", "lines": 3} in result["evidence"]
    assert not [item for item in result["evidence"] if item.get("class") == "handler"]


@pytest.mark.parametrize("created", [1764000000, 1764000000.5, "2026-11-24T15:00:00+00:00", "2026-11-24 15:00:00"])
def test_instants_of_stripe_and_of_postgresql_are_understood(created: Any) -> None:
    given = events(4000)
    given["missing"][0]["created"] = created
    assert decide(events=given)["cause"] == "events_missing"


def test_a_negative_time_is_refused() -> None:
    params = {key: option.get("default") for key, option in module.SPEC.argument_spec.items()}
    with pytest.raises(IncidentsError, match="Telling why webhooks fail: recent_s must not be negative, and is -1"):
        module.run(params | {"recent_s": -1.0}, check_mode=False)


def test_nothing_asked_is_nothing_known() -> None:
    params = {key: option.get("default") for key, option in module.SPEC.argument_spec.items()}
    result = module.run(params, check_mode=False)
    assert (result["cause"], result["probes"], result["missing"]) == ("unknown", "unknown", None)
    assert len(result["gaps"]) == 5
