# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Prometheus several things at the same time, and say what each answer is worth."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: prometheus_query
short_description: Ask Prometheus several things at the same time, and say what each answer is worth
version_added: 0.1.0
description:
  - Sends named queries at the same time and says of each whether it gave a value, no data, no number, an infinite
    value, old samples or an error.
  - No data is not zero. While the targets of O(job) are down or not scraped, an empty answer is V(unknown) and not
    "no traffic".
  - Prometheus that is down, slow or refuses is a result with a C(cause), not a failure. A query that it cannot read or
    evaluate is a result of that query, and does not disturb the others.
  - No result holds NaN or Infinity. What is no number is null, with a word that says why.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  queries:
    description:
      - The queries by name, at most 20, each as PromQL, or as a dictionary.
      - C(query) is the PromQL. It gives an instant vector or a scalar.
      - C(range), with C(window_s) and C(step_s), asks for the points of the last seconds instead of the value now, at
        most 500. They lie on the multiples of the step.
      - C(min) is the number of events below which the value says nothing, C(volume) the PromQL that counts them.
        Without C(volume) the value itself counts, as the sum of all samples.
      - C(selector) is a vector selector of the series that the query depends on. Without any, or when the newest
        sample of them is older than C(max_age_s) (120 unless given), the value says nothing. It notices what an
        expression such as C(or vector(0)) hides.
      - C(limit), with C(range), counts how many of the newest points are not above it, see
        RV(answers.series[].within).
    type: dict
    required: true
  job:
    description: Name of the scrape job whose targets the queries depend on. Its targets are examined in the same task.
    type: str
  scrape_max_age_s:
    description: Seconds after which a target that was not scraped counts as stale. Give some scrape intervals.
    type: int
    default: 120
  max_series:
    description: How many samples and series of each query are returned.
    type: int
    default: 20
extends_documentation_fragment:
  - brandconnect.incidents.prometheus
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - name: The HTTP API of Prometheus
    description: Queries, answers and errors.
    link: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

EXAMPLES = r"""
- name: See how many payments fail, and whether there are enough to say so
  brandconnect.incidents.prometheus_query:
    prometheus_url: https://prometheus.example.com
    prometheus_token: "{{ lookup('ansible.builtin.env', 'PROMETHEUS_TOKEN') }}"
    job: backend
    queries:
      failure_ratio:
        query: >-
          (sum(rate(stripe_payment_failed_total[5m])) or vector(0))
          / ((sum(rate(stripe_payment_failed_total[5m])) or vector(0))
          + (sum(rate(stripe_payment_success_total[5m])) or vector(0)))
        volume: sum(increase(stripe_payment_failed_total[5m])) + sum(increase(stripe_payment_success_total[5m]))
        min: 20
        selector: stripe_payment_success_total
      calls:
        query: sum(rate(stripe_api_requests_total[30s]))
        range: {window_s: 900, step_s: 30}
  register: payments

- name: Judge them
  brandconnect.incidents.finding:
    check: failure_ratio
    rules:
      - when: ratio.status in ['unknown', 'error', 'no_data', 'stale', 'infinite']
        status: unknown
        cause: "{{ ratio.reason }}"
        summary: "{{ ratio.message }}"
      - when: ratio.status == 'value' and ratio.value >= 0.05
        status: down
        cause: payments_fail
        summary: "{{ '%.1f' | format(ratio.value * 100) }} % of {{ ratio.volume | int }} payments failed"
    otherwise: Payments succeed
  vars:
    ratio: "{{ payments.answers.failure_ratio }}"
"""

