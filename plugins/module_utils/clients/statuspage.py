# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Atlassian Statuspage: incidents and components of one's own status page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    Client,
    JsonApi,
    checked_secret,
    checked_timeout,
    checked_url,
    identifier,
    wanted,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Failure,
    SendError,
    written,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.statuspage_errors import (
    statuspage_failure,
)

API_URL = "https://api.statuspage.io/v1"
LISTED = 100  # of a page of a list; the most that Statuspage gives
PAGES = 5
STATUSES = ("operational", "under_maintenance", "degraded_performance", "partial_outage", "major_outage")

Json = dict[str, Any]


def statuspage_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection. Keep the doc fragment ``statuspage`` in step."""
    return {
        "api_key": {"type": "str", "no_log": True},
        "api_url": {"type": "str", "default": API_URL},
        "page_id": {"type": "str"},
    }


def statuspage_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets in whatever form."""
    yield from written(str(params.get("api_key") or "").strip())


def check_components(attempted: str, components: Mapping[str, Any]) -> None:
    """Refuse component statuses that Statuspage does not know.

    Raises:
        SendError: naming the component.
    """
    for name, status in components.items():
        id_ = identifier(attempted, "an id in components", name)
        if status not in STATUSES:
            failure = Failure("invalid", f"component {id_} has no valid status", f"give one of {', '.join(STATUSES)}")
            raise SendError(attempted, failure)


class Statuspage(Client):
    """One page with one key; use it as a context manager.

    Args:
        attempted: what is attempted, for texts.
        params: the options of :func:`statuspage_argument_spec` and ``timeout``.

    Raises:
        SendError: options are missing or make no sense; nothing was sent.
    """

    def __init__(self, attempted: str, params: Mapping[str, Any]) -> None:
        wanted(attempted, params, "api_key", "page_id")
        key = checked_secret(attempted, "api_key", params["api_key"])
        self._page = ("pages", identifier(attempted, "page_id", params["page_id"]))
        self._api = JsonApi(
            base=checked_url(attempted, "api_url", str(params["api_url"])),
            headers={"Authorization": f"OAuth {key}", "Accept": "application/json"},
            secrets=(key,),
            limit_s=checked_timeout(attempted, params),
            refused=statuspage_failure,
        )
        self._attempted = attempted

    def unresolved(self) -> Iterator[Any]:
        """Yield the incidents that are not resolved, page by page as they are asked for.

        Raises:
            SendError: a page cannot be read, or there are more than ``PAGES``: then ours may be among the rest, and
                opening another one would be wrong.
        """
        for page in range(1, PAGES + 1):
            listed = self._list("unresolved", page=page, per_page=LISTED)
            yield from listed
            if len(listed) < LISTED:
                return
        failure = Failure("invalid", f"more than {PAGES * LISTED} incidents are open", "resolve old ones")
        raise self._api.error(self._attempted, failure)

    def recent(self) -> list[Any]:
        """Return the newest incidents, resolved ones too."""
        return self._list(page=1, limit=LISTED)

    def create(self, payload: Json) -> Json:
        """Open an incident and return it."""
        return self._thing(self._api.send(self._attempted, "POST", (*self._page, "incidents"), payload))

    def update(self, id_: Any, payload: Json) -> Json:
        """Add an update to an incident and return it."""
        path = (*self._page, "incidents", identifier(self._attempted, "the id of the incident", id_))
        return self._thing(self._api.send(self._attempted, "PATCH", path, payload))

    def component_ids(self) -> list[str]:
        """Return the ids of the page's components, at most ``LISTED``."""
        content = self._api.get(self._attempted, *self._page, "components", page=1, per_page=LISTED)
        if not isinstance(content, list):
            failure = Failure("no_answer", "the answer is no list of components", status=HTTPStatus.OK.value)
            raise self._api.error(self._attempted, failure)
        return [str(each["id"]) for each in content if isinstance(each, dict) and each.get("id")]

    def component(self, id_: Any) -> Json:
        """Return a component."""
        path = (*self._page, "components", identifier(self._attempted, "component_id", id_))
        return self._thing(self._api.get(self._attempted, *path), read=True)

    def set_component(self, id_: Any, payload: Json) -> Json:
        """Change a component and return it."""
        path = (*self._page, "components", identifier(self._attempted, "component_id", id_))
        return self._thing(self._api.send(self._attempted, "PATCH", path, payload))

    def not_found(self, message: str) -> SendError:
        """Return the error that something is not on the page."""
        failure = Failure("not_found", message, "see the page's own list of incidents")
        return self._api.error(self._attempted, failure)

    def _list(self, *path: str, **query: Any) -> list[Any]:
        content = self._api.get(self._attempted, *self._page, "incidents", *path, **query)
        if not isinstance(content, list):
            failure = Failure("no_answer", "the answer is no list of incidents", status=HTTPStatus.OK.value)
            raise self._api.error(self._attempted, failure)
        return content

    def _thing(self, content: Any, *, read: bool = False) -> Json:
        if not isinstance(content, dict) or not content.get("id"):
            failure = Failure("no_answer", "the answer holds nothing with an id", may_have_happened=not read)
            raise self._api.error(self._attempted, failure)
        return content
