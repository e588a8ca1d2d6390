# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe's status page: Atlassian Statuspage as www.stripestatus.com serves it, and the form it had before.

``/api/v2/...`` below the page's address is the former, ``/current`` and ``/current/full`` are the latter.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from incident_runbooks.lab.services.call import Answer
from incident_runbooks.lab.stripe import control

PREFIX = "/status"

_PAGE_ID = "stripelabpg01"
_COMPONENTS = {
    "cmpapi000001": "API",
    "cmppay000002": "Payments",
    "cmpwhk000003": "Webhooks",
    "cmpdash00004": "Dashboard",
    "cmpcheck0005": "Checkout",
    "cmpjs0000006": "Stripe.js",
    "cmpklarna007": "Klarna",
    "cmpconnect08": "Connect",
}
_OLD = datetime(2024, 2, 9, 18, 8, tzinfo=UTC)  # since then the old form has said the same, with 200
_LEGACY_TIME = "%B %d, %Y @ %I:%M%p +00:00"
_FOREIGN_HTML = "<!DOCTYPE html><html><head><title>Stripe System Status</title></head><body>Loading</body></html>\n"

Json = dict[str, Any]


def answer(path: str, faults: Collection[str], *, since: datetime, url: str) -> Answer:
    """Return what the page says.

    Args:
        path: below :data:`PREFIX`.
        faults: what is broken, see :mod:`control`.
        since: when what is broken broke.
        url: of the page.
    """
    if control.STATUS_DOWN in faults:
        return Answer(503, "<html><head><title>503 Service Temporarily Unavailable</title></head></html>\n")
    if control.STATUS_HTML in faults:
        return Answer(200, _FOREIGN_HTML)
    stale = control.STATUS_STALE in faults
    if path in ("/current", "/current/full"):
        return Answer(200, _legacy(faults, full=path.endswith("full"), stale=stale))
    if stale and path.startswith("/api/v2/"):
        return Answer(302, "", {"Location": f"{url}/current"})
    found = _statuspage(path.removeprefix("/api/v2/"), faults, since, url) if path.startswith("/api/v2/") else None
    if found is None:
        return Answer(404, "<html><head><title>Page not found</title></head></html>\n")
    return Answer(200, found)


def _statuspage(name: str, faults: Collection[str], since: datetime, url: str) -> Json | None:
    page = {
        "id": _PAGE_ID,
        "name": "Stripe",
        "url": url,
        "time_zone": "Etc/UTC",
        "updated_at": _text(datetime.now(UTC)),
    }
    open_ones = _unresolved(faults, since, url)
    components = _components(open_ones)
    status = _status(open_ones)
    parts: dict[str, Json] = {
        "status.json": {"status": status},
        "components.json": {"components": components},
        "incidents.json": {"incidents": [*open_ones, _resolved(url)]},
        "incidents/unresolved.json": {"incidents": open_ones},
        "scheduled-maintenances.json": {"scheduled_maintenances": []},
        "summary.json": {
            "components": components,
            "incidents": open_ones,
            "scheduled_maintenances": [],
            "status": status,
        },
    }
    return {"page": page, **parts[name]} if name in parts else None


def _unresolved(faults: Collection[str], since: datetime, url: str) -> list[Json]:
    found = []
    if control.OUTAGE in faults:
        text = "We are investigating elevated error rates on the API."
        found.append(_incident("incoutage001", "Elevated API error rates", "critical", "API", text, since, url))
    if control.STATUS_OTHER in faults:
        text = "Payments with Klarna are delayed. Other payment methods are not affected."
        found.append(_incident("incklarna002", "Klarna payments delayed", "minor", "Klarna", text, since, url))
    return found


def _incident(id_: str, name: str, impact: str, component: str, text: str, since: datetime, url: str) -> Json:
    update = {
        "id": f"{id_}u",
        "incident_id": id_,
        "status": "investigating",
        "body": text,
        "created_at": _text(since),
        "updated_at": _text(since),
        "display_at": _text(since),
        "affected_components": None,
    }
    statuses = {"critical": "major_outage", "minor": "degraded_performance"}
    return {
        "id": id_,
        "page_id": _PAGE_ID,
        "name": name,
        "status": "investigating",
        "impact": impact,
        "created_at": _text(since),
        "updated_at": _text(since),
        "started_at": _text(since),
        "monitoring_at": None,
        "resolved_at": None,
        "shortlink": f"{url}/incidents/{id_}",
        "incident_updates": [update],
        "components": [_component(each, statuses[impact]) for each in _COMPONENTS if _COMPONENTS[each] == component],
    }


def _resolved(url: str) -> Json:
    """Return an incident that is over, which a list of all incidents has at any time."""
    began = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    made = _incident("incpast00003", "Delayed webhooks", "minor", "Webhooks", "Webhooks were delayed.", began, url)
    over = _text(began + timedelta(hours=1))
    update = {**made["incident_updates"][0], "id": "incpast00003r", "status": "resolved", "created_at": over}
    return {
        **made,
        "status": "resolved",
        "updated_at": over,
        "resolved_at": over,
        "incident_updates": [{**update, "updated_at": over, "display_at": over}, *made["incident_updates"]],
        "components": [{**each, "status": "operational"} for each in made["components"]],
    }


def _components(open_ones: list[Json]) -> list[Json]:
    broken = {each["id"]: each["status"] for incident in open_ones for each in incident["components"]}
    return [_component(id_, broken.get(id_, "operational")) for id_ in _COMPONENTS]


def _component(id_: str, status: str) -> Json:
    return {
        "id": id_,
        "page_id": _PAGE_ID,
        "name": _COMPONENTS[id_],
        "status": status,
        "created_at": _text(_OLD),
        "updated_at": _text(_OLD),
        "position": list(_COMPONENTS).index(id_) + 1,
        "description": None,
        "showcase": False,
        "start_date": None,
        "group_id": None,
        "group": False,
        "only_show_if_degraded": False,
    }


def _status(open_ones: list[Json]) -> Json:
    described = {
        "none": "All Systems Operational",
        "minor": "Partially Degraded Service",
        "critical": "Major Service Outage",
    }
    indicator = max((each["impact"] for each in open_ones), key=list(described).index, default="none")
    return {"indicator": indicator, "description": described[indicator]}


def _legacy(faults: Collection[str], *, full: bool, stale: bool) -> Json:
    down = control.OUTAGE in faults and not stale  # frozen: it says up whatever happens
    word = "down" if down else "up"
    message = "Some Stripe services are down" if down else "All services are online."
    at = _OLD if stale else datetime.now(UTC)
    if full:
        names = {"api": "API", "dashboard": "Dashboard", "stripejs": "Stripe.js", "webhooks": "Webhooks"}
        data = [{"key": key, "title": title, "warning": down and key == "api"} for key, title in names.items()]
        return {"UptimeStatus": word, "message": message, "time": at.strftime(_LEGACY_TIME), "uptimeData": data}
    keys = ("api", "dashboard", "stripejs", "checkoutjs", "webhooks", "emails")
    statuses = {key: word if key == "api" else "up" for key in keys}
    return {"largestatus": word, "message": message, "time": at.strftime(_LEGACY_TIME), "statuses": statuses}


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
