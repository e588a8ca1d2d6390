# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command says of earlier incidents: report, history, verify, post-incident."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from icalendar import Calendar

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from incident_runbooks import schemas
from support.journal_entries import ENDED, Entry, action, error, finding, journal_in, started, step, verification

LATER = "2099-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def remediated(shared_runbook: Any) -> dict[str, Any]:
    """An incident of two runs: a diagnosis that found something, and its remediation."""
    found = shared_runbook.run("--status", "down").document
    incident = found["incident"]["id"]
    said = shared_runbook.run("--status", "down", "--incident", incident, "--remediate", "--approve", "fix-it")
    result: dict[str, Any] = said.document
    assert result["incident"]["id"] == incident
    return result


@pytest.fixture
def directory(runbook: Any, shared_runbook: Any, remediated: dict[str, Any]) -> Path:
    """A copy of it, in the test's own RUNBOOK_HOME."""
    shutil.copytree(shared_runbook.home, runbook.home, symlinks=True)
    path: Path = runbook.home / "incidents" / remediated["incident"]["id"]
    return path


def test_the_report_is_markdown_unless_asked(runbook: Any, directory: Path) -> None:
    said = runbook("report")
    assert (said.code, said.stderr) == (0, "")
    assert said.stdout.startswith("# Incident Report: ")
    assert directory.name in said.stdout
    assert "\n## Follow-up Items\n" in said.stdout
    assert runbook("report", directory.name, "--format", "html").stdout.startswith("<!DOCTYPE html>")
    assert Calendar.from_ical(runbook("report", "--format", "ics").stdout)


def test_the_json_report_is_valid_and_has_all_runs(runbook: Any, directory: Path, remediated: dict[str, Any]) -> None:
    document = runbook("report", directory.name, "--format", "json").document
    assert schemas.validate("incident", document) == []
    assert [run["mode"] for run in document["runs"]] == ["diagnose", "remediate"]
    assert document["outcome"] == remediated["outcome"]
    assert document["outcome_run_id"] == remediated["run"]["id"]


def test_a_file_is_private_and_never_overwritten_unasked(runbook: Any, directory: Path) -> None:
    said = runbook("report", "-o", "out.html")
    assert said.code == 0
    path = runbook.cwd / "out.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert said.document["format"] == "html"
    path.write_text("mine", encoding="utf-8")
    refused = runbook("report", "-o", "out.html")
    assert refused.code == 2
    assert "it exists" in refused.stderr
    assert path.read_text(encoding="utf-8") == "mine"
    assert runbook("report", "-o", "out.html", "--force").code == 0
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    missing = runbook("report", "-o", "nowhere/out.md")
    assert missing.code == 2
    assert "Traceback" not in missing.stderr


def test_an_ending_of_no_format_is_refused(runbook: Any, directory: Path) -> None:
    said = runbook("report", "-o", "out.pdf")
    assert (said.code, (runbook.cwd / "out.pdf").exists()) == (2, False)
    assert ".pdf is the ending of no format; add --format, one of markdown, html, json, ics" in said.stderr
    for arguments in (("-o", "out.pdf", "--format", "html"), ("-o", "out"), ("-o", "out.MD")):
        assert runbook("report", directory.name, *arguments).code == 0
    assert (runbook.cwd / "out.pdf").read_text().startswith("<!DOCTYPE html>")
    assert all((runbook.cwd / name).read_text().startswith("# Incident Report") for name in ("out", "out.MD"))


def test_a_calendar_without_entries_says_so(runbook: Any, directory: Path) -> None:
    assert runbook("report", "--format", "ics").stderr == ""
    healthy = runbook.run().document["incident"]["id"]
    said = runbook("report", healthy, "--format", "ics")
    assert said.code == 0
    assert "BEGIN:VEVENT" not in said.stdout
    assert said.stderr.startswith("Nothing is due, so the calendar has no entries")


