# SPDX-License-Identifier: GPL-3.0-or-later
"""Every journal, whole, cut off or odd, folds into a valid result that claims no more than was recorded."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record import incident_record
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import JournalWriter
from incident_runbooks import schemas
from support.journal_entries import (
    ENDED,
    FIRST,
    INCIDENT,
    REALISTIC,
    SECOND,
    Entry,
    Json,
    action,
    finding,
    journal_in,
    started,
    step,
    step_ended,
)


@pytest.fixture
def journal(tmp_path: Path) -> Callable[..., bytes]:
    return journal_in(tmp_path)


def valid(result: Json) -> Json:
    assert schemas.validate("result", result) == []
    json.dumps(result, allow_nan=False)
    return result


def test_a_whole_run(journal: Any) -> None:
    result = valid(fold(journal(*REALISTIC)))
    assert result["outcome"] == "resolved"
    assert result["incident"] == {**started()[1]["incident"]}
    run = result["run"]
    assert (run["id"], run["mode"], run["operator"], run["check_mode"]) == (FIRST, "remediate", "alice", False)
    assert (run["started_at"], run["ended_at"]) == ("2026-11-23T23:14:00.000000Z", "2026-11-23T23:15:40.000000Z")
    assert run["duration_s"] == 100
    assert result["sla"] == {
        "target_s": 900,
        "deadline": "2026-11-23T23:29:00.000000Z",
        "elapsed_s": 100,
        "breached": False,
    }
    assert result["findings"][0]["summary"] == "17 of 17 slots in use"
    assert result["plan"]["remediations"][0]["targets"] == [{"pid": 7}]
    assert result["actions"][0]["started_at"] is None
    assert result["follow_ups"] == [{"title": "Find the leak", "owner": None, "due": None}]
    assert result["errors"] == []
    assert [(event["kind"], event["text"]) for event in result["timeline"]] == [
        ("run_started", "remediate started by alice"),
        ("finding", "connections down: 17 of 17 slots in use"),
        ("plan", "recommended: kill-idle-connections"),
        ("action", "kill-idle-connections done"),
        ("verification", "connections resolved: 5 of 17"),
        ("run_ended", "the run ended"),
    ]


def test_every_prefix_of_a_journal_is_a_valid_result(journal: Any) -> None:
    content = journal(*REALISTIC)
    seen: set[str] = set()
    for end in range(len(content) + 1):
        result = fold(content[:end])
        whole = end >= len(content) - 1  # the last line is whole without its line end
        assert result["outcome"] == ("resolved" if whole else "unknown"), end
        text = json.dumps(result, sort_keys=True)
        if text not in seen:
            seen.add(text)
            valid(result)
    assert len(seen) == len(REALISTIC) + 1


def test_a_run_that_was_cut_off_names_the_step_under_way(journal: Any) -> None:
    result = valid(fold(journal(*REALISTIC[:2], step(9, "Kill", mutates=True))))
    assert result["outcome"] == "unknown"
    assert result["run"]["ended_at"] is None
    assert result["run"]["duration_s"] == 20
    first, second = result["errors"]
    assert (first["code"], first["reason"], first["mutates"], first["component"]) == (
        "interrupted",
        "lost",
        True,
        "postgres",
    )
    assert "'Kill' (brandconnect.incidents.pg_terminate_idle) on postgres" in first["message"]
    assert "not known" in first["hint"]
    assert "'Look'" in second["message"]
    assert second["mutates"] is False


def test_what_changed_before_the_cut_and_was_not_recorded_is_named(journal: Any) -> None:
    def changed(number: int, action: str) -> list[Entry]:
        said = {"action": f"brandconnect.incidents.{action}"}
        begun, ended = step(number, action, mutates=True), step_ended(number, action)
        return [(begun[0], {**begun[1], **said}), (ended[0], {**ended[1], **said, "changed": True})]

    recorded = [*changed(1, "k8s_scale"), action()]
    own = [*changed(2, "acting_lease"), *changed(3, "evidence"), *changed(4, "notify")]
    looked = [step(7, "Look"), ("step_ended", {**step_ended(7, "Look")[1], "changed": True})]
    lost = [*changed(5, "k8s_secret_key"), *changed(6, "k8s_rollout")[:1]]
    result = valid(fold(journal(started(), *recorded, *own, *looked, *lost)))
    under_way, before = result["errors"]
    assert (under_way["name"], before["name"], before["mutates"]) == ("k8s_rollout", "k8s_secret_key", True)
    assert "on postgres: it changed something, and the run was cut off before that was recorded" in before["message"]
    assert "look at the system itself" in before["hint"]
    whole = fold(journal(started(), *lost[:2], action(), ENDED, run_id=SECOND))
    assert whole["errors"] == [], "a run that ended has recorded what it did"


@pytest.mark.parametrize(
    ("reason", "code"), [("timeout", "timeout"), ("sigint", "interrupted"), ("killed", "interrupted")]
)
def test_why_a_run_was_cut_off(journal: Any, reason: str, code: str) -> None:
    interrupted = ("run_interrupted", {"reason": reason, "after_s": 12.5})
    result = valid(fold(journal(started(), step(1, "Look"), step_ended(1, "Look"), interrupted)))
    assert result["outcome"] == "unknown"
    (said,) = result["errors"]
    assert (said["code"], said["reason"]) == (code, reason)
    assert "after 12.5 s" in said["message"]
    assert result["timeline"][-2]["kind"] == "run_interrupted"


def test_the_last_run_counts_and_the_incident_began_with_the_first(journal: Any) -> None:
    journal(*REALISTIC)
    content = journal(started("diagnose", run_id=SECOND), finding("ok"), ENDED, run_id=SECOND)
    last = valid(fold(content))
    assert (last["run"]["id"], last["outcome"], last["actions"]) == (SECOND, "healthy", [])
    assert last["sla"]["elapsed_s"] == 130
    assert last["run"]["duration_s"] == 20
    first = valid(fold(content, FIRST))
    assert (first["run"]["id"], first["outcome"]) == (FIRST, "resolved")
    assert valid(fold(content, "run-20261123T231455Z-9999"))["outcome"] == "unknown"


def detected(at: Any, run_id: str = FIRST) -> Entry:
    kind, data = started(run_id=run_id)
    return kind, {**data, "run": {**data["run"], "detected_at": at}}


@pytest.mark.parametrize(
    ("at", "deadline", "elapsed"),
    [
        ("2026-11-24T00:04:00+01:00", "2026-11-23T23:19:00.000000Z", 620),
        ("2026-11-23T23:14:05Z", "2026-11-23T23:29:00.000000Z", 20),  # the first run was before the alert
        ("yesterday", "2026-11-23T23:29:00.000000Z", 20),
        (5, "2026-11-23T23:29:00.000000Z", 20),
    ],
)
def test_the_sla_counts_from_the_detection_or_the_first_run(
    journal: Any, at: Any, deadline: str, elapsed: float
) -> None:
    content = journal(detected(at), finding("ok"), ENDED)
    sla = valid(fold(content))["sla"]
    assert (sla["deadline"], sla["elapsed_s"]) == (deadline, elapsed)
    assert incident_record(content)["sla"]["deadline"] == deadline, "the incident's document says the same"


def test_a_detection_that_a_later_run_was_given_does_not_change_an_earlier_result(journal: Any) -> None:
    before = fold(journal(started(), finding("ok"), ENDED))
    content = journal(detected("2026-11-23T22:14:00Z", SECOND), finding("ok"), ENDED, run_id=SECOND)
    assert fold(content, FIRST) == before
    sla = valid(fold(content))["sla"]
    assert (sla["elapsed_s"], sla["breached"]) == (3650, True)


def test_a_breached_sla(journal: Any) -> None:
    kind, data = started()
    result = valid(fold(journal((kind, {**data, "sla": {"target_s": 5}}), finding("ok"), ENDED)))
    assert result["sla"]["breached"] is True


def test_a_journal_that_says_nothing_knows_the_incident_from_its_directory() -> None:
    result = valid(fold(b"", incident_id=INCIDENT))
    assert result["incident"]["id"] == INCIDENT
    assert result["incident"]["type"] == "pool-exhaustion"
    assert result["outcome"] == "unknown"


def test_lines_text_and_records_fold_alike(journal: Any) -> None:
    content = journal(*REALISTIC)
    whole = fold(content)
    assert fold(content.decode()) == whole
    assert fold(content.splitlines()) == whole
    assert fold(content.decode().splitlines()) == whole
    assert fold([json.loads(line) for line in content.splitlines()]) == whole


def test_odd_elements_become_the_most_cautious_ones(journal: Any) -> None:
    odd: list[Entry] = [
        started(),
        ("finding", {"status": "excellent", "required": None, "recommend": "text", "data": [1], "at": "yesterday"}),
        ("action", {"status": "great", "risk": 7, "started_at": 5}),
        ("verification", {"status": True}),
        ("plan", {"remediations": [{"status": "yes", "approved": "yes", "targets": {}}, "text"], "digest": 5}),
        ("evidence", {"bytes": -1, "path": 5, "colour": "red"}),
        ("error", {"mutates": "yes"}),
        ENDED,
    ]
    result = valid(fold(journal(*odd)))
    assert (result["findings"][0]["status"], result["findings"][0]["required"]) == ("unknown", True)
    assert (result["actions"][0]["status"], result["actions"][0]["risk"]) == ("failed", "irreversible")
    assert result["verification"][0]["status"] == "unverified"
    assert result["plan"]["remediations"][0]["approved"] is False
    assert result["evidence"][0]["colour"] == "red", "what is not known stays"


def random_json(rng: random.Random, depth: int = 0) -> Any:
    words = ["ok", "down", "done", "id", "2026-11-23T23:14:00Z", "\x1b[31m", "{{ 7*7 }}", "", "x" * 500]
    kind = rng.randrange(7 if depth < 3 else 5)
    if kind < 5:
        return [rng.choice(words), rng.randrange(-5, 10**6), rng.random() * 1e9, None, rng.random() < 0.5][kind]
    if kind == 5:
        return [random_json(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(KEYS): random_json(rng, depth + 1) for _ in range(rng.randrange(8))}


KEYS = sorted(
    {key for definition in schemas.load("result")["$defs"].values() for key in definition["properties"]}
    | {"incident", "run", "sla", "mode", "check_mode", "operator", "inventory", "versions", "target_s", "hosts"}
)
TYPES = [
    *("run_started", "step_started", "step_ended", "finding", "plan", "action", "verification", "notification"),
    *("evidence", "follow_up", "error", "run_interrupted", "run_ended", "journal_recovered", "of_a_later_version"),
    "journal_damaged",
]


@pytest.mark.parametrize("seed", range(60))
def test_random_records_fold_into_a_valid_result(seed: int) -> None:
    rng = random.Random(seed)
    records = [
        {
            "v": 1,
            "seq": number,
            "at": rng.choice(["2026-11-23T23:14:00Z", "nonsense", "2026-11-23T23:14:00"]),
            "run_id": rng.choice([FIRST, SECOND]),
            "type": rng.choice(TYPES),
            "data": {rng.choice(KEYS): random_json(rng) for _ in range(rng.randrange(12))},
            "prev": "",
            "hash": "",
        }
        for number in range(rng.randrange(1, 30))
    ]
    valid(fold(records))
    valid(fold([json.dumps(record) for record in records], FIRST))
    # and with bytes of the file flipped
    content = bytearray("\n".join(map(json.dumps, records)), "utf-8")
    for _ in range(20):
        content[rng.randrange(len(content))] = rng.randrange(256)
    valid(fold(bytes(content)))


def test_a_clock_that_was_set_back(tmp_path: Path) -> None:
    times = iter(["2026-11-23T23:14:00Z", "2026-11-23T23:13:00Z", "2026-11-23T23:12:00Z"])
    with JournalWriter(tmp_path / "j", FIRST, now=lambda: next(times)) as writer:
        for kind, data in (started(), finding("ok"), ENDED):
            writer.append(kind, data)
    result = valid(fold((tmp_path / "j").read_bytes()))
    assert result["run"]["duration_s"] == 0
    assert result["sla"]["breached"] is False


def test_recorded_times_of_an_action_are_in_the_timeline(journal: Any) -> None:
    times = {"started_at": "2026-11-23T23:14:05Z", "ended_at": "2026-11-23T23:14:07.5Z"}
    result = valid(fold(journal(started(), action(reason="slowly", **times), ENDED)))
    assert [(event["at"], event["kind"], event["text"]) for event in result["timeline"][1:3]] == [
        (times["started_at"], "action_started", "kill-idle-connections"),
        (times["ended_at"], "action", "kill-idle-connections done: slowly"),
    ]
