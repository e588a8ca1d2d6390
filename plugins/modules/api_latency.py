# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how slow an API is, and which routes cost the most time."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: api_latency
short_description: Measure how slow an API is by route, and compare it with a day and a week ago
version_added: 0.1.0
description:
  - Reads a histogram of request durations from Prometheus and returns p50, p95 and p99 of each route with its volume,
    its share of requests, of errors and of the time that all requests together take.
  - Routes are ranked by the time they take together (C(rate) of the histogram's sum), because a rare slow route costs
    less than a busy one that is a little slow.
  - A quantile above the highest finite bucket is told by C(saturated); the true value is at least that.
  - No traffic, too little traffic and no series are told apart from a fast API. While the targets of O(job) are down
    or not scraped, the verdict is V(unknown).
  - Everything is asked at the same time. Prometheus that is down, slow or refuses is a result with a C(cause).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  job:
    description: Name of the scrape job of the API.
    type: str
    default: backend
  metric:
    description: Name of the histogram in seconds, without C(_bucket).
    type: str
    default: http_request_duration_seconds
  window_s:
    description: Seconds that rates are taken over. Give some scrape intervals.
    type: int
    default: 300
  before_s:
    description:
      - Seconds to look back for one more comparison, such as with the time before a rollout; at most a week. V(0) for
        none.
    type: int
    default: 0
  slo_p95_ms:
    description: The objective. A p95 above this many milliseconds is slow.
    type: float
    default: 500
  min_rps:
    description: A route with fewer requests per second is not judged.
    type: float
    default: 0.1
  exclude_routes:
    description:
      - Routes that take long by intention or say nothing, such as websockets, long polls and health checks.
      - A route with V(*) at its end stands for all that begin so.
    type: list
    elements: str
    default: []
  route_label:
    description: Label with the route.
    type: str
    default: route
  status_label:
    description: Label with the HTTP status. Those from 500 count as errors.
    type: str
    default: status
  instance_label:
    description: Label that tells the pods apart.
    type: str
    default: instance
  throttling_matchers:
    description:
      - Labels of the containers of the API in the metrics of cAdvisor, with regular expressions, such as
        C(namespace) and C(pod). With it RV(throttling) is measured.
    type: dict
    default: {}
  ingress_p95_query:
    description: PromQL of the p95 in seconds before the API, such as of its ingress, to tell the network from the API.
    type: str
  parts:
    description:
      - What requests spend their time on, by name, each as PromQL of seconds per second, such as the rate of the sum of
        a histogram of outgoing calls. At most 6.
    type: dict
    default: {}
  max_routes:
    description: How many routes and instances are returned, 1 to 200.
    type: int
    default: 20
  scrape_max_age_s:
    description: Seconds after which a target that was not scraped counts as stale. Give some scrape intervals.
    type: int
    default: 120
extends_documentation_fragment:
  - brandconnect.incidents.prometheus
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.prometheus_query
  - module: brandconnect.incidents.latency_cause
  - name: histogram_quantile
    description: How quantiles of a histogram are computed, and what they can say.
    link: https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile
"""

EXAMPLES = r"""
- name: See which routes are slow
  brandconnect.incidents.api_latency:
    prometheus_url: https://prometheus.example.com
    prometheus_token: "{{ lookup('ansible.builtin.env', 'PROMETHEUS_TOKEN') }}"
    exclude_routes: [/health, /metrics, /ws/*]
    throttling_matchers: {namespace: brandconnect, pod: "backend-.*"}
    parts:
      stripe: sum(rate(stripe_api_request_duration_seconds_sum[5m]))
  register: latency
"""

RETURN = r"""
reachable:
  description: Whether Prometheus answered anything.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why RV(reachable) is false, or why something in RV(gaps) is not known. V(null) when nothing stood in the way.
    - The words are those of M(brandconnect.incidents.prometheus_query).
  returned: success
  type: str
  sample: refused
message:
  description: What was said to that, in one line.
  returned: success
  type: str
  sample: connection refused
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: "nothing listens there: check the address and the network in between"
verdict:
  description:
    - V(slow) when the p95 of a route, or of all routes together, is above O(slo_p95_ms).
    - V(ok) when it is not.
    - V(low_volume) and V(no_traffic) when there is too little to judge by.
    - V(unknown) when it is not known, see RV(reason).
  returned: success
  type: str
  sample: slow
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: p95 of /api/campaigns is at least 10000 ms, above 500 ms
total:
  description: All routes together, as RV(routes).
  returned: success
  type: dict
  sample: {verdict: ok, rps: 41.2, request_share: 1.0, error_ratio: 0.0, p50_ms: 12.1, p95_ms: 412.0, p99_ms: 2100.0,
           mean_ms: 91.0, saturated: false, seconds_per_s: 3.75, time_share: 1.0, p95_day_ago_ms: 81.0,
           times_day_ago: 5.09, rps_day_ago: 40.1, p95_week_ago_ms: null, times_week_ago: null, rps_week_ago: null,
           p95_before_ms: null, times_before: null, rps_before: null}
routes:
  description: Each route, those first that take the most time together.
  returned: success
  type: list
  elements: dict
  contains:
    route:
      description: The route.
      type: str
    verdict:
      description: V(slow), V(ok), V(low_volume), V(no_traffic), or V(unknown) when the buckets cannot tell.
      type: str
    rps:
      description: Requests per second.
      type: float
    request_share:
      description: Share of all requests, 0 to 1.
      type: float
    error_ratio:
      description: Share of its requests that failed; V(null) without traffic or when not known.
      type: float
    p50_ms:
      description: Half of the requests took at most so many milliseconds; V(null) without traffic.
      type: float
    p95_ms:
      description: The same of 95 of 100 requests.
      type: float
    p99_ms:
      description: The same of 99 of 100 requests.
      type: float
    mean_ms:
      description: Average in milliseconds.
      type: float
    saturated:
      description: Whether p95 is above the highest finite bucket, so that it is at least C(p95_ms).
      type: bool
    seconds_per_s:
      description: Seconds that its requests take together, per second.
      type: float
    time_share:
      description: Share of the time that all requests take together.
      type: float
    p95_day_ago_ms:
      description: C(p95_ms) a day ago.
      type: float
    times_day_ago:
      description: How many times as high it is now.
      type: float
    rps_day_ago:
      description: C(rps) a day ago.
      type: float
    p95_week_ago_ms:
      description: C(p95_ms) a week ago.
      type: float
    times_week_ago:
      description: How many times as high it is now.
      type: float
    rps_week_ago:
      description: C(rps) a week ago.
      type: float
    p95_before_ms:
      description: C(p95_ms) O(before_s) ago; V(null) when not asked.
      type: float
    times_before:
      description: How many times as high it is now.
      type: float
    rps_before:
      description: C(rps) O(before_s) ago.
      type: float
  sample:
    - {route: /api/campaigns, verdict: slow, rps: 2.1, request_share: 0.051, error_ratio: 0.0, p50_ms: 1400.0,
       p95_ms: 10000.0, p99_ms: 10000.0, mean_ms: 1610.0, saturated: true, seconds_per_s: 3.38, time_share: 0.9,
       p95_day_ago_ms: 92.0, times_day_ago: 108.7, rps_day_ago: 2.0, p95_week_ago_ms: null, times_week_ago: null,
       rps_week_ago: null, p95_before_ms: null, times_before: null, rps_before: null}
routes_total:
  description: Number of routes.
  returned: success
  type: int
  sample: 12
slow_routes:
  description: The slow ones, in the order of RV(routes).
  returned: success
  type: list
  elements: str
  sample: [/api/campaigns]
judged_routes:
  description: Number of routes with enough traffic to be judged.
  returned: success
  type: int
  sample: 9
instances:
  description:
    - Each instance with C(instance), C(rps), C(p95_ms) and C(slow), slowest first. C(slow) is V(null) with too little
      traffic, or when the buckets cannot tell. V(null) when not known.
  returned: success
  type: list
  elements: dict
  sample: [{instance: "10.1.2.3:3000", rps: 20.4, p95_ms: 420.0, slow: false}]
throttling:
  description:
    - With O(throttling_matchers) the share of the periods of the CPU quota in which pods were throttled, C(max) and the
      20 highest C(pods) with C(pod) and C(ratio). V(null) when not asked or not known. C(max) is V(null) when there are
      no such series, as without CPU limits.
  returned: success
  type: dict
  sample: {max: 0.31, pods: [{pod: backend-6f9c-x2x4l, ratio: 0.31}]}
ingress_p95_ms:
  description: What O(ingress_p95_query) gave, in milliseconds; V(null) when not asked or not known.
  returned: success
  type: float
  sample: 431.0
parts:
  description:
    - Of each of O(parts) the C(seconds_per_s), and C(share) of the time that all requests take together.
    - V(null) when not known. Calls at the same time can make more than 1.
  returned: success
  type: dict
  sample: {stripe: {seconds_per_s: 0.21, share: 0.056}}
gaps:
  description: What is not known, and why.
  returned: success
  type: list
  elements: str
  sample: []
targets:
  description: The targets of O(job), as of M(brandconnect.incidents.prometheus_query).
  returned: success
  type: dict
  sample: {job: backend, state: up, reason: null, total: 1, up: 1, down: 0, stale: 0, oldest_scrape_s: 3.0,
           list: [{instance: "10.1.2.3:3000", state: up, scraped_s_ago: 3.0, labels: {}}], truncated: false}
requests:
  description: Requests that were sent to Prometheus.
  returned: success
  type: int
  sample: 7
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.latency_reads import judged
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.prometheus import (
    Prometheus,
    Reply,
    prometheus_argument_spec,
    prometheus_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.latency_queries import (
    ATTEMPTED,
    questions,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MOST_ROUTES = 200


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Ask and judge. A sick Prometheus is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    _check(params)
    asked = questions(params)
    try:
        prometheus = Prometheus(params)
    except SendError as error:
        if error.failure.cause != "not_configured":
            raise
        failed = Reply(None, error.failure)
        return {**judged(asked, dict.fromkeys(asked.all(), failed), params), "requests": 0}
    with prometheus:
        replies = prometheus.ask(asked.all())
    return {**judged(asked, replies, params), "requests": len(replies)}


def _check(params: Mapping[str, Any]) -> None:
    for option in ("slo_p95_ms", "min_rps"):
        if not 0 <= params[option] < float("inf"):  # also true of NaN
            raise IncidentsError(f"{ATTEMPTED}: {option} must be a number from 0, not {params[option]:g}")
    if not 1 <= params["max_routes"] <= MOST_ROUTES:
        raise IncidentsError(f"{ATTEMPTED}: max_routes must be 1 to {MOST_ROUTES}, not {params['max_routes']}")
    if params["scrape_max_age_s"] < 1:
        raise IncidentsError(f"{ATTEMPTED}: scrape_max_age_s must be 1 or more, not {params['scrape_max_age_s']}")


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **prometheus_argument_spec(),
        "job": {"type": "str", "default": "backend"},
        "metric": {"type": "str", "default": "http_request_duration_seconds"},
        "window_s": {"type": "int", "default": 300},
        "before_s": {"type": "int", "default": 0},
        "slo_p95_ms": {"type": "float", "default": 500},
        "min_rps": {"type": "float", "default": 0.1},
        "exclude_routes": {"type": "list", "elements": "str", "default": []},
        "route_label": {"type": "str", "default": "route"},
        "status_label": {"type": "str", "default": "status"},
        "instance_label": {"type": "str", "default": "instance"},
        "throttling_matchers": {"type": "dict", "default": {}},
        "ingress_p95_query": {"type": "str"},
        "parts": {"type": "dict", "default": {}},
        "max_routes": {"type": "int", "default": 20},
        "scrape_max_age_s": {"type": "int", "default": 120},
    },
    constraints={
        "mutually_exclusive": [["prometheus_token", "prometheus_username"]],
        "required_by": {"prometheus_password": ["prometheus_username"]},
    },
    secrets=prometheus_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