def test_history_lists_the_newest_first(runbook: Any, directory: Path, remediated: dict[str, Any]) -> None:
    other = runbook.run("--status", "ok").document
    shutil.copytree(directory, directory.with_name("fixture-20200101T000000Z-0001"))
    (directory.parent / "fixture-20200202T000000Z-0002").mkdir()  # nothing was recorded there
    said = runbook("history")
    assert (said.code, said.stderr) == (0, "")
    ids = [entry["id"] for entry in said.document]
    assert ids == sorted(ids, key=lambda name: name.split("-")[1], reverse=True)
    assert len(ids) == 3
    entry = next(entry for entry in said.document if entry["id"] == directory.name)
    assert (entry["type"], entry["outcome"], entry["runs"]) == ("fixture", remediated["outcome"], 2)
    assert (entry["priority"], entry["operator"]) == (remediated["incident"]["priority"], remediated["run"]["operator"])
    assert entry["under_way"] is None
    assert entry["opened_at"].endswith("Z")
    assert [entry["id"] for entry in runbook("history", "--limit", "1").document] == [ids[0]]
    assert [entry["id"] for entry in runbook("history", "--since", "1d").document] == ids[:2]
    assert [entry["id"] for entry in runbook("history", "--since", "2020-02-01").document] == ids[:2]
    assert runbook("history", "--type", "pool-exhaustion").document == []
    assert other["incident"]["id"] in ids
    text = runbook("history", "--limit", "1", "--output", "text").stdout
    assert "and 2 older: --limit 0 shows all" in text


def test_history_says_what_the_incident_came_to_and_not_its_last_result_alone(runbook: Any) -> None:
    def told(name: str, *runs: list[Entry], crashed: list[Entry] | None = None) -> Any:
        incident = f"fixture-20261123T2314{name}Z-3fa1"
        path = runbook.home / "incidents" / incident
        path.mkdir(parents=True, mode=0o700)
        write = journal_in(path)
        for number, entries in enumerate(runs):
            content = write(*entries, run_id=f"run-{number}")
            result = fold(content, f"run-{number}", incident_id=incident)
            (path / "result.json").write_text(json.dumps(result), encoding="utf-8")
        if crashed is not None:
            write(*crashed, run_id="run-crashed")
        (entry,) = [entry for entry in runbook("history").document if entry["id"] == incident]
        document = runbook("report", incident, "--format", "json").document
        assert entry["outcome"] == document["outcome"]
        return entry

    remediated = [started(), finding(), action(), verification("unresolved"), ENDED]
    nothing = finding("ok", check="rollback", component="rollback")
    look = [started("rollback", check_mode=True), nothing, ENDED]
    entry = told("01", remediated, look)
    assert (entry["outcome"], entry["sla_breached"], entry["last_run"]["mode"]) == ("unresolved", True, "rollback")

    healthy = [started("diagnose"), finding("ok"), ENDED]
    kind, data = started(run_id="run-crashed")
    killed = [(kind, {**data, "run": {**data["run"], "operator": "bob"}}), finding(), step(1, "Kill", mutates=True)]
    entry = told("02", healthy, crashed=killed)
    assert (entry["outcome"], entry["operator"], entry["last_run"]["id"]) == ("unknown", "bob", "run-crashed")
    entry = told("03", crashed=killed)
    assert (entry["outcome"], entry["runs"]) == ("unknown", 1)
    assert told("04", healthy)["outcome"] == "healthy"
    entry = told("05", [started("diagnose"), error("no_hosts"), ENDED], look)
    assert (entry["outcome"], entry["last_run"]["mode"]) == ("failed", "rollback")
    shown = runbook("show", entry["id"], "--output", "text").stdout
    assert "pool-exhaustion: FAILED, it did not work" in shown
    assert "the incident: failed" in shown


@pytest.mark.parametrize(
    "arguments",
    [
        *((command, "") for command in ("show", "verify", "report", "approve -o x", "notify", "post-incident")),
        *((command, " ") for command in ("show", "verify", "report")),
        ("rollback --check", ""),
        ("history --type", ""),
        ("history --since", ""),
        ("show --run", ""),
        ("report -o", ""),
        ("lab status --dir", ""),
        ("run fixture -i x, --incident", ""),
        ("run fixture -i", ""),
        ("post-incident ID --done", ""),
        ("approve ID -o", ""),
    ],
    ids="'".join,
)
def test_an_empty_value_names_nothing(runbook: Any, directory: Path, arguments: tuple[str, str]) -> None:
    """In a script it is a variable that was not set; the latest incident would be somebody else's."""
    words = [directory.name if word == "ID" else word for word in arguments[0].split()]
    said = runbook(*words, arguments[1], environment={"RUNBOOK_INVENTORY": str(runbook.inventory)})
    assert said.code == 2, said
    assert len(said.stderr.splitlines()) == 1
    assert [path.name for path in (runbook.home / "incidents").iterdir()] == [directory.name]


