# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication down against the lab: each fault is told from the others; what helps is tried, end to end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks import schemas
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.lab import Lab
from support.auth import AuthRunbook, AuthWorld
from support.runbook import planned, recommended, verdicts

ROLES = tuple(f"auth-down-{name}" for name in ("secrets", "diagnose", "remediate"))
DIAGNOSE, REMEDIATE = ROLES[1:]
# those that a remediation helps with have a test of their own, as the way there and back takes its time
END_TO_END = {"redis-hangs", "jwt-key-missing", "jwt-key-wrong", "jwt-key-stale"}
OTHERS = [fault for fault in FAULTS.values() if fault.runbook == "auth-down" and fault.name not in END_TO_END]

Json = dict[str, Any]


@pytest.fixture
def world(data_lab: Lab) -> AuthWorld:
    return AuthWorld(data_lab)


@pytest.fixture
def runbook(world: AuthWorld, tmp_path: Path) -> Iterator[AuthRunbook]:
    """The playbook under exactly the Roles of deploy/rbac for those who remediate; they suffice for all it asks."""
    runbook = AuthRunbook(world, tmp_path)
    runbook.log_in(world.cluster, *ROLES)
    yield runbook
    assert [(each["verb"], each["requestURI"]) for each in world.cluster.refused(REMEDIATE)] == []


def test_a_healthy_platform_is_healthy_and_only_read(runbook: AuthRunbook, world: AuthWorld) -> None:
    runbook.backend.update(world.cluster.login(DIAGNOSE))
    with world.cluster.only_read():
        run = runbook.run()
    assert (run.rc, run.result["outcome"]) == (0, "healthy"), run.result["findings"]
    assert {finding["status"] for finding in run.result["findings"]} == {"ok"}
    assert run.finding("auth_cause")["data"]["cause"] == "none"
    assert run.finding("jwt_in_vault")["data"]["fingerprint"] == world.kept_key() == world.key()
    assert world.cluster.refused(DIAGNOSE) == []
    assert schemas.validate("result", run.result) == []

    path = "/apis/rbac.authorization.k8s.io/v1/namespaces/brandconnect/rolebindings/auth-down-secrets"
    world.cluster.api.delete(path)
    without = runbook.run()
    found = without.finding("jwt_secret")
    assert (found["status"], found["cause"]) == ("unknown", "forbidden")
    assert "deploy/rbac/auth-down-secrets.yml" in found["next_step"]
    assert without.result["outcome"] == "incomplete"

    runbook.hosts["auth"]["auth_url"] = "http://127.0.0.1:9"  # nothing listens there, as behind a VPN that is broken
    silent = runbook.remediate(approve="restart-auth")
    found = silent.finding("login")
    assert (found["status"], found["cause"]) == ("unknown", "unreachable")
    assert silent.finding("auth_cause")["status"] == "unknown"
    assert (silent.result["outcome"], silent.result["actions"]) == ("incomplete", [])
    assert silent.result["notifications"] == [], "nobody is told of an outage that only we see"


def test_every_fault_is_told_from_the_others(runbook: AuthRunbook, world: AuthWorld, data_lab: Lab) -> None:
    """Nothing is recommended where nothing of this runbook helps: a restart of Redis above all."""
    assert len(OTHERS) == 9
    wrong = {}
    nowhere = {"redis-service-without-pods": "redis_service", "backend-service-without-pods": "service"}
    for fault in OTHERS:
        fault.inject(data_lab)
        with world.cluster.only_read():
            run = runbook.run(forget=fault.name != "login-rate-limited")
        cause = run.finding("auth_cause")
        seen = (cause["cause"], cause["status"] in ("degraded", "down"), recommended(run), run.result["outcome"])
        if seen != (fault.cause, True, list(fault.recommends), "findings") or not cause["next_step"]:
            wrong[fault.name] = (seen, cause["summary"], cause["next_step"])
        assert run.result["actions"] == []
        leads = {name: run.finding(name)["cause"] for name in ("service", "redis_service")}
        if fault.name in nowhere:
            assert leads.pop(nowhere[fault.name]) == "selector_matches_nothing", fault.name
        assert set(leads.values()) <= {None, "selector_matches_nothing" if fault.name == "redis-down" else None}
        if fault.undo:
            fault.undo(data_lab)
        else:
            world.undo(fault.name)
    assert wrong == {}


def test_pods_with_another_key_are_restarted(runbook: AuthRunbook, world: AuthWorld, data_lab: Lab) -> None:
    data_lab.break_("jwt-key-stale")
    key, before = world.key(), world.pods()
    with world.cluster.only_read():
        diagnosis = runbook.remediate("--check", approve="restart-auth")
    cause = diagnosis.finding("auth_cause")
    assert (cause["cause"], recommended(diagnosis)) == ("jwt_stale", ["restart-auth"]), cause["summary"]
    assert diagnosis.finding("login")["cause"] == "stale_replica"
    assert "kid" in cause["data"]["patch"]
    assert (diagnosis.result["actions"], world.pods()) == ([], before)

    run = runbook.remediate(approve="restart-auth")
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["actions"], run.result["verification"])
    assert set(verdicts(run)) == {"workload", "redis", "jwt_secret", "login"}
    assert before.isdisjoint(world.pods())
    assert world.key() == key
    assert world.takes(world.token())
    logs = [entry["path"] for entry in run.result["evidence"] if entry["name"].endswith("/backend.log")]
    assert any(b"invalid signature" in (run.directory / path).read_bytes() for path in logs), logs
    standing = world.standing()
    again = runbook.remediate(approve="restart-auth")
    assert (again.result["actions"], again.result["outcome"]) == ([], "healthy")
    assert world.standing() == standing


