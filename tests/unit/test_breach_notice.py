# SPDX-License-Identifier: GPL-3.0-or-later
"""Drafts of the notices of a breach: only what is true, blanks for the rest, and no version written twice."""

from __future__ import annotations

import datetime as dt
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.action.breach_notice import ActionModule
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import breach_notice
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_measures import taken
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import breach_drafts
from support.incident_entries import HOSTILE

Json = dict[str, Any]
INCIDENT = "data-breach-20261127T214000Z-3fa1"
AWARE = "2026-11-27T21:40:00Z"
LATER = "2026-11-27T22:40:00Z"
AT = "2026-11-28T10:00:00.000000Z"
KNOWN: Json = {
    "aware_at": AWARE,
    "risk": "high",
    "contact_name": "Data Protection Officer",
    "contact_email": "dpo@brandconnect.example",
    "nature": "An account was taken over.",
    "occurred_from": "2026-11-20T01:00:00Z",
    "occurred_to": "2026-11-27T21:00:00Z",
    "how_found": "An alert on exports.",
    "people_categories": ["creators"],
    "people_count": 42,
    "data_categories": ["name", "e-mail address"],
    "record_count": 318,
    "consequences": ["Messages that pretend to be from us"],
    "measures_proposed": ["A test of the platform by others"],
    "reset_url": "https://brandconnect.example/reset",
    "settings_url": "https://brandconnect.example/settings",
    "security_contact": "security@brandconnect.example",
}


def action(name: str, status: str = "done", **more: Any) -> Json:
    return {"id": name, "title": f"Title of {name}", "status": status, "changed": True, "ended_at": AT, **more}


def reset(scope: str | None, count: int, status: str = "done", **more: Any) -> Json:
    return action("reset-credentials", status, before={"scope": scope}, targets=[{"count": count}], **more)


def verdict(check: str, status: str) -> Json:
    return {"check": check, "status": status, "cause": None}


def sheet(
    actions: list[Json] | None = None, *, after_h: float = 20, recorded: dict[str, str] | None = None, **given: Any
) -> Json:
    defaults = {name: option.get("default") for name, option in ActionModule.argument_spec.items()}
    options = {**defaults, "controller": "BrandConnect Ltd", "aware_at": AWARE, **given}
    breach_notice.check(options)
    now = dt.datetime(2026, 11, 27, 21, 40, tzinfo=dt.UTC) + dt.timedelta(hours=after_h)
    measures, _ = taken(actions or [], wording=options["measures"], people=options["people_count"])
    return breach_notice.sheet(options, breach_notice.read_clock(options, recorded or {}, now), measures, INCIDENT)


def drafts(actions: list[Json] | None = None, **given: Any) -> dict[str, str]:
    return breach_drafts.render(sheet(actions, **given))


def test_a_draft_with_everything_has_no_blank() -> None:
    found = drafts([action("revoke-sessions"), reset("affected", 42)], **KNOWN)
    for kind, text in found.items():
        assert "NOT KNOWN" not in text, text
        assert kind == "register" or text.startswith("DRAFT - NOT SENT - LEGAL REVIEW REQUIRED\n")
    regulator = found["regulator"]
    for line in (
        "To: Information Commission (ICO) (https://ico.org.uk/for-organisations/report-a-breach/)",
        "72 hours end: 2026-11-30T21:40:00Z (Monday 30 November 2026 21:40 GMT)",
        "(a) NATURE OF THE BREACH",
        "Number of people concerned: about 42",
        "Number of records concerned: about 318",
        "E-mail: dpo@brandconnect.example",
        "- Messages that pretend to be from us",
        "- 2026-11-28T10:00:00Z: The sessions concerned were ended.",
        "Telling the people concerned (Art. 34): required, without undue delay",
    ):
        assert line in regulator.splitlines(), regulator
    assert "REASONS FOR THE DELAY" not in regulator
    assert json.loads(found["register"])["legal_review"] is True


def test_what_nobody_knows_is_a_marked_blank() -> None:
    given = sheet()
    assert set(given["blanks"]) == set(breach_notice.WANTED)
    text = breach_drafts.render(given)["regulator"]
    for what in breach_notice.WANTED.values():
        assert f"[NOT KNOWN YET: {what}]" in text
    assert "duty to notify: not decided, taken as yes until it is" in text
    mail = breach_drafts.render(given)["customer-email"]
    assert "unauthorized access to [NOT KNOWN YET: which kinds of data are concerned]" in mail
    assert "[NOTHING THAT CAN BE SAID YET]" in mail


