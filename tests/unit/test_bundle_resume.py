# SPDX-License-Identifier: GPL-3.0-or-later
"""A bundle whose collector was killed: the next one ends with all of it, and says what happened."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle_state import Sealed
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_bundles import verify_bundle
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import read_journal
from support.bundles import breaking, opened, strangers_check

SOURCES = {f"pods/p{number}/app.log": b"%d\n" % number * 20_000 for number in range(4)}

# Kills itself, as the kernel would, at the Nth call of a function of the collector; 0 is in the middle of a stream
KILLED = """
import os, signal, sys
from pathlib import Path
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import bundle, bundle_custody, bundle_files
from support.bundles import opened
from unit_sources import SOURCES, collect_all

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def at(owner, name, count, *, after=False):
    real = getattr(owner, name)
    calls = [0]
    def wrapped(*args, **more):
        calls[0] += 1
        if calls[0] == count and not after:
            die()
        said = real(*args, **more)
        if calls[0] == count and after:
            die()
        return said
    setattr(owner, name, wrapped)

moment = sys.argv[2]
owners = {"files": bundle_files, "custody": bundle_custody.Custody, "os": os}
if moment == "stream":
    SOURCES["pods/p2/app.log"] = (b"x" * 5000, die)
else:
    owner, name, count, when = moment.split(":")
    at(owners[owner], name, int(count), after=when == "after")
collect_all(Path(sys.argv[1]))
sys.exit("it was not killed")
"""
UNIT_SOURCES = """
from support.bundles import opened
SOURCES = {sources!r}

def chunks(content):
    if isinstance(content, tuple):
        yield content[0]
        content[1]()
    yield from (content[start:start + 4096] for start in range(0, len(content), 4096))

def collect_all(directory):
    with opened(directory) as bundle:
        for path, content in SOURCES.items():
            if not bundle.has(path):
                bundle.write(path, chunks(content), source=path)
        bundle.finish()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a bundle may be made."""
    own = tmp_path / "own"
    own.mkdir(mode=0o700)
    return own / "bundle"


def killed(place: Path, moment: str) -> None:
    """Collect in another process, which is killed at that moment."""
    lib = place.parent.parent / "lib"
    lib.mkdir(exist_ok=True)
    (lib / "unit_sources.py").write_text(UNIT_SOURCES.format(sources=SOURCES), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(place), moment],
        env={"PYTHONPATH": ":".join([str(lib), *sys.path]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def go_on(place: Path) -> tuple[Sealed, list[str]]:
    """A second run; what it had to collect again."""
    again = []
    with opened(place, run_id="run-2") as bundle:
        for path, content in SOURCES.items():
            if not bundle.has(path):
                again.append(path)
                bundle.write(path, [content], source=path)
        return bundle.finish(), again


@pytest.mark.parametrize(
    ("moment", "collected_again"),
    [
        ("stream", 2),  # 0 and 1 are whole, 2 is half there
        ("files:receive:3:after", 2),  # whole on the disk, not recorded
        ("custody:append:4:after", 1),  # recorded (the first record is `opened`), not named yet
        ("files:name_finally:3:after", 1),
        ("os:write:1:before", 4),  # nothing in the custody log yet
        ("files:make_folders:1:before", 4),
        ("files:write_whole:3:before", 0),  # between the manifests
        ("files:write_whole:5:before", 0),  # sealed in the log, not yet in the last list
        ("files:close_up:1:before", 0),  # every list is there
    ],
)
def test_a_second_run_ends_with_a_whole_bundle(place: Path, moment: str, collected_again: int) -> None:
    killed(place, moment)
    assert not verify_bundle(place, under_way=True)[1]
    if moment != "files:close_up:1:before":
        assert verify_bundle(place)[1]  # not finished, and said so
    sealed, again = go_on(place)
    assert len(again) == collected_again
    assert sealed.partial is False
    assert {path.relative_to(place / "data").as_posix(): path.read_bytes()
            for path in (place / "data").rglob("*") if path.is_file()} == SOURCES  # fmt: skip
    assert verify_bundle(place, anchor=sealed.sha256) == (len(SOURCES) + 6, [])
    assert strangers_check(place) == ""
    assert list(place.rglob("*.part")) == []
    assert read_journal(place / "custody.jsonl").problems == []


def test_what_was_thrown_away_is_said(place: Path) -> None:
    killed(place, "stream")
    (torn := place / "custody.jsonl").write_bytes(torn.read_bytes() + b'{"v":1,"se')
    go_on(place)
    (resumed,) = [record for record in read_journal(torn).records if record["type"] == "resumed"]
    assert (resumed["run_id"], resumed["data"]["kept"], resumed["data"]["torn_bytes"]) == ("run-2", 2, 10)
    assert [item["path"] for item in resumed["data"]["discarded"]] == ["data/pods/p2/app.log.part"]


def test_a_source_that_broke_is_tried_again_after_a_crash(place: Path) -> None:
    with opened(place) as bundle:
        bundle.write("pods/p0/app.log", breaking(b"half"), source="s")
    sealed, again = go_on(place)
    assert len(again) == len(SOURCES)
    assert sealed.partial is False
    assert (place / "data/pods/p0/app.log.partial").read_bytes() == b"half"
    assert verify_bundle(place)[1] == []


@pytest.mark.parametrize("how", ["changed", "missing", "added", "link", "custody", "incident"])
def test_evidence_that_was_touched_in_between_is_not_gone_on_with(place: Path, how: str) -> None:
    killed(place, "stream")
    log = place / "data/pods/p0/app.log"
    more: dict[str, Any] = {}
    named = "data/pods/p0/app.log"
    if how == "changed":
        log.write_bytes(b"1" + log.read_bytes()[1:])
    elif how == "missing":
        log.unlink()
    elif how == "added":
        (place / "data/extra").write_bytes(b"x")
        named = "data/extra"
    elif how == "link":
        log.rename(place.parent / "elsewhere")
        log.symlink_to(place.parent / "elsewhere")
    elif how == "custody":
        path = place / "custody.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"custodian":"alice"', b'"custodian":"mallo"', 1))
        named = "line 1"
    else:
        more = {"incident": "another"}
        named = "it is of the incident"
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    with pytest.raises(IncidentsError) as refused:
        opened(place, **more)
    assert named in refused.value.message
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before


def test_another_custodian_goes_on(place: Path) -> None:
    killed(place, "stream")
    with opened(place, custodian="bob", run_id="run-2") as bundle:
        bundle.write("pods/p3/app.log", [b"x"], source="s")
        bundle.finish()
    files = json.loads((place / "MANIFEST.json").read_bytes())["files"]
    assert [entry["custodian"] for entry in files] == ["alice", "alice", "bob"]