def test_a_key_that_was_removed_is_put_back_and_nobody_is_logged_out(
    runbook: AuthRunbook, world: AuthWorld, data_lab: Lab
) -> None:
    token, right = world.token(), world.key()
    data_lab.break_("jwt-key-missing")
    without = runbook.remediate(approve="restore-jwt-secret")
    assert without.result["outcome"] == "refused", "a destructive one needs the digest of its plan"
    assert (without.finding("auth_cause")["cause"], recommended(without)) == ("jwt_key_missing", ["restore-jwt-secret"])
    plan = without.result["plan"]
    wanted = next(each for each in planned(without, "restore-jwt-secret")["targets"] if "key" in each)
    assert (wanted["from"], wanted["to"], wanted["rotation"]) == (None, right, False)
    before = world.standing()
    with world.cluster.only_read():
        preview = runbook.remediate("--check", approve="restore-jwt-secret", runbook_plan_digest=plan["digest"])
    assert (preview.result["actions"], recommended(preview)) == ([], ["restore-jwt-secret"])
    assert world.standing() == before

    run = runbook.remediate(approve="restore-jwt-secret", runbook_plan_digest=plan["digest"])
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["errors"], run.result["verification"])
    (action,) = run.result["actions"]
    assert (action["status"], action["changed"]) == ("done", True)
    assert world.key() == right
    assert "a token of before is still valid" in next(
        each["summary"] for each in run.result["verification"] if each["check"] == "login"
    )
    assert world.takes(token), "everybody was logged out"
    standing = world.standing()
    again = runbook.remediate(approve="restore-jwt-secret", runbook_plan_digest=plan["digest"])
    assert (again.result["actions"], recommended(again)) == ([], []), again.result["findings"]
    assert world.standing() == standing


def test_a_key_that_logs_everybody_out_needs_two_people_and_their_acceptance(
    runbook: AuthRunbook, world: AuthWorld, data_lab: Lab
) -> None:
    data_lab.break_("jwt-key-wrong")
    token, wrong, right = world.token(), world.key(), world.kept_key()
    with world.cluster.only_read():
        diagnosis = runbook.run()
    cause = diagnosis.finding("auth_cause")
    assert (cause["cause"], recommended(diagnosis)) == ("jwt_key_differs", []), cause["summary"]
    assert "--accept-logout" in cause["next_step"]

    runbook.variables["auth_down_accept_logout"] = True
    alone = runbook.remediate(approve="rotate-jwt-secret")
    assert alone.result["outcome"] == "refused"
    assert recommended(alone) == ["rotate-jwt-secret"]
    assert world.key() == wrong
    wanted = next(each for each in planned(alone, "rotate-jwt-secret")["targets"] if "key" in each)
    assert (wanted["from"], wanted["to"], wanted["rotation"]) == (wrong, right, True)

    approval = {"runbook_plan_digest": alone.result["plan"]["digest"], "runbook_reason": "Vault's key is the right one"}
    approval |= {"runbook_second_approver": "grace"}
    before = world.standing()
    with world.cluster.only_read():
        preview = runbook.remediate("--check", approve="rotate-jwt-secret", **approval)
    assert (preview.result["actions"], recommended(preview)) == ([], ["rotate-jwt-secret"])
    assert (world.standing(), world.takes(token)) == (before, True)

    run = runbook.remediate(approve="rotate-jwt-secret", **approval)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["errors"], run.result["verification"])
    assert world.key() == right
    assert not world.takes(token)
    token = world.token()
    standing = world.standing()
    again = runbook.remediate(approve="rotate-jwt-secret", **approval)
    assert (again.result["actions"], recommended(again)) == ([], []), again.result["findings"]
    assert (world.standing(), world.takes(token)) == (standing, True)


def test_redis_that_hangs_is_restarted_where_its_loss_is_accepted(
    runbook: AuthRunbook, world: AuthWorld, data_lab: Lab
) -> None:
    token = world.token()
    data_lab.break_("redis-hangs")
    before = world.pods("redis")
    # a folder that is on no claim: outside of a container, the lab's has another name than the claim's mount path
    runbook.variables["auth_down_redis_directory"] = str(world.login.snapshot.parent)
    with world.only_looked_into():
        diagnosis = runbook.run(forget=False)
    cause = diagnosis.finding("auth_cause")
    assert (cause["cause"], recommended(diagnosis)) == ("redis_unreachable", ["restart-redis"]), cause["summary"]
    entry = planned(diagnosis, "restart-redis")
    assert entry["status"] == "not_recommended", "nobody knows what it would lose"
    assert "accept-data-loss" in entry["reason"]

    runbook.variables["auth_down_accept_data_loss"] = True
    with world.only_looked_into():
        preview = runbook.remediate("--check", approve="restart-redis", forget=False)
    assert (preview.result["actions"], recommended(preview)) == ([], ["restart-redis"])
    assert world.pods("redis") == before
    digest = preview.result["plan"]["digest"]
    run = runbook.remediate(approve="restart-redis", forget=False, runbook_plan_digest=digest)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["actions"], run.result["verification"])
    (action,) = run.result["actions"]
    assert [each["name"] for each in action["targets"]] == ["redis"]
    assert action["targets"] == planned(preview, "restart-redis")["targets"]
    assert set(verdicts(run)) == {"redis_workload", "redis", "login"}
    assert before.isdisjoint(world.pods("redis"))
    assert world.takes(token), "sessions were lost"
    standing = world.standing()
    again = runbook.remediate(approve="restart-redis", runbook_plan_digest=digest)
    assert (again.result["actions"], recommended(again)) == ([], []), again.result["findings"]
    assert (world.standing(), world.takes(token)) == (standing, True)
