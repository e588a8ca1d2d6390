# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""PagerDuty: alerts by the Events API v2, incidents and their notes by the REST API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
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
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.pagerduty_errors import (
    ALREADY_OPEN,
    event_failure,
    rest_failure,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages_lookup import (
    OPEN_STATES,
    pagerduty_incident,
)

API_URL = "https://api.pagerduty.com"
EVENTS_URL = "https://events.pagerduty.com"
DEDUP_KEY_LENGTH = 255
LISTED = 100
_E_MAIL = re.compile(r"[^@\s\x00-\x20\x7f-\uffff]+@[^@\s\x00-\x20\x7f-\uffff]+")

Json = dict[str, Any]


def pagerduty_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the REST API. Keep the doc fragment ``pagerduty`` in step."""
    return {
        "api_key": {"type": "str", "no_log": True},
        "api_url": {"type": "str", "default": API_URL},
        "from_email": {"type": "str"},
    }


def events_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the Events API. Keep the section ``EVENTS`` of the doc fragment ``pagerduty`` in step."""
    return {
        "routing_key": {"type": "str", "no_log": True},
        "api_url": {"type": "str", "default": EVENTS_URL},
    }


def pagerduty_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the secrets in whatever form."""
    for option in ("api_key", "routing_key"):
        yield from written(str(params.get(option) or "").strip())


class PagerDuty(Client):
    """The REST API with one key; use it as a context manager.

    Args:
        attempted: what is attempted, for texts.
        params: the options of :func:`pagerduty_argument_spec` and ``timeout``.

    Raises:
        SendError: options are missing or make no sense; nothing was sent.
    """

    def __init__(self, attempted: str, params: Mapping[str, Any]) -> None:
        self._attempted = attempted
        wanted(attempted, params, "api_key", "from_email")
        key = checked_secret(attempted, "api_key", params["api_key"])
        sender = str(params["from_email"]).strip()
        if not _E_MAIL.fullmatch(sender):
            raise SendError(attempted, Failure("invalid", "from_email is no e-mail address", "check from_email"))
        self._api = JsonApi(
            base=checked_url(attempted, "api_url", str(params["api_url"])),
            headers={
                "Authorization": f"Token token={key}",
                "Accept": "application/vnd.pagerduty+json;version=2",
                "From": sender,
            },
            secrets=(key,),
            limit_s=checked_timeout(attempted, params),
            refused=rest_failure,
        )

    def has_service(self, id_: str) -> bool:
        """Whether the key sees a service.

        Raises:
            SendError: it could not be asked; that there is none is no error.
        """
        what = f"Reading service {plain_line(id_, 40)} on PagerDuty"
        try:
            content = self._api.get(what, "services", identifier(what, "the id of a service", id_))
        except SendError as error:
            if error.failure.cause == "not_found":
                return False
            raise
        return isinstance(content, dict) and isinstance(content.get("service"), dict)

    def has_user(self, e_mail: str) -> bool:
        """Whether the account has a user with an e-mail address."""
        content = self._api.get("Looking for a user on PagerDuty", "users", query=e_mail, limit=LISTED)
        users = content.get("users") if isinstance(content, dict) else None
        found = [user.get("email") for user in users if isinstance(user, dict)] if isinstance(users, list) else []
        return e_mail.lower() in [str(address).lower() for address in found]

    def find(self, key: str, service_id: str | None) -> Json | None:
        """Return the incident with a key: the open one, or else the newest of the resolved ones."""
        query = {"incident_key": key, "limit": LISTED, "date_range": "all"}
        if service_id:
            query["service_ids[]"] = service_id
        content = self._api.get(f"Looking for incident {plain_line(key, 80)} on PagerDuty", "incidents", **query)
        listed = content.get("incidents") if isinstance(content, dict) else None
        found = pagerduty_incident(listed if isinstance(listed, list) else [], key, service_id)
        return dict(found) if found else None

    def must_exist(self, incident: Json | None) -> Json:
        """Return the incident.

        Raises:
            SendError: there is none.
        """
        if incident is None:
            failure = Failure("not_found", "there is no incident with this key", "check incident_key and service_id")
            raise self._api.error(self._attempted, failure)
        return incident

    def must_be_open(self, incident: Json | None) -> Json:
        """Return the incident.

        Raises:
            SendError: there is none, or it is resolved.
        """
        there = self.must_exist(incident)
        if there.get("status") not in OPEN_STATES:
            failure = Failure("not_found", "the incident with this key is resolved already", "open a new one if needed")
            raise self._api.error(self._attempted, failure)
        return there

    def open(self, key: str, payload: Json) -> Json | None:
        """Open an incident and return it; ``None`` when one with this key is open already."""
        what = f"Opening incident {plain_line(key, 80)} on PagerDuty"
        try:
            return self._incident(what, self._api.send(what, "POST", ("incidents",), payload))
        except SendError as error:
            if error.failure.code == ALREADY_OPEN:
                return None
            raise

    def change(self, id_: Any, payload: Json) -> Json:
        """Change the state of an incident and return it."""
        what = f"Changing incident {plain_line(str(id_), 40)} on PagerDuty"
        path = ("incidents", identifier(what, "the id", id_))
        return self._incident(what, self._api.send(what, "PUT", path, payload))

    def has_note(self, id_: Any, text: str) -> bool:
        """Whether an incident has a note with this text."""
        what = f"Reading the notes of incident {plain_line(str(id_), 40)} on PagerDuty"
        content = self._api.get(what, "incidents", identifier(what, "the id", id_), "notes")
        notes = content.get("notes") if isinstance(content, dict) else None
        found = [note.get("content") for note in notes if isinstance(note, dict)] if isinstance(notes, list) else []
        return text in [str(content).strip() for content in found]

    def add_note(self, id_: Any, payload: Json) -> None:
        """Add a note to an incident."""
        what = f"Adding a note to incident {plain_line(str(id_), 40)} on PagerDuty"
        self._api.send(what, "POST", ("incidents", identifier(what, "the id", id_), "notes"), payload)

    def _incident(self, what: str, content: Any) -> Json:
        incident = content.get("incident") if isinstance(content, dict) else None
        if not isinstance(incident, dict) or not incident.get("id"):
            failure = Failure("no_answer", "the answer holds no incident", may_have_happened=True)
            raise self._api.error(what, failure)
        return incident


def enqueue(attempted: str, params: Mapping[str, Any], event: Json) -> Json:
    """Send an event and return PagerDuty's receipt. It says that the event was taken, not that somebody was paged.

    Args:
        attempted: what is attempted, for texts.
        params: the options of :func:`events_argument_spec` and ``timeout``.
        event: as of ``decisions/messages_payloads.py``, without the routing key.

    Raises:
        SendError: it did not get there or was refused.
    """
    key = checked_secret(attempted, "routing_key", params["routing_key"])
    base = checked_url(attempted, "api_url", str(params["api_url"]))
    with closing(JsonApi(base, {}, (key,), checked_timeout(attempted, params), event_failure)) as api:
        content = api.send(attempted, "POST", ("v2", "enqueue"), {"routing_key": key, **event})
        if not isinstance(content, dict) or content.get("status") != "success":
            failure = Failure("no_answer", "the answer is no receipt of an event", may_have_happened=True)
            raise api.error(attempted, failure)
    return content


def check_event(attempted: str, params: Mapping[str, Any]) -> None:
    """Refuse options that make no sense, before anything is sent.

    Raises:
        SendError: naming the option.
    """
    wanted(attempted, params, "routing_key", "dedup_key")
    checked_secret(attempted, "routing_key", params["routing_key"])
    checked_url(attempted, "api_url", str(params["api_url"]))
    checked_timeout(attempted, params)
    if len(str(params["dedup_key"])) > DEDUP_KEY_LENGTH:
        text = f"dedup_key is longer than {DEDUP_KEY_LENGTH} characters"
        raise SendError(attempted, Failure("invalid", text, "shorten it; cut keys would not match"))
    if params["event"] == "trigger":
        wanted(attempted, params, "summary", "source")
