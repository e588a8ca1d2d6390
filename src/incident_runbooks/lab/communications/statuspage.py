# SPDX-License-Identifier: GPL-3.0-or-later
"""Atlassian Statuspage's API for one page. Whoever does not say so notifies every subscriber.

Reference: developer.statuspage.io. A parameter of the wrong kind is 400, what the model refuses is 422.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from incident_runbooks.lab.communications import statuspage_incidents as incidents
from incident_runbooks.lab.communications.keys import Keys
from incident_runbooks.lab.communications.statuspage_fields import (
    component_fields,
    failed,
    incident_fields,
    require_components,
)
from incident_runbooks.lab.communications.world import COMPONENTS, PAGE, World
from incident_runbooks.lab.services.call import Answer, Call, RefusedError
from incident_runbooks.lab.services.rates import Bucket

# One request a second is allowed, measured over a minute; a rehearsal repeats in a minute what takes a day
_PER_MINUTE = 600
_MOST_LISTED = 100

Json = dict[str, Any]
Handler = Callable[[Call, str], Answer]


class Statuspage:
    """The page.

    Args:
        world: where its incidents and its components are kept.
        keys: the key that it accepts.
    """

    def __init__(self, world: World, keys: Keys) -> None:
        self._world = world
        self._key = keys.statuspage_api_key
        self.bucket = Bucket(_PER_MINUTE, per_second=_PER_MINUTE / 60)
        self._routes: tuple[tuple[tuple[str, ...], re.Pattern[str], Handler], ...] = (
            (("GET",), re.compile(r""), self._page),
            (("GET",), re.compile(r"/incidents"), self._list),
            (("POST",), re.compile(r"/incidents"), self._create),
            (("GET",), re.compile(r"/incidents/unresolved"), self._unresolved),
            (("GET",), re.compile(r"/incidents/(\w+)"), self._get),
            (("PATCH", "PUT"), re.compile(r"/incidents/(\w+)"), self._update),
            (("GET",), re.compile(r"/components"), self._components),
            (("GET",), re.compile(r"/components/(\w+)"), self._component),
            (("PATCH", "PUT"), re.compile(r"/components/(\w+)"), self._set_component),
        )

    def handle(self, call: Call) -> Answer:
        """Answer a request below ``/v1``."""
        try:
            self._authenticate(call)
            if wait := self.bucket.take():
                raise too_many(wait)
            page, _, rest = call.path.removeprefix("/pages/").partition("/")
            if not call.path.startswith("/pages/") or page != PAGE["id"]:
                raise failed(404, "Not found")
            return self._route(call, f"/{rest}" if rest else "")
        except RefusedError as refused:
            return refused.answer

    def _authenticate(self, call: Call) -> None:
        given = call.headers.get("Authorization", "").removeprefix("OAuth ") or call.value("api_key")
        if given != self._key or call.headers.get("Authorization", "OAuth").split(" ")[0] != "OAuth":
            raise failed(401, "Could not authenticate")

    def _route(self, call: Call, path: str) -> Answer:
        for methods, pattern, handler in self._routes:
            if call.method in methods and (match := pattern.fullmatch(path)):
                return handler(call, match.group(1) if match.groups() else "")
        raise failed(404, "Not found")

    def _page(self, _call: Call, _: str) -> Answer:
        domain = f"{PAGE['subdomain']}.statuspage.io"
        return Answer(200, {**PAGE, "domain": None, "url": f"https://{domain}", "time_zone": "UTC"})

    # Incidents

    def _list(self, call: Call, _: str) -> Answer:
        return Answer(200, self._listed(call, self._world.page_incidents))

    def _unresolved(self, call: Call, _: str) -> Answer:
        return Answer(200, self._listed(call, [each for each in self._world.page_incidents if not each["resolved_at"]]))

    def _listed(self, call: Call, found: list[Json]) -> list[Json]:
        words = call.value("q").lower()
        newest = [each for each in reversed(found) if words in each["name"].lower()]
        size, page = _number(call, "limit", call.value("per_page") or "100"), _number(call, "page", "1")
        size = min(size, _MOST_LISTED)
        return [incidents.shown(self._world, each) for each in newest[(page - 1) * size : page * size]]

    def _get(self, _call: Call, id_: str) -> Answer:
        return Answer(200, incidents.shown(self._world, self._incident(id_)))

    def _create(self, call: Call, _: str) -> Answer:
        given = incident_fields(_member(call, "incident"), new=True)
        require_components(given)
        incident = incidents.create(self._world, given)
        return Answer(201, incidents.shown(self._world, incident))

    def _update(self, call: Call, id_: str) -> Answer:
        incident = self._incident(id_)
        given = incident_fields(_member(call, "incident"), new=False)
        require_components(given)
        incidents.update(self._world, incident, given)
        return Answer(200, incidents.shown(self._world, incident))

    def _incident(self, id_: str) -> Json:
        found = next((each for each in self._world.page_incidents if each["id"] == id_), None)
        if found is None:
            raise failed(404, "Not found")
        return found

    # Components

    def _components(self, _call: Call, _: str) -> Answer:
        return Answer(200, [incidents.shown_component(self._world, id_) for id_ in COMPONENTS])

    def _component(self, _call: Call, id_: str) -> Answer:
        if id_ not in COMPONENTS:
            raise failed(404, "Not found")
        return Answer(200, incidents.shown_component(self._world, id_))

    def _set_component(self, call: Call, id_: str) -> Answer:
        if id_ not in COMPONENTS:
            raise failed(404, "Not found")
        self._world.components[id_].update(component_fields(_member(call, "component")))
        return Answer(200, incidents.shown_component(self._world, id_))


def too_many(wait: int) -> RefusedError:
    """Return the answer to one request too many: the status is one of two, this is the older."""
    return RefusedError(Answer(420, {"error": "Too many requests"}, {"Retry-After": str(wait)}))


def _member(call: Call, name: str) -> Json:
    """Return the one member of the body."""
    if call.content_type != "application/json":
        raise failed(400, f"{name} is missing")
    try:
        body = json.loads(call.body)
    except ValueError:
        raise failed(400, "Problem parsing JSON") from None
    found = body.get(name) if isinstance(body, dict) else None
    if found is None:
        raise failed(400, f"{name} is missing")
    if not isinstance(found, dict):
        raise failed(400, f"{name} is invalid")
    return found


def _number(call: Call, name: str, default: str) -> int:
    text = call.value(name) or default
    if not text.isdigit() or int(text) < 1:
        raise failed(400, f"{name} is invalid")
    return int(text)
