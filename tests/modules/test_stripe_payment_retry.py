# SPDX-License-Identifier: GPL-3.0-or-later
"""stripe_payment_retry against the lab's Stripe, its job in a pod of a cluster.

The job is a stand-in that confirms at Stripe as the platform's does, and can be told to misbehave. What happened is
seen at Stripe, and in what the job noted of its calls.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from modules.k8s_support import KubernetesCluster, cluster, run_module
from modules.sending_support import assert_no_secret

from ansible_collections.brandconnect.incidents.plugins.modules.stripe_payment_retry import SPEC
from support.stripe import Stripe

__all__ = ["cluster"]

Json = dict[str, Any]

INCIDENT = "payment-failure-20261124T150000Z"
DECLINE = {"type": "card_error", "code": "card_declined", "decline_code": "lost_card", "message": "Declined."}
TARGETS = [{"payment_id": str(n), "payment_intent": f"pi_{n}", "amount": 4200, "currency": "gbp"} for n in (1, 2, 3)]

NPM = """#!{python}
import json, os, pathlib, sys, time, urllib.error, urllib.parse, urllib.request

here = pathlib.Path(os.environ["JOB_DIRECTORY"])
mode = (here / "mode").read_text()
with (here / "calls.jsonl").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
given = dict(each[2:].partition("=")[::2] for each in sys.argv[5:])
if mode == "crash":
    sys.exit("Error: Cannot find module 'dist/jobs'")
ids = [int(each) for each in given["ids"].split(",")]
payments = []
if "dry-run" in given and mode != "reckless":
    listed = [{{"id": number}} for number in ids]
    scope = {{"ids": None if mode == "deaf" else ids}}
    answer = {{"dry_run": True, "everything": mode == "deaf", "scope": scope, "payments": listed}}
    print(json.dumps(answer))
    sys.exit()
for number in map(str, ids if mode != "idle" else []):
    intent = "pi_" + number
    request = urllib.request.Request(
        os.environ["STRIPE_API_URL"] + "/v1/payment_intents/" + intent + "/confirm",
        data=urllib.parse.urlencode({{"payment_method": "pm_card_visa"}} if mode == "card" else {{}}).encode(),
        headers={{
            "Authorization": "Bearer " + os.environ["STRIPE_SECRET_KEY"],
            "Idempotency-Key": given["idempotency-prefix"] + ":" + intent + ":" + given["attempt"],
        }},
    )
    try:
        urllib.request.urlopen(request, timeout=5).read()
        error = None
    except urllib.error.HTTPError as refused:
        said = json.load(refused)["error"]
        error = {{"type": said.get("type"), "code": said.get("code")}}
    payments.append({{"id": int(number), "payment_intent": intent, "status": "x", "error": error}})
if mode == "hang":
    time.sleep(60)