@pytest.mark.parametrize(
    "line",
    ["run fixture -i x,", "rollback ID -i x, --check", "notify ID -i x,", "report ID -o x.md", "approve ID -o x.json"],
)
def test_a_current_directory_that_is_gone_is_said(runbook: Any, directory: Path, line: str) -> None:
    gone = ["sh", "-c", 'mkdir gone; cd gone; rmdir ../gone; exec "$@"', "sh"]
    said = runbook(*line.replace("ID", directory.name).split(), prefix=gone)
    assert (said.code, said.stderr) == (2, "runbook: The current directory does not exist any more; cd elsewhere\n")
    assert [path.name for path in (runbook.home / "incidents").iterdir()] == [directory.name]


def test_a_malformed_ansible_cfg_leaves_no_incident(runbook: Any) -> None:
    (runbook.cwd / "ansible.cfg").write_text("[defaults\n")
    said = runbook.run()
    assert said.code == 2
    assert "Reading the Ansible configuration" in said.stderr
    assert not (runbook.home / "incidents").exists()


def test_a_run_that_cannot_begin_leaves_no_incident(runbook: Any) -> None:
    (runbook.home).mkdir(mode=0o700)
    (runbook.home / "tmp").write_text("a file where its private directory would be")
    assert runbook.run().code != 0
    assert list((runbook.home / "incidents").iterdir()) == []


def test_a_directory_without_a_record_is_no_incident(runbook: Any, directory: Path) -> None:
    (directory.parent / "fixture-20990101T000000Z-0000").mkdir()
    assert [entry["id"] for entry in runbook("history").document] == [directory.name]
    assert runbook("show").document["incident"]["id"] == directory.name
    hint = runbook("show", "fixture-20990101T000000Z-0000").stderr
    assert hint.endswith(f"the newest are: {directory.name}\n")


@pytest.mark.parametrize("arguments", [("--since", "soon"), ("--type", "nothing"), ("--limit", "-1")], ids=" ".join)
def test_history_says_what_it_does_not_understand(runbook: Any, arguments: tuple[str, ...]) -> None:
    said = runbook("history", *arguments)
    assert said.code == 2
    assert arguments[1] in said.stderr


def test_history_of_nothing(runbook: Any) -> None:
    assert runbook("history").document == []
    assert "No incident was recorded" in runbook("history", "--output", "text").stdout


def test_a_whole_record_is_intact(runbook: Any, directory: Path) -> None:
    said = runbook("verify")
    assert (said.code, said.document["intact"]) == (0, True)
    assert "INTACT" in runbook("verify", directory.name, "--output", "text").stdout


def test_one_changed_byte_is_named(runbook: Any, directory: Path) -> None:
    journal = directory / "journal.jsonl"
    content = journal.read_bytes()
    place = content.index(b'"type":"finding"') + 10
    line = content[:place].count(b"\n") + 1
    journal.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    said = runbook("verify", "--output", "text")
    assert said.code == 5
    assert "NOT INTACT" in said.stdout
    assert f"journal.jsonl line {line}: edited" in said.stdout
    assert runbook("verify").document["intact"] is False


def test_runs_that_were_cut_off_the_end_are_missed(runbook: Any, directory: Path, remediated: dict[str, Any]) -> None:
    journal = directory / "journal.jsonl"
    last = remediated["run"]["id"].encode()
    journal.write_bytes(b"".join(line for line in journal.read_bytes().splitlines(keepends=True) if last not in line))
    shown = runbook("show").document
    assert schemas.validate("result", shown) == []
    (damage,) = [error for error in shown["errors"] if error["code"] == "journal_damaged"]
    assert f"the run {remediated['run']['id']}" in damage["message"]
    said = runbook("verify", "--output", "text")
    assert said.code == 5
    assert remediated["run"]["id"] in said.stdout
    assert "THE JOURNAL IS DAMAGED" in runbook("report").stdout


@pytest.mark.parametrize(("left", "looks"), [(b"", ("--check",)), (b"garbage\n", ("--check",)), (b"", ("--yes",))])
def test_what_was_cut_off_stays_missed_after_a_rollback(
    runbook: Any, directory: Path, left: bytes, looks: tuple[str, ...]
) -> None:
    (directory / "journal.jsonl").write_bytes(left)
    said = runbook("rollback", directory.name, "--inventory", str(runbook.inventory), *looks)
    result = said.document
    assert (said.code, result["outcome"]) == (6, "refused"), said
    assert "the journal cannot be trusted" in result["errors"][-1]["message"]
    assert [item["status"] for item in result["findings"]] == ["unknown"]
    assert runbook("verify").code == 5


