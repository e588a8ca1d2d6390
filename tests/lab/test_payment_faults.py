# SPDX-License-Identifier: GPL-3.0-or-later
"""Each fault of payments and webhooks, seen with kubectl, at Stripe, in Prometheus and in the database; and healed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests

from incident_runbooks.errors import UsageError
from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.services.secret_files import fingerprint
from incident_runbooks.lab.status import describe
from support.payments import World

UNSIGNED = "No stripe-signature header value was provided."  # our own probes
NAMES = [fault.name for fault in FAULTS.values() if fault.runbook in {"payment-failure", "webhook-failures"}]


class Seen:
    """The lab from outside."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.world = World(lab)
        self.keys = lab.stripe.keys

    def kubectl(self, *arguments: str) -> str:
        program = find_program("kubectl")
        scope = ["--kubeconfig", str(self.lab.cluster.kubeconfig), "-n", "brandconnect"]
        scope += ["--cache-dir", str(self.lab.directory.path / "kubectl")]
        done = subprocess.run(
            [program.path, *scope, *arguments],
            env={**os.environ, **program.environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def pods(self) -> list[str]:
        return self.kubectl("get", "pods", "-l", "app=backend", "-o", "name").split()

    def errors(self) -> dict[str, Counter[str]]:
        """The errors that each pod has logged, by type and code."""
        return {pod: self.errors_of(pod) for pod in self.pods()}

    def errors_of(self, pod: str) -> Counter[str]:
        lines = [json.loads(line) for line in self.kubectl("logs", pod).splitlines() if line.startswith("{")]
        found = [line["err"] for line in lines if line.get("err") and line["err"]["message"] != UNSIGNED]
        return Counter(f"{err['type']} {err.get('code', '-')}" for err in found)

    def metric(self, query: str) -> float:
        url = f"{self.lab.prometheus.url}/api/v1/query"
        result = requests.get(url, params={"query": query}, timeout=10).json()["data"]["result"]
        return float(result[0]["value"][1]) if result else 0.0

    def failing(self, reason: str) -> bool:
        """Whether payments fail for that reason, and for no other one."""
        query = "sum by (reason) (increase(stripe_payment_failed_total[10s]))"
        url = f"{self.lab.prometheus.url}/api/v1/query"
        result = requests.get(url, params={"query": query}, timeout=10).json()["data"]["result"]
        return {each["metric"]["reason"] for each in result if float(each["value"][1]) > 0} == {reason}

    def status_page(self) -> Any:
        return requests.get(f"{self.lab.stripe.status_url}/api/v2/status.json", timeout=10).json()["status"]

    def stripe_says(self, key: str) -> tuple[int, str]:
        """What Stripe answers to a key."""
        answer = requests.get(
            f"{self.lab.stripe.url}/v1/payment_intents?limit=1", headers={"Authorization": f"Bearer {key}"}, timeout=10
        )
        return answer.status_code, str((answer.json().get("error") or {}).get("code", ""))

    def vault(self) -> dict[str, str]:
        """The fingerprints of what the inventory says is right."""
        said = json.loads((self.lab.directory.path / "inventory.json").read_text(encoding="utf-8"))
        host = said["_meta"]["hostvars"]["stripe"]
        return {
            "key": fingerprint(host["stripe_backend_secret_key"]),
            "webhook": fingerprint(host["stripe_backend_webhook_secret"]),
        }

    def attempts(self) -> Counter[Any]:
        """The statuses of the last attempts of what does not arrive at the platform."""
        found = [self.world.stripe.deliveries(each["id"]) for each in self.world.stripe.events()]
        return Counter(
            each["attempts"][-1]["status"] for each in found if each.get("attempts") and each["state"] != "succeeded"
        )


def every_pod(seen: Seen, error: str) -> None:
    errors = seen.errors()
    assert len(errors) == 2
    assert all(set(found) == {error} for found in errors.values()), errors


def outage(seen: Seen) -> None:
    every_pod(seen, "StripeAPIError -")
    assert seen.failing("api_error")
    assert seen.stripe_says(seen.keys.restricted_key)[0] == 500
    assert seen.status_page()["indicator"] == "critical"


def rate_limited(seen: Seen) -> None:
    every_pod(seen, "StripeRateLimitError rate_limit")
    assert seen.failing("rate_limit")
    assert seen.metric("sum(rate(stripe_api_requests_total[5s]))") > 12
    assert seen.status_page()["indicator"] == "none"


def lock_timeout(seen: Seen) -> None:
    every_pod(seen, "StripeRateLimitError lock_timeout")
    assert seen.failing("lock_timeout")
    assert seen.metric("sum(rate(stripe_api_requests_total[5s]))") < 12


def key_expired(seen: Seen) -> None:
    every_pod(seen, "StripeAuthenticationError api_key_expired")
    assert seen.failing("authentication")
    assert seen.stripe_says(seen.keys.secret_key) == (401, "api_key_expired")
    assert seen.stripe_says(seen.keys.next_secret_key) == (200, "")
    assert seen.world.secret("STRIPE_SECRET_KEY") == fingerprint(seen.keys.secret_key)
    assert seen.vault()["key"] == fingerprint(seen.keys.next_secret_key)


def key_stale(seen: Seen) -> None:
    errors = sorted(seen.errors().values(), key=len)
    assert [set(found) for found in errors] == [set(), {"StripeAuthenticationError api_key_expired"}]
    assert seen.world.secret("STRIPE_SECRET_KEY") == seen.vault()["key"] == fingerprint(seen.keys.next_secret_key)
    assert seen.failing("authentication")
    assert seen.metric("sum(increase(stripe_payment_success_total[5s]))") > 0


def declines(seen: Seen) -> None:
    every_pod(seen, "StripeCardError card_declined")
    assert seen.failing("card_declined")
    declined = [each for each in seen.world.stripe.intents() if each["last_payment_error"]]
    new = [each for each in declined if not each["id"].startswith("pi_lab_")]
    assert {each["last_payment_error"]["type"] for each in new} == {"card_error"}
    assert seen.metric("sum(increase(stripe_payment_success_total[5s]))") > 0, "some still succeed"


def egress_broken(seen: Seen) -> None:
    every_pod(seen, "StripeConnectionError ENOTFOUND")
    assert seen.failing("connection")
    assert seen.stripe_says(seen.keys.restricted_key) == (200, "")


def left_failed(seen: Seen) -> None:
    rows = seen.world.payments("failed")
    ids = [row["stripe_payment_intent_id"] for row in rows]
    intents = {id_: seen.world.stripe.intent(id_) for id_ in ids}
    assert [each["status"] for each in intents.values()] == ["requires_confirmation"] * 4
    assert all(each["payment_method"] for each in intents.values()), "else they could not be confirmed"
    for row in rows:
        found = intents[row["stripe_payment_intent_id"]]
        assert (found["amount"], found["metadata"]["payment_id"]) == (row["amount_cents"], str(row["id"]))
    assert all(not found for found in seen.errors().values()), "the outage is over"
    assert seen.metric("sum(increase(stripe_payment_failed_total[10s]))") == 0


def hang(seen: Seen) -> None:
    every_pod(seen, "StripeConnectionError ETIMEDOUT")
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(f"{seen.lab.stripe.url}/v1/payment_intents", timeout=1)


def secret_wrong(seen: Seen) -> None:
    every_pod(seen, "StripeSignatureVerificationError -")
    assert set(seen.attempts()) == {400}
    signing = seen.world.stripe.state()["keys"]["webhook_secret"]["fingerprint"]
    assert seen.vault()["webhook"] == signing
    assert seen.world.secret("STRIPE_WEBHOOK_SECRET") != signing


def secret_stale(seen: Seen) -> None:
    every_pod(seen, "StripeSignatureVerificationError -")
    assert set(seen.attempts()) == {400}
    signing = seen.world.stripe.state()["keys"]["webhook_secret"]["fingerprint"]
    assert seen.vault()["webhook"] == seen.world.secret("STRIPE_WEBHOOK_SECRET") == signing


def endpoint_disabled(seen: Seen) -> None:
    assert seen.world.stripe.endpoint()["status"] == "disabled"
    newest = seen.world.stripe.events("payment_intent.succeeded")[-1]
    assert newest["deliveries"] == {}
    assert not seen.world.is_processed(newest["id"])
    assert len(seen.world.payments("pending")) > 1
    assert all(not found for found in seen.errors().values())


def handler_500(seen: Seen) -> None:
    every_pod(seen, "TypeError -")
    assert set(seen.attempts()) == {500}


def clock_skew(seen: Seen) -> None:
    every_pod(seen, "StripeSignatureVerificationError -")
    assert "Timestamp outside the tolerance zone" in seen.kubectl("logs", seen.pods()[0])
    assert set(seen.attempts()) == {400}


def path_changed(seen: Seen) -> None:
    assert seen.world.probe() == 404
    assert set(seen.attempts()) == {404}
    assert seen.world.cluster.environment()["WEBHOOK_PATH"] == "/api/stripe/webhook"
    history = seen.kubectl("rollout", "history", "deployment/backend").split("\n")
    assert len([line for line in history if line[:1].isdigit()]) == 2, "there must be something to go back to"


def signature_unchecked(seen: Seen) -> None:
    assert [seen.world.probe() for _ in range(4)] == [200] * 4
    assert seen.attempts() == Counter()


def events_missed(seen: Seen) -> None:
    failed = [each for each in seen.world.stripe.events() if each["pending_webhooks"]]
    assert len(failed) == 4
    assert {seen.world.stripe.deliveries(each["id"])["state"] for each in failed} == {"failed"}
    rows = {row["stripe_payment_intent_id"]: row for row in seen.world.payments("pending")}
    for event in failed:
        assert event["object"] in rows
        assert time.time() - rows[event["object"]]["created_at"].timestamp() > 900
        assert seen.world.stripe.intent(event["object"])["status"] == "succeeded"
        assert not seen.world.is_processed(event["id"])
    assert all(not found for found in seen.errors().values()), "the outage is over"


CHECKS: dict[str, Callable[[Seen], None]] = {
    "stripe-outage": outage,
    "stripe-rate-limited": rate_limited,
    "stripe-lock-timeout": lock_timeout,
    "stripe-key-expired": key_expired,
    "stripe-key-stale": key_stale,
    "card-declines": declines,
    "stripe-egress-broken": egress_broken,
    "payments-left-failed": left_failed,
    "stripe-hang": hang,
    "webhook-secret-wrong": secret_wrong,
    "webhook-secret-stale": secret_stale,
    "webhook-endpoint-disabled": endpoint_disabled,
    "webhook-handler-500": handler_500,
    "webhook-clock-skew": clock_skew,
    "webhook-path-changed": path_changed,
    "webhook-signature-unchecked": signature_unchecked,
    "webhook-events-missed": events_missed,
}


def test_every_fault_has_a_check() -> None:
    assert set(CHECKS) == set(NAMES)


def assert_healthy(seen: Seen) -> None:
    """Customers pay, all of it arrives, and nothing of a fault is left anywhere."""
    assert seen.metric("sum(increase(stripe_payment_success_total[10s]))") > 0
    assert seen.metric("sum(increase(stripe_payment_failed_total[1h]))") == 0
    assert seen.metric('sum(increase(stripe_webhook_events_total{result=~"error|bad_signature"}[1h]))') == 0
    assert seen.metric('min(up{job="backend"})') == 1
    assert seen.metric('count(up{job="backend"})') == 2
    assert {pod: found for pod, found in seen.errors().items() if found} == {}
    assert seen.world.payments("failed") == []
    assert seen.attempts() == Counter()
    assert seen.stripe_says(seen.keys.secret_key) == (200, "")
    assert seen.world.stripe.endpoint()["status"] == "enabled"
    assert seen.world.secret("STRIPE_SECRET_KEY") == seen.vault()["key"] == fingerprint(seen.keys.secret_key)
    webhook = seen.world.stripe.state()["keys"]["webhook_secret"]["fingerprint"]
    assert seen.world.secret("STRIPE_WEBHOOK_SECRET") == seen.vault()["webhook"] == webhook
    assert seen.world.probe() == 400
    assert seen.status_page()["indicator"] == "none"


@pytest.mark.parametrize("fault", list(CHECKS))
def test_a_fault_is_in_effect_and_healed(payments_lab: Lab, fault: str) -> None:
    seen = Seen(payments_lab)
    assert payments_lab.break_(fault) is True
    CHECKS[fault](seen)
    described = describe(payments_lab)
    assert (described["state"], described["faults"][0]["name"]) == ("up", fault)
    assert fault in payments_lab.heal()
    assert_healthy(seen)
    assert payments_lab.heal() == []


def test_a_healthy_lab_is_healthy_and_heal_leaves_it_alone(payments_lab: Lab) -> None:
    seen = Seen(payments_lab)
    before = {row["id"] for row in seen.world.payments()}
    assert payments_lab.heal() == []
    assert before <= {row["id"] for row in seen.world.payments()}, "nothing was wrong: nothing is to be cleaned up"
    assert seen.world.payments("succeeded")


@pytest.mark.parametrize("fault", ["stripe-outage", "webhook-endpoint-disabled"])
def test_without_payments_their_faults_are_refused(cluster_lab: Lab, fault: str) -> None:
    with pytest.raises(UsageError, match="Looking for payments in the lab"):
        cluster_lab.break_(fault)
    assert cluster_lab.read().faults == []
    assert describe(cluster_lab)["payments"] == {"state": "absent"}


def test_the_status_has_addresses_and_no_secret(payments_lab: Lab) -> None:
    found = describe(payments_lab)
    assert found["payments"]["state"] == "running"
    assert found["payments"]["webhook_url"] == payments_lab.ingress.webhook_url
    assert found["payments"]["prometheus_url"] == payments_lab.prometheus.url
    said = json.dumps(found)
    assert [secret for secret in World(payments_lab).secrets() if secret in said] == []
