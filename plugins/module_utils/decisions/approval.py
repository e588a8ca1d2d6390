# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Decide what of a plan an approval is enough for. Pure functions on plain data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.plan_difference import (
    difference,
    in_words,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.planning import TROUBLE

Json = dict[str, Any]

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")

SHORTEST_DIGEST = 12
_DIGEST = re.compile(rf"[0-9a-f]{{{SHORTEST_DIGEST},64}}")
# What is needed beside the id. An irreversible one is destructive as well.
_NEEDS_DIGEST = frozenset({"destructive", "irreversible"})
_NEEDS_TWO = frozenset({"irreversible"})


@dataclass(frozen=True)
class Approval:
    """What was approved, by whom and how.

    Attributes:
        operator: who runs it.
        ids: the remediations that were approved by name; ``None`` means every recommended one.
        covered: the only ones that may be approved, ``None`` where nothing limits them: an approval file names them.
        digest: of the plan that was approved, whole or its beginning.
        decided_by: who approved.
        second_approver: who approved as well.
        reason: why.
        decided_at: when, RFC 3339.
        expires_at: until when it is good, RFC 3339.
        source: ``options``, ``file`` or ``prompt``.
    """

    operator: str
    ids: Sequence[str] | None = ()
    covered: Sequence[str] | None = None
    digest: str | None = None
    decided_by: str | None = None
    second_approver: str | None = None
    reason: str | None = None
    decided_at: str | None = None
    expires_at: str | None = None
    source: str = "options"


@dataclass
class Decision:
    """What runs now.

    Attributes:
        to_run: ids, in the plan's order.
        refusals: each with ``code``, ``remediation`` (``None``: all of them), ``message`` and ``hint``; one because the
            plan has changed also with ``difference``.
        notices: each with ``code`` and ``message``.
    """

    to_run: list[str] = field(default_factory=list)
    refusals: list[Json] = field(default_factory=list)
    notices: list[Json] = field(default_factory=list)


def same_person(one: str, other: str) -> bool:
    """Whether two names mean the same person: case, white space and what nobody sees make no difference."""
    return _name(one) == _name(other)


def _name(text: str) -> str:
    letters = unicodedata.normalize("NFKC", text)
    visible = "".join(letter for letter in letters if unicodedata.category(letter) != "Cf" and not _is_blank(letter))
    return " ".join(visible.casefold().split())


def _is_blank(letter: str) -> bool:
    """Whether it shows nothing although it is no format character (Unicode's Default_Ignorable_Code_Point)."""
    return letter in _BLANK or "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"


def needs_digest(risk: str) -> bool:
    """Whether what has this risk is done only by a plan that somebody has looked at."""
    return risk in _NEEDS_DIGEST


def is_digest(text: str) -> bool:
    """Whether *text* is the digest of a plan, or enough of its beginning."""
    return bool(_DIGEST.fullmatch(text))


def with_approval(plan: Json, approval: Approval) -> Json:
    """Return the plan with what was approved of it."""
    ids = approved_ids(plan, approval)
    entries = [{**entry, "approved": entry["id"] in ids} for entry in plan["remediations"]]
    if not ids:
        return {**plan, "approval": None, "remediations": entries}
    said = {
        "digest": approval.digest,
        "approved": ids,
        **{key: getattr(approval, key) for key in ("decided_by", "second_approver", "reason")},
        **{key: getattr(approval, key) for key in ("decided_at", "expires_at", "source")},
    }
    return {**plan, "approval": said, "remediations": entries}


def approved_ids(plan: Json, approval: Approval) -> list[str]:
    """Return the ids that were approved, each once."""
    return _recommended(plan) if approval.ids is None else list(dict.fromkeys(approval.ids))


def _recommended(plan: Json) -> list[str]:
    return [entry["id"] for entry in plan["remediations"] if entry["status"] == "recommended"]


