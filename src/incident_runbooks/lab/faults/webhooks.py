# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe's events do not arrive, or arrive and are not taken, or are taken from anybody."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from incident_runbooks.lab import rolled
from incident_runbooks.lab.faults.in_flow import Shows, seen_in_flow, step
from incident_runbooks.lab.workloads.manifests import NAMESPACE
from incident_runbooks.lab.workloads.scenarios import Environment, FaultFile

if TYPE_CHECKING:
    from incident_runbooks.lab.flow import Flow
    from incident_runbooks.lab.lab import Lab

_RUNBOOK = "webhook-failures"
_BACKEND = "backend"
_SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/stripe-keys"
_WEBHOOK_SECRET = "STRIPE_WEBHOOK_SECRET"  # noqa: S105 - the key in the Secret
_OTHER_PATH = "/api/stripe/webhook"
_MISSED = 4
_NO_MATCH = "No signatures found matching the expected signature"
_NOT_FOUND = 404
_PROBES = 4  # more than there are pods, which answer in turn


def _refuses(result: str, said: str) -> Shows:
    """Return the condition that every pod refuses events: it says so, Prometheus counts it, Stripe sees it."""

    def holds(flow: Flow) -> bool:
        counted = flow.counted(f'stripe_webhook_events_total{{result="{result}"}}')
        return counted and flow.every_pod_says(said) and bool(flow.undelivered())

    return holds


def _roll(lab: Lab, _: Flow) -> None:
    lab.stripe.tell("/lab/webhook-secret", secret=rolled.next_webhook_secret(lab.stripe))


def _roll_both(lab: Lab, flow: Flow) -> None:
    new = rolled.next_webhook_secret(lab.stripe)
    flow.platform.api.patch(_SECRET, {"stringData": {_WEBHOOK_SECRET: new}})
    _roll(lab, flow)


def _disable(lab: Lab, _: Flow) -> None:
    lab.stripe.tell("/lab/endpoint", disabled=True)


def _nothing_arrives(flow: Flow) -> bool:
    """Nobody gets events any more, while customers pay."""
    return (
        all(each["status"] == "disabled" for each in flow.stripe.state()["endpoints"])
        and flow.counted("stripe_payment_success_total")
        and flow.unprocessed() > 1
    )


def _is_not_found(flow: Flow) -> bool:
    return flow.probe() == {_NOT_FOUND} and bool(flow.undelivered()) and flow.is_scraped()


def _takes_anything(flow: Flow) -> bool:
    return all(status < 300 for status in flow.probe(_PROBES))  # noqa: PLR2004 - a class of HTTP


def _miss(lab: Lab, _: Flow) -> None:
    from incident_runbooks.lab import left_over  # noqa: PLC0415 - see inject()

    left_over.missed_events(lab, _MISSED)


def _are_missed(flow: Flow) -> bool:
    return len(flow.undelivered()) >= _MISSED


_fault = partial(seen_in_flow, _RUNBOOK)

FAULTS = (
    _fault(
        rolled.SECRET_WRONG,
        "the webhook's secret was rolled at Stripe; the cluster's Secret and the pods have the old one",
        "webhook_secret_wrong",
        _roll,
        _refuses("bad_signature", _NO_MATCH),
        ("restore-webhook-secret",),
    ),
    _fault(
        rolled.SECRET_STALE,
        "the webhook's secret was rolled at Stripe and in the Secret; the pods are older and have the old one",
        "webhook_secret_stale",
        _roll_both,
        _refuses("bad_signature", _NO_MATCH),
        ("restart-backend",),
    ),
    _fault(
        "webhook-endpoint-disabled",
        "the webhook endpoint is disabled at Stripe: no event is sent",
        "endpoint_disabled",
        _disable,
        _nothing_arrives,
        ("enable-endpoint",),
    ),
    _fault(
        "webhook-handler-500",
        "the backend's handler throws: events are answered with 500",
        "handler_error",
        step(FaultFile(_BACKEND, "webhook-error", survives_restart=True)),
        _refuses("error", "Cannot read properties of undefined"),
    ),
    _fault(
        "webhook-clock-skew",
        "the pods' clock is a quarter of an hour ahead: every event seems too old",
        "clock_skew",
        step(FaultFile(_BACKEND, "clock-skew", survives_restart=True)),
        _refuses("bad_signature", "Timestamp outside the tolerance zone"),
    ),
    _fault(
        "webhook-path-changed",
        f"a deployment serves the webhook at {_OTHER_PATH}: Stripe's deliveries are answered with 404",
        "path_changed",
        step(Environment(_BACKEND, {"WEBHOOK_PATH": _OTHER_PATH})),
        _is_not_found,
    ),
    _fault(
        "webhook-signature-unchecked",
        "the backend takes events from anybody, without looking at their signature",
        "signature_not_checked",
        step(FaultFile(_BACKEND, "webhook-unchecked", survives_restart=True)),
        _takes_anything,
    ),
    _fault(
        "webhook-events-missed",
        f"an outage of ours that is over: Stripe has given up on {_MISSED} events",
        "events_missing",
        _miss,
        _are_missed,
        ("resend-events",),
    ),
)
