# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab with payments has beside the rest: Stripe, the ingress that it delivers to, and Prometheus."""

from __future__ import annotations

import time
from typing import Any

from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.lab import binaries, clients, processes
from incident_runbooks.lab.ingress import part as ingress
from incident_runbooks.lab.ingress.part import IngressPart
from incident_runbooks.lab.load import Load
from incident_runbooks.lab.load import start as start_load
from incident_runbooks.lab.parts import Parts
from incident_runbooks.lab.prometheus import part as prometheus
from incident_runbooks.lab.prometheus.part import PrometheusPart
from incident_runbooks.lab.state import INGRESS, PROMETHEUS, STRIPE
from incident_runbooks.lab.stripe import part as stripe
from incident_runbooks.lab.stripe.part import StripePart
from incident_runbooks.lab.workloads.stripe_seed import PAYMENTS_QUERY, stripe_seed

SEEDED = "pi_lab_"  # the PaymentIntents of the payments that the database begins with
_ENDPOINT_AGE_S = 90 * 86_400  # older than any event that Stripe keeps
_QUIET_S = 0.4  # until payments under way have ended
# What waited for its customer has been paid by now: a payment that waits is what somebody looks for
_PAID = """
    UPDATE payments SET status = 'succeeded', stripe_payment_method_id = 'pm_card_visa'
    WHERE status = 'pending' AND stripe_payment_intent_id ^@ %s
"""
EVENTS = ("payment_intent.payment_failed", "payment_intent.succeeded")


