# SPDX-License-Identifier: GPL-3.0-or-later
"""One changed byte, wherever it is, is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_verify import verify_incident
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import IncidentLock
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import JournalWriter, read_journal
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_end import (
    end_problems,
    note_what_is_missing,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_recorder import Recorder
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox import Outbox
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_files import read_incident, write_reports
from support.incident_entries import INCIDENT, REPORT, SECOND, content_of, incident_in
from support.journal_entries import ENDED, started

LOG = "evidence/a/pod.log"
DRAFT = {
    "key": "k",
    "incident": INCIDENT,
    "channel": "slack",
    "purpose": "internal",
    "stage": "opened",
    "to": "#i",
    "verdict": None,
    "round": 1,
    "operation": "post",
    "payload": {"text": "hello"},
    "fingerprint": "ab",
}


@pytest.fixture
def incident(tmp_path: Path) -> Path:
    """An incident with every kind of file that is verified."""
    directory = incident_in(tmp_path)
    files = write_reports(directory, read_incident(directory))
    notice = {
        "code": "report_written",
        "message": "written",
        "component": None,
        "files": [{**file, "path": Path(file["path"]).name} for file in files],
    }
    with JournalWriter(directory / "journal.jsonl", REPORT) as writer:
        for kind, data in (started("report", run_id=REPORT), ("notice", notice), ENDED):
            writer.append(kind, data)
    result = fold(content_of(directory), REPORT, incident_id=INCIDENT)
    (directory / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (directory / LOG).with_name("SHA256SUMS").write_text(f"{_sha(directory)}  pod.log\n", encoding="utf-8")
    outbox = Outbox(directory)
    with outbox.locked():
        told = outbox.add(DRAFT, "2026-11-23T23:15:00.000000Z")
        outbox.save({**told, "id": "0001-page"}, "2026-11-23T23:15:00.000000Z")
        (outbox.directory / f"{told['id']}.json").unlink()
    return directory


def _sha(directory: Path) -> str:
    (recorded,) = [item for item in read_journal(directory / "journal.jsonl").records if item["type"] == "evidence"]
    return str(recorded["data"]["sha256"])


def broken(directory: Path) -> dict[str, list[dict[str, str]]]:
    said = verify_incident(directory)
    found = {check["name"]: check["problems"] for check in said["checks"] if check["status"] == "broken"}
    assert said["intact"] is (not found)
    return found


def test_what_is_whole_is_intact(incident: Path) -> None:
    said = verify_incident(incident)
    assert said["intact"] is True
    assert {check["name"]: check["status"] for check in said["checks"]} == dict.fromkeys(
        ("journal", "result", "evidence", "reports", "outbox"), "intact"
    )
    assert [check["checked"] for check in said["checks"]] == [len(read_journal(incident / "journal.jsonl").records),
                                                              1, 1, 4, 1]  # fmt: skip


def test_one_flipped_byte_of_the_journal_is_named_wherever_it_is(incident: Path) -> None:
    path = incident / "journal.jsonl"
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    places, start = [], 0
    for number, line in enumerate(lines, start=1):
        inside = (0, len(line) // 3, len(line) // 2, line.index(b'"hash"') + 10, len(line) - 1)
        places += [(number, start + place) for place in inside]
        start += len(line)
    for number, place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        named = broken(incident)["journal"][0]["where"]
        # the one before may be what the chain blames, and a torn end of line joins two lines
        assert named in {f"journal.jsonl line {number}", f"journal.jsonl line {number + 1}"}, (number, place, named)


def test_removed_lines_are_named_inside_and_at_the_end(incident: Path) -> None:
    path = incident / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3] + lines[4:]))
    assert broken(incident)["journal"][0]["where"] == "journal.jsonl line 4"
    whole_run = [line for line in lines if REPORT.encode() not in line]
    path.write_bytes(b"".join(whole_run))
    assert "journal" not in broken(incident)  # the chain alone does not see it
    (problem,) = broken(incident)["result"]
    assert problem["where"].startswith("journal.jsonl after its last line")
    assert REPORT in problem["problem"]
    path.write_bytes(b"".join(lines[:-1]))
    assert "the end of the run" in broken(incident)["result"][0]["problem"]
    assert end_problems(incident, read_journal(path).records)


@pytest.mark.parametrize("left", [b"", b"no journal\n\x00\xff", None], ids=["nothing", "garbage", "another run"])
def test_what_was_missing_stays_named_after_a_later_run(incident: Path, left: bytes | None) -> None:
    """The later run writes another result, and the one that told of the missing run is gone."""
    path, later = incident / "journal.jsonl", "run-20261124T100000Z-0004"
    whole_run = [line for line in path.read_bytes().splitlines(keepends=True) if REPORT.encode() not in line]
    path.write_bytes(b"".join(whole_run) if left is None else left)
    recorder = Recorder(incident, run_id=later, operator="alice", redactor=Redactor())
    recorder.start(started("rollback", check_mode=True, run_id=later)[1])
    recorder.write_result(recorder.finish({}))
    recorder.close()
    assert json.loads((incident / "result.json").read_bytes())["run"]["id"] == later
    named = [item["problem"] for item in broken(incident)["journal"]]
    assert any(f"the run {later} found it damaged: " in item and REPORT in item for item in named), named
    assert any(REPORT in item for item in read_journal(path).damage)
    (said,) = [error for error in recorder.result()["errors"] if REPORT in error["message"]]
    assert said["code"] == "journal_damaged"
    with JournalWriter(path, "run-20261124T110000Z-0005") as writer:
        note_what_is_missing(writer)
    assert path.read_bytes().count(b'"type":"journal_damaged"') == 1, "once is enough"


def flipped(place: int) -> Callable[[bytes], bytes]:
    return lambda content: content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("name", "change", "check", "said"),
    [
        (LOG, flipped(3), "evidence", "its content was changed"),
        (LOG, lambda content: content + b"x", "evidence", "it has 8 bytes, recorded are 7"),
        (LOG, lambda _: None, "evidence", "it is missing"),
        ("evidence/a/SHA256SUMS", flipped(5), "evidence", "is not the SHA-256 of a file beside it"),
        ("evidence/b/extra.log", lambda _: b"x", "evidence", "it is not recorded"),
        ("report.html", flipped(100), "reports", "its content was changed"),
        ("report.md", lambda _: None, "reports", "it is missing"),
        ("incident.ics", flipped(50), "reports", "its content was changed"),
        ("result.json", lambda content: content.replace(b"alice", b"mallory"), "result", "journal at /run/operator"),
        ("result.json", lambda _: b"{", "result", "it cannot be read"),
        ("result.json", lambda _: None, "result", "it is missing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_changed_file_is_named(
    incident: Path, name: str, change: Callable[[bytes], bytes | None], check: str, said: str
) -> None:
    path = incident / name
    after = change(path.read_bytes() if path.exists() else b"")
    if after is None:
        path.unlink()
    else:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(after)
    problem = broken(incident)[check][0]
    assert problem["where"].startswith(name)
    assert said in problem["problem"]


def test_every_byte_of_the_result_counts(incident: Path) -> None:
    path = incident / "result.json"
    content = path.read_bytes()
    unseen = []
    for place in range(0, len(content), 11):
        path.write_bytes(flipped(place)(content))
        if "result" not in broken(incident) and json.loads(path.read_bytes()) != json.loads(content):
            unseen.append(place)
    assert unseen == []


@pytest.mark.parametrize("how", ["missing", "another"])
def test_a_message_that_was_sent_is_the_one_that_is_kept(incident: Path, how: str) -> None:
    (file,) = (incident / "outbox").glob("*.json")
    if how == "missing":
        file.unlink()
    else:
        file.write_text(file.read_text(encoding="utf-8").replace('"fingerprint": "ab"', '"fingerprint": "cd"'))
    (problem,) = broken(incident)["outbox"]
    assert problem["where"] == "outbox/0001-page.json"


def test_an_outbox_that_cannot_be_read_is_named(incident: Path) -> None:
    (file,) = (incident / "outbox").glob("*.json")
    file.write_text("{", encoding="utf-8")
    (problem,) = broken(incident)["outbox"]
    assert file.name in problem["problem"]


@pytest.mark.parametrize("path", ["../../secret", "/etc/hostname", "link"])
def test_evidence_elsewhere_is_no_evidence(tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").write_text("x")
    data = {"path": path, "sha256": "ab" * 32, "bytes": 1}
    directory = incident_in(tmp_path, ("evidence", data))
    (directory / "link").symlink_to(tmp_path / "secret")
    assert broken(directory)["evidence"][0]["where"] == path


def test_a_result_of_an_earlier_run_is_named(incident: Path) -> None:
    result = fold(content_of(incident), SECOND, incident_id=INCIDENT)
    (incident / "result.json").write_text(json.dumps(result), encoding="utf-8")
    assert REPORT in broken(incident)["result"][0]["problem"]


def test_a_run_under_way_is_no_damage(incident: Path) -> None:
    with IncidentLock(incident, run_id="run-20261124T100000Z-0004", operator="bob"):
        with (incident / "journal.jsonl").open("ab") as journal:
            journal.write(b'{"half": ')
        said = verify_incident(incident)
    assert (said["under_way"], said["intact"]) == (True, True)
    assert broken(incident)["journal"]  # afterwards it is


def test_an_incident_that_only_began_is_intact(tmp_path: Path) -> None:
    directory = tmp_path / INCIDENT
    directory.mkdir()
    with JournalWriter(directory / "journal.jsonl", SECOND) as writer:
        writer.append(*started())
    assert broken(directory) == {}
    assert [path.name for path in directory.iterdir()] == ["journal.jsonl"]  # looking leaves nothing behind
