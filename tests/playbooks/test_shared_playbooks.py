# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that all incident types share continue the incident that they are told."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from support.journal_bench import Bench, act, copy_collection, finding


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = copy_collection(tmp_path_factory.mktemp("collections"))
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [act(trace="{{ trace }}")]}
    folder = base / "ansible_collections/brandconnect/incidents/playbooks"
    folder.mkdir()
    for name in ("rollback", "post_incident", "notify"):
        (folder / f"{name}.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    return base


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Bench:
    return Bench(collections, tmp_path)


@pytest.fixture
def incident(bench: Bench) -> str:
    """An incident that was diagnosed before."""
    ran = bench.run(bench.playbook([{"tasks": [act(result={"record": finding("degraded")})]}]))
    assert ran.rc == 0
    return ran.directory.name


@pytest.mark.parametrize(
    ("name", "mode"), [("rollback", "rollback"), ("post_incident", "report"), ("notify", "report")]
)
@pytest.mark.parametrize("way", ["variable", "environment"])
def test_a_shared_playbook_runs_within_its_incident(
    bench: Bench, incident: str, name: str, mode: str, way: str
) -> None:
    told = ("-e", f"incident={incident}") if way == "variable" else ()
    environment = {"RUNBOOK_INCIDENT": incident} if way == "environment" else {}
    playbook = f"brandconnect.incidents.{name}"
    ran = bench.run(playbook, "-e", f"trace={bench.trace}", "-e", "runbook_mode=remediate", *told, **environment)
    assert ran.rc == 0, ran.output
    assert bench.traces() == ["localhost"]
    assert ran.directory.name == incident
    assert ran.result["run"]["mode"] == mode, "whatever runbook_mode says"
    assert ran.result["incident"]["type"] == "rehearsal"
    assert ran.result["errors"] == [], "neither findings nor a plan are expected of it"
    assert [record["run"]["mode"] for record in ran.of_type("run_started")] == ["diagnose", mode]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([], "Running rollback.yml for an incident: none was named; set -e incident=ID, or RUNBOOK_INCIDENT"),
        (["-e", "incident=nonsense"], "Reading the incident id 'nonsense': it is none; they look like"),
        (
            ["-e", "incident=rehearsal-20261123T231455Z-3fa1"],
            "Running rollback.yml for the incident rehearsal-20261123T231455Z-3fa1: there is none in",
        ),
        (
            ["-e", "incident=unheard-of-20261123T231455Z-3fa1"],
            "this collection has no runbook of the type unheard-of",
        ),
    ],
)
def test_without_an_incident_that_is_there_nothing_runs(bench: Bench, told: list[str], said: str) -> None:
    if "unheard" in " ".join(told):
        (bench.home / "incidents" / "unheard-of-20261123T231455Z-3fa1").mkdir(parents=True)
    before = bench.directories()
    ran = bench.run("brandconnect.incidents.rollback", "-e", f"trace={bench.trace}", *told)
    assert ran.rc == 2, ran.output
    assert bench.traces() == []
    (line,) = [line for line in ran.output.splitlines() if line.startswith("[ERROR]")]
    assert said in line
    assert "Traceback" not in ran.output
    assert ran.directories == before


def test_somebody_elses_playbook_of_the_same_name_leaves_nothing_behind(bench: Bench) -> None:
    ran = bench.run(bench.playbook([{"tasks": [act(trace=str(bench.trace))]}], name="notify"))
    assert ran.rc == 0
    assert bench.traces() == ["alpha"]
    assert ran.directories == []
