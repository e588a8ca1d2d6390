# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages about incidents of all seven types: who is told what and when, once, and harmlessly."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages import Situation, compose, compose_update
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages_templates import problems, render
from incident_runbooks import schemas
from support.journal_entries import PLAN, action, error, finding, verification
from support.messages import HEADERS, HOSTILE, NOW, by, delivered, life, one, result, sections, sent_of, situation

Json = dict[str, Any]
KINDS = sorted(sections())
TROUBLE = result(finding(), PLAN)
RESOLVED = result(finding(), PLAN, action(), verification())
UNRESOLVED = result(finding(), PLAN, action(), verification("unresolved"))
REFUSED = result(finding(), PLAN, error("refused"))
HEADER: Json = {
    "type": "a",
    "title": "T",
    "severity": "high",
    "priority": "P1",
    "sla_target_s": 60,
    "impact": "I",
    "symptoms": ["s"],
    "alerts": [],
    "required_components": ["a"],
    "remediations": [],
    "follow_ups": [],
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_can_say_what_the_seed_says(kind: str) -> None:
    header = {**HEADER, "type": kind, "messages": sections()[kind]}
    assert schemas.validate("runbook", header) == []
    assert problems(header["messages"]) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [TROUBLE, RESOLVED, UNRESOLVED, REFUSED], ids=["trouble", "ok", "not", "refused"])
def test_a_second_run_says_nothing_twice(kind: str, again: Json) -> None:
    """Whatever the numbers are the second time: each key is the same message. Trouble after the end would be news."""
    seen = result(finding("ok"), PLAN) if again is RESOLVED else TROUBLE
    composed, sent = life(kind, ("opened", TROUBLE), ("ended", again), ("opened", seen), ("ended", again))
    keys = [message["key"] for message in sent]
    assert len(set(keys)) == len(keys)
    known = {draft["key"] for drafts in composed[:2] for draft in drafts}
    fresh = [draft["key"] for drafts in composed[2:] for draft in drafts if draft["key"] not in known]
    assert fresh == []


def test_other_numbers_are_the_same_message() -> None:
    first = one(compose(situation("payment-failure", result(finding(summary="17 of 17"))), "opened"), "internal")
    second = one(compose(situation("payment-failure", result(finding(summary="15 of 17"))), "opened"), "internal")
    assert first["payload"] != second["payload"]
    assert (first["key"], first["fingerprint"]) == (second["key"], second["fingerprint"])


def test_payment_failure() -> None:
    found = result(finding("degraded", check="failure_ratio", component="backend", cause="stripe_errors"))
    (opened, ended), _ = life("payment-failure", ("opened", found), ("ended", RESOLVED), eta="20 minutes")
    internal = one(opened, "internal")["payload"]["text"]
    assert "*P1 (critical): Payment failure*" in internal
    assert "ETA: 20 minutes (as stated by alice)" in internal
    page = one(opened, "status_page")["payload"]
    assert page["component_status"] == "partial_outage"
    assert page["impact"] == "major"
    assert page["state"] == "identified"
    assert page["deliver_notifications"] is True
    assert page["body"].endswith("Expected to be fixed: 20 minutes")
    closed = one(ended, "status_page")["payload"]
    assert (closed["state"], closed["component"], closed["component_status"]) == ("resolved", "payments", "operational")
    assert [draft["stage"] for draft in by(ended, "internal")] == ["resolved", "closed"]
    assert one(ended, "internal", "closed")["payload"]["text"].startswith("*Resolved* (23:20 UTC)\n*P1 (critical)")


def test_nothing_is_promised_unless_somebody_says_so() -> None:
    drafts = compose(situation("payment-failure", TROUBLE), "opened")
    assert "ETA: none given" in one(drafts, "internal")["payload"]["text"]
    assert "Expected" not in one(drafts, "status_page")["payload"]["body"]
    (auth,) = by(compose(situation("auth-down", TROUBLE), "opened"), "status_page")
    assert auth["payload"]["body"] == "Authentication temporarily unavailable."
    assert auth["payload"]["name"] == "Authentication down"


