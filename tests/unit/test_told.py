# SPDX-License-Identifier: GPL-3.0-or-later
"""What the text of a result says of approval, messages and undoing; and how an incident stands."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record import incident_record
from incident_runbooks.render.standing import standing_lines
from incident_runbooks.render.text import render
from support.incident_entries import HOSTILE, INCIDENT, content_of, incident_in, note, notification
from support.journal_entries import ENDED, Entry, action, finding, journal_in, started, step

APPROVAL = {
    "approved": ["restart-backend"], "decided_by": "alice", "second_approver": "bob", "reason": "no logins",
    "source": "file", "digest": "ab" * 32, "expires_at": "2026-11-24T00:00:00Z",
}  # fmt: skip


def text(directory: Path, *entries: Entry, check_mode: bool = False) -> str:
    content = journal_in(directory)(started(check_mode=check_mode), finding(), *entries, ENDED)
    return render(fold(content), colour=False)


def test_the_approval_is_shown(tmp_path: Path) -> None:
    shown = text(tmp_path, ("plan", {"digest": None, "approval": APPROVAL, "remediations": []}))
    assert "Approved\n  restart-backend, by alice and bob (file)\n    because no logins\n" in shown
    assert "plan abababababa…, good until 2026-11-24T00:00:00Z" in shown


def test_a_failed_page_is_the_first_thing(tmp_path: Path) -> None:
    shown = text(tmp_path, notification(status="failed", cause="timeout", message="no answer in 3 s"))
    lines = shown.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("NOT PAGED: on-call"))
    assert place < next(number for number, line in enumerate(lines) if line == "Findings")
    assert "no answer in 3 s" in lines[place]
    assert f"runbook notify {INCIDENT} --now" in lines[place + 1]
    (tmp_path / "called").mkdir()
    notice = {"code": "not_paged", "message": "NOT PAGED", "call": "call the on-call engineer (+44 20 7946 0000)"}
    shown = text(tmp_path / "called", notification(status="failed", cause="timeout"), ("notice", notice))
    assert f"call the on-call engineer (+44 20 7946 0000), then: runbook notify {INCIDENT} --now" in shown


CALL = "call the on-call engineer (+44 20 7946 0000)"


def missed(why: str, page: str = "0001-page", to: str = "security") -> Entry:
    message = f"NOT PAGED ({to}): {why}; {CALL}, then: runbook notify {INCIDENT} --now"
    return "notice", {"code": "not_paged", "message": message, "call": CALL, "page": page}


@pytest.mark.parametrize("status", ["not_configured", "pending", None])
def test_a_page_that_nobody_got_is_the_first_thing_whatever_became_of_it(tmp_path: Path, status: str | None) -> None:
    why = "Paging: set pagerduty_routing_keys.security"
    page = [notification(status=status, cause=status, message=why)] if status else []
    lines = text(tmp_path, *page, missed(why), missed(why)).splitlines()
    place = lines.index(f"NOT PAGED (security): {why}")
    assert lines[place + 1] == f"{CALL}, then: runbook notify {INCIDENT} --now"
    assert place < lines.index("Findings")
    assert sum("NOT PAGED" in line for line in lines) == 1


@pytest.mark.parametrize("status", ["sent", "already_sent", "suppressed"])
def test_a_page_that_was_sent_since_is_not_called_missed(tmp_path: Path, status: str) -> None:
    failed = notification(status="failed", cause="timeout", message="no answer in 3 s")
    assert "NOT PAGED" not in text(tmp_path, failed, missed("no answer"), notification(status=status))
    (tmp_path / "another").mkdir()
    other = missed("it waits behind another", "0002-page", "billing")
    shown = text(tmp_path / "another", failed, missed("no answer"), other, notification(status=status))
    assert "NOT PAGED (billing): it waits behind another\n" in shown
    assert "(security)" not in shown


@pytest.mark.parametrize("more", [{"status": "sent"}, {"status": "failed", "stage": "resolved"}], ids=str)
def test_what_is_no_failed_page_is_not_called_one(tmp_path: Path, more: dict[str, Any]) -> None:
    assert "NOT PAGED" not in text(tmp_path, notification(**more))


def test_messages_and_drafts_are_told_apart(tmp_path: Path) -> None:
    failed = notification(id="2", channel="slack", purpose="internal", target="#i", status="failed", cause="throttled")
    draft = notification(id=None, channel="statuspage", purpose="users", status="draft", payload={"body": "We know."})
    shown = text(tmp_path, notification(), failed, draft)
    assert "Told\n  sent  pagerduty page opened on-call\n  failed  slack internal opened #i\n    throttled\n" in shown
    assert "Not sent: drafts\n  statuspage users opened on-call\n    We know.\n" in shown


def test_notices_and_statements_are_shown(tmp_path: Path) -> None:
    shown = text(
        tmp_path, ("notice", {"code": "lease_taken_over", "message": "Taken over"}), note("root_cause", "leak")
    )
    assert "Notices\n  Taken over\n" in shown
    assert "Stated\n  root cause: leak (alice)\n" in shown


@pytest.mark.parametrize(
    ("more", "check_mode", "offered"),
    [
        ({"can_roll_back": True}, False, True),
        ({"can_roll_back": False}, False, False),
        ({}, False, False),
        ({"can_roll_back": True, "changed": False}, False, False),
        ({"can_roll_back": True}, True, False),
        ({"can_roll_back": True, "rolls_back": {"remediation": "x", "run_id": "y"}}, False, False),
    ],
)
def test_undoing_is_offered_where_it_can_be_done(
    tmp_path: Path, more: dict[str, Any], check_mode: bool, offered: bool
) -> None:
    shown = text(tmp_path, action(id="resize-pool", **more), check_mode=check_mode)
    assert (f"undo: runbook rollback {INCIDENT} --only resize-pool" in shown) is offered


def test_hostile_text_is_neutral(tmp_path: Path) -> None:
    hostile = dict.fromkeys(("channel", "purpose", "target", "cause", "message"), HOSTILE)
    shown = text(
        tmp_path,
        notification(**hostile, status="failed"),
        notification(id="b", target=HOSTILE, status="draft", payload={"text": HOSTILE}),
        ("notice", {"code": HOSTILE, "message": HOSTILE}),
        note(HOSTILE, HOSTILE, by=HOSTILE),
        ("plan", {"digest": HOSTILE, "approval": {**dict.fromkeys(APPROVAL, HOSTILE), "approved": [HOSTILE]}}),
    )
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert max(map(len, shown.splitlines())) < 700


def test_a_run_that_only_told_does_not_say_healthy(tmp_path: Path) -> None:
    content = journal_in(tmp_path)(started("report"), notification(), ENDED)
    assert render(fold(content), colour=False).startswith("pool-exhaustion: DONE, it says nothing of the platform\n")


def standing(directory: Path, now: str, update: dict[str, Any] | None = None) -> list[str]:
    moment = dt.datetime.fromisoformat(now)
    made = incident_record(content_of(directory), incident_id=INCIDENT, as_of=moment)
    return standing_lines(made, update, moment, colour=False)


def test_what_is_due_is_said(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    lines = standing(directory, "2026-11-24T00:16:00+00:00", {"due_at": "2026-11-24T00:31:00Z"})
    assert lines == [
        "Runs      2, the incident: resolved",
        f"Update    due 2026-11-24T00:31Z, in 15 min: runbook notify {INCIDENT} --update TEXT",
        f"Report    due 2026-11-24T23:16Z, in 23 h: runbook post-incident {INCIDENT}",
        "Review    post-mortem due 2026-11-25T23:16Z, in 1 d 23 h",
    ]


def test_what_is_overdue_is_said(tmp_path: Path) -> None:
    directory = incident_in(tmp_path)
    lines = standing(directory, "2026-11-26T23:16:00+00:00", {"due_at": "2026-11-24T00:31:00Z"})
    assert [line.split()[1] for line in lines] == ["2,", "OVERDUE", "OVERDUE", "post-mortem"]
    directory = incident_in(tmp_path / "b", ("notice", {"code": "report_written", "message": "written"}))
    assert not any(line.startswith("Report") for line in standing(directory, "2026-11-26T23:16:00+00:00"))


def test_a_cut_off_run_can_be_shown(tmp_path: Path) -> None:
    content = journal_in(tmp_path)(started(), step(1, "Terminate", mutates=True))
    assert "UNKNOWN" in render(fold(content), colour=False)
