# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhook failures against the lab: every fault is told from the others, and what can be remediated is, end to end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks import schemas
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.lab import Lab
from support.payment_failure import WatchedRunbook, assert_approval_is_spent, assert_only_planned
from support.payments import World
from support.runbook import planned, recommended, verdicts
from support.webhooks_lab import assert_events_arrive, last_answer

ROLES = tuple(f"webhook-failures-{name}" for name in ("secrets", "diagnose", "remediate"))
DIAGNOSE, REMEDIATE = ROLES[1:]
WEBHOOK_SECRET = "STRIPE_WEBHOOK_SECRET"

Json = dict[str, Any]


@pytest.fixture
def world(payments_lab: Lab) -> World:
    return World(payments_lab)


@pytest.fixture
def runbook(payments_lab: Lab, world: World, tmp_path: Path) -> Iterator[WatchedRunbook]:
    """The playbook under exactly the Roles of deploy/rbac for those who remediate; they suffice for all it asks."""
    runbook = WatchedRunbook(payments_lab, tmp_path, "webhook_failures")
    runbook.log_in(world.cluster, *ROLES)
    yield runbook
    assert [(each["verb"], each["requestURI"]) for each in world.cluster.refused(REMEDIATE)] == []


def pods(world: World) -> set[str]:
    found = [pod["metadata"] for pod in world.cluster.pods()]
    return {each["uid"] for each in found if "deletionTimestamp" not in each}  # one of before may still be ending


def test_a_healthy_platform_is_healthy_and_only_read(runbook: WatchedRunbook, world: World) -> None:
    processed = world.query("SELECT count(*) AS n FROM processed_events WHERE type LIKE 'brandconnect%%'")
    with world.only_read():
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "healthy"), run.result["findings"]
    assert {finding["status"] for finding in run.result["findings"]} == {"ok"}
    assert run.finding("delivery")["data"]["probes"]["public"]["stale"]["verdict"] == "stale_rejected"
    assert run.finding("webhook_cause")["data"]["cause"] == "none"
    assert world.query("SELECT count(*) AS n FROM processed_events WHERE type LIKE 'brandconnect%%'") == processed
    assert schemas.validate("result", run.result) == []

    service = "/api/v1/namespaces/brandconnect/services/backend"
    world.cluster.api.patch(service, {"spec": {"ports": [{"name": "metrics", "port": 9090, "targetPort": "nowhere"}]}})
    try:
        found = runbook.run().finding("service")
    finally:
        world.cluster.api.patch(service, {"spec": {"ports": [{"$patch": "delete", "port": 9090}]}})
    assert (found["status"], found["cause"]) == ("degraded", "wrong_target_port"), found["summary"]
    assert "port metrics to nowhere" in found["summary"]


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS.values() if fault.runbook == "webhook-failures"], ids=lambda fault: fault.name
)
def test_every_fault_is_told_from_the_others(
    runbook: WatchedRunbook, world: World, payments_lab: Lab, fault: Fault
) -> None:
    payments_lab.break_(fault.name)
    with world.only_read():
        run = runbook.run()
    cause = run.finding("webhook_cause")
    assert (cause["cause"], cause["status"] in ("degraded", "down")) == (fault.cause, True), cause["summary"]
    assert recommended(run) == list(fault.recommends)
    assert [item["id"] for item in run.result["plan"]["remediations"] if item["status"] == "recommended"] == list(
        fault.recommends
    )
    assert run.result["outcome"] == "findings", [f for f in run.result["findings"] if f["status"] == "unknown"]
    assert run.result["actions"] == []
    assert schemas.validate("result", run.result) == []
    assert cause["next_step"]


@pytest.mark.parametrize("name", ["webhook-handler-500", "webhook-signature-unchecked"])
def test_where_code_is_the_cause_the_finding_carries_a_patch(
    runbook: WatchedRunbook, payments_lab: Lab, name: str
) -> None:
    payments_lab.break_(name)
    patch = runbook.run().finding("webhook_cause")["data"]["patch"]
    for part in ("rawBody: true", "ON CONFLICT (id) DO NOTHING", "BadRequestException('invalid signature')"):
        assert part in patch


