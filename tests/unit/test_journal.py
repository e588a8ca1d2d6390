# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal on disk: what was appended is there, whole and chained, whatever happened to the writer."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.canonical import GENESIS, canonical, record_digest
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.hash_chain import seal
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import (
    JournalError,
    JournalWriter,
    read_journal,
    records_of,
    verify_chain,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor

RUN = "run-20261123T231455Z-0001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def write(path: Path, count: int = 5, run_id: str = RUN) -> None:
    with JournalWriter(path, run_id) as writer:
        for number in range(count):
            writer.append("finding", {"check": f"c{number}", "status": "ok"})


def test_a_line_is_what_the_contract_says(path: Path) -> None:
    with JournalWriter(path, RUN, now=lambda: "2026-11-23T23:14:55.000000Z") as writer:
        first = writer.append("run_ended", {"hosts": {}})
        writer.append("plan", {"b": 1, "a": "ü\n"}, durable=True)
    lines = path.read_bytes().splitlines(keepends=True)
    assert json.loads(lines[0]) == first
    assert first["v"] == 1
    assert (first["seq"], first["prev"], first["run_id"], first["type"]) == (1, GENESIS, RUN, "run_ended")
    second = json.loads(lines[1])
    assert second["prev"] == first["hash"]
    assert second["hash"] == record_digest(second)
    assert lines[1] == canonical(second).encode("ascii") + b"\n"
    assert read_journal(path).problems == []


def test_runs_share_one_chain(path: Path) -> None:
    write(path)
    write(path, run_id="run-20261123T231455Z-0002")
    journal = read_journal(path)
    assert journal.problems == []
    assert [record["seq"] for record in journal.records] == list(range(1, 11))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_the_file_is_private_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda lines: [*lines[:2], lines[2].replace(b'"c2"', b'"c9"'), *lines[3:]], "line 3: edited"),
        (lambda lines: [*lines[:1], *lines[3:]], "line 2: removed before it, seq 2 to 3 are missing after line 1"),
        (lambda lines: lines[1:], "line 1: removed before it, seq 1 to 1 are missing at the beginning"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 3: reordered, seq 2 stands after line 2"),
        (lambda lines: [*lines[:3], lines[1], *lines[3:]], "line 4: reordered, seq 2"),
        (lambda lines: [*lines, b'{"half": '], "line 6: torn, 9 bytes"),
        (lambda lines: [*lines[:2], b"\x00\xff garbage\n", *lines[2:]], "line 3: garbage, 11 bytes"),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], "line 3: garbage, 1 bytes"),
        (lambda lines: [*lines[:1], _resealed(lines[1]), *lines[2:]], "line 3: not the continuation after line 2"),
        (lambda lines: [lines[0].replace(b'"data":', b'"data":{},"data":'), *lines[1:]], "line 1: edited"),
    ],
)
def test_tampering_is_named_by_line(path: Path, damage: Any, expected: str) -> None:
    write(path)
    path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
    problems = verify_chain(path)
    assert any(problem.startswith(expected) for problem in problems), problems
    assert len(read_journal(path).records) >= 3, "what can be read is read"


def _resealed(line: bytes) -> bytes:
    record = json.loads(line)
    record["data"]["status"] = "down"
    return canonical(seal(record)).encode() + b"\n"


def test_every_torn_end_is_recovered_and_the_chain_goes_on(path: Path) -> None:
    write(path, 3)
    content = path.read_bytes()
    begin = content.rindex(b"\n", 0, -1) + 1
    for end in range(begin, len(content)):
        path.write_bytes(content[:end])
        with JournalWriter(path, "run-20261123T231455Z-0002") as writer:
            writer.append("follow_up", {"title": "look"})
        records = read_journal(path).records
        torn = end - begin
        if 0 < torn < len(content) - begin - 1:
            assert [record["type"] for record in records[2:]] == ["journal_recovered", "follow_up"]
            assert records[2]["data"] == {"torn_bytes": torn}
            assert verify_chain(path) == [
                f"line 3: torn, {torn + 1} bytes of a record, recovered by the writer after it"
            ]
        else:
            assert records[-1]["type"] == "follow_up"
            assert verify_chain(path) == []


