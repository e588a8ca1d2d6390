# SPDX-License-Identifier: GPL-3.0-or-later
"""Results for people: complete, and harmless whatever is in them."""

from __future__ import annotations

from typing import Any

import pytest

from incident_runbooks import catalogue
from incident_runbooks.cli import list as list_command
from incident_runbooks.render.details import listed, results
from incident_runbooks.render.neutral import fit, neutral, one_line, width
from incident_runbooks.render.table import table
from incident_runbooks.render.text import duration, next_command, render

HOSTILE = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\u202eevil\u2066\u200b\ud800 {{ 7*7 }}"
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"


@pytest.mark.parametrize(
    "character", [*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), *BIDI, "\u2028", "\ufeff"]
)
def test_no_control_character_reaches_the_terminal(character: str) -> None:
    shown = neutral(f"a{character}b")
    assert shown.startswith("a\\")
    assert shown.isascii()
    assert shown.isprintable()


def test_ordinary_text_stays() -> None:
    assert neutral("Größe 漢字 ✓ é") == "Größe 漢字 ✓ é"


def test_width_is_in_columns_and_bounded() -> None:
    assert width("漢字") == 4
    assert fit("漢字漢字", 5) == "漢字…"
    assert one_line("x" * 10_000_000, 10) == "x" * 9 + "…"
    assert width(one_line(HOSTILE * 1000, 80)) <= 80


def test_a_table_keeps_its_columns() -> None:
    text = table(["A", "B"], [["x\ny", "1"], ["漢", HOSTILE]])
    assert len(text.splitlines()) == 3
    assert "\x1b" not in text


@pytest.mark.parametrize("wide", [0, 90, 119, 120, 200])
def test_the_list_of_incident_types_shows_every_remediation(wide: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_command, "columns", lambda: wide)
    types = catalogue.incident_types()
    text = list_command._text(types)
    said = " ".join(text.split())
    for kind in types:
        assert all(f"{item.id} ({item.risk})" in said for item in kind.remediations), kind.name
    assert wide == 0 or max(map(len, text.splitlines())) <= wide
    assert wide > 0 or len(text.splitlines()) == 1 + len(types)


