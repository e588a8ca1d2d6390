# SPDX-License-Identifier: GPL-3.0-or-later
"""What api-latency makes of facts that a lab cannot easily have: the role's own rules, run by Ansible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.journal_bench import Bench
from support.runbook import ROOT

Json = dict[str, Any]

ROLE = {"name": "brandconnect.incidents.api_latency", "rolespec_validate": False}
ROUTE = {
    "route": "/api/campaigns",
    "verdict": "slow",
    "rps": 4.0,
    "p95_ms": 900.0,
    "saturated": False,
    "time_share": 0.9,
}
TOTAL = {"verdict": "slow", "rps": 5.0, "p95_ms": 800.0, "saturated": False, "time_share": 1.0, "times_day_ago": None}
PROPOSAL = {
    "schema": "public",
    "table": "offers",
    "columns": [{"name": "campaign_id", "order": "asc"}],
    "method": "btree",
    "query_id": "-7",
    "statement": "SELECT count(*) FROM offers WHERE campaign_id = $1",
}
WHY: Json = {
    "cause": "missing_index",
    "reason": "80 % of the time is spent in the database",
    "remedy": "create_index",
    "risk": "disruptive",
    "objection": None,
    "proposal": PROPOSAL,
    "evidence": [],
    "gaps": [],
}
BUDGET = {"fits": True, "arithmetic": "4 x 3 + 1 = 13 <= 13", "reason": "it fits", "largest_fitting": {"backend": 4}}
SLOTS = {"used": 8, "usable": 17, "free": 9, "used_ratio": 0.47}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(ROOT / ".collections", tmp_path)


def latency(**changes: Any) -> Json:
    """As the module api_latency answers of a slow route."""
    routes = changes.get("routes", [ROUTE])
    return {
        "reachable": True,
        "cause": None,
        "message": None,
        "hint": None,
        "verdict": "slow",
        "reason": "p95 of /api/campaigns is 900 ms, above 500 ms",
        "total": TOTAL,
        "routes": [ROUTE],
        "routes_total": len(routes),
        "slow_routes": [route["route"] for route in routes if route["verdict"] == "slow"],
        "judged_routes": len(routes),
        "instances": [],
        "throttling": {"max": None, "pods": []},
        "ingress_p95_ms": None,
        "parts": {},
        "gaps": [],
        "targets": {},
        **changes,
    }


def all_of(bench: Bench, phase: str, cases: dict[str, Json], seen: Json | None = None) -> dict[str, list[Json]]:
    """Run a file of the role once for all cases, each of which is a host with variables of its own.

    Args:
        cases: variables by name.
        seen: what the components found, by their host.

    Returns:
        What was recorded of each case.
    """
    every: Json = {"prometheus": None, "backend": None, "postgres": None}
    found = {name: {"__api_latency_examined": {"found": each}} for name, each in (seen or {}).items()}
    bench.hosts = {**every, **found, **cases}
    task = {"name": "Judge", "ansible.builtin.import_role": {**ROLE, "tasks_from": phase}}
    done = bench.run(bench.playbook([{"hosts": ":".join(cases), "tasks": [task]}], "api_latency"))
    assert done.rc == 0, done.output
    recorded: dict[str, list[Json]] = {}
    waiting: list[Json] = []
    for record in done.journal:
        if record["type"] in ("finding", "verification"):
            waiting.append(record["data"])
        elif record["type"] == "step_ended":
            recorded.setdefault(record["data"]["host"], []).extend(waiting)
            waiting = []
    return recorded


def of(found: list[Json], check: str) -> Json:
    return next(finding for finding in found if finding["check"] == check)


CAUSES: dict[str, tuple[Json, Json, list[str]]] = {
    "index": ({}, {}, ["create-index"]),
    "index-not-known": ({"proposal": None}, {}, []),
    "index-by-hand": ({"proposal": None}, {"api_latency_index_table": "offers"}, ["create-index"]),
    "capacity": ({"cause": "capacity", "remedy": "scale_backend"}, {}, ["scale-backend"]),
    "capacity-objection": ({"cause": "capacity", "remedy": None, "objection": "18 > 13"}, {}, []),
    "pool": ({"cause": "pool", "remedy": "resize_pool"}, {}, ["resize-pool"]),
    "regression": ({"cause": "regression", "remedy": "undo_rollout"}, {}, ["undo-rollout"]),
    "locks": ({"cause": "locks", "remedy": "end_blocker"}, {}, []),
    "one-pod": ({"cause": "one_pod", "remedy": "evict_pod"}, {}, []),
    "slots": ({"cause": "slots", "remedy": None}, {}, []),
    "slow-sql": ({"cause": "slow_sql", "remedy": None}, {}, []),
    "dependency": ({"cause": "dependency", "remedy": None}, {}, []),
    "network": ({"cause": "network", "remedy": None}, {}, []),
}
NOT_KNOWN: dict[str, tuple[Json, str, str | None]] = {
    "none": ({"cause": "none", "remedy": None}, "ok", None),
    "no-traffic": ({"cause": "no_traffic", "remedy": None}, "skipped", "no_traffic"),
    "gaps": ({"cause": "unknown", "remedy": None, "gaps": ["statements: timeout"]}, "unknown", "not_known"),
    "code": ({"cause": "unknown", "remedy": None}, "degraded", "code"),
}
VANISHED = {"cause": "unknown", "remedy": None, "reason": "no requests came, and a day ago there were 3 a second"}


def test_each_cause_recommends_what_helps_and_nothing_else(bench: Bench) -> None:
    statements = {
        "reachable": True,
        "statistics": {"available": True},
        "statements": [{"calls_per_s": 100.0, "statement": "SELECT count(*) FROM offers WHERE campaign_id = $1"}],
    }
    seen = {"prometheus": {"latency": latency()}}
    whys: dict[str, tuple[Json, Json]] = {
        **{name: (why, variables) for name, (why, variables, _) in CAUSES.items()},
        **{name: (why, {}) for name, (why, _, _) in NOT_KNOWN.items()},
    }
    cases = {
        name: {
            "__api_latency_concluded": {"found": {"cause": WHY | why, "budget": BUDGET, "statements": statements}},
            **variables,
        }
        for name, (why, variables) in whys.items()
    }
    found = all_of(bench, "judge/together", cases, seen)
    for name, (why, _, recommended) in CAUSES.items():
        cause = of(found[name], "latency_cause")
        assert (cause["status"], cause["cause"]) == ("degraded", (WHY | why)["cause"]), name
        assert (cause["component"], cause["recommend"]) == ("backend", recommended), name
        assert cause["next_step"], name
        assert [each for each in found[name] if each["check"] != "latency_cause" and each["recommend"]] == []
    assert "18 > 13" in of(found["capacity-objection"], "latency_cause")["summary"]
    for name, (_, status, word) in NOT_KNOWN.items():
        cause = of(found[name], "latency_cause")
        assert (cause["status"], cause["cause"], cause["recommend"]) == (status, word, []), name
    repeated = of(found["index"], "calls_per_request")
    assert repeated["cause"] == "n_plus_one", repeated
    assert "populate: ['offers']" in repeated["data"]["patch"]
    assert "JSON.stringify(campaign)" in of(found["slow-sql"], "latency_cause")["data"]["patch"]


def test_traffic_that_has_gone_is_not_known_and_no_matter_of_the_code(bench: Bench) -> None:
    case = {"__api_latency_concluded": {"found": {"cause": WHY | VANISHED, "budget": BUDGET}}}
    seen = {"prometheus": {"latency": latency(verdict="no_traffic", routes=[])}}
    cause = of(all_of(bench, "judge/together", {"vanished": case}, seen)["vanished"], "latency_cause")
    assert (cause["status"], cause["cause"], cause["recommend"]) == ("unknown", "not_known", [])


def sustained(value: float, route: str = "/api/campaigns", points: float | None = 15.0) -> Json:
    """As Prometheus answers of 900 s: the least p95, and how many of 15 points have one."""
    nothing: Json = {"labels": {}, "value": None}
    answers = {
        name: {"samples": [{"labels": {"route": route}, "status": "value", "value": each}, nothing]}
        for name, each in (("p95_s", value), ("points", points))
    }
    return {"answers": answers}


FAST = {"verdict": "ok", "total": TOTAL | {"verdict": "ok"}}
LATENCIES: dict[str, tuple[Json, Json, str, str | None]] = {
    "lasting": ({}, sustained(1.1), "degraded", "far_above_objective"),
    "twice-is-not-yet": ({}, sustained(0.9), "degraded", "above_objective"),
    "only-for-a-while": ({}, sustained(1.1, points=5.0), "degraded", "above_objective"),
    "points-not-known": ({}, sustained(1.1, points=None), "degraded", "above_objective"),
    "another-route": ({}, sustained(1.1, "/api/fast-by-now"), "degraded", "above_objective"),
    "not-measured-how-long": ({}, {}, "degraded", "above_objective"),
    "only-the-total": ({"routes": [], "slow_routes": []}, {}, "degraded", "above_objective"),
    "no-traffic": ({"verdict": "no_traffic", "routes": []}, {}, "skipped", "no_traffic"),
    "low-volume": ({"verdict": "low_volume", "routes": []}, {}, "skipped", "low_volume"),
    "unknown": ({"verdict": "unknown", "routes": []}, {}, "unknown", "not_measured"),
    "silent": ({"reachable": False, "cause": "timeout", "verdict": "unknown"}, {}, "unknown", "timeout"),
    "fast": ({**FAST, "slow_routes": []}, {}, "ok", None),
}


def test_only_what_lasts_is_far_above_the_objective(bench: Bench) -> None:
    cases = {
        name: {"__api_latency_examined": {"found": {"latency": latency(**now), "sustained": lasting}}}
        for name, (now, lasting, _, _) in LATENCIES.items()
    }
    found = all_of(bench, "judge/prometheus", cases)
    for name, (_, _, status, cause) in LATENCIES.items():
        finding = of(found[name], "latency")
        assert (finding["status"], finding["cause"]) == (status, cause), (name, finding["summary"])


def volume(free: Json | None = None, used: float | None = 0.4, inodes: float | None = 0.1) -> Json:
    """As Prometheus answers of the volume: what is no number has no value."""

    def answer(value: float | None) -> Json:
        word = "empty" if value is None else None
        return {
            "status": "no_data" if word else "value",
            "reason": word,
            "value": value,
            "min": value,
            "max": value,
            "message": "no series",
        }

    answers = {
        "free_bytes": answer(5 * 2**30) | (free or {}),
        "used_ratio": answer(used),
        "inodes_ratio": answer(inodes),
    }
    return {"reachable": True, "cause": None, "message": None, "hint": None, "answers": answers}


GONE = {"status": "no_data", "reason": "series_missing", "value": None, "min": None}
STALE = {"status": "stale", "reason": "old_samples", "value": None}  # with the numbers of then
SEVERAL = {"value": None, "min": 2.0**30, "max": 9.0 * 2**30}
DISKS: dict[str, tuple[Json, str, str | None, str]] = {
    "room": (volume(), "ok", None, "5.0 GiB are free, 40 % of it is used"),
    "full": (volume(used=0.9), "degraded", "volume_nearly_full", "90 % of the database's volume is used"),
    "nearly": (volume(used=0.89), "ok", None, "89 %"),
    "no-inodes": (volume(inodes=0.97), "degraded", "inodes_nearly_used_up", "97 % of the inodes"),
    "inodes-without-limit": (volume(inodes=None), "ok", None, "5.0 GiB"),
    "full-and-free-not-known": (
        volume(GONE, used=0.95),
        "degraded",
        "volume_nearly_full",
        "how much is free is not known",
    ),
    "nothing-left": (
        volume({"value": 0.0, "min": 0.0}, used=1.0),
        "degraded",
        "volume_nearly_full",
        "0.0 GiB are free",
    ),
    "of-several-the-fullest": (volume(SEVERAL), "ok", None, "1.0 GiB are free"),
    "gone": (volume(GONE, None, None), "unknown", "series_missing", "not known: no series"),
    "stale": (volume(STALE), "unknown", "old_samples", "not known"),
    "of-one-s-own": (
        {**volume(), "answers": {"free_bytes": volume()["answers"]["free_bytes"]}},
        "ok",
        None,
        "size is not known",
    ),
    "silent": (
        {"reachable": False, "cause": "refused", "message": "no", "answers": {}},
        "unknown",
        "refused",
        "could not be asked",
    ),
}


def test_how_full_the_database_s_volume_is(bench: Bench) -> None:
    now = latency(**FAST, slow_routes=[])
    cases = {
        name: {"__api_latency_examined": {"found": {"latency": now, "sustained": {}, "volume": found}}}
        for name, (found, _, _, _) in DISKS.items()
    }
    found = all_of(bench, "judge/prometheus", cases)
    for name, (_, status, cause, said) in DISKS.items():
        disk = of(found[name], "disk")
        assert (disk["status"], disk["cause"]) == (status, cause), (name, disk["summary"])
        assert (disk["component"], disk["required"], disk["recommend"]) == ("postgres", False, []), name
        assert said in disk["summary"], (name, disk["summary"])
        assert bool(disk.get("next_step")) == (status != "ok"), name


FAST_ROUTE = ROUTE | {"verdict": "ok", "p95_ms": 40.0}
LATER: dict[str, tuple[Json, str, str | None]] = {
    "fast": ({**FAST, "routes": [FAST_ROUTE]}, "resolved", None),
    "slow": ({}, "unresolved", "still_slow"),
    "slow-in-total": ({"routes": []}, "unresolved", "still_slow"),
    "slow-and-not-listed": (
        {"verdict": "slow", "total": FAST["total"], "routes": [FAST_ROUTE], "routes_total": 201},
        "unresolved",
        "still_slow",
    ),
    "not-listed": (
        {**FAST, "routes": [FAST_ROUTE | {"route": "/api/other"}], "routes_total": 201},
        "unverified",
        "route_not_listed",
    ),
    "route-gone": ({**FAST, "routes": []}, "unverified", "inconclusive_low_traffic"),
    "few": ({**FAST, "routes": [ROUTE | {"verdict": "low_volume"}]}, "unverified", "inconclusive_low_traffic"),
    "none": (
        {"verdict": "no_traffic", "routes": [], "total": TOTAL | {"verdict": "no_traffic"}},
        "unverified",
        "inconclusive_low_traffic",
    ),
    "unknown": ({**FAST, "verdict": "unknown", "routes": []}, "unverified", "not_measured"),
    "silent": ({"reachable": False, "cause": "refused"}, "unverified", "refused"),
}


def test_only_routes_with_enough_requests_are_fast_again(bench: Bench) -> None:
    cases = {name: {"__api_latency_now": latency(**now)} for name, (now, _, _) in LATER.items()}
    found = all_of(bench, "judge/verified", cases, {"prometheus": {"latency": latency()}})
    for name, (_, status, cause) in LATER.items():
        verdict = of(found[name], "latency")
        assert (verdict["status"], verdict["cause"]) == (status, cause), (name, verdict)


NODE = {
    "name": "n1",
    "ready": True,
    "pressure": [],
    "schedulable": True,
    "pods": 3,
    "cpu_ratio": 0.4,
    "memory_ratio": 0.5,
}
AWAY = NODE | {"name": "n9", "pods": 0, "pressure": ["DiskPressure"]}
UNMEASURED = {"cpu_ratio": None, "memory_ratio": None}
DENIED = {"part": "nodes", "cause": "forbidden", "message": "HTTP 403", "hint": "bind the ClusterRole of deploy/rbac"}
MEASURES: dict[str, tuple[Json, str, str | None, str]] = {
    "well": ({"nodes": [NODE]}, "ok", None, "1 of 3 nodes carry pods of the platform, and use at most 40 % of CPU"),
    "pressed": (
        {"nodes": [NODE, NODE | {"name": "n2", "pressure": ["MemoryPressure"]}, AWAY]},
        "degraded",
        "node_pressure",
        "n2, with 3 pods of the platform, is under MemoryPressure; under pressure elsewhere: n9",
    ),
    "elsewhere": ({"nodes": [NODE, AWAY]}, "ok", None, "under pressure elsewhere: n9"),
    "placement-not-known": ({"nodes": [AWAY | {"pods": None}]}, "degraded", "node_pressure", "with ? pods"),
    "not-ready": ({"nodes": [NODE | {"ready": False}]}, "degraded", "node_not_ready", "is not ready"),
    "silent": ({"nodes": [NODE | {"ready": None}]}, "degraded", "node_not_ready", "is not heard of"),
    "cpu": ({"nodes": [NODE, NODE | {"cpu_ratio": 0.95}]}, "degraded", "node_cpu", "95 % of the CPU of n1"),
    "memory": ({"nodes": [NODE | {"memory_ratio": 0.9}]}, "degraded", "node_memory", "90 % of the memory"),
    "cordoned": ({"nodes": [NODE | {"schedulable": False}]}, "ok", None, "1 of 3 nodes"),
    "not-measured": ({"nodes": [NODE | UNMEASURED]}, "unknown", "not_measured", "could not be measured"),
    "usage-denied": (
        {"nodes": [NODE | UNMEASURED], "unknown": [DENIED | {"part": "node_metrics"}]},
        "unknown",
        "forbidden",
        "could not be measured: HTTP 403",
    ),
    "denied": ({"nodes": None, "unknown": [DENIED]}, "unknown", "forbidden", "could not be looked at: HTTP 403"),
    "no-pods": ({"nodes": [AWAY]}, "ok", None, "0 of 3 nodes"),
    "no-cluster": ({"reachable": False, "cause": "refused", "message": "no"}, "unknown", "refused", "looked at: no"),
}


def test_what_nodes_of_the_platform_s_pods_lack(bench: Bench) -> None:
    workload = {"reachable": False, "cause": "refused", "message": "no", "hint": "check"}
    usual = {"reachable": True, "cause": None, "available": True, "nodes": None, "nodes_total": 3, "unknown": []}
    usual |= {"message": None, "hint": None, "pods": [], "totals": {"pods_measured": 2, "cpu_cores": 0.5}}
    cases = {
        name: {"__api_latency_examined": {"found": {"workload": workload, "hpa": {}, "logs": {}, "top": usual | top}}}
        for name, (top, _, _, _) in MEASURES.items()
    }
    found = all_of(bench, "judge/backend", cases)
    for name, (_, status, cause, said) in MEASURES.items():
        nodes = of(found[name], "nodes")
        assert (nodes["status"], nodes["cause"]) == (status, cause), (name, nodes["summary"])
        assert (nodes["required"], nodes["recommend"]) == (False, []), name
        assert said in nodes["summary"], (name, nodes["summary"])
        assert bool(nodes.get("next_step")) == (status != "ok"), name
    assert "ClusterRole" in of(found["denied"], "nodes")["next_step"]


INDEX = {"name": "idx_offers_campaign_id", "valid": True, "ready": True}
PLANS: dict[str, tuple[Json, str, str | None]] = {
    "used": ({"index": INDEX, "plan": {"uses_index": True}}, "resolved", None),
    "not-used": ({"index": INDEX, "plan": {"uses_index": False}}, "unresolved", "not_used"),
    "plan-not-read": ({"index": INDEX, "plan": None}, "unverified", "plan_not_read"),
    "not-valid": ({"index": INDEX | {"valid": False}, "plan": None}, "unresolved", "not_valid"),
}


def test_an_index_whose_plan_was_not_read_is_not_called_useless(bench: Bench) -> None:
    cases = {
        name: {"__api_latency_index_now": {"status": "nothing_to_do", "reason": "as it is", "before": before}}
        for name, (before, _, _) in PLANS.items()
    }
    cases["silent"] = {"__api_latency_index_now": {"failed": True, "msg": "refused"}}
    found = all_of(bench, "judge/index", cases)
    for name, (_, status, cause) in PLANS.items():
        verdict = of(found[name], "index")
        assert (verdict["status"], verdict["cause"]) == (status, cause), (name, verdict)
    assert "rolled back" not in of(found["plan-not-read"], "index")["next_step"]
    assert of(found["silent"], "index")["status"] == "unverified"


POOLS: dict[str, tuple[Json, Json, str | None]] = {
    "fits": ({"slots": SLOTS}, {"fits": True, "pool_max": 4}, None),
    "same": ({"slots": SLOTS}, {"fits": True, "pool_max": 2}, "is not more than it has, 2"),
    "too-large": ({"slots": SLOTS}, {"fits": False, "pool_max": 9}, "does not fit the connection budget: 28 > 13"),
    "not-known": ({"slots": SLOTS}, {"fits": None, "pool_max": 4}, "does not fit the connection budget"),
    "full": ({"slots": SLOTS | {"used": 17, "used_ratio": 1.0}}, {"fits": True, "pool_max": 4}, "17 of 17 slots"),
    "silent": ({"slots": None, "message": "timeout"}, {"fits": True, "pool_max": 4}, "not known: timeout"),
}


def test_a_pool_is_resized_only_where_that_helps(bench: Bench) -> None:
    env = [{"name": "TYPEORM_POOL_MAX", "value": "2", "effective": True}]
    seen = {"__api_latency_examined": {"found": {"workload": {"reachable": True, "env": env}}}}
    bench.hosts = {"prometheus": None, "postgres": None, "backend": seen}
    file = str(ROOT / "roles/api_latency/vars/main.yml")
    load, plays = {"name": "Load", "ansible.builtin.include_vars": {"file": file}}, []
    for name, (activity, proposed, said) in POOLS.items():
        budget = {"proposed": {"reason": "28 > 13", **proposed}}
        resized = {"found": {"activity": activity, "budget": budget}}
        wanted = f"__api_latency_pool_refusal is search({said!r})" if said else "__api_latency_pool_refusal is falsy"
        bench.hosts[name] = {"__api_latency_resized": resized}
        compare = {"that": wanted, "fail_msg": "{{ __api_latency_pool_refusal | default('nothing', true) }}"}
        plays += [{"hosts": name, "tasks": [load, {"name": "Compare", "ansible.builtin.assert": compare}]}]
    done = bench.run(bench.playbook(plays, "api_latency"))
    assert done.rc == 0, done.output


MEASURED = {"status": "value", "value": 7.0, "min": 7.0}
ROOMS: dict[str, tuple[int, Json, int | None]] = {
    "stated": (5, {"skipped": True}, 5),
    "stated-and-measured": (5, {"answers": {"free_bytes": MEASURED}}, 5),
    "measured": (0, {"answers": {"free_bytes": MEASURED}}, 7),
    "several": (0, {"answers": {"free_bytes": MEASURED | {"value": None, "min": 3.0}}}, 3),
    "nothing-left": (0, {"answers": {"free_bytes": MEASURED | {"min": 0.0}}}, 0),
    "stale": (0, {"answers": {"free_bytes": {"status": "stale", "value": None, "min": 9.0}}}, None),
    "not-asked": (0, {"answers": {"used_ratio": MEASURED}}, None),
    "silent": (0, {"reachable": False, "answers": {}}, None),
}


def test_an_index_goes_by_what_is_stated_or_was_just_measured(bench: Bench) -> None:
    bench.hosts = {"prometheus": None, "postgres": None, "backend": None}
    file = str(ROOT / "roles/api_latency/vars/main.yml")
    load, plays = {"name": "Load", "ansible.builtin.include_vars": {"file": file}}, []
    for name, (stated, measured, free) in ROOMS.items():
        bench.hosts[name] = {"api_latency_free_bytes": stated, "__api_latency_volume_now": measured}
        wanted = "__api_latency_free_now is none" if free is None else f"__api_latency_free_now == {free}"
        compare = {"that": wanted, "fail_msg": "it is {{ __api_latency_free_now }}"}
        plays += [{"hosts": name, "tasks": [load, {"name": "Compare", "ansible.builtin.assert": compare}]}]
    done = bench.run(bench.playbook(plays, "api_latency"))
    assert done.rc == 0, done.output
