# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend takes payments at the lab's Stripe, fails as its library does, and its job tries again."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from incident_runbooks.lab import processes
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.processes import base_environ
from incident_runbooks.lab.stripe import part as stripe_part
from incident_runbooks.lab.stripe.part import StripePart
from incident_runbooks.lab.workloads import faults, npm
from incident_runbooks.lab.workloads.backend import stripe as signatures
from incident_runbooks.lab.workloads.npm import CALLS_VARIABLE
from incident_runbooks.lab.workloads.stripe_seed import PAYMENTS_QUERY, stripe_seed
from support.servers import installations
from support.workloads import Workload, database_environ, eventually

pytestmark = pytest.mark.parametrize("pg", installations()[:1], indirect=True)

WEBHOOK_PATH = "/api/webhooks/stripe"
EVENTS = ["payment_intent.succeeded", "payment_intent.payment_failed"]
JOB = "jobs:retry-failed-payments"
MADE = "SELECT id, status, stripe_payment_intent_id FROM payments WHERE id > %s ORDER BY id"

Start = Callable[..., Workload]


@pytest.fixture
def app(pg: Any) -> Iterator[psycopg.Connection[Any]]:
    """The database; what a test adds to it is gone afterwards."""
    connection = pg.connect(pg.app_user)
    yield connection
    connection.execute("DELETE FROM payments WHERE id > 200")
    connection.execute("DELETE FROM processed_events")
    connection.execute("DELETE FROM audit_logs WHERE id > 2000")


@pytest.fixture
def stripe(tmp_path: Path) -> Iterator[StripePart]:
    """A Stripe of its own, so that its limits are."""
    part = stripe_part.lay_out(tmp_path)
    record = stripe_part.start(part, mark={})
    try:
        stripe_part.wait_until_they_answer(part, record)
        yield part
    finally:
        processes.stop([process for process in [record.find()] if process])


@pytest.fixture
def start(pg: Any, app: Any, stripe: StripePart, tmp_path: Path) -> Iterator[Start]:
    """Starts backends that take payments."""
    started: list[Workload] = []

    def begin(**environ: str) -> Workload:
        given = {
            **database_environ(pg),
            "STRIPE_API_URL": stripe.url,
            "STRIPE_SECRET_KEY": stripe.keys.secret_key,
            "STRIPE_WEBHOOK_SECRET": stripe.keys.webhook_secret,
            "PAYMENTS_PER_SECOND": "10",
            "STRIPE_RATE_LIMIT_PER_SECOND": "8",
        }
        started.append(Workload("backend", tmp_path / f"backend-{len(started)}", {**given, **environ}))
        return started[-1].wait_ready()

    yield begin
    for workload in started:
        if workload.process.poll() is None:
            workload.process.kill()
        workload.process.wait()


def made(app: Any) -> list[tuple[int, str, str | None]]:
    """The payments that were not there at first: number, status, PaymentIntent."""
    return list(app.execute(MADE, [200]).fetchall())


def metrics(backend: Workload, name: str) -> dict[str, float]:
    """The samples of a metric by their labels."""
    lines = [line.rpartition(" ") for line in backend.request("/metrics")[1].splitlines()]
    return {found.removeprefix(name): float(value) for found, _, value in lines if found.partition("{")[0] == name}


def intents(stripe: StripePart) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in stripe.state()["payment_intents"]}


def idempotency_keys(stripe: StripePart, type_: str) -> list[str]:
    """What the requests carried that led to the events of a type."""
    address = f"{stripe.url}/v1/events?limit=100&type={type_}"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {stripe.keys.secret_key}"})  # noqa: S310 - http
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - http
        return [each["request"]["idempotency_key"] for each in json.load(answer)["data"]]


def deliver(backend: Workload, stripe: StripePart, event: dict[str, Any], *, signed: bool = True) -> int:
    body = json.dumps(event).encode()
    header = {"Stripe-Signature": signatures.sign(body, stripe.keys.webhook_secret)} if signed else {}
    return backend.request(WEBHOOK_PATH, body, header)[0]


