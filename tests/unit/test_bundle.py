# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle of evidence: for its owner only, complete or loudly partial, a bag by the rules of RFC 8493."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle import Bundle
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import read_journal
from support.bundles import LOG, WHO, breaking, collect, opened, strangers_check


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a bundle may be made."""
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    return own / "bundle"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def tags(path: Path) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in path.read_text(encoding="utf-8").splitlines())


def test_a_bundle_is_a_bag(place: Path) -> None:
    sealed = collect(place)
    assert (place / "bagit.txt").read_bytes() == b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    payload = [path for path in (place / "data").rglob("*") if path.is_file()]
    listed = [line.split("  ") for line in (place / "manifest-sha256.txt").read_text().splitlines()]
    assert {path: digest for digest, path in listed} == {
        path.relative_to(place).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in payload
    }
    in_tags = {line.split("  ")[1] for line in (place / "tagmanifest-sha256.txt").read_text().splitlines()}
    assert in_tags == {path.name for path in place.iterdir() if path.is_file()} - {"tagmanifest-sha256.txt"}
    info = tags(place / "bag-info.txt")
    assert info["Payload-Oxum"] == f"{sum(path.stat().st_size for path in payload)}.{len(payload)}"
    assert (info["External-Identifier"], info["Contact-Name"]) == (WHO["incident"], "alice")
    assert info["Evidence-Complete"] == "yes"
    assert strangers_check(place) == ""
    assert sealed.sha256 == hashlib.sha256((place / "tagmanifest-sha256.txt").read_bytes()).hexdigest()


def test_the_library_of_congress_agrees(place: Path) -> None:
    bagit = pytest.importorskip("bagit")
    collect(place, broken=True)
    bag = bagit.Bag(str(place))
    bag.validate()
    assert bag.info["Contact-Name"] == "alice"
    (place / "data/db/audit_logs.csv").chmod(0o600)
    (place / "data/db/audit_logs.csv").write_bytes(b"id,action\n1,reaD\n")
    assert not bagit.Bag(str(place)).is_valid()


def test_the_manifest_says_where_each_file_is_from(place: Path) -> None:
    sealed = collect(place)
    assert json.loads((place / "MANIFEST.json").read_bytes()) == sealed.manifest
    files = {entry["path"]: entry for entry in sealed.manifest["files"]}
    log = files["data/pods/a/app.log"]
    assert log["collected_at"]["start"] <= log["collected_at"]["end"]
    assert {key: log[key] for key in log if key != "collected_at"} == {
        "name": "pods/a/app.log",
        "path": "data/pods/a/app.log",
        "sha256": hashlib.sha256(LOG).hexdigest(),
        "bytes": len(LOG),
        "source": "GET /a/log",
        "object": {"uid": "u-1", "resource_version": "42"},
        "facts": {},
        "truncated": False,
        "error": None,
        "collector": "runbook",
        "custodian": "alice",
    }
    assert files["data/db/audit_logs.csv"]["facts"] == {"rows": 1}
    assert files["data/redis/sessions.jsonl"]["bytes"] == 0
    assert (sealed.partial, sealed.manifest["failed"]) == (False, [])
    assert sealed.anchor["bytes"] == (place / "tagmanifest-sha256.txt").stat().st_size


def test_custody_is_a_chain_that_the_journals_check_reads(place: Path) -> None:
    collect(place, broken=True)
    log = read_journal(place / "custody.jsonl")
    assert log.problems == []
    assert [record["type"] for record in log.records] == ["opened", *["collected"] * 3, "failed", "sealed"]
    assert {record["run_id"] for record in log.records} == {"run-1"}


def test_only_the_owner_can_read_it_and_afterwards_nobody_writes(place: Path) -> None:
    before = os.umask(0)
    try:
        with opened(place) as bundle:
            bundle.write("a/b/c.log", [b"x"], source="s")
            found = {path.relative_to(place).as_posix(): mode(path) for path in place.rglob("*")}
            assert {
                name for name, bits in found.items() if bits != (0o700 if (place / name).is_dir() else 0o600)
            } == set()
            assert mode(place) == 0o700
            bundle.finish()
    finally:
        os.umask(before)
    assert {mode(path) for path in place.rglob("*") if path.is_dir()} | {mode(place)} == {0o500}
    assert {mode(path) for path in place.rglob("*") if path.is_file()} == {0o400}


@pytest.mark.parametrize("how", ["world", "group", "tmp", "link", "file", "relative", "open", "others", "replaceable"])
def test_places_that_are_refused(place: Path, tmp_path: Path, how: str) -> None:
    target = place
    if how in ("world", "group"):
        place.parent.chmod(0o705 if how == "world" else 0o750)
    elif how == "tmp":
        target = Path(tempfile.gettempdir()) / f"bundle-{os.getpid()}"
    elif how == "link":
        (place.parent / "real").mkdir(mode=0o700)
        place.symlink_to(place.parent / "real")
    elif how == "file":
        place.write_text("", encoding="utf-8")
    elif how == "relative":
        target = Path("bundle")
    elif how == "open":
        place.mkdir()
        place.chmod(0o711)
    elif how == "others":
        place.mkdir(mode=0o700)
        (place / "notes.txt").write_text("mine", encoding="utf-8")
    else:
        tmp_path.chmod(0o777)
    before = sorted(path.name for path in place.parent.rglob("*"))
    with pytest.raises(IncidentsError, match="Keeping evidence in"):
        opened(target)
    assert sorted(path.name for path in place.parent.rglob("*")) == before
    assert how in ("link", "file", "open", "others") or not target.exists()


@pytest.mark.parametrize(
    "path",
    ["", "/etc/x", "../x", "a/../b", "a//b", ".hidden", "a/.b", "a b", "a%0Ab", "a\nb", "é", "a.part", "a.partial/b",
     "x" * 250, "/".join(["abcdefgh"] * 120)],
)  # fmt: skip
def test_paths_that_are_refused(place: Path, path: str) -> None:
    with opened(place) as bundle:
        with pytest.raises(IncidentsError, match="no path for a bundle"):
            bundle.write(path, [b"x"], source="s")
        assert bundle.finish().manifest["files"] == []


@pytest.mark.parametrize("error", [None, OSError(32, "Broken pipe")], ids=["own", "os"])
def test_half_a_source_is_kept_under_another_name_and_said_loudly(place: Path, error: OSError | None) -> None:
    with opened(place) as bundle:
        entry = bundle.write("pods/b/app.log", breaking(b"half\n", error=error), source="GET /b")
        assert (entry["path"], entry["truncated"], entry["bytes"]) == ("data/pods/b/app.log.partial", True, 5)
        assert entry["error"] in ("Reading the log on pod b: the connection broke", "Broken pipe")
        assert not bundle.has("pods/b/app.log")
        nothing = bundle.write("pods/c/app.log", breaking(), source="GET /c")
        assert (nothing["path"], nothing["sha256"], nothing["bytes"]) == (None, None, None)
        bundle.miss("redis/info.json", source="INFO", error="Connecting to redis: refused\nby the server")
        sealed = bundle.finish()
    assert sealed.partial is True
    assert [entry["name"] for entry in sealed.manifest["failed"]] == [
        "pods/b/app.log",
        "pods/c/app.log",
        "redis/info.json",
    ]
    assert sealed.manifest["failed"][2]["error"] == "Connecting to redis: refused by the server"
    assert (place / "data/pods/b/app.log.partial").read_bytes() == b"half\n"
    assert tags(place / "bag-info.txt")["Evidence-Complete"].startswith("NO, PARTIAL: 3 sources")
    assert "PARTIAL: 3" in sealed.anchor["source"]
    assert strangers_check(place) == ""
    assert list(place.rglob("*.part")) == []


def test_a_second_try_that_works_makes_it_whole_and_keeps_the_halves(place: Path) -> None:
    with opened(place) as bundle:
        for half in (b"1", b"2"):
            bundle.write("a.log", breaking(half), source="s")
        assert bundle.write("a.log", [b"123"], source="s")["error"] is None
        assert bundle.has("a.log")
        sealed = bundle.finish()
    assert sealed.partial is False
    contents = {path.name: path.read_bytes() for path in (place / "data").iterdir()}
    assert contents == {"a.log": b"123", "a.log.partial": b"1", "a.log.partial-2": b"2"}


def test_facts_that_do_not_fit_are_a_failure(place: Path) -> None:
    def facts() -> dict[str, Any]:
        raise IncidentsError("Counting audit_logs: 2 rows of 3 came")

    with opened(place) as bundle:
        entry = bundle.write("db/audit.csv", [b"1\n2\n"], source="COPY", facts=facts)
        assert (entry["path"], entry["error"]) == ("data/db/audit.csv.partial", "Counting audit_logs: 2 rows of 3 came")
        assert bundle.finish().partial


@pytest.mark.parametrize(("limit", "truncated"), [(5, True), (6, False), (1, True)])
def test_a_limit_ends_the_source(place: Path, limit: int, truncated: bool) -> None:
    closed = []

    def source() -> Iterator[bytes]:
        try:
            yield b"abcd"
            yield memoryview(b"ef").tobytes()
            assert not truncated
        finally:
            closed.append(True)
            if truncated:
                raise IncidentsError("the program was ended by SIGPIPE")

    with opened(place) as bundle:
        entry = bundle.write("a.bin", source(), source="s", limit_bytes=limit)
        assert (entry["bytes"], entry["truncated"], entry["error"]) == (limit, truncated, None)
        assert entry["sha256"] == hashlib.sha256(b"abcdef"[:limit]).hexdigest()
        assert closed == [True]
        assert bundle.finish().partial is False
    assert ("cut off" in tags(place / "bag-info.txt")["Evidence-Complete"]) is truncated


def test_what_was_cut_to_nothing_is_no_whole_file(place: Path) -> None:
    with opened(place) as bundle:
        entry = bundle.write("a.log", [b"abcd"], source="s", limit_bytes=0)
        assert (entry["path"], entry["error"]) == (None, "there was no room for any of it")
        assert not bundle.has("a.log")
        assert bundle.finish().partial


def test_nothing_is_collected_twice_or_into_a_finished_bundle(place: Path) -> None:
    with opened(place) as bundle:
        bundle.write("A.log", [b"x"], source="s")
        for same in ("A.log", "a.LOG"):
            with pytest.raises(IncidentsError, match="collected already"):
                bundle.write(same, [b"y"], source="s")
        first = bundle.finish()
        with pytest.raises(IncidentsError, match="is finished"):
            bundle.write("b.log", [b"y"], source="s")
    with opened(place) as again:
        assert again.sealed
        assert again.finish() == first
    assert (place / "data/A.log").read_bytes() == b"x"


def test_a_file_of_somebody_else_is_never_overwritten(place: Path) -> None:
    with opened(place) as bundle:
        (place / "data/a.log").write_bytes(b"precious")
        with pytest.raises(IncidentsError, match="never overwritten"):
            bundle.write("a.log", [b"new"], source="s")
        (place / "victim").write_bytes(b"precious")
        (place / "data/b.log.part").symlink_to(place / "victim")
        assert bundle.write("b.log", [b"new"], source="s")["error"] == "the disk: File exists"
        assert (place / "data/b.log.part").is_symlink()
    assert (place / "data/a.log").read_bytes() == (place / "victim").read_bytes() == b"precious"


def test_a_disk_that_takes_no_more_fails_one_source_and_a_smaller_one_finds_room(place: Path) -> None:
    allowed = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(place) as bundle:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, allowed[1]))
        try:
            entry = bundle.write("big", (b"x" * 1000 for _ in range(1000)), source="s")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, allowed)
        assert (entry["path"], entry["error"]) == (None, "the disk: File too large")
        assert list((place / "data").iterdir()) == []
        assert bundle.write("small", [b"x"], source="s")["error"] is None
        assert bundle.finish().partial


def test_a_bug_in_a_source_passes_through_and_leaves_nothing(place: Path) -> None:
    with opened(place) as bundle:
        with pytest.raises(ZeroDivisionError):
            bundle.write("a.log", breaking(b"x", error=ZeroDivisionError()), source="s")
        assert list((place / "data").iterdir()) == []
        assert bundle.write("a.log", [b"x"], source="s")["error"] is None


def test_several_threads_collect_at_once(place: Path) -> None:
    with opened(place) as bundle:
        threads = [
            threading.Thread(target=bundle.write, args=(f"pods/{n}/app.log", [b"%d" % n] * 50), kwargs={"source": "s"})
            for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(bundle.finish().manifest["files"]) == 12
    assert read_journal(place / "custody.jsonl").problems == []
    assert strangers_check(place) == ""


def test_one_process_at_a_time(place: Path) -> None:
    with opened(place), pytest.raises(IncidentsError, match="another process is writing"):
        opened(place)


def test_texts_of_others_are_one_line(place: Path) -> None:
    with Bundle.open(
        place, incident="i", custodian="eve\nEvidence-Complete: yes\r", collector="c", run_id="r"
    ) as bundle:
        bundle.miss("a", source="s" * 9000, error="\x1b[31m\n" + "e" * 9000)
        sealed = bundle.finish()
    assert [line.split(":")[0] for line in (place / "bag-info.txt").read_text().splitlines()].count(
        "Evidence-Complete"
    ) == 1
    assert len(sealed.manifest["failed"][0]["error"]) <= 2000
    assert len(sealed.manifest["failed"][0]["source"]) <= 2000
