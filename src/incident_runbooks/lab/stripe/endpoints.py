# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhook endpoints: list, retrieve, update. See docs.stripe.com/api/webhook_endpoints."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from incident_runbooks.lab.services.call import Answer
from incident_runbooks.lab.stripe.context import Asked
from incident_runbooks.lab.stripe.errors import error, missing
from incident_runbooks.lab.stripe.lists import page
from incident_runbooks.lab.stripe.views import endpoint_view
from incident_runbooks.lab.stripe.world import Endpoint, World, newest_first

URL = "/v1/webhook_endpoints"

_KIND = "webhook endpoint"

Json = dict[str, Any]


class WebhookEndpoints:
    """The operations.

    Args:
        world: where they are kept.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def list(self, asked: Asked) -> Answer:
        """``GET /v1/webhook_endpoints``."""
        params = asked.params()
        params.expand(())
        ordered = newest_first(self._world.endpoints.values(), lambda _: True)
        shown, envelope = page(ordered, params, kind=_KIND, url=URL, matches=lambda _: True)
        return Answer(200, {**envelope, "data": [endpoint_view(each) for each in shown]})

    def retrieve(self, asked: Asked) -> Answer:
        """``GET /v1/webhook_endpoints/{id}``."""
        asked.params().expand(())
        return Answer(200, endpoint_view(self._find(asked.id)))

    def update(self, asked: Asked) -> Answer:
        """``POST /v1/webhook_endpoints/{id}``."""
        params = asked.params()
        endpoint = self._find(asked.id)
        params.expand(())
        url, events, disabled = params.text("url"), params.texts("enabled_events"), params.flag("disabled")
        if url and urlsplit(url).scheme not in ("http", "https"):
            raise error(
                400,
                "Invalid URL: An explicit scheme (such as https) must be provided.",
                code="url_invalid",
                param="url",
            )
        if events is not None and not events:
            raise error(400, "You must specify at least one event type.", param="enabled_events")
        endpoint.metadata = params.metadata(endpoint.metadata)
        endpoint.url = url or endpoint.url
        endpoint.enabled_events = events or endpoint.enabled_events
        if "description" in params:
            endpoint.description = params.text("description")
        if disabled is not None:
            endpoint.status = "disabled" if disabled else "enabled"
        return Answer(200, endpoint_view(endpoint))

    def _find(self, id_: str) -> Endpoint:
        found = self._world.endpoints.get(id_)
        if found is None:
            raise missing(_KIND, id_, "webhook_endpoint")
        return found
