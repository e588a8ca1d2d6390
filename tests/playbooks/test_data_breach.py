# SPDX-License-Identifier: GPL-3.0-or-later
"""A suspected data breach against the lab: what was taken is found, evidence comes first, the circle stays closed."""

from __future__ import annotations

import datetime as dt
import json

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_verify import verify_incident
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report import render_markdown
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_files import read_incident
from incident_runbooks import schemas
from incident_runbooks.lab.lab import Lab
from incident_runbooks.render.text import render
from support.breach import (
    ACCESS,
    AWARE,
    DEADLINE,
    DIAGNOSE,
    EVIDENCE,
    LEGAL,
    PHONE,
    SECURITY,
    SERVICE,
    SESSIONS,
    WIDE,
    BreachRunbook,
    BreachWorld,
    assert_closed_circle,
    breached,
    runbook,
    world,
)
from support.runbook import assert_no_secret, planned, recommended, verdicts

__all__ = ["breached", "runbook", "world"]


def moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_the_diagnosis_finds_what_was_done_and_only_reads(
    runbook: BreachRunbook, world: BreachWorld, data_lab: Lab
) -> None:
    """In a trail of a million rows."""
    runbook.backend.update(world.cluster.login(DIAGNOSE))
    before = runbook.run()
    cause = before.finding("breach_cause")
    assert cause["status"] == "degraded", cause["summary"]
    assert recommended(before) == [EVIDENCE], "a trail with nothing to compare with is no proof that all is well"

    data_lab.break_("breach-suspected")
    truth, sessions = world.truth(), world.sessions()
    with world.cluster.only_read():
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "findings"), run.result["findings"]
    scope, cause = run.finding("scope")["data"], run.finding("breach_cause")["data"]
    assert scope["suspect_ids"] == [truth.actor_id]
    assert set(scope["window"]["addresses"]) == truth.addresses
    assert (scope["window"]["first_seen"][:19], scope["window"]["last_seen"][:19]) == (
        f"{truth.first_seen:%Y-%m-%dT%H:%M:%S}",
        f"{truth.last_seen:%Y-%m-%dT%H:%M:%S}",
    )
    assert scope["affected"]["count"] == len(truth.user_ids)
    (listed,) = run.directory.glob("affected-*.txt")
    assert sorted(map(int, listed.read_text(encoding="utf-8").split())) == sorted(truth.user_ids)
    assert listed.stat().st_mode & 0o777 == 0o600
    assert set(run.finding("addresses")["data"]["suspicious"]) >= truth.addresses
    trail = run.finding("audit_trail")["data"]
    assert [each["id"] for each in trail["tampered"]["items"]] == list(truth.tampered_ids)
    missing = {each for gap in trail["gaps"]["items"] for each in range(gap["from_id"], gap["to_id"] + 1)}
    assert missing >= set(truth.deleted_ids)
    assert (cause["cause"], cause["suspects"], cause["card_data"]) == ("mass_export", [str(truth.actor_id)], True)
    assert [each["cause"] for each in cause["also"]] == ["account_takeover", "audit_tampered"]
    assert recommended(run) == [EVIDENCE, SESSIONS, ACCESS, *WIDE]
    assert run.finding("clock")["cause"] == "aware_at_assumed"

    assert world.told.sent() == [], "a diagnosis tells nobody"
    assert (world.sessions(), world.hold()) == (sessions, None)
    draft = (run.directory / "notices/regulator-1.txt").read_text(encoding="utf-8")
    assert str(len(truth.user_ids)) in draft
    assert "Aware of the breach since: [ASSUMED: " in draft
    assert schemas.validate("result", run.result) == []
    assert_no_secret(run, world.secrets())

    expected = runbook.run(data_breach_expected_actors=[str(truth.actor_id)])
    (known,) = expected.finding("scope")["data"]["expected"]
    assert (known["actor_id"], known["excused"]) == (truth.actor_id, False), (
        "it came from addresses that are new for it"
    )
    assert expected.finding("breach_cause")["data"]["cause"] == "mass_export"


