# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Compose what is to be sent about an incident, from the header, the result so far and what was sent. Pure.

A draft's ``key`` says what it is: incident, channel, place, purpose, stage, verdict and round. Two drafts of one key
are one message, whatever numbers have changed in its text since; so a re-run says nothing twice. The verdict of a
``progress`` is its outcome and a hash of what was changed, so that another action of the same outcome is news.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import messages_payloads as payloads
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import parse_instant
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages_templates import problems, stable_text
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages_values import (
    applies,
    in_trouble,
    template_of,
    values_of,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outcome import (
    has_acted,
    outcome_but_for_refusals,
)

Json = dict[str, Any]

OVER = frozenset({"resolved", "healthy"})
_NOT_OVER = frozenset({"unresolved", "unverified", "failed", "unknown"})
_ROLLED_BACK = "rollback_"
_STABLE_PARTS = ("name", "state", "event", "deliver_notifications", "component", "component_status", "dedup_key")


@dataclass(frozen=True)
class Situation:
    """What a message is composed from.

    Attributes:
        incident_id: the incident.
        header: the runbook's header.
        result: the result so far; its ``outcome`` is that of a run that ended now.
        sent: the messages of the incident's outbox, whatever became of them.
        eta: until when the operator expects it to be resolved; nothing is promised without.
        released: purposes of a private incident that somebody has released.
        now: the present instant, RFC 3339 in UTC.
        acting: whether the run goes on to what was approved; it may have been refused.
    """

    incident_id: str
    header: Mapping[str, Any]
    result: Mapping[str, Any]
    sent: Sequence[Json] = ()
    eta: str | None = None
    released: Sequence[str] = ()
    now: str = ""
    acting: bool = True

    @property
    def private(self) -> bool:
        """Whether the incident is known to a closed circle only."""
        return self.header["messages"].get("private") is True

    @property
    def end(self) -> str:
        """What the end of the incident is called: a breach is contained long before it is over."""
        return "Contained" if self.private else "Resolved"

    @property
    def notices(self) -> Sequence[Json]:
        """The messages that the header declares, the most urgent first."""
        declared: Sequence[Json] = self.header["messages"].get("notices") or []
        return declared

    @property
    def round(self) -> int:
        """How often it was opened: 1, and one more each time it was not resolved after all."""
        return max((message["round"] for message in self.sent), default=1)

    def opened(self, notice: Json) -> Json | None:
        """The first message of a notice in this round."""
        first = (item for item in self.sent if item["stage"] == "opened" and item["round"] == self.round)
        return next((item for item in first if _is_of(item, notice)), None)


@dataclass(frozen=True)
class _Part:
    """What is to be made of a notice: its stage and what tells it from others of that stage."""

    stage: str
    verdict: str = ""
    round: int = 1
    stable: Mapping[str, Any] = field(default_factory=dict)


def compose(situation: Situation, phase: str) -> list[Json]:
    """Return the drafts of a phase of a run, the most urgent first.

    Args:
        phase: ``opened`` (before acting) or ``ended`` (after verifying).

    Returns:
        Drafts: ``key, incident, channel, purpose, to, stage, verdict, round, operation, payload, fingerprint`` and
        ``withheld`` (``not_released``, ``manual`` or ``None``).

    Raises:
        IncidentsError: the header's messages are wrong.
    """
    wrong = problems(situation.header["messages"])
    if wrong:
        raise IncidentsError(f"Composing messages about {situation.incident_id}: {wrong[0]}")
    stage = _stage(situation, phase)
    if stage is None:
        return []
    if stage.verdict.startswith(_ROLLED_BACK):
        return _of_a_rollback(situation, stage)
    values = values_of(situation.result, situation.header, situation.incident_id, situation.eta)
    return [
        draft
        for notice in situation.notices
        if _concerns(notice, situation, stage)
        for draft in _drafts(notice, situation, stage, values)
    ]


def compose_update(situation: Situation, text: str, *, public: bool) -> list[Json]:
    """Return the drafts of an update in an operator's words: to every place on Slack that was told of the incident.

    Args:
        text: the operator's words.
        public: update the status page as well, where the incident is on it.
    """
    ends = (item for item in situation.sent if item["stage"] == "resolved" and item["round"] == situation.round)
    closed = any(item["payload"].get("state") == "resolved" for item in ends if item["channel"] == "statuspage")
    if public and closed:
        raise IncidentsError(
            f"Updating the status page about {situation.incident_id}: it says that the incident is resolved; "
            "leave out the status page, or open a new incident"
        )
    part = _Part(f"update:{_sha256(text)[:12]}", round=situation.round, stable={"text": text})
    operator = values_of(situation.result, situation.header, situation.incident_id, None)["operator"]
    drafts = []
    for notice in situation.notices:
        if situation.opened(notice) is None:
            continue
        if notice["channel"] == "slack":
            said = "\n".join(map(payloads.escape_for("slack"), text.strip().split("\n")))
            who = payloads.escape_for("slack")(operator)
            drafts.append(_draft(notice, situation, part, payloads.post(f"*Update* by {who}: {said}")))
        elif notice["channel"] == "statuspage" and public:
            states = [item["payload"]["state"] for item in situation.sent if _is_of(item, notice)]
            drafts.append(_draft(notice, situation, part, payloads.update_of_status_page(notice, text, states[-1])))
    return drafts


def _of_a_rollback(situation: Situation, part: _Part) -> list[Json]:
    """It says nothing of the platform, so the status page keeps its state; those at the incident should know."""
    values = values_of(situation.result, situation.header, situation.incident_id, None)
    escape = payloads.escape_for("slack")
    said = "\n".join(map(escape, values["actions"].split("\n")))
    outcome = _outcome_of(part).removeprefix(_ROLLED_BACK)
    text = f"*Rollback* by {escape(values['operator'])}: {outcome}\n{said}".strip()
    return [
        _draft(notice, situation, part, payloads.post(text))
        for notice in situation.notices
        if notice["channel"] == "slack" and situation.opened(notice)
    ]


def _stage(situation: Situation, phase: str) -> _Part | None:
    """What the present state of the incident means to those who are told; ``None`` where it is no news."""
    number = situation.round
    closed = any(item["stage"] == "resolved" and item["round"] == number for item in situation.sent)
    if phase == "opened":
        # what a private incident was about, such as an export, is found for ever: that is not there again
        if not in_trouble(situation.result) or (closed and situation.private):
            return None
        return _Part("opened", round=number + closed)
    if not situation.sent:
        return None
    outcome = situation.result["outcome"]
    if situation.result["run"]["mode"] == "rollback":
        return _Part("progress", f"{_ROLLED_BACK}{outcome}{_changed(situation.result)}", number)
    if _is_over(situation.result):
        return None if closed else _Part("resolved", round=number)
    if closed:  # it was said to be over, and what was done since has not ended well
        back = outcome in _NOT_OVER and (outcome == "unresolved" or in_trouble(situation.result))
        return _Part("opened", round=number + 1) if back else None
    if _has_just_opened(situation):
        return None
    return _Part("progress", f"{outcome}{_changed(situation.result)}", number)


def _is_over(result: Mapping[str, Any]) -> bool:
    """Whether it was verified that the trouble is over, or none is found; a refusal beside it changes neither."""
    outcome = result["outcome"]
    if outcome == "refused":
        outcome = outcome_but_for_refusals(result)
        return outcome == "healthy" or (outcome == "resolved" and has_acted(result))
    return outcome in OVER


def _has_just_opened(situation: Situation) -> bool:
    """Whether this very run has told all of it, and has done nothing since: that it goes on is no news then."""
    result = situation.result
    began = parse_instant(result["run"]["started_at"])
    if began is None or result["actions"] or result["verification"]:
        return False
    mine = [item for item in situation.sent if item["stage"] == "opened" and item["round"] == situation.round]
    told = [parse_instant(item.get("created_at")) for item in mine]
    return bool(told) and all(at is not None and at >= began for at in told)


def _changed(result: Mapping[str, Any]) -> str:
    """What tells one thing that was done from another: a hash of what changed something, empty where nothing did."""
    backs = ((item, item.get("rolls_back")) for item in result["actions"] if item["changed"])
    names = {f"{item['id']} {back.get('run_id') if isinstance(back, dict) else ''}" for item, back in backs}
    return f"-{_sha256(json.dumps(sorted(names)))[:12]}" if names else ""


def _outcome_of(part: _Part) -> str:
    return part.verdict.partition("-")[0]


def _concerns(notice: Json, situation: Situation, part: _Part) -> bool:
    """Whether a notice is for this incident; who was told of its beginning is told of its end."""
    condition = notice.get("when") or {}
    if part.stage != "opened" and situation.opened(notice):
        return True
    before = part.stage == "opened"
    if before and condition.get("remediations") and not situation.acting:
        return False
    return applies(condition, situation.result, before=before)


def _drafts(notice: Json, situation: Situation, part: _Part, values: Mapping[str, str]) -> Iterator[Json]:
    opened = situation.opened(notice)
    template = template_of(notice, part.stage, situation.result)
    text = payloads.text_of(notice, template, values)
    part = _Part(part.stage, part.verdict, part.round, stable={"text": stable_text(template, values)})
    if notice["channel"] == "pagerduty":
        if part.stage == "opened":
            yield _draft(notice, situation, part, payloads.page(notice, text, values, private=situation.private))
        elif opened:
            yield from _later_pages(notice, situation, part, opened["payload"], values)
    elif notice["channel"] == "statuspage":
        if text and (opened or part.stage == "opened"):
            part = replace(part, verdict=_outcome_of(part))  # what was done is not said there, so it is no news
            first = opened["payload"] if opened else None
            yield _draft(
                notice, situation, part, payloads.status_page(notice, part.stage, text, situation.result, first)
            )
    else:
        if text:
            yield _draft(notice, situation, part, payloads.post(text))
        if part.stage == "resolved" and opened and notice["channel"] == "slack":
            final = _Part("closed", round=part.round)
            moment = situation.now[11:16] + " UTC"
            yield _draft(notice, situation, final, payloads.final_post(opened["payload"], moment, situation.end))


def _later_pages(
    notice: Json, situation: Situation, part: _Part, opened: Json, values: Mapping[str, str]
) -> Iterator[Json]:
    """What a page that was sent becomes: a note once there is new evidence, which wakes nobody, and its end."""
    over = part.stage == "resolved"
    note = None
    if notice.get("via") == "incidents":
        note = payloads.page_note(opened, values, "resolved" if over else "as_it_is")
    if over:
        yield _draft(notice, situation, part, note or payloads.page_end(opened))
    elif note:
        seals = _Part("progress", f"sealed-{_sha256(note['note'])[:12]}", part.round)
        yield _draft(notice, situation, seals, note)


def _draft(notice: Json, situation: Situation, part: _Part, payload: Json) -> Json:
    to = notice.get("to")
    names = (situation.incident_id, notice["channel"], to or "", notice["purpose"], part.stage, part.verdict)
    stable = {**{name: payload[name] for name in _STABLE_PARTS if name in payload}, **part.stable}
    return {
        "key": "|".join([*names, str(part.round)]),
        "incident": situation.incident_id,
        "channel": notice["channel"],
        "purpose": notice["purpose"],
        "to": to,
        "via": notice.get("via"),
        "private": situation.private,
        "stage": part.stage,
        "verdict": part.verdict,
        "round": part.round,
        "payload": payload,
        "fingerprint": _sha256(json.dumps([names, part.round, stable], sort_keys=True, ensure_ascii=True)),
        "withheld": _withheld(notice, situation),
    }


def _withheld(notice: Json, situation: Situation) -> str | None:
    if notice["channel"] == "manual":
        return "manual"
    if situation.private and not notice.get("confidential") and notice["purpose"] not in situation.released:
        return "not_released"
    return None


def _is_of(message: Json, notice: Json) -> bool:
    return all(message[name] == notice.get(name) for name in ("channel", "purpose", "to"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
