# SPDX-License-Identifier: GPL-3.0-or-later
"""PagerDuty's incidents: made through either interface, kept plain, shown as its REST API shows them."""

from __future__ import annotations

import secrets
import string
from typing import Any

from incident_runbooks.lab.communications.world import POLICY, SERVICES, USER, World
from incident_runbooks.lab.services.call import now_s

_API = "https://api.pagerduty.com"
_WEB = "https://brandconnect.pagerduty.com"
_LETTERS = string.ascii_uppercase + string.digits

Json = dict[str, Any]


def new_id(first: str) -> str:
    """Return an id in PagerDuty's form."""
    return first + "".join(secrets.choice(_LETTERS) for _ in range(13))


def create(
    world: World,
    *,
    service_id: str,
    title: str,
    urgency: str,
    incident_key: str,
    via: str,
    details: str | None = None,
) -> Json:
    """Open an incident and return it as it is kept."""
    incident: Json = {
        "id": new_id("Q"),
        "number": len(world.incidents) + 1,
        "title": title,
        "service_id": service_id,
        "urgency": urgency,
        "incident_key": incident_key,
        "details": details,
        "status": "triggered",
        "created_at": now_s(),
        "updated_at": now_s(),
        "resolved_at": None,
        "notes": [],
        "via": via,
    }
    world.incidents.append(incident)
    return incident


def find(world: World, id_: str) -> Json | None:
    """Return an incident by its id or its number."""
    return next((each for each in world.incidents if id_ in (each["id"], str(each["number"]))), None)


def find_open(world: World, service_id: str, incident_key: str) -> Json | None:
    """Return the unresolved incident with that key on that service."""
    return next(
        (
            each
            for each in world.incidents
            if (each["service_id"], each["incident_key"]) == (service_id, incident_key) and each["status"] != "resolved"
        ),
        None,
    )


def set_status(world: World, incident: Json, status: str) -> None:
    """Change the status; what is resolved resolves its alerts."""
    incident["status"] = status
    incident["updated_at"] = now_s()
    incident["resolved_at"] = now_s() if status == "resolved" else None
    if status == "resolved":
        for alert in world.alerts:
            if alert["incident_id"] == incident["id"]:
                alert["status"] = "resolved"


def reference(kind: str, id_: str, summary: str, path: str) -> Json:
    """Return how PagerDuty refers to something."""
    address = f"{_API}/{path}/{id_}"
    return {
        "id": id_,
        "type": f"{kind}_reference",
        "summary": summary,
        "self": address,
        "html_url": f"{_WEB}/{path}/{id_}",
    }


def shown(incident: Json) -> Json:
    """Return an incident as the REST API shows it."""
    service = reference("service", incident["service_id"], SERVICES[incident["service_id"]], "services")
    policy = reference("escalation_policy", POLICY["id"], POLICY["summary"], "escalation_policies")
    user = reference("user", USER["id"], USER["summary"], "users")
    is_open = incident["status"] != "resolved"
    return {
        "id": incident["id"],
        "type": "incident",
        "summary": f"[#{incident['number']}] {incident['title']}",
        "self": f"{_API}/incidents/{incident['id']}",
        "html_url": f"{_WEB}/incidents/{incident['id']}",
        "incident_number": incident["number"],
        "title": incident["title"],
        "created_at": incident["created_at"],
        "updated_at": incident["updated_at"],
        "last_status_change_at": incident["updated_at"],
        "resolved_at": incident["resolved_at"],
        "status": incident["status"],
        "incident_key": incident["incident_key"],
        "urgency": incident["urgency"],
        "service": service,
        "escalation_policy": policy,
        "assigned_via": "escalation_policy",
        "assignments": [{"at": incident["created_at"], "assignee": user}] if is_open else [],
        "teams": [],
        "body": {"type": "incident_body", "details": incident["details"]},
    }


def shown_note(note: Json) -> Json:
    """Return a note as the REST API shows it."""
    user = reference("user", USER["id"], USER["summary"], "users")
    return {**note, "user": user, "channel": {"summary": "The PagerDuty website or APIs"}}
