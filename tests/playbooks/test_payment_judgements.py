# SPDX-License-Identifier: GPL-3.0-or-later
"""What payment-failure makes of facts that a lab cannot easily have: the role's own rules, run by Ansible."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rate_budget import rate_budget
from support.journal_bench import Bench
from support.runbook import ROOT

Json = dict[str, Any]

ROLE = {"name": "brandconnect.incidents.payment_failure", "rolespec_validate": False}
CAUSE = {"reason": "why", "pods": [], "key": None, "in_the_way": [], "evidence": [], "gaps": []}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(ROOT / ".collections", tmp_path)


def judged(
    bench: Bench, cause: Json, calls_per_s: float | None = None, *, revision: Json | None = None, **concluded: Json
) -> Json:
    """The finding payment_cause."""
    calls = {"status": "value" if calls_per_s is not None else "no_data", "value": calls_per_s}
    answers = {"calls_per_s": calls, "failure_ratio": {"status": "value", "value": 0.4}}
    bench.hosts = {
        "stripe": None,
        "backend": {"__payment_failure_examined": {"found": {"workload": {"workload": revision or {}}}}},
        "postgres": None,
        "prometheus": {"__payment_failure_metrics": {"answers": answers}},
    }
    found = {"found": {"cause": CAUSE | cause, "budget": {}, **concluded}}
    task = {"name": "Judge", "ansible.builtin.import_role": {**ROLE, "tasks_from": "judge/together"}}
    plays = [{"hosts": "backend", "tasks": [task], "vars": {"__payment_failure_concluded": found}}]
    done = bench.run(bench.playbook(plays, "payment_failure"))
    assert done.rc == 0, done.output
    (finding,) = (each for each in done.result["findings"] if each["check"] == "payment_cause")
    return dict(finding)


@pytest.mark.parametrize(
    ("replicas", "current", "calls_per_s", "recommended", "word"),
    [
        (4, 100, 10.0, True, "Stop batch jobs"),  # 100 calls in one second, every 10 s
        (4, 100, 60.0, True, "Stop batch jobs"),
        (4, 100, None, True, "Stop batch jobs"),
        (4, 3, 10.0, False, "Our own limits fit the account: find out who else uses it"),
        (4, None, 10.0, False, "Our own limit is not known"),
        (40, 1, 10.0, False, "cannot be lowered any more"),
    ],
)
def test_limits_that_allow_too_much_are_lowered_whatever_a_mean_says(
    bench: Bench, replicas: int, current: int | None, calls_per_s: float | None, recommended: bool, word: str
) -> None:
    budget = rate_budget(25, 0.6, replicas, 1, current=current)
    finding = judged(bench, {"cause": "rate_limited"}, calls_per_s, budget=budget)
    assert finding["recommend"] == (["lower-rate-limit"] if recommended else []), finding
    assert word in finding["next_step"]
    assert ("fit the account" in finding["next_step"]) == (budget["fits"] is True)


def rolled_out(minutes: float, change: str | None) -> Json:
    created = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=minutes)
    return {"revision_change": change, "revision_created_at": created.isoformat(timespec="seconds")}


def before(value: float | None) -> Json:
    status = "no_data" if value is None else "value"
    return {"reachable": True, "answers": {"mode_ratio": {"status": status, "value": value}}}


@pytest.mark.parametrize(
    ("minutes", "change", "known", "key", "recommended", "word"),
    [
        (3, "rollout", {"before": before(0.0)}, "as_expected", ["undo-rollout"], ""),
        (31, "rollout", {}, "as_expected", [], "the last rollout was 31 minutes ago"),
        (3, "restart", {}, "as_expected", [], "no new version: restart"),
        (3, None, {}, "as_expected", [], "whether a version was rolled out lately is not known"),
        (3, "rollout", {"before": before(0.4)}, "as_expected", [], "40.0 % of the payments failed so before"),
        (3, "rollout", {"before": before(None)}, "as_expected", [], "failed so before the last rollout is not known"),
        (3, "rollout", {}, "as_expected", [], "failed so before the last rollout is not known"),
        (3, "rollout", {"before": before(0.0)}, None, [], ""),
        (31, "rollout", {}, "differs", ["restore-stripe-key"], ""),
    ],
)
def test_only_a_new_version_with_which_it_began_is_undone(
    bench: Bench, minutes: float, change: str | None, known: Json, key: str | None, recommended: list[str], word: str
) -> None:
    revision = rolled_out(minutes, change)  # now: what is collected may run an hour later
    finding = judged(bench, {"cause": "mode_mismatch", "key": key}, revision=revision, **known)
    assert finding["recommend"] == recommended, finding
    assert word in finding["next_step"]
    assert ("No rollout is proposed" in finding["next_step"]) is bool(word)