def test_zero_is_known_and_a_gap_makes_it_at_least() -> None:
    assert "people_count" not in sheet(people_count=0)["blanks"]
    assert "affecting at least 42 users" in drafts(people_count=42, counts_are="at_least")["customer-email"]


def test_the_seeds_email_claims_only_what_was_done() -> None:
    oauth = action("revoke-oauth", before={"scope": "affected"})
    mail = drafts([oauth, action("quarantine-pod")], **KNOWN)["customer-email"]
    assert "Subject: URGENT: Security Incident Notification" in mail
    assert "We discovered unauthorized access to name, e-mail address affecting about 42 users." in mail
    assert "1. Revoked the access to connected social accounts\n2. Isolated the affected system\n" in mail
    assert "eset the passwords" not in mail
    assert "Set new password" not in mail
    assert "Connect your social accounts again" in mail
    mail = drafts([reset("affected", 43)], **KNOWN)["customer-email"]
    assert "1. Reset the passwords of the accounts concerned" in mail
    assert "- Set new password: https://brandconnect.example/reset" in mail


@pytest.mark.parametrize(
    ("actions", "named", "caveat"),
    [
        ([action("revoke-tokens")], ["revoke-tokens"], ""),
        ([action("revoke-tokens", "failed")], [], ""),
        ([action("revoke-tokens", "refused", changed=False)], [], ""),
        ([action("revoke-tokens", "nothing_to_do", changed=False)], [], ""),
        ([action("revoke-tokens", "unknown")], [], "not known whether"),
        ([action("revoke-tokens", check_mode=True)], [], ""),
        ([action("revoke-tokens"), action("revoke-tokens", rolls_back={"run_id": "r"})], [], "given back"),
        ([action("revoke-tokens"), action("revoke-tokens", "nothing_to_do", changed=False)], ["revoke-tokens"], ""),
        ([action("revoke-tokens", "partial")], ["revoke-tokens"], "in part only"),
        ([action("revoke-tokens", "partial"), action("revoke-tokens")], ["revoke-tokens"], ""),
        ([action("something-else")], ["something-else"], ""),
    ],
)
def test_measures_are_what_the_record_shows(actions: list[Json], named: list[str], caveat: str) -> None:
    measures, caveats = taken(actions)
    assert [item["id"] for item in measures] == named
    assert (caveat in "".join(caveats)) if caveat else not caveats
    told = [item["id"] for item in measures if item["people"]]
    assert told == [name for name in named if name != "something-else" and "partial" not in actions[-1]["status"]]


@pytest.mark.parametrize(
    ("actions", "told", "caveat"),
    [
        ([reset("suspects", 1)], False, "for the accounts under suspicion alone"),
        ([reset("suspects", 42)], False, "for the accounts under suspicion alone"),  # as many, and others
        ([action("reset-credentials")], False, "for whom reset-credentials was done is not recorded"),
        ([reset("known", 43)], False, "for those alone who are known"),
        ([reset("suspects", 1), reset("known", 43)], False, "for those alone who are known"),
        ([reset("known", 43), reset("affected", 42)], True, ""),
        ([reset("affected", 41)], False, "for 41 of 42 people"),
        ([reset("affected", 42)], True, ""),
        ([reset("suspects", 1), reset("affected", 43)], True, ""),
        ([reset("affected", 43), reset("suspects", 1)], True, ""),
        ([reset("suspects", 1), reset("affected", 43, "partial")], False, "in part only"),
    ],
)
def test_people_are_told_only_of_what_was_done_for_them(actions: list[Json], told: bool, caveat: str) -> None:
    measures, caveats = taken(actions, people=42)
    assert bool(measures[0]["people"]) is told
    assert (caveat in "".join(caveats)) if caveat else not caveats
    found = drafts(actions, **KNOWN)
    for kind in ("people", "customer-email"):
        assert ("Reset the passwords" in found[kind]) is told
        assert ("Set new password" in found[kind]) is told
    known, said = measures[0]["scope"] == "known", "In part: The passwords of the users concerned were"
    assert measures[0]["regulator"].startswith(said) is (known or "partial" in actions[-1]["status"])
    narrow = measures[0]["scope"] == "suspects"
    assert ("passwords of the accounts under suspicion were" in found["regulator"]) is narrow


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("reset-credentials", "reset_credentials"),
        ("revoke-suspect-access", "revoke_suspect_access"),
        ("revoke-suspect-sessions", "sessions_of_suspects"),
        ("revoke-all-sessions", "sessions_of_all"),
        ("quarantine-pods", "quarantine"),
    ],
)
def test_people_are_not_told_of_what_turned_out_not_to_hold(name: str, check: str) -> None:
    done = action(name, before={"scope": "all"})
    words = {name: {"regulator": "Done.", "people": "Done"}}
    for verdicts, told in (
        ([], True),
        ([verdict(check, "unresolved")], False),
        ([verdict("other", "unresolved")], True),
        ([verdict(check, "unresolved"), verdict(check, "resolved")], True),
        ([verdict(check, "resolved"), verdict(check, "unresolved")], False),
    ):
        (measure,), caveats = taken([done], verdicts, words)
        assert (measure["people"] == "Done") is told
        assert ("verification" in measure["regulator"]) is not told
        assert ("is unresolved" in "".join(caveats)) is not told


