# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read what Prometheus replied about latency, and have it judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.prometheus import Reply
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.latency import Limits, Measured, judge
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.latency_queries import Questions
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_answers import (
    Sample,
    UnreadableError,
    read_samples,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_queries import Request
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_targets import targets_facts

_LATENCY = ("routes", "time", "errors", "day", "week", "before", "instances")


def judged(asked: Questions, replies: Mapping[Request, Reply], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the module api_latency does, of the replies to its questions; no answer is a gap."""
    gaps: dict[str, str] = {}

    def samples(name: str, request: Request | None) -> list[Sample] | None:
        if request is None:
            return None
        reply = replies[request]
        if reply.failure is not None or reply.data is None:
            gaps[name] = reply.failure.text if reply.failure else "no answer"
            return None
        try:
            return read_samples(reply.data)
        except UnreadableError as error:
            gaps[name] = str(error)
            return None

    answer = replies[asked.targets]
    problem = answer.failure.text if answer.failure else None
    targets = targets_facts(params["job"], answer.data, params["scrape_max_age_s"], problem)
    measured = Measured(
        **{name: samples(name, getattr(asked, name)) for name in _LATENCY},
        targets=targets,
        throttling=samples("throttling", asked.throttling),
        ingress=samples("ingress", asked.ingress),
        parts={name: samples(name, request) for name, request in asked.parts.items()},
        gaps=gaps,
    )
    limits = Limits(params["slo_p95_ms"], params["min_rps"], params["max_routes"])
    return {
        **_problem(replies),
        **judge(measured, limits, params["route_label"], params["instance_label"]),
        "targets": targets,
    }


def _problem(replies: Mapping[Request, Reply]) -> dict[str, Any]:
    failure = next((reply.failure for reply in replies.values() if reply.failure), None)
    return {
        "changed": False,
        "reachable": any(reply.answered for reply in replies.values()),
        "cause": failure.cause if failure else None,
        "message": failure.text if failure else None,
        "hint": failure.next_step if failure else None,
    }