def test_an_endpoint_is_enabled_and_what_it_missed_is_sent_again(
    runbook: WatchedRunbook, world: World, payments_lab: Lab
) -> None:
    """Enabling delivers nothing of the time before; resending does, each event once."""
    payments_lab.break_("webhook-endpoint-disabled")
    with world.only_read():
        preview = runbook.remediate("--check", approve="enable-endpoint")
    assert_only_planned(preview, "enable-endpoint")
    assert world.stripe.endpoint()["status"] == "disabled"
    (target,) = planned(preview, "enable-endpoint")["targets"]
    assert (target["endpoint"], target["status"]) == (world.stripe.endpoint()["id"], "disabled")

    enabled = runbook.remediate(approve="enable-endpoint")
    (action,) = enabled.result["actions"]
    assert (action["status"], action["changed"]) == ("done", True), action
    assert (endpoint := world.stripe.endpoint())["status"] == "enabled"
    assert_events_arrive(world)
    assert verdicts(enabled) == {
        "endpoint": "resolved",
        "delivery": "resolved",
        "events": "resolved",
        "missing_events": "unresolved",
    }
    assert enabled.result["outcome"] == "unresolved"
    assert "--scope all" in enabled.result["verification"][-1]["next_step"]

    # of one type, or a slow machine makes more events meanwhile than are looked at
    runbook.variables |= {"webhook_failures_scope": "all", "webhook_failures_types": ["payment_intent.succeeded"]}
    with world.only_read():
        preview = runbook.remediate("--check", approve="resend-events")
    assert_only_planned(preview, "resend-events")
    targets = [target["event"] for target in planned(preview, "resend-events")["targets"]]
    assert targets
    assert not any(world.is_processed(event) for event in targets)
    sent = runbook.remediate(approve="resend-events")
    assert (sent.rc, sent.result["outcome"]) == (0, "resolved"), (sent.result["actions"], sent.result["verification"])
    assert [event for event in targets if not world.is_processed(event)] == []
    assert {last_answer(world, event) for event in targets} == {200}
    pending = "SELECT id FROM payments WHERE status = 'pending' AND stripe_payment_intent_id = ANY(%s)"
    intents = [each["object"] for each in world.stripe.events() if each["id"] in targets]
    assert world.query(pending, intents) == []

    with world.only_read():
        again = runbook.run(runbook_mode="remediate", approved=["enable-endpoint", "resend-events"])
    assert (again.result["actions"], again.result["outcome"]) == ([], "healthy")
    assert world.stripe.endpoint() == endpoint


def test_missed_events_are_sent_again_once(runbook: WatchedRunbook, world: World, payments_lab: Lab) -> None:
    payments_lab.break_("webhook-events-missed")
    runbook.hosts["communications"] = {"slack_channels": {"finance": "#incidents"}}
    with world.only_read():
        diagnosis = runbook.remediate("--check", approve="resend-events")
    assert_only_planned(diagnosis, "resend-events")
    assert "4 payments" in diagnosis.finding("stuck_payments")["summary"]
    assert {row["currency"] for row in diagnosis.finding("stuck_payments")["data"]["payments"]} == {"GBP"}
    targets = [target["event"] for target in planned(diagnosis, "resend-events")["targets"]]
    assert len(targets) == 4
    assert not any(world.is_processed(event) for event in targets)
    run = runbook.remediate(approve="resend-events")
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), run.result["verification"]
    (action,) = run.result["actions"]
    assert {result["result"] for result in action["results"]} == {"delivered"}
    assert verdicts(run)["payments"] == "resolved"
    assert [line["agrees"] for line in action["after"]["payments"]] == [True] * 4
    said = {
        each["stage"]: each["payload"]["text"] for each in run.result["notifications"] if each["purpose"] == "finance"
    }
    assert said["resolved"].startswith("*Events were sent again, and none is known to be missing*")
    assert "All 4 payments of the events that were sent again stand at the platform as at Stripe" in said["resolved"]
    assert all(world.is_processed(event) for event in targets)
    assert [last_answer(world, event) for event in targets] == [200] * 4
    asked = [each for each in world.by_runbooks() if each["method"] == "POST"]
    assert sorted(each["path"] for each in asked) == sorted(f"/v1/events/{event}/retry" for event in targets)
    with world.only_read():
        again = runbook.remediate(approve="resend-events")
    assert (again.result["actions"], again.result["outcome"]) == ([], "healthy")