def test_a_moment_that_was_assumed_is_marked_and_never_a_fact() -> None:
    given = sheet(**{**KNOWN, "aware_at": None, "aware_at_assumed": AWARE})
    assert given["blanks"] == ["aware_at"]
    found = breach_drafts.render(given)
    assert "Aware of the breach since: [ASSUMED: 2026-11-27T21:40:00Z (Friday 27 November" in found["regulator"]
    assert "[NOT KNOWN YET: when somebody became aware]" in found["regulator"]
    assert "72 hours end: [ASSUMED: 2026-11-30T21:40:00Z" in found["regulator"]
    register = json.loads(found["register"])
    assert (register["aware_at"], register["assumed"]) == ("[ASSUMED: 2026-11-27T21:40:00.000000Z]", True)
    # whoever has said it, now or before, wins
    for said in ({"aware_at": LATER}, {"aware_at": None, "recorded": {"aware_at": LATER}}):
        stated = sheet(**{**KNOWN, **said, "aware_at_assumed": AWARE})
        assert (stated["assumed"], stated["blanks"]) == (False, [])
        assert stated["aware_at"] == "2026-11-27T22:40:00.000000Z"
        assert "ASSUMED" not in "".join(breach_drafts.render(stated).values())


def test_who_told_the_regulator_was_aware_by_then() -> None:
    given = sheet(aware_at=None, aware_at_assumed=LATER, notified_at=AWARE)
    assert (given["assumed"], given["aware_at"]) == (True, "2026-11-27T21:40:00.000000Z")


def test_when_the_regulator_was_told_is_remembered() -> None:
    given = sheet(after_h=500, recorded={"notified_at": "2026-11-28T21:40:00Z"}, **KNOWN)
    assert (given["late"], given["notified_at"]) == (False, "2026-11-28T21:40:00.000000Z")


@pytest.mark.parametrize(
    ("given", "blanks"),
    [
        ({}, ["risk_reasons", "risk_assessed_by"]),
        ({"risk_reasons": "  "}, ["risk_reasons", "risk_assessed_by"]),
        ({"risk_reasons": "Only encrypted data."}, ["risk_assessed_by"]),
        ({"risk_assessed_by": "The data protection officer"}, ["risk_reasons"]),
        ({"risk_reasons": "Only encrypted data.", "risk_assessed_by": "The data protection officer"}, []),
    ],
)
def test_a_risk_is_unlikely_only_with_reasons_and_somebody_who_answers_for_it(given: Json, blanks: list[str]) -> None:
    found = sheet(after_h=80, **{**KNOWN, "risk": "unlikely", "delay_reasons": "None yet.", **given})
    assert found["blanks"] == blanks
    assert found["regulator_duty"] == ("undecided" if blanks else "not_required")
    assert found["late"] is bool(blanks)
    text = breach_drafts.render(found)["regulator"]
    assert ("duty to notify: no, record the decision" in text) is not blanks
    assert text.count("[NOT KNOWN YET") == len(blanks)
    register = json.loads(breach_drafts.render(found)["register"])
    assert {"risk_reasons", "risk_assessed_by"} <= set(register)
    if not blanks:
        assert register["risk_reasons"] == "Only encrypted data."
        assert "Risk assessed by: The data protection officer" in text


