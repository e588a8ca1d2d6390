# SPDX-License-Identifier: GPL-3.0-or-later
"""Up and down, also after the worst: what is left is looked for in the process list and on the disk."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from incident_runbooks.errors import UsageError
from incident_runbooks.lab import binaries, processes
from incident_runbooks.lab.directory import LabDirectory, default
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.processes import ProcessRecord
from incident_runbooks.lab.state import State
from incident_runbooks.lab.status import describe

NewLab = Callable[..., Lab]
ProcessesOf = Callable[[Path], list[psutil.Process]]
IDENTIFIER = 1


def shared_memory() -> set[str]:
    """Identifiers of the machine's System V segments, where it lists them."""
    listed = Path("/proc/sysvipc/shm")
    lines = listed.read_text(encoding="ascii").splitlines()[1:] if listed.exists() else []
    return {line.split()[IDENTIFIER] for line in lines}


def segment_of(lab: Lab) -> str:
    return (lab.server.data / "postmaster.pid").read_text(encoding="ascii").splitlines()[6].split()[IDENTIFIER]


def postmaster(lab: Lab) -> psutil.Process:
    record = lab.read().record("postgres")
    assert record is not None
    return psutil.Process(record.pid)


def kill(process: psutil.Process) -> None:
    process.kill()
    assert processes.wait_until_gone([process], 5) == []


def test_up_twice_says_it_is_up(lab: Lab) -> None:
    before = lab.read().to_plain()
    assert Lab(lab.directory.path).up() is False
    assert lab.read().to_plain() == before


def test_another_command_goes_on_where_the_first_stopped(lab: Lab) -> None:
    Lab(lab.directory.path).break_("idle-in-transaction")
    assert Lab(lab.directory.path).read().fault_names() == ["idle-in-transaction"]
    assert Lab(lab.directory.path).heal() == ["idle-in-transaction"]