print("log line before")
print(json.dumps({{"job": "jobs:retry-failed-payments", "payments": payments}}))
"""


class Shop:
    """A platform whose payments failed.

    Attributes:
        stripe: the second channel.
        cluster: where its backend runs.
    """

    def __init__(self, stripe: Stripe, cluster: KubernetesCluster, directory: Path) -> None:
        self.stripe = stripe
        self.cluster = cluster
        self._directory = directory

    def start(self) -> None:
        """Start the backend with its job."""
        self.let_the_job("")
        npm = self._directory / "bin/npm"
        npm.parent.mkdir()
        npm.write_text(NPM.format(python=sys.executable), encoding="utf-8")
        npm.chmod(0o755)
        environ = {
            "PATH": f"{npm.parent}:/usr/bin:/bin",
            "JOB_DIRECTORY": str(self._directory),
            "STRIPE_API_URL": self.stripe.url,
            "STRIPE_SECRET_KEY": self.stripe.keys.secret_key,
        }
        container = {
            "name": "backend",
            "image": "registry.example.com/backend:1",
            "command": ["sh", "-c", "while :; do sleep 0.2; done"],
            "env": [{"name": name, "value": value} for name, value in environ.items()],
        }
        template = {
            "metadata": {"labels": {"app": "backend"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
        }
        spec = {"replicas": 1, "selector": {"matchLabels": {"app": "backend"}}, "template": template}
        self.cluster.apply(
            [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "backend"}, "spec": spec}]
        )
        self.cluster.kubectl("rollout", "status", "deployment/backend", "--timeout=30s")

    def let_the_job(self, mode: str) -> None:
        """Let the job do what it is told by ``""``, or misbehave.

        Args:
            mode: ``crash``, be ``idle``, ``hang`` when it has done its work, bring another ``card``, be ``deaf`` to
                ``--ids``, or ``reckless`` in a dry run.
        """
        (self._directory / "mode").write_text(mode, encoding="utf-8")

    def calls(self) -> list[list[str]]:
        """Return the arguments of each run of the job that is to act."""
        return [each for each in self._calls() if "--dry-run" not in each]

    def dry_runs(self) -> list[list[str]]:
        """Return the arguments of each dry run."""
        return [each for each in self._calls() if "--dry-run" in each]

    def _calls(self) -> list[list[str]]:
        file = self._directory / "calls.jsonl"
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []

    def confirmed(self) -> list[str]:
        """Return the idempotency keys that PaymentIntents were confirmed with, as Stripe saw them."""
        asked = [each for each in self.stripe.requests("POST") if each["path"].endswith("/confirm")]
        return [{name.lower(): value for name, value in each["headers"].items()}["idempotency-key"] for each in asked]

    def statuses(self) -> dict[str, str]:
        """Return what Stripe has."""
        return {each["id"]: each["status"] for each in self.stripe.intents()}

    def left_failed(self, *numbers: int, **given: Any) -> list[Json]:
        """Let payments have failed, and return the platform's rows of them."""
        known = {"status": "requires_confirmation", "amount": 4200, "currency": "gbp"}
        now = int(time.time())
        self.stripe.seed(
            payment_intents=[
                {"id": f"pi_{n}", "created": now - 600 + n, "metadata": {"payment_id": str(n)}, **known, **given}
                for n in numbers
            ]
        )
        return [row(n) for n in numbers]

    def retry(self, rows: list[Json], *, check_mode: bool = False, **given: Any) -> Json:
        """Run the module."""
        options = {
            "stripe_url": self.stripe.url,
            "stripe_api_key": self.stripe.keys.restricted_key,
            "stripe_livemode": False,
            "name": "backend",
            "payments": rows,
            "max_total_amount": {"GBP": 100_000},
            "incident": INCIDENT,
            "rps": 10.0,
            **given,
        }
        result = run_module(SPEC, self.cluster.options(**options), check_mode=check_mode)
        assert_no_secret(result, *self.stripe.keys.secrets())
        return result


def row(number: int, **given: Any) -> Json:
    created = dt.datetime.fromtimestamp(int(time.time()) - 600 + number, dt.UTC)
    known = {"payment_intent": f"pi_{number}", "amount": 4200, "currency": "gbp", "status": "failed"}
    return {"id": number, **known, "created_at": created.isoformat(), **given}


def key(number: int, attempt: int = 1) -> str:
    return f"inc-{INCIDENT}:pi_{number}:{attempt}"


def results(result: Json) -> dict[str, str]:
    return {each["payment_id"]: each["result"] for each in result["results"]}


def reasons(result: Json) -> dict[str, str]:
    return {each["payment_id"]: each["reason"] for each in result["candidates"]}


@pytest.fixture
def shop(lab_stripe: Stripe, cluster: KubernetesCluster, tmp_path: Path) -> Shop:
    lab_stripe.part.tell("/lab/limits", requests_per_second=100)
    made = Shop(lab_stripe, cluster, tmp_path)
    made.start()
    return made


