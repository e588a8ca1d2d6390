# SPDX-License-Identifier: GPL-3.0-or-later
"""Incidents on disk: ids that are safe as names, private directories, one run at a time."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import (
    IncidentLock,
    IncidentLockedError,
    holder_of,
)

GOOD = "pool-exhaustion-20261123T231455Z-3fa1"
RUN = "run-20261123T231455Z-0001"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_ids() -> None:
    moment = dt.datetime(2026, 11, 23, 23, 14, 55, tzinfo=dt.UTC)
    assert incidents.new_incident_id("pool_exhaustion", moment)[:-4] == GOOD[:-4]
    assert incidents.new_run_id(moment).startswith("run-20261123T231455Z-")
    assert incidents.checked_run_id(incidents.new_run_id())
    assert incidents.type_of(GOOD) == "pool-exhaustion"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "..",
        "../../etc",
        "pool-exhaustion",
        f"../{GOOD}",
        f"{GOOD}/..",
        f"{GOOD}\n",
        f"/{GOOD}",
        GOOD.upper(),
        GOOD + "0",
        "a" * 200 + GOOD,
        GOOD.replace("1", "\u0661"),
        "-20261123T231455Z-3fa1",
    ],
)
def test_what_is_no_id_never_becomes_a_path(bad: str, tmp_path: Path) -> None:
    with pytest.raises(IncidentsError, match="incident id"):
        incidents.incident_dir(bad, tmp_path)
    with pytest.raises(IncidentsError):
        incidents.open_incident(bad, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_type_that_is_no_name() -> None:
    with pytest.raises(IncidentsError):
        incidents.new_incident_id("../evil")


def test_home(tmp_path: Path) -> None:
    assert incidents.home({"RUNBOOK_HOME": str(tmp_path)}) == tmp_path
    assert incidents.home({}).name == "incident-runbooks"
    assert incidents.home({}).is_absolute()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_directories_and_files_are_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        directory = incidents.open_incident(GOOD, tmp_path)
        incidents.write_private(directory / "result.json", "{}")
        with IncidentLock(directory, run_id=RUN, operator="tester"):
            pass
    finally:
        os.umask(before)
    assert mode(directory) == mode(directory.parent) == 0o700
    assert mode(directory / "result.json") == mode(directory / "lock") == 0o600
    assert sorted(path.name for path in directory.iterdir()) == ["lock", "result.json"]


def test_a_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IncidentsError, match=r"Making the incident directory .*: Not a directory"):
        incidents.new_incident("rehearsal", tmp_path / "file" / "home")


def test_the_newest_first_and_nothing_that_is_no_incident(tmp_path: Path) -> None:
    assert incidents.list_incidents(tmp_path) == []
    for name in ("zzz-20261101T000000Z-0000", "aaa-20261103T000000Z-0000", "mmm-20261102T000000Z-0000"):
        incidents.open_incident(name, tmp_path)
    (tmp_path / "incidents" / "notes").mkdir()
    (tmp_path / "incidents" / "bbb-20261104T000000Z-0000").write_text("a file")
    (tmp_path / "incidents" / "ccc-20261105T000000Z-0000").symlink_to("/tmp")  # noqa: S108 - a link elsewhere
    found = incidents.list_incidents(tmp_path)
    assert [incident.type for incident in found] == ["aaa", "mmm", "zzz"]
    assert found[0].opened_at == "2026-11-03T00:00:00Z"
    assert not found[0].under_way


def test_the_second_run_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    directory = incidents.open_incident(GOOD, tmp_path)
    with IncidentLock(directory, run_id=RUN, operator="alice"):
        (incident,) = incidents.list_incidents(tmp_path)
        assert incident.under_way
        assert incident.holder
        assert incident.holder["operator"] == "alice"
        with pytest.raises(IncidentLockedError) as refused:
            IncidentLock(directory, run_id="run-20261123T231455Z-0002", operator="bob")
        assert refused.value.holder["pid"] == os.getpid()
        assert f"pid {os.getpid()}, operator alice, since 2" in refused.value.message
    assert holder_of(directory) is None
    with IncidentLock(directory, run_id=RUN, operator="bob"):
        holder = holder_of(directory)
        assert holder
        assert holder["operator"] == "bob"


HOLD = """
import os, sys, time
from pathlib import Path
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import IncidentLock
lock = IncidentLock(Path(sys.argv[1]), run_id="run-20261123T231455Z-0001", operator="carol")
if os.fork() == 0:
    time.sleep(float(sys.argv[2]))
    os._exit(0)
print("held", flush=True)
time.sleep(60)
"""


def test_a_killed_run_holds_the_incident_as_long_as_its_workers_live(tmp_path: Path) -> None:
    directory = incidents.open_incident(GOOD, tmp_path)
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(directory), "1.5"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        holder = holder_of(directory)
        assert holder
        assert holder["pid"] == process.pid, "the worker may still act"
        assert process.stdout.read() == ""  # returns when the worker is gone
    finally:
        process.kill()
        process.wait(10)
    assert holder_of(directory) is None, "a crash leaves no lock behind"
    assert json.loads((directory / "lock").read_text())["operator"] == "carol"
    with IncidentLock(directory, run_id=RUN, operator="dave"):
        pass


def test_looking_does_not_refuse_a_run_that_begins(tmp_path: Path) -> None:
    directory = incidents.open_incident(GOOD, tmp_path)
    (directory / "lock").write_text('{"operator": "a crashed one"}')
    for _ in range(50):
        assert holder_of(directory) is None
        IncidentLock(directory, run_id=RUN, operator="erin").release()


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    incidents.write_private(target, "first")
    incidents.write_private(target, "second")
    assert target.read_text() == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    with pytest.raises(IncidentsError, match=r"Writing .*: No such file or directory"):
        incidents.write_private(tmp_path / "missing" / "result.json", "x")


def test_the_code_that_the_command_uses_does_not_import_ansible() -> None:
    modules = ["incidents", "incidents_lock", "journal", "fold", "redaction", "redaction_secrets", "outcome"]
    names = ", ".join(f"ansible_collections.brandconnect.incidents.plugins.plugin_utils.{name}" for name in modules)
    code = (
        f"import sys, {names}; sys.exit(any(name.split('.')[0] in ('ansible', 'jsonschema') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