def test_two_labs_do_not_disturb_each_other(new_lab: NewLab) -> None:
    majors = [each.major for each in binaries.available()]
    one, two = new_lab("one"), new_lab("two")
    starts = [
        threading.Thread(target=one.up, args=[str(majors[0])]),
        threading.Thread(target=two.up, args=[str(majors[-1])]),
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert (one.server.major, two.server.major) == (majors[0], majors[-1])
    assert one.server.port != two.server.port
    one.break_("pool-exhaustion")
    assert two.server.refusal(two.server.ops) is None
    assert two.heal() == []
    assert one.server.refusal(one.server.ops) == "server_slots_exhausted"
    one.down()
    assert two.server.refusal(two.server.ops) is None
    assert describe(two)["state"] == "up"


def test_only_the_owner_can_read_the_state(lab: Lab, secrets_of: Callable[[Lab], list[str]]) -> None:
    lab.break_("pool-exhaustion-full")
    assert stat.S_IMODE(lab.directory.path.stat().st_mode) == 0o700
    secrets = [secret.encode() for secret in secrets_of(lab)]
    assert all(len(secret) >= 24 for secret in secrets)
    holders = set()
    for path in (path for path in lab.directory.path.rglob("*") if path.is_file()):
        content = path.read_bytes()
        if any(secret in content for secret in secrets):
            holders.add(path.name)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert holders == {"lab.json", "inventory.json", "brandconnect_app.pgpass", "postgres.pgpass"}
    assert json.loads((lab.directory.path / "lab.json").read_text(encoding="utf-8"))["postgres"]["ops"]["password"]


def test_a_killed_postmaster_is_seen_replaced_and_cleaned_up(
    new_lab: NewLab, processes_of: ProcessesOf, tmp_path: Path
) -> None:
    lab = new_lab()
    lab.up()
    lab.break_("pool-exhaustion")
    before = {process.pid for process in processes_of(lab.directory.path)}
    segment = segment_of(lab)
    assert segment in shared_memory() or not shared_memory()
    kill(postmaster(lab))
    found = describe(lab)
    assert (found["state"], found["postgres"]["state"], found["postgres"]["ops_login"]) == (
        "damaged",
        "dead",
        "refused",
    )

    assert Lab(lab.directory.path).up() is True
    assert not before & {process.pid for process in processes_of(lab.directory.path)}, "clients of the crashed lab"
    assert segment not in shared_memory()
    assert (describe(lab)["state"], describe(lab)["faults"]) == ("up", [])

    segment = segment_of(lab)
    kill(postmaster(lab))
    assert lab.down() is True
    assert processes_of(lab.directory.path) == []
    assert list(tmp_path.iterdir()) == []
    assert segment not in shared_memory()


def test_heal_restarts_a_killed_postmaster(lab: Lab) -> None:
    kill(postmaster(lab))
    assert lab.heal() == ["PostgreSQL was not running"]
    with lab.server.connect(lab.server.app) as connection:
        assert connection.execute("SELECT count(*) > 0 FROM audit_logs").fetchone() == (True,)


@pytest.mark.parametrize(
    "content", ["", '{"version": 1', "[]", '{"postgres": {"host": 1}, "processes": [], "faults": []}']
)
def test_a_damaged_state_counts_as_missing(new_lab: NewLab, tmp_path: Path, content: str) -> None:
    lab = new_lab()
    lab.directory.make()
    (lab.directory.path / "lab.json").write_text(content, encoding="utf-8")
    assert lab.read() == State()
    assert describe(lab)["state"] == "damaged"
    assert lab.down() is True


def test_a_pid_that_was_reused_is_not_touched(lab: Lab) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        state = json.loads((lab.directory.path / "lab.json").read_text(encoding="utf-8"))
        client = {"name": "client backend", "pid": stranger.pid, "started": state["processes"][0]["started"]}
        state["processes"].append(client)
        lab.directory.write("lab.json", state)
        lab.heal()
        assert stranger.poll() is None
        stranger.kill()
    assert [record.name for record in lab.read().processes] == ["communications", "postgres"]


def test_a_record_knows_its_process_only() -> None:
    own = ProcessRecord.of("test", os.getpid())
    assert own.find() == psutil.Process()
    assert ProcessRecord("test", own.pid, own.started + "1").find() is None


@pytest.mark.parametrize("content", ["file", "directory"])
def test_a_foreign_directory_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    if content == "file":
        (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    else:
        (tmp_path / "photos").mkdir()
    lab = Lab(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="holds other files and is not a lab's directory"):
        lab.up()
    assert lab.down() is False
    assert sorted(tmp_path.rglob("*")) == before


def test_links_inside_are_removed_and_not_followed(new_lab: NewLab, tmp_path: Path) -> None:
    lab = new_lab()
    lab.directory.make()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (lab.directory.path / "link").symlink_to(outside)
    assert lab.down() is True
    assert (outside / "file").exists()


@pytest.mark.parametrize(
    ("number", "moment"), [(signal.SIGINT, "making PostgreSQL"), (signal.SIGTERM, "PostgreSQL listens")]
)
def test_interrupting_up_leaves_nothing(
    tmp_path: Path, processes_of: ProcessesOf, number: signal.Signals, moment: str
) -> None:
    directory = tmp_path / "lab"
    command = [sys.executable, "-m", "incident_runbooks", "lab", "up", "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        while moment not in up.stderr.readline():
            assert up.poll() is None
        time.sleep(0.02)
        up.send_signal(number)
        _, said = up.communicate(timeout=20)
    assert "Traceback" not in said
    assert up.returncode == 128 + number
    assert processes_of(directory) == []
    assert list(tmp_path.iterdir()) == []


def test_down_after_up_was_killed_and_its_state_was_lost(tmp_path: Path, processes_of: ProcessesOf) -> None:
    directory = tmp_path / "lab"
    command = [sys.executable, "-m", "incident_runbooks", "lab", "up", "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        while "PostgreSQL listens" not in up.stderr.readline():
            assert up.poll() is None
        up.kill()
    assert processes_of(directory) != []
    (directory / "lab.json").unlink()
    assert describe(Lab(directory))["state"] == "damaged"
    assert Lab(directory).down() is True
    assert processes_of(directory) == []
    assert list(tmp_path.iterdir()) == []


def test_commands_on_one_lab_wait_for_each_other(lab: Lab) -> None:
    order = []

    def break_it() -> None:
        Lab(lab.directory.path).break_("idle-in-transaction")
        order.append("broken")

    breaking = threading.Thread(target=break_it)
    breaking.start()
    while not lab.read().faults:
        time.sleep(0.01)
    lab.heal()
    order.append("healed")
    breaking.join()
    assert order == ["broken", "healed"]
    assert lab.read().faults == []


def test_a_lock_on_a_directory_that_was_removed_is_none(new_lab: NewLab) -> None:
    lab = new_lab()
    lab.directory.make()
    waited: list[str] = []

    def wait() -> None:
        try:
            with LabDirectory(lab.directory.path).locked():
                waited.append("locked")
        except UsageError as error:
            waited.append(error.message)

    waiting = threading.Thread(target=wait)
    with lab.directory.locked():
        waiting.start()
        time.sleep(0.2)
        lab.directory.remove()
    waiting.join()
    assert waited == [f"Looking for a lab in {lab.directory.path}: there is none"]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"RUNBOOK_LAB": "/x/lab", "XDG_STATE_HOME": "/state"}, "/x/lab"),
        ({"RUNBOOK_LAB": "", "XDG_STATE_HOME": "/state"}, "/state/incident-runbooks/lab"),
        ({"XDG_STATE_HOME": ""}, "~/.local/state/incident-runbooks/lab"),
        ({}, "~/.local/state/incident-runbooks/lab"),
    ],
)
def test_where_the_lab_is(environ: dict[str, str], expected: str) -> None:
    assert default(environ) == Path(expected)