def test_check_mode_shows_the_table_and_moves_nothing(shop: Shop) -> None:
    rows = shop.left_failed(1, 2)
    rows += shop.left_failed(3, status="requires_payment_method", last_payment_error=DECLINE)
    rows += shop.left_failed(4, status="succeeded")
    rows += [row(5, payment_intent=None), row(6, payment_intent="pi_nowhere"), row(7, status="pending")]
    plan = shop.retry(rows, check_mode=True)
    assert (plan["status"], plan["changed"], plan["refusal"]) == ("planned", True, None)
    assert reasons(plan) == {
        "1": "retryable",
        "2": "retryable",
        "3": "declined",
        "4": "already_succeeded",
        "5": "no_intent",
        "6": "not_found",
        "7": "not_failed",
    }
    assert plan["candidates"][2]["error"]["decline_code"] == "lost_card"
    expected = {"payment_intent": "pi_1", "amount": 4200, "currency": "gbp"}
    assert plan["targets"] == [
        {"payment_id": "1", **expected},
        {"payment_id": "2", **expected, "payment_intent": "pi_2"},
    ]
    assert plan["totals"] == {"gbp": 8400}
    assert plan["before"] == {"intents": {"pi_1": "requires_confirmation", "pi_2": "requires_confirmation"}}
    assert results(plan) == {"1": "would_retry", "2": "would_retry"}
    assert [each["idempotency_key"] for each in plan["results"]] == [key(1), key(2)]
    assert plan["targets"] == shop.retry(rows, check_mode=True)["targets"]
    assert (shop.calls(), shop.dry_runs(), shop.stripe.changes()) == ([], [], [])


def test_the_plan_is_carried_out_once(shop: Shop) -> None:
    rows = shop.left_failed(1, 2, 3, 4, 5)
    plan = shop.retry(rows, check_mode=True)
    done = shop.retry(rows, targets=plan["targets"])
    assert (done["status"], done["changed"], done["reason"]) == ("done", True, "5 succeeded")
    assert set(results(done).values()) == {"succeeded"}
    assert done["after"] == {"intents": {f"pi_{n}": "succeeded" for n in range(1, 6)}}
    assert (done["batches"], done["breaker"]["tripped"], done["targets"]) == (2, False, plan["targets"])
    assert set(shop.statuses().values()) == {"succeeded"}
    assert shop.confirmed() == [key(n) for n in range(1, 6)]
    options = [f"--idempotency-prefix=inc-{INCIDENT}", "--attempt=1", "--rps=10", "--json"]
    script = ["run", "--silent", "jobs:retry-failed-payments", "--"]
    assert shop.calls() == [[*script, "--ids=1,2,3", *options], [*script, "--ids=4,5", *options]]
    assert shop.dry_runs() == [[*script, "--ids=1,2,3", *options, "--dry-run"]]
    # the platform has not noticed yet: nothing is confirmed again
    again = shop.retry(rows, targets=plan["targets"])
    assert (again["status"], again["changed"], again["refusal"]) == ("nothing_to_do", False, "none_eligible")
    assert set(results(again).values()) == {"skipped"}
    assert (len(shop.calls()), len(shop.confirmed())) == (2, 5)


def test_what_has_succeeded_meanwhile_is_left_out_and_what_is_new_stays(shop: Shop) -> None:
    rows = shop.left_failed(1, 2)
    plan = shop.retry(rows, check_mode=True)
    shop.left_failed(1, status="succeeded")
    done = shop.retry([rows[1], *shop.left_failed(3)], targets=plan["targets"])
    assert (done["status"], results(done)) == ("done", {"1": "skipped", "2": "succeeded"})
    assert reasons(done) == {"1": "already_succeeded", "2": "retryable", "3": "not_in_plan"}
    assert shop.confirmed() == [key(2)]
    assert shop.statuses()["pi_3"] == "requires_confirmation"


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"amount": 9900}, id="an amount"),
        pytest.param({"payment_intent": "pi_2"}, id="a PaymentIntent"),
    ],
)
def test_another_plan_is_refused_as_a_whole(shop: Shop, changed: Json) -> None:
    rows = shop.left_failed(1, 2)
    plan = shop.retry(rows, check_mode=True)
    refused = shop.retry([{**rows[0], **changed}, rows[1]], targets=plan["targets"])
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "plan_changed", False)
    assert "succeeded" not in results(refused).values()
    assert (shop.calls(), shop.stripe.changes()) == ([], [])


def test_an_empty_plan_allows_nothing(shop: Shop) -> None:
    done = shop.retry(shop.left_failed(1), targets=[])
    assert (done["status"], reasons(done)) == ("nothing_to_do", {"1": "not_in_plan"})
    assert shop.calls() == []