def test_ingestion_lag_tells_the_analysts_only_of_an_archive() -> None:
    name = "archive-partitions"
    remediation = {**PLAN[1]["remediations"][0], "id": name}
    approved = ("plan", {**PLAN[1], "remediations": [remediation]})
    waiting = ("plan", {**PLAN[1], "remediations": [{**remediation, "approved": False}]})
    assert compose(situation("ingestion-lag", result(finding(), waiting)), "opened") == []
    (before, after), _ = life(
        "ingestion-lag",
        ("opened", result(finding(), approved)),
        ("ended", result(finding(), approved, action(id=name), verification())),
    )
    told = one(before, "analytics_team")
    assert (told["to"], told["payload"]["text"]) == (
        "analytics",
        "Old partitions are about to be archived (ingestion-lag-20261123T231455Z-3fa1).",
    )
    assert one(after, "analytics_team", "resolved")["payload"]["text"].endswith(f"{name} done")
    assert compose(situation("ingestion-lag", RESOLVED, [], eta=None), "ended") == []


def test_pool_exhaustion_pages_first_and_claims_no_outage_that_is_not_proved() -> None:
    drafts = compose(situation("pool-exhaustion", TROUBLE), "opened")
    assert [draft["purpose"] for draft in drafts] == ["page", "status_page"]
    page = drafts[0]["payload"]
    assert page["event"] == "trigger"
    assert page["dedup_key"] == "pool-exhaustion-20261123T231455Z-3fa1"
    assert page["summary"] == "P1 Pool exhaustion: Users suffer"
    assert page["severity"] == "critical"
    assert page["custom_details"]["findings"] == "postgres/connections down: 17 of 17 slots in use"
    assert "component_status" not in drafts[1]["payload"]
    proved = result(finding(), finding(check="error_ratio", component="backend"))
    drafts = compose(situation("pool-exhaustion", proved), "opened")
    assert one(drafts, "status_page")["payload"]["component_status"] == "major_outage"


def test_a_component_that_was_never_said_to_be_down_is_not_said_to_work_again() -> None:
    (_, ended), _ = life("pool-exhaustion", ("opened", TROUBLE), ("ended", RESOLVED))
    assert "component_status" not in one(ended, "status_page")["payload"]
    assert one(ended, "page")["payload"]["event"] == "resolve"


def test_only_a_verified_end_is_an_end() -> None:
    for found in (UNRESOLVED, REFUSED, result(finding(), PLAN, action()), result(finding(), PLAN, action("failed"))):
        (_, ended), _ = life("auth-down", ("opened", TROUBLE), ("ended", found))
        assert ended == [], found["outcome"]  # no text for progress in this header
        (_, ended), _ = life("payment-failure", ("opened", TROUBLE), ("ended", found))
        (told,) = ended
        assert (told["stage"], told["verdict"].partition("-")[0]) == ("progress", found["outcome"])


def test_a_data_breach_stays_in_the_closed_circle() -> None:
    drafts = compose(situation("data-breach", TROUBLE), "opened")
    assert {draft["purpose"]: draft["withheld"] for draft in drafts} == {
        "page": None,
        "security_team": None,
        "internal": "not_released",
        "status_page": "not_released",
        "customers": "manual",
    }
    page = one(drafts, "page")
    assert (page["via"], page["to"]) == ("incidents", "security")
    assert page["payload"]["incident_key"] == "inc-data-breach-20261123T231455Z-3fa1"
    assert "slots" not in json.dumps(page["payload"])
    released = compose(situation("data-breach", TROUBLE, released=["internal"]), "opened")
    assert one(released, "internal")["withheld"] is None
    assert one(released, "status_page")["withheld"] == "not_released"


def test_api_latency_is_said_in_public_only_beyond_its_limit() -> None:
    mild = result(finding("degraded", check="p95_latency"))
    assert compose(situation("api-latency", mild), "opened") == []
    drafts = compose(situation("api-latency", result(finding("down", check="p95_latency"))), "opened")
    assert one(drafts, "status_page")["payload"]["component_status"] == "degraded_performance"
    assert one(drafts, "status_page")["payload"]["deliver_notifications"] is False


