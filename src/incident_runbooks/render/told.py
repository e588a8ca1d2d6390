# SPDX-License-Identifier: GPL-3.0-or-later
"""Who approved, who was told, and what a reviewer should know of the run, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_parts import is_page
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_view import message
from incident_runbooks.render.neutral import one_line
from incident_runbooks.render.style import bold, painted

Json = Mapping[str, Any]

_LINE = 240
_DRAFT = 600
_SENT = frozenset({"sent", "already_sent"})
_NOT_SENT = frozenset({"draft", "suppressed"})
_NOT_MISSED = _SENT | {"suppressed"}  # it was over before it was sent


def not_paged(result: Json, colour: bool) -> str:
    """Return a line that nobody overlooks for each page that nobody got: nobody was woken."""
    items = enumerate(result.get("notifications") or ())
    pages = {str(item.get("id") or number): item for number, item in items if is_page(item)}  # as each stood last
    missed = _missed(result, pages)
    failed = [item for item in pages.values() if item.get("status") == "failed"]
    lines = [_notice_line(item) for item in missed] or [
        f"NOT PAGED: {one_line(item.get('target') or item.get('channel') or 'the page', 80)} could not be reached: "
        f"{one_line(item.get('message') or item.get('cause') or 'unknown', _LINE)}"
        for item in failed
    ]
    incident = one_line(result["incident"].get("id") or "INCIDENT", 120)
    if lines:
        calls = [item.get("call") for item in missed]
        call = "; ".join(dict.fromkeys(one_line(item, _LINE) for item in calls if item)) or "call the on-call engineer"
        lines.append(f"{call}, then: runbook notify {incident} --now")
    return "\n".join(bold(painted(line, "failed", colour), colour) for line in lines)


def _missed(result: Json, pages: Mapping[str, Json]) -> list[Json]:
    """Return the notices of pages that nobody got, the last of each page, unless it was sent since."""
    open_still = [name for name, item in pages.items() if item.get("status") not in _NOT_MISSED]
    said: dict[str, Json] = {}
    for item in result.get("notices") or ():
        page = str(item.get("page") or "")
        settled = page in pages and page not in open_still if page else bool(pages) and not open_still
        if item.get("code") == "not_paged" and not settled:
            said[page or str(item.get("message"))] = item
    return list(said.values())


def _notice_line(notice: Json) -> str:
    """Return the first half of a notice; the other says what to do, which is said once for all of them."""
    return one_line(str(notice.get("message") or "NOT PAGED").partition(f"; {notice.get('call')}")[0], _LINE)


def approval(result: Json, colour: bool) -> str:
    """Return who approved what, how and why; empty where nobody did."""
    said = result["plan"].get("approval")
    if not said:
        return ""
    who = " and ".join(one_line(name, 60) for name in (said.get("decided_by"), said.get("second_approver")) if name)
    what = ", ".join(one_line(name, 60) for name in said.get("approved") or ()) or "nothing"
    lines = [f"  {what}, by {who or 'an unknown person'} ({one_line(said.get('source') or 'unknown source', 20)})"]
    if said.get("reason"):
        lines.append(f"    because {one_line(said['reason'], _LINE)}")
    if said.get("digest"):
        until = f", good until {one_line(said['expires_at'], 40)}" if said.get("expires_at") else ""
        lines.append(f"    plan {one_line(said['digest'], 12)}{until}")
    return "\n".join([bold("Approved", colour), *lines])


def notifications(result: Json, colour: bool) -> str:
    """Return what was sent, what failed and what is a draft, with the drafts' words."""
    items = result.get("notifications") or []
    told = [item for item in items if item.get("status") not in _NOT_SENT]
    drafts = [item for item in items if item.get("status") in _NOT_SENT]
    parts = []
    if told:
        parts.append("\n".join([bold("Told", colour), *(line for item in told for line in _sent(item, colour))]))
    if drafts:
        lines = [line for item in drafts for line in _draft(item)]
        parts.append("\n".join([bold("Not sent: drafts", colour), *lines]))
    return "\n\n".join(parts)


def notices(result: Json, colour: bool) -> str:
    """Return what a reviewer should know of the run itself."""
    # that nobody was paged stands at the top
    said = [item for item in result.get("notices") or () if item.get("code") != "not_paged"]
    lines = [f"  {one_line(item.get('message') or item.get('code'), 400)}" for item in said]
    return "\n".join([bold("Notices", colour), *lines]) if lines else ""


def notes(result: Json, colour: bool) -> str:
    """Return what persons state."""
    lines = [
        f"  {one_line(str(item.get('key')).replace('_', ' '), 80)}: {one_line(item.get('value'), _LINE)} "
        f"({one_line(item.get('by') or 'somebody', 60)})"
        for item in result.get("notes") or ()
    ]
    return "\n".join([bold("Stated", colour), *lines]) if lines else ""


def rollback_hint(result: Json, action: Json) -> str | None:
    """Return what to type to undo an action; ``None`` where it changed nothing or cannot be undone."""
    undoes = action.get("can_roll_back") is True and action.get("changed") is True and not action.get("rolls_back")
    incident = result["incident"].get("id")
    if not undoes or not incident or result["run"].get("check_mode"):
        return None
    return f"undo: runbook rollback {one_line(incident, 120)} --only {one_line(action.get('id'), 60)}"


def _sent(item: Json, colour: bool) -> list[str]:
    status = str(item.get("status") or "unknown")
    words = [item.get("channel"), item.get("purpose"), _stage(item), item.get("target")]
    where = one_line(" ".join(str(word) for word in words if word), 160)
    painting = "ok" if status in _SENT else "failed" if status == "failed" else "unknown"
    lines = [f"  {painted(one_line(status.replace('_', ' '), 20), painting, colour)}  {where}"]
    why = item.get("message") or item.get("cause")
    if why and status not in _SENT:
        again = f"; tried again {one_line(item['next_attempt_at'], 40)}" if item.get("next_attempt_at") else ""
        lines.append(f"    {one_line(why, _LINE)}{again}")
    return lines


def _draft(item: Json) -> Sequence[str]:
    words = [item.get("channel"), item.get("purpose"), _stage(item), item.get("target")]
    head = f"  {one_line(' '.join(str(word) for word in words if word), 160)}"
    return [head, f"    {one_line(message(dict(item)) or 'no text', _DRAFT)}"]


def _stage(item: Json) -> str:
    return str(item.get("stage") or "").partition(":")[0]
