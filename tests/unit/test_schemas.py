# SPDX-License-Identifier: GPL-3.0-or-later
"""The contracts: valid JSON Schema, described throughout, and strict where it matters."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.header import collection_version, find_header
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import JournalWriter
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_result import (
    cannot_validate,
    validate_result,
)
from incident_runbooks import schemas
from incident_runbooks.errors import RunbookError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", schemas.NAMES)
def test_it_is_a_schema(name: str) -> None:
    schema = schemas.load(name)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].endswith(f"/{name}.schema.json")
    # a journal of a later version, and what Alertmanager adds, can be read
    assert schema["additionalProperties"] is (name in ("journal", "alertmanager"))
    Draft202012Validator.check_schema(schema)


def properties(schema: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        for key, item in schema.items():
            if key == "properties":
                yield from ((f"{path}/{name}", definition) for name, definition in item.items())
            if key != "allOf":
                yield from properties(item, f"{path}/{key}")
    elif isinstance(schema, list):
        for item in schema:
            yield from properties(item, path)


@pytest.mark.parametrize("name", schemas.NAMES)
def test_every_property_is_described(name: str) -> None:
    undescribed = [path for path, definition in properties(schemas.load(name), "") if not definition.get("description")]
    assert undescribed == []


def test_errors_say_where_and_what() -> None:
    result = fold(b"")
    assert schemas.validate("result", result) == []
    result["outcome"] = "splendid"
    result["findings"] = [{"check": 5}]
    del result["plan"]
    result["surprise"] = 1
    problems = schemas.validate("result", result)
    assert any(problem.startswith("outcome: 'splendid' is not one of") for problem in problems)
    assert any(problem.startswith("findings/0/check: 5 is not of type 'string'") for problem in problems)
    assert any("'plan' is a required property" in problem for problem in problems)
    assert any("'surprise' was unexpected" in problem for problem in problems)
    assert all(len(problem) < 400 for problem in schemas.validate("result", {"x" * 10_000: 1}))


def test_a_schema_that_does_not_exist() -> None:
    with pytest.raises(RunbookError, match="known are result, incident, journal, runbook"):
        schemas.load("../errors")


def test_journal_lines(tmp_path: Path) -> None:
    with JournalWriter(tmp_path / "j", "run-1") as writer:
        writer.append("finding", {"check": "a", "status": "ok"})
        writer.append("of_a_later_version", {"x": 1})
        writer.append("step_ended", {"status": "exploded"})
    first, later, wrong = (json.loads(line) for line in (tmp_path / "j").read_text().splitlines())
    assert schemas.validate("journal", first) == []
    assert schemas.validate("journal", later) == []
    assert any(problem.startswith("data/status: 'exploded'") for problem in schemas.validate("journal", wrong))
    assert schemas.validate("journal", {**first, "hash": "short"}) != []


HEADER = {
    "type": "rehearsal",
    "title": "A title",
    "severity": "high",
    "priority": "P2",
    "sla_target_s": 60,
    "impact": "None",
    "symptoms": ["One"],
    "alerts": [],
    "required_components": ["alpha"],
    "remediations": [
        {
            "id": "do-it",
            "title": "Do it",
            "risk": "safe",
            "causes": ["a_cause"],
            "touches": "Nothing",
            "verified_by": "Looking",
            "can_roll_back": False,
        }
    ],
    "messages": {"notices": [{"purpose": "users", "channel": "slack", "texts": {"opened": "Sorry"}}]},
    "follow_ups": [{"title": "Learn", "owner": None}],
}


def test_a_header() -> None:
    assert schemas.validate("runbook", HEADER) == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"severity": "awful"}, "severity"),
        ({"priority": "P9"}, "priority"),
        ({"type": "With_underscore"}, "type"),
        ({"sla_target_s": "soon"}, "sla_target_s"),
        ({"remediations": [{**HEADER["remediations"][0], "risk": "none"}]}, "remediations/0/risk"),  # type: ignore[dict-item]
        ({"colour": "red"}, "the document"),
        ({"symptoms": []}, "symptoms"),
    ],
)
def test_a_wrong_header_is_named(change: dict[str, Any], place: str) -> None:
    problems = schemas.validate("runbook", HEADER | change)
    assert [problem.split(":")[0] for problem in problems] == [place]


def test_results_are_checked_without_the_python_package() -> None:
    assert cannot_validate(ROOT) is None
    result = fold(b"")
    assert validate_result(ROOT, result) == []
    assert validate_result(ROOT, {**result, "outcome": "splendid"})[0].startswith("outcome: 'splendid'")


def test_a_controller_that_cannot_check_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "result.schema.json is missing" in str(cannot_validate(tmp_path))
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    assert cannot_validate(ROOT) == "the Python library jsonschema is not installed"


def test_headers_are_found_by_the_name_of_the_playbook(tmp_path: Path) -> None:
    meta = tmp_path / "roles" / "data_breach" / "meta"
    meta.mkdir(parents=True)
    (meta / "runbook.yml").write_text(json.dumps({**HEADER, "sla_target_s": 7}))
    header = find_header(tmp_path, "/elsewhere/data_breach.yml")
    assert header
    assert header.incident["type"] == "data-breach"
    assert header.sla_target_s == 7
    for other in ("site.yml", "", "../data_breach/x.yml", "/a/data-breach.yml", "data_breach/main.yml"):
        assert find_header(tmp_path, other) is None
    (meta / "runbook.yml").write_text("title: only\n")
    with pytest.raises(Exception, match=r"Reading the runbook header .*runbook\.yml: KeyError"):
        find_header(tmp_path, "data_breach.yml")


def test_the_version(tmp_path: Path) -> None:
    assert collection_version(ROOT) == "0.1.0"
    assert collection_version(tmp_path) == "unknown"
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "1.2.3"}}')
    assert collection_version(tmp_path) == "1.2.3"
