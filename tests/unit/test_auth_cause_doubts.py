# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not decide why nobody can log in: our own access, old lines, pods that are merely older, guesses."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from modules.k8s_support import run_module

from ansible_collections.brandconnect.incidents.plugins.modules.auth_cause import SPEC
from support.auth_facts import (
    OTHER,
    RIGHT,
    down,
    healthy,
    key,
    logs,
    pods,
    probe,
    redis,
    refuses,
    says_no,
    silent,
    vault,
    why,
)

Json = dict[str, Any]


def test_what_says_nothing_of_logging_in() -> None:
    for verdict in ("too_soon", "not_configured", "wrong_credentials", "unexpected"):
        found = why(healthy(probe=probe(verdict)))
        assert (found["cause"], found["failing"], found["remedy"]) == ("unknown", None, None)
        assert any("whether people can log in" in gap for gap in found["gaps"])


def test_only_we_do_not_reach_it() -> None:
    for changes in ({"redis": silent("refused")}, {"redis": says_no("noauth")}, {"postgres": silent("refused")}):
        assert why(healthy(**changes))["cause"] == "unknown"
    found = why(healthy(redis=silent("timeout"), probe=probe("rate_limited")))
    assert found["cause"] == "rate_limited", "logging in got as far as that"


def test_redis_is_not_restarted_where_only_we_get_no_answer() -> None:
    refused = logs(redis_refused=7)
    for changes in (
        {"redis": silent("timeout"), "probe": probe("too_soon"), "logs": refused},  # whether it fails is not known
        {"redis": silent("timeout"), "probe": probe("rate_limited"), "logs": refused},
        {"redis": silent("timeout"), "probe": probe("wrong_credentials"), "logs": refused},
        {"redis": {"reachable": False, "cause": "not_configured", "message": "no host"}, "logs": refused},
        {"redis": {}, "logs": refused},
    ):
        found = why(down(**changes))
        assert (found["cause"], found["remedy"]) == ("redis_unreachable", None), found
        assert found["objection"] or found["instead"]
    unasked = why(healthy(redis=silent("timeout"), probe=probe("too_soon")))
    assert unasked["cause"] == "unknown", "only we do not reach it, and nobody logged in"


def test_our_own_login_proves_nothing_of_the_api() -> None:
    for ours in ("not_configured", "auth"):
        mine = {"reachable": False, "cause": ours, "message": "our login"}
        for changes in ({}, {"logs": logs(database=9)}):
            found = why(down(postgres=mine, **changes))
            assert found["cause"] == "dependency", found
            assert any("the database could not be examined: our login" in gap for gap in found["gaps"])
    away = silent("refused")
    assert why(healthy(postgres=away, probe=probe("too_soon")))["cause"] == "unknown"
    assert why(healthy(postgres=away, probe=probe("unreachable")))["cause"] == "unreachable"
    assert why(healthy(postgres=away, probe=probe("token_rejected"), logs=logs(database=9)))["cause"] != "database_down"
    assert why(down(postgres=away, redis=refuses("oom")))["cause"] == "redis_memory", "that explains it"
    likely = why(down(postgres=away))
    assert likely["cause"] == "database_down", "nothing else explains it"
    assert "does not answer us" in likely["reason"]
    assert why(healthy(redis=says_no("wrongpass"), probe=probe("too_soon")))["cause"] == "unknown"
    assert why(healthy(redis=says_no("wrongpass"), probe=probe("unreachable")))["cause"] == "unreachable"
    ours_too = why(down(redis=says_no("wrongpass")))
    assert (ours_too["cause"], ours_too["remedy"]) == ("redis_auth", None)
    assert "the login of the runbooks" in ours_too["reason"]


def test_a_limit_in_front_does_not_show_that_redis_is_well() -> None:
    lines = logs(redis_refused=9, redis_memory=9)
    for verdict in ("rate_limited", "wrong_credentials"):
        away = why(healthy(probe=probe(verdict), redis=silent("refused"), logs=logs(redis_refused=9)))
        assert (away["cause"], away["remedy"]) == ("redis_unreachable", None)
        silent_writes = redis(writes={"verdict": "unknown", "reasons": [], "doubts": []})
        assert why(healthy(probe=probe(verdict), redis=silent_writes, logs=lines))["cause"] == "redis_memory"
    assert why(healthy(probe=probe("rate_limited"), logs=lines))["cause"] == "rate_limited"
    assert why(healthy(probe=probe("stale_replica"), redis=silent("refused"), logs=lines))["cause"] == "jwt_stale"


def test_a_well_redis_that_the_api_does_not_reach_is_not_restarted() -> None:
    found = why(down(logs=logs(redis_refused=9)))
    assert (found["cause"], found["remedy"], found["objection"]) == ("redis_unreachable", None, None)


