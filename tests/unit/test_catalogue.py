# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue reads the roles' own metadata."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from incident_runbooks import catalogue
from incident_runbooks.errors import RunbookError, UsageError
from incident_runbooks.execution import RunRequest

HEADER = """
    type: water-leak
    title: Water leak
    severity: critical
    priority: P1
    sla_target_s: 900
    impact: Wet feet
    required_components: [pump]
    remediations:
      - {id: close-valve, title: Close the valve, risk: disruptive}
"""
SPECS = """
    argument_specs:
      main:
        options:
          water_leak_limit: {type: int, description: [Litres., Per hour.], choices: [1, 2]}
          water_leak_password: {type: str, no_log: true}
          water_leak_valves: {type: list, elements: int, required: true}
          pressure: null
"""


@pytest.fixture
def role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write a role into a collection of its own."""
    monkeypatch.setattr(catalogue, "roles_path", lambda: tmp_path)

    def write(header: str = HEADER, specs: str = SPECS, name: str = "water_leak", defaults: str = "") -> Path:
        files = {"meta/runbook.yml": header, "meta/argument_specs.yml": specs, "defaults/main.yml": defaults}
        for path, text in files.items():
            if text:
                target = tmp_path / name / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(textwrap.dedent(text))
        return tmp_path / name

    return write


def test_a_header_becomes_an_incident_type(role: Callable[..., Path]) -> None:
    role()
    (tmp := role(name="common") / "meta" / "runbook.yml").unlink()  # a role without a header is no incident type
    assert not tmp.exists()
    (kind,) = catalogue.incident_types()
    assert (kind.name, kind.role, kind.sla_target_s) == ("water-leak", "water_leak", 900)
    assert kind.required_components == ("pump",)
    assert kind.remediations == (catalogue.Remediation("close-valve", "Close the valve", "disruptive"),)
    assert catalogue.get("water_leak") == catalogue.get("water-leak") == kind


def test_a_run_that_acts_may_take_as_long_as_the_header_says(role: Callable[..., Path]) -> None:
    role()
    short = catalogue.get("water-leak")
    assert [short.timeout_s(acting=acting) for acting in (False, True)] == [1800, 1800]
    role(header=f"{HEADER}    act_timeout_s: 7200\n")
    long = catalogue.get("water-leak")
    assert [long.timeout_s(acting=acting) for acting in (False, True)] == [1800, 7200]
    limits = [RunRequest(long, [], mode=mode).limit_s for mode in ("diagnose", "remediate", "rollback")]
    assert limits == [1800, 7200, 7200], "giving an index back takes as long"
    assert RunRequest(long, [], mode="remediate", timeout_s=5).limit_s == 5, "what was asked for"


def test_options_come_from_the_spec_and_the_defaults(role: Callable[..., Path]) -> None:
    role(defaults="water_leak_limit: 2")
    limit, valves, pressure = catalogue.get("water-leak").options
    assert (limit.variable, limit.name, limit.type, limit.default) == ("water_leak_limit", "limit", "int", 2)
    assert (limit.choices, limit.description) == ((1, 2), ("Litres.", "Per hour."))
    assert (valves.type, valves.elements, valves.required, valves.default) == ("list", "int", True, None)
    assert (pressure.name, pressure.type) == ("pressure", "str")


def test_an_unknown_type_is_named_with_the_known_ones(role: Callable[..., Path]) -> None:
    role()
    with pytest.raises(UsageError) as caught:
        catalogue.get("water-leek")
    assert caught.value.message == "unknown incident type 'water-leek'; known: water-leak"
    assert caught.value.hint == "did you mean 'water-leak'?"
    with pytest.raises(UsageError):
        catalogue.get("../water_leak")


@pytest.mark.parametrize(
    ("header", "cause"),
    [
        ("title: x", "KeyError 'severity'"),
        ("- x", "it is not a mapping"),
        ("title: [", "while parsing"),
        (HEADER.replace("900", "soon"), "ValueError"),
        (HEADER.replace("{id: close-valve", "{name: close-valve"), "KeyError 'id'"),
    ],
)
def test_a_broken_header_is_one_clear_error(role: Callable[..., Path], header: str, cause: str) -> None:
    path = role(header=header)
    with pytest.raises(RunbookError) as caught:
        catalogue.incident_types()
    assert str(path / "meta" / "runbook.yml") in caught.value.message
    assert cause in caught.value.message
    assert "\n" not in caught.value.message


def test_one_broken_role_does_not_stop_another(role: Callable[..., Path]) -> None:
    role()
    role(name="other", header="title: [")
    assert catalogue.get("water-leak").title == "Water leak"


def test_the_catalogue_of_this_collection_has_no_secret_among_its_options() -> None:
    for kind in catalogue.incident_types():
        for option in kind.options:
            assert not any(word in option.variable for word in ("password", "token", "secret")), option.variable