def test_missed_events_are_signed_and_posted_without_stripe(
    runbook: WatchedRunbook, world: World, payments_lab: Lab
) -> None:
    payments_lab.break_("webhook-events-missed")
    runbook.variables["webhook_failures_resend_method"] = "local_replay"
    with world.only_read():
        preview = runbook.remediate("--check", approve="resend-events")
    assert_only_planned(preview, "resend-events")
    targets = [target["event"] for target in planned(preview, "resend-events")["targets"]]
    assert len(targets) == 4
    assert not any(world.is_processed(event) for event in targets)
    run = runbook.remediate(approve="resend-events")
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["actions"], run.result["verification"])
    assert all(world.is_processed(event) for event in targets)
    assert [each["path"] for each in world.by_runbooks() if each["method"] == "POST"] == []
    again = runbook.remediate(approve="resend-events")
    assert (again.result["actions"], again.result["outcome"]) == ([], "healthy")


def test_nothing_is_sent_to_a_handler_that_may_process_it_twice(
    runbook: WatchedRunbook, world: World, payments_lab: Lab
) -> None:
    payments_lab.break_("webhook-events-missed")
    runbook.variables["webhook_failures_handler_idempotent"] = False
    run = runbook.remediate(approve="resend-events")
    assert run.result["outcome"] == "refused", run.result
    assert [each for each in world.by_runbooks() if each["method"] == "POST"] == []


def test_what_may_not_be_sent_is_compared_and_nothing_is_corrected(
    runbook: WatchedRunbook, world: World, payments_lab: Lab
) -> None:
    payments_lab.break_("webhook-events-missed")
    runbook.variables["webhook_failures_resend_method"] = "reconcile_only"
    with world.only_read():
        run = runbook.run()
    entry = planned(run, "resend-events")
    differs = [item for item in entry["preview"]["reconciliation"] if item["agrees"] is False]
    assert {(item["stripe_status"], item["row_status"]) for item in differs} == {("succeeded", "pending")}
    assert {item["currency"] for item in differs} == {"gbp"}
    assert (len(differs), entry["targets"]) == (4, [])
    rows = world.query("SELECT status FROM payments WHERE id = ANY(%s)", [item["row_id"] for item in differs])
    assert [row["status"] for row in rows] == ["pending"] * 4


def test_pods_with_an_old_secret_are_restarted(runbook: WatchedRunbook, world: World, payments_lab: Lab) -> None:
    payments_lab.break_("webhook-secret-stale")
    secret, before = world.secret(WEBHOOK_SECRET), pods(world)
    with world.only_read():
        preview = runbook.remediate("--check", approve="restart-backend")
    assert_only_planned(preview, "restart-backend")
    assert pods(world) == before
    run = runbook.remediate(approve="restart-backend")
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), run.result["verification"]
    assert set(verdicts(run)) == {"endpoint", "delivery", "workload", "events", "missing_events"}
    assert before.isdisjoint(pods(world))
    assert world.secret(WEBHOOK_SECRET) == secret
    log = next(entry for entry in run.result["evidence"] if entry["name"].endswith("/backend.log"))
    assert b"No signatures found matching" in (run.directory / log["path"]).read_bytes()
    assert_events_arrive(world)

    now = pods(world)
    with world.only_read():
        again = runbook.remediate(approve="restart-backend")
    assert (again.result["actions"], again.result["outcome"]) == ([], "healthy")
    assert pods(world) == now


def test_the_right_secret_is_restored_and_no_secret_is_recorded(
    runbook: WatchedRunbook, world: World, payments_lab: Lab
) -> None:
    payments_lab.break_("webhook-secret-wrong")
    wrong, before = world.secret(WEBHOOK_SECRET), pods(world)
    with world.only_read():
        without = runbook.remediate(approve="restore-webhook-secret")
    assert without.result["outcome"] == "refused", "a destructive one needs the digest of its plan"
    digest = without.result["plan"]["digest"]
    wanted = next(target for target in planned(without, "restore-webhook-secret")["targets"] if "key" in target)
    assert (wanted["key"], wanted["from"]) == (WEBHOOK_SECRET, wrong)
    with world.only_read():
        preview = runbook.remediate("--check", approve="restore-webhook-secret", runbook_plan_digest=digest)
    assert_only_planned(preview, "restore-webhook-secret")
    assert (world.secret(WEBHOOK_SECRET), pods(world)) == (wrong, before)

    run = runbook.remediate(approve="restore-webhook-secret", runbook_plan_digest=digest)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["errors"], run.result["verification"])
    (action,) = run.result["actions"]
    assert (action["status"], action["changed"]) == ("done", True)
    assert world.secret(WEBHOOK_SECRET) == wanted["to"] != wrong
    assert before.isdisjoint(pods(world))
    assert_events_arrive(world)

    now = pods(world)
    with world.only_read():
        again = runbook.remediate(approve="restore-webhook-secret", runbook_plan_digest=digest)
    assert {finding["status"] for finding in again.result["findings"]} == {"ok"}
    assert_approval_is_spent(again)
    assert (world.secret(WEBHOOK_SECRET), pods(world)) == (wanted["to"], now)


