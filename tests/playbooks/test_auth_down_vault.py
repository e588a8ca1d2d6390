# SPDX-License-Identifier: GPL-3.0-or-later
"""A lost signing key, where Vault is not as usual: sealed, without versions, or with its last version deleted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_runbooks.lab.data import JWT_KEY, JWT_PATH
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.vault.control import SEALED
from support.auth import AuthRunbook, AuthWorld
from support.runbook import Run, planned, recommended

RESTORE = "restore-jwt-secret"


@pytest.fixture
def world(data_lab: Lab) -> AuthWorld:
    return AuthWorld(data_lab)


@pytest.fixture
def runbook(world: AuthWorld, tmp_path: Path) -> AuthRunbook:
    runbook = AuthRunbook(world, tmp_path)
    runbook.log_in(world.cluster, *(f"auth-down-{name}" for name in ("secrets", "diagnose", "remediate")))
    return runbook


@pytest.fixture
def lost(world: AuthWorld, data_lab: Lab) -> dict[str, Any]:
    """The key is not in its Secret any more; what was right before."""
    right = {"token": world.token(), "key": world.key()}
    data_lab.break_("jwt-key-missing")
    return right


@pytest.fixture
def deleted(data_lab: Lab) -> Iterator[int]:
    """The current version in Vault is deleted, and can be brought back."""
    version = data_lab.vault.version(JWT_PATH)
    data_lab.vault.delete_versions(JWT_PATH, [version])
    yield version
    data_lab.vault.undelete_versions(JWT_PATH, [version])


def restored(runbook: AuthRunbook) -> Run:
    """Approve what was planned, by its digest."""
    digest = runbook.run().result["plan"]["digest"]
    return runbook.remediate(approve=RESTORE, runbook_plan_digest=digest)


def assert_nothing_is_restored(runbook: AuthRunbook, world: AuthWorld, cause: str) -> Run:
    """It is not recommended, and an approval changes nothing."""
    before = world.standing()
    with world.cluster.only_read():
        run = restored(runbook)
    assert (recommended(run), run.result["actions"]) == ([], [])
    assert run.result["outcome"] not in ("healthy", "resolved")
    assert (run.finding("jwt_in_vault")["cause"] or "") == cause
    assert world.standing() == before
    return run


def test_a_key_of_an_engine_without_versions_is_restored(
    runbook: AuthRunbook, world: AuthWorld, data_lab: Lab, lost: dict[str, Any]
) -> None:
    data_lab.vault.write("apps/login", {JWT_KEY: data_lab.vault.read(JWT_PATH)[JWT_KEY]}, mount="kv")
    runbook.variables |= {"auth_down_vault_mount": "kv", "auth_down_vault_path": "apps/login"}
    run = restored(runbook)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["errors"], run.result["verification"])
    kept = run.finding("jwt_in_vault")
    assert (kept["data"]["version"], kept["data"]["fingerprint"]) == (None, lost["key"])
    assert "version" not in kept["summary"].replace("version unknown", ""), kept["summary"]
    assert world.key() == lost["key"]
    assert world.takes(lost["token"]), "everybody was logged out"


def test_a_key_that_is_lost_again_in_the_same_incident_is_restored_and_read_again(
    runbook: AuthRunbook, world: AuthWorld, data_lab: Lab, lost: dict[str, Any]
) -> None:
    first = restored(runbook)
    assert first.result["outcome"] == "resolved", (first.result["errors"], first.result["verification"])
    FAULTS["jwt-key-missing"].inject(data_lab)
    before = world.pods()
    digest = runbook.again(first.directory).result["plan"]["digest"]
    again = {"runbook_mode": "remediate", "approved": [RESTORE], "runbook_plan_digest": digest}
    second = runbook.again(first.directory, **again)
    assert (second.rc, second.result["outcome"]) == (0, "resolved"), (second.result["errors"], second.result["actions"])
    (action,) = (each for each in second.result["actions"] if each["id"] == RESTORE)
    assert action["status"] == "done"
    assert before.isdisjoint(world.pods()), "nobody reads the key that was put back"
    assert world.key() == lost["key"]
    assert world.takes(lost["token"]), "everybody was logged out"


def test_pods_that_are_older_than_the_secret_again_are_restarted_again(
    runbook: AuthRunbook, world: AuthWorld, data_lab: Lab
) -> None:
    """Also in the same incident: once per incident is no reason to leave them as they are."""
    data_lab.break_("jwt-key-stale")
    first = runbook.remediate(approve="restart-auth")
    assert first.result["outcome"] == "resolved", (first.result["errors"], first.result["verification"])
    FAULTS["jwt-key-stale"].inject(data_lab)
    before = world.pods()
    second = runbook.again(first.directory, runbook_mode="remediate", approved=["restart-auth"])
    assert (second.rc, second.result["outcome"]) == (0, "resolved"), (second.result["errors"], second.result["actions"])
    assert before.isdisjoint(world.pods())


def test_from_a_sealed_vault_nothing_is_restored_until_it_is_unsealed(
    runbook: AuthRunbook, world: AuthWorld, data_lab: Lab, lost: dict[str, Any]
) -> None:
    data_lab.vault.control.write([SEALED])
    run = assert_nothing_is_restored(runbook, world, "sealed")
    found = run.finding("jwt_in_vault")
    assert found["status"] == "unknown"
    assert "sealed" in found["summary"]
    assert "unseal" in found["next_step"].lower()

    data_lab.vault.control.write([])
    assert restored(runbook).result["outcome"] == "resolved"
    assert world.key() == lost["key"]


def test_of_a_deleted_version_is_said_what_brings_it_back(
    runbook: AuthRunbook, world: AuthWorld, data_lab: Lab, lost: dict[str, Any], deleted: int
) -> None:
    run = assert_nothing_is_restored(runbook, world, "vault_deleted")
    found = run.finding("jwt_in_vault")
    assert f"bring version {deleted} back with undelete" in found["next_step"], found["next_step"]

    data_lab.vault.undelete_versions(JWT_PATH, [deleted])
    assert restored(runbook).result["outcome"] == "resolved"
    assert world.takes(lost["token"])


def test_an_older_version_is_restored_where_it_is_named_and_logs_everybody_out(
    runbook: AuthRunbook, world: AuthWorld, lost: dict[str, Any], deleted: int
) -> None:
    runbook.variables["auth_down_vault_version"] = deleted - 1
    run = assert_nothing_is_restored(runbook, world, "")
    assert "--accept-logout" in run.finding("auth_cause")["next_step"]

    runbook.variables["auth_down_accept_logout"] = True
    plan = runbook.run()
    (target,) = [each for each in planned(plan, "rotate-jwt-secret")["targets"] if "key" in each]
    assert target["to"] == plan.finding("jwt_in_vault")["data"]["fingerprint"]
    assert target["rotation"] is not False
    approval = {"runbook_second_approver": "grace", "runbook_reason": "the key of before is lost"}
    digest = plan.result["plan"]["digest"]
    run = runbook.remediate(approve="rotate-jwt-secret", runbook_plan_digest=digest, **approval)
    assert (run.rc, run.result["outcome"]) == (0, "resolved"), (run.result["errors"], run.result["verification"])
    assert world.key() == target["to"] != lost["key"]
    assert not world.takes(lost["token"])
    assert world.takes(world.token())
