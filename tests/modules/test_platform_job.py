# SPDX-License-Identifier: GPL-3.0-or-later
"""platform_job on the lab's platform: its own jobs in its own pods, and the database asked beside them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from modules.k8s_support import Api, api, pod, refusal, run_module, serve_backend

from ansible_collections.brandconnect.incidents.plugins.modules.platform_job import SPEC
from incident_runbooks.lab.lab import Lab
from support.bundles import WHO, collect

__all__ = ["api"]

Json = dict[str, Any]
INCIDENT = WHO["incident"]
SINCE = "2020-01-01T00:00:00Z"


class Platform:
    """The platform, with evidence preserved."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        hosts = json.loads((lab.directory.path / "inventory.json").read_text(encoding="utf-8"))["_meta"]["hostvars"]
        backend, server = hosts["backend"], lab.server
        self.cluster = {
            "kubeconfig": backend["kubernetes_kubeconfig"],
            "namespace": backend["kubernetes_namespace"],
        }
        self.database = psycopg.connect(
            host=server.host,
            port=server.port,
            dbname=server.database,
            user=server.superuser.user,
            password=server.superuser.password,
            autocommit=True,
        )
        folder.mkdir(mode=0o700)
        self.anchor = collect(folder / "bundle").anchor

    def run(self, job: str, ids: list[int], *, check_mode: bool = False, **given: Any) -> Json:
        """Run the module."""
        known = {"name": "backend", "incident": INCIDENT, "evidence_anchor": self.anchor}
        return run_module(SPEC, {**self.cluster, **known, "job": job, "ids": ids, **given}, check_mode=check_mode)

    def ids(self, query: str) -> list[int]:
        """Ask the database."""
        return [int(row[0]) for row in self.database.execute(query.encode()).fetchall()]


@pytest.fixture
def platform(cluster_lab: Lab, tmp_path: Path) -> Iterator[Platform]:
    found = Platform(cluster_lab, tmp_path / "evidence")
    found.database.execute(
        "CREATE TABLE kept AS SELECT id, password_hash, two_factor_required FROM users;"
        "UPDATE refresh_tokens SET revoked_at = NULL"
    )
    yield found
    found.database.execute(
        "UPDATE users SET password_hash = kept.password_hash, two_factor_required = kept.two_factor_required"
        " FROM kept WHERE kept.id = users.id; DROP TABLE kept; DELETE FROM password_resets;"
        "UPDATE refresh_tokens SET revoked_at = NULL; UPDATE oauth_grants SET revoked_at = NULL"
    )
    found.database.close()


WORLD = {
    "revoke_tokens": "SELECT DISTINCT user_id FROM refresh_tokens WHERE revoked_at IS NOT NULL ORDER BY 1",
    "reset_credentials": "SELECT user_id FROM password_resets ORDER BY 1",
    "require_2fa": "SELECT id FROM users WHERE two_factor_required ORDER BY 1",
    "revoke_oauth": "SELECT account_id FROM oauth_grants WHERE revoked_at IS NOT NULL ORDER BY 1",
}


@pytest.mark.parametrize("job", WORLD)
def test_a_job_does_what_was_approved_once_and_nothing_else(platform: Platform, job: str) -> None:
    given: Json = {"since": SINCE} if job == "revoke_tokens" else {}
    ids = [9, 4, 3, 4]
    plan = platform.run(job, ids, check_mode=True, evidence_anchor=None, **given)
    assert (plan["status"], plan["changed"], plan["after"]) == ("planned", True, {}), plan
    assert plan["targets"][0]["ids"] == [3, 4, 9]
    assert any("evidence must be preserved" in each for each in plan["caveats"])
    assert platform.ids(WORLD[job]) == [], "a plan changes nothing"

    other = platform.run(job, [3, 4], targets=plan["targets"], **given)
    assert (other["status"], other["refusal"]) == ("refused", "plan_changed")
    assert platform.ids(WORLD[job]) == []

    done = platform.run(job, ids, targets=plan["targets"], batch_size=2, **given)
    assert (done["status"], done["changed"]) == ("done", True), done
    assert [each["count"] for each in done["results"]] == [2, 1]
    assert platform.ids(WORLD[job]) == [3, 4, 9]
    assert done["after"]["affected"] >= 3

    again = platform.run(job, ids, targets=plan["targets"], **given)
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "no_change", False), again
    assert platform.ids(WORLD[job]) == [3, 4, 9]


