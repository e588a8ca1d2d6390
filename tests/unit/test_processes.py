# SPDX-License-Identifier: GPL-3.0-or-later
"""Every process of a run is found and stopped, those that left its group, session and environment too."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from incident_runbooks.execution import private
from incident_runbooks.processes import ProcessTree, marked

RUN = "run-20260101T000000Z-abcd"
SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
# leaves its parent, session, group and environment, and writes the pid of what stays
ESCAPE = """
import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1], "w").write(str(os.getpid()))
        os.execve(sys.executable, [sys.executable, "-c", "import time; time.sleep(600)"], {})
    os._exit(0)
"""


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start Python programs; what a failing test leaves is ended."""
    started: list[subprocess.Popen[bytes]] = []

    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}

    def begin(program: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", program, *arguments]
        started.append(subprocess.Popen(command, env={**kept, **environment}))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def written(path: Path) -> int:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return int(path.read_text())


def test_what_ignores_sigterm_is_killed(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    with ProcessTree(RUN) as tree:
        polite, stubborn = start(SLEEP), start(STUBBORN)
        time.sleep(0.3)
        assert tree.stop(grace_s=0.3) == []
        assert gone(polite.pid)
        assert gone(stubborn.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans back to an ancestor")
def test_what_left_everything_behind_is_stopped(start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    with ProcessTree(RUN) as tree:
        start(ESCAPE, str(tmp_path / "pid"), RUNBOOK_RUN_ID=RUN)
        escaped = written(tmp_path / "pid")
        assert psutil.Process(escaped).environ() in ({}, {"LC_CTYPE": "C.UTF-8"})
        assert tree.stop(grace_s=0.3) == []
        assert gone(escaped)
    assert not psutil.pid_exists(escaped), "a zombie is left"


def test_a_process_elsewhere_is_found_by_its_environment(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    elsewhere = start(SLEEP, RUNBOOK_RUN_ID=RUN)
    other = start(SLEEP, RUNBOOK_RUN_ID=f"{RUN}0")
    deadline = time.monotonic() + 5
    while not marked(RUN) and time.monotonic() < deadline:
        time.sleep(0.02)
    with ProcessTree(RUN) as tree:  # both were there before: only the mark tells
        assert [process.pid for process in tree.members()] == [elsewhere.pid]
        assert tree.stop() == []
    assert elsewhere.poll() is not None or gone(elsewhere.pid)
    assert other.poll() is None


def test_earlier_children_are_left_alone(start: Callable[..., subprocess.Popen[bytes]]) -> None:
    service = start(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}])")
    with ProcessTree(RUN) as tree:
        mine = start(SLEEP)
        assert tree.stop() == []
        assert gone(mine.pid)
    assert service.poll() is None
    for child in psutil.Process(service.pid).children():
        assert child.status() != psutil.STATUS_ZOMBIE
        child.kill()


def test_a_private_directory_is_private_and_goes_away(tmp_path: Path) -> None:
    with private.private_directory(tmp_path / "home", RUN) as path:
        short = private.short_directory(path)
        assert {folder.stat().st_mode & 0o777 for folder in (path, path / "tmp", short)} == {0o700}
        assert len(str(short)) < 80, "a socket below it must fit"
        locked = path / "locked"
        locked.mkdir()
        (locked / "file").write_text("x")
        locked.chmod(0o500)
    assert not path.exists()
    assert not short.exists()
    with pytest.raises(ZeroDivisionError), private.private_directory(tmp_path / "home", RUN) as path:
        raise ZeroDivisionError
    assert not path.exists()


def test_the_next_start_sweeps_after_a_dead_wrapper_and_only_after_it(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from incident_runbooks.execution import private as e\n"
        "with e.private_directory(Path(sys.argv[1]), sys.argv[2]) as path:\n"
        "    Path(sys.argv[3]).write_text(str(path)); time.sleep(600)"
    )
    places = {}
    for name in ("dead", "living"):
        where = tmp_path / name
        process = start(hold, str(tmp_path / "home"), f"{RUN}-{name}", str(where))
        deadline = time.monotonic() + 10
        while not (where.exists() and where.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        places[name] = (Path(where.read_text()), process)
    orphan = start(SLEEP, RUNBOOK_RUN_ID=f"{RUN}-dead")
    time.sleep(0.1)
    places["dead"][1].kill()
    places["dead"][1].wait()
    assert places["dead"][0].exists()
    short = private.short_directory(places["dead"][0])
    assert short.exists()
    with private.private_directory(tmp_path / "home", RUN):
        assert not places["dead"][0].exists()
        assert not short.exists()
        assert places["living"][0].exists()
    orphan.wait(timeout=5)  # nobody watched it any more
    assert places["living"][1].poll() is None
    places["living"][1].kill()
    places["living"][1].wait()
    with private.private_directory(tmp_path / "home", RUN):
        assert len(list((tmp_path / "home" / "tmp").glob("run-*"))) == 1
