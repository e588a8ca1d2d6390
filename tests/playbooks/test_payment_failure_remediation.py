# SPDX-License-Identifier: GPL-3.0-or-later
"""Each remediation of payment-failure from the fault to payments that succeed, seen by another way than its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules.k8s_support import Api, Reply, api

from incident_runbooks import schemas
from incident_runbooks.lab.lab import Lab
from support.payment_failure import (
    WatchedRunbook,
    assert_approval_is_spent,
    assert_only_planned,
    assert_payments_flow,
    left_by_an_outage,
    recommended,
)
from support.payments import World
from support.platform import wait_until
from support.runbook import Run, verdicts

__all__ = ["api"]
ROLES = tuple(f"payment-failure-{name}" for name in ("diagnose", "secrets", "retry", "remediate"))
REMEDIATE = ROLES[-1]
DEPLOYMENT = "/apis/apps/v1/namespaces/brandconnect/deployments/backend"
LIMIT = "STRIPE_RATE_LIMIT_PER_SECOND"


class Rehearsal(WatchedRunbook):
    """The playbook payment_failure, and the playbook rollback."""

    next_command: list[str] | None = None

    def command(self, **extra: Any) -> list[str]:
        made, self.next_command = self.next_command, None
        return made or super().command(**extra)

    def approved(self, remediation: str, *options: str, **extra: Any) -> Run:
        """Do what a diagnosis recommends, with the digest of its plan."""
        plan = self.run(**extra).result["plan"]
        return self.remediate(*options, approve=remediation, runbook_plan_digest=plan["digest"], **extra)

    def roll_back(self, run: Run) -> Run:
        """Roll back the incident of a run."""
        command = super().command(incident=run.directory.name)
        command[1] = "playbooks/rollback.yml"
        self.next_command = command
        process = self.start()
        output, _ = process.communicate(timeout=300)
        result = json.loads((run.directory / "result.json").read_text(encoding="utf-8"))
        assert result["run"]["mode"] == "rollback", output
        return self.watched(Run(process.returncode, output, result, self.journal(run.directory), run.directory))


@pytest.fixture
def world(payments_lab: Lab) -> World:
    return World(payments_lab)


@pytest.fixture
def runbook(payments_lab: Lab, world: World, tmp_path: Path) -> Iterator[Rehearsal]:
    """Under exactly the Roles of deploy/rbac for those who remediate; they suffice for all it asks."""
    runbook = Rehearsal(payments_lab, tmp_path, "payment_failure")
    runbook.log_in(world.cluster, *ROLES)
    yield runbook
    assert world.cluster.refused(REMEDIATE) == []


def pods(world: World) -> set[str]:
    found = [pod["metadata"] for pod in world.cluster.pods()]
    return {each["uid"] for each in found if "deletionTimestamp" not in each}  # one of before may still be ending


def revision(world: World) -> str:
    deployment = world.cluster.get("deployments", "backend")
    return str(deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"])


def assert_resolved(run: Run, world: World, **expected: str) -> None:
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["verification"], run.result["errors"])
    assert verdicts(run) == {"failure_ratio": "resolved", **expected}
    (action,) = run.result["actions"]
    assert (action["status"], action["changed"]) == ("done", True)
    assert schemas.validate("result", run.result) == []


def trouble(run: Run) -> list[tuple[str, str]]:
    """What a diagnosis found; a payment that was under way when it broke may truly be left to try again."""
    found = [each for each in run.result["findings"] if each["status"] != "ok" and each["check"] != "failed_payments"]
    return [(each["check"], each["summary"]) for each in found]


def assert_saved_logs_first(run: Run, *, said: bytes) -> None:
    """The logs of the pods that were replaced are kept, and whole."""
    logs = [entry for entry in run.result["evidence"] if entry["name"].endswith("/backend.log")]
    contents = [(run.directory / entry["path"]).read_bytes() for entry in logs]
    assert [hashlib.sha256(content).hexdigest() for content in contents] == [entry["sha256"] for entry in logs]
    assert any(said in content for content in contents)


def test_a_stale_key_is_cured_by_one_restart(runbook: Rehearsal, world: World, payments_lab: Lab) -> None:
    payments_lab.break_("stripe-key-stale")
    before, stored = pods(world), world.secret("STRIPE_SECRET_KEY")
    with world.only_read():
        preview = runbook.remediate("--check", approve="restart-backend")
    assert_only_planned(preview, "restart-backend")
    assert pods(world) == before

    run = runbook.remediate(approve="restart-backend")
    assert_resolved(run, world, workload="resolved")
    assert_saved_logs_first(run, said=b"StripeAuthenticationError")
    assert before.isdisjoint(pods(world))
    assert world.secret("STRIPE_SECRET_KEY") == stored
    assert_payments_flow(world)

    now = pods(world)
    with world.only_read():
        again = runbook.remediate(approve="restart-backend")
    assert (trouble(again), again.result["actions"]) == ([], [])
    assert pods(world) == now


def test_the_right_key_is_restored_and_shown_by_its_fingerprint_only(
    runbook: Rehearsal, world: World, payments_lab: Lab
) -> None:
    payments_lab.break_("stripe-key-expired")
    before, wrong = pods(world), world.secret("STRIPE_SECRET_KEY")
    right = hashlib.sha256(payments_lab.stripe.keys.next_secret_key.encode()).hexdigest()[:12]
    with world.only_read():
        preview = runbook.remediate("--check", approve="restore-stripe-key")
    assert_only_planned(preview, "restore-stripe-key")
    (planned,) = (each for each in preview.result["plan"]["remediations"] if each["status"] == "recommended")
    secret = planned["targets"][0]
    assert (secret["secret_name"], secret["from"], secret["to"]) == ("stripe-keys", wrong, right)
    assert world.secret("STRIPE_SECRET_KEY") == wrong

    with world.only_read():
        alone = runbook.remediate(approve="restore-stripe-key")
    assert alone.result["outcome"] == "refused"
    assert "the digest of the plan" in alone.result["errors"][0]["message"]

    webhook_secret, digest = world.secret("STRIPE_WEBHOOK_SECRET"), preview.result["plan"]["digest"]
    run = runbook.remediate(approve="restore-stripe-key", runbook_plan_digest=digest)
    assert_resolved(run, world, workload="resolved")
    assert_saved_logs_first(run, said=b"StripeAuthenticationError")
    assert (world.secret("STRIPE_SECRET_KEY"), world.secret("STRIPE_WEBHOOK_SECRET")) == (right, webhook_secret)
    assert before.isdisjoint(pods(world))
    assert revision(world) == "2", "one rollout"
    assert_payments_flow(world)

    now = pods(world)
    with world.only_read():
        again = runbook.remediate(approve="restore-stripe-key", runbook_plan_digest=digest)
    assert trouble(again) == []
    assert_approval_is_spent(again)
    assert (world.secret("STRIPE_SECRET_KEY"), pods(world), revision(world)) == (right, now, "2")


def test_a_key_that_is_restored_is_recorded_although_the_pods_cannot_be_restarted(
    world: World, payments_lab: Lab, tmp_path: Path
) -> None:
    payments_lab.break_("stripe-key-expired")
    runbook = Rehearsal(payments_lab, tmp_path, "payment_failure")
    runbook.log_in(world.cluster, *ROLES)
    runbook.take_away(world.cluster, REMEDIATE, "deployments")
    wrong, before = world.secret("STRIPE_SECRET_KEY"), pods(world)
    run = runbook.approved("restore-stripe-key")

    right = hashlib.sha256(payments_lab.stripe.keys.next_secret_key.encode()).hexdigest()[:12]
    assert (world.secret("STRIPE_SECRET_KEY"), pods(world)) == (right, before), "only the Secret is new"
    (action,) = run.result["actions"]
    assert (action["status"], action["changed"]) == ("partial", True), action
    assert (action["before"]["stored"]["fingerprint"], action["after"]["stored"]["fingerprint"]) == (wrong, right)
    assert action["results"][0]["result"] == "set"
    touched = [target.get("secret_name") or target["kind"] for target in action["targets"]]
    assert touched == ["stripe-keys", "Deployment"]
    assert "forbidden" in action["reason"]
    assert run.result["outcome"] not in ("healthy", "resolved")


def test_a_line_break_after_the_key_of_the_vault_is_not_put_into_the_secret(
    runbook: Rehearsal, world: World, payments_lab: Lab
) -> None:
    payments_lab.break_("stripe-key-expired")
    key = payments_lab.stripe.keys.next_secret_key
    runbook.hosts["stripe"] |= {"stripe_backend_secret_key": f"{key}\n"}
    run = runbook.approved("restore-stripe-key")
    assert_resolved(run, world, workload="resolved")
    assert world.secret("STRIPE_SECRET_KEY") == hashlib.sha256(key.encode()).hexdigest()[:12]
    assert trouble(runbook.run()) == []


def test_a_key_that_does_not_work_is_not_put_into_the_secret(
    runbook: Rehearsal, world: World, payments_lab: Lab
) -> None:
    payments_lab.break_("stripe-key-expired")
    runbook.hosts["stripe"] |= {"stripe_backend_secret_key": "sk_test_nobody0knows0this0key0000"}
    wrong = world.secret("STRIPE_SECRET_KEY")
    with world.only_read():
        run = runbook.run()
    assert recommended(run) == []
    (entry,) = (each for each in run.result["plan"]["remediations"] if each["id"] == "restore-stripe-key")
    assert "does not work" in entry["reason"]
    assert world.secret("STRIPE_SECRET_KEY") == wrong


def test_the_limit_is_lowered_within_the_account_s_and_goes_back(
    runbook: Rehearsal, world: World, payments_lab: Lab
) -> None:
    payments_lab.break_("stripe-rate-limited")
    with world.only_read():
        too_much = runbook.run(payment_failure_rate_limit=50)
    assert recommended(too_much) == []
    with world.only_read():  # a mean below what Stripe takes hides bursts, which our limits allow
        bursts = runbook.run(payment_failure_account_rps=50)
    assert recommended(bursts) == ["lower-rate-limit"], bursts.finding("payment_cause")
    with world.only_read():
        preview = runbook.remediate("--check", approve="lower-rate-limit")
    assert_only_planned(preview, "lower-rate-limit")
    assert LIMIT not in world.cluster.environment()

    run = runbook.remediate(approve="lower-rate-limit")
    assert_resolved(run, world, workload="resolved", throttled_ratio="resolved")
    assert world.cluster.environment()[LIMIT] == "2", "floor(12 x 0.6 / (2 + 1))"
    assert revision(world) == "2", "one rollout"
    throttled = world.prometheus.value('sum(increase(stripe_api_requests_total{status="429"}[5s]))')
    assert throttled in (None, 0)

    now = pods(world)
    with world.only_read():
        again = runbook.remediate(approve="lower-rate-limit")
    assert again.result["actions"] == []
    assert (revision(world), pods(world)) == ("2", now)

    back = runbook.roll_back(run)
    assert (back.rc, back.result["outcome"]) == (0, "resolved"), back.result
    assert LIMIT not in world.cluster.environment()


def test_failed_payments_are_confirmed_once_and_others_never(
    runbook: Rehearsal, world: World, payments_lab: Lab
) -> None:
    payments_lab.break_("payments-left-failed")
    left = {intent["id"]: intent["amount"] for intent in left_by_an_outage(world)}
    declined = [each["id"] for each in world.stripe.intents() if each["status"] == "requires_payment_method"]
    assert declined, "there is something that must not be touched"
    with world.only_read():
        preview = runbook.remediate("--check", approve="retry-failed-payments")
    assert_only_planned(preview, "retry-failed-payments")
    (planned,) = (each for each in preview.result["plan"]["remediations"] if each["status"] == "recommended")
    assert {target["payment_intent"]: target["amount"] for target in planned["targets"]} == left
    assert planned["preview"]["totals"] == {"gbp": sum(left.values())}
    assert f"gbp {sum(left.values())}" in preview.finding("failed_payments")["summary"]

    world.stripe.forget_requests()
    run = runbook.remediate(approve="retry-failed-payments", runbook_plan_digest=preview.result["plan"]["digest"])
    assert_resolved(run, world, retried_payments="resolved")
    assert {world.stripe.intent(id_)["status"] for id_ in left} == {"succeeded"}
    assert {world.stripe.intent(id_)["status"] for id_ in declined} == {"requires_payment_method"}
    confirmed = [
        each["path"].split("/")[3]
        for each in world.stripe.requests("POST")
        if each["path"].endswith("/confirm") and each["path"].split("/")[3] in {*left, *declined}
    ]
    assert sorted(confirmed) == sorted(left), "each once, and nothing that was declined"
    rows = world.query("SELECT status FROM payments WHERE stripe_payment_intent_id = ANY(%s)", list(left))
    assert {row["status"] for row in rows} == {"succeeded"}

    world.stripe.forget_requests()
    again = runbook.approved("retry-failed-payments")
    assert (again.result["outcome"], again.result["actions"]) == ("healthy", [])
    touched = {
        each["path"].split("/")[3] for each in world.stripe.requests("POST") if each["path"].endswith("/confirm")
    }
    assert touched.isdisjoint(left)


def test_who_has_paid_anew_does_not_pay_twice(runbook: Rehearsal, world: World, payments_lab: Lab) -> None:
    payments_lab.break_("payments-left-failed")
    waiting = [each["id"] for each in left_by_an_outage(world)]
    (anew,) = world.query(
        "INSERT INTO payments (campaign_id, amount_cents, currency, status)"
        " SELECT campaign_id, amount_cents, currency, 'pending' FROM payments WHERE stripe_payment_intent_id = %s"
        " RETURNING id",
        waiting[0],
    )
    finding = runbook.run().finding("failed_payments")
    world.query("DELETE FROM payments WHERE id = %s RETURNING id", anew["id"])
    reasons = {each["payment_intent"]: each["reason"] for each in finding["data"]["candidates"]}
    assert {reasons[id_] for id_ in waiting[1:]} == {"retryable"}
    assert reasons[waiting[0]] == "paid_anew"


def test_no_payment_is_tried_again_while_stripe_is_down(runbook: Rehearsal, world: World, payments_lab: Lab) -> None:
    payments_lab.break_("payments-left-failed")
    payments_lab.tell_stripe("outage")
    wait_until(lambda: (world.prometheus.value("sum(increase(stripe_payment_failed_total[5s]))") or 0) > 4, "outage")
    digest = runbook.run().result["plan"]["digest"]
    payments_lab.tell_stripe("hang")
    world.stripe.forget_requests()
    run = runbook.remediate(approve="retry-failed-payments", runbook_plan_digest=digest)
    assert (run.finding("stripe_api")["status"], run.finding("stripe_api")["cause"]) == ("down", "timeout")
    assert [each["method"] for each in world.by_runbooks()] == ["GET"], "who hangs is asked once, by the whole run"
    assert run.result["outcome"] == "refused"
    assert run.result["actions"] == []
    assert run.finding("failed_payments")["status"] == "skipped"
    left = [each for each in world.stripe.intents() if each["status"] == "requires_confirmation"]
    assert len(left) >= 4


def test_what_moves_more_than_is_allowed_stays(runbook: Rehearsal, payments_lab: Lab) -> None:
    payments_lab.break_("payments-left-failed")
    run = runbook.run(payment_failure_max_total_amount={"eur": 100_000_000})
    assert recommended(run) == []
    finding = run.finding("failed_payments")
    assert (finding["status"], finding["cause"]) == ("degraded", "limits_too_low"), finding["summary"]
    reasons = {each["reason"] for each in run.finding("failed_payments")["data"]["candidates"]}
    assert "currency_not_allowed" in reasons


OTHER_MODE = {
    "error": {
        "type": "invalid_request_error",
        "code": "resource_missing",
        "message": "No such payment_intent; a similar object exists in live mode, but a test mode key was used to make "
        "this request.",
    }
}


def test_a_rollout_that_uses_the_wrong_mode_is_undone(
    runbook: Rehearsal, world: World, payments_lab: Lab, api: Api
) -> None:
    """The Secret has the right key, so it is the version: Stripe answers it as for live mode."""
    (container,) = world.cluster.get("deployments", "backend")["spec"]["template"]["spec"]["containers"]
    api.answers["/v1/payment_intents"] = Reply(404, OTHER_MODE)
    changed = {"name": container["name"], "env": [{"name": "STRIPE_API_URL", "value": api.url}]}
    world.cluster.api.patch(DEPLOYMENT, {"spec": {"template": {"spec": {"containers": [changed]}}}})
    wait_until(lambda: not payments_lab.platform().not_ready(), "complete rollout")
    refused = 'sum(increase(stripe_payment_failed_total{reason="mode"}[5s]))'
    wait_until(lambda: (world.prometheus.value(refused) or 0) >= 4, "payments fail")
    before = pods(world)
    with world.only_read():  # what was rolled out longer ago is not what it began with
        earlier = runbook.run(payment_failure_deploy_window_s=1)
    assert recommended(earlier) == [], earlier.finding("payment_cause")
    with world.only_read():
        preview = runbook.remediate("--check", approve="undo-rollout")
    finding = preview.finding("payment_cause")
    assert (finding["cause"], finding["recommend"]) == ("mode_mismatch", ["undo-rollout"]), finding
    assert_only_planned(preview, "undo-rollout")
    assert (pods(world), revision(world)) == (before, "2")

    run = runbook.remediate(approve="undo-rollout")
    assert_resolved(run, world, workload="resolved")
    assert world.cluster.get("deployments", "backend")["spec"]["template"]["spec"]["containers"] == [container]
    assert_saved_logs_first(run, said=b"payment")
    assert_payments_flow(world)

    now = pods(world)
    with world.only_read():
        again = runbook.remediate(approve="undo-rollout")
    assert (trouble(again), again.result["actions"]) == ([], [])
    assert (revision(world), pods(world)) == ("3", now), "to undo it once more would bring the version back"


def test_too_few_payments_are_no_proof(runbook: Rehearsal, payments_lab: Lab) -> None:
    payments_lab.break_("stripe-key-stale")
    run = runbook.remediate(approve="restart-backend", payment_failure_min_events=2000, payment_failure_min_lines=1)
    assert run.result["outcome"] == "unverified"
    (verdict,) = (each for each in run.result["verification"] if each["check"] == "failure_ratio")
    assert verdict["cause"] == "inconclusive_low_traffic"


def test_who_is_told_what(runbook: Rehearsal, payments_lab: Lab) -> None:
    """A diagnosis shows the drafts: the team that the cause concerns, and the status page only what is proven."""
    payments_lab.break_("card-declines")
    run = runbook.run()
    drafts = {each["purpose"]: each for each in run.result["notifications"]}
    assert {"page", "internal", "payments_team", "fraud_team"} <= set(drafts)
    assert {"status_page", "security", "platform_team", "failed_payments"}.isdisjoint(drafts)
