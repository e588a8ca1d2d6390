# SPDX-License-Identifier: GPL-3.0-or-later
"""PagerDuty's Events API v2: accepted with 202, or an event is invalid. An accepted event need not have an effect.

Reference: developer.pagerduty.com/docs/events-api-v2 and the published OpenAPI document.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from incident_runbooks.lab.communications import pagerduty_incidents as incidents
from incident_runbooks.lab.communications.keys import Keys
from incident_runbooks.lab.communications.world import World
from incident_runbooks.lab.services.call import Answer, Call, now_s

_LARGEST = 512 * 1024  # bytes
_KEY_LENGTH = 32
_LONGEST_DEDUP_KEY = 255
_LONGEST_SUMMARY = 1024
_ACTIONS = ("trigger", "acknowledge", "resolve")
_SEVERITIES = ("critical", "warning", "error", "info")
_TEXTS = ("component", "group", "class")

Json = dict[str, Any]


class Events:
    """The events' end point.

    Args:
        world: where alerts and incidents are kept.
        keys: the integration keys of the services.
    """

    def __init__(self, world: World, keys: Keys) -> None:
        self._world = world
        self._services = {
            keys.pagerduty_routing_key: "PBRNDC1",
            keys.pagerduty_security_routing_key: "PSECUR1",
        }

    def handle(self, call: Call) -> Answer:
        """Answer a request below the events' address."""
        if call.path != "/v2/enqueue":
            return Answer(404, "404 Not Found")
        if call.method != "POST":
            return Answer(405, "405 Method Not Allowed", {"Allow": "POST"})
        if len(call.body) > _LARGEST:
            return Answer(413, "413 Request Entity Too Large")
        try:
            event = json.loads(call.body)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            return _invalid(
                "JSON parse error", status="Unrecognized object", message="Event object format is unrecognized"
            )
        if problems := list(self._problems(event)):
            return _invalid(*problems)
        key = event.get("dedup_key") or uuid.uuid4().hex
        self._apply(event, str(key))
        return Answer(202, {"status": "success", "message": "Event processed", "dedup_key": key})

    def _problems(self, event: Json) -> Iterator[str]:
        yield from self._routing(event.get("routing_key"))
        action, key = event.get("event_action"), event.get("dedup_key")
        if not action:
            yield "'event_action' is missing or blank"
        elif action not in _ACTIONS:
            yield f"'event_action' is invalid (must be one of the following: {_listed(_ACTIONS)})"
        if action in ("acknowledge", "resolve") and not key:
            yield "'dedup_key' is missing or blank"
        if key is not None and not isinstance(key, str):
            yield "'dedup_key' is not a string"
        elif len(key or "") > _LONGEST_DEDUP_KEY:
            yield f"'dedup_key' is too long (maximum is {_LONGEST_DEDUP_KEY} characters)"
        if action == "trigger":
            yield from _payload_problems(event.get("payload"))
            yield from _list_problems(event, "links", "href")
            yield from _list_problems(event, "images", "src")

    def _routing(self, key: Any) -> Iterator[str]:
        if not key:
            yield "'routing_key' is missing or blank"
        elif not isinstance(key, str) or len(key) != _KEY_LENGTH:
            yield f"Length of 'routing_key' is incorrect (should be {_KEY_LENGTH} characters)"
        elif key not in self._services:
            yield "Invalid routing key"

    def _apply(self, event: Json, key: str) -> None:
        service = self._services[event["routing_key"]]
        action = event["event_action"]
        alert = next(
            (
                each
                for each in self._world.alerts
                if (each["dedup_key"], each["service_id"]) == (key, service) and each["status"] != "resolved"
            ),
            None,
        )
        if alert is None:
            if action == "trigger":
                self._world.alerts.append(self._alert(event, service, key))
            return  # acknowledging or resolving what is not open: accepted and dropped
        alert["events"].append(action)
        incident = incidents.find(self._world, alert["incident_id"])
        if action == "resolve":
            alert["status"] = "resolved"
            siblings = [each for each in self._world.alerts if each["incident_id"] == alert["incident_id"]]
            if incident and all(each["status"] == "resolved" for each in siblings):
                incidents.set_status(self._world, incident, "resolved")
        elif action == "acknowledge" and incident and incident["status"] == "triggered":
            incidents.set_status(self._world, incident, "acknowledged")

    def _alert(self, event: Json, service: str, key: str) -> Json:
        payload = event["payload"]
        urgency = "low" if payload["severity"] in ("warning", "info") else "high"
        incident = incidents.find_open(self._world, service, key) or incidents.create(
            self._world, service_id=service, title=payload["summary"], urgency=urgency, incident_key=key, via="events"
        )
        return {
            "dedup_key": key,
            "service_id": service,
            "incident_id": incident["id"],
            "status": "triggered",
            "severity": payload["severity"],
            "summary": payload["summary"],
            "created_at": now_s(),
            "payload": payload,
            "links": event.get("links") or [],
            "events": ["trigger"],
        }


def _payload_problems(payload: Any) -> Iterator[str]:
    if not isinstance(payload, dict):
        yield "'payload' is missing or blank" if payload is None else "'payload' is not an object"
        return
    for name in ("summary", "source", "severity"):
        if not payload.get(name):
            yield f"'payload.{name}' is missing or blank"
    for name in ("summary", "source", *_TEXTS):
        if payload.get(name) is not None and not isinstance(payload[name], str):
            yield f"'payload.{name}' is not a string"
    if len(str(payload.get("summary") or "")) > _LONGEST_SUMMARY:
        yield f"'payload.summary' is too long (maximum is {_LONGEST_SUMMARY} characters)"
    if payload.get("severity") and payload["severity"] not in _SEVERITIES:
        listed = "'critical', 'warning', 'error' or 'info'"
        yield f"'payload.severity' is invalid (must be one of the following: {listed})"
    if payload.get("custom_details") is not None and not isinstance(payload["custom_details"], dict):
        yield "'payload.custom_details' is not an object"


def _list_problems(event: Json, name: str, required: str) -> Iterator[str]:
    listed = event.get(name)
    if listed is None:
        return
    if not isinstance(listed, list):
        yield f"'{name}' is not an array"
        return
    for number, each in enumerate(listed):
        if not isinstance(each, dict) or not each.get(required):
            yield f"'{name}[{number}].{required}' is missing or blank"


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _invalid(*errors: str, status: str = "invalid event", message: str = "Event object is invalid") -> Answer:
    return Answer(400, {"status": status, "message": message, "errors": list(errors)})
