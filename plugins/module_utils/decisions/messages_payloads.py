# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What is sent to Slack, PagerDuty and Statuspage, made of a module's options. Pure functions; no secret is in it.

Limits and names: https://docs.slack.dev/reference/methods/chat.postMessage,
https://developer.pagerduty.com/docs/events-api-v2/trigger-events,
https://developer.pagerduty.com/api-reference/, https://developer.statuspage.io/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import (
    plain_line,
    plain_text,
    without_broadcasts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain

CLIENT = "incident-runbooks"
SLACK_TEXT_LENGTH = 4000
SUMMARY_LENGTH = 1024
DETAILS_LENGTH = 64 * 1024
EVENT_BYTES = 480 * 1024  # PagerDuty takes 512 KiB with all around it
TITLE_LENGTH = 255
BODY_LENGTH = 25_000
METADATA = "brandconnect"
DEPTH = 20


def slack_message(params: Mapping[str, Any], *, webhook: bool) -> dict[str, Any]:
    """Return the body of ``chat.postMessage``, ``chat.update`` or an incoming webhook."""
    text = str(params["text"])
    payload: dict[str, Any] = {
        "text": without_broadcasts(text if len(text) <= SLACK_TEXT_LENGTH else text[: SLACK_TEXT_LENGTH - 1] + "…"),
        "unfurl_links": False,
        "unfurl_media": False,
    }
    if params.get("blocks"):
        payload["blocks"] = _without_broadcasts(to_plain(params["blocks"]), DEPTH)
    if not webhook:
        payload["channel"] = str(params["channel"])
        if params.get("incident"):
            fact = {"incident": str(params["incident"])}
            payload["metadata"] = {"event_type": "incident_message", "event_payload": fact}
    if params.get("ts") and not webhook:
        unfurling = ("unfurl_links", "unfurl_media")  # chat.update knows neither
        return {name: value for name, value in payload.items() if name not in unfurling} | {"ts": str(params["ts"])}
    if params.get("thread_ts"):
        payload["thread_ts"] = str(params["thread_ts"])
    return payload


def pagerduty_event(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of ``/v2/enqueue`` without its routing key.

    Details that are too large for PagerDuty are left out and say so: the page has to go out.
    """
    event: dict[str, Any] = {"event_action": params["event"], "dedup_key": str(params["dedup_key"])}
    if params["event"] != "trigger":
        return event
    details: dict[str, Any] = {
        "summary": plain_line(str(params["summary"]), SUMMARY_LENGTH),
        "source": plain_line(str(params["source"]), SUMMARY_LENGTH),
        "severity": params["severity"],
    }
    for name in ("component", "group", "class"):
        if params.get(name):
            details[name] = plain_line(str(params[name]), TITLE_LENGTH)
    custom = to_plain(params.get("custom_details") or {})
    if custom:
        size = len(json.dumps(custom).encode())
        too_large = {"left_out": f"{size} bytes, more than PagerDuty takes"}
        details["custom_details"] = custom if size <= EVENT_BYTES else too_large
    links = [{"href": str(link["href"]), "text": str(link.get("text") or link["href"])} for link in _links(params)]
    return event | {"client": CLIENT, "payload": details} | ({"links": links} if links else {})


def pagerduty_incident(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that opens an incident or changes its state; empty where that stays as it is."""
    if params["state"] == "as_it_is":
        return {}
    if params["state"] != "triggered":
        return {"incident": {"type": "incident_reference", "status": params["state"]}}
    incident: dict[str, Any] = {
        "type": "incident",
        "title": plain_line(str(params["title"]), SUMMARY_LENGTH),
        "service": {"id": str(params["service_id"]), "type": "service_reference"},
        "urgency": params["urgency"],
        "incident_key": str(params["incident_key"]),
    }
    if params.get("details"):
        text = plain_text(str(params["details"]), DETAILS_LENGTH)
        incident["body"] = {"type": "incident_body", "details": text}
    return {"incident": incident}


def pagerduty_note(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the body that adds a note; ``None`` for none."""
    note = plain_text(str(params.get("note") or ""), BODY_LENGTH)
    return {"note": {"content": note}} if note else None


def statuspage_incident(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that opens an incident on a page or adds an update to one.

    Component statuses are those of the options and no others: resolving does not make a component operational.
    """
    incident: dict[str, Any] = {
        "name": plain_line(str(params["name"]), TITLE_LENGTH),
        "status": params["state"],
        "body": plain_text(str(params["body"]), BODY_LENGTH),
        "deliver_notifications": bool(params["deliver_notifications"]),
        "metadata": {METADATA: {"incident_id": str(params["incident"])}},
    }
    if params.get("impact"):
        incident["impact_override"] = params["impact"]
    components = {str(name): str(status) for name, status in (params.get("components") or {}).items()}
    if components:
        incident |= {"components": components, "component_ids": sorted(components)}
    return {"incident": incident}


def statuspage_component(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that sets the status of a component."""
    return {"component": {"status": params["state"]}}


def _links(params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [link for link in params.get("links") or [] if link.get("href")]


def _without_broadcasts(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return without_broadcasts(value)
    if depth and isinstance(value, dict):
        return {name: _without_broadcasts(item, depth - 1) for name, item in value.items()}
    if depth and isinstance(value, list):
        return [_without_broadcasts(item, depth - 1) for item in value]
    return value if depth else None