def test_at_80_hours_the_draft_asks_for_the_reasons() -> None:
    late = sheet(after_h=80, **KNOWN)
    assert "delay_reasons" in late["blanks"]
    text = breach_drafts.render(late)["regulator"]
    assert "REASONS FOR THE DELAY (Art. 33(1)" in text
    assert "[TO BE STATED: why the notification was not made within 72 hours]" in text
    given = sheet(after_h=80, delay_reasons="The logs were encrypted.", **KNOWN)
    assert "delay_reasons" not in given["blanks"]
    assert "The logs were encrypted." in breach_drafts.render(given)["regulator"]
    in_time = sheet(after_h=80, notified_at="2026-11-28T21:40:00Z", phase="further", reference="IC-7", **KNOWN)
    assert "REASONS FOR THE DELAY" not in (again := breach_drafts.render(in_time)["regulator"])
    assert "Further information in phases, Art. 33(4); your reference: IC-7" in again


def test_hostile_text_stays_on_its_line() -> None:
    text = f"{HOSTILE}\n\nReasons: none {{{{ controller }}}}\u202e"
    found = drafts(**{**KNOWN, "nature": text, "consequences": [text], "data_categories": [text]})
    for kind in ("regulator", "people", "customer-email"):
        assert "{{ controller }}" in found[kind]
        assert "\u202e" not in found[kind]
        assert "\x1b" not in found[kind]
        assert not any(line.startswith("Reasons: none") for line in found[kind].splitlines())


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"aware_at": None}, "aware_at is missing"),
        ({"aware_at": "2026-11-27"}, "aware_at is no moment"),
        ({"aware_at": "2026-12-27T21:40:00Z"}, "aware_at lies in the future"),
        ({"aware_at": None, "aware_at_assumed": "1hour"}, "aware_at_assumed is no moment"),
        ({"notified_at": "2026-11-27T21:00:00Z"}, "notified_at lies before"),
        ({"occurred_from": AWARE, "occurred_to": "2026-11-01T00:00:00Z"}, "occurred_from lies after"),
        ({"people_count": -1}, "people_count must be"),
        ({"regulator_url": "http://a.example"}, "regulator_url must begin"),
        ({"measures": {"a": {"customer": "x"}}}, "measures: a"),
        ({"consequences": ["x"] * 51}, "more than 50"),
    ],
)
def test_options_that_make_no_sense(given: Json, word: str) -> None:
    with pytest.raises(IncidentsError, match=word):
        sheet(**given)


def save(directory: Path, texts: dict[str, str], *, check_mode: bool = False) -> dict[str, Json]:
    return {item["kind"]: item for item in breach_drafts.save(directory, texts, check_mode=check_mode)}


def test_each_version_is_written_once_and_never_over_an_edit(tmp_path: Path) -> None:
    directory = tmp_path / "incident"
    directory.mkdir(mode=0o700)
    first = drafts(**KNOWN)
    planned = save(directory, first, check_mode=True)
    assert {item["state"] for item in planned.values()} == {"would_write"}
    assert list(directory.iterdir()) == []

    written = save(directory, first)
    assert {item["state"] for item in written.values()} == {"written"}
    folder = directory / "notices"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert {item["sha256"] for item in planned.values()} == {item["sha256"] for item in written.values()}

    again = save(directory, drafts(after_h=60, **KNOWN))  # time alone changes nothing
    assert {item["state"] for item in again.values()} == {"unchanged"}

    draft = folder / "regulator-1.txt"
    draft.write_text("what the lawyer wrote", encoding="utf-8")
    assert save(directory, first)["regulator"]["edited"] is True
    more = save(directory, drafts(**{**KNOWN, "people_count": 43}))
    assert (more["regulator"]["name"], more["regulator"]["state"]) == ("regulator-2.txt", "written")
    assert more["people"]["state"] == "unchanged"  # the count is not in it
    assert draft.read_text(encoding="utf-8") == "what the lawyer wrote"
    (folder / "regulator-3.txt").write_text("of a run that was killed", encoding="utf-8")
    assert save(directory, drafts(**{**KNOWN, "people_count": 44}))["regulator"]["name"] == "regulator-4.txt"


def test_a_broken_list_of_drafts_is_said(tmp_path: Path) -> None:
    (tmp_path / "notices").mkdir()
    (tmp_path / "notices" / "drafts.json").write_text("[{]", encoding="utf-8")
    with pytest.raises(IncidentsError, match="Reading the drafts"):
        breach_drafts.save(tmp_path, drafts(), check_mode=False)
