# SPDX-License-Identifier: GPL-3.0-or-later
"""What Statuspage accepts in an incident and in a component."""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.communications.world import COMPONENTS
from incident_runbooks.lab.services.call import Answer, RefusedError

_LONGEST_NAME = 255  # characters
_LONGEST_BODY = 25_000
_SCHEDULED = ("scheduled", "in_progress", "verifying", "completed")
_OPTIONS = {
    "status": ("investigating", "identified", "monitoring", "resolved", *_SCHEDULED),
    "impact_override": ("none", "minor", "major", "critical", "maintenance"),
}
_COMPONENT_STATUSES = ("operational", "under_maintenance", "degraded_performance", "partial_outage", "major_outage")
_KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "body": (str,),
    "deliver_notifications": (bool,),
    "component_ids": (list,),
    "components": (dict,),
    "metadata": (dict,),
}
_OF_COMPONENT = ("name", "description", "status", "showcase", "only_show_if_degraded")

Json = dict[str, Any]


def failed(status: int, error: str | list[str]) -> RefusedError:
    """Return an error in Statuspage's form: a text, or a list of what is wrong with the model."""
    return RefusedError(Answer(status, {"error": error}))


def incident_fields(given: Json, *, new: bool) -> Json:
    """Return the fields of an incident, checked.

    Args:
        given: as they came.
        new: whether it is to be made; then it needs a name.

    Raises:
        RefusedError: Statuspage would not take them.
    """
    for name, kinds in _KINDS.items():
        if given.get(name) is not None and not isinstance(given[name], kinds):
            raise failed(400, f"incident[{name}] is invalid")
    for name, allowed in _OPTIONS.items():
        if given.get(name) is not None and given[name] not in allowed:
            raise failed(400, f"incident[{name}] does not have a valid value")
    if new and "name" not in given:
        raise failed(400, "incident[name] is missing")
    if problems := list(_refused_by_the_model(given, new=new)):
        raise failed(422, problems)
    return given


def _refused_by_the_model(given: Json, *, new: bool) -> list[str]:
    problems = []
    name, metadata = given.get("name"), given.get("metadata")
    if not (name or "").strip() and (new or name is not None):
        problems.append("Name can't be blank")
    if len(name or "") > _LONGEST_NAME:
        problems.append(f"Name is too long (maximum is {_LONGEST_NAME} characters)")
    if len(given.get("body") or "") > _LONGEST_BODY:
        problems.append(f"Body is too long (maximum is {_LONGEST_BODY} characters)")
    if given.get("status") in _SCHEDULED and not given.get("scheduled_for"):
        problems.append("Scheduled for can't be blank")
    if metadata is not None and not all(isinstance(each, dict) for each in metadata.values()):
        problems.append("Metadata must be a hash of hashes")
    return problems


def require_components(given: Json) -> None:
    """Refuse components that are not the page's, and statuses that are none.

    Raises:
        RefusedError: one is.
    """
    wanted = [*(given.get("component_ids") or ()), *(given.get("components") or ())]
    if any(id_ not in COMPONENTS for id_ in wanted):
        raise failed(422, ["Component ids are invalid"])
    if any(status not in _COMPONENT_STATUSES for status in (given.get("components") or {}).values()):
        raise failed(422, ["Component status is not included in the list"])


def component_fields(given: Json) -> Json:
    """Return the fields of a component, checked; what is not known is ignored.

    Raises:
        RefusedError: Statuspage would not take them.
    """
    if given.get("status") is not None and given["status"] not in _COMPONENT_STATUSES:
        raise failed(400, "component[status] does not have a valid value")
    if "name" in given and not str(given["name"] or "").strip():
        raise failed(422, ["Name can't be blank"])
    return {name: given[name] for name in _OF_COMPONENT if given.get(name) is not None}