def test_redis_that_is_not_in_the_cluster() -> None:
    gone = {"reachable": True, "cause": "not_found", "message": "no StatefulSet redis", "workload": None, "pods": []}
    found = why(healthy(redis_workload=gone))
    assert (found["cause"], found["gaps"]) == ("none", [])
    assert any("no StatefulSet redis" in note for note in found["notes"])
    for unread in (gone, {"reachable": False, "cause": "timeout", "pods": [], "pods_ready": None}):
        found = why(down(redis=silent("timeout"), redis_workload=unread, logs=logs(redis_refused=7)))
        assert (found["cause"], found["remedy"], found["instead"]) == ("redis_unreachable", None, None)
        assert "scale" not in found["next_step"]


def test_a_database_that_answers_is_up() -> None:
    refused = {"reachable": True, "cause": "forbidden", "message": "permission denied for table users"}
    found = why(healthy(postgres=refused))
    assert (found["cause"], len(found["notes"])) == ("none", 1)
    full = {"reachable": True, "cause": "server_slots_exhausted", "message": "sorry, too many clients already"}
    assert why(down(postgres=full))["cause"] == "database_down"
    assert why(healthy(postgres=full))["cause"] == "unknown"


def test_lines_of_a_trouble_that_is_over_prove_nothing() -> None:
    over = logs(redis_memory=9, redis_auth=9, redis_refused=9, redis_persistence=9, database=9, clock=9)
    assert why(healthy(logs=over))["cause"] == "none"
    assert why(down(logs=logs(redis_memory=9)))["cause"] == "dependency", "Redis says that it takes writes"
    assert why(down(redis=silent("timeout"), logs=logs(redis_memory=9)))["cause"] == "redis_memory"


def test_what_redis_says_now_outranks_a_login_that_it_refused_before() -> None:
    old = logs(redis_auth=9)
    for cause, expected in (
        ("oom", "redis_memory"),
        ("misconf", "redis_persistence_failing"),
        ("readonly", "redis_replica"),
    ):
        assert why(down(redis=refuses(cause), logs=old))["cause"] == expected
    assert why(down(redis=silent("refused"), logs=old))["cause"] == "redis_unreachable"
    assert why(healthy(probe=probe("rate_limited"), logs=old))["cause"] == "rate_limited", "it counts in Redis"
    refused = logs(redis_refused=9, redis_memory=9, clock=4)
    assert why(healthy(probe=probe("stale_replica"), logs=refused))["cause"] == "clock_skew"
    assert why(down(logs=old))["cause"] == "redis_auth", "Redis takes our login, and not that of the API"


def test_redis_is_restarted_only_where_that_helps() -> None:
    for cause in ("oom", "misconf", "readonly"):
        found = why(down(redis=refuses(cause)))
        assert (found["remedy"], found["redis"]["risk"]) == (None, "pointless")
        assert found["instead"] == found["redis"]["instead"]
    unknown = why(down(redis=silent("timeout"), redis_workload={}))
    assert (unknown["cause"], unknown["remedy"]) == ("redis_unreachable", None)
    assert "whether a restart helps" in unknown["objection"]
    reason = "out of memory once, and ready again"
    ended = {"reason": "OOMKilled", "finished_at": (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=60)).isoformat()}
    again = pods("redis", 1, 1)
    again["pods"][0]["containers"][0]["last_termination"] = ended
    assert why(down(redis_workload=again))["cause"] == "redis_pod", reason
    assert why(down(redis_workload=again, recent_s=5))["cause"] == "dependency"
    assert why(healthy(redis_workload=again))["cause"] == "none"


def test_a_key_is_restored_only_from_what_is_there() -> None:
    for changes, text in (
        ({"vault": {"reachable": True, "state": "deleted", "message": None, "hint": "undelete it"}}, "undelete it"),
        ({"vault": silent("sealed")}, "nothing to restore from"),
        ({"vault": vault(keys={})}, "has no key JWT_SECRET"),
        ({"secret": {**key(None), "immutable": True}}, "immutable"),
        ({"secret": {**key(None), "managed_by": {"tool": "External Secrets"}}}, "External Secrets writes"),
    ):
        found = why(down(**{"secret": key(None), **changes}))
        assert (found["cause"], found["remedy"]) == ("jwt_key_missing", None)
        assert text in found["objection"]
    same = why(healthy(secret=key(OTHER), vault=vault(OTHER), expected_fingerprint=RIGHT))
    assert (same["cause"], same["remedy"]) == ("jwt_key_differs", None)
    assert "same key" in same["objection"]


