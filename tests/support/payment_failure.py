# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the Stripe runbooks ask of a run, and of the payments after it."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.left_over import FAILED_AGE_S
from support.payments import PaymentsRunbook, World
from support.platform import wait_until
from support.runbook import Run

_SUCCEEDED = "sum(increase(stripe_payment_success_total[5s]))"
_GIVEN = {
    "backend": ("kubernetes_api_key",),
    "stripe": ("stripe_api_key", "stripe_backend_secret_key", "stripe_backend_webhook_secret"),
}


class WatchedRunbook(PaymentsRunbook):
    """A playbook with the lab's inventory, every run of which is searched for secrets."""

    def __init__(self, lab: Lab, directory: Path, playbook: str) -> None:
        super().__init__(lab, directory, playbook)
        self._world = World(lab)

    def run(self, *options: str, **extra: Any) -> Run:
        return self.watched(super().run(*options, **extra))

    def watched(self, run: Run) -> Run:
        """Return a run that holds no secret: neither one of the lab nor one that the test gave the playbook."""
        given = (self.hosts[host].get(name, "").strip() for host, names in _GIVEN.items() for name in names)
        assert_holds_no_secret(run, [*self._world.secrets(), *filter(None, given)])
        return run


def recommended(run: Run) -> list[str]:
    return [entry["id"] for entry in run.result["plan"]["remediations"] if entry["status"] == "recommended"]


def assert_only_planned(run: Run, remediation: str) -> None:
    """It was approved in check mode: it is still recommended, and nothing was done."""
    assert (recommended(run), run.result["actions"]) == ([remediation], [])


def assert_approval_is_spent(run: Run) -> None:
    """What was approved with the digest of a plan is done, so that the plan is another one now.

    A payment that was under way when the fault came may have failed and be worth another try: that is the platform's.
    """
    assert (run.result["outcome"], run.result["actions"]) == ("refused", []), run.result["findings"]
    assert set(recommended(run)) <= {"retry-failed-payments"}
    assert "was approved, the plan is" in run.result["errors"][0]["message"]


def left_by_an_outage(world: World) -> list[dict[str, Any]]:
    """The PaymentIntents that wait to be confirmed, without those that are being paid at this moment."""
    before = time.time() - FAILED_AGE_S / 2
    return [
        each
        for each in world.stripe.intents()
        if each["status"] == "requires_confirmation" and each["created"] < before
    ]


def assert_payments_flow(world: World) -> None:
    """Payments succeed in the platform's metrics, and one that is made from now on does in its table."""
    assert (world.prometheus.value(_SUCCEEDED) or 0) > 2
    last = max((row["id"] for row in world.payments()), default=0)
    wait_until(lambda: any(row["id"] > last for row in world.payments("succeeded")), "new payment that succeeds")


def assert_holds_no_secret(run: Run, secrets: list[str]) -> None:
    """Neither plain nor as a request, a URL or a Secret has it."""
    written = run.output + "".join(
        path.read_text(encoding="utf-8", errors="replace") for path in run.directory.rglob("*") if path.is_file()
    )
    for secret in secrets:
        forms = {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}
        forms |= {base64.b64encode(f"{secret}:".encode()).decode(), json.dumps(secret)[1:-1]}
        assert [form for form in forms if form in written] == [], f"{secret[:8]}... is in the record"