def decide_run(plan: Json, approval: Approval, findings: Sequence[Json], recorded: Sequence[Json] = ()) -> Decision:
    """Decide which remediations of the plan run now.

    Args:
        plan: as it was made now.
        findings: of this run.
        recorded: the plans that earlier runs of the incident recorded; one of them may be the approved one.
    """
    whole = _refuse_all(plan, approval, recorded)
    if whole:
        return Decision(refusals=[whole])
    decision = Decision()
    entries = {entry["id"]: entry for entry in plan["remediations"]}
    wanted = approved_ids(plan, approval)
    for name in wanted:
        entry = entries.get(name)
        if entry and entry["status"] != "recommended" and not _trouble(findings):
            decision.notices.append(_nothing_to_do(entry, findings))
        elif refusal := _refuse_one(name, entry, plan, approval, findings):
            decision.refusals.append(refusal)
        else:
            decision.to_run.append(name)
    decision.to_run.sort(key=list(entries).index)
    if not wanted and (names := _recommended(plan)):
        decision.refusals.append(
            _refusal(
                f"recommended but not approved: {', '.join(names)}",
                "approve by id: --approve ID, or the variable approved with ansible-playbook",
            )
        )
    return decision


def _refuse_all(plan: Json, approval: Approval, recorded: Sequence[Json]) -> Json | None:
    """Why nothing may run, whatever was approved by name."""
    if approval.second_approver is not None:
        if not _name(approval.second_approver):
            return _refusal("the second approver's name is empty", "name the person who approved it as well")
        if same_person(approval.second_approver, approval.operator):
            return _refusal(
                f"the second approver {approval.second_approver} is the operator",
                "somebody else has to approve it as well",
            )
    given = approval.digest
    if given is None or given == plan["digest"]:
        return None
    known = {plan["digest"], *(str(earlier.get("digest")) for earlier in recorded)}
    meant = {digest for digest in known if digest.startswith(given)}
    if meant == {plan["digest"]}:
        return None
    if len(meant) > 1:
        return _refusal(f"the plan digest {given} is the beginning of more than one plan's", "give all its 64 digits")
    earlier = next((item for item in reversed(recorded) if str(item.get("digest")).startswith(given)), None)
    differs = difference(earlier, plan, given)
    return {
        **_refusal(
            f"the plan {given[:SHORTEST_DIGEST]} was approved, the plan is {plan['digest'][:SHORTEST_DIGEST]} now: "
            f"{in_words(differs)}",
            "nothing was done; review the plan as it is now, and approve that one",
        ),
        "code": "plan_changed",
        "difference": differs,
    }


def _refuse_one(name: str, entry: Json | None, plan: Json, approval: Approval, findings: Sequence[Json]) -> Json | None:
    if entry is None:
        return _refusal("this runbook has no such remediation", None, name)
    if approval.covered is not None and name not in approval.covered:
        return _refusal("the approval file does not approve it", "have it approved as well", name)
    if entry["status"] != "recommended":
        return _refusal(f"not recommended: {entry['reason']}; {_trouble(findings)}", None, name)
    if entry.get("targets_unknown"):
        return _refusal(f"its targets are not known: {entry['reason']}", None, name)
    missing = _missing(entry["risk"], approval)
    if not missing:
        return None
    return _refusal(
        f"its risk is {entry['risk']}: its id alone is not enough, {' and '.join(missing)} is needed",
        _how(entry["risk"], str(plan["digest"])),
        name,
    )


def _missing(risk: str, approval: Approval) -> list[str]:
    missing = []
    if risk in _NEEDS_DIGEST and approval.digest is None:
        missing.append("the digest of the plan")
    if risk in _NEEDS_TWO:
        if approval.second_approver is None:
            missing.append("a second approver's name")
        if not (approval.reason or "").strip():
            missing.append("a reason")
    return missing


def _how(risk: str, digest: str) -> str:
    words = f"after reviewing what it would touch: --plan-digest {digest[:SHORTEST_DIGEST]}"
    if risk in _NEEDS_TWO:
        words += " --second-approver NAME --reason TEXT"
    return f"{words}, or an approval file: --approval FILE"


def _nothing_to_do(entry: Json, findings: Sequence[Json]) -> Json:
    blind = [f"{item['component']}/{item['check']}" for item in findings if item["status"] == "unknown"]
    state = f"{', '.join(blind)} could not be examined" if blind else "nothing is wrong"
    return {
        "code": "nothing_to_do",
        "message": f"Nothing to do: {entry['id']} is approved, but {entry['reason']}, and {state}",
    }


def _trouble(findings: Sequence[Json]) -> str:
    return "; ".join(
        f"{finding['component']}/{finding['check']} is {finding['status']}: {finding['summary']}"
        for finding in findings
        if finding["status"] in TROUBLE
    )


def _refusal(message: str, hint: str | None, remediation: str | None = None) -> Json:
    return {"code": "refused", "remediation": remediation, "message": message, "hint": hint}