def test_webhook_failures_tell_the_payments_team_how_it_began_and_ended() -> None:
    (opened, ended), _ = life("webhook-failures", ("opened", TROUBLE), ("ended", RESOLVED))
    assert one(opened, "payments_team")["to"] == "payments"
    assert one(ended, "payments_team", "resolved")["payload"]["text"].endswith("kill-idle-connections done")


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_told_of_nothing(kind: str) -> None:
    assert compose(situation(kind, result(finding("ok"))), "opened") == []
    assert compose(situation(kind, result(finding("unknown"))), "opened") == []
    assert compose(situation(kind, RESOLVED), "ended") == []


def test_what_was_over_and_is_not_is_opened_again() -> None:
    (_, _, again), sent = life("pool-exhaustion", ("opened", TROUBLE), ("ended", RESOLVED), ("ended", UNRESOLVED))
    assert [(draft["stage"], draft["round"]) for draft in again] == [("opened", 2), ("opened", 2)]
    ended = compose(situation("pool-exhaustion", RESOLVED, sent), "ended")
    assert [(draft["purpose"], draft["stage"], draft["round"]) for draft in ended] == [
        ("page", "resolved", 2),
        ("status_page", "resolved", 2),
    ]


def test_what_is_back_is_announced_before_anything_acts() -> None:
    first = (("opened", TROUBLE), ("ended", RESOLVED))
    (*_, opened, again, ended), _ = life(
        "pool-exhaustion", *first, ("opened", TROUBLE), ("opened", TROUBLE), ("ended", RESOLVED)
    )
    assert [(draft["purpose"], draft["stage"], draft["round"]) for draft in opened] == [
        ("page", "opened", 2),
        ("status_page", "opened", 2),
    ]
    assert opened[0]["payload"]["event"] == "trigger"
    assert [draft["key"] for draft in again] == [draft["key"] for draft in opened], "one message"
    assert [(draft["purpose"], draft["stage"], draft["round"]) for draft in ended] == [
        ("page", "resolved", 2),
        ("status_page", "resolved", 2),
    ]
    _, sent = life("pool-exhaustion", *first)
    assert compose(situation("pool-exhaustion", result(finding("ok")), sent), "opened") == []


WRONG_AS_WELL: dict[str, list[tuple[str, Json]]] = {
    "nothing ran": [],
    "nothing but what was refused": [action("refused"), verification()],
    "not verified": [action()],
    "one verification fails": [action(), verification(), verification("unresolved")],
    "one could not be measured": [action(), verification(), verification("unverified")],
    "a required check saw nothing": [action(), verification(), finding("unknown")],
    "another action failed": [action(), action("failed", id="b"), verification()],
    "another action was cut off": [action(), action("unknown", id="b"), verification()],
    "a step failed": [action(), verification(), error("step_failed")],
    "another run is at it": [action(), verification(), error("locked")],
}


def test_what_was_verified_is_told_whatever_was_refused_beside_it() -> None:
    for beside in (error("refused"), action("refused", id="resize-pool")):
        found = result(finding(), PLAN, action(), beside, verification())
        assert found["outcome"] == "refused"
        (_, ended), _ = life("pool-exhaustion", ("opened", TROUBLE), ("ended", found))
        assert [(draft["purpose"], draft["stage"]) for draft in ended] == [
            ("page", "resolved"),
            ("status_page", "resolved"),
        ]
    seen = result(finding("ok"), error("refused"))
    (_, ended), _ = life("pool-exhaustion", ("opened", TROUBLE), ("ended", seen))
    assert {draft["stage"] for draft in ended} == {"resolved"}, "nothing is wrong any more"


@pytest.mark.parametrize("entries", WRONG_AS_WELL.values(), ids=WRONG_AS_WELL)
def test_where_anything_but_a_refusal_is_wrong_nothing_is_said_to_be_over(entries: list[tuple[str, Json]]) -> None:
    found = result(finding(), PLAN, *entries, error("refused"))
    (_, ended), _ = life("payment-failure", ("opened", TROUBLE), ("ended", found))
    assert {draft["stage"] for draft in ended} == {"progress"}