def test_the_last_column_of_a_table_continues_below_itself() -> None:
    rows = [["down", "17 of 17 usable slots in use"], ["ok", "fine"]]
    assert table(["S", "SUMMARY"], rows, columns=32).splitlines() == [
        "S     SUMMARY",
        "down  17 of 17 usable slots in",
        "      use",
        "ok    fine",
    ]
    assert len(table(["S", "SUMMARY"], rows).splitlines()) == 3
    assert len(table(["S", "SUMMARY"], rows, columns=12).splitlines()) == 3, "too narrow to be read"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "at once"), (2.44, "2.4 s"), (59, "59 s"), (60, "1 min"), (90, "1 min 30 s"),
     (900, "15 min"), (5400, "1 h 30 min"),
     (14400, "4 h"), (None, "-")],
)  # fmt: skip
def test_durations(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def result(**parts: Any) -> dict[str, Any]:
    incident = {"id": "pool-exhaustion-20260101T000000Z-0001", "type": "pool-exhaustion", "title": "Pool exhaustion"}
    return {
        "schema_version": "1.0",
        "incident": {**incident, "severity": "critical", "priority": "P1", "impact": "Complete API failure"},
        "run": {"id": "run-1", "mode": "diagnose", "check_mode": False, "operator": "ada", "inventory": ["/etc/inv"],
                "started_at": "t", "ended_at": "t", "duration_s": 2.0, "versions": {}},
        "outcome": "findings",
        "sla": {"target_s": 900, "deadline": "2026-01-01T00:15:00Z", "elapsed_s": 2.0, "breached": False},
        "plan": {"digest": None, "remediations": []},
        **{key: [] for key in ("findings", "actions", "verification", "notifications", "evidence")},
        **{key: [] for key in ("follow_ups", "timeline", "errors")},
        **parts,
    }  # fmt: skip


REMEDIATION = {
    "id": "kill-idle-connections", "title": "Terminate idle sessions", "risk": "disruptive", "status": "recommended",
    "reason": "postgres/connections: full", "approved": False, "preview": {},
    "targets": [{"pid": pid, "user": "app"} for pid in range(30)], "excluded": [{"pid": 99, "reason": "listens"}],
}  # fmt: skip


def test_the_next_command_is_complete_and_quoted() -> None:
    command = next_command(result(), ["kill-idle-connections"], ["--inventory", "/my inv", "--min-idle-s", "5"])
    assert command == (
        "runbook run pool-exhaustion --incident pool-exhaustion-20260101T000000Z-0001 --remediate "
        "--approve kill-idle-connections --inventory '/my inv' --min-idle-s 5"
    )


def test_a_diagnosis_shows_findings_and_what_to_type() -> None:
    finding = {"check": "connections", "component": "postgres", "status": "down", "summary": "17 of 17", "cause": "x",
               "next_step": "Free one slot"}  # fmt: skip
    text = render(result(findings=[finding], plan={"digest": "x", "remediations": [REMEDIATION]}), colour=False)
    assert "pool-exhaustion: FINDINGS, something is wrong" in text
    assert "down    postgres   connections  x      17 of 17" in text
    assert "postgres/connections: Free one slot" in text
    assert "would touch 30, each user=app:\n      pid: 0, 1, 2," in text
    assert "reason=listens" in text
    assert "runbook run pool-exhaustion --incident" in text
    assert "kept so far" in text


def test_a_rollback_says_nothing_of_the_platform() -> None:
    run = {**result()["run"], "mode": "rollback"}
    for check_mode in (True, False):
        text = render(result(run={**run, "check_mode": check_mode}, outcome="healthy"), colour=False)
        assert text.startswith("pool-exhaustion: DONE, there is nothing to restore; it says nothing of the platform\n")
    look = render(result(run={**run, "check_mode": True}, outcome="findings"), colour=False)
    assert look.startswith("pool-exhaustion: FINDINGS, something is not as it was before the runs\n")
    assert "HEALTHY" in render(result(outcome="healthy"), colour=False)


def test_a_look_before_a_rollback_shows_what_to_type_to_restore() -> None:
    entry = {**REMEDIATION, "id": "resize-pool", "reason": "POOL goes back from 5 to 9"}
    rollback = {**result()["run"], "mode": "rollback", "check_mode": True}
    text = render(
        result(run=rollback, plan={"digest": "ab" * 32, "remediations": [entry]}),
        colour=False,
        again=["--inventory", "/my inv"],
    )
    assert "Would be restored (plan abababababab)\n  resize-pool (disruptive): " in text
    assert (
        "    runbook rollback pool-exhaustion-20260101T000000Z-0001 --only resize-pool --inventory '/my inv'\n" in text
    )
    assert "--remediate" not in text, "what is to be undone is not done again"
    assert "Recommended" not in text


def test_what_is_destructive_to_undo_is_shown_with_the_digest_and_all_that_it_is_of() -> None:
    ids = ("quarantine-pods", "preserve-evidence")
    entries = [{**REMEDIATION, "id": name, "risk": "destructive"} for name in ids]
    rollback = {**result()["run"], "mode": "rollback", "check_mode": True}
    text = render(result(run=rollback, plan={"digest": "ab" * 32, "remediations": entries}), colour=False)
    both = "--only quarantine-pods --only preserve-evidence --plan-digest abababababab\n"
    assert text.count(both) == 2


def test_items_are_listed_by_what_tells_them_apart() -> None:
    rows = [{"pid": pid, "user": "app", "idle_s": pid * 2} for pid in range(30)]
    assert listed("would touch", rows)[:2] == ["    would touch 30, each user=app:", "      pid=0, idle_s=0"]
    assert listed("would touch", rows)[-1] == "      and 10 more"
    assert listed("would touch", rows[:1]) == ["    would touch 1:", "      pid=0, user=app, idle_s=0"]
    assert listed("would touch", ["a", "a"]) == ["    would touch 2:", "      a", "      a"]
    assert results([{"pid": pid, "result": "ended"} for pid in (4, 5)]) == ["    ended 2:", "      pid: 4, 5"]
    assert results([]) == listed("would touch", None) == []


def test_a_remediation_shows_before_after_and_verification() -> None:
    slots = {"before": {"slots": {"used": 17, "usable": 17}}, "after": {"slots": {"used": 5, "usable": 17}}}
    action = {**REMEDIATION, "status": "done", **slots,
              "results": [{"pid": 1, "since": "2026-01-01T00:00:00Z", "result": "terminated"}]}  # fmt: skip
    verdict = {"check": "connections", "status": "resolved", "summary": "5 of 17"}
    text = render(
        result(outcome="resolved", actions=[action], verification=[verdict], follow_ups=[{"title": "Fix the leak"}],
               plan={"digest": "x", "remediations": [REMEDIATION]}),
        colour=False,
    )  # fmt: skip
    for part in (
        "before: slots.used=17\n",
        "after: slots.used=5\n",
        "terminated 1:",
        "result=terminated, pid=1\n",
        "Fix the leak",
    ):
        assert part in text
    assert "Recommended" not in text, "what was done is not recommended again"


def test_a_document_full_of_hostile_text_is_harmless() -> None:
    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: poison(item) for key, item in value.items()}
        return (
            [poison(item) for item in value]
            if isinstance(value, list)
            else HOSTILE
            if isinstance(value, str)
            else value
        )

    document = poison(
        result(
            findings=[
                {"check": "c", "component": "p", "status": "down", "summary": "s", "cause": "c", "next_step": "n"}
            ],
            plan={"digest": "x", "remediations": [{**REMEDIATION, "risk": "x"}, {**REMEDIATION, "status": "no"}]},
            actions=[{"id": "i", "status": "s", "title": "t", "risk": "r", "reason": "r", "before": {"k": "v"}}],
            verification=[{"check": "c", "status": "s", "summary": "s", "next_step": "n"}],
            errors=[{"code": "c", "message": "m", "hint": "h", "component": "p"}],
            follow_ups=[{"title": "t"}],
        )
    )
    document["plan"]["remediations"][0]["status"] = "recommended"
    document["plan"]["remediations"][0]["id"] = "other\x1b[2J"
    for colour in (False, True):
        text = render(document, colour)
        remainder = text.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[31m", "")
        assert all(character == "\n" or character.isprintable() for character in remainder)


def test_colours_only_when_wanted() -> None:
    document = result(outcome="failed", errors=[{"code": "internal", "message": "m"}])
    assert "\x1b" not in render(document, colour=False)
    assert "\x1b[31mFAILED\x1b[0m" in render(document, colour=True)