def test_a_secret_that_is_restored_is_recorded_although_the_pods_cannot_be_restarted(
    world: World, payments_lab: Lab, tmp_path: Path
) -> None:
    payments_lab.break_("webhook-secret-wrong")
    runbook = WatchedRunbook(payments_lab, tmp_path, "webhook_failures")
    runbook.log_in(world.cluster, *ROLES)
    runbook.take_away(world.cluster, REMEDIATE, "deployments")
    name = "stripe_backend_webhook_secret"
    inventory = json.loads((payments_lab.directory.path / "inventory.json").read_text(encoding="utf-8"))
    given = inventory["_meta"]["hostvars"]["stripe"][name]
    runbook.hosts["stripe"][name] = f" {given}\n"  # white space of a vault is none of the secret's
    runbook.variables["webhook_failures_verify_missing_s"] = 600  # for nothing: no event gets through
    wrong, before = world.secret(WEBHOOK_SECRET), pods(world)
    plan = runbook.run().result["plan"]
    run = runbook.remediate(approve="restore-webhook-secret", runbook_plan_digest=plan["digest"])

    right = hashlib.sha256(given.encode()).hexdigest()[:12]
    assert world.secret(WEBHOOK_SECRET) == right
    assert pods(world) == before
    (action,) = run.result["actions"]
    assert (action["status"], action["changed"]) == ("partial", True), action
    assert (action["before"]["stored"]["fingerprint"], action["after"]["stored"]["fingerprint"]) == (wrong, right)
    assert action["results"][0]["result"] == "set"
    touched = [target.get("secret_name") or target["kind"] for target in action["targets"]]
    assert touched == ["stripe-keys", "Deployment"]
    assert "forbidden" in action["reason"]
    assert run.result["outcome"] not in ("healthy", "resolved")


def test_the_role_for_diagnosing_suffices_and_the_secret_is_apart(runbook: WatchedRunbook, world: World) -> None:
    runbook.backend.update(world.cluster.login(DIAGNOSE))
    run = runbook.run()
    assert run.result["outcome"] == "healthy", run.result["findings"]
    assert world.cluster.refused(DIAGNOSE) == []

    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/brandconnect/rolebindings/webhook-failures-secrets"
    world.cluster.api.delete(path)
    without = runbook.run()
    secret = without.finding("webhook_secret")
    assert (secret["status"], secret["cause"]) == ("unknown", "forbidden")
    assert "deploy/rbac/webhook-failures-secrets.yml" in secret["next_step"]
    assert without.result["outcome"] == "incomplete"
    assert without.finding("webhook_cause")["status"] == "unknown"
    unsigned = runbook.run(webhook_failures_signed_probe=False)
    assert unsigned.result["outcome"] == "healthy", "a signed request is asked for only where it is wanted"


def test_without_a_known_secret_nothing_is_restored(runbook: WatchedRunbook, world: World, payments_lab: Lab) -> None:
    payments_lab.break_("webhook-secret-wrong")
    runbook.hosts["stripe"]["stripe_backend_webhook_secret"] = ""
    run = runbook.run()
    cause = run.finding("webhook_cause")
    assert (cause["cause"], recommended(run)) == ("webhook_secret_wrong", []), cause["summary"]
    assert "vault" in cause["next_step"]
    assert (run.finding("webhook_secret")["status"], run.finding("webhook_secret")["cause"]) == ("ok", None)
    assert "cannot be compared" in run.finding("webhook_secret")["summary"]
