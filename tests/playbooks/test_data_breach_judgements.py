# SPDX-License-Identifier: GPL-3.0-or-later
"""What data-breach makes of facts that a lab cannot easily have: the role's own rules, with the incident's record."""

from __future__ import annotations

import datetime as dt
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


def test_a_moment_that_was_stated_before_anything_was_found_is_not_lost(bench: Bench) -> None:
    first = judge(bench, QUIET, data_breach_aware_at="2026-11-27T21:40:00Z")
    assert finding(first, "clock")["summary"] == "Nothing has to be notified for what was found"
    assert (due(first), (first.directory / "notices").exists()) == ([], False)
    again = judge(bench, QUIET, first.directory)
    assert finding(again, "clock")["status"] == "ok", "a moment alone is no breach"

    found = judge(bench, STOLEN, first.directory)
    clock = finding(found, "clock")
    assert (clock["data"]["assumed"], clock["data"]["clock"]["aware_at"]) == (False, "2026-11-27T21:40:00.000000Z")
    draft = (found.directory / "notices/regulator-1.txt").read_text(encoding="utf-8")
    assert "ASSUMED" not in draft


def test_a_moment_is_on_record_although_no_notice_can_be_drafted(bench: Bench) -> None:
    first = judge(bench, STOLEN)
    index = first.directory / "notices/drafts.json"
    index.write_text("{", encoding="utf-8")
    again = judge(bench, STOLEN, first.directory, data_breach_aware_at="2026-11-27T21:40:00Z")
    (todo,) = [each for each in again.of_type("follow_up") if each["title"].startswith("Write the notices by hand")]
    assert "drafts.json" in todo["title"]
    assert todo["due"] == "2026-11-30T21:40:00.000000Z", "72 hours later"
    third = judge(bench, STOLEN, first.directory)
    clock = finding(third, "clock")
    assert (clock["data"]["assumed"], clock["data"]["clock"]["aware_at"]) == (False, "2026-11-27T21:40:00.000000Z")


def test_a_moment_that_is_none_is_said_and_hides_no_record(bench: Bench) -> None:
    ran = judge(bench, STOLEN, data_breach_aware_at="yesterday")
    clock = finding(ran, "clock")
    assert (clock["status"], clock["cause"]) == ("unknown", "no_clock")
    assert "aware_at" in clock["summary"]


def action(name: str, status: str, **more: Any) -> Json:
    return {
        "id": name,
        "title": name,
        "risk": "safe",
        "status": status,
        "changed": status in ("done", "partial"),
        **dict.fromkeys(("started_at", "ended_at", "reason")),
        "targets": [],
        "results": [],
        "before": {},
        "after": {},
        **more,
    }


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
    given = {
        "__common_plan": {"records": [{"type": "plan", "data": {"remediations": [wanted]}}]},
        "__data_breach_ran": ["something"],
        "__data_breach_cause": {"cause": "mass_export"},
    }
    did = [act(result={"record": {"type": "action", "data": action("something", status)}})] if status else []
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
        "__data_breach_recorded": {"actions": {"revoke-suspect-sessions": "nothing_to_do"}},
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


@pytest.mark.parametrize("task", ["anchor", "remediate/preserve-evidence"])
def test_a_seal_counts_only_where_the_record_of_it_could_be_read(bench: Bench, task: str) -> None:
    """What was rewritten with its lists and its log is told by nothing but the seal on record."""
    recorded_seal = {"name": "Consider", "brandconnect.incidents.recommend": {"remediations": []}}
    first = bench.run(bench.playbook([{"hosts": "localhost", "tasks": [recorded_seal]}], "data_breach"))
    assert first.rc == 0, first.output
    bundle = first.directory / "evidence/snapshot"
    bundle.mkdir(parents=True)
    (bundle / "tagmanifest-sha256.txt").write_text("of whoever has rewritten it\n", encoding="utf-8")
    tasks = [considered("preserve-evidence"), {**role(task), "vars": {"common_targets": []}}]
    ran = bench.run(
        bench.playbook([{"hosts": "localhost", "tasks": tasks}], "data_breach"),
        "-e",
        json.dumps({"__data_breach_clock": {}, "data_breach_evidence_name": "snapshot"}),
        RUNBOOK_INCIDENT=first.directory.name,
    )
    said = "what is on record of it could not be read"
    if task == "anchor":
        assert ran.rc != 0
        assert said in ran.output
    else:
        (done,) = [each for each in ran.of_type("action") if each["id"] == "preserve-evidence"]
        assert done["status"] == "failed", done
        assert said in done["reason"]