def test_declines_and_customers_are_reported_as_such(shop: Shop) -> None:
    rows = shop.left_failed(1)
    rows += shop.left_failed(2, payment_method="pm_card_chargeDeclinedInsufficientFunds")
    rows += shop.left_failed(3, payment_method="pm_card_authenticationRequired")
    done = shop.retry(rows)
    assert (done["status"], done["reason"]) == ("partial", "1 succeeded, 1 failed, 1 needs_customer")
    assert results(done) == {"1": "succeeded", "2": "failed", "3": "needs_customer"}
    assert done["results"][1]["reason"] == "card_error/card_declined/insufficient_funds"
    assert done["breaker"]["in_a_row"] == 0
    later = shop.retry(rows)
    assert (later["status"], reasons(later)["2"], reasons(later)["3"]) == (
        "nothing_to_do",
        "declined",
        "needs_customer",
    )
    assert len(shop.confirmed()) == 3


def test_the_circuit_breaker_ends_the_run(shop: Shop) -> None:
    rows = shop.left_failed(*range(1, 9))
    with shop.stripe.broken("lock-timeout"):
        done = shop.retry(rows)
    assert (done["status"], done["changed"]) == ("failed", True)
    assert done["breaker"]["reason"] == "3 in a row failed on the way"
    assert done["reason"] == "3 failed, 5 not_attempted; stopped: 3 in a row failed on the way"
    assert [each["result"] for each in done["results"]] == ["failed"] * 3 + ["not_attempted"] * 5
    assert done["results"][0]["reason"].endswith("lock_timeout")
    assert len(shop.calls()) == 1
    assert set(shop.statuses().values()) == {"requires_confirmation"}
    repeated = shop.retry(rows[:2], attempt=2)
    assert repeated["status"] == "done"
    assert shop.confirmed()[-2:] == [key(1, 2), key(2, 2)]


def test_a_job_that_is_cut_off_is_unknown_where_stripe_does_not_know_better(shop: Shop) -> None:
    shop.let_the_job("hang")
    rows = shop.left_failed(1)
    done = shop.retry(rows, job_timeout_s=1)
    assert (done["status"], results(done)) == ("done", {"1": "succeeded"})  # Stripe knows
    shop.let_the_job("hang")
    rows = shop.left_failed(*range(2, 8))
    with shop.stripe.broken("lock-timeout"):
        lost = shop.retry(rows, job_timeout_s=1)
    assert (lost["status"], lost["changed"]) == ("unknown", True)
    assert [each["result"] for each in lost["results"]] == ["unknown"] * 3 + ["not_attempted"] * 3
    assert "did not end within" in lost["results"][0]["reason"]


def test_a_job_that_does_not_know_which_payments_is_not_run(shop: Shop) -> None:
    shop.let_the_job("deaf")
    refused = shop.retry(shop.left_failed(1, 2))
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "scope_not_kept", False)
    assert "narrowed at all" in refused["reason"]
    assert results(refused) == {"1": "not_attempted", "2": "not_attempted"}
    assert (shop.calls(), len(shop.dry_runs()), shop.stripe.changes()) == ([], 1, [])


def test_a_job_that_acts_in_its_dry_run_is_told_by_stripe_and_stopped(shop: Shop) -> None:
    shop.let_the_job("reckless")
    done = shop.retry(shop.left_failed(*range(1, 6)))
    assert (done["status"], done["changed"], done["batches"]) == ("unknown", True, 1)
    assert list(results(done).values()) == ["succeeded"] * 3 + ["not_attempted"] * 2
    assert "did not say that it was one, so it may have acted" in done["reason"]
    assert (shop.calls(), shop.confirmed()) == ([], [key(n) for n in (1, 2, 3)])


@pytest.mark.parametrize(("mode", "said"), [("crash", "Cannot find module"), ("idle", "exit code 0")])
def test_a_job_that_does_nothing_is_seen(shop: Shop, mode: str, said: str) -> None:
    shop.let_the_job(mode)
    done = shop.retry(shop.left_failed(*range(1, 6)))
    assert (done["status"], done["breaker"]["tripped"]) == ("failed", True)
    assert [each["result"] for each in done["results"]] == ["failed"] * 3 + ["not_attempted"] * 2
    assert said in done["results"][0]["reason"]
    assert shop.confirmed() == []


