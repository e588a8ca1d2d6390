# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished bundle is compared with what was sealed before anybody vouches for it again."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from support.bundles import LOG, collect, open_up, opened


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a bundle may be made."""
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    return own / "bundle"


def _rewritten(place: Path, name: str, content: bytes) -> None:
    """Change a tag file and its line in the last list, as somebody would who knows how a bundle is laid out."""
    (place / name).write_bytes(content)
    lines = (place / "tagmanifest-sha256.txt").read_text().splitlines()
    new = [f"{hashlib.sha256(content).hexdigest()}  {name}" if line.endswith(f"  {name}") else line for line in lines]
    (place / "tagmanifest-sha256.txt").write_text("\n".join(new) + "\n")


def _without_the_trail(place: Path) -> None:
    (place / "data/db/audit_logs.csv").unlink()
    manifest = json.loads((place / "MANIFEST.json").read_bytes())
    manifest["files"] = [entry for entry in manifest["files"] if "audit" not in entry["path"]]
    _rewritten(place, "MANIFEST.json", json.dumps(manifest).encode())
    listing = (place / "manifest-sha256.txt").read_text().splitlines()
    _rewritten(place, "manifest-sha256.txt", "".join(f"{line}\n" for line in listing if "audit" not in line).encode())


def _not_partial(place: Path) -> None:
    manifest = json.loads((place / "MANIFEST.json").read_bytes()) | {"partial": False, "failed": []}
    _rewritten(place, "MANIFEST.json", json.dumps(manifest).encode())


TAMPERED: list[tuple[Any, list[str]]] = [
    (_without_the_trail, ["MANIFEST.json", "data/db/audit_logs.csv", "manifest-sha256.txt"]),
    (_not_partial, ["MANIFEST.json"]),
    (lambda place: (place / "data/db/audit_logs.csv").unlink(), ["data/db/audit_logs.csv"]),
    (lambda place: (place / "data/pods/a/app.log").write_bytes(LOG[:-1] + b"x"), ["data/pods/a/app.log"]),
    (lambda place: (place / "data/pods/a/app.log").write_bytes(LOG[:-1]), ["data/pods/a/app.log"]),
    (lambda place: (place / "data/more.log").write_bytes(b"planted"), ["data/more.log"]),
    (lambda place: (place / "bag-info.txt").write_bytes(b"x: y\n"), ["bag-info.txt"]),
    (lambda place: (place / "bagit.txt").unlink(), ["bagit.txt"]),
    (lambda place: (place / "tagmanifest-sha256.txt").write_bytes(b""), ["MANIFEST.json", "bag-info.txt"]),
]


@pytest.mark.parametrize(("tamper", "named"), TAMPERED)
def test_a_finished_bundle_that_was_changed_is_vouched_for_no_more(place: Path, tamper: Any, named: list[str]) -> None:
    collect(place, broken=True)
    open_up(place)
    tamper(place)
    before = {path: (path.stat().st_mode, path.is_file() and path.read_bytes()) for path in place.rglob("*")}
    with pytest.raises(IncidentsError, match="not what was sealed") as refused:
        opened(place)
    assert refused.value.details["changed_files"][: len(named)] == named
    if "tagmanifest-sha256.txt" not in refused.value.details["changed_files"]:
        assert refused.value.details["changed_files"] == named
    assert {path: (path.stat().st_mode, path.is_file() and path.read_bytes()) for path in place.rglob("*")} == before


def test_a_bundle_whose_every_list_was_rewritten_is_not_the_one_that_was_recorded(place: Path) -> None:
    recorded = collect(place).sha256
    open_up(place)
    shutil.rmtree(place)
    with opened(place) as bundle:
        bundle.write("pods/a/app.log", [b"nothing happened\n"], source="GET")
        assert bundle.finish().sha256 != recorded
    with pytest.raises(IncidentsError) as refused:
        opened(place, anchor=recorded)
    assert refused.value.details["changed_files"] == ["tagmanifest-sha256.txt"]
    open_up(place)
    (place / "tagmanifest-sha256.txt").unlink()
    with pytest.raises(IncidentsError) as refused:  # and none goes on with it
        opened(place, anchor=recorded)
    assert refused.value.details["changed_files"] == ["tagmanifest-sha256.txt"]


def test_one_that_is_whole_is_the_same_again_and_nothing_is_touched(place: Path) -> None:
    first = collect(place, broken=True)
    before = {path: path.stat().st_ctime_ns for path in [place, *place.rglob("*")]}
    with opened(place, anchor=first.sha256) as again:
        assert again.found == first
        assert again.finish() == first
    assert {path: path.stat().st_ctime_ns for path in [place, *place.rglob("*")]} == before


def test_a_custody_log_that_was_changed_is_named(place: Path) -> None:
    collect(place)
    open_up(place)
    log = place / "custody.jsonl"
    log.write_bytes(log.read_bytes().replace(b"alice", b"mallo", 1))
    with pytest.raises(IncidentsError, match="line 1") as refused:
        opened(place)
    assert refused.value.details["changed_files"] == ["custody.jsonl"]
