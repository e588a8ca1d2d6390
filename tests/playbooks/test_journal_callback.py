# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorder under real ansible-playbook runs, with a stand-in runbook in a copy of the collection."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import list_incidents, open_incident
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import IncidentLock, holder_of
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import verify_chain
from incident_runbooks import schemas

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures" / "journal"
ACT = "brandconnect.incidents.act"
PROGRAM = Path(sys.executable).with_name("ansible-playbook")
Json = dict[str, Any]


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the collection that knows two stand-in incident types and an acting module."""
    base = tmp_path_factory.mktemp("collections")
    root = base / "ansible_collections" / "brandconnect" / "incidents"
    shutil.copytree(ROOT / "plugins", root / "plugins", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "meta", root / "meta")
    shutil.copy(ROOT / "galaxy.yml", root)
    shutil.copy(FIXTURES / "act.py", root / "plugins" / "action")
    shutil.copytree(ROOT / "src/incident_runbooks/schemas", root / "src/incident_runbooks/schemas")
    for role in ("rehearsal", "other_rehearsal"):
        (root / "roles" / role / "meta").mkdir(parents=True)
        shutil.copy(FIXTURES / "runbook.yml", root / "roles" / role / "meta")
    return base


@dataclass
class Ran:
    """What a run left behind."""

    rc: int
    output: str
    directories: list[Path]

    @property
    def directory(self) -> Path:
        (directory,) = self.directories
        return directory

    @property
    def result(self) -> Json:
        result: Json = json.loads((self.directory / "result.json").read_text(encoding="utf-8"))
        assert schemas.validate("result", result) == []
        return result

    @property
    def journal(self) -> list[Json]:
        journal = self.directory / "journal.jsonl"
        assert verify_chain(journal) == []
        lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
        assert [problem for line in lines for problem in schemas.validate("journal", line)] == []
        return lines

    def of_type(self, kind: str) -> list[Json]:
        return [record["data"] for record in self.journal if record["type"] == kind]


@dataclass
class Bench:
    """A place to run playbooks in."""

    collections: Path
    directory: Path
    hosts: dict[str, Json | None] = field(default_factory=lambda: {"alpha": None, "beta": None})

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def trace(self) -> Path:
        return self.directory / "trace"

    def traces(self) -> list[str]:
        return self.trace.read_text().split() if self.trace.exists() else []

    def playbook(self, plays: list[Json], name: str = "rehearsal") -> Path:
        path = self.directory / f"{name}.yml"
        defaults = {"hosts": "alpha", "gather_facts": False}
        content = [play if "import_playbook" in play else {**defaults, **play} for play in plays]
        path.write_text(yaml.safe_dump(content, sort_keys=False, width=100_000), encoding="utf-8")
        return path

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = self.directory / "inventory.yml"
        inventory.write_text(yaml.safe_dump({"all": {"vars": local, "hosts": self.hosts}}), encoding="utf-8")
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RUNBOOK_", "ANSIBLE_", "PG"))
        }
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections),
            "ANSIBLE_CALLBACKS_ENABLED": "brandconnect.incidents.journal",
            "ANSIBLE_LOCALHOST_WARNING": "False",
            "RUNBOOK_HOME": str(self.home),
        }
        return subprocess.Popen(
            [str(PROGRAM), "-i", str(inventory), *map(str, arguments)],
            cwd=self.directory,
            env={**kept, **settings, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str | Path, **environment: str) -> Ran:
        process = self.start(*arguments, **environment)
        output, _ = process.communicate(timeout=60)
        return Ran(process.returncode, output, self.directories())

    def untrusted(self, name: str, text: str) -> str:
        """A variable with text from outside, which Ansible does not template."""
        (self.directory / name).write_text(text, encoding="utf-8")
        return f"{{{{ lookup('ansible.builtin.file', '{self.directory}/{name}', rstrip=false) }}}}"

    def directories(self) -> list[Path]:
        folder = self.home / "incidents"
        return sorted(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Iterator[Bench]:
    yield Bench(collections, tmp_path)


def act(name: str = "Act", **arguments: Any) -> Json:
    return {"name": name, ACT: arguments}


def finding(status: str = "ok", **more: Any) -> Json:
    return {"type": "finding", "data": {"check": "a", "component": "alpha", "status": status, "summary": "s", **more}}


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.02)


def test_what_a_run_leaves_behind(bench: Bench) -> None:
    """Parallel hosts, loops, rescued, ignored and skipped failures, a failure that nobody rescues, forged records."""
    tasks = [
        act("Look", result={"record": finding(component="{{ inventory_hostname }}")}),
        {**act("Loop", result={"records": [{"type": "evidence", "data": {"path": "{{ item }}"}}]}), "loop": ["x", "y"]},
        {"block": [act("Break", result={"failed": True, "msg": "broke"})], "rescue": [act("Mend")]},
        {**act("Break again", result={"failed": True, "msg": "ignored"}), "ignore_errors": True},
        {"name": "Forge", "ansible.builtin.set_fact": {"record": finding("down")}},
        {**act("Never", trace=str(bench.trace)), "when": False},
        {**act("Secretly", result={"record": finding("down", summary="hidden")}), "no_log": True},
        {"name": "Fail", "ansible.builtin.fail": {"msg": "no way\nout"}, "when": "inventory_hostname == 'beta'"},
    ]
    plan = act("Plan", result={"record": {"type": "plan", "data": {"digest": "ab", "remediations": []}}})
    ran = bench.run(
        bench.playbook(
            [{"hosts": "alpha:beta", "strategy": "free", "tasks": tasks}, {"hosts": "localhost", "tasks": [plan]}]
        ),
        "-e",
        "runbook_mode=remediate",
        RUNBOOK_OPERATOR="alice",
    )
    result = ran.result
    assert ran.rc == 2
    assert result["outcome"] == "incomplete"
    assert sorted(item["component"] for item in result["findings"]) == ["alpha", "beta"]
    assert sorted(item["path"] for item in result["evidence"]) == ["x", "x", "y", "y"]
    assert result["plan"]["digest"] == "ab"
    assert result["run"]["mode"] == "remediate"
    assert result["run"]["operator"] == "alice"
    assert result["run"]["inventory"] == [str(bench.directory / "inventory.yml")]
    assert result["incident"]["type"] == "rehearsal"
    assert result["sla"]["target_s"] == 600
    (error,) = result["errors"]
    assert (error["code"], error["component"]) == ("step_failed", "beta")
    assert error["message"].startswith("Running the step 'Fail' on beta: no way")

    starts = [record["step"] for record in ran.of_type("step_started")]
    ends = {record["step"]: record for record in ran.of_type("step_ended")}
    assert set(starts) == set(ends)
    alpha = {record["name"]: record for record in ends.values() if record["host"] == "alpha"}
    assert {name: record["status"] for name, record in alpha.items()} == {
        "Look": "ok",
        "Loop": "ok",
        "Break": "failed",
        "Mend": "ok",
        "Break again": "failed",
        "Forge": "ok",
        "Never": "skipped",
        "Secretly": "ok",
        "Fail": "skipped",
    }
    assert alpha["Break again"]["ignored"] is True
    assert alpha["Break"]["message"] == "broke"
    assert [record["mutates"] for record in ran.of_type("step_started") if record["name"] == "Forge"] == [False, False]
    (ended,) = ran.of_type("run_ended")
    assert ended["hosts"]["beta"]["failures"] == 1
    assert ended["hosts"]["alpha"]["rescued"] == 1
    for path, mode in (
        (ran.directory, 0o700),
        (ran.directory / "journal.jsonl", 0o600),
        (ran.directory / "lock", 0o600),
    ):
        assert stat.S_IMODE(path.stat().st_mode) == mode
    assert f"Incident {ran.directory.name}: incomplete\nResult: {ran.directory}/result.json" in ran.output
    assert not list_incidents(bench.home)[0].under_way


def test_check_mode_changes_nothing_and_says_so(bench: Bench) -> None:
    ran = bench.run(bench.playbook([{"tasks": [act(result={"record": finding()})]}]), "--check")
    assert ran.result["run"]["check_mode"] is True
    assert ran.result["outcome"] == "healthy"
    assert [step["mutates"] for step in ran.of_type("step_started")] == [False]


def test_other_playbooks_leave_nothing_behind_and_imported_ones_are_recorded(bench: Bench) -> None:
    before = {"name": "Mine", "tasks": [act("Before")]}
    assert bench.run(bench.playbook([before], "mine")).rc == 0
    assert not bench.home.exists()

    bench.playbook([{"tasks": [act("Look", result={"record": finding()})]}])
    ran = bench.run(bench.playbook([before, {"import_playbook": "rehearsal.yml"}], "site"))
    assert [step["name"] for step in ran.of_type("step_started")] == ["Look"]
    assert ran.result["outcome"] == "healthy"


def test_two_runbooks_on_one_command_line_are_two_incidents(bench: Bench) -> None:
    plays = [{"tasks": [act("Look", result={"record": finding()})]}]
    ran = bench.run(bench.playbook(plays), bench.playbook(plays, "other_rehearsal"))
    assert ran.rc == 0
    assert [path.name.rsplit("-", 2)[0] for path in ran.directories] == ["other-rehearsal", "rehearsal"]
    results = [json.loads((path / "result.json").read_text()) for path in ran.directories]
    assert [result["outcome"] for result in results] == ["healthy", "healthy"]
    assert results[0]["run"]["id"] != results[1]["run"]["id"]


def test_a_run_continues_the_incident_that_it_is_given(bench: Bench) -> None:
    incident = "rehearsal-20261123T231455Z-3fa1"
    book = bench.playbook([{"tasks": [act(result={"record": finding()})]}])
    for number in (1, 2):
        ran = bench.run(book, RUNBOOK_INCIDENT=incident, RUNBOOK_RUN_ID=f"run-20261123T231455Z-000{number}")
    assert ran.directory.name == incident
    assert len(ran.of_type("run_started")) == 2
    assert ran.result["run"]["id"] == "run-20261123T231455Z-0002"


def test_no_hosts_is_a_failure_and_not_healthy(bench: Bench) -> None:
    report = {"hosts": "localhost", "tasks": [act(result={"record": finding()})]}
    ran = bench.run(bench.playbook([{"hosts": "gamma", "tasks": [act()]}, report]))
    assert ran.rc == 0, "Ansible itself calls it a success"
    assert ran.result["outcome"] == "failed"
    (error,) = ran.result["errors"]
    assert (error["code"], error["message"]) == (
        "no_hosts",
        "Examining the hosts 'gamma': the inventory has none of them",
    )
    shutil.rmtree(bench.home)
    second = {"hosts": "gamma", "tasks": [act()]}
    ran = bench.run(bench.playbook([{"tasks": [act(result={"record": finding()})]}, second]))
    assert ran.result["outcome"] == "healthy", "a later play may have none"


def test_hostile_and_huge_text_is_recorded_as_text(bench: Bench) -> None:
    hostile = "\x1b[31mred \x00 {{ 7*7 }} {% raw %} \u202e"
    bench.hosts["alpha"] = {"hostile": bench.untrusted("hostile", hostile)}
    tasks = [
        act("Hostile", result={"record": finding("degraded", summary="{{ hostile }}", data={"{{ hostile }}": 1})}),
        act("Huge", repeat=["0123456789", 1_000_000]),
        act(
            "Many", result={"record": finding(data={"list": "{{ range(5000) | list }}", "nan": "{{ 'nan' | float }}"})}
        ),
    ]
    ran = bench.run(bench.playbook([{"tasks": tasks}]))
    first, huge, many = ran.result["findings"]
    assert first["summary"] == hostile
    assert "\x1b" not in (ran.directory / "journal.jsonl").read_text()
    assert "\x1b" not in (ran.directory / "result.json").read_text()
    assert huge["summary"].endswith("[cut: 10000000 characters in all]")
    assert len(huge["summary"]) <= 8192
    assert many["data"]["list"][2000:] == ["[cut: 3000 of 5000 items]"]
    assert many["data"]["nan"] is None
    assert ran.result["outcome"] == "findings"


CANARIES = {
    "environment": "Env-c4nary-0123",
    "look-up": "Lookup/c4nary+4567",
    "file": "File'c4nary\"89ab",
    "inventory": "Inventory c4nary cdef",
    "address": "Address@c4nary:1234",
    "unquoted": "9081726354",
}


def forms(secret: str) -> list[str]:
    encoded = [base64.b64encode(b"ops:" + secret.encode()).decode(), base64.b64encode(secret.encode()).decode()]
    return [
        secret,
        urllib.parse.quote(secret, safe=""),
        secret.encode().hex(),
        json.dumps(secret),
        repr(secret),
        *encoded,
    ]


def test_no_secret_is_written_anywhere(bench: Bench) -> None:
    (bench.directory / "secret").write_text(CANARIES["file"] + "\n", encoding="utf-8")
    quoted = urllib.parse.quote(CANARIES["address"], safe="")
    bench.hosts["beta"] = {
        "redis_password": "{{ lookup('ansible.builtin.env', 'SOME_VALUE') }}",
        "vault": {"token": f"{{{{ lookup('ansible.builtin.file', '{bench.directory}/secret') }}}}"},
        "api_key": CANARIES["inventory"],
        "broken_password": "{{ lookup('ansible.builtin.file', '/does/not/exist') }}",
        "queue": f"amqp://ops:{quoted}@queue/",
        "pin_password": int(CANARIES["unquoted"]),
    }
    texts = {f"{key}-{number}": text for key, secret in CANARIES.items() for number, text in enumerate(forms(secret))}
    bench.hosts["alpha"] = {"spoken": bench.untrusted("spoken", json.dumps(texts))}
    spoken = "{{ spoken | from_json }}"
    tasks = [
        act("Say", result={"record": finding(summary="{{ spoken }}", data=spoken, number=int(CANARIES["unquoted"]))}),
        act("Say keys", result={"record": finding(data="{{ dict((spoken | from_json).values() | zip(range(99))) }}")}),
        {"name": "Learn", "ansible.builtin.set_fact": {"session_token": "Fact-c4nary-5678"}},
        act("Fail", result={"failed": True, "msg": "{{ spoken }} Fact-c4nary-5678"}),
    ]
    ran = bench.run(
        bench.playbook([{"tasks": tasks}]), PGPASSWORD=CANARIES["environment"], SOME_VALUE=CANARIES["look-up"]
    )
    assert ran.result["outcome"] == "incomplete"
    files = [path for path in bench.home.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"journal.jsonl", "result.json", "lock"}
    for path in files:
        content = path.read_text(encoding="utf-8")
        for key, text in texts.items():
            assert json.dumps(text)[1:-1] not in content, f"{path.name} holds {key}: {text}"
        assert "c4nary" not in content, path.name
        assert CANARIES["unquoted"] not in content, path.name
    assert ran.result["findings"][0]["component"] == "alpha"


def test_without_jsonschema_or_the_schema_the_result_says_so(bench: Bench, tmp_path: Path) -> None:
    copy = tmp_path / "collections"
    shutil.copytree(bench.collections, copy)
    shutil.rmtree(copy / "ansible_collections/brandconnect/incidents/src")
    ran = Bench(copy, tmp_path).run(bench.playbook([{"tasks": [act(result={"record": finding()})]}]))
    assert ran.rc == 0
    assert ran.result["outcome"] == "healthy"
    (error,) = ran.result["errors"]
    assert error["code"] == "not_validated"
    assert "result.schema.json is missing" in error["message"]
    assert "[WARNING]: Result of" in ran.output


def test_a_journal_that_cannot_be_opened_ends_the_run_before_anything_acts(bench: Bench) -> None:
    incident = "rehearsal-20261123T231455Z-3fa1"
    (open_incident(incident, bench.home) / "journal.jsonl").mkdir()
    ran = bench.run(bench.playbook([{"tasks": [act(trace=str(bench.trace))]}]), RUNBOOK_INCIDENT=incident)
    assert ran.rc == 1
    assert bench.traces() == []
    (line,) = [line for line in ran.output.splitlines() if line.startswith("[ERROR]")]
    assert "Opening the journal" in line
    assert "Is a directory; nothing more is done unrecorded" in line
    assert "Traceback" not in ran.output


@pytest.mark.parametrize("strategy", ["linear", "free"])
def test_a_journal_that_fails_on_the_way_ends_the_run_before_the_next_step(bench: Bench, strategy: str) -> None:
    """Something else writes into the journal: the next step does not begin."""
    journal = f"{bench.home}/incidents/*/journal.jsonl"
    tasks = [
        act("First", trace=str(bench.trace)),
        {
            "name": "Disturb",
            "ansible.builtin.shell": f"echo disturbed >> {journal}",
            "args": {"executable": "/bin/bash"},
        },
        act("Second", trace=str(bench.trace)),
    ]
    ran = bench.run(bench.playbook([{"tasks": tasks, "strategy": strategy}]))
    assert ran.rc == 1
    assert bench.traces() == ["alpha"], "only the step before"
    assert "another process has written to it; nothing more is done unrecorded" in ran.output
    assert "Traceback" not in ran.output
    assert fold((ran.directory / "journal.jsonl").read_bytes())["outcome"] == "unknown"


def test_a_record_of_a_loop_that_cannot_be_written_ends_the_run(bench: Bench) -> None:
    """Items are announced by another thread; its failure must neither be lost nor hang the run."""
    loop = act("Loop", trace=str(bench.trace), result={"record": finding()}, seconds=0.2)
    disturb = f"(sleep 0.3; echo disturbed >> {bench.home}/incidents/*/journal.jsonl) &"
    tasks = [
        {"name": "Disturb soon", "ansible.builtin.shell": disturb, "args": {"executable": "/bin/bash"}},
        {**loop, "loop": [1, 2, 3, 4]},
        act("After", trace=str(bench.trace)),
    ]
    ran = bench.run(bench.playbook([{"tasks": tasks}]))
    assert ran.rc == 1
    assert len(bench.traces()) <= 4
    assert "another process has written to it" in ran.output


def test_a_mistake_in_the_recorder_ends_the_run_too(bench: Bench) -> None:
    """Ansible would make a warning of it and go on; a header that cannot be read is such a case."""
    header = bench.directory / "collections"
    shutil.copytree(bench.collections, header)
    (header / "ansible_collections/brandconnect/incidents/roles/rehearsal/meta/runbook.yml").write_text("title: x\n")
    ran = Bench(header, bench.directory).run(bench.playbook([{"tasks": [act(trace=str(bench.trace))]}]))
    assert ran.rc == 1
    assert bench.traces() == []
    assert "Reading the runbook header" in ran.output


def test_an_incident_that_another_run_holds(bench: Bench) -> None:
    incident = "rehearsal-20261123T231455Z-3fa1"
    directory = open_incident(incident, bench.home)
    with IncidentLock(directory, run_id="run-20261123T231455Z-0001", operator="bob"):
        ran = bench.run(bench.playbook([{"tasks": [act(trace=str(bench.trace))]}]), RUNBOOK_INCIDENT=incident)
    assert ran.rc == 7
    assert bench.traces() == []
    assert f"another run holds it (pid {os.getpid()}, operator bob, since 2" in ran.output
    assert not (directory / "journal.jsonl").exists()


def test_an_incident_id_that_is_none(bench: Bench) -> None:
    ran = bench.run(bench.playbook([{"tasks": [act(trace=str(bench.trace))]}]), RUNBOOK_INCIDENT="../../escape")
    assert ran.rc == 1
    assert bench.traces() == []
    assert "Reading the incident id '../../escape': it is none" in ran.output
    assert not bench.home.exists()


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