def test_who_has_just_been_told_is_not_told_at_once_that_nothing_has_changed() -> None:
    """A run that does nothing tells of the trouble; that it has not acted is news to who was told before."""
    before, during = "2026-11-23T22:00:00.000000Z", "2026-11-23T23:14:55.000000Z"
    opened = sent_of(compose(situation("payment-failure", TROUBLE), "opened"))

    def ended(found: Json, *created: str) -> list[str]:
        sent = [{**each, "created_at": at} for each, at in zip(opened, created, strict=True)]
        return [draft["purpose"] for draft in compose(situation("payment-failure", found, sent), "ended")]

    assert ended(REFUSED, *[during] * len(opened)) == []
    assert ended(REFUSED, *[before] * len(opened)) == ["internal"]
    assert ended(REFUSED, before, *[during] * (len(opened) - 1)) == ["internal"]
    assert ended(result(finding(), PLAN, action("refused"), error("refused")), *[during] * len(opened)) != []


def test_a_rollback_is_told_of_and_ends_nothing() -> None:
    back = result(finding(), action(), verification(), mode="rollback")
    (_, told), _ = life("payment-failure", ("opened", TROUBLE), ("ended", back))
    assert [(draft["stage"], draft["verdict"].partition("-")[0]) for draft in told] == [
        ("progress", "rollback_resolved")
    ]


def test_another_action_of_the_same_outcome_is_news() -> None:
    (source,) = [path for path in HEADERS if path.parents[1].name == "pool_exhaustion"]
    header = yaml.safe_load(source.read_text(encoding="utf-8"))
    bad = verification("unresolved")

    def told(*entries: tuple[str, Json], sent: list[Json], phase: str = "ended") -> list[Json]:
        found = result(finding(), PLAN, *entries)
        now = Situation("pool-exhaustion-20261123T231455Z-3fa1", header, found, sent, now=NOW)
        known = {message["key"] for message in sent}
        return [draft for draft in compose(now, phase) if draft["key"] not in known]

    sent = sent_of(told(sent=[], phase="opened"))
    first = told(action(id="a"), action(id="b"), bad, sent=sent)
    assert {draft["purpose"] for draft in first} == {"internal", "status_page"}
    assert "a done\nb done" in one(first, "internal")["payload"]["text"]
    sent += sent_of(first)
    assert told(action(id="b"), action(id="a"), action(id="c", changed=False), bad, sent=sent) == []
    (second,) = told(action(id="c"), bad, sent=sent)
    assert second["purpose"] == "internal", "that they still work on it is no news to the public"
    assert second["payload"]["text"].startswith("*Not resolved yet (unresolved)*\n")
    assert "c done" in second["payload"]["text"]


def test_another_rollback_of_the_same_outcome_is_news() -> None:
    def back(run_id: str, name: str = "a") -> Json:
        undone = action(id=name, rolls_back={"remediation": name, "run_id": run_id})
        return result(finding(), undone, verification(), mode="rollback")

    backs = [back("run-1"), back("run-1"), back("run-2"), back("run-1", "b")]
    (_, *told), _ = life("payment-failure", ("opened", TROUBLE), *(("ended", each) for each in backs))
    drafts = [draft for (draft,) in told]
    assert len({draft["key"] for draft in drafts}) == 3, "the same one again is one message"
    assert drafts[0]["key"] == drafts[1]["key"]
    assert all(draft["payload"]["text"].startswith("*Rollback* by alice: resolved\n") for draft in drafts)


def test_hostile_text_is_inserted_once_and_obeyed_by_nobody() -> None:
    found = result(finding(summary=HOSTILE), finding(check="error_ratio", component="backend", summary=HOSTILE))
    slack = one(compose(situation("payment-failure", found, eta=HOSTILE), "opened"), "internal")["payload"]["text"]
    assert "<" not in slack
    assert "&lt;!channel&gt;" in slack
    assert "@everyone" not in slack
    assert "$eta" in slack
    assert "${title}" in slack
    assert "lookup('pipe', 'id')" in slack
    drafts = compose(situation("pool-exhaustion", found, eta=HOSTILE), "opened")
    assert "\x1b" not in json.dumps(drafts, ensure_ascii=False)
    public = one(drafts, "status_page")["payload"]
    assert public["body"] == "Experiencing temporary API issues. Working on fix now."


