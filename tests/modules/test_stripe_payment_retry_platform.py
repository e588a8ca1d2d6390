# SPDX-License-Identifier: GPL-3.0-or-later
"""stripe_payment_retry on the lab's platform: its own job, its own table, its own webhooks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modules.k8s_support import run_module, until
from modules.sending_support import assert_no_secret

from ansible_collections.brandconnect.incidents.plugins.modules import stripe_payment_intents, stripe_status
from ansible_collections.brandconnect.incidents.plugins.modules.stripe_payment_retry import SPEC
from incident_runbooks.lab.lab import Lab
from support.payments import World

Json = dict[str, Any]

INCIDENT = "payment-failure-20261124T150000Z"
ROWS = (
    "SELECT id, stripe_payment_intent_id AS payment_intent, amount_cents AS amount, trim(currency) AS currency, status,"
    " created_at FROM payments WHERE status = 'failed' AND stripe_payment_intent_id IS NOT NULL"
    " AND created_at >= now() - interval '1 hour' ORDER BY created_at"
)


class Platform:
    """The platform, with payments that failed in an outage which is over."""

    def __init__(self, lab: Lab) -> None:
        self.world = World(lab)
        hosts = json.loads((lab.directory.path / "inventory.json").read_text(encoding="utf-8"))["_meta"]["hostvars"]
        stripe, backend = hosts["stripe"], hosts["backend"]
        self.stripe = {
            "stripe_url": stripe["stripe_api_url"],
            "stripe_api_key": stripe["stripe_api_key"],
            "stripe_livemode": stripe["stripe_livemode"],
        }
        self.status = {name: stripe[f"stripe_{name}"] for name in ("status_urls", "status_hosts")}
        self.cluster = {
            "kubeconfig": backend["kubernetes_kubeconfig"],
            "namespace": backend["kubernetes_namespace"],
        }

    def failed(self) -> list[Json]:
        """Return the rows that a runbook reads."""
        return self.world.query(ROWS)

    def retry(self, rows: list[Json], *, check_mode: bool = False, **given: Any) -> Json:
        """Run the module."""
        known = {"name": "backend", "max_total_amount": {"usd": 10**7, "eur": 10**7, "gbp": 10**7}, "rps": 4.0}
        options = {**self.stripe, **self.cluster, **known, "payments": rows, "incident": INCIDENT, **given}
        result = run_module(SPEC, options, check_mode=check_mode)
        assert_no_secret(result, *self.world.secrets())
        return result

    def statuses(self, ids: list[str]) -> set[str]:
        """Return what the platform's table says of payments."""
        found = self.world.query("SELECT status FROM payments WHERE id = ANY(%s)", [int(each) for each in ids])
        return {each["status"] for each in found}


@pytest.fixture
def platform(payments_lab: Lab) -> Platform:
    payments_lab.break_("payments-left-failed")
    return Platform(payments_lab)


def test_payments_that_an_outage_left_are_tried_again_once(platform: Platform) -> None:
    rows = platform.failed()
    platform.world.stripe.forget_requests()
    plan = platform.retry(rows, check_mode=True)
    assert plan["status"] == "planned", plan
    assert len(plan["targets"]) >= 4
    assert {each["method"] for each in platform.world.by_runbooks()} == {"GET"}
    ids = [each["payment_id"] for each in plan["targets"]]
    intents = [each["payment_intent"] for each in plan["targets"]]
    assert platform.statuses(ids) == {"failed"}
    assert {platform.world.stripe.intent(each)["status"] for each in intents} == {"requires_confirmation"}

    done = platform.retry(rows, targets=plan["targets"])
    assert (done["status"], done["breaker"]["tripped"]) == ("done", False), done
    assert {each["result"] for each in done["results"]} == {"succeeded"}
    assert {platform.world.stripe.intent(each)["status"] for each in intents} == {"succeeded"}
    until(lambda: platform.statuses(ids) == {"succeeded"}, "the platform's table says so too")
    confirmed = [
        {name.lower(): value for name, value in each["headers"].items()}["idempotency-key"]
        for each in platform.world.stripe.requests("POST")
        if each["path"].removesuffix("/confirm").rpartition("/")[2] in intents
    ]
    assert sorted(confirmed) == sorted(f"inc-{INCIDENT}:{each}:1" for each in intents)
    assert {each["method"] for each in platform.world.by_runbooks()} == {"GET"}  # the job has a key of its own

    again = platform.retry(platform.failed(), targets=plan["targets"])
    assert (again["status"], again["changed"]) == ("nothing_to_do", False)
    assert {each["result"] for each in again["results"]} == {"skipped"}


def test_the_looking_modules_see_the_platform(platform: Platform) -> None:
    page = run_module(stripe_status.SPEC, platform.status)
    assert (page["status"], page["affected_relevant"]) == ("ok", False)
    found = run_module(stripe_payment_intents.SPEC, platform.stripe)
    assert found["recent"]["succeeded"] > 0
    assert found["recent"]["by_status"]["requires_confirmation"] >= 4
    assert_no_secret(found, *platform.world.secrets())
