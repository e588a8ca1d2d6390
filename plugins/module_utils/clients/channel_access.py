# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Ask Slack, PagerDuty and Statuspage whether they know us, without sending anything to anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import pagerduty, slack, statuspage
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import load_transport
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Failure,
    SendError,
    written,
)

_SECRETS = ("slack_token", "slack_webhook_url", "pagerduty_api_key", "pagerduty_routing_key", "statuspage_api_key")
_POST = "chat:write"

Json = dict[str, Any]


def channel_argument_spec() -> dict[str, dict[str, Any]]:
    """The options, called as the variables of the inventory host ``communications``."""
    return {
        "slack_token": {"type": "str", "no_log": True},
        "slack_webhook_url": {"type": "str", "no_log": True},
        "slack_api_url": {"type": "str", "default": slack.API_URL},
        "pagerduty_api_key": {"type": "str", "no_log": True},
        "pagerduty_routing_key": {"type": "str", "no_log": True},
        "pagerduty_api_url": {"type": "str", "default": pagerduty.API_URL},
        "pagerduty_from": {"type": "str"},
        "pagerduty_services": {"type": "list", "elements": "str", "default": []},
        "statuspage_api_key": {"type": "str", "no_log": True},
        "statuspage_api_url": {"type": "str", "default": statuspage.API_URL},
        "statuspage_page_id": {"type": "str"},
        "statuspage_components": {"type": "list", "elements": "str", "default": []},
    }


def channel_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets in whatever form, the parts of the webhook's address included."""
    for name in _SECRETS:
        yield from written(str(params.get(name) or "").strip())
    yield from slack.slack_secrets({"webhook_url": params.get("slack_webhook_url")})


def ask_channels(params: Mapping[str, Any]) -> dict[str, Json]:
    """Ask all of them at the same time. What one says, or that it does not, is a result.

    Raises:
        IncidentsError: a library is missing.
    """
    asked: dict[str, Callable[[Mapping[str, Any]], Json]] = {
        "slack": _slack,
        "pagerduty": _pagerduty,
        "statuspage": _statuspage,
    }
    load_transport()
    with ThreadPoolExecutor(len(asked), thread_name_prefix="channels") as threads:
        pending = {name: threads.submit(_told, ask, params) for name, ask in asked.items()}
    return {name: outcome.result() for name, outcome in pending.items()}


def _told(ask: Callable[[Mapping[str, Any]], Json], params: Mapping[str, Any]) -> Json:
    fine: Json = {"reachable": True, "asked": True, "cause": None, "message": None, "hint": None, "missing": []}
    try:
        return fine | ask(params)
    except SendError as error:
        return fine | {"reachable": error.failure.status is not None, **_problem(error.failure)}


def _problem(failure: Failure) -> Json:
    return {"cause": failure.cause, "message": failure.text, "hint": failure.next_step}


def _unasked(message: str) -> Json:
    return {"reachable": False, "asked": False, "message": message}


def _slack(params: Mapping[str, Any]) -> Json:
    if not params.get("slack_token") and params.get("slack_webhook_url"):
        return _unasked("a webhook cannot be tried without posting")
    given = {"token": params.get("slack_token"), "api_url": params["slack_api_url"], "timeout": params["timeout"]}
    said = slack.identify(given)
    scopes = said["scopes"]
    return {**said, "missing": [] if scopes is None or _POST in scopes else [f"the scope {_POST}"]}


def _pagerduty(params: Mapping[str, Any]) -> Json:
    by_api = params.get("pagerduty_api_key") and params.get("pagerduty_from")
    if not by_api and params.get("pagerduty_routing_key"):  # pages go out by that then
        return _unasked("an integration key cannot be tried without paging")
    given = {
        "api_key": params.get("pagerduty_api_key"),
        "api_url": params["pagerduty_api_url"],
        "from_email": params.get("pagerduty_from"),
        "timeout": params["timeout"],
    }
    with pagerduty.PagerDuty("Asking PagerDuty", given) as api:
        sender = str(given["from_email"]).strip()
        missing = [] if api.has_user(sender) else [f"a user with the e-mail address {sender}"]
        services = dict.fromkeys(params["pagerduty_services"])
        return {"missing": [*missing, *(f"the service {id_}" for id_ in services if not api.has_service(id_))]}


def _statuspage(params: Mapping[str, Any]) -> Json:
    given = {
        "api_key": params.get("statuspage_api_key"),
        "api_url": params["statuspage_api_url"],
        "page_id": params.get("statuspage_page_id"),
        "timeout": params["timeout"],
    }
    with statuspage.Statuspage("Asking Statuspage", given) as page:
        there = page.component_ids()
    whole = len(there) < statuspage.LISTED  # of a longer page the rest is not known to be missing
    wanted = dict.fromkeys(params["statuspage_components"])
    return {"missing": [f"the component {id_}" for id_ in wanted if whole and id_ not in there]}