SESSIONS, AFFECTED_SESSIONS, SECOND = "revoke-suspect-sessions", "revoke-affected-sessions", "require-2fa"


def considered(*names: str) -> Json:
    """The run considers these remediations."""
    given = [{"id": name, "title": name, "risk": "irreversible"} for name in names]
    return {"name": "Consider", "brandconnect.incidents.recommend": {"remediations": given}}


def recorded(*actions: Json) -> Json:
    return act(result={"records": [{"type": "action", "data": each} for each in actions]})


@pytest.mark.parametrize("step", ["reset-credentials", SECOND])
@pytest.mark.parametrize(
    ("suspect", "affected", "settled", "missing"),
    [
        ("done", "refused", [], [AFFECTED_SESSIONS]),
        ("failed", "done", [], [SESSIONS]),
        (None, None, [], [SESSIONS, AFFECTED_SESSIONS]),
        ("partial", "unknown", [AFFECTED_SESSIONS], [SESSIONS]),
        ("done", "nothing_to_do", [], []),
        (None, "done", [SESSIONS], []),
    ],
)
def test_what_an_attackers_session_would_undo_waits_for_the_sessions(
    bench: Bench, step: str, suspect: str | None, affected: str | None, settled: list[str], missing: list[str]
) -> None:
    reached = bench.directory / "reached.yml"
    reached.write_text("- ansible.builtin.debug: {msg: 'REACHED {{ data_breach_job_caveats }}'}\n", encoding="utf-8")
    given = {
        "data_breach_then": str(reached.with_suffix("")),  # in the place of the platform's job
        "data_breach_settled": settled,
        "__data_breach_cause": {"wide": True, "recommend": ["preserve-evidence", SESSIONS, AFFECTED_SESSIONS, step]},
    }
    done = [action(name, each) for name, each in ((SESSIONS, suspect), (AFFECTED_SESSIONS, affected)) if each]
    preview = {**role(f"remediate/{step}"), "check_mode": True}
    tasks = [considered(step), preview]
    planned = bench.run(
        bench.playbook([{"hosts": "localhost", "tasks": tasks}], "data_breach"), "-e", json.dumps(given)
    )
    assert planned.rc == 0, planned.output
    waits = {SESSIONS, AFFECTED_SESSIONS} - set(settled)
    assert "REACHED" in planned.output
    assert all(name in planned.output.split("REACHED", 1)[1] for name in waits), "a plan says what it waits for"

    tasks = [
        considered(step),
        *([recorded(*done)] if done else []),
        {**role(f"remediate/{step}"), "vars": {"common_targets": []}},
    ]
    again = {"RUNBOOK_INCIDENT": planned.directory.name}
    ran = bench.run(
        bench.playbook([{"hosts": "localhost", "tasks": tasks}], "data_breach"), "-e", json.dumps(given), **again
    )
    assert ran.rc == 0, ran.output
    said = [each for each in ran.of_type("action") if each["id"] == step]
    assert ("REACHED" in ran.output, [each["status"] for each in said]) == (
        (False, ["refused"]) if missing else (True, [])
    )
    for each in said:
        assert {name for name in (SESSIONS, AFFECTED_SESSIONS) if name in each["reason"]} == set(missing)


