# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever is done to a bundle afterwards is named: the very file, and no other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.bundle import read_sums, sums
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_bundles import verify_bundle
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_verify import verify_incident
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import IncidentLock
from support.bundles import collect, incident_with_bundle, open_up, opened, strangers_check

LOG = "data/pods/a/app.log"
TOP = "tagmanifest-sha256.txt"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A finished bundle, which its owner opened up again."""
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    collect(own / "bundle", broken=True)
    open_up(own / "bundle")
    return own / "bundle"


def without_its_end(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))


def where(place: Path, anchor: str | None = None) -> list[str]:
    return [path.split(" ")[0] for path, _ in verify_bundle(place, anchor=anchor)[1]]


def anchor_of(place: Path) -> str:
    return hashlib.sha256((place / TOP).read_bytes()).hexdigest()


def test_what_is_whole_is_intact(place: Path) -> None:
    assert verify_bundle(place, anchor=anchor_of(place)) == (10, [])
    assert verify_bundle(place) == (10, [])


def test_one_flipped_byte_is_named_wherever_it_is(place: Path) -> None:
    """The payload and the lists: the file with the byte is named, and nothing else is blamed."""
    anchor = anchor_of(place)
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        name = path.relative_to(place).as_posix()
        content = path.read_bytes()
        for at in range(0, len(content), max(1, len(content) // 15)):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            expected = [] if name == TOP else [name]  # what the journal says of that one is compared by its check
            assert sorted(set(where(place, anchor))) == expected, (name, at)
            alone = where(place)
            # alone, a list of hashes and what it lists are each other's only witnesses
            assert name in alone or (name == TOP and alone), (name, at, alone)
        path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        (LOG, lambda path: path.unlink(), "it is missing"),
        ("data/pods/a/more.log", lambda path: path.write_bytes(b"x"), "it was added"),
        ("notes.txt", lambda path: path.write_bytes(b"x"), "it was added"),
        ("data/link", lambda path: path.symlink_to("/etc/hostname"), "it is no ordinary file"),
        (LOG, lambda path: (path.unlink(), path.symlink_to("/etc/hostname")), "it is no ordinary file"),
        ("MANIFEST.json", lambda path: path.unlink(), "it is missing"),
        ("manifest-sha256.txt", lambda path: path.unlink(), "it is missing"),
        ("bagit.txt", lambda path: path.unlink(), "it is missing"),
        ("custody.jsonl", lambda path: path.unlink(), "it is missing"),
        ("custody.jsonl", without_its_end, "changed"),
        (TOP, lambda path: path.unlink(), "it is missing"),
    ],
)
def test_what_is_missing_or_was_added_is_named(
    place: Path, name: str, change: Callable[[Path], object], said: str
) -> None:
    anchor = anchor_of(place)
    change(place / name)
    ((found, problem),) = verify_bundle(place, anchor=anchor)[1]
    assert found == name
    assert said in problem


def test_a_line_that_was_removed_from_the_custody_log_is_named(place: Path) -> None:
    path = place / "custody.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    ((found, problem),) = verify_bundle(place)[1]
    assert found == "custody.jsonl line 3"
    assert "removed before it" in problem


def test_lists_that_were_made_anew_do_not_fit_the_custody_log(place: Path) -> None:
    """Somebody changed a file and every list of hashes, so that a bag's own check finds nothing."""
    (place / LOG).write_bytes(b"nothing happened\n")
    for name in ("manifest-sha256.txt", TOP):
        said, wrong = read_sums((place / name).read_bytes())
        assert wrong == []
        (place / name).write_text(
            sums({path: hashlib.sha256((place / path).read_bytes()).hexdigest() for path in said})
        )
    assert strangers_check(place) == ""
    assert set(where(place)) == {LOG}


@pytest.fixture
def incident(tmp_path: Path) -> Path:
    """An incident with a bundle that its journal knows."""
    return incident_with_bundle(tmp_path)


def evidence(directory: Path) -> tuple[str, int, list[str]]:
    (check,) = [check for check in verify_incident(directory)["checks"] if check["name"] == "evidence"]
    return check["status"], check["checked"], [problem["where"] for problem in check["problems"]]


def test_the_incident_is_intact_with_its_bundle(incident: Path) -> None:
    assert evidence(incident) == ("intact", 11, [])
    assert verify_incident(incident)["intact"] is True


def test_the_incident_names_the_byte_wherever_it_is_in_the_bundle(incident: Path) -> None:
    for path in sorted(path for path in (incident / "evidence/bundle").rglob("*") if path.is_file()):
        content = path.read_bytes()
        for at in range(0, len(content), max(1, len(content) // 4)):
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            found = {place.split(" ")[0] for place in evidence(incident)[2]}
            assert found == {path.relative_to(incident).as_posix()}, at
        path.write_bytes(content)


def test_a_bundle_that_vanished_or_was_slipped_in_is_named(incident: Path, tmp_path: Path) -> None:
    (incident / "evidence/bundle").rename(tmp_path / "elsewhere")
    assert evidence(incident)[2] == ["evidence/bundle/tagmanifest-sha256.txt"]
    (other := tmp_path / "other").mkdir()
    unknown = incident_with_bundle(other, recorded=False)
    assert evidence(unknown)[2] == ["evidence/bundle/tagmanifest-sha256.txt"]


def test_a_bundle_made_anew_as_a_whole_is_named_by_the_journal(incident: Path, tmp_path: Path) -> None:
    (again := tmp_path / "again").mkdir(mode=0o700)
    collect(again / "bundle")
    for path in (again / "bundle", incident / "evidence/bundle"):
        open_up(path)
    (incident / "evidence/bundle").rename(tmp_path / "first")
    (again / "bundle").rename(incident / "evidence/bundle")
    assert evidence(incident)[2] == ["evidence/bundle/tagmanifest-sha256.txt"]


def test_a_bundle_that_grows_is_no_damage_while_the_run_is_under_way(incident: Path) -> None:
    (incident / "evidence").chmod(0o700)
    with opened(incident / "evidence/second") as bundle, IncidentLock(incident, run_id="run-x", operator="bob"):
        bundle.write("a.log", [b"x"], source="s")
        (incident / "evidence/second/data/b.log.part").write_bytes(b"half")
        assert verify_incident(incident)["intact"] is True
    assert evidence(incident)[2] == ["evidence/second", "evidence/second/data/b.log.part"]
