# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runbooks the alerts ask for, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.style import bold, painted
from incident_runbooks.render.text import duration

Json = dict[str, Any]

_LISTED = 20
_SHORT, _LONG = 80, 300
_SAID_ALREADY = ("alertname", "runbook", "severity", "priority")


def text(document: Mapping[str, Any], colour: bool) -> str:
    """Return the document of ``runbook from-alert`` for people; what comes from the alerts is neutralised."""
    incidents, unmatched, resolved = (document[key] for key in ("incidents", "unmatched", "resolved"))
    lines = [_head(document, colour)]
    lines += [painted(f"! {one_line(note, _LONG)}", "unknown", colour) for note in document["notes"]]
    for incident in incidents:
        lines += ["", *_incident(incident, colour)]
    if unmatched:
        lines += ["", painted("No runbook is known for:", "unknown", colour)]
        lines += _listed(unmatched, lambda alert: [*_alert(alert), f"      {one_line(alert['reason'], _LONG)}"])
    if resolved:
        lines += ["", "Resolved, not to be run:"]
        lines += _listed(resolved, _resolved)
    return "\n".join(lines)


def _head(document: Mapping[str, Any], colour: bool) -> str:
    number = len(document["incidents"])
    if number:
        return bold(f"{number} incident type{'s' if number > 1 else ''} to run", colour)
    if document["unmatched"]:
        return bold("Nothing to run, but something fires that has no runbook", colour)
    return bold("Nothing to run", colour)


def _incident(incident: Mapping[str, Any], colour: bool) -> list[str]:
    sla = incident["sla"]
    lines = [f"{incident['priority']} {incident['severity']}  {bold(incident['type'], colour)}: {incident['title']}"]
    if sla["deadline"]:
        until = f"to be resolved by {_second(sla['deadline'])}, {duration(sla['target_s'])} after it began"
        lines.append(painted(f"  OVERDUE: {until}", "failed", colour) if sla["breached"] else f"  {until}")
    lines += [f"  {one_line(note, _LONG)}" for note in incident["notes"]]
    # quoted for a shell; only what the engineer gave may hold anything that is not plain
    lines.append(f"  $ {bold(one_line(incident['command'], 2000), colour)}")
    if incident["recorded"]:
        lines.append(
            f"  recorded since it began: {', '.join(incident['recorded'])}; to go on with one, add --incident ID"
        )
    return lines + _listed(incident["alerts"], _alert)


def _alert(alert: Mapping[str, Any]) -> list[str]:
    since = f", since {_second(alert['starts_at'])}" if alert["starts_at"] else ""
    fingerprint = f" ({one_line(alert['fingerprint'], 40)})" if alert["fingerprint"] else ""
    lines = [f"    {one_line(alert['name'] or 'an alert without a name', _SHORT)}{fingerprint}{since}"]
    labels = ", ".join(f"{key}={value}" for key, value in alert["labels"].items() if key not in _SAID_ALREADY)
    return lines + [f"      {one_line(said, _LONG)}" for said in (alert["summary"], labels) if said]


def _resolved(alert: Mapping[str, Any]) -> list[str]:
    at = f", at {_second(alert['ends_at'])}" if alert["ends_at"] else ""
    kinds = f": {', '.join(alert['types'])}" if alert["types"] else ""
    return [f"    {one_line(alert['name'] or 'an alert without a name', _SHORT)}{at}{kinds}"]


def _listed(alerts: Sequence[Json], lines: Any) -> list[str]:
    shown = [line for alert in alerts[:_LISTED] for line in lines(alert)]
    return shown + ([f"    and {len(alerts) - _LISTED} more"] if len(alerts) > _LISTED else [])


def _second(at: str) -> str:
    return f"{at[:19]}Z"  # a person reads no microseconds