@pytest.mark.parametrize(
    ("kept", "of_the_other", "verdict", "cause"),
    [
        (False, True, "unresolved", "others_changed"),
        (None, True, "unverified", "others_unknown"),
        (True, False, "resolved", None),
    ],
)
def test_the_sessions_of_others_are_judged_by_what_the_step_itself_saw(
    bench: Bench, kept: bool | None, of_the_other: bool, verdict: str, cause: str | None
) -> None:
    said = {each: {"sessions": {"others_within_5_percent": each}} for each in (True, False)}
    own = action(SESSIONS, "done", after=said[kept] if kept is not None else {})
    other = action(AFFECTED_SESSIONS, "done", after=said[of_the_other])
    given = {
        "found": {"status": "nothing_to_do", "before": {"sessions": {"owned": 0, "unreadable": 0}}},
        "data_breach_whose": "suspect",
        "__data_breach_cause": {"cause": "mass_export", "suspects": ["65"]},
        "__data_breach_ended": {"after": other["after"]},  # that of the last step
        "__data_breach_ran": [SESSIONS, AFFECTED_SESSIONS],
    }
    tasks = [recorded(own, other), role("recorded"), role("verify_sessions")]
    ran = bench.run(bench.playbook([{"hosts": "localhost", "tasks": tasks}], "data_breach"), "-e", json.dumps(given))
    assert ran.rc == 0, ran.output
    (found,) = [each for each in ran.of_type("verification") if each["check"] == "sessions_of_suspects"]
    assert (found["status"], found["cause"]) == (verdict, cause), found


def test_a_suspect_who_logs_in_again_is_looked_for_whoever_was_logged_out(bench: Bench) -> None:
    """More than 20 suspects are logged out with those concerned, of whose newer sessions nothing is said."""
    given = {
        "found": {"status": "planned", "reason": "1 sessions would be revoked", "before": {"sessions": {"owned": 1}}},
        "__data_breach_cause": {"cause": "mass_export", "suspects": ["65"]},
        "__data_breach_ran": [AFFECTED_SESSIONS],
        "__common_plan": {"records": [{"type": "plan", "data": {"remediations": []}}]},
    }
    play = {"hosts": "localhost", "tasks": [recorded(action(AFFECTED_SESSIONS, "done")), role("verify")]}
    ran = bench.run(bench.playbook([play], "data_breach"), "-e", json.dumps(given))
    assert ran.rc == 0, ran.output
    said = {each["check"]: (each["status"], each["cause"]) for each in ran.of_type("verification")}
    left = ("unresolved", "sessions_left")
    assert said == {"sessions_of_suspects": left, "sessions_of_affected": left, "containment": ("resolved", None)}


def test_all_runs_of_an_incident_look_back_from_its_beginning(bench: Bench) -> None:
    began = dt.datetime.now(dt.UTC) - dt.timedelta(days=5)
    since = f"{began - dt.timedelta(days=14):%Y-%m-%dT%H}:00:00Z"
    is_so = {"name": "Look", "ansible.builtin.assert": {"that": [f"__data_breach_since == '{since}'"]}}
    play = {"hosts": "localhost", "tasks": [role("recorded"), is_so]}
    incident = f"data-breach-{began:%Y%m%dT%H%M%SZ}-3fa1"
    ran = bench.run(bench.playbook([play], "data_breach"), RUNBOOK_INCIDENT=incident, TZ="Asia/Tokyo")
    assert ran.rc == 0, ran.output


RESET = "reset-credentials"
UUID = "0b8f1d1e-0b5a-4c0e-9d55-2d1b6f0c9a11"


