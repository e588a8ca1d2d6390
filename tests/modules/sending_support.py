# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the modules that send have in common: options for the services of the lab, or for any server.

``service`` is a server that answers every request as a test tells it, for what the services of the lab never do.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from modules.k8s_support import Api, Asked, Reply, run_module

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec
from ansible_collections.brandconnect.incidents.plugins.modules import (
    pagerduty_event,
    pagerduty_incident,
    slack_message,
    statuspage_component,
    statuspage_incident,
)
from support.communications import Communications

Json = dict[str, Any]

TOKEN = "xoxb-c4n4ry-token+/="
WEBHOOK_KEY = "c4n4ryWebhookKey"
ROUTING_KEY = "c4n4ryroutingkey0123456789abcdef"
API_KEY = "c4n4ry-api+key/=="
SECRETS = (TOKEN, WEBHOOK_KEY, ROUTING_KEY, API_KEY)
INCIDENT = "pool-exhaustion-20261124T150000Z"
LIMIT_S = 5


class _Everything(dict[str, Any]):
    """The same answer at every path."""

    answer: Any = None

    def get(self, _key: str, default: Any = None) -> Any:
        return default if self.answer is None else self.answer


class Service(Api):
    """A server on loopback that gives one answer to everything."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = self._everything = _Everything()

    def says(self, answer: Reply | Callable[[Asked], Any]) -> None:
        self._everything.answer = answer


@pytest.fixture
def service() -> Iterator[Service]:
    server = Service()
    yield server
    server.stop()


def hang_up(_asked: Asked) -> Any:
    """Close the connection without an answer."""
    raise ConnectionAbortedError


def slack(url: str, **given: Any) -> Json:
    return {"token": TOKEN, "api_url": f"{url}/api/", "channel": "#incidents", "text": "hello", **given}


def webhook(url: str, **given: Any) -> Json:
    return {"webhook_url": f"{url}/services/T0/B0/{WEBHOOK_KEY}", "text": "hello", **given}


def event(url: str, **given: Any) -> Json:
    known = {"dedup_key": INCIDENT, "summary": "The pool is exhausted", "source": "postgres"}
    return {"routing_key": ROUTING_KEY, "api_url": url, **known, **given}


def incident(url: str, **given: Any) -> Json:
    known = {"service_id": "PBRNDC1", "title": "The pool is exhausted", "incident_key": INCIDENT}
    return {"api_key": API_KEY, "api_url": url, "from_email": "oncall@brandconnect.example", **known, **given}


def page_incident(url: str, **given: Any) -> Json:
    known = {
        "page_id": "kctbh9vrtdwd",
        "incident": INCIDENT,
        "name": "Slow responses",
        "state": "investigating",
        "body": "We are looking into it.",
        "deliver_notifications": False,
    }
    return {"api_key": API_KEY, "api_url": url, **known, **given}


def page_component(url: str, **given: Any) -> Json:
    known = {"page_id": "kctbh9vrtdwd", "component_id": "b13yz5g2cw10", "state": "major_outage"}
    return {"api_key": API_KEY, "api_url": url, **known, **given}


# what sends, with options for a server, and whether its first request changes something
SENDERS: dict[str, tuple[ModuleSpec, Callable[..., Json], bool]] = {
    "slack": (slack_message.SPEC, slack, True),
    "webhook": (slack_message.SPEC, webhook, True),
    "event": (pagerduty_event.SPEC, event, True),
    "incident": (pagerduty_incident.SPEC, incident, True),
    "page incident": (statuspage_incident.SPEC, page_incident, False),
    "page component": (statuspage_component.SPEC, page_component, False),
}


def lab_options(communications: Communications, sender: str, **given: Any) -> Json:
    """Return options for the services of the lab."""
    known = communications.variables
    own: dict[str, Json] = {
        "slack": {"token": known["slack_token"], "api_url": known["slack_api_url"]},
        "webhook": {"webhook_url": known["slack_webhook_url"]},
        "event": {"routing_key": known["pagerduty_routing_key"], "api_url": known["pagerduty_events_url"]},
        "incident": {
            "api_key": known["pagerduty_api_key"],
            "api_url": known["pagerduty_api_url"],
            "from_email": known["pagerduty_from"],
            "service_id": known["pagerduty_service_id"],
        },
        "page incident": {
            "api_key": known["statuspage_api_key"],
            "api_url": known["statuspage_api_url"],
            "page_id": known["statuspage_page_id"],
        },
        "page component": {
            "api_key": known["statuspage_api_key"],
            "api_url": known["statuspage_api_url"],
            "page_id": known["statuspage_page_id"],
            "component_id": known["statuspage_components"]["api"],
        },
    }
    return {**SENDERS[sender][1](""), **own[sender], **given}


def lab_secrets(communications: Communications) -> tuple[str, ...]:
    """Return the keys of the lab's services."""
    known = communications.variables
    names = ("slack_token", "slack_webhook_url", "pagerduty_routing_key", "pagerduty_api_key", "statuspage_api_key")
    return (*(known[name] for name in names), known["slack_webhook_url"].rpartition("/")[2])


class Modules:
    """Runs the modules, and looks for secrets in whatever they say."""

    def __init__(self, communications: Communications) -> None:
        self.communications = communications

    def run(self, sender: str, *, check_mode: bool = False, **given: Any) -> Json:
        """Run a module against the services of the lab."""
        options = lab_options(self.communications, sender, **given)
        result = run_module(SENDERS[sender][0], options, check_mode=check_mode)
        assert_no_secret(result, *lab_secrets(self.communications))
        return result


@pytest.fixture
def modules(communications: Communications) -> Modules:
    return Modules(communications)


def send(sender: str, url: str, *, check_mode: bool = False, **given: Any) -> Json:
    """Run a module against any server."""
    spec, options, _ = SENDERS[sender]
    result = run_module(spec, options(url, **{"timeout": LIMIT_S, **given}), check_mode=check_mode)
    assert_no_secret(result, *SECRETS)
    return result


def forms(secret: str) -> set[str]:
    """Return a secret as it may be quoted."""
    raw = secret.encode()
    encoded = {base64.b64encode(raw).decode().rstrip("="), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
    return {secret, quote(secret, safe=""), quote_plus(secret), raw.hex(), *encoded}


def assert_no_secret(result: Mapping[str, Any], *secrets: str) -> None:
    shown = json.dumps(result, ensure_ascii=False)
    for form in (form for secret in secrets for form in forms(secret)):
        assert form not in shown, shown


def failed(result: Json, cause: str) -> Json:
    """Return a result after it has been checked that it is a failure that callers can act upon."""
    assert result.get("failed") is True, result
    assert result["cause"] == cause, result
    retryable = cause in {"throttled", "server_error", "timeout", "refused", "dns", "no_answer"}
    assert result["retryable"] is retryable
    assert "Traceback" not in result["msg"]
    attempted, _, said = result["msg"].partition(": ")
    assert " on " in attempted, result["msg"]
    assert "; " in said, result["msg"]
    assert len(result["msg"]) < 800, result["msg"]
    return result