def test_whether_everyone_would_be_logged_out() -> None:
    for given, rotation in (
        (healthy(), False),
        (healthy(secret=key(OTHER)), True),
        (healthy(secret=key(OTHER), expected_fingerprint=RIGHT), False),
        (healthy(secret=key(OTHER, older=2)), None),
        (healthy(secret=key(None)), None),
        (healthy(vault=silent("timeout")), None),
    ):
        assert why(given)["key"]["rotation"] is rotation
    found = why(healthy(secret=key(OTHER)))["key"]
    assert (found["stored"], found["vault_versions"], found["vault_version"]) == ("differs", [2], 3)
    blank = why(healthy(secret=key(OTHER, trailing_whitespace=True)))
    assert (blank["cause"], blank["key"]["stored"]) == ("jwt_key_differs", "unusable")


def test_nobody_restarts_into_a_key_that_is_not_known() -> None:
    found = why(healthy(secret=key(older=2), vault=silent("timeout"), probe=probe("stale_replica")))
    assert (found["cause"], found["remedy"], found["risk"]) == ("jwt_stale", None, "safe")
    assert "not known" in found["objection"]
    differs = why(healthy(secret=key(OTHER, older=2), probe=probe("stale_replica")))
    assert (differs["cause"], differs["remedy"]) == ("jwt_key_differs", "restore_jwt_secret")
    assert [each["cause"] for each in differs["also"]] == ["jwt_stale"]


def test_the_key_that_was_in_use_is_found_in_an_older_version() -> None:
    older = [
        {"version": 3, "fingerprint": OTHER},
        {"version": 2, "fingerprint": None},
        {"version": 1, "fingerprint": RIGHT},
    ]
    deleted = {"reachable": True, "state": "deleted", "versions": older}
    for given in (vault(OTHER, versions=older), deleted):
        found = why(down(secret=key(None), vault=given, expected_fingerprint=RIGHT))
        assert (found["cause"], found["remedy"]) == ("jwt_key_missing", None)
        assert "--vault-version 1" in found["next_step"]
    blocked = why(
        down(secret={**key(None), "immutable": True}, vault=vault(OTHER, versions=older), expected_fingerprint=RIGHT)
    )
    assert "immutable" in blocked["objection"]


def test_a_restart_for_redis_looks_at_the_signing_key() -> None:
    old = {"reachable": True, "exists": True, "pods_older": [{"name": "backend-0"}]}
    for changes, remedy in (
        ({}, "restart_auth"),
        ({"vault": silent("timeout")}, None),
        ({"secret": silent("timeout")}, None),
        ({"secret": key(older=1)}, None),
    ):
        found = why(down(logs=logs(redis_auth=4), redis_secret=old, **changes))
        assert (found["cause"], found["remedy"]) == ("redis_auth", remedy)
        assert bool(found["objection"]) is (remedy is None)


def test_a_container_that_was_restarted_has_the_new_value() -> None:
    def states(*containers: Json) -> list[str]:
        workload = pods("backend", 2, 2)
        workload["pods"][0]["containers"] = list(containers)
        found: list[str] = why(healthy(secret=key(older=2), workload=workload))["key"]["stale_pods"]
        return found

    first = {"name": "backend", "state": "running", "restarts": 0}
    assert states(first) == ["backend-0", "backend-1"]
    for container in ({"restarts": 1}, {"state": "waiting"}, {"restarts": None}):
        assert states(first, {**first, **container}) == ["backend-1"], container
    assert states() == ["backend-1"]
    assert why(healthy(secret=key(OTHER, older=2), workload={}))["key"]["stale_pods"] == []


def test_pods_that_are_older_prove_nothing_alone() -> None:
    stale = {"secret": key(older=2)}
    for changes, cause, also in (
        ({"probe": probe("unreachable")}, "unreachable", ["jwt_stale"]),
        ({"probe": probe("dependency")}, "dependency", ["jwt_stale"]),
        ({"probe": probe("token_rejected")}, "jwt_stale", []),
        ({"probe": probe("dependency"), "logs": logs(jwt_invalid=3)}, "jwt_stale", ["dependency"]),
        ({"logs": logs(jwt_invalid=3)}, "jwt_stale", []),  # all tokens are taken now
    ):
        found = why(healthy(**stale, **changes))
        assert (found["cause"], [each["cause"] for each in found["also"]]) == (cause, also), found
    assert "may use" in why(healthy(**stale))["reason"]
    assert "no token is seen to be refused" in why(healthy(**stale))["objection"]


def test_signatures_outrank_clocks() -> None:
    apart = probe("stale_replica", issued_skew_s=-600.0, wrong=True)
    assert why(healthy(probe=apart, logs=logs(clock=5, jwt_invalid=3)))["cause"] == "jwt_stale"
    stale = healthy(probe=probe("stale_replica"), secret=key(older=1), logs=logs(clock=5))
    assert why(stale)["cause"] == "jwt_stale"
    assert "600 s behind" in why(healthy(probe=apart))["reason"]
    assert why(healthy(probe=probe(issued_skew_s=600.0, wrong=True)))["cause"] == "none", "it may be our own clock"