def test_what_was_cut_off_stays_missed_after_a_run_that_never_began(
    runbook: Any, directory: Path, remediated: dict[str, Any]
) -> None:
    (directory / "journal.jsonl").write_bytes(b"")
    broken = runbook.cwd / "broken.yml"
    broken.write_text("{", encoding="utf-8")
    said = runbook("run", "fixture", "--inventory", str(broken), "--incident", directory.name)
    assert said.code == 2
    kept = runbook("verify")
    assert kept.code == 5
    assert remediated["run"]["id"] in json.dumps(kept.document)


def test_post_incident_states_and_writes(runbook: Any, directory: Path, remediated: dict[str, Any]) -> None:
    titles = [item["title"] for item in runbook("report", "--format", "json").document["follow_ups"]]
    said = runbook(
        *("post-incident", directory.name, "--root-cause", "{{ 7*7 }} <b>leak</b>", "--users-affected", "1,200"),
        *("--data-at-risk", "none", "--lesson", "Alert earlier", "--lesson", "Test it"),
        *("--acknowledged-at", "2026-11-23T23:12:00Z"),
        *(("--owner", "1=bob") if titles else ()),
        environment={"RUNBOOK_OPERATOR": "alice"},
    )
    assert (said.code, said.stderr) == (0, "")
    assert said.document["run"]["mode"] == "report"
    assert schemas.validate("result", said.document) == []
    assert {note["key"]: note["value"] for note in said.document["notes"]}["root_cause"] == "{{ 7*7 }} <b>leak</b>"
    assert {note["by"] for note in said.document["notes"]} == {"alice"}
    names = ("report.md", "report.html", "report.json", "incident.ics")
    assert {name: stat.S_IMODE((directory / name).stat().st_mode) for name in names} == dict.fromkeys(names, 0o600)
    document = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    assert schemas.validate("incident", document) == []
    assert document["outcome"] == remediated["outcome"]  # the report does not change what the incident came to
    assert document["errors"] == []
    assert document["root_cause"]["text"] == "{{ 7*7 }} <b>leak</b>"
    assert document["impact"]["users"]["value"] == "1200"
    assert [lesson["text"] for lesson in document["lessons"]] == ["Alert earlier", "Test it"]
    if titles:
        assert document["follow_ups"][0]["owner"] == "bob"
    assert "<b>" not in (directory / "report.html").read_text(encoding="utf-8")
    assert runbook("verify").code == 0
    entry = runbook("history", "--limit", "1").document[0]
    assert (entry["outcome"], entry["last_run"]["mode"]) == (remediated["outcome"], "report")
    shown = runbook("show").document
    assert shown["run"]["id"] == remediated["run"]["id"]
    text = runbook("show", "--output", "text").stdout
    assert "leak" in text
    assert "3, the incident: " in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--users-affected", "many"), "neither a number nor the word unknown"),
        (("--acknowledged-at", "noon"), "it is no RFC 3339 time"),
        (("--acknowledged-at", "2026-11-23T23:12:00"), "it is no RFC 3339 time"),
        (("--resolved-at", LATER), "it is in the future"),
        (("--root-cause", " "), "1 to 8000 characters"),
        (("--owner", "bob"), "FOLLOW-UP=VALUE"),
        (("--owner", "no such follow-up=bob"), "there is none like that"),
        (("--due", "1=soon"), "neither a date nor"),
    ],
)
def test_what_cannot_be_stated_changes_nothing(
    runbook: Any, directory: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = (directory / "journal.jsonl").read_bytes()
    refused = runbook("post-incident", directory.name, *arguments)
    assert refused.code == 2
    assert said in refused.stderr
    assert (directory / "journal.jsonl").read_bytes() == before


@pytest.mark.parametrize("command", ["report", "verify", "show", "post-incident"])
def test_an_unknown_incident_is_said(runbook: Any, command: str) -> None:
    said = runbook(command, "fixture-20260101T000000Z-0000")
    assert said.code == 2
    assert "fixture-20260101T000000Z-0000" in said.stderr
    assert "Traceback" not in said.stderr