def test_payments_succeed_and_the_webhook_says_so(pg: Any, app: Any, stripe: StripePart, start: Start) -> None:
    port = free_port()
    stripe.tell("/lab/endpoint", url=f"http://127.0.0.1:{port}{WEBHOOK_PATH}", enabled_events=EVENTS)
    backend = start(PORT=str(port))
    eventually(lambda: Counter(status for _, status, _ in made(app))["succeeded"] >= 4, "payments that succeeded")
    assert backend.stop() == 0
    rows = made(app)
    known = intents(stripe)
    for number, status, intent in rows:
        assert known[intent]["status"] == "succeeded", "who is told to stop ends what is under way"
        assert known[intent]["metadata"] == {"payment_id": str(number)}
        assert status in {"succeeded", "pending"}, "the last events may have come too late"
    keys = idempotency_keys(stripe, "payment_intent.succeeded") + idempotency_keys(stripe, "payment_intent.created")
    assert len(set(keys)) == len(keys) == 2 * len(rows)
    assert {key.rpartition(":")[2] for key in keys} == {"create", "confirm"}
    assert {int(key.split("-")[1]) for key in keys} == {number for number, _, _ in rows}
    processed = {row[0] for row in app.execute("SELECT id FROM processed_events")}
    assert len(processed) >= 4
    assert app.execute("SELECT count(*) FROM audit_logs WHERE action = 'payment.created'").fetchone()[0] >= len(rows)
    requests = [json.loads(line) for line in stripe.requests.read_text(encoding="utf-8").splitlines()]
    assert all("/v1/" not in str(each) or stripe.keys.secret_key not in str(each) for each in requests)
    text = backend.text()
    for secret in stripe.keys.secrets():
        assert secret not in text
    assert backend.lines("error") == []


def test_what_is_counted(pg: Any, app: Any, stripe: StripePart, start: Start) -> None:
    backend = start(PAYMENTS_PER_SECOND="0")
    failed = metrics(backend, "stripe_payment_failed_total")
    assert set(failed.values()) == {0.0}
    assert len(failed) == 7, "every reason is there from the start"
    assert metrics(backend, "stripe_payment_success_total") == {"": 0}
    assert metrics(backend, "stripe_api_requests_total")['{endpoint="payment_intents.confirm",status="429"}'] == 0
    assert metrics(backend, "stripe_webhook_last_processed_timestamp_seconds") == {"": 0}
    faults.inject(backend.faults, "backend", "payment-burst", {"per_second": 10})
    eventually(lambda: metrics(backend, "stripe_payment_success_total")[""] >= 2, "successes")
    faults.inject(backend.faults, "backend", "payment-declines", {"share": 1})
    declined = '{reason="card_declined"}'
    eventually(lambda: metrics(backend, "stripe_payment_failed_total")[declined] >= 2, "declines")
    faults.withdraw(backend.faults)
    pending = lambda: [row for row in made(app) if row[2] is None]  # noqa: E731 - asked again
    eventually(lambda: not pending(), "none is under way")
    succeeded = metrics(backend, "stripe_payment_success_total")[""]
    found = metrics(backend, "stripe_api_requests_total")
    assert found['{endpoint="payment_intents.create",status="200"}'] >= len(made(app))
    assert found['{endpoint="payment_intents.confirm",status="402"}'] >= 2
    statuses = Counter(each["status"] for each in intents(stripe).values())
    assert succeeded <= statuses["succeeded"]
    errors = [line["err"] for line in backend.lines("error")]
    assert {error["type"] for error in errors} == {"StripeCardError"}
    assert (
        errors[0].items() >= {"message": "Your card was declined.", "code": "card_declined", "statusCode": 402}.items()
    )
    assert errors[0]["requestId"].startswith("req_")
    duration = metrics(backend, "stripe_api_request_duration_seconds_count")
    assert duration['{endpoint="payment_intents.create"}'] == found['{endpoint="payment_intents.create",status="200"}']