def test_what_systems_say_is_bounded() -> None:
    long = {"reachable": False, "cause": "timeout", "message": "\x1b[2J" + "x" * 9999}
    found = why(down(redis=long, postgres=long, vault=long))
    assert len(found["reason"]) < 600
    assert "\x1b" not in str(found)


@pytest.mark.parametrize(
    "given",
    [{"rate_limit_lines": 0}, {"recent_s": -1}, {"recent_s": float("nan")}, {"expected_fingerprint": "s3cret"}],
)
def test_limits_that_make_no_sense(given: Json) -> None:
    found = run_module(SPEC, given)
    assert found["failed"] is True
    assert found["msg"].startswith("Telling why nobody can log in")
    assert "s3cret" not in found["msg"]


def from_here(**changes: Any) -> Json:
    """Nothing answers us at the public address, as with a VPN that is broken."""
    return healthy(**{"probe": {**probe("unreachable"), "answered": False, "reachable": False}, **changes})


def seconds_ago(age_s: float, **counts: int) -> Json:
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age_s)).isoformat()
    found = logs(**counts)
    for each in found["classes"].values():
        each["last_at"] = at
    return found


def test_an_address_that_is_silent_for_us_proves_nothing_alone() -> None:
    away = silent("timeout")
    blind = dict.fromkeys(("redis", "redis_workload", "redis_secret", "vault", "secret", "workload", "logs"), away)
    for changes in (
        {},  # the rest answers us and is well
        {**blind, "postgres": away},  # we reach nothing at all
        {"redis": away, "postgres": away},
        {"redis": away, "redis_workload": pods("redis", 1, 1, last_termination={"reason": "OOMKilled"})},
    ):
        found = why(from_here(**changes))
        assert (found["cause"], found["failing"], found["witness"]) == ("unknown", None, None), found
        assert any("whether people can log in is not known" in gap for gap in found["gaps"])
    answered = why(healthy(probe={**probe("unreachable"), "answered": True}))
    assert (answered["cause"], answered["failing"], answered["witness"]) == ("unreachable", True, None)


def test_a_second_witness_shows_that_an_address_is_silent_for_all() -> None:
    for changes, cause in (
        ({"workload": pods("backend", 0, 2, reason="CrashLoopBackOff")}, "backend_down"),
        ({"redis_workload": pods("redis", 0, 1), "redis": silent("timeout")}, "redis_pod"),
        ({"redis": refuses("oom")}, "redis_memory"),
        ({"redis": silent("timeout"), "logs": seconds_ago(20, redis_refused=7)}, "redis_unreachable"),
        ({"postgres": silent("refused"), "logs": seconds_ago(20, database=7)}, "database_down"),
    ):
        found = why(from_here(**changes))
        assert (found["cause"], found["failing"], found["remedy"]) == (cause, True, None), found
        assert found["witness"] == found["reason"]
    for changes in (
        {"redis": silent("timeout"), "logs": seconds_ago(700, redis_refused=7)},  # may be over
        {"secret": key(None)},  # pods that run have it still
        {"logs": seconds_ago(20, rate_limit=80)},
    ):
        assert why(from_here(**changes))["witness"] is None, changes


def leads(verdict: str, **changes: Any) -> Json:
    return {"verdict": verdict, "certain": True, "reason": f"it says {verdict}", "ports": [], **changes}


def test_a_service_that_leads_nowhere_outranks_what_was_logged() -> None:
    gone = {"probe": {**probe("unreachable"), "answered": True}, "logs": logs(redis_refused=6)}
    for verdict in ("selector_matches_nothing", "no_endpoints"):
        found = why(healthy(service=leads(verdict), **gone))
        assert (found["cause"], verdict in found["reason"]) == ("unreachable", True), found
        assert [each["cause"] for each in found["also"]] == ["redis_unreachable"]
    lost = [{"resolved": False}]
    assert why(healthy(service=leads("wrong_target_port", ports=lost), **gone))["cause"] == "unreachable"
    for service in (
        {},
        leads("ok"),
        leads("no_service"),  # the platform may be reached another way
        leads("not_ready"),
        leads("wrong_target_port", certain=False),
        leads("wrong_target_port", ports=[*lost, {"resolved": True}]),
    ):
        assert why(healthy(service=service, **gone))["cause"] == "redis_unreachable", service
    nowhere = leads("no_endpoints")
    assert why(healthy(service=nowhere))["cause"] == "none", "logging in works another way"
    assert why(down(service=nowhere))["cause"] == "dependency"
    assert why(from_here(service=nowhere))["witness"] is None
    none = pods("backend", 0, 2)
    assert why(healthy(service=nowhere, workload=none, probe=gone["probe"]))["cause"] == "backend_down"
