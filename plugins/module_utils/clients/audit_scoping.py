# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Ask an audit trail for the scope of a breach: read, let the decisions judge, read what that leads to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import audit_statements as statements
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    Failure,
    PostgresError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    audit_scope,
    audit_trail,
    audit_verdict,
    sql_query,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.audit_window import (
    Window,
    bulk,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.audit_reads import Trail
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session

MOST_ADDRESSES = 1000  # of a suspect
MOST_STEPS = 5000
MOST_UNLISTED = 1000
TOTALS = (
    *("events", "without_actor", "without_address", "unreadable_addresses", "taken", "taken_without_actor"),
    *("taken_without_address", "taken_unreadable", "candidates"),
)
UNKNOWN = {"known": False, "reason": "the trail was not read", "count": 0, "items": [], "omitted": 0}
Json = dict[str, Any]


def asked(params: Mapping[str, Any], result: Json, look: Callable[[Session, Mapping[str, Any]], Json]) -> Json:
    """Log in and look; a server that is sick or refuses is a result.

    Args:
        params: the module's.
        result: what is returned where nothing can be known.
        look: returns what is known.
    """
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import (  # noqa: PLC0415
        log_in,
    )

    started = time.monotonic()
    try:
        session = log_in({**params, "reserved_user": None, "reserved_password": None}, params["statement_timeout"])
    except PostgresError as error:
        return result | _problem(error.failure)
    with session:
        try:
            found = look(session, params)
        except PostgresError as error:
            return result | _refused(error.failure) | {"reachable": not session.lost}
    return result | found | {"reachable": True, "duration_s": round(time.monotonic() - started, 3)}


def scope(params: Mapping[str, Any], window: Window) -> Json:
    """Return the module's result, and ``people``, all that are affected.

    Args:
        params: the module's, checked; ``owners`` is a query for each type.
        window: what is looked at.
    """
    return asked(params, _nothing_known(), lambda session, given: _scope(session, given, window))


def query_values(params: Mapping[str, Any], window: Window) -> Json:
    """Return what queries of the trail are given."""
    return {
        **window.values(),
        "scale": window.scale,
        "reads": params["actions"],
        "exports": params["export_actions"],
        "bulk": bulk(params["export_actions"]),
        "expected": params.get("expected_actors") or [],
        "failed_logins": params["failed_login_actions"],
        "trusted": params["trusted_cidrs"],
        "min_records": params["min_records"],
        "ratio": params["ratio"],
    }


def _nothing_known() -> Json:
    return {
        "reachable": False,
        **dict.fromkeys(("cause", "message", "hint", "duration_s", "people")),
        "status": "unknown",
        "confidence": {"level": audit_verdict.LOW, "reasons": ["the trail was not read"]},
        "suspects": [],
        "suspect_ids": [],
        "expected": [],
        "window": audit_scope.attack_window([]),
        "affected": _affected(None, [], {}, complete=False, most=0),
        "resources": [],
        "resources_omitted": 0,
        "gaps": {**UNKNOWN, "missing": 0, "single": 0},
        "tampered": dict(UNKNOWN),
        "totals": dict.fromkeys(TOTALS),
        "unlisted_actions": [],
        "plans": [],
    }


def _scope(session: Session, params: Mapping[str, Any], window: Window) -> Json:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (  # noqa: PLC0415
        audit_people,
        audit_reads,
    )

    most = params["max_items"]
    limits = audit_scope.Limits(
        params["ratio"], params["min_records"], params["min_failed_logins"], params["shared_by"], most
    )
    trail = audit_reads.Trail(session, params["schema"], params["table"])
    values = query_values(params, window)
    with trail.snapshot():
        rows = _candidates(trail, values, params["max_candidates"])
        judged = audit_scope.judge(rows, window, limits, values["expected"])
        found = judged.suspects
        facts = _facts(trail, values, params, found)
    state = audit_trail.trail(
        facts["steps"], window, audit_trail.Limits(params["min_gap"], most), has_numbers=trail.has_numbers
    )
    records = facts["records"][: params["max_records"]]
    owned = audit_people.resolve(session, records, params["owners"], params["schema"])
    candidates = int(rows[0]["candidates"]) if rows else 0
    resources = audit_scope.shown_resources(facts["resources"], most)
    doubts = audit_verdict.Doubts(
        baseline=facts["baseline"]["complete"],
        any_baseline=facts["baseline"]["any_rows"],
        candidates_omitted=max(0, candidates - params["max_candidates"] - len(values["expected"])),
        records_cut=len(facts["records"]) > len(records),
        addresses_omitted=sum(each["addresses_omitted"] for each in found),
        unnamed_exports=sum(row["unnamed"] for row in facts["resources"] if row["taken"]),
        owners_unknown=owned["without_owner"],
        owners_failed=owned["failed"],
        totals=facts["totals"],
        dropped=judged.dropped,
        excused=[each["actor_id"] for each in judged.expected if each["excused"]],
        unlisted=[row["action"] for row in facts["unlisted"]],
    )
    confidence = audit_verdict.confidence(found, state, doubts)
    complete = audit_verdict.complete(state, doubts)
    return {
        "status": audit_verdict.status(found, state, confidence["level"], doubts),
        "confidence": confidence,
        "suspects": audit_scope.shown(found, limits),
        "suspect_ids": [each["actor_id"] for each in found],
        "expected": list(judged.expected),
        "window": audit_scope.attack_window(found),
        "affected": _affected(owned["people"], records, owned, complete=complete, most=most),
        "people": owned["people"],
        "resources": resources,
        "resources_omitted": len(facts["resources"]) - len(resources),
        **state,
        "totals": {**facts["totals"], "candidates": candidates},
        "unlisted_actions": facts["unlisted"][:most],
        "plans": trail.plans,
    }


def _candidates(trail: Trail, values: Json, most: int) -> list[Json]:
    wanted = {**values, "most_candidates": most + len(values["expected"]), "most_addresses": MOST_ADDRESSES}
    return trail.read("candidates", statements.CANDIDATES, wanted)


def _facts(trail: Trail, values: Json, params: Mapping[str, Any], found: Sequence[Json]) -> Json:
    """Read what is needed beside the candidates, of the suspects only where that is of them."""
    tolerance = {"tolerance_s": params["clock_tolerance_s"], "most": MOST_STEPS}
    known = [*params["actions"], *params["export_actions"], *params["failed_login_actions"]]
    actors, addresses = audit_scope.pairs(found)
    attributed = {**values, "actor_ids": actors, "addresses": addresses}
    return {
        "totals": trail.read("totals", statements.TOTALS, values)[0],
        "baseline": trail.read("baseline", statements.BASELINE, values)[0],
        "unlisted": trail.read("unlisted", statements.UNLISTED, {**values, "known": known, "most": MOST_UNLISTED}),
        "steps": trail.read("steps", statements.STEPS, {**values, **tolerance}) if trail.has_numbers else [],
        "resources": trail.read("resources", statements.RESOURCES, {**attributed, "most": 10_000}) if found else [],
        "records": trail.read("records", statements.RECORDS, {**attributed, "most": params["max_records"] + 1})
        if found
        else [],
    }


def _affected(people: Sequence[str] | None, records: Sequence[Json], owned: Json, *, complete: bool, most: int) -> Json:
    return {
        "count": None if people is None else len(people),
        "ids": list(people or [])[:most],
        "omitted": max(0, len(people or []) - most),
        "records": len(records),
        "records_without_owner": owned.get("without_owner", 0),
        "by_type": owned.get("by_type", []),
        "complete": complete,
        "file": None,
    }


def _problem(failure: Failure) -> Json:
    return {"cause": failure.cause, "message": failure.text, "hint": failure.next_step}


def _refused(failure: Failure) -> Json:
    cause, hint = sql_query.refusal(failure.sqlstate, failure.cause)
    return {"cause": cause, "message": mask(failure.text), "hint": hint or failure.next_step}
