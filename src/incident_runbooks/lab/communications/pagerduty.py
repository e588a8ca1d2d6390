# SPDX-License-Identifier: GPL-3.0-or-later
"""PagerDuty's REST API with a key of the account, so that changes want the e-mail address of a user in ``From``.

Reference: developer.pagerduty.com/api-reference and the published OpenAPI document; the texts of errors, as far as
they are not in there, from what its clients have reported.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from incident_runbooks.lab.communications import pagerduty_incidents as incidents
from incident_runbooks.lab.communications.keys import Keys
from incident_runbooks.lab.communications.world import POLICY, SERVICES, USER, World
from incident_runbooks.lab.services.call import Answer, Call, RefusedError, now_s
from incident_runbooks.lab.services.rates import Bucket

_PER_MINUTE = 960
_MOST_LISTED = 100
_STATUSES = ("triggered", "acknowledged", "resolved")
_URGENCIES = ("high", "low")

Json = dict[str, Any]
Handler = Callable[[Call, str], Answer]


def failed(status: int, message: str, code: int, *errors: str) -> RefusedError:
    """Return an error in PagerDuty's form."""
    error: Json = {"message": message, "code": code}
    return RefusedError(Answer(status, {"error": error | ({"errors": list(errors)} if errors else {})}))


def invalid(*errors: str) -> RefusedError:
    """Return the error of a body that is not as it should be."""
    return failed(400, "Invalid Input Provided", 2001, *errors)