class Payments(Parts):
    """Those parts of the lab in one directory; a lab without payments has none of them."""

    @property
    def stripe(self) -> StripePart:
        """The lab's Stripe.

        Raises:
            UsageError: there is none.
        """
        return self._both()[0]

    @property
    def ingress(self) -> IngressPart:
        """The platform's public address.

        Raises:
            UsageError: there is none.
        """
        return self._both()[1]

    @property
    def prometheus(self) -> PrometheusPart:
        """The lab's Prometheus.

        Raises:
            UsageError: there is none.
        """
        self._both()
        if self._state.prometheus is None:
            raise UsageError(
                f"Looking for Prometheus in the lab {self.directory.path}: it has none",
                hint="install prometheus (Debian package prometheus), then: runbook lab down, runbook lab up",
            )
        return self._state.prometheus

    @property
    def has_prometheus(self) -> bool:
        """Whether this machine has the program."""
        self._both()
        return self._state.prometheus is not None

    def tell_stripe(self, *faults: str) -> None:
        """Let Stripe have these faults and no others."""
        self.stripe.control.write(list(faults))

    def start_load(self, load: Load) -> None:
        """Let customers send requests to the public address, until the lab is healed."""
        record = start_load(
            load,
            name=f"{clients.PREFIX}customers",
            url=self.ingress.url,
            ca_cert=self.ingress.ca_cert,
            log=self.directory.path / "clients.log",
            marker=self.directory.marker,
            mark=self._mark(),
        )
        self._add(record)

    def _both(self) -> tuple[StripePart, IngressPart]:
        """Return Stripe and the ingress, which are there together.

        Raises:
            UsageError: there are none.
        """
        if self._state.stripe is None:
            self._state = self._load()
        if self._state.stripe is None or self._state.ingress is None:
            raise UsageError(
                f"Looking for payments in the lab {self.directory.path}: it has none",
                hint="runbook lab down, then: runbook lab up",
            )
        return self._state.stripe, self._state.ingress

    def _start_payments(self) -> None:
        """Start the processes; they get ready while the rest of the lab does."""
        credentials = self.cluster.credentials
        self._state.stripe = stripe.lay_out(
            self.directory.path,
            secret_key=credentials.stripe_secret_key,
            webhook_secret=credentials.stripe_webhook_secret,
        )
        self._state.ingress = ingress.lay_out(self.directory.path, kubeconfig=self.cluster.kubeconfig)
        self._start_prometheus()  # the first: it looks for pods only every 5 s
        self._add(stripe.start(self.stripe, mark=self._mark()))
        self._add(self.ingress.process.start(mark=self._mark()))

    def _start_prometheus(self) -> None:
        try:
            program = binaries.find_program("prometheus")
        except RunbookError as error:
            self._progress(f"going on without prometheus: {error}")
            return
        self._state.prometheus = prometheus.lay_out(
            self.directory.path,
            program,
            targets_url=self.ingress.targets_url,
            ingress=self.ingress.metrics_target,
            kubelet=self.cluster.kubelet_target,
        )
        self._add(prometheus.start(self.prometheus, mark=self._mark()))

    def _await_payments(self) -> None:
        """Wait until the processes serve."""
        stripe.wait_until_they_answer(self.stripe, self._alive(STRIPE))
        self.ingress.process.wait(self._alive(INGRESS))
        if self._state.prometheus:
            prometheus.wait_until_it_answers(self.prometheus, self._alive(PROMETHEUS))

    def _connect_stripe(self) -> None:
        """Tell Stripe where to deliver, and let it know the payments that the database begins with."""
        self.stripe.tell(
            "/lab/endpoint",
            url=self.ingress.webhook_url,
            enabled_events=list(EVENTS),
            ca_cert=str(self.ingress.ca_cert),
            created=int(time.time()) - _ENDPOINT_AGE_S,
            disabled=False,
        )
        with self.server.connect(self.server.superuser) as connection:
            connection.execute(_PAID.encode(), [SEEDED])
            rows = connection.execute(PAYMENTS_QUERY.encode()).fetchall()
        self.stripe.tell("/lab/seed", **stripe_seed(rows))

    def _restore_stripe(self) -> list[str]:
        """Let every process run and Stripe be as at first, but for what has happened; returns what was not running."""
        ended = self._restart_payments()
        self.tell_stripe()
        self.ingress.control.write([])
        self.stripe.tell("/lab/keys", restore=["secret_key", "next_secret_key"])
        self.stripe.tell("/lab/webhook-secret", secret=self.stripe.keys.webhook_secret)
        self.stripe.tell("/lab/endpoint", url=self.ingress.webhook_url, disabled=False)
        return ended

    def _restore_payments(self, *, certainly: bool) -> None:
        """Remove what a fault has left, and wait until customers pay again.

        Args:
            certainly: something was broken; otherwise only if payments do not go as they should.
        """
        from incident_runbooks.lab import offers  # noqa: PLC0415 - see platform()
        from incident_runbooks.lab.flow import BACKEND, Flow  # noqa: PLC0415 - see platform()
        from incident_runbooks.lab.workloads import faults  # noqa: PLC0415 - see platform()

        certainly = bool(offers.restore(self.server)) or certainly
        flow = Flow(self)
        if not certainly and flow.is_well():
            return
        folder = flow.platform.site.faults
        faults.inject(folder, BACKEND, "payment-burst", {"per_second": 0}, survives_restart=True)
        time.sleep(_QUIET_S)
        self.stripe.tell("/lab/forget")
        flow.clean()
        self._connect_stripe()
        faults.withdraw(folder, BACKEND, "payment-burst")
        self.wait_until(flow.is_well, "payments go as they should")

    def wait_until_payments_flow(self) -> None:
        """Wait until customers pay, all of it arrives, and Prometheus has seen enough of it.

        Raises:
            RunbookError: it does not come about.
        """
        from incident_runbooks.lab.flow import Flow  # noqa: PLC0415 - see platform()

        self.wait_until(Flow(self).is_well, "payments go as they should")

    def _restart_payments(self) -> list[str]:
        """Start again what has ended; returns what that was."""
        ended = []
        starts: dict[str, Any] = {
            STRIPE: lambda: stripe.start(self.stripe, mark=self._mark()),
            INGRESS: lambda: self.ingress.process.start(mark=self._mark()),
        }
        if self._state.prometheus:
            starts[PROMETHEUS] = lambda: prometheus.start(self.prometheus, mark=self._mark())
        for name, start in starts.items():
            if self._alive(name) is None:
                self._forget(name)
                self._add(start())
                ended.append(f"{name} was not running")
        self._await_payments()
        return ended

    def _forget(self, name: str) -> None:
        records = [each for each in self._state.processes if each.name == name]
        processes.stop([process for record in records if (process := record.find())])
        self._state.processes = [each for each in self._state.processes if each not in records]
        self._save()
