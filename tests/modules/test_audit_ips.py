# SPDX-License-Identifier: GPL-3.0-or-later
"""audit_ips against a breach that is known."""

from __future__ import annotations

import datetime as dt

import yaml
from modules.audit_support import Breached, small_breach

from ansible_collections.brandconnect.incidents.plugins.modules import audit_ips, audit_scope
from incident_runbooks.lab.breach.truth import OFFICE, PROXY

__all__ = ["small_breach"]

SPEC = audit_ips.SPEC


def test_the_attackers_addresses_are_found_and_no_others(small_breach: Breached) -> None:
    truth = small_breach.truth
    result = small_breach.run(SPEC)
    assert set(result["suspicious_addresses"]) == truth.addresses
    assert result["suspicious_count"] == len(truth.addresses)
    kinds = {each["address"]: each["kinds"] for each in result["addresses"]}
    assert kinds == {
        truth.loud: ["loud"],
        truth.slow[0]: ["slow", "guessing"],
        truth.slow[1]: ["slow"],
        truth.slow[2]: ["slow"],
        PROXY: ["shared"],
    }
    assert all(len(each["actor_ids"]) <= 10 for each in result["addresses"])
    assert result["shared_addresses"] == [PROXY]
    assert OFFICE not in kinds, "it has most rows, and is trusted"
    assert (result["top"]["address"], result["client_ip_recorded"], result["status"]) == (OFFICE, True, "degraded")
    with small_breach.superuser() as connection:
        rows = connection.execute(
            "SELECT host(ip_address), count(*), count(DISTINCT actor_id) FROM audit_logs WHERE created_at >= %s"
            " AND ip_address = ANY(%s::inet[]) GROUP BY 1",
            [small_breach.since, sorted(truth.addresses)],
        ).fetchall()
    assert {each["address"]: (each["events"], each["actors"]) for each in result["addresses"] if each["new"]} == {
        address: (events, actors) for address, events, actors in rows
    }
    assert set(result) - {"changed"} == set(yaml.safe_load(audit_ips.RETURN))


def test_the_office_is_shared_where_it_is_not_trusted(small_breach: Breached) -> None:
    result = small_breach.run(SPEC, trusted_cidrs=[])
    assert OFFICE in result["shared_addresses"]
    assert OFFICE not in result["suspicious_addresses"]
    assert result["totals"]["trusted_events"] == 0


def test_one_address_for_everybody_says_that_the_clients_own_is_not_recorded(small_breach: Breached) -> None:
    """As where X-Forwarded-For is not trusted: 1 row of 20 has another address."""
    with small_breach.rolled_back(f"UPDATE public.audit_copy SET ip_address = '{PROXY}' WHERE id % 20 > 0"):  # noqa: S608 - a constant
        result = small_breach.run(SPEC, table="audit_copy", min_records=1000)
    assert (result["client_ip_recorded"], result["status"]) == (False, "unknown")
    assert result["top"]["address"] == PROXY
    assert result["top"]["share"] > 0.9
    assert result["suspicious_addresses"] == []


def test_who_tries_many_accounts_is_suspicious_and_no_proxy(small_breach: Breached) -> None:
    """As one who tries 300 accounts and then exports: all of it from one address that nobody has come from before."""
    tried = f"""UPDATE public.audit_copy SET ip_address = '203.0.113.99', action = 'user.login_failed'
        WHERE id IN (SELECT min(id) FROM public.audit_copy WHERE created_at >= '{small_breach.since}'
            AND ip_address <<= '198.18.0.0/15' GROUP BY actor_id ORDER BY 1 LIMIT 300)"""  # noqa: S608 - constants
    taken = f"UPDATE public.audit_copy SET ip_address = '203.0.113.99' WHERE ip_address = '{small_breach.truth.loud}'"  # noqa: S608
    with small_breach.rolled_back(tried, taken):
        result = small_breach.run(SPEC, table="audit_copy")
        scope = small_breach.run(audit_scope.SPEC, table="audit_copy")
    (address,) = [each for each in result["addresses"] if each["address"] == "203.0.113.99"]
    assert (address["kinds"], address["actors"] >= 300) == (["loud", "guessing"], True)
    assert "203.0.113.99" in result["suspicious_addresses"]
    assert "203.0.113.99" not in result["shared_addresses"]
    assert "203.0.113.99" in scope["window"]["addresses"]


def test_99_exports_from_a_new_address_are_told(small_breach: Breached) -> None:
    fewer = f"""DELETE FROM public.audit_copy WHERE id IN (SELECT id FROM public.audit_copy
        WHERE ip_address = '{small_breach.truth.loud}' ORDER BY id OFFSET 99)"""  # noqa: S608 - a constant
    with small_breach.rolled_back(fewer):
        result = small_breach.run(SPEC, table="audit_copy")
    assert {each["address"]: each["kinds"] for each in result["addresses"]}[small_breach.truth.loud] == ["exports"]


def test_where_no_row_has_an_address_nothing_can_be_told(small_breach: Breached) -> None:
    for statement, recorded in (
        ("UPDATE public.audit_copy SET ip_address = NULL", None),
        ("UPDATE public.audit_copy SET ip_address = NULL WHERE id % 3 > 0", None),
    ):
        with small_breach.rolled_back(statement):
            result = small_breach.run(SPEC, table="audit_copy", min_records=1000, min_failed_logins=1000)
        assert (result["client_ip_recorded"], result["status"]) == (recorded, "unknown"), statement


def test_before_the_attack_no_address_is_suspicious(small_breach: Breached) -> None:
    before = small_breach.truth.first_seen - dt.timedelta(minutes=1)
    times = {"since": (before - dt.timedelta(days=10)).isoformat(), "until": before.isoformat()}
    result = small_breach.run(SPEC, **times)
    assert (result["suspicious_addresses"], result["status"]) == ([], "ok")


def test_lists_are_bounded_and_say_so(small_breach: Breached) -> None:
    result = small_breach.run(SPEC, max_items=2)
    assert (len(result["addresses"]), len(result["suspicious_addresses"])) == (2, 2)
    assert (result["omitted"], result["suspicious_count"]) == (3, 4)


def test_a_server_that_does_not_answer_is_a_result(small_breach: Breached) -> None:
    result = small_breach.run(SPEC, login_port=1)
    assert (result["cause"], result["status"], result["client_ip_recorded"]) == ("refused", "unknown", None)
    assert set(result) - {"changed"} == set(yaml.safe_load(audit_ips.RETURN))