class PagerDuty:
    """The account.

    Args:
        world: where incidents are kept.
        keys: the key that it accepts.
    """

    def __init__(self, world: World, keys: Keys) -> None:
        self._world = world
        self._key = keys.pagerduty_api_key
        self.bucket = Bucket(_PER_MINUTE, per_second=_PER_MINUTE / 60)
        self._routes: tuple[tuple[str, re.Pattern[str], Handler], ...] = (
            ("GET", re.compile(r"/incidents"), self._list),
            ("POST", re.compile(r"/incidents"), self._create),
            ("PUT", re.compile(r"/incidents"), self._update_several),
            ("GET", re.compile(r"/incidents/(\w+)"), self._get),
            ("PUT", re.compile(r"/incidents/(\w+)"), self._update),
            ("GET", re.compile(r"/incidents/(\w+)/notes"), self._notes),
            ("POST", re.compile(r"/incidents/(\w+)/notes"), self._add_note),
            ("GET", re.compile(r"/services"), self._services),
            ("GET", re.compile(r"/services/(\w+)"), self._service),
            ("GET", re.compile(r"/users"), self._users),
            ("GET", re.compile(r"/users/(\w+)"), self._user),
            ("GET", re.compile(r"/abilities"), self._abilities),
        )

    def handle(self, call: Call) -> Answer:
        """Answer a request."""
        wait = self.bucket.take()
        try:
            self._authenticate(call)
            if wait:
                raise failed(429, "Rate Limit Exceeded", 2020)
            answer = self._route(call)
        except RefusedError as refused:
            answer = refused.answer
        return Answer(answer.status, answer.body, {**answer.headers, **self.limits(wait)})

    def limits(self, wait: int = 0) -> dict[str, str]:
        """Return the headers that say how much is left."""
        left = 0 if wait else self.bucket.left
        reset = wait or round((_PER_MINUTE - left) / (_PER_MINUTE / 60))
        return {
            "ratelimit-limit": str(_PER_MINUTE),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(reset),
            "X-Request-Id": str(uuid.uuid4()),
        }

    def _authenticate(self, call: Call) -> None:
        if call.headers.get("Authorization", "") != f"Token token={self._key}":
            # its clients report no JSON here, whatever the OpenAPI document says
            raise RefusedError(Answer(401, "HTTP Token: Access denied.\n"))

    def _route(self, call: Call) -> Answer:
        for method, pattern, handler in self._routes:
            if method == call.method and (match := pattern.fullmatch(call.path)):
                return handler(call, match.group(1) if match.groups() else "")
        raise _not_found()

    # Incidents

    def _list(self, call: Call, _: str) -> Answer:
        keys, services, statuses = call.values("incident_key"), call.values("service_ids[]"), call.values("statuses[]")
        if not set(statuses) <= set(_STATUSES):
            raise invalid("Statuses is invalid")
        limit, offset = _number(call, "limit", 25), _number(call, "offset", 0)
        found = [
            each
            for each in self._world.incidents
            if (not keys or each["incident_key"] in keys)
            and (not services or each["service_id"] in services)
            and (not statuses or each["status"] in statuses)
        ]
        page = found[offset : offset + limit]
        listed = [incidents.shown(each) for each in page]
        more = len(found) > offset + limit
        return Answer(200, {"incidents": listed, "limit": limit, "offset": offset, "total": None, "more": more})

    def _get(self, _call: Call, id_: str) -> Answer:
        return Answer(200, {"incident": incidents.shown(self._incident(id_))})

    def _create(self, call: Call, _: str) -> Answer:
        require_from(call)
        given = _member(call, "incident")
        service_id = _checked_new(given)
        key = str(given.get("incident_key") or uuid.uuid4().hex)
        if incidents.find_open(self._world, service_id, key):
            message = "Open incident with matching dedup key already exists on this service"
            raise failed(400, "Arguments Caused Error", 2002, message)
        made = incidents.create(
            self._world,
            service_id=service_id,
            title=given["title"],
            urgency=given.get("urgency") or "high",
            incident_key=key,
            details=(given.get("body") or {}).get("details"),
            via="rest",
        )
        return Answer(201, {"incident": incidents.shown(made)})

    def _update(self, call: Call, id_: str) -> Answer:
        require_from(call)
        given = _member(call, "incident")
        incident = self._incident(id_)
        self._change(incident, given)
        return Answer(200, {"incident": incidents.shown(incident)})

    def _update_several(self, call: Call, _: str) -> Answer:
        require_from(call)
        given = _body(call).get("incidents")
        if not isinstance(given, list) or not all(isinstance(each, dict) and each.get("id") for each in given):
            raise invalid("Incidents must be an Array of incident references")
        found = [self._incident(str(each["id"])) for each in given]
        for incident, change in zip(found, given, strict=True):
            self._change(incident, change)
        return Answer(200, {"incidents": [incidents.shown(each) for each in found]})

    def _change(self, incident: Json, given: Json) -> None:
        if given.get("type") not in ("incident", "incident_reference"):
            raise invalid("Incident type is invalid")
        status = given.get("status")
        if status is not None and status not in _STATUSES:
            raise invalid("Status is invalid")
        if given.get("urgency") is not None and given["urgency"] not in _URGENCIES:
            raise invalid("Urgency is invalid")
        incident.update({name: given[name] for name in ("title", "urgency") if given.get(name)})
        if status and status != incident["status"]:
            incidents.set_status(self._world, incident, status)

    # Notes

    def _notes(self, _call: Call, id_: str) -> Answer:
        return Answer(200, {"notes": [incidents.shown_note(note) for note in self._incident(id_)["notes"]]})

    def _add_note(self, call: Call, id_: str) -> Answer:
        require_from(call)
        given = _member(call, "note")
        content = given.get("content")
        if not isinstance(content, str) or not content.strip():
            raise invalid("Content cannot be empty.")
        incident = self._incident(id_)
        note = {"id": incidents.new_id("N"), "content": content, "created_at": now_s()}
        incident["notes"].append(note)
        return Answer(200, {"note": incidents.shown_note(note)})

    # What incidents refer to

    def _services(self, _call: Call, _: str) -> Answer:
        listed = [_described_service(id_) for id_ in SERVICES]
        return Answer(200, {"services": listed, "limit": 25, "offset": 0, "total": None, "more": False})

    def _service(self, _call: Call, id_: str) -> Answer:
        if id_ not in SERVICES:
            raise _not_found()
        return Answer(200, {"service": _described_service(id_)})

    def _users(self, call: Call, _: str) -> Answer:
        wanted = call.value("query").lower()
        listed = [_described_user()] if wanted in f"{USER['summary']} {USER['email']}".lower() else []
        return Answer(200, {"users": listed, "limit": 25, "offset": 0, "total": None, "more": False})

    def _user(self, _call: Call, id_: str) -> Answer:
        if id_ == "me":
            raise invalid("A user-level API key is required")  # ours is the account's
        if id_ != USER["id"]:
            raise _not_found()
        return Answer(200, {"user": _described_user()})

    def _abilities(self, _call: Call, _: str) -> Answer:
        return Answer(200, {"abilities": ["teams", "urgencies"]})

    def _incident(self, id_: str) -> Json:
        incident = incidents.find(self._world, id_)
        if incident is None:
            raise _not_found()
        return incident


