# SPDX-License-Identifier: GPL-3.0-or-later
"""The notices of a breach with plain ansible-playbook: from the incident's record, into its directory, to nobody."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_verify import verify_incident
from support.journal_bench import ROOT, Bench, act, copy_collection

Json = dict[str, Any]
AWARE, SOONER, LATER = (
    f"{dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}" for hours in (80, 79.5, 79)
)
CONTACT = "dpo-c4nary@brandconnect.example"
ACTION = {
    "id": "revoke-sessions",
    "title": "End sessions",
    "risk": "disruptive",
    "status": "done",
    "changed": True,
    "started_at": None,
    "ended_at": None,
    "reason": None,
    "targets": [],
    "before": {},
    "after": {},
    "results": [],
}


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = copy_collection(tmp_path_factory.mktemp("collections"))
    root = base / "ansible_collections/brandconnect/incidents"
    shutil.copytree(ROOT / "roles/common", root / "roles/common")
    return base


def notice(**given: Any) -> Json:
    task = {"controller": "BrandConnect Ltd", "contact_email": CONTACT, "risk": "high", **given}
    return {"name": "Draft", "brandconnect.incidents.breach_notice": task, "register": "notice"}


def tell() -> Json:
    asked = "{{ [notice.changed, notice.status, notice.clock.state, notice.sent, notice.caveats | length] | to_json }}"
    return {"name": "Tell", "ansible.builtin.debug": {"msg": f"SAID {asked}"}}


def told(output: str) -> list[Any]:
    lines = [line.partition("SAID ")[2].rstrip('"') for line in output.splitlines() if "SAID [" in line]
    return [json.loads(line.replace('\\"', '"')) for line in lines]


def drafts(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((directory / "notices").iterdir())}


def test_drafts_are_written_once_from_the_record(collections: Path, tmp_path: Path) -> None:
    bench = Bench(collections, tmp_path)
    acted = act(result={"record": {"type": "action", "data": ACTION}})
    looked = {**notice(aware_at=AWARE), "check_mode": True}
    ran = bench.run(bench.playbook([{"tasks": [looked, tell(), acted, notice(aware_at=AWARE), tell()]}]))
    assert ran.rc == 0, ran.output
    assert told(ran.output) == [[True, "planned", "overdue", False, 0], [True, "done", "overdue", False, 0]]
    first = drafts(ran.directory)
    assert sorted(first) == [
        "customer-email-1.txt", "drafts.json", "people-1.txt", "register-1.json", "regulator-1.txt"
    ]  # fmt: skip
    assert "The sessions concerned were ended." in first["regulator-1.txt"]
    assert "REASONS FOR THE DELAY" in first["regulator-1.txt"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (ran.directory / "notices").iterdir()} == {0o600}
    (said,) = [data for data in ran.of_type("notice") if data["code"] == "breach_notice_drafted"]
    assert {file["path"]: file["sha256"] for file in said["files"]} == {
        f"notices/{name}": hashlib.sha256(text.encode()).hexdigest()
        for name, text in first.items()
        if name != "drafts.json"
    }
    assert said["aware_at"] == AWARE.replace("Z", ".000000Z")
    assert verify_incident(ran.directory)["intact"] is True
    assert CONTACT in first["regulator-1.txt"]
    recorded = "".join((ran.directory / name).read_text(encoding="utf-8") for name in ("journal.jsonl", "result.json"))
    assert CONTACT not in recorded + ran.output

    # the moment of awareness is on record; another one is said
    tasks = [notice(), tell(), notice(aware_at=LATER), tell()]
    again = bench.run(bench.playbook([{"tasks": tasks}]), RUNBOOK_INCIDENT=ran.directory.name)
    assert again.rc == 0, again.output
    assert told(again.output) == [
        [False, "nothing_to_do", "overdue", False, 0],
        [True, "done", "overdue", False, 1],
    ]
    later = drafts(ran.directory)
    assert {name: later[name] for name in first if name != "drafts.json"} == {
        name: text for name, text in first.items() if name != "drafts.json"
    }
    assert sorted(set(later) - set(first)) == ["register-2.json", "regulator-2.txt"]


def test_what_is_assumed_stays_assumed_and_what_was_told_stays_told(collections: Path, tmp_path: Path) -> None:
    bench = Bench(collections, tmp_path)
    ran = bench.run(bench.playbook([{"tasks": [notice(aware_at_assumed=AWARE), tell()]}]))
    assert ran.rc == 0, ran.output
    assert told(ran.output) == [[True, "done", "overdue", False, 0]]
    (said,) = [data for data in ran.of_type("notice") if data["code"] == "breach_notice_drafted"]
    assert (said["aware_at"], said["aware_at_assumed"]) == (None, AWARE.replace("Z", ".000000Z"))

    # the next run has no moment on record, and says so as before; then the regulator is told, in time as it turns out
    asked = "notice.clock.assumed, 'aware_at' in notice.blanks, notice.clock.state, notice.caveats | length"
    look = {"name": "Look", "ansible.builtin.debug": {"msg": f"SAID {{{{ [{asked}] | to_json }}}}"}}
    tasks = [
        *(notice(aware_at_assumed=AWARE), look),
        *(notice(aware_at_assumed=AWARE, notified_at=LATER), look),
        *(notice(aware_at_assumed=AWARE), look),
        *(notice(aware_at=AWARE), look),
        *(notice(notified_at=SOONER), look),
    ]
    again = bench.run(bench.playbook([{"tasks": tasks}]), RUNBOOK_INCIDENT=ran.directory.name)
    assert again.rc == 0, again.output
    assert told(again.output) == [
        [True, True, "overdue", 0],
        [True, True, "notified", 0],
        [True, True, "notified", 0],
        [False, False, "notified", 0],
        [False, False, "notified", 1],
    ]
    texts = drafts(ran.directory)
    assert "[ASSUMED: " in texts["regulator-1.txt"]
    assert "[ASSUMED: " in texts["regulator-2.txt"]
    assert "ASSUMED" not in texts["regulator-3.txt"]


def test_it_tells_what_is_on_record(collections: Path, tmp_path: Path) -> None:
    bench = Bench(collections, tmp_path)
    seal = {"path": "evidence/snapshot/tagmanifest-sha256.txt", "sha256": "a" * 64, "bytes": 3, "truncated": False}
    records = [
        {"type": "action", "data": {**ACTION, "after": {"sessions": {"others_within_5_percent": False}}}},
        {"type": "action", "data": {**ACTION, "id": "reset-credentials", "status": "failed", "changed": False}},
        {"type": "evidence", "data": seal},
        {"type": "evidence", "data": {**seal, "sha256": "b" * 64}},  # of whoever has changed it since
        {"type": "evidence", "data": {**seal, "path": "evidence/sessions.jsonl"}},
    ]
    look = {"name": "Look", "ansible.builtin.debug": {"msg": "SAID {{ [notice.recorded] | to_json }}"}}
    tasks = [act(result={"records": records}), notice(aware_at=AWARE), look]
    ran = bench.run(bench.playbook([{"tasks": tasks}]))
    assert ran.rc == 0, ran.output
    expected = {
        "drafted": False,
        "aware_at": None,
        "notified_at": None,
        "actions": {"revoke-sessions": "done", "reset-credentials": "failed"},
        "begun": dict.fromkeys(("revoke-sessions", "reset-credentials"), ACTION["started_at"]),
        "others_kept": {"revoke-sessions": False, "reset-credentials": None},
        "seals": {seal["path"]: "a" * 64},
    }
    assert told(ran.output) == [[expected]]
    tasks = [{**notice(aware_at_assumed=AWARE), "check_mode": True}, look]
    again = bench.run(bench.playbook([{"tasks": tasks}]), RUNBOOK_INCIDENT=ran.directory.name)
    nothing_done: Json = {"actions": {}, "begun": {}, "others_kept": {}}
    assert told(again.output) == [
        [{**expected, "drafted": True, "aware_at": AWARE.replace("Z", ".000000Z")} | nothing_done]
    ]


def test_a_broken_list_of_drafts_hides_nothing_that_is_on_record(collections: Path, tmp_path: Path) -> None:
    """Who has changed the evidence can damage the list as well: the seal as it was recorded is told all the same."""
    bench = Bench(collections, tmp_path)
    seal = {"path": "evidence/snapshot/tagmanifest-sha256.txt", "sha256": "a" * 64, "bytes": 3, "truncated": False}
    tasks = [act(result={"records": [{"type": "evidence", "data": seal}]}), notice(aware_at=AWARE)]
    ran = bench.run(bench.playbook([{"tasks": tasks}]))
    assert ran.rc == 0, ran.output
    (ran.directory / "notices/drafts.json").write_text("[{]", encoding="utf-8")

    asked = "notice.recorded.seals, notice.clock.assumed, notice.files, notice.changed, notice.caveats"
    look = {"name": "Look", "ansible.builtin.debug": {"msg": f"SAID {{{{ [{asked}] | to_json }}}}"}}
    incident = {"RUNBOOK_INCIDENT": ran.directory.name}
    again = bench.run(bench.playbook([{"tasks": [{**notice(), "check_mode": True}, look]}]), **incident)
    assert again.rc == 0, again.output
    ((seals, assumed, files, changed, caveats),) = told(again.output)
    assert (seals, assumed, files, changed) == ({seal["path"]: seal["sha256"]}, False, [], False)
    assert "Reading the drafts in" in caveats[0]

    drafted = bench.run(bench.playbook([{"tasks": [notice()]}]), **incident)
    assert drafted.rc != 0, "what cannot be drafted is an error"
    assert "move the file away" in drafted.output


def test_a_moment_is_recorded_without_drafts(collections: Path, tmp_path: Path) -> None:
    bench = Bench(collections, tmp_path)
    asked = "notice.changed, notice.status, notice.files, notice.recorded.drafted, notice.clock.aware_at"
    look = {"name": "Look", "ansible.builtin.debug": {"msg": f"SAID {{{{ [{asked}] | to_json }}}}"}}
    only = {"draft": False, "aware_at_assumed": LATER}
    tasks = [
        *({**notice(**only, aware_at=AWARE), "check_mode": True}, look),
        *(notice(**only), look),
        *(notice(**only, aware_at=AWARE), look),
        *(notice(**only, aware_at=AWARE), look),
    ]
    ran = bench.run(bench.playbook([{"tasks": tasks}]))
    assert ran.rc == 0, ran.output
    aware, later = (moment.replace("Z", ".000000Z") for moment in (AWARE, LATER))
    assert told(ran.output) == [
        [True, "planned", [], False, aware],
        [False, "nothing_to_do", [], False, later],
        [True, "done", [], False, aware],
        [False, "nothing_to_do", [], False, aware],
    ]
    assert not (ran.directory / "notices").exists()
    again = bench.run(
        bench.playbook([{"tasks": [{**notice(aware_at_assumed=LATER), "check_mode": True}, look]}]),
        RUNBOOK_INCIDENT=ran.directory.name,
    )
    ((_, _, _, drafted, moment),) = told(again.output)
    assert (drafted, moment) == (False, aware), "it is on record, and nothing was drafted"


def test_without_the_moment_of_awareness_there_is_no_notice(collections: Path, tmp_path: Path) -> None:
    bench = Bench(collections, tmp_path)
    ran = bench.run(bench.playbook([{"tasks": [notice()]}]))
    assert ran.rc != 0
    assert "aware_at is missing" in ran.output
    assert "Traceback" not in ran.output
    assert not (ran.directory / "notices").exists()
