# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed, interrupted or left alone: nothing is claimed that was not recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import holder_of
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import verify_chain
from incident_runbooks import schemas
from support.journal_bench import PROGRAM, Bench, Ran, act, copy_collection, finding, wait_for


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Bench:
    return Bench(collections, tmp_path)


def slow(bench: Bench) -> Path:
    tasks = [
        act("Look", result={"record": finding("down")}),
        act("Do harm", trace=str(bench.trace), seconds=3),
        act("Do more harm", trace=str(bench.trace)),
    ]
    return bench.playbook([{"tasks": tasks}])


def test_a_killed_run_is_unknown_and_names_the_step(bench: Bench) -> None:
    process = bench.start(slow(bench))
    wait_for(bench.traces, "step that acts")
    process.kill()
    process.wait(10)
    (directory,) = bench.directories()
    result = fold((directory / "journal.jsonl").read_bytes())
    assert schemas.validate("result", result) == []
    assert result["outcome"] == "unknown"
    (error,) = result["errors"]
    assert "'Do harm' (brandconnect.incidents.act) on alpha" in error["message"]
    assert error["mutates"] is True
    assert verify_chain(directory / "journal.jsonl") == []
    holder = holder_of(directory)
    assert holder, "the worker is still acting"
    wait_for(lambda: holder_of(directory) is None, "end of the worker")
    assert bench.traces() == ["alpha"], "no further step"
    assert process.stdout
    process.stdout.close()


def test_ctrl_c_leaves_a_result(bench: Bench) -> None:
    process = bench.start(slow(bench))
    wait_for(bench.traces, "step that acts")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    ran = Ran(process.returncode, output, bench.directories())
    assert ran.result["outcome"] == "unknown"
    assert ran.of_type("run_interrupted")[0]["reason"] == "sigint"
    assert "'Do harm'" in ran.result["errors"][0]["message"]
    assert bench.traces() == ["alpha"]
    assert f"Incident {ran.directory.name}: unknown" in output


PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_a_run_ends_with_the_wrapper_that_was_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    book = slow(bench)
    bench.start("--version").communicate(timeout=30)  # writes the inventory
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(bench.collections),
        "ANSIBLE_CALLBACKS_ENABLED": "brandconnect.incidents.journal",
        "RUNBOOK_HOME": str(bench.home),
        "RUNBOOK_PARENT_DEATH": "1",
    }
    command = [sys.executable, "-c", PARENT, str(PROGRAM), "-i", str(bench.directory / "inventory.yml"), str(book)]
    parent = subprocess.Popen(command, env=environment, cwd=bench.directory, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    wait_for(bench.traces, "step that acts")
    parent.kill()
    parent.wait(10)
    parent.stdout.close()
    wait_for(lambda: not Path(f"/proc/{child}").exists() or b"Z" in _state(child), "end of ansible-playbook", 2)
    (directory,) = bench.directories()
    wait_for(lambda: holder_of(directory) is None, "end of the worker", 2)
    assert bench.traces() == ["alpha"]
    assert fold((directory / "journal.jsonl").read_bytes())["outcome"] == "unknown"


def _state(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return b"Z"
