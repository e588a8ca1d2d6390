# SPDX-License-Identifier: GPL-3.0-or-later
"""The API is slow: its database, its pods, what it waits for, or what is before it. Customers use it meanwhile.

The load goes on until the lab is healed, during remediations and after them, so that it shows whether they helped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from incident_runbooks.lab.clients import PAYOUT_BATCH, PoolSpec
from incident_runbooks.lab.faults.in_flow import Do, Shows, seen_in_flow, step
from incident_runbooks.lab.load import Load
from incident_runbooks.lab.stripe import control as stripe_control
from incident_runbooks.lab.workloads.scenarios import Environment, FaultFile

if TYPE_CHECKING:
    from incident_runbooks.lab.flow import Flow
    from incident_runbooks.lab.lab import Lab

_RUNBOOK = "api-latency"
_BACKEND = "backend"
_METRIC = "http_request_duration_seconds"
_OBJECTIVE_S = 0.5
_OFTEN = 0.15  # requests a second of a pod
_WINDOW_S = 5  # that Prometheus' rates are taken over here
_LIST, _ONE, _OFFER, _PAYMENT = "/api/campaigns", "/api/campaigns/{id}", "/api/offers/{id}", "/api/payments/{id}"
_SMALL_POOL = 2
_CPU_LIMIT = "150m"  # the fault's share is what is left when the process has what it needs without requests
_THROTTLED = 0.5  # of the periods; 0.25 is what a runbook looks for
_OF_CUSTOMERS = "route!~'/api/health.*|/metrics'"
_QUIET_S = 12  # longer than the window that the runbook has in the lab
_CUSTOMERS_S = 6.0  # long enough that a rate over the window is one of these customers

Json = dict[str, Any]


def _p95_s(flow: Flow, metric: str, labels: str) -> float | None:
    """Return the p95 of a histogram in seconds; ``None`` without requests."""
    if flow.prometheus is None:
        return None
    rates = f"sum by (le) (rate({metric}_bucket{{{labels}}}[{_WINDOW_S}s]))"
    return flow.prometheus.value(f"histogram_quantile(0.95, {rates})")


def _slow_pods(flow: Flow, labels: str = "", window_s: int = _WINDOW_S) -> float:
    """Return in how many pods what these labels choose is slow, and asked for often enough to say so."""
    if flow.prometheus is None:
        return 0.0
    rates = f"sum by (le, pod) (rate({_METRIC}_bucket{{{labels}}}[{window_s}s]))"
    often = f"sum by (pod) (rate({_METRIC}_count{{{labels}}}[{window_s}s])) > {_OFTEN}"
    return flow.prometheus.value(f"count(histogram_quantile(0.95, {rates}) > {_OBJECTIVE_S} and {often})") or 0.0


def _is_slow(route: str) -> Shows:
    """Return the condition that a route is slow in every pod."""
    return lambda flow: _slow_pods(flow, f'route="{route}"') == len(flow.pods())


def _all(*conditions: Shows) -> Shows:
    return lambda flow: all(condition(flow) for condition in conditions)


def _then(*steps: Do) -> Do:
    def do(lab: Lab, flow: Flow) -> None:
        for each in steps:
            each(lab, flow)

    return do


def _load(load: Load) -> Do:
    return lambda lab, _: lab.start_load(load)


def _made_anew(change: Callable[[Json], None]) -> Do:
    """Return what sets the backend up with other properties, as if it had always been so: with no older revision."""

    def do(lab: Lab, flow: Flow) -> None:
        flow.platform.set_up_anew(_BACKEND, change)
        lab.wait_until(flow.is_settled, "the pods of the backend are new")
        lab.wait_until(flow.is_scraped, "Prometheus reads the new pods")

    return do


def _container(deployment: Json) -> Json:
    found: Json = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def _with_small_pool(deployment: Json) -> None:
    for variable in _container(deployment)["env"]:
        if variable["name"] == "TYPEORM_POOL_MAX":
            variable["value"] = str(_SMALL_POOL)


def _with_little_cpu(deployment: Json) -> None:
    _with_small_pool(deployment)  # else the database has no connections for more pods
    _container(deployment)["resources"]["limits"]["cpu"] = _CPU_LIMIT


# Missing index


def _grow(lab: Lab, _: Flow) -> None:
    from incident_runbooks.lab import offers  # noqa: PLC0415 - with psycopg, which help does not need

    offers.grow(lab.server)


# Locks


def _hold_a_row(lab: Lab, _: Flow) -> None:
    lab.start_client(PoolSpec(lab.server.app, PAYOUT_BATCH, sessions=1, state="offer-in-transaction"))


def _wait_for_locks(flow: Flow) -> bool:
    return flow.is_blocked(PAYOUT_BATCH)


# One pod, and a rollout


def _one_pod_is_slow(flow: Flow) -> bool:
    return _slow_pods(flow) == 1 and len(flow.pods()) > 1


def _serve_for_a_while(lab: Lab, flow: Flow) -> None:
    began = time.monotonic()
    lab.wait_until(
        lambda: time.monotonic() - began > _CUSTOMERS_S and _is_fast(flow), "customers find the API as it was before"
    )


def _is_fast(flow: Flow) -> bool:
    p95 = _p95_s(flow, _METRIC, f'route="{_LIST}"')
    return p95 is not None and p95 < _OBJECTIVE_S


def _roll_out(lab: Lab, flow: Flow) -> None:
    step(Environment(_BACKEND, {"FAULTS": json.dumps({"slow": {"milliseconds": 800}})}))(lab, flow)
    lab.wait_until(lambda: flow.is_settled() and flow.is_scraped(), "the new revision is rolled out")


# What is before the API, and after it


def _slow_ingress(lab: Lab, _: Flow) -> None:
    from incident_runbooks.lab.ingress.control import SLOW  # noqa: PLC0415 - as above

    lab.ingress.control.write([SLOW])


def _is_slow_before(flow: Flow) -> bool:
    before = _p95_s(flow, "nginx_ingress_controller_request_duration_seconds", 'service="backend"')
    # a request that an earlier fault held may have ended only after it was healed
    held = _slow_pods(flow, _OF_CUSTOMERS, _QUIET_S)
    return before is not None and before > _OBJECTIVE_S and _is_fast(flow) and not held


def _is_throttled(flow: Flow) -> bool:
    if flow.prometheus is None:
        return False
    rates = [
        f'sum by (pod) (rate(container_cpu_cfs_{name}periods_total{{pod=~"backend-.*"}}[{_WINDOW_S}s]))'
        for name in ("throttled_", "")
    ]
    return (flow.prometheus.value(f"min({' / '.join(rates)})") or 0.0) > _THROTTLED


def _nobody_asks(flow: Flow) -> bool:
    if flow.prometheus is None:
        return False
    return not flow.prometheus.value(f"sum(increase({_METRIC}_count{{{_OF_CUSTOMERS}}}[{_QUIET_S}s]))")


_fault = partial(seen_in_flow, _RUNBOOK)
_CUSTOMERS = Load(_LIST, per_second=4.0)

FAULTS = (
    _fault(
        "latency-missing-index",
        "the table offers has grown, and nothing but its key has an index: the list of campaigns reads all of it often",
        "missing_index",
        _then(_grow, _load(Load(f"{_LIST}?limit=40", per_second=1.2, at_once=4))),
        _is_slow(_LIST),
        ("create-index",),
    ),
    _fault(
        "latency-lock-contention",
        "a batch holds the lock of an offer in an open transaction, and customers who change it wait",
        "locks",
        _then(_hold_a_row, _load(Load("/api/offers/1", per_second=1.0, at_once=4, amount_cents=10000))),
        _all(_is_slow(_OFFER), _wait_for_locks),
    ),
    _fault(
        "latency-cpu-throttled",
        f"requests need more CPU than the limit of {_CPU_LIMIT} gives, and the autoscaler may start no more pods",
        "capacity",
        _then(
            _made_anew(_with_little_cpu),
            step(FaultFile(_BACKEND, "cpu-quota", survives_restart=True)),
            _load(Load("/api/campaigns/{n}", per_second=20.0, at_once=16, numbers=40)),
        ),
        _all(_is_slow(_ONE), _is_throttled),
        ("scale-backend",),
    ),
    _fault(
        "latency-one-pod",
        "one pod of the backend is slow, as on a node with a noisy neighbour",
        "one_pod",
        _then(step(FaultFile(_BACKEND, "slow", pods=1)), _load(_CUSTOMERS)),
        _one_pod_is_slow,
    ),
    _fault(
        "latency-after-deploy",
        "a deployment has made every route slow",
        "regression",
        _then(_load(_CUSTOMERS), _serve_for_a_while, _roll_out),
        _is_slow(_LIST),
        ("undo-rollout",),
    ),
    _fault(
        "latency-stripe-slow",
        "Stripe takes 3 s for an answer, and a route waits for it",
        "dependency",
        _then(lambda lab, _: lab.tell_stripe(stripe_control.SLOW), _load(Load("/api/payments/{n}", 1.0, numbers=200))),
        _is_slow(_PAYMENT),
    ),
    _fault(
        "latency-network-slow",
        "requests take 0.8 s to get from the ingress to the pods, which are fast",
        "network",
        _then(_slow_ingress, _load(_CUSTOMERS)),
        _is_slow_before,
    ),
    _fault(
        "latency-pool-small",
        f"customers keep more than the {_SMALL_POOL} connections of each pod's pool busy; the server has room for more",
        "pool",
        _then(
            _made_anew(_with_small_pool),
            step(FaultFile(_BACKEND, "slow-query", {"milliseconds": 300}, survives_restart=True)),
            # 13 a second would fit; so many wait that it takes too long, and that the readiness probe still gets in
            _load(Load("/api/campaigns/{n}", per_second=16.0, at_once=10, numbers=40)),
        ),
        _is_slow(_ONE),
        ("resize-pool",),
    ),
    _fault(
        "latency-no-traffic",
        "nobody uses the platform: there is nothing to say about its latency",
        "no_traffic",
        step(FaultFile(_BACKEND, "payment-burst", {"per_second": 0}, survives_restart=True)),
        _nobody_asks,
    ),
)
