# SPDX-License-Identifier: GPL-3.0-or-later
"""What data-breach makes of facts that a lab cannot easily have: the role's own rules, with the incident's record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.journal_bench import ROOT, Bench, Ran, act, copy_collection

Json = dict[str, Any]

AFFECTED = {"count": 3, "records": 640, "by_type": [], "complete": True, "omitted": 0, "ids": ["1", "2", "3"]}
SUSPECT = {"actor_id": 65, "first_seen": "2026-11-15T20:00:00Z", "last_seen": "2026-11-16T20:00:00Z"}
EXPORT = {"actor_id": 65, "exports": True, "events": 640, "records": 640, "unnamed": 0, "resource_type": "user"}
QUIET = {
    "reachable": True,
    "cause": None,
    "status": "ok",
    "confidence": {"level": "high", "reasons": []},
    "affected": AFFECTED | {"count": 0, "records": 0, "ids": []},
}
STOLEN = QUIET | {
    "status": "down",
    "affected": AFFECTED,
    "suspect_ids": [65],
    "suspects": [SUSPECT],
    "resources": [EXPORT],
}
WELL = {
    "addresses": {"reachable": True, "cause": None, "client_ip_recorded": True, "suspicious_count": 0},
    "workload": {"workload": {"kind": "Deployment", "name": "backend"}, "pods": []},
}
REASONS = {"data_breach_risk": "unlikely", "data_breach_risk_reasons": "It was ours."}


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = copy_collection(tmp_path_factory.mktemp("collections"))
    root = base / "ansible_collections/brandconnect/incidents"
    for role in ("common", "data_breach"):
        shutil.copytree(ROOT / "roles" / role, root / "roles" / role)
    return base


@pytest.fixture
def bench(collections: Path, tmp_path: Path) -> Bench:
    bench = Bench(collections, tmp_path)
    bench.hosts = dict.fromkeys(("backend", "postgres", "redis"))
    return bench


def role(tasks: str) -> Json:
    called = {"name": "brandconnect.incidents.data_breach", "tasks_from": tasks, "rolespec_validate": False}
    return {"name": f"Run {tasks}", "ansible.builtin.import_role": called}


def judge(bench: Bench, scope: Json, incident: Path | None = None, **given: Any) -> Ran:
    """Conclude and draft notices as the playbook does."""
    seen = {"__data_breach_seen": {"scope": scope, **WELL}, "__data_breach_left_out": [], **given}
    play = {"hosts": "localhost", "vars": {"runbook_mode": "diagnose", "approved": []}}
    tasks = [{**role(name), "vars": seen} for name in ("conclude", "notices")]
    extra = {"RUNBOOK_INCIDENT": incident.name} if incident else {}
    ran = bench.run(bench.playbook([{**play, "tasks": tasks}], "data_breach"), **extra)
    assert ran.rc == 0, ran.output
    return ran


def finding(ran: Ran, check: str) -> Json:
    return [each for each in ran.of_type("finding") if each["check"] == check][-1]


def due(ran: Ran) -> list[str]:
    return [each["title"] for each in ran.of_type("follow_up") if each["title"].startswith("Notify the regulator")]


def test_a_clock_that_runs_is_not_stopped_by_a_later_look(bench: Bench) -> None:
    first = judge(bench, STOLEN)
    assert finding(first, "breach_cause")["cause"] == "mass_export"
    assert (finding(first, "clock")["cause"], len(due(first))) == ("aware_at_assumed", 1)
    assert "ASSUMED" in due(first)[0]
    draft = (first.directory / "notices/regulator-1.txt").read_text(encoding="utf-8")
    assert "Aware of the breach since: [ASSUMED: " in draft

    again = judge(bench, QUIET, first.directory)
    assert finding(again, "breach_cause")["status"] == "ok"
    clock = finding(again, "clock")
    assert (clock["status"], clock["cause"]) == ("degraded", "found_before"), clock
    assert "counted from an assumed moment" in clock["summary"]
    assert clock["data"]["assumed"] is True, "the beginning of the incident has not become a fact"
    assert len(due(again)) == 2

    unreasoned = judge(bench, QUIET, first.directory, **REASONS)
    assert finding(unreasoned, "clock")["cause"] == "found_before", "nobody answers for it"
    decided = judge(bench, QUIET, first.directory, **REASONS, data_breach_risk_assessed_by="The DPO")
    clock = finding(decided, "clock")
    assert clock["data"]["clock"]["state"] == "not_required", clock


def test_nothing_has_to_be_notified_where_nothing_was_ever_found(bench: Bench) -> None:
    ran = judge(bench, QUIET)
    clock = finding(ran, "clock")
    assert (clock["status"], clock["summary"]) == ("ok", "Nothing has to be notified for what was found")
    assert due(ran) == []
    assert not (ran.directory / "notices").exists()


def test_a_moment_that_is_none_is_said_and_hides_no_record(bench: Bench) -> None:
    ran = judge(bench, STOLEN, data_breach_aware_at="yesterday")
    clock = finding(ran, "clock")
    assert (clock["status"], clock["cause"]) == ("unknown", "no_clock")
    assert "aware_at" in clock["summary"]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("done", "resolved"),
        ("nothing_to_do", "resolved"),
        ("partial", "unresolved"),
        ("failed", "unresolved"),
        (None, "unresolved"),
    ],
)
def test_it_is_contained_only_where_all_that_is_recommended_was_done(
    bench: Bench, status: str | None, verdict: str
) -> None:
    wanted = {"id": "something", "status": "recommended"}
    action = {
        "id": "something",
        "title": "Something",
        "risk": "safe",
        "status": status,
        "changed": status in ("done", "partial"),
        **dict.fromkeys(("started_at", "ended_at", "reason")),
        "targets": [],
        "results": [],
        "before": {},
        "after": {},
    }
    given = {
        "__common_plan": {"records": [{"type": "plan", "data": {"remediations": [wanted]}}]},
        "__data_breach_ran": ["something"],
        "__data_breach_cause": {"cause": "mass_export"},
    }
    did = [act(result={"record": {"type": "action", "data": action}})] if status else []
    play = {"hosts": "localhost", "tasks": [*did, {**role("verify"), "vars": given}]}
    ran = bench.run(bench.playbook([play], "data_breach"))
    assert ran.rc == 0, ran.output
    (said,) = [each for each in ran.of_type("verification") if each["check"] == "containment"]
    assert said["status"] == verdict, said


@pytest.mark.parametrize(
    ("tasks", "found", "check", "verdict", "cause"),
    [
        (*("verify_sessions", {"status": "nothing_to_do", "before": {"sessions": {"owned": 0, "unreadable": 3}}}),
         *("sessions_of_suspects", "unverified", "owners_unknown")),
        (*("verify_sessions", {"status": "nothing_to_do", "before": {"sessions": {"owned": 0, "unreadable": 0}}}),
         *("sessions_of_suspects", "resolved", None)),
        ("verify_evidence", {"msg": "it was changed"}, "evidence", "unresolved", "evidence_changed"),
        ("verify_evidence", {"skipped": True, "changed": False}, "evidence", "unresolved", "not_preserved"),
    ],
)  # fmt: skip
def test_what_could_not_be_seen_is_not_resolved(
    bench: Bench, tasks: str, found: Json, check: str, verdict: str, cause: str | None
) -> None:
    given = {
        "found": found,
        "data_breach_whose": "suspect",
        "__data_breach_cause": {"cause": "mass_export", "suspects": ["65"]},
        "__data_breach_ended": {"after": {}},
        "__data_breach_collected": {"anchor": None, "sha256": None},
    }
    play = {"hosts": "localhost", "tasks": [role(tasks)]}
    ran = bench.run(bench.playbook([play], "data_breach"), "-e", json.dumps(given))
    assert ran.rc == 0, ran.output
    (said,) = [each for each in ran.of_type("verification") if each["check"] == check]
    assert (said["status"], said["cause"]) == (verdict, cause), said


def test_the_seal_of_the_evidence_is_that_of_when_it_was_made(bench: Bench) -> None:
    seal = {"path": "evidence/snapshot/tagmanifest-sha256.txt", "sha256": "a" * 64, "bytes": 3, "truncated": False}
    later = {**seal, "sha256": "b" * 64}  # by whoever has rewritten it
    records = [{"type": "evidence", "data": each} for each in (seal, later)]
    is_so = {"name": "Look", "ansible.builtin.assert": {"that": [f"__data_breach_seal_recorded == '{'a' * 64}'"]}}
    other = {"name": "Look again", "ansible.builtin.assert": {"that": ["__data_breach_seal_recorded == ''"]}}
    tasks = [act(result={"records": records}), role("recorded"), is_so]
    tasks.append({**other, "vars": {"data_breach_evidence_name": "another"}})
    ran = bench.run(bench.playbook([{"hosts": "localhost", "tasks": tasks}], "data_breach"))
    assert ran.rc == 0, ran.output
