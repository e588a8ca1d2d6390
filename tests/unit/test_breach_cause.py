# SPDX-License-Identifier: GPL-3.0-or-later
"""What a suspected breach is: one case for each row of the decision table of data-breach, and what it recommends."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_cause import (
    CAUSES,
    breach_cause,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_cause_facts import (
    Said,
    read_facts,
)

Json = dict[str, Any]

EVIDENCE = "preserve-evidence"
NARROW = [EVIDENCE, "revoke-suspect-sessions", "revoke-suspect-access", "reset-credentials"]
WIDE = [*NARROW[:3], "revoke-affected-sessions", "reset-credentials", "require-2fa", "revoke-oauth"]
EVERYBODY = [*WIDE[:4], "revoke-all-sessions", *WIDE[4:]]
HEALTHY_IPS = {"reachable": True, "cause": None, "client_ip_recorded": True, "suspicious_count": 0}
PODS = {"workload": {"kind": "Deployment", "name": "backend"}}


def quiet(**more: Any) -> Json:
    """A trail that is whole and shows nothing."""
    affected = {"count": 0, "records": 0, "by_type": [], "complete": True}
    return {
        "reachable": True,
        "cause": None,
        "status": "ok",
        "confidence": {"level": "high", "reasons": []},
        "suspect_ids": [],
        "suspects": [],
        "affected": affected,
        "resources": [],
        "gaps": {"known": True, "count": 0, "missing": 0},
        "tampered": {"known": True, "count": 0},
        **more,
    }


def suspect(*ids: int, people: int | None = 3, complete: bool = True, kind: str = "user", **more: Any) -> Json:
    """A trail in which accounts read what they do not usually read."""
    affected = {
        "count": people,
        "records": 9,
        "by_type": [{"resource_type": kind, "records": 9, "people": people}],
        "complete": complete,
    }
    seen = {"first_seen": "2026-11-15T20:00:00Z", "last_seen": "2026-11-16T20:00:00Z"}
    actors = list(ids) or [65]
    found = [{"actor_id": actor, **seen} for actor in actors]
    return quiet(status="down", suspect_ids=actors, affected=affected, suspects=found, **more)


def export(records: int, unnamed: int = 0, actor: int = 65) -> Json:
    return {"actor_id": actor, "exports": True, "events": records + unnamed, "records": records, "unnamed": unnamed}


def told(scope: Json, *, addresses: Json | None = None, workload: Json | None = None, **said: Any) -> Json:
    ips = HEALTHY_IPS if addresses is None else addresses
    pods = PODS if workload is None else workload
    return breach_cause(read_facts(scope, ips, pods, Said(**said), (100, 100)))


DOWN = {"reachable": False, "cause": "refused", "message": "nothing listens there", "status": "unknown"}
GAPS = {"known": True, "count": 1, "missing": 25}
# what is found -> cause, status, recommended
ROWS: dict[str, tuple[Json, str, str, list[str]]] = {
    "all is well": (told(quiet()), "none", "ok", []),
    "a backup": (told(suspect(12), expected=("12",)), "expected_activity", "ok", []),
    "a backup, and somebody else": (told(suspect(12, 65), expected=("12",)), "account_takeover", "down", NARROW),
    "an account": (told(suspect()), "account_takeover", "down", NARROW),
    "an account, not sure": (told(suspect() | {"status": "degraded"}), "account_takeover", "degraded", NARROW),
    "an account that only the operator names": (
        told(quiet(), actors=("77",)),
        "account_takeover",
        "degraded",
        [EVIDENCE, "revoke-suspect-sessions", "reset-credentials"],
    ),
    "many people": (told(suspect(people=1142, resources=[export(20)])), "mass_export", "down", WIDE),
    "many records": (told(suspect(resources=[export(640)])), "mass_export", "down", WIDE),
    "many people were only read": (told(suspect(people=1142)), "account_takeover", "down", NARROW),
    "an export of a few": (told(suspect(resources=[export(20)])), "account_takeover", "down", NARROW),
    "an export that does not say whose": (
        told(suspect(complete=False, resources=[export(0, unnamed=1)])),
        "mass_export",
        "down",
        EVERYBODY,
    ),
    "an export of which nobody knows whose": (
        told(suspect(people=None, complete=False, resources=[export(20)])),
        "mass_export",
        "down",
        [*NARROW[:3], "revoke-all-sessions", "reset-credentials"],
    ),
    "the export of somebody who is expected": (
        told(suspect(12, 65, people=1142, resources=[export(640, actor=12)]), expected=("12",)),
        "account_takeover",
        "down",
        NARROW,
    ),
    "a credential": (told(quiet(), leaked=("stripe",)), "credential_leak", "down", [EVIDENCE]),
    "a credential of a pod": (
        told(quiet(), leaked=("stripe",), pods=("backend-1",)),
        "credential_leak",
        "down",
        [EVIDENCE, "quarantine-pods"],
    ),
    "a credential, while the database is down": (told(DOWN, leaked=("stripe",)), "credential_leak", "down", [EVIDENCE]),
    "rows are missing": (told(quiet(status="degraded", gaps=GAPS)), "audit_tampered", "degraded", [EVIDENCE]),
    "a time does not fit": (
        told(quiet(status="degraded", tampered={"known": True, "count": 1})),
        "audit_tampered",
        "degraded",
        [EVIDENCE],
    ),
    "a backup in a trail with gaps": (
        told(suspect(12, gaps=GAPS), expected=("12",)),
        "audit_tampered",
        "degraded",
        [EVIDENCE],
    ),
    "the database is down": (told(DOWN), "unknown", "degraded", [EVIDENCE]),
    "nobody was asked": (told({}, addresses={}, workload={}), "unknown", "degraded", [EVIDENCE]),
    "nothing to compare with": (told(quiet(status="unknown")), "unknown", "degraded", [EVIDENCE]),
    "a proxy's address": (
        told(quiet(), addresses=HEALTHY_IPS | {"client_ip_recorded": False}),
        "unknown",
        "degraded",
        [EVIDENCE],
    ),
    "suspicious addresses alone": (
        told(quiet(), addresses=HEALTHY_IPS | {"suspicious_count": 2}),
        "unknown",
        "degraded",
        [EVIDENCE],
    ),
    "pods alone": (
        told(quiet(), pods=("backend-1",)),
        "unknown",
        "degraded",
        [EVIDENCE, "quarantine-pods"],
    ),
    "the cluster is down": (told(quiet(), workload={"message": "refused"}), "unknown", "degraded", [EVIDENCE]),
}


@pytest.mark.parametrize("name", ROWS)
def test_each_row(name: str) -> None:
    found, cause, status, recommended = ROWS[name]
    assert (found["cause"], found["status"], found["recommend"]) == (cause, status, recommended), found["reason"]
    assert found["reason"]
    assert (cause == "none") == (found["next_step"] == "")


def test_every_cause_is_tested() -> None:
    assert {cause for _, cause, _, _ in ROWS.values()} == set(CAUSES)


def test_what_else_is_proven_is_said_beside_it() -> None:
    found = told(suspect(people=1142, resources=[export(640)], gaps=GAPS), leaked=("stripe",))
    assert [each["cause"] for each in found["also"]] == ["credential_leak", "account_takeover", "audit_tampered"]
    assert (found["wide"], found["everybody"], found["counts_are"]) == (True, False, "at_least")


def test_reasons_name_nobody() -> None:
    for found, *_ in ROWS.values():
        said = " ".join([found["reason"], found["next_step"], *(each["reason"] for each in found["also"])])
        assert not {"65", "77"} & set(said.split()), said


def test_payments_among_the_records_are_card_data() -> None:
    assert told(suspect(kind="payment"))["card_data"]
    assert not told(suspect())["card_data"]
    assert told(quiet(), card_data=True)["card_data"]


def test_what_a_named_account_took_is_not_known() -> None:
    found = told(suspect(people=1142, resources=[export(640)]), actors=("77",))
    assert (found["complete"], found["everybody"], found["suspects"]) == (False, True, ["65", "77"])
    assert "1 of them by the operator alone" in found["also"][0]["reason"]


def test_people_of_expected_accounts_are_not_contained_with_those_of_suspects() -> None:
    rows = [export(640), export(640, actor=12)]
    found = told(suspect(12, 65, people=1142, resources=rows), expected=("12",))
    assert (found["cause"], found["wide"], found["everybody"], found["recommend"]) == (
        "mass_export",
        False,
        False,
        NARROW,
    )
    assert any("accounts that are expected" in gap for gap in found["gaps"])


def test_what_expected_accounts_read_is_not_counted_as_taken() -> None:
    trail = suspect(12, people=1142, gaps=GAPS)
    assert (told(trail, expected=("12",))["people"], told(trail, expected=("12",))["taken"]) == (None, None)
    named = told(trail, expected=("12",), actors=("77",))
    assert (named["cause"], named["people"], named["since"]) == ("account_takeover", None, None)
    assert (named["status"], told(suspect(12, kind="payment"), expected=("12",))["card_data"]) == ("degraded", False)