def test_tokens_from_before_the_moment_stay(platform: Platform) -> None:
    platform.database.execute("UPDATE refresh_tokens SET issued_at = now() - interval '9 days' WHERE user_id = 4")
    done = platform.run("revoke_tokens", [3, 4], since=platform_since(platform))
    assert done["status"] == "done"
    assert platform.ids(WORLD["revoke_tokens"]) == [3]


def platform_since(platform: Platform) -> str:
    row = platform.database.execute("SELECT now() - interval '8 days'").fetchone()
    assert row
    return str(row[0].isoformat())


def test_nothing_is_contained_without_evidence_or_a_reason(platform: Platform) -> None:
    refused = platform.run("require_2fa", [3], evidence_anchor=None)
    assert (refused["status"], refused["refusal"], refused["changed"]) == ("refused", "no_evidence", False)
    assert platform.ids(WORLD["require_2fa"]) == []
    reason = "the attacker is deleting rows"
    done = platform.run("require_2fa", [3], evidence_anchor=None, evidence_override=reason)
    assert (done["status"], done["evidence"]["override"]) == ("done", reason)
    assert any(reason in each for each in done["caveats"])


def test_a_job_that_fails_stops_the_rest(platform: Platform) -> None:
    # how far one came that broke off nobody can tell from its code; a transaction that is rolled back is not refused
    platform.database.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not today''; END';"
        "CREATE CONSTRAINT TRIGGER no AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION no()"
    )
    try:
        failed = platform.run("require_2fa", [3, 4, 9], batch_size=2)
    finally:
        platform.database.execute("DROP FUNCTION no CASCADE")
    assert [each["result"] for each in failed["results"]] == ["unknown", "not_attempted"]
    assert failed["status"] == "unknown"
    assert "not today" in failed["reason"]
    assert [each["open_ids"] for each in failed["results"]] == [[3, 4], []]
    assert platform.ids(WORLD["require_2fa"]) == []


FAILED_PAYMENTS = "SELECT id FROM payments WHERE status = 'failed' ORDER BY id"


def test_a_job_that_does_not_know_its_option_is_not_run(platform: Platform) -> None:
    strict = platform.run("require_2fa", [3, 4, 9], batch_size=2, npm_script="jobs:revoke-oauth")
    assert (strict["status"], strict["refusal"], strict["changed"]) == ("refused", "no_dry_run", False), strict
    assert "unknown option '--user-ids=3,4'" in strict["reason"]
    assert [each["result"] for each in strict["results"]] == ["not_attempted", "not_attempted"]
    assert platform.ids(WORLD["revoke_oauth"]) == []

    # this one takes the option, and does everything all the same
    before = platform.ids(FAILED_PAYMENTS)
    assert before
    deaf = {"npm_script": "jobs:retry-failed-payments", "ids_option": "attempt"}
    wide = platform.run("require_2fa", [3], **deaf)
    assert (wide["status"], wide["refusal"], wide["changed"]) == ("refused", "scope_not_kept", False), wide
    assert "narrowed at all" in wide["reason"]
    assert platform.ids(FAILED_PAYMENTS) == before


def test_the_platform_s_own_name_of_the_option_is_part_of_the_plan(platform: Platform) -> None:
    plan = platform.run("reset_credentials", [3, 4], check_mode=True)
    named = {"ids_option": "affected-users", "targets": plan["targets"]}
    other = platform.run("reset_credentials", [3, 4], **named)
    assert (other["status"], other["refusal"]) == ("refused", "plan_changed")
    done = platform.run("reset_credentials", [3, 4], ids_option="affected-users")
    assert (done["status"], done["targets"][0]["option"]) == ("done", "affected-users"), done
    assert platform.ids(WORLD["reset_credentials"]) == [3, 4]