def test_evidence_is_preserved_and_then_the_suspects_are_logged_out(
    runbook: BreachRunbook, breached: BreachWorld
) -> None:
    truth, before = breached.truth(), breached.sessions()
    others = breached.others_tokens(truth.actor_id)
    assert breached.refresh_tokens(truth.actor_id) > 0
    assert str(truth.actor_id) in before.values()
    with breached.cluster.only_read():
        checked = runbook.run("--check", runbook_mode="remediate", approved=[EVIDENCE, SESSIONS], **AWARE)
    assert checked.result["actions"] == []
    assert (breached.sessions(), breached.hold()) == (before, None)
    assert not (checked.directory / "evidence").exists()
    assert breached.told.sent() == []

    run = runbook.approve(EVIDENCE, SESSIONS, **AWARE)
    assert [(each["id"], each["status"]) for each in run.result["actions"]] == [(EVIDENCE, "done"), (SESSIONS, "done")]
    assert str(truth.actor_id) not in breached.sessions().values()
    assert breached.refresh_tokens(truth.actor_id) == 0
    kept = {name: owner for name, owner in before.items() if owner != str(truth.actor_id)}
    assert breached.sessions().items() >= kept.items()
    assert breached.others_tokens(truth.actor_id) == others
    assert run.directory.name in str(breached.hold())
    assert verify_incident(run.directory)["intact"] is True
    found = verdicts(run)
    assert (found["evidence"], found["sessions_of_suspects"]) == ("resolved", "resolved"), run.result["verification"]
    assert (found["containment"], run.result["outcome"]) == ("unresolved", "unresolved"), "the export was a mass export"

    (page,) = breached.told.incidents()
    assert (page["service_id"], page["urgency"], page["status"]) == (SERVICE, "high", "triggered")
    assert str(len(truth.user_ids)) not in json.dumps(page["title"])
    said = json.dumps(breached.told.messages(SECURITY))
    manifest = next(each for each in run.result["evidence"] if each["path"].startswith("evidence/snapshot/"))
    (note,) = page["notes"]
    assert manifest["sha256"] in said, "what proves the evidence is where the directory is not"
    assert manifest["sha256"] in note["content"]
    for channel in (SECURITY, LEGAL):
        posts = [each["text"] for each in breached.told.messages(channel)]
        assert len(posts) == 2
        assert all(DEADLINE in text and "Whether people have to be told is NOT DECIDED" in text for text in posts)
    report = render_markdown(read_incident(run.directory))
    assert DEADLINE in render(run.result, colour=False)
    assert DEADLINE in report.replace("\\", "")
    began = [moment(each["started_at"]) for each in run.result["actions"]]
    seal = dt.datetime.fromtimestamp((run.directory / manifest["path"]).stat().st_mtime, dt.UTC)
    (paged,) = [moment(each["at"]) for each in breached.told.sent("pagerduty") if each["path"].endswith("/incidents")]
    assert [paged, *began] == sorted([paged, *began]), "it was paged before anything was done"
    (ended,) = breached.query(
        "SELECT min(revoked_at) AS at FROM refresh_tokens WHERE user_id = %s AND revoked_at > %s",
        *(truth.actor_id, paged),
    )
    assert began[0] < seal < min(began[1], ended["at"])
    drafts = {each["purpose"]: each["status"] for each in run.result["notifications"] if each["stage"] == "opened"}
    assert (drafts["internal"], drafts["status_page"], drafts["customers"]) == ("suppressed", "suppressed", "draft")
    assert_closed_circle(run, breached)
    assert_no_secret(run, breached.secrets())

    again = runbook.approve(SESSIONS, incident=run.directory, **AWARE)
    assert again.result["actions"] == []
    assert {planned(again, each)["status"] for each in (EVIDENCE, SESSIONS)} == {"not_recommended"}
    assert len(breached.told.incidents()) == 1, "nobody is paged twice"