def test_a_file_of_garbage_is_continued(path: Path) -> None:
    path.write_bytes(random.Random(3).randbytes(300_000))
    write(path)
    records = read_journal(path).records
    assert records[0]["type"] == "journal_recovered"
    assert [record["seq"] for record in records] == list(range(1, 7))


def test_a_long_last_record_is_found_from_the_end(path: Path) -> None:
    with JournalWriter(path, RUN) as writer:
        for _ in range(3):
            writer.append("finding", {"data": [["x" * 8000] * 40]})
    write(path)
    assert verify_chain(path) == []


def test_unknown_types_and_keys_are_read(path: Path) -> None:
    with JournalWriter(path, RUN) as writer:
        writer.append("from_a_later_version", {"x": 1})
    (record,) = read_journal(path).records
    assert record["type"] == "from_a_later_version"
    assert records_of([{**record, "colour": "red"}])[0]["colour"] == "red"


@pytest.mark.parametrize(
    "line",
    [
        b"[]",
        b"1",
        b'"text"',
        b"{}",
        b'{"type": 1}',
        b"[" * 100_000,
        b'{"seq": ' + b"9" * 5000 + b"}",
        b"\xff\xfe",
        b"NaN",
    ],
)
def test_what_is_no_record_is_skipped(path: Path, line: bytes) -> None:
    write(path, 1)
    path.write_bytes(path.read_bytes() + line + b"\n")
    journal = read_journal(path)
    assert len(journal.records) == 1
    assert len(journal.problems) == 1


def test_numbers_that_json_does_not_know_are_read_as_null() -> None:
    record = {"seq": 1, "at": "", "run_id": RUN, "type": "finding", "data": {}, "prev": "", "hash": ""}
    text = json.dumps(record).replace('"data": {}', '"data": {"a": NaN, "b": 1e999, "c": -Infinity, "d": 1.5}')
    assert records_of([text])[0]["data"] == {"a": None, "b": None, "c": None, "d": 1.5}


def test_a_second_writer_is_noticed(path: Path) -> None:
    with JournalWriter(path, RUN) as writer:
        writer.append("finding", {})
        with path.open("ab") as other:
            other.write(b"something\n")
        with pytest.raises(JournalError, match="another process has written"):
            writer.append("finding", {})
        with pytest.raises(JournalError, match="an earlier write failed"):
            writer.append("finding", {})


def test_a_journal_that_cannot_be_written_says_which_and_why(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"Opening the journal .*missing.*: No such file or directory"):
        JournalWriter(tmp_path / "missing" / "journal.jsonl", RUN)


FULL_DISK = """
import resource, sys
from pathlib import Path
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import JournalError, JournalWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
writer = JournalWriter(Path(sys.argv[1]), "run-20261123T231455Z-0001")
try:
    for number in range(100):
        writer.append("finding", {"number": number})
except JournalError as error:
    print(number, error.message)
try:
    writer.append("finding", {})
except JournalError as error:
    print(error.message)
"""


def test_a_full_disk_is_an_error_at_once_and_the_next_writer_recovers(path: Path) -> None:
    """The limit on file sizes cuts a write as a full disk does."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, timeout=30, check=True
    )
    first, second = done.stdout.splitlines()
    assert "bytes were written; is the disk full?" in first or "File too large" in first
    assert "an earlier write failed" in second
    whole = int(first.split()[0])
    write(path, 1)
    records = read_journal(path).records
    assert [record["type"] for record in records] == ["finding"] * whole + ["journal_recovered", "finding"]


def test_secrets_are_redacted_before_they_are_written(path: Path) -> None:
    with JournalWriter(path, RUN, redactor=Redactor(["Correct-Horse"])) as writer:
        writer.append(
            "finding", {"summary": "x" * 9000 + "Correct-Horse", "data": {"Correct-Horse": ["Correct-Horse"]}}
        )
        writer.redactor.add(["Later-Horse"])
        writer.append("finding", {"summary": "Later-Horse"})
    assert b"Horse" not in path.read_bytes()
