# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which of Stripe's webhook endpoints is the platform's, and what is wrong with it. Pure, no I/O.

https://docs.stripe.com/api/webhook_endpoints. Stripe shows the signing secret only once, when an endpoint is made.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.events import moment, subscribed
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

Json = dict[str, Any]

URL_LENGTH = 300
TEXT_LENGTH = 200
MOST_EVENTS = 300
ENABLED = "enabled"
URL_DIFFERS = "url_differs"
_PORTS = {"http": 80, "https": 443}


def facts(raw: Mapping[str, Any]) -> Json:
    """Return what matters of an endpoint, bounded."""
    enabled = raw.get("enabled_events")
    types = [kind for kind in enabled if isinstance(kind, str) and kind] if isinstance(enabled, list) else []
    return {
        "id": _text(raw.get("id"), TEXT_LENGTH),
        "url": _text(raw.get("url"), URL_LENGTH),
        "status": _text(raw.get("status"), TEXT_LENGTH),
        "enabled_events": [plain_line(kind, TEXT_LENGTH) for kind in types[:MOST_EVENTS]],
        "api_version": _text(raw.get("api_version"), TEXT_LENGTH),
        "livemode": raw.get("livemode") if isinstance(raw.get("livemode"), bool) else None,
        "created": moment(raw.get("created")),
        "description": _text(raw.get("description"), TEXT_LENGTH),
    }


def matching(endpoints: Sequence[Json], endpoint_id: str | None, url: str | None) -> Json | None:
    """Return the platform's endpoint: by its identifier, or else by its URL, which is compared exactly.

    Of several with the same URL an enabled one counts, of those the newest. Where none has the URL, the only one of the
    same host counts: it may have been changed. One of another host is that of somebody else. Without a URL the only one
    there is counts.
    """
    if endpoint_id:
        return next((each for each in endpoints if each["id"] == endpoint_id), None)
    same = [each for each in endpoints if each["url"] == url]
    if same:
        return _best(same)
    alike = _of_host(endpoints, url) if url else endpoints
    return alike[0] if len(alike) == 1 else None


def problems(
    endpoints: Sequence[Json], found: Json | None, url: str | None, required: Iterable[str], *, livemode: bool
) -> list[Json]:
    """Return what is wrong, each with ``problem`` and ``message``.

    Args:
        found: the platform's endpoint, as :func:`matching` says.
        url: where the platform takes webhooks; ``None`` when that is not known.
        required: types of events that the platform needs.
        livemode: the mode that the platform works in.
    """
    if found is None:
        known = ", ".join(f"{each['id']} with {each['url']}" for each in endpoints[:3]) or "none"
        ours = f"the platform's, {plain_line(url, URL_LENGTH)}" if url else "the platform's"
        return [_problem("not_found", f"none of Stripe's {len(endpoints)} endpoints is {ours}; there is {known}")]
    told = []
    if found["status"] != ENABLED:
        told.append(_problem("disabled", f"{found['id']} is {found['status']}, so no event is delivered to it"))
    if found["livemode"] is not livemode:
        told.append(_problem("mode", f"{found['id']} gets events of {_mode(found['livemode'])}, not {_mode(livemode)}"))
    if objection := url_objection(found, url):
        told.append(_problem(URL_DIFFERS, objection))
    missing = missing_events(found, required)
    if missing:
        told.append(_problem("events_missing", f"{found['id']} does not get {', '.join(missing)}"))
    twins = [str(each["id"]) for each in endpoints if each["url"] == found["url"] and each["id"] != found["id"]]
    if twins:
        told.append(_problem("duplicates", f"{', '.join(twins)} delivers to the same URL, with a secret of its own"))
    return told


def missing_events(found: Json | None, required: Iterable[str]) -> list[str]:
    """Return the types that the platform needs and the endpoint does not get."""
    if found is None:
        return []
    return [kind for kind in required if not found["enabled_events"] or not subscribed(kind, found["enabled_events"])]


def url_objection(found: Json, url: str | None) -> str | None:
    """Return why an endpoint is not the one that delivers to the platform's URL; ``None`` when it may be.

    Args:
        url: where the platform takes webhooks; ``None`` when that is not known. It is compared exactly.
    """
    if not url or found["url"] == url:
        return None
    return f"{found['id']} delivers to {found['url']}, the platform listens at {plain_line(url, URL_LENGTH)}"


def host(url: str | None) -> tuple[str, int | None]:
    """Return host and port of an address that may be anything."""
    try:
        parts = urlsplit(str(url or ""))
        return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None


def _of_host(endpoints: Sequence[Json], url: str) -> list[Json]:
    """Return those of the URL's host and port, or else those of its host."""
    name, port = host(url)
    if not name:
        return []
    same = [each for each in endpoints if host(each["url"])[0] == name]
    return [each for each in same if host(each["url"])[1] == port] or same


def _best(endpoints: Sequence[Json]) -> Json | None:
    return max(
        endpoints,
        key=lambda each: (each["status"] == ENABLED, each["created"] or dt.datetime.min.replace(tzinfo=dt.UTC)),
        default=None,
    )


def _mode(livemode: bool | None) -> str:
    return "an unknown mode" if livemode is None else "live mode" if livemode else "test mode"


def _problem(word: str, message: str) -> Json:
    return {"problem": word, "message": plain_line(message, 2 * URL_LENGTH)}


def _text(value: Any, limit: int) -> str | None:
    return plain_line(value, limit) if isinstance(value, str) and value else None