def require_from(call: Call) -> None:
    """Refuse a change that no user makes.

    Raises:
        RefusedError: ``From`` is missing, is no e-mail address, or nobody's.
    """
    sender = call.headers.get("From", "").strip()
    if not sender:
        message = 'You must specify a user\'s email address in the "From" header to perform this action'
        raise failed(400, message, 2016)
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", sender):
        raise failed(400, 'Malformed "From" header', 1028)
    if sender.lower() != USER["email"]:
        raise failed(400, "Requester User Not Found", 1008)


def _checked_new(given: Json) -> str:
    """Return the service of an incident that is to be opened."""
    if given.get("type") != "incident":
        raise invalid("Incident type is invalid")
    if not isinstance(given.get("title"), str) or not given["title"].strip():
        raise invalid("Title cannot be empty.")
    service = given.get("service")
    if not isinstance(service, dict) or not service.get("id"):
        raise invalid("Service cannot be empty.")
    if service.get("type") not in ("service_reference", "service"):
        raise invalid("Service type is invalid")
    if service["id"] not in SERVICES:
        raise invalid("Service not found.")
    if given.get("urgency") is not None and given["urgency"] not in _URGENCIES:
        raise invalid("Urgency is invalid")
    if given.get("assignments") and given.get("escalation_policy"):
        raise invalid("Cannot specify both assignments and an escalation policy")
    body = given.get("body")
    if body is not None and (not isinstance(body, dict) or body.get("type") != "incident_body"):
        raise invalid("Body type is invalid")
    return str(service["id"])


def _member(call: Call, name: str) -> Json:
    """Return the one member of the body."""
    found = _body(call).get(name)
    if not isinstance(found, dict):
        raise invalid(f"{name.capitalize()} must be a Hash")
    return found


def _body(call: Call) -> Json:
    if call.content_type not in ("application/json", "application/vnd.pagerduty+json"):
        raise invalid("params must be a Hash")
    try:
        found = json.loads(call.body)
    except ValueError:
        raise invalid("params must be a Hash") from None
    if not isinstance(found, dict):
        raise invalid("params must be a Hash")
    return found


def _number(call: Call, name: str, default: int) -> int:
    text = call.value(name) or str(default)
    if not text.isdigit() or (name == "limit" and not 1 <= int(text) <= _MOST_LISTED):
        raise invalid(f"{name.capitalize()} is invalid")
    return int(text)


def _not_found() -> RefusedError:
    return failed(404, "Not Found", 2100)


def _described_service(id_: str) -> Json:
    described = incidents.reference("service", id_, SERVICES[id_], "services")
    policy = incidents.reference("escalation_policy", POLICY["id"], POLICY["summary"], "escalation_policies")
    return {**described, "type": "service", "name": SERVICES[id_], "status": "active", "escalation_policy": policy}


def _described_user() -> Json:
    described = incidents.reference("user", USER["id"], USER["summary"], "users")
    return {**described, "type": "user", "name": USER["summary"], "email": USER["email"], "role": "user"}