@pytest.mark.parametrize(
    ("job", "suspects", "ids", "verdict"),
    [
        (SECOND, ["65"], ["7", UUID], "unverified"),
        (SECOND, [], [], "unverified"),
        (SECOND, ["65"], [], "unverified"),  # nobody is known but those who did it
        (RESET, ["65"], [UUID], "unverified"),
        (RESET, ["65"], [], "resolved"),  # it was of the suspects then
        ("revoke-suspect-access", [], ["7"], "unverified"),
        ("revoke-suspect-access", [UUID, "65"], ["7"], "unverified"),
        (SECOND, ["65"], ["7"], "resolved"),
        ("revoke-suspect-access", ["65"], [UUID], "resolved"),
    ],
)
def test_nobody_is_left_only_where_all_whom_it_concerns_were_counted(
    bench: Bench, job: str, suspects: list[str], ids: list[str], verdict: str
) -> None:
    given = {
        "found": {"cause": None, "message": "", "hint": "", "rows": [{"open": 0}]},
        "data_breach_done": job,
        "__data_breach_cause": {"wide": True, "suspects": suspects, "since": "2026-11-15T20:00:00Z"},
        "__data_breach_affected": {"omitted": 0, "ids": ids},
    }
    bench.hosts["postgres"] = {"postgres_host": "127.0.0.1", "postgres_port": 1}  # what it says is given
    play = {"hosts": "localhost", "tasks": [considered("preserve-evidence"), role("verify_job")]}
    ran = bench.run(bench.playbook([play], "data_breach"), "-e", json.dumps(given))
    assert ran.rc == 0, ran.output
    (said,) = ran.of_type("verification")
    assert (said["status"], said["cause"]) == (verdict, None if verdict == "resolved" else "ids_unknown"), said


JOB = """
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        args = self._task.args
        ids = sorted(str(name) for name in args.get("ids", args.get("actor_ids")))
        none = {**dict.fromkeys(("reason", "started_at", "evidence")), "results": [], "caveats": [], "files": []}
        done = {"status": "done", "changed": True, "targets": [{"count": len(ids)}], "after": {"ids": ids}}
        return {**none, **done, "before": {}, "ids_count": len(ids)}
"""


@pytest.fixture
def jobs(tmp_path: Path) -> Bench:
    """A bench where the platform's jobs do what they are told."""
    base = copy_collection(tmp_path / "collections")
    root = base / "ansible_collections/brandconnect/incidents"
    for name in ("common", "data_breach"):
        shutil.copytree(ROOT / "roles" / name, root / "roles" / name)
    for name in ("platform_job", "revoke_sessions"):
        (root / f"plugins/action/{name}.py").write_text(JOB, encoding="utf-8")
    bench = Bench(base, tmp_path)
    bench.hosts = dict.fromkeys(("backend", "postgres", "redis"))
    return bench


NOBODY = AFFECTED | {"count": 0, "records_without_owner": 500, "complete": False, "ids": []}


@pytest.mark.parametrize(
    ("scope", "who", "ids", "told"),
    [
        (STOLEN, "affected", ["1", "2", "3", "65"], True),
        (STOLEN | {"affected": NOBODY}, "suspects", ["65"], False),
        (STOLEN | {"resources": [EXPORT, EXPORT | {"unnamed": 1}]}, "known", ["1", "2", "3", "65"], False),
    ],
    ids=["all are known", "nobody is known", "it may be everybody"],
)
def test_people_are_told_of_new_passwords_only_where_all_have_got_one(
    jobs: Bench, scope: Json, who: str, ids: list[str], told: bool
) -> None:
    settled = [f"revoke-{whose}-sessions" for whose in ("suspect", "all")]
    seen = {
        "__data_breach_seen": {"scope": scope, **WELL},
        "__data_breach_left_out": [],
        "data_breach_settled": settled,
        "common_targets": [],
    }
    steps = [AFFECTED_SESSIONS, RESET, SECOND] if who != "suspects" else [RESET]
    names = ["conclude", *(f"remediate/{step}" for step in steps), "notices"]
    tasks = [considered(*steps), *({**role(name), "vars": seen} for name in names)]
    play = {"hosts": "localhost", "vars": {"runbook_mode": "remediate", "approved": []}, "tasks": tasks}
    ran = jobs.run(jobs.playbook([play], "data_breach"))
    assert ran.rc == 0, ran.output
    assert RESET in finding(ran, "breach_cause")["recommend"]
    for done in ran.of_type("action"):
        assert (done["status"], done["before"]["scope"], done["after"]["ids"]) == ("done", who, ids), done
    mail = (ran.directory / "notices/customer-email-1.txt").read_text(encoding="utf-8")
    assert ("Reset the passwords" in mail) is told
    assert ("two-factor authentication a requirement" in mail) is told
    assert ("Ended the sessions concerned" in mail) is told
    regulator = (ran.directory / "notices/regulator-1.txt").read_text(encoding="utf-8")
    assert ("In part: The sessions of the people concerned were ended." in regulator) is (who == "known")
    assert ("In part: The passwords of the users concerned were invalidated" in regulator) is (who == "known")


