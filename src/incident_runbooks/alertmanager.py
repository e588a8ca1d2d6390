# SPDX-License-Identifier: GPL-3.0-or-later
"""From a webhook payload of Alertmanager to the incident types to run. Pure functions on plain data.

Labels and annotations are text from outside: they choose among the incident types that there are, and are shown.
None becomes an option of a command, as every option of ``runbook run`` moves a threshold or a target.
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval_file import CLOCK_SKEW, instant
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from incident_runbooks.catalogue import IncidentType

Json = dict[str, Any]

FIRING = "firing"
LABEL = "runbook"
NAME = "alertname"
_YEARS = range(1971, 9999)  # Alertmanager writes an instant that it does not have as one of the year 1
_LISTED = 5
_NO_RUNBOOK = "it has no label runbook, and no runbook's header names it"


def triage(
    payload: Mapping[str, Any],
    kinds: Sequence[IncidentType],
    again: Sequence[str],
    now: dt.datetime,
    recorded: Sequence[Mapping[str, str]] = (),
) -> Json:
    """Return which incident types to run, and which alerts lead to none.

    Args:
        payload: valid by the schema ``alertmanager``.
        kinds: the incident types that there are.
        again: arguments for every command, such as ``--inventory PATH``.
        now: an aware instant; deadlines are compared with it.
        recorded: the incidents on record, the newest first, each with ``id``, ``type`` and ``opened_at``.

    Returns:
        ``status``, ``receiver``, ``group_key``, ``external_url`` and ``truncated_alerts`` of the payload; ``incidents``
        (the most urgent first), ``unmatched`` (alerts that fire and lead to no runbook), ``resolved`` (alerts that
        fire no more) and ``notes``.
    """
    firing: dict[str, list[Json]] = {}
    unmatched: list[Json] = []
    resolved: list[Json] = []
    notes: list[str] = []
    for alert in payload["alerts"]:
        found, by, why = _match(alert["labels"], kinds)
        if alert["status"] != FIRING:
            resolved.append({**_alert(alert, by), "ends_at": _written(alert.get("endsAt")), "types": found})
        elif not found:
            unmatched.append({**_alert(alert, by), "reason": why})
        for name in found if alert["status"] == FIRING else ():
            firing.setdefault(name, []).append(_alert(alert, by))
    incidents = [_incident(kind, firing[kind.name], again, now, recorded) for kind in kinds if kind.name in firing]
    truncated = int(payload.get("truncatedAlerts", 0))
    if truncated:
        notes.append(f"Alertmanager left out {truncated} more alerts (max_alerts); they may mean other incidents")
    return {
        "status": payload["status"],
        "receiver": payload.get("receiver"),
        "group_key": payload["groupKey"],
        "external_url": payload.get("externalURL"),
        "truncated_alerts": truncated,
        "incidents": sorted(incidents, key=_urgency),
        "unmatched": unmatched,
        "resolved": resolved,
        "notes": notes,
    }


def is_incomplete(document: Mapping[str, Any]) -> bool:
    """Return whether something may fire for which there is no runbook here: unmatched, or left out."""
    left_out = document["truncated_alerts"] > 0 and document["status"] == FIRING
    return bool(document["unmatched"]) or left_out


def _match(labels: Mapping[str, str], kinds: Sequence[IncidentType]) -> tuple[list[str], str | None, str | None]:
    """Return the types that an alert leads to, by what, and why to none."""
    said = labels.get(LABEL)
    wanted = said.strip().replace("_", "-") if said else None
    if wanted in {kind.name for kind in kinds}:
        return [str(wanted)], "label", None
    found = [kind.name for kind in kinds if labels.get(NAME) in kind.alerts]
    if found:
        return found, "name", None
    return [], None, f"its label runbook names no incident type: {said!r:.200}" if said else _NO_RUNBOOK


def _incident(
    kind: IncidentType,
    alerts: list[Json],
    again: Sequence[str],
    now: dt.datetime,
    recorded: Sequence[Mapping[str, str]],
) -> Json:
    began = [at for at in (_instant(alert["starts_at"]) for alert in alerts) if at is not None]
    known = [at for at in began if at <= now + CLOCK_SKEW]  # runbook run takes no later one
    # the clock of the monitoring may be a little ahead; nothing was noticed after now
    detected = min([*known, now]) if known else None
    deadline = detected + dt.timedelta(seconds=kind.sla_target_s) if detected else None
    words = ["runbook", "run", kind.name]
    words += ["--detected-at", rfc3339(detected)] if detected else []
    return {
        "type": kind.name,
        "title": kind.title,
        "severity": kind.severity,
        "priority": kind.priority,
        "impact": kind.impact,
        "detected_at": rfc3339(detected) if detected else None,
        "sla": {
            "target_s": kind.sla_target_s,
            "deadline": rfc3339(deadline) if deadline else None,
            "breached": now > deadline if deadline else None,
        },
        "command": shlex.join([*words, *again]),
        "recorded": [entry["id"] for entry in recorded if _is_since(entry, kind.name, detected)][:_LISTED],
        "alerts": sorted(alerts, key=lambda alert: str(alert["starts_at"])),
        "notes": [] if detected else ["when it began is not known: no alert says a time that has passed"],
    }


def _is_since(entry: Mapping[str, str], name: str, detected: dt.datetime | None) -> bool:
    """An incident that was opened after the alert is probably the one that it means; an earlier one may be another."""
    opened = _instant(entry["opened_at"])
    if detected is None or opened is None:
        return False
    return entry["type"] == name and opened >= detected.replace(microsecond=0)  # ids have no fractions of seconds


def _alert(alert: Mapping[str, Any], by: str | None) -> Json:
    annotations = alert.get("annotations", {})
    return {
        "name": alert["labels"].get(NAME),
        "fingerprint": alert.get("fingerprint"),
        "status": alert["status"],
        "starts_at": _written(alert["startsAt"]),
        "labels": dict(alert["labels"]),
        "summary": annotations.get("summary"),
        "generator_url": alert.get("generatorURL"),
        "matched_by": by,
    }


def _urgency(incident: Mapping[str, Any]) -> tuple[str, bool, str, str]:
    deadline = incident["sla"]["deadline"]
    return incident["priority"], deadline is None, deadline or "", incident["type"]


def _instant(text: str | None) -> dt.datetime | None:
    moment = instant(text) if text else None
    return moment if moment and moment.year in _YEARS else None


def _written(text: str | None) -> str | None:
    moment = _instant(text)
    return rfc3339(moment) if moment else None
