# SPDX-License-Identifier: GPL-3.0-or-later
"""How the metric worker is told to ingest, when that is not known, and what would slow it down."""

from __future__ import annotations

from typing import Any

import pytest
from modules.k8s_support import run_module

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.environment import (
    effective_environment,
    secrets_as_environment,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.worker_settings import (
    Settings,
    Variables,
    Wish,
    can_sync,
    read_settings,
    slowed,
)
from ansible_collections.brandconnect.incidents.plugins.modules.ingestion_cause import SPEC

Json = dict[str, Any]

EVERY, PAUSE = "METRIC_INGESTION_INTERVAL", "METRIC_PAUSED_PLATFORMS"
BOTH = [EVERY, PAUSE]
NAMES = Variables()


def variable(name: str, value: str | None, *, effective: bool | None = True, container: str = "worker") -> Json:
    """A definition; without a value it is not shown."""
    return {
        "container": container,
        "name": name,
        "value": value,
        "shown": value is not None,
        "effective": effective,
    }


def worker(*env: Json, **more: Any) -> Json:
    return {"workload": {"name": "metric-worker"}, "env": list(env), **more}


def from_secret(prefix: str | None) -> Json:
    return {"env_from_secrets": [{"name": "all", "prefix": prefix}]}


def settings(interval_s: float = 0, paused: str = "", unread: tuple[str, ...] = ()) -> Settings:
    return Settings(NAMES, interval_s, sorted(paused.split()), unread)


@pytest.mark.parametrize(
    ("found", "interval_s", "paused"),
    [
        (worker(), 0, []),
        (worker(variable(EVERY, ""), variable(PAUSE, "")), 0, []),
        (worker(variable(EVERY, "1800"), variable(PAUSE, "tiktok, meta,,")), 1800, ["meta", "tiktok"]),
        (worker(variable(EVERY, "0.5"), variable(PAUSE, " , ")), 0.5, []),
        # one that does not count says nothing, shown or not
        (worker(variable(PAUSE, "meta", effective=False), variable(PAUSE, "tiktok")), 0, ["tiktok"]),
        (worker(variable(PAUSE, None, effective=False), variable(PAUSE, "tiktok")), 0, ["tiktok"]),
        (worker(variable(EVERY, "30m", effective=False), variable(PAUSE, "meta", effective=False)), 0, []),
        # a later definition hides what a Secret has
        (worker(variable(EVERY, "60"), variable(PAUSE, ""), **from_secret("")), 60, []),
        # a Secret that cannot have it
        (worker(**from_secret("DB_")), 0, []),
        (worker(**from_secret("INGESTION_")), 0, []),
        # other parts that were not read
        (worker(unknown=[{"part": "pods"}], denied=[{"resource": "events"}]), 0, []),
    ],
)
def test_what_is_known(found: Json, interval_s: float, paused: list[str]) -> None:
    read = read_settings(found, NAMES)
    assert read.plain() == {"interval_s": interval_s, "paused": paused, "unread": []}


@pytest.mark.parametrize(
    ("found", "unread"),
    [
        *((found, BOTH) for found in ({}, {"workload": None}, {"workload": None, "env": None})),
        (worker(unknown=[{"part": "configmap settings"}]), BOTH),
        (worker(denied=[{"resource": "configmaps"}]), BOTH),
        (worker(variable(PAUSE, None)), [PAUSE]),
        (worker(variable(EVERY, None)), [EVERY]),
        (worker(variable(PAUSE, None, effective=None)), [PAUSE]),
        (worker(variable(PAUSE, "meta", effective=None)), [PAUSE]),
        (worker(variable(EVERY, "60", effective=None)), [EVERY]),
        (worker(variable(PAUSE, "meta"), variable(PAUSE, "meta", container="sidecar")), [PAUSE]),
        (worker(variable(EVERY, "60"), variable(EVERY, "90", container="sidecar")), [EVERY]),
        (worker(**from_secret("")), BOTH),
        (worker(**from_secret(None)), BOTH),
        (worker(**from_secret("METRIC_")), BOTH),
        (worker(**from_secret("METRIC_P")), [PAUSE]),
        (worker(variable(EVERY, "60"), **from_secret("METRIC_")), [PAUSE]),
        (worker(variable(PAUSE, "meta", effective=False), **from_secret("METRIC_P")), [PAUSE]),
        *((worker(variable(EVERY, text)), [EVERY]) for text in ("30m", "-5", "1e3", "1.", "nan", " 60", "٣٠")),
    ],
)
def test_what_is_not_known(found: Json, unread: list[str]) -> None:
    assert read_settings(found, NAMES).unread == unread


def test_what_is_no_number_is_no_interval() -> None:
    assert read_settings(worker(variable(EVERY, "30m")), NAMES).interval_s == 0


def test_the_variables_may_have_other_names() -> None:
    found = worker(variable("T", "60"), variable("P", "meta"), variable(EVERY, "x"), variable(PAUSE, None))
    assert read_settings(found, Variables("T", "P")).plain() == {"interval_s": 60, "paused": ["meta"], "unread": []}


def test_definitions_of_a_pod_are_read_as_the_kubelet_does() -> None:
    container = {
        "name": "worker",
        "envFrom": [{"secretRef": {"name": "all"}}],
        "env": [{"name": EVERY, "value": "60"}, {"name": EVERY, "value": "90"}],
    }
    pod = {"containers": [container]}
    found = worker(*effective_environment(pod, {}, [], BOTH), env_from_secrets=secrets_as_environment(pod))
    assert read_settings(found, NAMES).plain() == {"interval_s": 90, "paused": [], "unread": [PAUSE]}


@pytest.mark.parametrize(
    ("present", "limited", "wish", "slow"),
    [
        (settings(), ["meta"], Wish(), {"all": False, "platforms": ["meta"], "sets": {PAUSE: "meta"}, "done": False}),
        (settings(0, "youtube"), ["meta"], Wish(), {"sets": {PAUSE: "meta,youtube"}, "done": False}),
        (settings(0, "meta youtube"), ["meta"], Wish(), {"sets": {PAUSE: "meta,youtube"}, "done": True}),
        (settings(), [], Wish(), {"all": False, "platforms": []}),
        (settings(), ["meta"], Wish("tiktok"), {"all": False, "platforms": ["tiktok"], "sets": {PAUSE: "tiktok"}}),
        (settings(0, "tiktok"), ["meta"], Wish("tiktok"), {"done": True}),
        (settings(), ["meta"], Wish("all", 900), {"all": True, "platforms": [], "sets": {EVERY: "900"}, "done": False}),
        (settings(900), ["meta"], Wish("all", 900), {"done": True}),
        # all that there are, limited or paused
        (settings(), ["meta", "tiktok", "youtube"], Wish(), {"all": True, "sets": {EVERY: "3600"}}),
        (settings(0, "tiktok youtube"), ["meta"], Wish(), {"all": True, "sets": {EVERY: "3600"}, "done": False}),
        (settings(21600, "tiktok"), ["meta"], Wish(), {"all": False, "done": False}),  # the interval says nothing
        (settings(0, "tiktok youtube"), [], Wish("meta"), {"all": False, "sets": {PAUSE: "meta,tiktok,youtube"}}),
    ],
)
def test_what_slows_ingestion_down(present: Settings, limited: list[str], wish: Wish, slow: Json) -> None:
    found = slowed(present, limited, wish)
    assert {name: found[name] for name in slow} == slow
    assert (found["unread"], found["refusal"]) == ([], None)


def test_all_that_there_are_are_those_with_accounts() -> None:
    """Pausing the last one would stop ingestion altogether."""
    two = ["meta", "youtube"]
    every = {"all": True, "sets": {EVERY: "3600"}}
    for present, limited in ((settings(), two), (settings(0, "youtube"), ["meta"]), (settings(), [*two, "tiktok"])):
        found = slowed(present, limited, Wish(), two)
        assert {name: found[name] for name in every} == every
    assert slowed(settings(), ["meta"], Wish(), two)["sets"] == {PAUSE: "meta"}
    assert slowed(settings(), ["meta"], Wish(), [])["sets"] == {PAUSE: "meta"}, "of none nothing is known"


@pytest.mark.parametrize(
    ("shown", "sets"),
    [
        ({"tiktok": {"verdict": "skipped", "by_verdict": {}, "accounts": 0}}, {EVERY: "3600"}),
        ({"tiktok": {"verdict": "ok", "by_verdict": {"ok": 1}, "accounts": 1}}, {PAUSE: "meta,youtube"}),
        ({}, {PAUSE: "meta,youtube"}),  # it was not asked, which says nothing of its accounts
    ],
)
def test_a_platform_without_accounts_is_none(shown: Json, sets: Json) -> None:
    limited: Json = {"verdict": "rate_limited", "by_verdict": {"rate_limited": 1}, "accounts": 1}
    social = {"platforms": {"meta": limited, "youtube": limited, **shown}}
    assert run_module(SPEC, {"social": social, "worker": worker()})["slower"]["sets"] == sets


@pytest.mark.parametrize(
    ("present", "wish", "unread"),
    [
        (settings(unread=(PAUSE,)), Wish(), [PAUSE]),
        (settings(unread=(EVERY,)), Wish(), []),
        (settings(unread=(EVERY, PAUSE)), Wish("meta"), [PAUSE]),
        (settings(unread=(EVERY, PAUSE)), Wish("all"), [EVERY]),
        (settings(unread=(PAUSE,)), Wish("all"), []),
        # who is paused decides that the interval is raised
        (settings(0, "tiktok youtube", (EVERY, PAUSE)), Wish(), [EVERY, PAUSE]),
        (settings(0, "tiktok youtube", (PAUSE,)), Wish(), [PAUSE]),
    ],
)
def test_what_is_not_known_is_not_overwritten(present: Settings, wish: Wish, unread: list[str]) -> None:
    found = slowed(present, ["meta"], wish)
    assert found["unread"] == unread
    assert found["refusal"] == (f"the present value is not known: {', '.join(unread)}" if unread else None)


@pytest.mark.parametrize(
    ("present_s", "wanted_s", "refusal"),
    [
        (0, 300, None),
        (21600, 21600, None),
        (0, 299, "an interval must be 300 to 21600 s, and 299 s is none"),
        (0, 21601, "an interval must be 300 to 21600 s, and 21601 s is none"),
        (7200.5, 3600, "the metric worker ingests every 7200.5 s already, less often than every 3600 s"),
    ],
)
def test_an_interval_makes_sense_or_is_refused(present_s: float, wanted_s: int, refusal: str | None) -> None:
    assert slowed(settings(present_s), ["meta"], Wish("all", wanted_s))["refusal"] == refusal
    assert slowed(settings(present_s), ["meta"], Wish("meta", wanted_s))["refusal"] is None, "it is not set"


@pytest.mark.parametrize(
    ("present", "serving", "wanted", "can"),
    [
        (settings(), ["meta", "tiktok"], ["meta", "tiktok"], True),
        (settings(), ["meta"], ["meta", "tiktok"], False),
        (settings(0, "tiktok"), ["meta", "tiktok"], ["meta", "tiktok"], False),
        (settings(0, "tiktok"), ["meta", "tiktok"], ["meta"], True),
        (settings(unread=(PAUSE,)), ["meta"], ["meta"], False),
        (settings(unread=(EVERY,)), ["meta"], ["meta"], True),
    ],
)
def test_who_can_be_synced(present: Settings, serving: list[str], wanted: list[str], can: bool) -> None:
    assert can_sync(present, serving, wanted) is can


def test_what_is_set_follows_from_who_limits_us() -> None:
    verdicts = {"meta": "rate_limited", "tiktok": "ok", "youtube": "ok"}
    given: Json = {
        "social": {"platforms": {name: {"by_verdict": {verdict: 1}} for name, verdict in verdicts.items()}},
        "worker": worker(variable(PAUSE, "youtube"), variable("EVERY", "600")),
        "sync_platforms": ["tiktok"],
    }
    found = run_module(SPEC, given)
    assert found["settings"] == {"interval_s": 0, "paused": ["youtube"], "unread": []}
    assert (found["slower"]["sets"], found["can_sync"]) == ({PAUSE: "meta,youtube"}, True)
    for platform in ("meta", "youtube"):
        assert run_module(SPEC, given | {"sync_platforms": ["tiktok", platform]})["can_sync"] is False
    wish = {"slow_platform": "all", "slow_interval_s": 900, "interval_variable": "EVERY"}
    raised = run_module(SPEC, given | wish)
    assert (raised["settings"]["interval_s"], raised["slower"]["sets"]) == (600, {"EVERY": "900"})
    assert run_module(SPEC, given | {"paused_variable": "LEFT_OUT"})["settings"]["paused"] == []
