# SPDX-License-Identifier: GPL-3.0-or-later
"""audit_scope where the trail, the attack or the options are unusual."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml
from modules.audit_support import Breached, small_breach

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import audit_scoping
from ansible_collections.brandconnect.incidents.plugins.modules import audit_ips, audit_scope
from incident_runbooks.lab.breach.truth import OFFICE, REPORTS

__all__ = ["small_breach"]

SPEC = audit_scope.SPEC
READS = "action IN ('campaign.read', 'payment.read', 'user.read', 'campaign.select')"
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


def test_the_same_address_is_known_in_all_its_forms(small_breach: Breached) -> None:
    """Clients of IPv4 are noted in IPv6's form by now, and the reports' host takes another of its /64 each time."""
    mapped = "UPDATE public.audit_copy SET ip_address = ('::ffff:' || host(ip_address))::inet WHERE ip_address = "
    private = "UPDATE public.audit_copy SET ip_address = ('2001:db8:1:1::' || to_hex(id))::inet WHERE ip_address = "
    since = f"created_at >= '{small_breach.since}'"
    with small_breach.rolled_back(f"{mapped} '{OFFICE}' AND {since}", f"{private} '{REPORTS}'"):
        result = small_breach.run(SPEC, table="audit_copy", trusted_cidrs=[])
        addresses = small_breach.run(audit_ips.SPEC, table="audit_copy", trusted_cidrs=[])
    assert result["suspect_ids"] == [small_breach.truth.actor_id]
    assert set(result["window"]["addresses"]) == small_breach.truth.addresses
    assert not any("came from elsewhere" in reason for reason in result["confidence"]["reasons"])
    assert set(addresses["suspicious_addresses"]) == small_breach.truth.addresses
    assert OFFICE in addresses["shared_addresses"]


def quiet(breached: Breached) -> dict[str, Any]:
    """Options for a time without an attack, in a copy of the trail."""
    before = breached.truth.first_seen - dt.timedelta(minutes=1)
    since = before - dt.timedelta(days=10)
    return {"since": since.isoformat(), "until": before.isoformat(), "table": "audit_copy"}


def changed(times: dict[str, Any], assignment: str, count: int) -> str:
    """Change so many rows of that time: reads of customers who came from there before as well."""
    within = f"created_at >= '{times['since']}' AND created_at < '{times['until']}'"
    before = (
        "SELECT FROM public.audit_copy AS earlier WHERE earlier.actor_id = read.actor_id"
        f" AND earlier.ip_address = read.ip_address AND earlier.created_at < '{times['since']}'"
    )
    return (
        f"UPDATE public.audit_copy SET {assignment} WHERE id IN"  # noqa: S608 - constants
        f" (SELECT id FROM public.audit_copy AS read WHERE {within} AND ip_address <<= '198.18.0.0/15' AND {READS}"
        f" AND EXISTS ({before}) ORDER BY id LIMIT {count})"
    )


@pytest.mark.parametrize(
    ("assignment", "count", "status", "said"),
    [
        ("action = action", 1, "ok", ""),
        ("action = 'data.export', resource_id = NULL", 1, "degraded", "one thing only"),
        ("action = 'user.bulk_read'", 1, "degraded", "one thing only"),
        ("action = 'user.export'", 1, "unknown", "1 account exported more than expected"),
        ("action = 'user.export', actor_id = NULL", 900, "unknown", "900 reads or exports name no actor"),
        ("action = 'users.download'", 900, "unknown", "users.download took away was not looked at"),
    ],
)
def test_what_nobody_is_suspected_for_is_not_fine(
    small_breach: Breached, assignment: str, count: int, status: str, said: str
) -> None:
    times = quiet(small_breach)
    with small_breach.rolled_back(changed(times, assignment, count)):
        result = small_breach.run(SPEC, **times)
    assert result["status"] == status, result["confidence"]
    assert any(said in reason for reason in result["confidence"]["reasons"])
    assert len(result["suspects"]) == (status == "degraded")


def test_actions_that_do_not_occur_are_not_fine(small_breach: Breached) -> None:
    times = quiet(small_breach)
    options = {**times, "actions": ["records.fetch"], "export_actions": ["records.away"]}
    with small_breach.rolled_back():
        results = [small_breach.run(spec, **options) for spec in (SPEC, audit_ips.SPEC)]
    assert [result["status"] for result in results] == ["unknown", "unknown"]
    assert results[0]["totals"]["taken"] == 0
    assert "none of actions" in results[0]["confidence"]["reasons"][0]


def test_rows_out_of_order_do_not_hide_a_deletion(small_breach: Breached, monkeypatch: pytest.MonkeyPatch) -> None:
    """More steps back in time than are read: the rows that are missing are told all the same."""
    monkeypatch.setattr(audit_scoping, "MOST_STEPS", 20)
    times = quiet(small_breach)
    within = f"created_at >= '{times['since']}' AND created_at < '{times['until']}'"
    moved = f"UPDATE public.audit_copy SET created_at = created_at - interval '1 hour' WHERE {within} AND id % 50 = 0"  # noqa: S608 - constants
    middle = f"SELECT (min(id) + max(id)) / 2 FROM public.audit_copy WHERE {within}"  # noqa: S608
    deleted = f"DELETE FROM public.audit_copy WHERE id - ({middle}) BETWEEN 1 AND 9"  # noqa: S608
    with small_breach.rolled_back(moved, deleted):
        result = small_breach.run(SPEC, **times)
    assert result["tampered"]["count"] > 20
    assert (result["gaps"]["count"], result["gaps"]["missing"]) == (1, 9), result["gaps"]


def test_a_harmless_read_elsewhere_does_not_hide_what_came_from_the_usual_address(small_breach: Breached) -> None:
    actor = small_breach.truth.actor_id
    one = f"SELECT min(id) FROM public.audit_copy WHERE actor_id = {actor} AND ip_address = '{small_breach.truth.loud}'"  # noqa: S608
    statements = (
        f"UPDATE public.audit_copy SET action = 'campaign.read' WHERE id = ({one})",  # noqa: S608 - a constant
        f"UPDATE public.audit_copy SET ip_address = '{OFFICE}' WHERE actor_id = {actor} AND id <> ({one})",  # noqa: S608
    )
    with small_breach.rolled_back(*statements):
        result = small_breach.run(SPEC, table="audit_copy")
    (suspect,) = result["suspects"]
    assert (suspect["attributed"], result["window"]["addresses"]) == ("all", [small_breach.truth.loud])
    assert result["affected"]["count"] >= len(small_breach.truth.user_ids)


def test_a_trail_without_anything_before_makes_nobody_suspect_who_reads(small_breach: Breached) -> None:
    times = {**quiet(small_breach), "trusted_cidrs": []}
    with small_breach.rolled_back(f"DELETE FROM public.audit_copy WHERE created_at < '{times['since']}'"):  # noqa: S608
        result = small_breach.run(SPEC, **times)
        addresses = small_breach.run(audit_ips.SPEC, **times)
    robot = [each["actor_id"] for each in result["suspects"]]
    assert len(robot) == 1, "the reports, which nothing is known of"
    assert (result["status"], result["confidence"]["level"]) == ("degraded", "low")
    assert result["confidence"]["reasons"][0].startswith("there is no row before this time")
    assert (addresses["suspicious_addresses"], addresses["status"]) == ([], "unknown")


def test_whose_activity_is_known_is_told_and_left_out(small_breach: Breached) -> None:
    actor = small_breach.truth.actor_id
    kept = small_breach.run(SPEC, expected_actors=[actor])
    assert kept["suspect_ids"] == [actor], "it came from addresses that are new for it"
    assert [(each["actor_id"], each["excused"]) for each in kept["expected"]] == [(actor, False)]
    moved = f"UPDATE public.audit_copy SET ip_address = '{OFFICE}' WHERE actor_id = {actor}"  # noqa: S608 - a constant
    with small_breach.rolled_back(moved):
        result = small_breach.run(SPEC, table="audit_copy", expected_actors=[actor, 999_999])
    assert (result["suspects"], result["resources"], result["affected"]["count"]) == ([], [], 0)
    assert result["window"]["events"] == 0
    (it, nobody) = result["expected"]
    assert (it["excused"], it["exports"], nobody["events"]) == (True, 1200, 0)


def test_a_record_may_be_about_several_people(small_breach: Breached) -> None:
    query = (
        "SELECT id::text, person FROM campaigns CROSS JOIN LATERAL (VALUES (brand_id), (1000 + id)) AS each (person)"
        " WHERE id::text = ANY(%(ids)s)"
    )
    result = small_breach.run(SPEC, owners=[{"resource_type": "campaign", "query": query}])
    by_type = {each["resource_type"]: each for each in result["affected"]["by_type"]}
    with small_breach.superuser() as connection:
        counted = connection.execute(
            "SELECT count(DISTINCT brand_id) + count(DISTINCT id) FROM campaigns WHERE id::text IN"
            " (SELECT resource_id FROM audit_logs WHERE actor_id = %s AND action = 'campaign.export')",
            [small_breach.truth.actor_id],
        ).fetchone()
    assert (by_type["campaign"]["people"],) == counted


def test_more_owners_than_are_read_are_not_all(small_breach: Breached) -> None:
    query = "SELECT 1::text, n FROM generate_series(1, 200001) AS n WHERE cardinality(%(ids)s::text[]) > 0"
    result = small_breach.run(SPEC, owners=[{"resource_type": "user", "query": query}])
    assert {each["resource_type"]: each["people"] for each in result["affected"]["by_type"]}["user"] is None
    assert result["affected"]["complete"] is False
    assert result["confidence"]["level"] == "low"


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
