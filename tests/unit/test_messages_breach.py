# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages about a breach: to the closed circle alone, with the regulator's deadline and the seal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages import compose, compose_update
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages_templates import problems
from support.journal_entries import PLAN, action, error, finding, verification
from support.messages import by, of_a_breach, one, sent_of

Json = dict[str, Any]


DEADLINE = "OVERDUE: THE REGULATOR WAS TO BE TOLD BY 2026-11-30 21:40 UTC; ASSUMED. People have to be told"
CLOCK = finding("ok", check="clock", component="localhost", cause=None, summary=DEADLINE, recommend=[])
SEAL = {"path": "evidence/snapshot/tagmanifest-sha256.txt", "source": "evidence", "sha256": "5e" * 32, "bytes": 9}


def test_the_regulators_deadline_is_told_to_the_closed_circle_alone() -> None:
    opened = compose(of_a_breach(finding(), CLOCK, PLAN), "opened")
    told = sent_of(opened)
    for more, phase in (((), "progress"), ((action(), verification()), "resolved")):
        end = error("refused") if phase == "progress" else verification()
        drafts = compose(of_a_breach(finding(), CLOCK, PLAN, *more, end, sent=told), "ended")
        assert {draft["stage"] for draft in drafts} - {"closed"} == {phase}
        opened += drafts
    for draft in opened:
        circle = draft["purpose"] in ("security", "legal")
        assert (DEADLINE in json.dumps(draft["payload"])) is circle, draft
    assert "notify_by" not in json.dumps([draft["payload"] for draft in opened])


def test_a_breach_that_is_contained_is_not_said_to_be_over() -> None:
    drafts = compose(of_a_breach(finding(), PLAN), "opened")
    told = [{**draft, "state": "sent", "may_have_happened": False} for draft in drafts]  # as if all were released
    ended = compose(of_a_breach(finding(), PLAN, action(), verification(), sent=told), "ended")
    for purpose in ("internal", "status_page"):
        said = one(ended, purpose, "resolved")["payload"]
        text = said.get("body") or said["text"]
        assert "is contained" in text
        assert "investigat" in text
        assert "is over" not in text
    assert one(ended, "status_page")["payload"]["state"] == "monitoring", "a person closes it"
    later = of_a_breach(
        finding(), PLAN, action(), verification(), sent=[*told, *sent_of(ended), one(ended, "status_page")]
    )
    (public,) = by(compose_update(later, "We know more now.", public=True), "status_page")
    assert public["payload"]["state"] == "monitoring"
    assert one(ended, "internal", "closed")["payload"]["text"].startswith("*Contained* (23:20 UTC)\n")


@pytest.mark.parametrize("name", ["notify_by", "seals"])
@pytest.mark.parametrize(
    "notice",
    [
        {"channel": "slack"},
        {"channel": "manual"},
        {"channel": "statuspage"},
        {"channel": "pagerduty", "confidential": True},
    ],
)
def test_what_is_for_the_closed_circle_cannot_be_said_elsewhere(name: str, notice: Json) -> None:
    (found,) = problems({"private": True, "notices": [{"purpose": "a", "texts": {"opened": f"${name}"}, **notice}]})
    assert f"${name} must not be said there" in found


def test_the_seal_of_the_evidence_is_noted_at_the_page_and_wakes_nobody() -> None:
    """Outside of what whoever can change the evidence can change as well."""
    long = action("partial", id="preserve-evidence", reason="x" * 4000)
    told = sent_of(compose(of_a_breach(finding(), PLAN), "opened"))
    ran = (finding(), PLAN, ("evidence", SEAL), long)
    ended = compose(of_a_breach(*ran, verification("unresolved"), sent=told), "ended")
    note, post = one(ended, "page"), one(ended, "security")
    assert (note["stage"], note["payload"]["state"]) == ("progress", "as_it_is")
    assert SEAL["sha256"] in note["payload"]["note"]
    assert f"{SEAL['path']} {SEAL['sha256']}" in post["payload"]["text"]
    assert note["withheld"] is None

    other = ("evidence", {**SEAL, "sha256": "6f" * 32})
    later = compose(of_a_breach(finding(), PLAN, other, verification("unresolved"), sent=told), "ended")
    assert one(later, "page")["key"] != note["key"], "another seal is another note"
    none = compose(of_a_breach(finding(), PLAN, long, verification("unresolved"), sent=told), "ended")
    assert by(none, "page") == []
    over = compose(of_a_breach(finding(), PLAN, ("evidence", SEAL), action(), verification(), sent=told), "ended")
    end = one(over, "page")
    assert (end["stage"], end["payload"]["state"]) == ("resolved", "resolved")
    assert SEAL["sha256"] in end["payload"]["note"]


def test_what_a_breach_has_left_behind_is_not_there_again_unless_it_could_not_be_contained() -> None:
    told = sent_of(compose(of_a_breach(finding(), PLAN), "opened"))
    ran = (finding(), PLAN, action(), verification())
    told += sent_of(compose(of_a_breach(*ran, sent=told), "ended"))
    assert "resolved" in {message["stage"] for message in told}
    assert compose(of_a_breach(finding(), PLAN, sent=told), "opened") == []
    worse = (finding(), PLAN, action(), verification("unresolved"))
    assert {draft["round"] for draft in compose(of_a_breach(*worse, sent=told), "ended")} == {2}