def test_nothing_is_contained_before_evidence_is_preserved(runbook: BreachRunbook, breached: BreachWorld) -> None:
    """It is paged all the same, and a page that does not get through is loud and stops nothing."""
    truth, before = breached.truth(), breached.sessions()
    with breached.told.broken("pagerduty-down"):
        run = runbook.approve(SESSIONS, ACCESS, **AWARE)
    assert run.result["outcome"] == "refused"
    assert {each["id"]: each["status"] for each in run.result["actions"]} == {SESSIONS: "refused", ACCESS: "refused"}
    assert all("evidence" in each["reason"] for each in run.result["actions"])
    assert breached.sessions() == before
    assert breached.refresh_tokens(truth.actor_id) > 0
    assert any("NOT PAGED" in each["message"] for each in run.result["notices"]), run.result["notices"]
    assert breached.told.incidents() == []
    assert_closed_circle(run, breached)

    why = {"data_breach_evidence_override": "the disk for evidence is lost, decided by the CISO"}
    run = runbook.approve(ACCESS, incident=run.directory, **AWARE, **why)
    assert [(each["id"], each["status"]) for each in run.result["actions"]] == [(ACCESS, "done")]
    assert "decided by the CISO" in json.dumps(run.result["actions"])
    assert breached.refresh_tokens(truth.actor_id) == 0

    breached.told.forget()
    with breached.told.broken("pagerduty-down"):
        alone = runbook.approve(EVIDENCE, SESSIONS, **AWARE)
    assert {each["id"]: each["status"] for each in alone.result["actions"]} == {EVIDENCE: "done", SESSIONS: "done"}
    assert str(truth.actor_id) in before.values()
    assert str(truth.actor_id) not in breached.sessions().values()
    assert verify_incident(alone.directory)["intact"] is True
    loud = [each["message"] for each in alone.result["notices"] if each["code"] == "not_paged"]
    assert loud
    assert all(f"call the on-call engineer ({PHONE})" in each for each in loud)
    assert "NOT PAGED (security): " in alone.output
    assert (breached.told.incidents(), len(breached.told.messages(SECURITY))) == ([], 2), "who can be told is told"
    assert_closed_circle(alone, breached)


def test_wide_containment_needs_two_people_and_ends_the_incident(runbook: BreachRunbook, breached: BreachWorld) -> None:
    truth = breached.truth()
    everything = (EVIDENCE, SESSIONS, ACCESS, *WIDE)
    before = breached.sessions()
    alone = runbook.approve(*WIDE, **AWARE)
    assert (alone.result["outcome"], alone.result["actions"]) == ("refused", [])
    assert "second approver" in json.dumps(alone.result["errors"])
    assert (len(breached.told.incidents()), breached.sessions()) == (1, before), "security is paged all the same"

    digest = alone.result["plan"]["digest"]
    approval = {
        "runbook_plan_digest": digest,
        "runbook_second_approver": "grace",
        "runbook_reason": "the CISO has decided it",
    }
    run = runbook.approve(*everything, incident=alone.directory, **approval, **AWARE)
    done = [(each["id"], each["status"]) for each in run.result["actions"]]
    assert [name for name, _ in done] == list(everything), run.result["errors"]
    assert {status for _, status in done} <= {"done", "nothing_to_do"}, (
        done,
        [each["reason"] for each in run.result["actions"]],
    )
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), run.result["verification"]
    people = list(truth.user_ids)
    (left,) = breached.query(
        "SELECT (SELECT count(*) FROM refresh_tokens WHERE user_id = ANY(%s) AND revoked_at IS NULL) AS refresh,"
        " (SELECT count(*) FROM users WHERE id = ANY(%s) AND NOT two_factor_required) AS single,"
        " (SELECT count(*) FROM oauth_grants WHERE user_id = ANY(%s) AND revoked_at IS NULL) AS grants,"
        " (SELECT count(*) FROM password_resets WHERE user_id = ANY(%s) AND incident = %s) AS resets",
        *(people, people, people, people),
        run.directory.name,
    )
    assert left == {"refresh": 0, "single": 0, "grants": 0, "resets": len(people)}
    (foreign,) = breached.query(
        "SELECT count(*) AS n FROM users WHERE two_factor_required AND NOT id = ANY(%s)", [*people, truth.actor_id]
    )
    assert foreign["n"] == 0
    draft = max((run.directory / "notices").glob("customer-email-*.txt")).read_text(encoding="utf-8")
    assert "Reset the passwords" in draft
    assert [each["status"] for each in breached.told.incidents()] == ["resolved"]
    assert verify_incident(run.directory)["intact"] is True
    assert_closed_circle(run, breached)
    assert_no_secret(run, breached.secrets())

    later = runbook.approve(incident=run.directory, **AWARE)
    assert later.finding("breach_cause")["status"] in ("degraded", "down"), "what was done stays in the records"
    assert [each["status"] for each in breached.told.incidents()] == ["resolved"], "that is nothing to page for again"