OUTAGES = [
    ("outage", "api_error", "StripeAPIError", None, None),
    ("lock-timeout", "lock_timeout", "StripeRateLimitError", "lock_timeout", "requires_confirmation"),
    ("hang", "connection", "StripeConnectionError", "ETIMEDOUT", None),
    ("expired", "authentication", "StripeAuthenticationError", "api_key_expired", None),
    ("egress", "connection", "StripeConnectionError", "ENOTFOUND", None),
    ("limit", "rate_limit", "StripeRateLimitError", "rate_limit", ...),
]


@pytest.mark.parametrize(("fault", "reason", "kind", "code", "left"), OUTAGES, ids=[each[0] for each in OUTAGES])
def test_a_payment_that_stripe_does_not_take_is_failed(
    pg: Any, app: Any, stripe: StripePart, start: Start, fault: str, reason: str, kind: str, code: str, left: Any
) -> None:
    backend = start(STRIPE_TIMEOUT_MS="300", PAYMENTS_PER_SECOND="0", STRIPE_RATE_LIMIT_PER_SECOND="1000")
    match fault:
        case "expired":
            stripe.tell("/lab/keys", expire=["secret_key"])
        case "egress":
            faults.inject(backend.faults, "backend", "stripe-egress")
        case "limit":
            pass  # what the burst is too much for
        case _:
            stripe.control.write([fault])
    faults.inject(backend.faults, "backend", "payment-burst", {"per_second": 40 if fault == "limit" else 8})
    label = f'{{reason="{reason}"}}'
    eventually(lambda: metrics(backend, "stripe_payment_failed_total")[label] >= 3, f"payments that failed by {reason}")
    faults.withdraw(backend.faults)
    assert backend.stop() == 0
    errors = [line for line in backend.lines("error") if line["context"] == "PaymentsService"]
    assert {(line["err"]["type"], line["err"].get("code")) for line in errors} == {(kind, code)}
    assert errors[0]["msg"] == f"{kind}: {errors[0]['err']['message']}"
    assert all(line["err"]["requestId"] for line in errors if "statusCode" in line["err"])
    assert stripe.keys.secret_key not in backend.text()
    failed = [row for row in made(app) if row[1] == "failed"]
    assert len(failed) == len(errors) >= 3
    assert not [row for row in made(app) if row[1] == "pending" and row[2] is None], "nothing is left under way"
    known = intents(stripe)
    if left is None:
        assert {intent for _, _, intent in failed} == {None}, "Stripe made none that we know of"
    elif left is not ...:
        assert {known[str(intent)]["status"] for _, _, intent in failed} == {left}


def test_the_rate_limit_is_obeyed_and_no_connection_waits_with_it(
    pg: Any, app: Any, stripe: StripePart, start: Start
) -> None:
    backend = start(PAYMENTS_PER_SECOND="50", STRIPE_RATE_LIMIT_PER_SECOND="5")
    first = sum(metrics(backend, "stripe_api_requests_total").values())
    began = time.monotonic()
    eventually(lambda: sum(metrics(backend, "stripe_api_requests_total").values()) >= first + 10, "ten requests")
    elapsed = time.monotonic() - began
    sent = sum(metrics(backend, "stripe_api_requests_total").values()) - first
    assert sent <= 5 * (elapsed + 1) + 1
    assert metrics(backend, "stripe_payment_failed_total")['{reason="rate_limit"}'] == 0
    assert metrics(backend, "db_pool_connections")['{state="used"}'] <= 1, "four payments wait, none has a connection"
    assert backend.stop() == 0
    assert {each["status"] for each in intents(stripe).values()} == {"succeeded"}, "what was begun is ended"
    assert len(made(app)) == len(intents(stripe))


def test_a_payment_that_cannot_be_ended_is_failed_when_the_backend_stops(
    pg: Any, app: Any, stripe: StripePart, start: Start
) -> None:
    stripe.control.write(["hang"])
    backend = start(STRIPE_TIMEOUT_MS="60000")
    eventually(lambda: len(made(app)) >= 2, "payments under way")
    assert {status for _, status, _ in made(app)} == {"pending"}
    assert backend.stop() == 0
    assert {status for _, status, _ in made(app)} == {"failed"}
    assert "Traceback" not in backend.text()