def test_an_update_in_the_operators_words() -> None:
    _, sent = life("payment-failure", ("opened", TROUBLE))
    now = situation("payment-failure", TROUBLE, sent)
    (told,) = compose_update(now, "Stripe is <!here> back", public=False)
    assert told["payload"]["text"] == "*Update* by alice: Stripe is &lt;!here&gt; back"
    (_, public) = compose_update(now, "We are\nthere", public=True)
    assert (public["payload"]["body"], public["payload"]["state"]) == ("We are\nthere", "identified")
    assert told["key"] != compose_update(now, "Other words", public=False)[0]["key"]
    assert told["key"] == compose_update(now, "Stripe is <!here> back", public=False)[0]["key"]
    assert compose_update(situation("payment-failure", TROUBLE), "Nobody knows", public=True) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"texts": {"opened": "$nonsense"}}, "unknown placeholder $nonsense"),
        ({"texts": {"opened": "costs 5 $"}}, "write $$"),
        (
            {"channel": "statuspage", "texts": {"opened": "$findings", "resolved": "r"}},
            "$findings must not be said there",
        ),
        ({"confidential": True, "to": "a"}, "only a private incident"),
    ],
)
def test_a_wrong_header_is_named(change: Json, problem: str) -> None:
    notice = {"purpose": "a", "channel": "slack", "texts": {"opened": "x"}, **change}
    (found,) = problems({"notices": [notice]})
    assert problem in found


def test_what_else_a_header_may_not_say() -> None:
    notice = {"purpose": "a", "channel": "slack", "texts": {"opened": "x"}}
    assert problems({"notices": [notice, notice]}) == ["messages: the purpose a is there twice"]
    page = {"purpose": "p", "channel": "pagerduty", "confidential": True, "texts": {"opened": "$findings"}}
    secret = {**notice, "confidential": True}
    assert "must not be said there" in problems({"private": True, "notices": [page]})[0]
    assert "a channel of its own" in problems({"private": True, "notices": [secret]})[0]
    wrong = situation("auth-down", TROUBLE)
    wrong.header["messages"]["notices"][0]["texts"]["opened"] = "$who"
    with pytest.raises(IncidentsError, match=r"^Composing messages about auth-down-.*unknown placeholder \$who"):
        compose(wrong, "opened")


def test_of_several_texts_the_first_that_fits_counts() -> None:
    mine = situation("webhook-failures", TROUBLE)
    (notice,) = mine.header["messages"]["notices"]
    some = [{"check": "other", "status": ["down"]}, {"check": "connections", "status": ["down"]}]
    notice["when"] = {"any_finding": some}
    notice["texts"] = {
        "opened": [
            {"when": {"any_finding": some[:1]}, "text": "other"},
            {"when": {"findings": some[1:]}, "text": "it"},
        ],
        "progress": [{"when": {"changed": ["kill-idle-connections"]}, "text": "some"}, {"text": "none"}],
    }
    assert schemas.validate("runbook", {**HEADER, "messages": mine.header["messages"]}) == []
    opened = compose(mine, "opened")
    assert [draft["payload"]["text"] for draft in opened] == ["it"]

    def later(*entries: tuple[str, Json]) -> list[str]:
        ended = replace(mine, result=result(finding(), PLAN, *entries), sent=delivered(opened))
        return [draft["payload"]["text"] for draft in compose(ended, "ended")]

    bad = verification("unresolved")
    assert later(action(), bad) == ["some"]
    assert later(action(changed=False), bad) == later(action(id="another"), bad) == ["none"]
    assert later(action(), verification()) == ["*Resolved* (23:20 UTC)\nit"], "no text, so nothing but its end is said"
    quiet = replace(mine, result=result(finding("degraded"), PLAN))
    assert compose(quiet, "opened") == []
    notice["texts"]["progress"][1]["text"] = "$who"
    assert "progress: unknown placeholder $who" in problems(mine.header["messages"])[0]


def test_a_line_without_its_value_is_left_out() -> None:
    values = {"title": "T", "eta": "", "findings": "a\nb"}
    assert render("$title\nETA $eta\n$findings\n5 $$", values, str.upper) == "T\nA\nB\n5 $"