def test_many_ids_come_from_a_file_and_are_told_by_their_sum(platform: Platform, tmp_path: Path) -> None:
    listed = tmp_path / "affected"
    listed.write_text("".join(f"{number}\n" for number in range(60, 0, -1)), encoding="utf-8")
    listed.chmod(0o600)
    plan = platform.run("require_2fa", [], ids_file=str(listed), check_mode=True)
    (target,) = plan["targets"]
    assert (target["count"], target["ids"], len(target["ids_sha256"])) == (60, None, 64)
    listed.write_text("".join(f"{number}\n" for number in range(60, 1, -1)), encoding="utf-8")
    other = platform.run("require_2fa", [], ids_file=str(listed), targets=plan["targets"])
    assert (other["status"], other["refusal"]) == ("refused", "plan_changed")
    done = platform.run("require_2fa", [1], ids_file=str(listed), targets=plan["targets"])
    assert (done["status"], done["after"]) == ("done", {"affected": 60}), done
    assert platform.ids(WORLD["require_2fa"]) == list(range(1, 61))


def test_more_ids_than_allowed_are_refused(platform: Platform) -> None:
    found = platform.run("reset_credentials", [3, 4, 9], max_ids=2)
    assert (found["status"], found["refusal"]) == ("refused", "over_max_ids")
    assert platform.ids(WORLD["reset_credentials"]) == []


# what a healthy platform does not do on demand


def served(api: Api, **given: Any) -> Json:
    serve_backend(api, [pod("a")])
    reason = {"evidence_override": "nothing to preserve here"}
    options = {"name": "backend", "job": "require_2fa", "ids": [3], "incident": INCIDENT, **reason, **given}
    return run_module(SPEC, api.options(**options))


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"ids": [0]}, "ids must be positive"),
        ({"max_ids": 10001}, "max_ids must be from 1 to 10000"),
        ({"batch_size": 0}, "batch_size"),
        ({"since": SINCE}, "since is for revoke_tokens only"),
        ({"job": "revoke_tokens"}, "give the moment since which"),
        ({"job": "revoke_tokens", "since": "1hour"}, "RFC 3339 with a time zone"),
        ({"job": "revoke_tokens", "since": "2026-11-21T02:10:00"}, "RFC 3339 with a time zone"),
        ({"job": "revoke_tokens", "since": "2996-11-21T02:10:00Z"}, "future"),
        ({"incident": "a b"}, "incident must be"),
        ({"ids_option": "--all=1"}, "ids_option must be the name"),
    ],
)
def test_options_that_make_no_sense_ask_nobody(api: Api, given: Json, word: str) -> None:
    found = served(api, **given)
    assert found["failed"] is True
    assert word in found["msg"]
    assert api.asked == []


def test_a_file_of_ids_is_ones_own_and_has_numbers(api: Api, tmp_path: Path) -> None:
    listed = tmp_path / "ids"
    listed.write_text("3\nalice@example.com\n", encoding="utf-8")
    listed.chmod(0o644)
    assert "nobody else may read" in served(api, ids_file=str(listed))["msg"]
    listed.chmod(0o600)
    found = served(api, ids_file=str(listed))
    assert "line 2 of ids_file is no whole number" in found["msg"]
    assert "alice" not in json.dumps(found)
    assert api.asked == []


def test_no_ids_are_nothing_to_do(api: Api) -> None:
    found = served(api, ids=[])
    assert (found["status"], found["refusal"], found["changed"]) == ("nothing_to_do", "no_ids", False)
    assert api.asked == []


def test_a_missing_permission_is_named_and_nothing_has_changed(api: Api) -> None:
    text = 'pods "a" is forbidden: User "x" cannot create resource "pods/exec" in API group "" in the namespace "shop"'
    api.answers["/api/v1/namespaces/shop/pods/a/exec"] = refusal(403, "Forbidden", text)
    found = served(api, ids=[3, 4], batch_size=1)
    assert (found["failed"], found["status"], found["changed"]) == (True, "failed", False)
    assert [each["result"] for each in found["results"]] == ["failed", "not_attempted"]
    assert "lacks create on pods/exec" in found["hint"]
