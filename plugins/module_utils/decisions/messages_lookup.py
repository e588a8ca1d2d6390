# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Find our own incident among those that a service lists, and say what is known of it. Pure functions, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line, plain_text
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages_payloads import METADATA

OPEN_STATES = ("triggered", "acknowledged")
_NAME_LENGTH = 100
_URL_LENGTH = 500

Json = Mapping[str, Any]


def pagerduty_incident(incidents: Iterable[Any], key: str, service_id: str | None) -> Json | None:
    """Return the incident with this key: the open one, or else the newest of the resolved ones.

    An incident whose alerts carry the key has none of its own: PagerDuty lists it for the key all the same.

    Args:
        incidents: those that PagerDuty lists for the key.
        service_id: where the incident must be; ``None`` for anywhere.
    """
    ours = [
        incident
        for incident in incidents
        if isinstance(incident, dict)
        and incident.get("id")
        and incident.get("incident_key") in (key, None, "")
        and service_id in (None, "", _of(incident, "service").get("id"))
    ]
    ours.sort(key=lambda incident: str(incident.get("created_at") or ""), reverse=True)
    return next((incident for incident in ours if incident.get("status") in OPEN_STATES), ours[0] if ours else None)


def pagerduty_facts(incident: Json) -> dict[str, Any]:
    """Return what the module returns of an incident."""
    number = incident.get("incident_number")
    return {
        "id": _name(incident.get("id")),
        "number": number if isinstance(number, int) else None,
        "url": _url(incident.get("html_url")),
        "status": _name(incident.get("status")),
    }


def statuspage_incident(incidents: Iterable[Any], ours: str) -> Json | None:
    """Return the first incident that carries our id in its metadata."""
    for incident in incidents:
        if isinstance(incident, dict) and incident.get("id"):
            mark = _of(_of(incident, "metadata"), METADATA).get("incident_id")
            if mark == ours:
                return incident
    return None


def statuspage_says_so(incident: Json, wanted: Json) -> bool:
    """Whether an incident already says all that *wanted* (``{"incident": {...}}``) says, so that a re-run adds nothing.

    Args:
        incident: as Statuspage lists it, its newest update first.
    """
    update = wanted["incident"]
    updates = incident.get("incident_updates")
    newest = updates[0] if isinstance(updates, list) and updates and isinstance(updates[0], dict) else {}
    statuses = {part.get("id"): part.get("status") for part in _components(incident)}
    return (
        incident.get("status") == update["status"]
        and newest.get("status") == update["status"]
        and _same_text(newest.get("body"), update["body"])
        and update.get("impact_override") in (None, incident.get("impact_override"), incident.get("impact"))
        and all(statuses.get(name) == status for name, status in update.get("components", {}).items())
    )


def statuspage_update(incident: Json, wanted: Json) -> dict[str, Any]:
    """Return *wanted* as an update of an incident that is there: components that it already names stay named."""
    update = {name: value for name, value in wanted["incident"].items() if name not in ("name", "metadata")}
    there = {str(part["id"]) for part in _components(incident) if part.get("id")}
    if "component_ids" in update:
        update["component_ids"] = sorted(there.union(update["component_ids"]))
    return {"incident": update}


def statuspage_facts(incident: Json) -> dict[str, Any]:
    """Return what the module returns of an incident."""
    return {
        "id": _name(incident.get("id")),
        "url": _url(incident.get("shortlink")),
        "status": _name(incident.get("status")),
    }


def _same_text(shown: Any, sent: str) -> bool:
    return isinstance(shown, str) and plain_text(shown, len(sent) + 1) == sent.strip()


def _components(incident: Json) -> list[Json]:
    listed = incident.get("components")
    return [part for part in listed if isinstance(part, dict)] if isinstance(listed, list) else []


def _of(value: Json, name: str) -> Json:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _name(value: Any) -> str | None:
    return plain_line(str(value), _NAME_LENGTH) if value else None


def _url(value: Any) -> str | None:
    """An address for people; one that no browser should open is none."""
    text = plain_line(str(value or ""), _URL_LENGTH)
    return text if text.startswith(("https://", "http://")) else None
