# SPDX-License-Identifier: GPL-3.0-or-later
"""How payments go in the lab, seen from outside: by Prometheus, the pods' logs, Stripe and the database."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import urllib3

from incident_runbooks.lab.payments import SEEDED
from incident_runbooks.lab.prometheus.api import PrometheusApi

if TYPE_CHECKING:
    from incident_runbooks.lab.payments import Payments

BACKEND = "backend"
WINDOW_S = 5
ENOUGH = 6.0  # payments within the window: each of two pods makes one a second
_PATIENCE_S = 2.0  # an event that is younger may just be under way
_ANSWER_S = 10.0

_WAITING = """
    SELECT count(*) FROM payments WHERE status = 'pending' AND NOT stripe_payment_intent_id ^@ %s
        AND created_at < now() - make_interval(secs => %s)
"""
_BLOCKED = """
    SELECT count(*) FROM pg_stat_activity AS waiting, unnest(pg_blocking_pids(waiting.pid)) AS holder
    JOIN pg_stat_activity AS holding ON holding.pid = holder WHERE holding.application_name = %s
"""
# What customers have paid since, or have not
_FORGET = """
    WITH gone AS (
        DELETE FROM payments WHERE stripe_payment_intent_id IS NULL OR NOT stripe_payment_intent_id ^@ %s
        RETURNING id::text)
    DELETE FROM audit_logs WHERE resource_type = 'payment' AND resource_id IN (SELECT id FROM gone)
"""

Json = dict[str, Any]


class Flow:
    """The payments of a lab.

    Args:
        lab: which is up, with payments.
    """

    def __init__(self, lab: Payments) -> None:
        self._lab = lab
        self.stripe = lab.stripe
        self.platform = lab.platform()
        self.prometheus = PrometheusApi(lab.prometheus) if lab.has_prometheus else None
        self.since = self.now()

    @staticmethod
    def now() -> str:
        """Return the time as the cluster's API takes it."""
        return datetime.now(UTC).isoformat().replace("+00:00", "Z")

    def pods(self) -> list[str]:
        """Return the names of the backend's pods."""
        return [pod["metadata"]["name"] for pod in self.platform.pods(BACKEND)]

    def is_settled(self) -> bool:
        """Return whether no pod is about to come or to go."""
        going = [pod for pod in self.platform.pods(BACKEND) if "deletionTimestamp" in pod["metadata"]]
        return not going and not self.platform.not_ready()

    def every_pod_says(self, text: str) -> bool:
        """Return whether the log of each backend pod has *text*, since this object was made."""
        return all(self.says(pod, text) for pod in self.pods())

    def says(self, pod: str, text: str) -> bool:
        """Return whether a pod's log has *text*, since this object was made."""
        return text in self.platform.log(pod, since=self.since)

    def increase(self, metric: str) -> float:
        """Return by how much a counter has risen within :data:`WINDOW_S`; 0 where nobody counts.

        Args:
            metric: a selector, such as ``stripe_payment_failed_total{reason="mode"}``.
        """
        found = self.prometheus.value(f"sum(increase({metric}[{WINDOW_S}s]))") if self.prometheus else None
        return found or 0.0

    def counted(self, metric: str, least: float = 2.0) -> bool:
        """Return whether a counter has risen by *least* within :data:`WINDOW_S`; True without a Prometheus."""
        return self.prometheus is None or self.increase(metric) >= least

    def is_scraped(self) -> bool:
        """Return whether Prometheus reads every backend pod, and nothing else."""
        if self.prometheus is None:
            return True
        return self.prometheus.targets() == dict.fromkeys(self.pods(), "up")

    def is_well(self) -> bool:
        """Return whether customers can pay and all of it arrives, with enough of them to be sure."""
        return (
            self.is_scraped()
            and self.counted("stripe_payment_success_total", ENOUGH)
            and self.increase("stripe_payment_failed_total") == 0
            and self.counted('stripe_webhook_events_total{result="processed"}', ENOUGH)
            and self.increase('stripe_webhook_events_total{result="error"}') == 0
            and not self.undelivered()
        )

    def undelivered(self) -> list[str]:
        """Return the ids of events that have not arrived where they should have by now."""
        young = time.time() - _PATIENCE_S
        return [
            each["id"]
            for each in self.stripe.state()["events"]
            if each["created"] < young and any(found["state"] != "succeeded" for found in each["deliveries"].values())
        ]

    def unprocessed(self) -> int:
        """Return how many payments wait for their event, longer than it takes."""
        with self._lab.server.connect(self._lab.server.superuser) as connection:
            row = connection.execute(_WAITING.encode(), [SEEDED, _PATIENCE_S]).fetchone()
        return int(row[0]) if row else 0

    def is_blocked(self, application: str) -> bool:
        """Return whether sessions wait for locks that a session of *application* holds."""
        with self._lab.server.connect(self._lab.server.superuser) as connection:
            row = connection.execute(_BLOCKED.encode(), [application]).fetchone()
        return bool(row and row[0])

    def probe(self, times: int = 1) -> set[int]:
        """Return the HTTP statuses of unsigned events at the public address."""
        ingress = self._lab.ingress
        pool = urllib3.PoolManager(ca_certs=str(ingress.ca_cert), timeout=_ANSWER_S, retries=False)
        body = json.dumps({"object": "event", "type": "brandconnect.lab.probe"})
        headers = {"Content-Type": "application/json"}
        answers = [pool.request("POST", ingress.webhook_url, body=body, headers=headers) for _ in range(times)]
        return {answer.status for answer in answers}

    def clean(self) -> None:
        """Remove what a fault has left: payments, events, lines in logs, samples. Nobody may pay meanwhile."""
        for folder in (self._lab.cluster.directory / "logs").glob(f"*_{BACKEND}-*"):
            for log in folder.rglob("*.log"):
                log.open("w").close()
        with self._lab.server.connect(self._lab.server.superuser) as connection:
            connection.execute(_FORGET.encode(), [SEEDED])
        if self.prometheus:
            self.prometheus.forget()