def test_nobody_is_said_to_be_left_only_of_those_who_are_known(bench: Bench) -> None:
    given = {
        "found": {"cause": None, "message": "", "hint": "", "rows": [{"open": 0}]},
        "data_breach_done": RESET,
        "__data_breach_cause": {"cause": "mass_export", "wide": True, "everybody": True, "suspects": ["65"]},
        "__data_breach_affected": {"omitted": 0, "ids": ["7"]},
    }
    bench.hosts["postgres"] = {"postgres_host": "127.0.0.1", "postgres_port": 1}
    play = {"hosts": "localhost", "tasks": [considered("preserve-evidence"), role("verify_job")]}
    ran = bench.run(bench.playbook([play], "data_breach"), "-e", json.dumps(given))
    assert ran.rc == 0, ran.output
    (said,) = ran.of_type("verification")
    assert "not all of whom it concerns are known" in said["summary"], said


@pytest.mark.parametrize("step", [SECOND, "revoke-oauth"])
def test_a_job_for_all_is_refused_where_an_id_is_no_whole_number(bench: Bench, step: str) -> None:
    given = {
        "data_breach_settled": [SESSIONS],
        "common_targets": [],
        "__data_breach_cause": {"wide": True, "recommend": [SESSIONS, step], "suspects": ["65"]},
        "__data_breach_affected": {"omitted": 0, "ids": ["7", UUID]},
        "__common_plan": {"records": [{"type": "plan", "data": {"remediations": []}}]},
        "__data_breach_ran": [step],
    }
    tasks = [considered(step), role(f"remediate/{step}"), role("verify")]
    ran = bench.run(bench.playbook([{"hosts": "localhost", "tasks": tasks}], "data_breach"), "-e", json.dumps(given))
    assert ran.rc == 0, ran.output
    (said,) = ran.of_type("action")
    assert said["status"] == "refused", said
    assert "1 of 3 ids are no whole numbers" in said["reason"]
    assert [each["check"] for each in ran.of_type("verification")] == ["containment"], "nothing was done to verify"


def test_the_seal_is_not_cut_off_where_much_is_missing(bench: Bench) -> None:
    """A message shows the first 300 characters of a reason."""
    collected = {
        "status": "partial",
        "changed": True,
        "reason": "could not be read: " + "pods/log of a pod; " * 200,
        **dict.fromkeys(("started_at", "directory", "bytes_total", "free_bytes")),
        "partial": True,
        "sha256": "5e" * 32,
        "files": [],
        "missing": [],
        "sources": ["kubernetes"],
        "caveats": [],
    }
    given = {"__data_breach_collected": collected, "__data_breach_file": "", "data_breach_dump_tables": []}
    tasks = [considered("preserve-evidence"), role("remediate/preserve-evidence")]
    ran = bench.run(bench.playbook([{"hosts": "localhost", "tasks": tasks}], "data_breach"), "-e", json.dumps(given))
    assert ran.rc == 0, ran.output
    (said,) = ran.of_type("action")
    assert said["status"] == "partial"
    assert "5e" * 32 in said["reason"][:150], said["reason"]


def test_the_deadline_is_in_what_people_read(bench: Bench) -> None:
    known = judge(bench, STOLEN, data_breach_aware_at="2026-11-27T21:40:00Z", data_breach_risk="high")
    on_time = finding(known, "clock")["summary"]
    late = judge(bench, STOLEN, known.directory, data_breach_aware_at="2026-10-23T22:00:00+01:00")
    overdue = finding(late, "clock")["summary"]
    assert "2026-11-30 21:40 UTC (Monday 30 November 2026 21:40 GMT)" in on_time
    assert on_time.endswith("People have to be told without undue delay: their risk is high")
    assert overdue.startswith("OVERDUE: THE REGULATOR WAS TO BE TOLD BY 2026-10-26 21:00 UTC (Monday 26 October")
