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
    assert (found["complete"], found["everybody"], found["suspects"]) == (False, False, ["65", "77"])
    assert (found["counts_are"], found["recommend"]) == ("at_least", WIDE)
    assert any("the operator alone names" in gap for gap in found["gaps"])
    assert "1 of them by the operator alone" in found["also"][0]["reason"]


KNOWN = {"actor_id": 12, "events": 640, "new_addresses": False, "excused": True}


@pytest.mark.parametrize("mixed", [False, True])
def test_that_others_are_expected_makes_a_real_export_no_smaller(mixed: bool) -> None:
    rows = [export(640), *([export(640, actor=12)] if mixed else [])]
    trail = suspect(*([12] if mixed else []), 65, people=1142, resources=rows)
    found = told(trail | ({} if mixed else {"expected": [KNOWN]}), expected=("12",))
    assert (found["cause"], found["wide"], found["everybody"], found["recommend"]) == ("mass_export", True, False, WIDE)
    assert (found["expected"], found["suspects"], found["complete"]) == (["12"], ["65"], not mixed)
    assert any("accounts that are expected" in gap for gap in found["gaps"]) is mixed


LOUD = HEALTHY_IPS | {"suspicious_count": 2}
PROXY = HEALTHY_IPS | {"client_ip_recorded": False}
SOME = {"level": "low", "reasons": ["80 addresses of suspects were not looked at"]}


@pytest.mark.parametrize(
    ("more", "asked", "cause"),
    [
        ({}, {}, "expected_activity"),
        ({}, {"addresses": LOUD}, "unknown"),
        ({}, {"addresses": PROXY}, "unknown"),
        ({}, {"addresses": HEALTHY_IPS | {"client_ip_recorded": None}}, "unknown"),
        ({}, {"workload": {"message": "refused"}}, "unknown"),
        ({"confidence": SOME}, {}, "unknown"),
        ({"suspects": [{"actor_id": 12, "addresses_omitted": 80}]}, {}, "unknown"),
    ],
)
def test_what_is_expected_needs_all_that_nothing_needs(more: Json, asked: Json, cause: str) -> None:
    for trail in (suspect(12) | more, quiet(expected=[KNOWN])):
        if trail["suspect_ids"] or not more:
            found = told(trail, expected=("12",), **asked)
            assert (found["cause"], found["expected"]) == (cause, ["12"]), found["reason"]


def test_an_account_that_is_expected_and_came_from_elsewhere_is_a_suspect() -> None:
    elsewhere = KNOWN | {"new_addresses": True, "excused": False}
    found = told(suspect(12, expected=[elsewhere]), expected=("12",))
    assert (found["cause"], found["suspects"], found["expected"]) == ("account_takeover", ["12"], [])
    assert any("new for them" in gap for gap in found["gaps"])
    idle = told(quiet(expected=[KNOWN | {"events": 0}]), expected=("12",))
    assert (idle["cause"], idle["expected"]) == ("none", [])


IRREVERSIBLE = {"reset-credentials", "require-2fa", "revoke-oauth", "revoke-affected-sessions", "revoke-all-sessions"}


@pytest.mark.parametrize("confidence", [SOME, {}, None])
def test_nothing_that_cannot_be_taken_back_is_recommended_on_low_confidence(confidence: Json | None) -> None:
    for people, rows in ((1142, [export(640)]), (None, [export(20)]), (3, [])):
        trail = suspect(people=people, resources=rows) | {"confidence": confidence}
        found = told(trail)
        assert found["recommend"] == NARROW[:3]
        assert (found["wide"], found["everybody"]) == (False, False)
        assert "Confidence is low" in found["next_step"]
        named = told(trail, actors=("65",))  # somebody has confirmed the account, and nobody whom it concerns
        assert set(named["recommend"]) & IRREVERSIBLE == {"reset-credentials"}
        assert not named["wide"]


@pytest.mark.parametrize(
    ("people", "unnamed", "text"),
    [
        (1142, 0, "exported {}640 records and took data of 1142 people"),
        (None, 0, "exported {}640 records, and whose they are is not known"),
        (1142, 2, "exported data, and {}2 exports do not say whose"),
    ],
)
def test_of_exports_that_are_not_all_named_the_count_is_a_least(people: int | None, unnamed: int, text: str) -> None:
    rows = [export(640, unnamed)]
    read = {**export(9), "exports": False}
    for omitted, shown, least in ((0, rows, ""), (3, rows, "at least "), (3, [*rows, read], "")):
        trail = suspect(people=people, resources=shown, resources_omitted=omitted)
        assert text.format(least) in told(trail)["reason"], (omitted, shown)


def test_everybody_is_logged_out_only_where_nobody_knows_whom_it_concerns() -> None:
    def everybody(*rows: Json, **more: Any) -> bool:
        trail = suspect(people=1142, complete=False, resources=[export(640), *rows])
        trail["affected"] |= more
        return bool(told(trail)["everybody"])

    assert not everybody(records_without_owner=4)
    assert everybody(records_without_owner=4, count=0)
    assert everybody(count=None)
    assert everybody(export(0, unnamed=1) | {"resource_type": "user"})
    assert not everybody(export(0, unnamed=1) | {"resource_type": "report"})
    assert not everybody(export(0, unnamed=1, actor=12) | {"resource_type": "user"})  # no suspect's


def test_more_than_20_suspects_are_not_narrow() -> None:
    few, many = told(suspect(*range(1, 21))), told(suspect(*range(1, 22)))
    assert few["recommend"] == NARROW
    assert many["recommend"] == [EVIDENCE, "revoke-affected-sessions", "reset-credentials"]
    assert "two approvals" in many["next_step"]
    named = told(quiet(), actors=tuple(map(str, range(1, 22))))
    assert not {"revoke-suspect-sessions", "revoke-suspect-access"} & set(named["recommend"])


def test_the_time_of_a_breach_is_that_of_all_suspects_not_of_those_that_are_listed() -> None:
    whole = {"first_seen": "2026-11-01T04:00:00Z", "last_seen": "2026-11-27T21:00:00Z"}
    times = "since", "until"
    trail = suspect(12, 65, window=whole)
    listed = ("2026-11-15T20:00:00Z", "2026-11-16T20:00:00Z")
    assert tuple(told(trail)[each] for each in times) == (whole["first_seen"], whole["last_seen"])
    mixed = told(trail, expected=("12",))  # the window is of those too who are expected
    assert tuple(mixed[each] for each in times) == listed
    for none in ({}, None, {"first_seen": None, "last_seen": None}):
        assert tuple(told(trail | {"window": none})[each] for each in times) == listed


def test_what_expected_accounts_read_is_not_counted_as_taken() -> None:
    trail = suspect(12, people=1142, gaps=GAPS)
    assert (told(trail, expected=("12",))["people"], told(trail, expected=("12",))["taken"]) == (None, None)
    named = told(trail, expected=("12",), actors=("77",))
    assert (named["cause"], named["people"], named["since"]) == ("account_takeover", None, None)
    assert (named["status"], told(suspect(12, kind="payment"), expected=("12",))["card_data"]) == ("degraded", False)
