# SPDX-License-Identifier: GPL-3.0-or-later
"""What the recorder writes under real ansible-playbook runs, with a stand-in runbook."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import urllib.parse
from pathlib import Path

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import list_incidents
from support.journal_bench import INCIDENT, Bench, act, copy_collection, finding


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_collection(tmp_path_factory.mktemp("collections"))


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Bench:
    return Bench(collections, tmp_path)


def test_what_a_run_leaves_behind(bench: Bench) -> None:
    """Parallel hosts, loops, rescued, ignored and skipped failures, a failure that nobody rescues, forged records."""
    tasks = [
        act("Look", result={"record": finding(component="{{ inventory_hostname }}")}),
        {**act("Loop", result={"records": [{"type": "evidence", "data": {"path": "{{ item }}"}}]}), "loop": ["x", "y"]},
        {"block": [act("Break", result={"failed": True, "msg": "broke"})], "rescue": [act("Mend")]},
        {**act("Break again", result={"failed": True, "msg": "ignored"}), "ignore_errors": True},
        {"name": "Forge", "ansible.builtin.debug": {"var": "record"}, "vars": {"record": finding("down")}},
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
    book = bench.playbook([{"tasks": [act(result={"record": finding()})]}])
    for number in (1, 2):
        ran = bench.run(book, RUNBOOK_INCIDENT=INCIDENT, RUNBOOK_RUN_ID=f"run-20261123T231455Z-000{number}")
    assert ran.directory.name == INCIDENT
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


def test_variables_that_are_no_secrets_are_not_resolved_for_it(bench: Bench) -> None:
    """A template may do anything, and take its time."""
    marker = bench.directory / "resolved"
    bench.hosts["alpha"] = {"redis_password": "c4nary-5678"}
    variables = {"greeting": f"{{{{ lookup('ansible.builtin.pipe', 'echo x >> {marker}') }}}}", "api_key": "k3y-5678"}
    ran = bench.run(bench.playbook([{"vars": variables, "tasks": [act(result={"record": finding()})]}]))
    assert ran.result["outcome"] == "healthy"
    assert not marker.exists()


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
