# SPDX-License-Identifier: GPL-3.0-or-later
"""Why payments fail: each fault of the lab is told from the others, read-only, and what is not known is not well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from modules.k8s_support import Api, Reply, api

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import digest
from incident_runbooks import schemas
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.lab import Lab
from support.payment_failure import assert_holds_no_secret, recommended
from support.payments import PaymentsRunbook, World
from support.runbook import Run

__all__ = ["api"]
DIAGNOSE = "payment-failure-diagnose"
MINE = [fault for fault in FAULTS.values() if fault.runbook == "payment-failure"]
CONCLUDING = {"payment_cause", "failed_payments"}


@pytest.fixture
def world(payments_lab: Lab) -> World:
    return World(payments_lab)


@pytest.fixture
def runbook(payments_lab: Lab, world: World, tmp_path: Path) -> Iterator[PaymentsRunbook]:
    """The playbook under exactly the Roles of deploy/rbac for those who only diagnose; they suffice for all it asks."""
    runbook = PaymentsRunbook(payments_lab, tmp_path, "payment_failure")
    runbook.log_in(world.cluster, "payment-failure-secrets", DIAGNOSE)
    yield runbook
    assert world.cluster.refused(DIAGNOSE) == []


def plan_of(run: Run) -> dict[str, str]:
    return {entry["id"]: entry["reason"] for entry in run.result["plan"]["remediations"]}


def causes(run: Run) -> dict[str, str | None]:
    return {finding["check"]: finding["cause"] for finding in run.result["findings"]}


def test_healthy_payments_are_healthy_and_only_read(runbook: PaymentsRunbook, world: World) -> None:
    with world.only_read():
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "healthy"), run.result["findings"]
    assert {finding["check"] for finding in run.result["findings"]} == {
        *("stripe_status", "stripe_api", "payment_intents"),
        *("workload", "logs", "stripe_key"),
        *("payment_rate", "failure_ratio", "stripe_calls"),
        *CONCLUDING,
    }
    assert run.finding("payment_cause")["data"]["cause"] == "none"
    assert run.finding("stripe_key")["data"]["expected"] == world.secret("STRIPE_SECRET_KEY")
    assert run.finding("payment_rate")["data"]["peak"] > 0
    assert schemas.validate("result", run.result) == []
    assert_holds_no_secret(run, world.secrets())


def test_there_are_faults_to_tell_apart() -> None:
    assert len({fault.cause for fault in MINE}) >= 8


@pytest.mark.parametrize("name", [fault.name for fault in MINE])
def test_each_fault_is_told_from_the_others(
    name: str, runbook: PaymentsRunbook, world: World, payments_lab: Lab
) -> None:
    fault = FAULTS[name]
    payments_lab.break_(name)
    with world.only_read():
        run = runbook.run()
    assert run.result["outcome"] == "findings", run.result["findings"]
    concluded = {check: cause for check, cause in causes(run).items() if check in CONCLUDING and cause}
    assert list(concluded.values()) == [fault.cause], run.result["findings"]
    assert recommended(run) == list(fault.recommends), (plan_of(run), run.finding("failed_payments"))
    assert [finding["check"] for finding in run.result["findings"] if finding["recommend"]] == (
        list(concluded) if fault.recommends else []
    )
    plan = run.result["plan"]
    assert digest(plan["remediations"]) == plan["digest"], "what was recorded is not what would be approved"
    assert run.result["actions"] == []
    assert run.finding("payment_cause")["data"]["gaps"] == []
    assert schemas.validate("result", run.result) == []
    assert_holds_no_secret(run, world.secrets())


@pytest.mark.parametrize("kind", ["status-down", "status-html", "status-stale"])
def test_a_status_page_that_says_nothing_is_no_good_news(
    kind: str, runbook: PaymentsRunbook, payments_lab: Lab
) -> None:
    payments_lab.tell_stripe(kind)
    run = runbook.run()
    assert run.finding("stripe_status")["status"] == "unknown"
    assert run.result["outcome"] == "incomplete"
    assert recommended(run) == []
    assert run.finding("payment_cause")["status"] == "ok", "Stripe's own API says that it is well"


def test_no_money_moves_while_it_is_not_known_whether_stripe_is_well(
    runbook: PaymentsRunbook, payments_lab: Lab, world: World
) -> None:
    payments_lab.break_("payments-left-failed")
    payments_lab.tell_stripe("status-down")
    world.stripe.set_endpoint(disabled=True)
    try:
        finding = runbook.run().finding("failed_payments")
    finally:
        world.stripe.set_endpoint(disabled=False)
    assert (finding["status"], finding["cause"]) == ("degraded", "payments_left_failed")
    assert finding["recommend"] == []
    unknown, deaf = finding["data"]["in_the_way"]
    assert unknown == "Stripe's status page is not known"
    endpoint = world.stripe.endpoint()["id"]
    assert deaf == (
        "Stripe does not tell the platform what becomes of a payment:"
        f" {endpoint} is disabled, so no event is delivered to it"
    )
    assert finding["next_step"].startswith(f"Not yet: {unknown}; {deaf}. ")


def test_an_incident_of_something_else_at_stripe_explains_nothing(runbook: PaymentsRunbook, payments_lab: Lab) -> None:
    payments_lab.tell_stripe("status-other", "lock-timeout")
    payments_lab.wait_until(
        lambda: (World(payments_lab).prometheus.value("sum(increase(stripe_payment_failed_total[5s]))") or 0) > 2,
        "payments fail",
    )
    run = runbook.run()
    assert run.finding("stripe_status")["status"] == "ok"
    assert "not of what payments need" in run.finding("stripe_status")["summary"]
    assert causes(run)["payment_cause"] == "lock_timeout"


@pytest.mark.parametrize("indicator", ["critical", "none"])
def test_an_incident_that_names_nothing_is_not_taken_for_none(
    runbook: PaymentsRunbook, api: Api, indicator: str
) -> None:
    incident = {"id": "i1", "name": "Elevated API errors for payments", "status": "investigating", "impact": "critical"}
    page = {"status": {"indicator": indicator}, "incidents": [{**incident, "components": []}]}
    api.answers["/summary.json"] = Reply(body={**page, "components": [{"name": "API", "status": "operational"}]})
    runbook.hosts["stripe"] |= {"stripe_status_urls": [f"{api.url}/summary.json"], "stripe_status_hosts": ["127.0.0.1"]}
    run = runbook.run()
    finding = run.finding("stripe_status")
    assert (finding["status"], finding["cause"]) == ("unknown", "not_told")
    assert "Elevated API errors for payments" in finding["summary"]
    assert run.result["outcome"] == "incomplete"
    gaps = run.finding("payment_cause")["data"]["gaps"]
    assert "Stripe's status page: an unresolved incident does not say which components it concerns" in gaps


def test_a_destructive_remediation_is_not_recommended_on_half_a_diagnosis(
    runbook: PaymentsRunbook, payments_lab: Lab
) -> None:
    """The cause is as clear as before, but the database could not be asked."""
    payments_lab.break_("stripe-key-expired")
    runbook.hosts["postgres"] |= {"postgres_port": 1}
    run = runbook.run()
    assert run.result["outcome"] == "incomplete"
    assert causes(run)["payment_cause"] == "key_rejected"
    assert recommended(run) == []
    (entry,) = (each for each in run.result["plan"]["remediations"] if each["id"] == "restore-stripe-key")
    assert "diagnosis incomplete: postgres/payment_rate" in entry["reason"]


CLOSED: dict[str, dict[str, Any]] = {
    "stripe": {"stripe_api_url": "http://127.0.0.1:1", "stripe_status_urls": ["http://127.0.0.1:1/summary.json"]},
    "postgres": {"postgres_port": 1},
    "prometheus": {"prometheus_url": "http://127.0.0.1:1"},
    "backend": {
        "kubernetes_kubeconfig": "",
        "kubernetes_host": "https://127.0.0.1:1",
        "kubernetes_api_key": "nobody",
    },
}


def test_where_nothing_answers_nothing_is_well_and_nothing_recommended(payments_lab: Lab, tmp_path: Path) -> None:
    runbook = PaymentsRunbook(payments_lab, tmp_path, "payment_failure")
    for host, variables in CLOSED.items():
        runbook.hosts[host] |= variables
    run = runbook.run()
    assert run.result["outcome"] == "incomplete"
    states = {finding["check"]: finding["status"] for finding in run.result["findings"]}
    assert "ok" not in states.values(), states
    assert states["payment_cause"] == "unknown"
    assert recommended(run) == []
    assert run.result["errors"] == []


@pytest.mark.parametrize("host", sorted(CLOSED))
def test_one_system_that_does_not_answer_leaves_the_others_examined(
    host: str, payments_lab: Lab, tmp_path: Path
) -> None:
    runbook = PaymentsRunbook(payments_lab, tmp_path, "payment_failure")
    runbook.hosts[host] |= CLOSED[host]
    run = runbook.run()
    assert run.result["outcome"] == "incomplete"
    others = {finding["status"] for finding in run.result["findings"] if finding["component"] != host}
    assert "ok" in others
    silent = {finding["status"] for finding in run.result["findings"] if finding["component"] == host}
    assert "unknown" in silent
    assert recommended(run) == []


def test_a_component_that_is_left_out_is_said(runbook: PaymentsRunbook) -> None:
    run = runbook.run("--limit", "localhost,stripe,backend,prometheus")
    assert run.result["outcome"] == "incomplete"
    finding = run.finding("payment_rate")
    assert (finding["component"], finding["cause"]) == ("postgres", "not_in_inventory")


def test_without_the_right_to_read_the_secret_that_is_said(payments_lab: Lab, world: World, tmp_path: Path) -> None:
    runbook = PaymentsRunbook(payments_lab, tmp_path, "payment_failure")
    runbook.log_in(world.cluster, DIAGNOSE)
    world.cluster.api.delete(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/brandconnect/rolebindings/payment-failure-secrets"
    )
    run = runbook.run()
    finding = run.finding("stripe_key")
    assert (finding["status"], finding["cause"]) == ("unknown", "forbidden")
    assert "payment-failure-secrets" in finding["next_step"]


def test_one_payment_can_be_asked_for(runbook: PaymentsRunbook, world: World) -> None:
    paid = world.payments("succeeded")[-1]["stripe_payment_intent_id"]
    run = runbook.run(payment_failure_payment_intent=paid)
    (intent,) = run.finding("payment_intents")["data"]["asked_for"]
    assert (intent["id"], intent["status"]) == (paid, world.stripe.intent(paid)["status"])
    assert f"{paid} is succeeded" in run.finding("payment_intents")["summary"]
