# SPDX-License-Identifier: GPL-3.0-or-later
"""Statuspage's incidents: their updates, what they do to components, who is told."""

from __future__ import annotations

import secrets
import string
from typing import Any

from incident_runbooks.lab.communications.world import COMPONENTS, PAGE, World
from incident_runbooks.lab.services.call import now

_LETTERS = string.ascii_lowercase + string.digits
_IMPACTS = {
    "operational": "none",
    "under_maintenance": "none",
    "degraded_performance": "minor",
    "partial_outage": "major",
    "major_outage": "critical",
}
_BY_WEIGHT = ("maintenance", "none", "minor", "major", "critical")
_CREATED = "2024-01-01T00:00:00.000Z"

Json = dict[str, Any]


def create(world: World, given: Json) -> Json:
    """Open an incident and return it as it is kept."""
    incident: Json = {
        "id": _new_id(),
        "name": given["name"],
        "status": given.get("status") or "investigating",
        "impact": "none",
        "impact_override": None,
        "created_at": now(),
        "updated_at": now(),
        "monitoring_at": None,
        "resolved_at": None,
        "component_ids": [],
        "metadata": {},
        "updates": [],
    }
    world.page_incidents.append(incident)
    update(world, incident, {**given, "status": incident["status"]})
    return incident


def update(world: World, incident: Json, given: Json) -> None:
    """Change an incident; a status or a text makes an update that subscribers get unless that is declined.

    Resolving an incident leaves its components as they are.
    """
    incident["updated_at"] = now()
    incident.update({name: given[name] for name in ("name", "impact_override") if given.get(name) is not None})
    if given.get("metadata") is not None:
        incident["metadata"] = given["metadata"]
    statuses = given.get("components") or {}
    wanted = [*incident["component_ids"], *(given.get("component_ids") or ()), *statuses]
    incident["component_ids"] = list(dict.fromkeys(wanted))
    affected = [_affect(world, id_, status) for id_, status in statuses.items()]
    if statuses:
        found = {_IMPACTS[world.components[id_]["status"]] for id_ in incident["component_ids"]}
        incident["impact"] = max(incident["impact"], *found, key=_BY_WEIGHT.index)
    if incident["impact_override"]:
        incident["impact"] = incident["impact_override"]
    if given.get("status") or given.get("body"):
        _add_update(world, incident, given, affected)


def _add_update(world: World, incident: Json, given: Json, affected: list[Json]) -> None:
    incident["status"] = given.get("status") or incident["status"]
    if incident["status"] == "monitoring":
        incident["monitoring_at"] = now()
    incident["resolved_at"] = now() if incident["status"] in ("resolved", "completed") else None
    delivered = given.get("deliver_notifications")
    made = {
        "id": _new_id(),
        "status": incident["status"],
        "body": given.get("body") or "",
        "created_at": now(),
        "deliver_notifications": True if delivered is None else delivered,
        "affected_components": affected,
    }
    incident["updates"].append(made)
    if made["deliver_notifications"]:
        sent = {
            "incident_id": incident["id"],
            "update_id": made["id"],
            "status": made["status"],
            "at": made["created_at"],
        }
        world.notifications.append(sent)


def _affect(world: World, id_: str, status: str) -> Json:
    component = world.components[id_]
    before, component["status"] = component["status"], status
    return {"code": id_, "name": component["name"], "old_status": before, "new_status": status}


def shown(world: World, incident: Json) -> Json:
    """Return an incident as the API shows it."""
    kept = {name: value for name, value in incident.items() if name not in ("updates", "component_ids")}
    return {
        **kept,
        "page_id": PAGE["id"],
        "shortlink": f"https://stspg.io/{incident['id']}",
        "incident_updates": [_shown_update(incident, each) for each in reversed(incident["updates"])],
        "components": [shown_component(world, id_) for id_ in incident["component_ids"]],
        "scheduled_for": None,
        "scheduled_until": None,
        "scheduled_remind_prior": False,
        "scheduled_auto_in_progress": False,
        "scheduled_auto_completed": False,
        "reminder_intervals": None,
        "postmortem_body": None,
        "postmortem_published_at": None,
        "postmortem_ignored": False,
    }


def _shown_update(incident: Json, made: Json) -> Json:
    return {
        **made,
        "incident_id": incident["id"],
        "updated_at": made["created_at"],
        "display_at": made["created_at"],
        "custom_tweet": None,
        "twitter_updated_at": None,
        "tweet_id": None,
        "wants_twitter_update": False,
        "affected_components": made["affected_components"] or None,
    }


def shown_component(world: World, id_: str) -> Json:
    """Return a component as the API shows it."""
    kept = {name: value for name, value in world.components[id_].items() if name != "key"}
    return {
        "id": id_,
        "page_id": PAGE["id"],
        "group_id": None,
        "group": False,
        "created_at": _CREATED,
        "updated_at": _CREATED,
        "description": None,
        "position": list(COMPONENTS).index(id_) + 1,
        "showcase": True,
        "only_show_if_degraded": False,
        "automation_email": f"component+{id_}@notifications.statuspage.io",
        "start_date": None,
        **kept,
    }


def _new_id() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(12))