def test_the_limits_hold(shop: Shop) -> None:
    rows = shop.left_failed(1, 2, 3)
    few = shop.retry(rows, max_payments=1, check_mode=True)
    assert reasons(few) == {"1": "retryable", "2": "over_max_payments", "3": "over_max_payments"}
    little = shop.retry(rows, max_total_amount={"gbp": "9000"}, check_mode=True)
    assert reasons(little) == {"1": "retryable", "2": "retryable", "3": "over_max_total_amount"}
    other = shop.retry(rows, max_total_amount={"usd": 9000})
    assert (other["status"], set(reasons(other).values())) == ("nothing_to_do", {"currency_not_allowed"})
    beyond = shop.retry(rows, max_payments=2, targets=TARGETS)
    assert (beyond["status"], beyond["refusal"]) == ("refused", "plan_changed")
    assert shop.calls() == []


def test_many_are_read_by_a_list(shop: Shop) -> None:
    rows = shop.left_failed(*range(1, 41))
    shop.stripe.forget_requests()
    plan = shop.retry(rows, check_mode=True, max_total_amount={"gbp": 200_000})
    assert len(plan["targets"]) == 40
    assert [each["path"] for each in shop.stripe.requests()] == ["/v1/payment_intents"]


def test_without_a_ready_pod_nothing_is_planned(shop: Shop) -> None:
    rows = shop.left_failed(1)
    shop.cluster.kubectl("scale", "deployment/backend", "--replicas=0")
    shop.cluster.kubectl("wait", "pod", "-l", "app=backend", "--for=delete", "--timeout=30s")
    for check_mode in (True, False):
        refused = shop.retry(rows, check_mode=check_mode)
        assert (refused["status"], refused["refusal"]) == ("refused", "no_ready_pod")
        assert (refused["changed"], results(refused)) == (False, {"1": "not_attempted"})
    assert shop.stripe.changes() == []


def test_a_workload_that_is_not_there_is_one_clear_error(shop: Shop) -> None:
    failed = shop.retry(shop.left_failed(1), name="elsewhere")
    assert (failed["failed"], failed["cause"]) == (True, "not_found")
    assert "elsewhere" in failed["msg"]
    assert failed["targets"]


def test_a_stripe_that_is_down_is_one_clear_error_and_nothing_runs(shop: Shop) -> None:
    rows = shop.left_failed(1)
    with shop.stripe.broken("outage"):
        failed = shop.retry(rows)
    assert (failed["failed"], failed["cause"], failed["changed"]) == (True, "server_error", False)
    assert failed["msg"].startswith("Reading the PaymentIntent pi_1 at http://127.0.0.1:")
    assert shop.calls() == []


def nobody(**given: Any) -> Json:
    """Run the module where nobody listens."""
    known = {"stripe_api_key": "rk_test_c4n4ryc4n4ry", "stripe_livemode": False, "payments": [], "incident": INCIDENT}
    nowhere = {
        "stripe_url": "http://127.0.0.1:1",
        "host": "https://127.0.0.1:1",
        "namespace": "shop",
        "name": "backend",
    }
    return run_module(SPEC, {**known, **nowhere, "max_total_amount": {"gbp": 1}, **given})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"since_s": 86401}, "since_s must be from 1 to 86400"),
        ({"max_payments": 501}, "max_payments must be from 1 to 500"),
        ({"rps": 0.0}, "rps must be from 0.1 to 20"),
        ({"rps": float("nan")}, "rps must be from"),
        ({"batch_size": 51}, "batch_size must be from 1 to 10"),
        ({"attempt": 0}, "attempt must be from 1 to 99"),
        ({"incident": "one two"}, "incident must be"),
        ({"incident": "x" * 81}, "incident must be"),
        ({"max_total_amount": {"gbp": 10.5}}, "max_total_amount of gbp must be a whole number"),
        ({"max_total_amount": {"gbp": -1}}, "max_total_amount of gbp must be a whole number"),
        ({"targets": [{"payment_id": "1"}]}, "targets make no sense"),
        ({"payments": [{}] * 2001}, "2001 payments are more than 2000"),
        ({"stripe_livemode": True}, "is a test mode key"),
    ],
)
def test_wrong_options_are_one_clear_error(given: Json, said: str) -> None:
    failed = nobody(**given)
    assert failed["failed"] is True
    assert said in failed["msg"]
    assert "c4n4ry" not in json.dumps(failed)


def test_without_failed_payments_nobody_is_asked() -> None:
    done = nobody()
    assert (done["status"], done["refusal"], done["requests"]) == ("nothing_to_do", "none_eligible", 0)
