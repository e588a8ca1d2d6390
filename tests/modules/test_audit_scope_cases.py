# SPDX-License-Identifier: GPL-3.0-or-later
"""audit_scope where the trail, the attack or the options are unusual."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from modules.audit_support import Breached, small_breach

from ansible_collections.brandconnect.incidents.plugins.modules import audit_scope

__all__ = ["small_breach"]

SPEC = audit_scope.SPEC
OLDER = "UPDATE public.audit_copy SET action = 'thread.created' WHERE action LIKE '%export'"


def test_low_and_slow_alone_is_found_by_where_it_came_from(small_breach: Breached) -> None:
    with small_breach.rolled_back("DELETE FROM public.audit_copy WHERE action LIKE 'user.%export' AND id > 0", OLDER):
        result = small_breach.run(SPEC, table="audit_copy", export_actions=["user.export"])
    assert result["suspect_ids"] == [small_breach.truth.actor_id]
    reasons = {reason["reason"] for reason in result["suspects"][0]["reasons"]}
    assert reasons >= {"new_addresses", "failed_logins"}
    assert "exports" not in reasons
    assert set(result["window"]["addresses"]) >= set(small_breach.truth.slow)


def test_who_takes_too_much_from_the_usual_place_is_found_too(small_breach: Breached) -> None:
    moved = f"UPDATE public.audit_copy SET ip_address = '192.0.2.10' WHERE actor_id = {small_breach.truth.actor_id}"  # noqa: S608
    with small_breach.rolled_back(moved):
        result = small_breach.run(SPEC, table="audit_copy")
    (suspect,) = result["suspects"]
    assert (suspect["actor_id"], suspect["attributed"]) == (small_breach.truth.actor_id, "all")
    assert result["affected"]["count"] >= len(small_breach.truth.user_ids)
    assert result["window"]["addresses"] == [], "the office is not the attacker's"
    assert any("nothing tells" in reason for reason in result["confidence"]["reasons"])


def test_addresses_may_be_text_that_is_no_address(small_breach: Breached) -> None:
    statements = (
        "ALTER TABLE public.audit_copy ALTER ip_address TYPE text USING host(ip_address)",
        "UPDATE public.audit_copy SET ip_address = 'unknown, 10.1.2.3' WHERE id % 100 = 0 AND actor_id < 60",
        "UPDATE public.audit_copy SET ip_address = '999.1.1.1' WHERE id % 100 = 1 AND actor_id < 60",
    )
    with small_breach.rolled_back(*statements):
        result = small_breach.run(SPEC, table="audit_copy")
    assert result["suspect_ids"] == [small_breach.truth.actor_id]
    assert result["totals"]["unreadable_addresses"] > 0
    assert 0 < result["window"]["events"] <= small_breach.truth.events


def test_an_export_without_a_record_may_be_about_everybody(small_breach: Breached) -> None:
    unnamed = "UPDATE public.audit_copy SET resource_id = NULL WHERE action = 'campaign.export'"
    with small_breach.rolled_back(unnamed):
        result = small_breach.run(SPEC, table="audit_copy")
    assert result["affected"]["complete"] is False
    assert any("may be about everybody" in reason for reason in result["confidence"]["reasons"])


def test_owners_that_cannot_be_asked_for_are_not_nobody(small_breach: Breached) -> None:
    query = "SELECT id::text, email FROM public.users WHERE id::text = ANY(%(ids)s)"
    result = small_breach.run(SPEC, owners=[{"resource_type": "user", "query": query}])
    assert result["affected"]["complete"] is False
    assert {each["resource_type"]: each["people"] for each in result["affected"]["by_type"]}["user"] is None
    assert result["confidence"]["level"] == "low"
    assert result["status"] == "degraded"
    assert "@" not in str(result), "no e-mail address"


def test_a_server_that_is_asked_too_much_or_not_there_is_a_result(small_breach: Breached) -> None:
    for options, cause in (
        ({"login_password": "c4nary/pass word"}, "auth"),
        ({"login_port": 1}, "refused"),
        ({"table": "nothing"}, "invalid_query"),
        ({"table": "users"}, "invalid_query"),
        ({"table": "password_resets"}, "invalid_query"),
    ):
        result = small_breach.run(SPEC, **options)
        assert (result["cause"], result["status"], result["suspects"]) == (cause, "unknown", []), options
        assert result["affected"]["count"] is None, "unknown is not nobody"
        assert result["hint"]
        assert "c4nary" not in str(result)
        assert set(result) - {"changed"} == set(yaml.safe_load(audit_scope.RETURN))


def test_an_empty_time_is_unknown(small_breach: Breached) -> None:
    result = small_breach.run(SPEC, since="2020-01-01T00:00:00Z", until="2020-01-02T00:00:00Z")
    assert (result["status"], result["confidence"]["level"]) == ("unknown", "low")


def test_the_file_is_written_once_and_never_replaced(small_breach: Breached, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    file = tmp_path / "affected.txt"
    preview = small_breach.run(SPEC, check_mode=True, affected_file=str(file))
    assert (preview["affected"]["file"]["written"], list(tmp_path.iterdir())) == (False, [])
    first = small_breach.run(SPEC, affected_file=str(file))["affected"]["file"]
    second = small_breach.run(SPEC, affected_file=str(file))["affected"]["file"]
    assert (first["written"], second["written"], second["problem"]) == (True, False, None)
    assert first["sha256"] == second["sha256"] == preview["affected"]["file"]["sha256"]
    file.write_text("somebody else's\n")
    third = small_breach.run(SPEC, affected_file=str(file))["affected"]["file"]
    assert third["problem"]
    assert file.read_text() == "somebody else's\n"
    tmp_path.chmod(0o755)
    refused = small_breach.run(SPEC, affected_file=str(tmp_path / "other.txt"))
    assert refused["failed"]
    assert "0700" in refused["msg"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"since": "yesterday"}, "since must be a time with its zone"),
        ({"until": "2026-11-14T00:00:00"}, "until must be a time with its zone"),
        ({"since": "2026-11-14T00:00:00Z", "until": "2026-11-13T00:00:00Z"}, "until must be after since"),
        ({"since": "2026-01-01T00:00:00Z", "until": "2026-11-13T00:00:00Z"}, "within 92 days"),
        ({"actions": ["%read%"]}, "no patterns"),
        ({"actions": []}, "actions is empty"),
        ({"trusted_cidrs": ["0.0.0.0/0"]}, "trusts everybody"),
        ({"owners": [{"resource_type": "user", "query": "SELECT 1, 2"}]}, "%(ids)s"),
        ({"affected_file": "affected.txt"}, "affected_file"),
    ],
)
def test_wrong_options_are_refused(small_breach: Breached, options: dict[str, Any], said: str) -> None:
    result = small_breach.run(SPEC, **options)
    assert result["failed"]
    assert said in result["msg"]
