# SPDX-License-Identifier: GPL-3.0-or-later
"""One document of all runs: what was observed, stated and inferred, and nothing made up."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record import incident_record
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_parts import run_to_show
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import records_of
from incident_runbooks import schemas
from support.incident_entries import (
    HOSTILE,
    INCIDENT,
    LEAK,
    REPORT,
    SECOND,
    content_of,
    incident_in,
    note,
    notification,
    verification,
)
from support.journal_entries import ENDED, PLAN, Entry, action, error, finding, journal_in, started, step

AS_OF = dt.datetime(2026, 11, 24, 9, tzinfo=dt.UTC)


def record(content: bytes, **more: Any) -> dict[str, Any]:
    made = incident_record(content, incident_id=INCIDENT, as_of=AS_OF, **more)
    assert schemas.validate("incident", made) == []
    return made


def of(directory: Path, *entries: Entry, run_id: str = "run-20261123T232500Z-0009") -> dict[str, Any]:
    directory.mkdir(exist_ok=True)
    return record(journal_in(directory)(*entries, run_id=run_id))


def at(seconds: int) -> str:
    return f"2026-11-23T23:{14 + seconds // 60:02}:{seconds % 60:02}.000000Z"


def test_moments_and_metrics_come_from_what_was_recorded(tmp_path: Path) -> None:
    made = record(content_of(incident_in(tmp_path)))
    assert (made["outcome"], made["outcome_run_id"]) == ("resolved", SECOND)
    assert made["opened_at"] == at(0)
    assert made["detected_at"] == {
        "at": at(10), "source": "observed", "basis": "the first finding of trouble: postgres/connections down",
    }  # fmt: skip
    assert (made["acknowledged_at"]["at"], made["acknowledged_at"]["source"]) == (at(0), "inferred")
    assert (made["mitigated_at"]["at"], made["mitigated_at"]["source"]) == (at(110), "observed")
    assert (made["resolved_at"]["at"], made["resolved_at"]["source"]) == (at(120), "observed")
    assert made["metrics"] == {"ttd_s": None, "tta_s": None, "ttm_s": 100.0, "ttr_s": 110.0}
    assert made["sla"]["breached"] is False
    assert made["sla"]["elapsed_s"] == 120.0
    assert made["report_due_at"] == "2026-11-24T23:16:00.000000Z"
    assert made["post_mortem_due_at"] == "2026-11-25T23:16:00.000000Z"


def test_what_a_person_states_goes_first_and_says_so(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    journal_in(directory)(
        started("report", run_id=REPORT),
        note("started_at", "2026-11-23T23:00:00Z"),
        note("detected_at", "2026-11-24T00:10:00+01:00"),
        note("detected_at", "yesterday"),  # no time: it states nothing
        note("acknowledged_at", "2026-11-23T23:12:00Z"),
        note("root_cause", "A release removed the limit"),
        note("impact_users", 1200),
        note("impact_data", "unknown"),
        note("lesson", "Alert earlier"),
        note("owner:find the leak", "carol"),
        note("due:Raise the alarm earlier", "2026-12-24"),
        note("done:raise the alarm earlier", value=True),
        note("owner:no such thing", "carol"),
        ENDED,
        run_id=REPORT,
    )
    made = record(content_of(directory))
    assert made["outcome"] == "resolved"  # the report says nothing of the platform
    assert made["detected_at"] == {"at": "2026-11-23T23:10:00.000000Z", "source": "stated", "basis": "stated by alice"}
    assert made["metrics"] == {"ttd_s": 600.0, "tta_s": 120.0, "ttm_s": 350.0, "ttr_s": 360.0}
    assert made["sla"]["counted_from_what"] == "detected"
    assert made["sla"]["elapsed_s"] == 360.0
    assert (made["root_cause"]["text"], made["root_cause"]["by"]) == ("A release removed the limit", "alice")
    assert made["root_cause"]["source"] == "stated"
    assert made["impact"]["users"] == {"value": "1200", "source": "stated", "by": "alice"}
    assert made["impact"]["data"]["value"] == "unknown"
    assert made["impact"]["revenue"] == {"value": "unknown", "source": "unknown", "by": None}
    assert [lesson["text"] for lesson in made["lessons"]] == ["Alert earlier"]
    leak, alarm = made["follow_ups"]
    assert (leak["owner"], leak["due_source"]) == ("carol", "default")
    assert leak["due"] == "2026-12-07T23:16:00.000000Z"
    assert (alarm["due"], alarm["due_source"], alarm["done"]) == ("2026-12-24", "stated", True)
    assert made["unassigned"] == []  # what is done needs no owner
    keys = {gap["key"] for gap in made["gaps"]}
    assert {"impact_data", "impact_revenue"} <= keys
    assert not {"detected_at", "root_cause", "impact_users", "owner"} & keys


def test_follow_ups_are_merged_over_the_runs(tmp_path: Path) -> None:
    made = record(content_of(incident_in(tmp_path)))
    leak, alarm = made["follow_ups"]
    assert (leak["title"], leak["owner"], len(leak["run_ids"])) == ("Find the leak", "bob", 2)
    assert (alarm["due"], alarm["due_source"]) == ("2026-11-24T00:15:00.000000Z", "recorded")
    assert made["unassigned"] == ["Raise the alarm earlier"]
    assert [gap["how"] for gap in made["gaps"] if gap["key"] == "owner"] == [
        f"runbook post-incident {INCIDENT} --owner 2=NAME"
    ]


def test_the_cause_that_the_effective_action_removes_comes_first(tmp_path: Path) -> None:
    cause = record(content_of(incident_in(tmp_path)))["root_cause"]
    assert (cause["source"], cause["text"]) == ("inferred", "connection_leak: 16 at rest")
    assert [item["cause"] for item in cause["causes"]] == ["connection_leak", "server_slots_exhausted"]
    assert [item["addressed"] for item in cause["causes"]] == [True, False]


def test_the_causes_of_the_plan_decide_where_it_names_them(tmp_path: Path) -> None:
    plan = ("plan", {"digest": None, "remediations": [{"id": "kill", "causes": ["server_slots_exhausted"]}]})
    acted = action(id="kill")
    made = of(tmp_path, started(), LEAK, finding(), plan, acted, verification(), ENDED)
    assert made["root_cause"]["causes"][0]["cause"] == "server_slots_exhausted"


@pytest.mark.parametrize(("verdict", "outcome"), [("unresolved", "unresolved"), ("unverified", "unverified")], ids=str)
def test_an_action_that_is_not_shown_to_help_mitigates_nothing(tmp_path: Path, verdict: str, outcome: str) -> None:
    made = of(tmp_path, started(), finding(), PLAN, action(), verification(verdict), ENDED)
    assert made["outcome"] == outcome
    assert made["mitigated_at"]["source"] == made["resolved_at"]["source"] == "unknown"
    assert (made["metrics"]["ttm_s"], made["metrics"]["ttr_s"], made["duration_s"]) == (None, None, None)
    assert made["sla"]["breached"] is True  # judged nine hours later
    assert made["report_due_at"] == "2026-11-24T23:14:10.000000Z"  # a day after the detection


def test_without_an_instant_an_open_incident_is_not_judged(tmp_path: Path) -> None:
    content = journal_in(tmp_path)(started(), finding(), ENDED)
    assert incident_record(content)["sla"]["breached"] is None
    assert incident_record(content, as_of=dt.datetime(2026, 11, 23, 23, 20, tzinfo=dt.UTC))["sla"]["breached"] is None


def test_where_nothing_was_wrong_nothing_is_due(tmp_path: Path) -> None:
    made = of(tmp_path, started("diagnose"), finding("ok", cause=None, recommend=[]), ENDED)
    assert (made["outcome"], made["report_due_at"], made["gaps"]) == ("healthy", None, [])
    assert made["sla"]["breached"] is None
    assert made["detected_at"]["source"] == "unknown"


def test_a_later_diagnosis_that_finds_nothing_tells_of_the_recovery(tmp_path: Path) -> None:
    write = journal_in(tmp_path)
    write(started(), finding(), action(), verification("unverified"), ENDED)
    made = record(write(started("diagnose", run_id=SECOND), finding("ok", cause=None), ENDED, run_id=SECOND))
    assert made["outcome"] == "healthy"
    assert made["resolved_at"]["at"] == at(60)
    assert "found nothing wrong any more" in made["resolved_at"]["basis"]
    assert made["mitigated_at"]["source"] == "inferred"  # nobody verified it


def test_what_was_measured_counts_although_another_action_was_refused(tmp_path: Path) -> None:
    refused = action("refused", id="resize-pool", changed=False)
    made = of(tmp_path, started(), finding(), action(), refused, verification(), ENDED)
    assert (made["outcome"], made["resolved_at"]["at"]) == ("refused", at(40))
    assert (made["mitigated_at"]["at"], made["sla"]["breached"]) == (at(20), False)
    blind = finding("unknown", check="other")
    made = of(tmp_path / "b", started(), finding(), blind, action(), refused, verification(), ENDED)
    assert made["resolved_at"]["source"] == "unknown"


def test_trouble_that_came_back_is_no_recovery(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    made = of(directory, started("diagnose"), finding(), ENDED)
    assert (made["outcome"], made["resolved_at"]["at"]) == ("findings", None)


def test_a_run_that_never_looked_does_not_decide(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    assert of(directory, started(), error("locked"), ENDED)["outcome"] == "resolved"


def test_a_run_that_was_cut_off_while_it_acted_does(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    assert of(directory, started(), step(1, "Terminate", mutates=True))["outcome"] == "unknown"


def test_a_report_that_was_cut_off_does_not(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    assert of(directory, started("report"), step(1, "Send", mutates=True))["outcome"] == "resolved"


def test_findings_show_their_first_trouble_and_their_last_state(tmp_path: Path) -> None:
    write = journal_in(tmp_path)
    write(started("diagnose"), finding("ok", cause=None, summary="fine"), ENDED)
    write(started("diagnose", run_id=SECOND), finding("down", summary="full"), ENDED, run_id=SECOND)
    made = record(write(started("diagnose", run_id=REPORT), finding("ok", summary="calm"), ENDED, run_id=REPORT))
    (only,) = made["findings"]
    assert (only["first"]["summary"], only["first"]["run_id"]) == ("full", SECOND)
    assert (only["last"]["summary"], only["last"]["run_id"]) == ("calm", REPORT)


def test_figures_are_what_can_be_compared(tmp_path: Path) -> None:
    (verdict,) = record(content_of(incident_in(tmp_path)))["verification"]
    assert verdict["figures"] == [
        {"name": "used_ratio", "baseline": 1.0, "samples": [0.53, 0.29], "target": 0.7},
        {"name": "used", "baseline": 17, "samples": [9, 5], "target": None},
    ]


def test_messages_stand_as_they_stood_last(tmp_path: Path) -> None:
    draft = notification(id=None, status="draft", cause="diagnose")
    write = journal_in(tmp_path)
    write(started("diagnose"), finding(), draft, draft, ENDED)
    made = record(content_of(tmp_path))
    assert [item["status"] for item in made["notifications"]] == ["draft"]
    assert "draft" in next(row for row in made["milestones"] if row["milestone"] == "team_paged")["basis"]
    write(started(run_id=SECOND), notification(status="failed", cause="timeout"), ENDED, run_id=SECOND)
    made = record(content_of(tmp_path))
    assert [item["status"] for item in made["notifications"]] == ["failed"]
    paged = next(row for row in made["milestones"] if row["milestone"] == "team_paged")
    assert (paged["source"], paged["basis"]) == ("unknown", "the page was not sent: failed, timeout")
    write(started("report", run_id=REPORT), notification(), notification(status="already_sent"), ENDED, run_id=REPORT)
    made = record(content_of(tmp_path))
    (page,) = made["notifications"]
    assert (page["status"], page["first_at"]) == ("sent", at(90))
    paged = next(row for row in made["milestones"] if row["milestone"] == "team_paged")
    assert (paged["at"], paged["source"]) == (at(90), "observed")


def test_that_it_is_over_is_no_page(tmp_path: Path) -> None:
    made = of(tmp_path, started(), finding(), notification(stage="resolved"), ENDED)
    assert next(row for row in made["milestones"] if row["milestone"] == "team_paged")["source"] == "unknown"


def test_all_runs_share_one_timeline(tmp_path: Path) -> None:
    made = record(content_of(incident_in(tmp_path)))
    times = [event["at"] for event in made["timeline"]]
    assert times == sorted(times)
    assert {event["run_id"] for event in made["timeline"]} == {run["id"] for run in made["runs"]}
    assert [run["outcome"] for run in made["runs"]] == ["findings", "resolved"]


def test_a_run_that_is_under_way_is_no_error(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    content = journal_in(directory)(started("report", run_id=REPORT), run_id=REPORT)
    assert [item["code"] for item in record(content)["errors"]] == ["interrupted"]
    made = record(content, current_run=REPORT)
    assert made["errors"] == []
    assert (made["runs"][-1]["under_way"], made["runs"][-1]["outcome"]) == (True, None)


def test_damage_is_among_the_errors() -> None:
    made = record(b"", problems=["line 3: edited"])
    assert [(item["code"], item["run_id"]) for item in made["errors"]] == [("journal_damaged", None)]


def test_the_alert_that_a_run_was_given_is_stated(tmp_path: Path) -> None:
    kind, data = started()
    data["run"]["detected_at"] = "2026-11-23T23:13:00Z"
    made = of(tmp_path, (kind, data), finding(), ENDED)
    assert (made["detected_at"]["at"], made["detected_at"]["source"]) == ("2026-11-23T23:13:00.000000Z", "stated")


def test_a_journal_cut_at_any_line_and_inside_of_lines_folds(tmp_path: Path) -> None:
    directory = incident_in(tmp_path, finding(summary=HOSTILE), note("root_cause", HOSTILE), error("internal"))
    content = content_of(directory)
    ends = [place for place, byte in enumerate(content) if byte == 10]
    for end in [0, *(place + beside for place in ends for beside in (-7, 0, 1))]:
        record(content[:end])


@pytest.mark.parametrize("odd", [None, 7, [], {"a": [None]}, "x", True, [{"b": {}}]], ids=repr)
def test_odd_values_never_break_it(tmp_path: Path, odd: Any) -> None:
    kinds = ("finding", "plan", "action", "verification", "notification", "evidence", "follow_up", "notice", "note")
    keys = (
        *("id", "title", "status", "baseline", "target", "samples", "payload", "due", "due_after_s", "owner", "key"),
        *("value", "by", "path", "sha256", "bytes", "remediations", "approval", "causes", "purpose", "stage", "files"),
        *("cause", "recommend", "results", "before", "after", "changed", "started_at", "done", "files", "code"),
    )
    entries: list[Entry] = [(kind, dict.fromkeys(keys, odd)) for kind in kinds]
    of(tmp_path, started(), *entries, ("error", {"code": odd, "message": odd}), ENDED)


ROLLBACK = "run-20261123T233000Z-0010"


def test_a_rollback_says_nothing_of_the_platform(tmp_path: Path) -> None:
    """What it restored is as before; whether the incident is over was looked at by nobody."""
    tmp_path = tmp_path / INCIDENT
    tmp_path.mkdir()
    write = journal_in(tmp_path)
    write(started(), finding("down"), action(), verification("unresolved"), ENDED, run_id="run-20261123T231455Z-0001")
    back = action(rolls_back={"remediation": "kill-idle-connections", "run_id": "run-20261123T231455Z-0001"})
    made = record(write(started("rollback"), back, verification(check="rollback"), ENDED, run_id=ROLLBACK))
    assert made["outcome"] == "unverified"
    assert made["resolved_at"]["at"] is None


def test_a_mere_look_at_what_could_be_rolled_back_changes_nothing(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    before = record(content_of(directory))
    found = finding("degraded", check="rollback/resize-pool", component="rollback")
    made = record(journal_in(directory)(started("rollback", check_mode=True), found, ENDED, run_id=ROLLBACK))
    assert (made["outcome"], made["resolved_at"], made["sla"]["breached"]) == (
        before["outcome"],
        before["resolved_at"],
        False,
    )
    assert [item["check"] for item in made["findings"]] == [item["check"] for item in before["findings"]]


@pytest.mark.parametrize(
    ("entries", "outcome"),
    [
        ([started("diagnose"), error("no_hosts"), ENDED], "failed"),
        ([started("diagnose"), error("no_findings"), ENDED], "incomplete"),
        ([started("diagnose")], "unknown"),
    ],
)
@pytest.mark.parametrize("check_mode", [True, False])
def test_nothing_to_restore_makes_no_incident_healthy(
    tmp_path: Path, entries: list[Entry], outcome: str, check_mode: bool
) -> None:
    assert of(tmp_path / INCIDENT, *entries)["outcome"] == outcome
    nothing = finding("skipped", check="rollback", component="rollback")
    back = [started("rollback", check_mode=check_mode), nothing, ENDED]
    made = of(tmp_path / INCIDENT, *back, run_id=ROLLBACK)
    assert (made["outcome"], made["outcome_run_id"]) == (outcome, "run-20261123T232500Z-0009")
    told = [started("report"), ENDED]
    assert of(tmp_path / INCIDENT, *told, run_id=REPORT)["outcome"] == outcome


def test_a_rollback_alone_says_nothing_of_the_incident(tmp_path: Path) -> None:
    nothing = finding("skipped", check="rollback", component="rollback")
    made = of(tmp_path / INCIDENT, started("rollback"), nothing, ENDED, run_id=ROLLBACK)
    assert (made["outcome"], made["outcome_run_id"]) == ("unknown", None)


@pytest.mark.parametrize(
    ("entries", "shown"),
    [
        ([started("rollback", check_mode=True), ENDED], False),
        ([started("rollback", check_mode=True)], False),
        ([started("rollback"), ENDED], False),
        ([started("rollback"), action("refused", changed=False), ENDED], False),
        ([started("rollback"), action(), ENDED], True),
        ([started("rollback"), action("unknown"), ENDED], True),
        ([started("rollback"), step(1, "Give back", mutates=True)], True),
        ([started("report"), ENDED], False),
        ([started("diagnose"), error("no_hosts"), ENDED], True),
    ],
)
def test_the_run_that_is_shown_says_how_the_incident_stands(tmp_path: Path, entries: list[Entry], shown: bool) -> None:
    content = journal_in(incident_in(tmp_path))(*entries, run_id=ROLLBACK)
    assert run_to_show(records_of(content)) == (ROLLBACK if shown else SECOND)


def test_a_refused_run_that_found_nothing_wrong_ends_no_recovery(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    before = record(content_of(directory))
    made = record(journal_in(directory)(started(), finding("ok"), error("plan_changed"), ENDED, run_id=ROLLBACK))
    assert made["resolved_at"] == before["resolved_at"]


def test_when_a_page_went_out_is_known_from_the_outbox(tmp_path: Path) -> None:
    """The run that sent it was killed before it could record that."""
    told = notification(status="already_sent", sent_at="2026-11-23T23:14:58.000000Z")
    made = of(tmp_path / INCIDENT, started(), finding("down"), told, ENDED)
    assert [item["first_at"] for item in made["notifications"]] == ["2026-11-23T23:14:58.000000Z"]
