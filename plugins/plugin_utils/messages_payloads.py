# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What is sent, channel by channel: options of the sending modules without addresses and secrets. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line, slack_text
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages_templates import render
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages_values import causes, findings_match

Json = dict[str, Any]

_PAGE_SEVERITY = {"critical": "critical", "high": "error", "medium": "warning", "low": "info"}
_IMPACT = {"major_outage": "critical", "partial_outage": "major", "degraded_performance": "minor"}
_LONGEST_LINE = 1000
_LONGEST_SUMMARY = 1024
_LONGEST_NAME = 255
_LONGEST_BODY = 25_000


def plain(text: str) -> str:
    """Return one line of text without anything that a terminal, a phone or a web page would obey."""
    line: str = plain_line(text, _LONGEST_LINE)
    return line


def escape_for(channel: str) -> Callable[[str], str]:
    """Return what makes a line harmless for a channel."""
    return slack_text if channel == "slack" else plain


def page_key(incident_id: str, purpose: str) -> str:
    """Return the key under which PagerDuty knows an alert: the same over all runs of an incident."""
    return incident_id if purpose == "page" else f"{incident_id}/{purpose}"


def page(notice: Json, text: str, values: Mapping[str, str], *, private: bool) -> Json:
    """Return the options of an alert, by event or as an incident."""
    key = page_key(values["incident"], notice["purpose"])
    details = {name: plain(values[name]) for name in ("incident", "priority", "severity", "impact", "started_at")}
    if not private:
        details["findings"] = "\n".join(map(plain, values["findings"].split("\n")))
    if notice.get("via") == "incidents":
        urgency = "high" if values["severity"] in ("critical", "high") else "low"
        said = "\n".join(f"{name}: {value}" for name, value in details.items() if value)
        title = plain_line(text, _LONGEST_NAME)
        return {"title": title, "urgency": urgency, "incident_key": f"inc-{key}", "details": said, "state": "triggered"}
    return {
        "event": "trigger",
        "dedup_key": key,
        "summary": plain_line(text, _LONGEST_SUMMARY),
        "source": "incident-runbooks",
        "severity": _PAGE_SEVERITY.get(values["severity"], "critical"),
        "class": values["type"],
        "custom_details": {name: value for name, value in details.items() if value},
    }


def page_end(opened: Json) -> Json:
    """Return the options that resolve the alert which *opened* (its payload) triggered."""
    if "incident_key" in opened:
        return {**opened, "state": "resolved"}
    return {
        "event": "resolve",
        "dedup_key": opened["dedup_key"],
        "summary": opened["summary"],
        "source": opened["source"],
    }


def page_note(opened: Json, values: Mapping[str, str], state: str) -> Json | None:
    """Return the options that note the seals of the evidence at the incident which *opened*, its payload, opened.

    Whoever can change the evidence and the record of it beside it cannot change what PagerDuty has.

    Args:
        state: what the incident is to be, ``as_it_is`` or ``resolved``.

    Returns:
        ``None`` where there is no seal.
    """
    seals = "\n".join(map(plain, values["seals"].split("\n")))
    return {**opened, "state": state, "note": f"Evidence is sealed; SHA-256:\n{seals}"} if values["seals"] else None


def post(text: str) -> Json:
    """Return the options of a post on Slack."""
    return {"text": text}


def final_post(opened: Json, moment: str, end: str) -> Json:
    """Return the options that turn the first post (its payload) into its final state, in a word."""
    return {"text": f"*{end}* ({moment})\n{opened['text']}"}


def status_page(notice: Json, stage: str, text: str, result: Mapping[str, Any], opened: Json | None) -> Json:
    """Return the options of an incident on the status page.

    Args:
        stage: ``opened``, ``progress`` or ``resolved``.
        opened: the payload of the incident's first message, ``None`` where there is none.
    """
    payload = {
        "name": plain_line(notice["name"], _LONGEST_NAME),
        "state": _state(notice, stage, result),
        "body": text[:_LONGEST_BODY],
        "deliver_notifications": notice["deliver_notifications"],
    }
    status = _component_status(notice, stage, result, opened)
    if status:
        payload |= {"component": notice["component"], "component_status": status}
    if stage == "opened":
        payload["impact"] = _IMPACT.get(status or "", "minor")
    return payload


def update_of_status_page(notice: Json, text: str, state: str) -> Json:
    """Return the options of an operator's update on the status page; state and components stay as they are."""
    return {
        "name": plain_line(notice["name"], _LONGEST_NAME),
        "state": state,
        "body": "\n".join(map(plain, text.strip().split("\n")))[:_LONGEST_BODY],
        "deliver_notifications": notice["deliver_notifications"],
    }


def text_of(notice: Json, template: str, values: Mapping[str, str]) -> str:
    """Return a text of the notice, filled in and escaped; empty where there is none."""
    return render(template, values, escape_for(notice["channel"])) if template else ""


def _state(notice: Json, stage: str, result: Mapping[str, Any]) -> str:
    if stage == "resolved":
        return str(notice.get("resolved_state") or "resolved")
    if stage == "progress" and result["outcome"] == "unverified":
        return "monitoring"
    return "identified" if causes(result) else "investigating"


def _component_status(notice: Json, stage: str, result: Mapping[str, Any], opened: Json | None) -> str | None:
    """A component is only said to work again if this incident had said otherwise."""
    if "component" not in notice:
        return None
    if stage == "resolved":
        return "operational" if opened and "component_status" in opened else None
    lines = notice.get("component_status") or []
    return next((line["status"] for line in lines if findings_match(line["findings"], result)), None)