RETURN = r"""
reachable:
  description: Whether Prometheus answered anything.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why RV(reachable) is false, or why RV(unanswered) is not empty. V(null) when nothing stood in the way.
    - One of V(not_configured), V(invalid_auth), V(not_permitted), V(not_found), V(invalid), V(throttled),
      V(server_error), V(timeout), V(refused), V(dns), V(tls), V(no_answer), or the C(errorType) of Prometheus'
      own answer, such as V(bad_data) or V(execution).
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
answers:
  description: Every query by name.
  returned: success
  type: dict
  contains:
    status:
      description:
        - V(value) when there is a number to judge by. Nothing else is one.
        - V(no_data) when the answer is empty, or a series of C(selector) or the volume is missing.
        - V(nan) when it is not a number, such as 0/0 without traffic.
        - V(infinite) when a value is infinite, such as a quantile above the largest bucket.
        - V(stale) when the newest sample is too old, or no series reaches to the end of the range.
        - V(low_volume) when there are fewer events than C(min).
        - V(unknown) when Prometheus did not answer, or the targets that would have reported are not up.
        - V(error) when Prometheus refused the query, or gave something that is no number.
      type: str
    reason:
      description:
        - A stable word for anything but V(value). V(empty), V(series_missing), V(no_volume), V(nan), V(+Inf), V(-Inf),
          V(old_samples), V(series_ended), V(low_volume), V(clock_skew), V(targets_down), V(targets_missing),
          V(targets_partial), V(targets_unknown), V(unreadable), or a C(cause) as above.
      type: str
    message:
      description: The same in one sentence.
      type: str
    value:
      description: The value of the only sample, or of the newest point of the only series. V(null) with several.
      type: float
    min:
      description: The smallest of all samples or newest points that are numbers.
      type: float
    max:
      description: The largest of them.
      type: float
    at:
      description: When it was evaluated, RFC 3339.
      type: str
    volume:
      description: Number of events, with C(min).
      type: float
    sample_age_s:
      description: Age of the newest sample of C(selector) in seconds.
      type: float
    partial:
      description: Whether targets are missing in it. V(null) without O(job), or when that is not known.
      type: bool
    samples:
      description: Without C(range), each sample with C(labels), C(status) (V(value), V(nan), V(infinite)), C(value)
        and C(at).
      type: list
      elements: dict
    series:
      description: With C(range), each series.
      type: list
      elements: dict
      contains:
        labels:
          description: Its labels.
          type: dict
        points:
          description: Each with C(at), C(value) and C(status), oldest first.
          type: list
          elements: dict
        min:
          description: The smallest point.
          type: float
        max:
          description: The largest point.
          type: float
        average:
          description: The average of the points.
          type: float
        last:
          description: The newest point.
          type: float
        within:
          description:
            - With C(limit), how many of the newest points are numbers not above it without a gap, C(points), and how
              many seconds they span, C(seconds).
          type: dict
    truncated:
      description: Whether there are more samples or series than O(max_series).
      type: bool
    warnings:
      description: What Prometheus remarked.
      type: list
      elements: str
    query:
      description: The PromQL.
      type: str
  sample:
    failure_ratio: {status: value, reason: null, message: null, value: 0.31, min: 0.31, max: 0.31,
                    at: "2026-11-24T15:00:00.000000Z", volume: 212.4, sample_age_s: 4.2, partial: false,
                    samples: [{labels: {}, status: value, value: 0.31, at: "2026-11-24T15:00:00.000000Z"}],
                    series: [], truncated: false, warnings: [], query: "sum(...) / sum(...)"}
unanswered:
  description: Names of the queries whose status is V(unknown) or V(error).
  returned: success
  type: list
  elements: str
  sample: []
targets:
  description: The targets of O(job); V(null) without it.
  returned: success
  type: dict
  contains:
    job:
      description: The job.
      type: str
    state:
      description:
        - V(up) when every target is up and was scraped lately, V(partial) when some are, V(down) when none is,
          V(missing) when Prometheus has none, V(unknown) when it could not be asked.
      type: str
    reason:
      description: Why it is not V(up), in one sentence.
      type: str
    total:
      description: Number of targets.
      type: int
    up:
      description: Those that are up and were scraped lately.
      type: int
    down:
      description: Those whose scrape failed.
      type: int
    stale:
      description: Those that were not scraped for O(scrape_max_age_s).
      type: int
    oldest_scrape_s:
      description: Seconds since the target scraped longest ago was scraped.
      type: float
    list:
      description: At most 50, those that fail first, with C(instance), C(state), C(scraped_s_ago) and C(labels).
      type: list
      elements: dict
    truncated:
      description: Whether there are more.
      type: bool
  sample:
    job: backend
    state: partial
    reason: "of 2 targets of the job backend: 1 down"
    total: 2
    up: 1
    down: 1
    stale: 0
    oldest_scrape_s: 12.1
    list:
      - {instance: "10.1.2.3:3000", state: down, scraped_s_ago: 12.1, labels: {}}
      - {instance: "10.1.2.4:3000", state: up, scraped_s_ago: 3.0, labels: {}}
    truncated: false
clock_skew_s:
  description: Seconds that the clock of Prometheus is ahead of this machine's; V(null) when it is not known.
  returned: success
  type: float
  sample: 0.1
calls:
  description: Requests that were sent, with C(query), C(cause) and C(duration_s).
  returned: success
  type: list
  elements: dict
  sample: [{query: time(), cause: null, duration_s: 0.012}]
"""

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.prometheus import (
    Prometheus,
    Reply,
    prometheus_argument_spec,
    prometheus_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus import (
    ERROR,
    UNKNOWN,
    Circumstances,
    Given,
    judge,
    server_time,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_queries import (
    SERVER_TIME,
    Query,
    Request,
    read_queries,
    targets_request,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_targets import targets_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

LEAST = {"scrape_max_age_s": 1, "max_series": 1}
MOST_SERIES = 200


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask and judge. A sick Prometheus is a result; see RETURN."""
    for option, least in LEAST.items():
        if params[option] < least:
            raise IncidentsError(f"Asking Prometheus: {option} must be {least} or more, not {params[option]}")
    if params["max_series"] > MOST_SERIES:
        raise IncidentsError(f"Asking Prometheus: max_series must be {MOST_SERIES} or less")
    queries, now = read_queries(params["queries"]), time.time()
    requests = _requests(queries, params["job"], now)
    try:
        prometheus = Prometheus(params)
    except SendError as error:
        if error.failure.cause != "not_configured":
            raise
        failed = Reply(None, error.failure)
        return _result(queries, dict.fromkeys(requests, failed), params, now) | {"calls": []}
    with prometheus:
        replies = prometheus.ask(requests)
    return _result(queries, replies, params, now)


def _requests(queries: list[Query], job: str | None, now: float) -> list[Request]:
    requests = [request for query in queries for request in query.requests(now)]
    if any(query.is_range for query in queries):
        requests.append(SERVER_TIME)
    return [*requests, targets_request(job)] if job else requests


def _result(
    queries: list[Query], replies: Mapping[Request, Reply], params: Mapping[str, Any], now: float
) -> dict[str, Any]:
    given = {request: _given(reply) for request, reply in replies.items()}
    job, skew = params["job"], None
    if SERVER_TIME in given:
        theirs = server_time(given[SERVER_TIME])
        skew = None if theirs is None else round(theirs - now, 1)
    targets = None
    if job:
        answer = given[targets_request(job)]
        targets = targets_facts(job, answer.data, params["scrape_max_age_s"], answer.message)
    around = Circumstances(targets, skew, params["max_series"], now)
    answers = {query.name: _judged(query, given, around) for query in queries}
    return {
        **_problem(replies),
        "answers": answers,
        "unanswered": [name for name, answer in answers.items() if answer["status"] in {UNKNOWN, ERROR}],
        "targets": targets,
        "clock_skew_s": skew,
        "calls": [_call(request, reply) for request, reply in replies.items()],
    }


def _judged(query: Query, given: Mapping[Request, Given], around: Circumstances) -> dict[str, Any]:
    volume, age = query.volume_request(), query.age_request()
    return judge(
        query,
        given[query.main(around.now)],
        given[volume] if volume else None,
        given[age] if age else None,
        around,
    )


def _given(reply: Reply) -> Given:
    failure = reply.failure
    if failure is None:
        return Given(reply.data, warnings=reply.warnings)
    return Given(None, failure.cause, failure.text, reply.answered)


def _problem(replies: Mapping[Request, Reply]) -> dict[str, Any]:
    failure = next((reply.failure for reply in replies.values() if reply.failure), None)
    return {
        "reachable": any(reply.answered for reply in replies.values()),
        "cause": failure.cause if failure else None,
        "message": failure.text if failure else None,
        "hint": failure.next_step if failure else None,
    }


def _call(request: Request, reply: Reply) -> dict[str, Any]:
    cause = reply.failure.cause if reply.failure else None
    return {"query": dict(request[1])["query"], "cause": cause, "duration_s": reply.duration_s}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **prometheus_argument_spec(),
        "queries": {"type": "dict", "required": True},
        "job": {"type": "str"},
        "scrape_max_age_s": {"type": "int", "default": 120},
        "max_series": {"type": "int", "default": 20},
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
