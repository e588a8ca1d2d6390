# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of the services: a file that the process reads at each request, so that a fault is in effect at once."""

from __future__ import annotations

from collections.abc import Callable

from incident_runbooks.lab.services.call import Answer, Call
from incident_runbooks.lab.services.faults import FaultFile

_RETRY_S = "2"  # real services say half a minute; a rehearsal has less time

VENDORS = ("slack", "pagerduty", "statuspage")
DOWN = "down"
TIMEOUT = "timeout"
ANSWER_LOST = "answer-lost"
RATE_LIMITED = "rate-limited"
INVALID_AUTH = "invalid-auth"
KINDS = (DOWN, TIMEOUT, ANSWER_LOST, RATE_LIMITED, INVALID_AUTH)


class Control(FaultFile):
    """The faults in effect; their names are such as ``slack-down``."""

    def kind(self, service: str) -> str | None:
        """Return what is broken at a service, one of :data:`KINDS`; PagerDuty's two interfaces break together."""
        vendor = vendor_of(service)
        found = (name.removeprefix(f"{vendor}-") for name in self.read() if name.startswith(f"{vendor}-"))
        return next(found, None)


def vendor_of(service: str) -> str:
    """Return whose interface a service is."""
    return service.partition("_")[0]


def answer(kind: str, call: Call) -> Answer | None:
    """Return what a broken service says; ``None`` where the fault is about something else than the answer."""
    if kind == DOWN:
        return Answer(503, "<html><head><title>503 Service Temporarily Unavailable</title></head></html>\n")
    service = "slack_webhook" if call.service == "slack" and call.path.startswith("/services/") else call.service
    made = _ANSWERS.get((service, kind))
    return made() if made else None


def _too_many_events() -> Answer:
    message = "Requests for this service are arriving too quickly.  Please retry later."
    return Answer(429, {"status": "throttle exceeded", "message": message, "errors": ["Enhance Your Calm."]})


def _too_many_pagerduty() -> Answer:
    limits = {"ratelimit-limit": "960", "ratelimit-remaining": "0", "ratelimit-reset": _RETRY_S}
    return Answer(429, {"error": {"message": "Rate Limit Exceeded", "code": 2020}}, limits)


def _unknown_routing_key() -> Answer:
    errors = ["Invalid routing key"]
    return Answer(400, {"status": "invalid event", "message": "Event object is invalid", "errors": errors})


_WAIT = {"Retry-After": _RETRY_S}
_ANSWERS: dict[tuple[str, str], Callable[[], Answer]] = {
    ("slack", RATE_LIMITED): lambda: Answer(429, {"ok": False, "error": "ratelimited"}, _WAIT),
    ("slack", INVALID_AUTH): lambda: Answer(200, {"ok": False, "error": "invalid_auth"}),
    ("slack_webhook", RATE_LIMITED): lambda: Answer(429, "rate_limited", _WAIT),
    ("slack_webhook", INVALID_AUTH): lambda: Answer(403, "invalid_token"),
    ("pagerduty", RATE_LIMITED): _too_many_pagerduty,
    ("pagerduty", INVALID_AUTH): lambda: Answer(401, "HTTP Token: Access denied.\n"),
    ("pagerduty_events", RATE_LIMITED): _too_many_events,
    ("pagerduty_events", INVALID_AUTH): _unknown_routing_key,
    ("statuspage", RATE_LIMITED): lambda: Answer(420, {"error": "Too many requests"}, _WAIT),
    ("statuspage", INVALID_AUTH): lambda: Answer(401, {"error": "Could not authenticate"}),
}
