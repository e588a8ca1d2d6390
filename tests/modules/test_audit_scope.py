# SPDX-License-Identifier: GPL-3.0-or-later
"""audit_scope against a breach that is known: what it finds has to be what was injected."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import yaml
from modules.audit_support import Breached, breached

from ansible_collections.brandconnect.incidents.plugins.modules import audit_scope

__all__ = ["breached"]

SPEC = audit_scope.SPEC


def time(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def test_actor_addresses_time_and_people_are_those_of_the_attack(breached: Breached, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    file = tmp_path / "affected.txt"
    truth = breached.truth
    result = breached.run(SPEC, affected_file=str(file), max_items=20)

    assert (result["reachable"], result["cause"], result["changed"]) == (True, None, False)
    assert result["suspect_ids"] == [truth.actor_id]
    (suspect,) = result["suspects"]
    assert {reason["reason"] for reason in suspect["reasons"]} == {"exports", "new_addresses", "failed_logins"}
    assert (suspect["events"], suspect["reads"] + suspect["exports"]) == (truth.events, truth.reads)
    assert suspect["usual_events"] > 500, "the account's own rows are not the attacker's"
    window = result["window"]
    assert (time(window["first_seen"]), time(window["last_seen"])) == (truth.first_seen, truth.last_seen)
    assert set(window["addresses"]) == truth.addresses, "without the proxy's"
    affected = result["affected"]
    assert affected["count"] == len(truth.user_ids)
    assert (len(affected["ids"]), affected["omitted"]) == (20, len(truth.user_ids) - 20)
    assert {each["resource_type"]: each["records"] for each in affected["by_type"]} == truth.records
    assert affected["complete"] is False, "rows are missing: it may be more people"
    assert truth.actor_id not in result["affected"]["ids"], "who acted is not who is affected"
    assert file.read_text().split() == [str(person) for person in truth.user_ids]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each["action"] for each in result["resources"][:2]] == ["user.export", "campaign.export"]
    with breached.superuser() as connection:
        counted = connection.execute(
            "SELECT count(DISTINCT resource_id) FROM audit_logs WHERE actor_id = %s AND action = 'user.export'",
            [truth.actor_id],
        ).fetchone()
    assert (result["resources"][0]["records"],) == counted
    assert set(result) - {"changed"} == set(yaml.safe_load(audit_scope.RETURN))
    few = breached.run(SPEC, max_items=1)
    assert (len(few["resources"]), few["resources_omitted"]) == (1, len(result["resources"]) - 1)
    assert result["resources_omitted"] == 0


def test_what_was_deleted_and_changed_is_named(breached: Breached) -> None:
    result = breached.run(SPEC)
    gaps, tampered = result["gaps"], result["tampered"]
    named = {number for gap in gaps["items"] for number in range(gap["from_id"], gap["to_id"] + 1)}
    assert named == set(breached.truth.deleted_ids)
    assert (gaps["missing"], gaps["count"]) == (len(breached.truth.deleted_ids), 2)
    assert gaps["single"] > 5, "transactions that were rolled back are no deletions"
    assert tuple(row["id"] for row in tampered["items"]) == breached.truth.tampered_ids
    assert tampered["items"][0]["moved"] == "back"
    assert result["confidence"]["level"] == "medium"
    assert result["confidence"]["reasons"][0].startswith("32 rows are missing")
    assert result["status"] == "down"


def test_without_an_attack_nobody_is_suspected(breached: Breached) -> None:
    """Before it, staff read as always, customers change their address, and reports are exported each night."""
    before = breached.truth.first_seen - dt.timedelta(minutes=1)
    since = before - dt.timedelta(days=10)
    result = breached.run(SPEC, since=since.isoformat(), until=before.isoformat())
    assert (result["suspects"], result["affected"]["count"], result["gaps"]["count"]) == ([], 0, 0)
    assert result["status"] == "ok"
    assert {row["action"] for row in result["unlisted_actions"]} >= {"campaign.updated", "thread.created"}


def test_a_short_time_is_found_by_the_indexes(breached: Breached) -> None:
    last = breached.truth.last_seen
    times = {"since": (last - dt.timedelta(hours=3)).isoformat(), "until": (last + dt.timedelta(hours=1)).isoformat()}
    result = breached.run(SPEC, **times)
    plans = {plan["query"]: plan for plan in result["plans"]}
    assert plans["totals"] == {"query": "totals", "indexes": ["idx_audit_logs_created_at"], "sequential": False}
    assert plans["unlisted"]["indexes"] == ["idx_audit_logs_created_at"]
    for query in ("resources", "records"):
        assert not plans[query]["sequential"]
        assert set(plans[query]["indexes"]) <= {"idx_audit_logs_actor_id", "idx_audit_logs_created_at"}
    assert "audit_logs_pkey" in plans["steps"]["indexes"]
    assert result["suspect_ids"] == [breached.truth.actor_id]