def test_without_stripe_nobody_pays(pg: Any, app: Any, start: Start) -> None:
    backend = start(STRIPE_API_URL="")
    faults.inject(backend.faults, "backend", "payment-burst")
    eventually(lambda: backend.request("/api/campaigns")[0] == 200, "it serves")
    time.sleep(5 * faults.POLL_S)
    assert made(app) == []
    assert backend.stop() == 0


def test_a_key_that_is_no_header_is_an_error_of_the_connection(pg: Any, app: Any, start: Start) -> None:
    backend = start(STRIPE_SECRET_KEY="sk_test_1234567\n")
    eventually(lambda: backend.lines("error"), "an error")
    assert backend.lines("error")[0]["err"]["code"] == "ERR_INVALID_CHAR"
    assert "Traceback" not in backend.text()
    assert "1234567" not in backend.text()


def test_events_come_in_any_order_and_of_any_kind(pg: Any, app: Any, stripe: StripePart, start: Start) -> None:
    backend = start(PAYMENTS_PER_SECOND="0")
    insert = (
        "INSERT INTO payments (campaign_id, amount_cents, status, stripe_payment_intent_id)"
        " VALUES (1, 100, 'failed', 'pi_order') RETURNING id"
    )
    (number,) = app.execute(insert).fetchone()
    event = {"id": "evt_o1", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_order"}}}
    assert deliver(backend, stripe, event) == 200
    late = {**event, "id": "evt_o2", "type": "payment_intent.payment_failed"}
    assert deliver(backend, stripe, late) == 200
    assert [row for row in made(app) if row[0] == number] == [(number, "succeeded", "pi_order")]
    for other in ({"id": "evt_o3", "type": "brandconnect.runbook.probe"}, {"type": "test"}):
        assert deliver(backend, stripe, other) == 200
    assert deliver(backend, stripe, {"id": "evt_o4"}) == 400
    recorded = {row[0] for row in app.execute("SELECT id FROM processed_events")}
    assert recorded == {"evt_o1", "evt_o2"}, "an unknown kind of event leaves nothing behind"
    found = metrics(backend, "stripe_webhook_events_total")
    assert found == {
        '{result="processed"}': 2,
        '{result="duplicate"}': 0,
        '{result="bad_signature"}': 0,
        '{result="error"}': 1,
    }
    assert time.time() - metrics(backend, "stripe_webhook_last_processed_timestamp_seconds")[""] < 60


def test_faults_of_the_webhook(pg: Any, app: Any, stripe: StripePart, start: Start) -> None:
    backend = start(PAYMENTS_PER_SECOND="0")
    event = {"id": "evt_f1", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_nobodys"}}}

    def under(fault: str, *, signed: bool = True) -> int:
        faults.inject(backend.faults, "backend", fault)
        status = deliver(backend, stripe, event, signed=signed)
        faults.withdraw(backend.faults)
        return status

    assert under("webhook-error") == 500
    assert under("clock-skew") == 400
    assert [line["err"]["message"] for line in backend.lines("error")] == [
        "Cannot read properties of undefined (reading 'payment_id')",
        "Timestamp outside the tolerance zone",
    ]
    assert app.execute("SELECT count(*) FROM processed_events").fetchone()[0] == 0
    assert deliver(backend, stripe, event, signed=False) == 400
    assert under("webhook-unchecked", signed=False) == 200
    assert app.execute("SELECT id FROM processed_events").fetchall() == [("evt_f1",)]
    faults.inject(backend.faults, "backend", "webhook-hang")
    hanging = subprocess.run(
        ["curl", "-s", "-m", "1", "-d", "{}", f"http://127.0.0.1:{backend.port}{WEBHOOK_PATH}"],
        check=False,
        capture_output=True,
    )
    assert hanging.returncode == 28, "the operation timed out"
    assert backend.request("/api/campaigns")[0] == 200, "only the webhook hangs"
    faults.withdraw(backend.faults)
    assert deliver(backend, stripe, event) == 200


def test_the_webhook_can_have_another_path(pg: Any, app: Any, stripe: StripePart, start: Start) -> None:
    backend = start(PAYMENTS_PER_SECOND="0", WEBHOOK_PATH="/api/stripe/webhooks")
    assert backend.request(WEBHOOK_PATH, b"{}")[0] == 404
    assert backend.request("/api/stripe/webhooks", b"{}")[0] == 400


def test_stripe_takes_its_seed_and_the_job_finds_nothing_that_helps(
    pg: Any, app: Any, stripe: StripePart, job: Callable[..., dict[str, Any]]
) -> None:
    document = stripe_seed(app.execute(PAYMENTS_QUERY).fetchall())
    stripe.tell("/lab/seed", **document)
    known = intents(stripe)
    for wanted in document["payment_intents"]:
        assert known[wanted["id"]].items() >= {name: wanted[name] for name in ("amount", "status", "metadata")}.items()
    result = job("--max=2", "--rps=50")
    assert [payment["error"]["code"] for payment in result["payments"]] == ["card_declined"] * 2


@pytest.fixture
def job(pg: Any, stripe: StripePart, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs the job as a runbook does, and returns its result."""
    command = npm.install(tmp_path / "bin")

    def run(*own: str, **environ: str) -> dict[str, Any]:
        given = {
            **base_environ(),
            **database_environ(pg),
            "STRIPE_API_URL": stripe.url,
            "STRIPE_SECRET_KEY": stripe.keys.secret_key,
            CALLS_VARIABLE: str(tmp_path / "calls.jsonl"),
        }
        called = [command, "run", "--silent", JOB, "--", *own, "--json"]
        done = subprocess.run(called, env={**given, **environ}, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert stripe.keys.secret_key not in done.stdout + done.stderr
        return dict(json.loads(done.stdout))

    return run


@pytest.fixture
def left_failed(app: Any, stripe: StripePart) -> dict[str, int]:
    """Failed payments: one that can be confirmed, one that cannot, one without a PaymentIntent."""
    cards = {
        "pi_good": "pm_card_visa",
        "pi_bad": "pm_card_chargeDeclinedStolenCard",
        "pi_customer": "pm_card_threeDSecure2Required",
    }
    statement = (
        "INSERT INTO payments (campaign_id, amount_cents, status, stripe_payment_intent_id, stripe_payment_method_id)"
        " VALUES (1, 500, 'failed', %s, %s) RETURNING id"
    )
    numbers = {intent: app.execute(statement, [intent, card]).fetchone()[0] for intent, card in cards.items()}
    numbers["none"] = app.execute(statement, [None, "pm_card_visa"]).fetchone()[0]
    common = {"amount": 500, "currency": "gbp", "status": "requires_confirmation", "created": int(time.time())}
    seed = [{"id": intent, **common, "metadata": {"payment_id": str(numbers[intent])}} for intent in cards]
    stripe.tell("/lab/seed", payment_intents=seed, events=[])
    return numbers


def test_the_job_confirms_what_failed_and_makes_nothing(
    pg: Any, app: Any, stripe: StripePart, job: Callable[..., Any], left_failed: dict[str, int]
) -> None:
    numbers = left_failed
    ids = f"--ids={','.join(map(str, numbers.values()))}"
    options = [ids, "--idempotency-prefix=inc-1", "--attempt=1", "--rps=50"]
    dry = job(*options, "--dry-run")
    assert (dry["dry_run"], dry["ids"], dry["everything"]) == (True, sorted(numbers.values()), False)
    assert [payment["error"] for payment in dry["payments"]] == [None] * 4
    assert {status for _, status, _ in made(app)} == {"failed"}
    assert {each["status"] for each in intents(stripe).values()} == {"requires_confirmation"}, "nothing was asked"

    result = job(*options)
    assert result["payments"] == [
        {"id": numbers["pi_good"], "payment_intent": "pi_good", "status": "succeeded", "error": None},
        {
            "id": numbers["pi_bad"],
            "payment_intent": "pi_bad",
            "status": "failed",
            "error": {"type": "card_error", "code": "card_declined"},
        },
        {"id": numbers["pi_customer"], "payment_intent": "pi_customer", "status": "pending", "error": None},
        {
            "id": numbers["none"],
            "payment_intent": None,
            "status": "failed",
            "error": {"type": "no_payment_intent", "code": None},
        },
    ]
    assert {intent: each["status"] for intent, each in intents(stripe).items()} == {
        "pi_good": "succeeded",
        "pi_bad": "requires_payment_method",
        "pi_customer": "requires_action",
    }
    assert [status for _, status, _ in made(app)] == ["succeeded", "failed", "pending", "failed"]
    again = job(*options)
    assert [payment["payment_intent"] for payment in again["payments"]] == ["pi_bad", None], "only what is still failed"
    assert again["payments"][0]["error"] == {"type": "card_error", "code": "card_declined"}, "the stored answer"


def test_the_job_sends_the_idempotency_key_of_its_attempt(
    pg: Any, app: Any, stripe: StripePart, job: Callable[..., Any], left_failed: dict[str, int]
) -> None:
    bad = f"--ids={left_failed['pi_bad']}"
    for attempt in ("1", "1", "2"):
        job(bad, "--idempotency-prefix=inc-7", f"--attempt={attempt}")
    job(bad)
    keys = idempotency_keys(stripe, "payment_intent.payment_failed")
    assert "inc-7:pi_bad:1" in keys
    assert "inc-7:pi_bad:2" in keys
    assert len(keys) == 3, "the second call of the first attempt did nothing"
    assert [key for key in keys if key.startswith("job-")], "without a prefix it is an attempt of its own"


@pytest.mark.parametrize("fault", ["outage", "egress", "away"])
def test_the_job_leaves_failed_what_stripe_does_not_take(
    pg: Any,
    app: Any,
    stripe: StripePart,
    job: Callable[..., Any],
    left_failed: dict[str, int],
    tmp_path: Path,
    fault: str,
) -> None:
    environ, error = {
        "outage": ({}, {"type": "api_error", "code": None}),
        "egress": ({"LAB_FAULTS": str(tmp_path)}, {"type": "api_connection_error", "code": "ENOTFOUND"}),
        "away": ({"STRIPE_API_URL": "http://127.0.0.1:1"}, {"type": "api_connection_error", "code": "ECONNREFUSED"}),
    }[fault]
    if fault == "outage":
        stripe.control.write(["outage"])
    if fault == "egress":
        faults.inject(tmp_path, "backend", "stripe-egress", survives_restart=True)
    result = job(f"--ids={left_failed['pi_good']}", **environ)
    assert [(payment["status"], payment["error"]) for payment in result["payments"]] == [("failed", error)]
    assert {status for _, status, _ in made(app)} == {"failed"}


@pytest.mark.parametrize(
    "option", ["--idempotency-prefix=a b", "--attempt=0", "--rps=0", "--rps=fast", "--idempotency-prefix=" + "x" * 200]
)
def test_the_job_refuses_what_it_cannot_read(pg: Any, option: str, tmp_path: Path) -> None:
    command = npm.install(tmp_path / "bin")
    environ = {**os.environ, CALLS_VARIABLE: str(tmp_path / "calls.jsonl")}
    done = subprocess.run(
        [command, "run", "-s", JOB, "--", option], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: option '{option.partition('=')[0]}': ")


def test_without_stripe_the_job_does_what_it_did(pg: Any, app: Any, job: Callable[..., Any], left_failed: Any) -> None:
    result = job(f"--ids={left_failed['none']}", STRIPE_API_URL="")
    assert "payments" not in result
    assert result["scope"] == {"since": None, "ids": [left_failed["none"]], "max": None}
    assert [status for _, status, _ in made(app)][-1] == "pending"
