# SPDX-License-Identifier: GPL-3.0-or-later
"""What the doctor asks for is what the runbooks need: their playbooks' hosts, and the Roles of deploy/rbac."""

from __future__ import annotations

from typing import Any

import yaml

from incident_runbooks import catalogue
from support.runbook import ROOT

VARIABLES = yaml.safe_load((ROOT / "roles/doctor/vars/main.yml").read_text(encoding="utf-8"))
NEEDS: dict[str, Any] = {each["type"]: each for each in VARIABLES["__doctor_needs"]}


def hosts(playbook: str) -> list[str]:
    first, *_ = yaml.safe_load((ROOT / f"playbooks/{playbook}.yml").read_text(encoding="utf-8"))
    return str(first["hosts"]).split(":")


def test_it_knows_every_incident_type_and_what_it_examines() -> None:
    assert sorted(NEEDS) == catalogue.names()
    for kind in catalogue.incident_types():
        assert sorted(NEEDS[kind.name]["components"]) == sorted(hosts(kind.role)), kind.name
        assert {*kind.required_components} <= {*NEEDS[kind.name]["components"]}, kind.name


def test_it_asks_for_every_role_of_deploy() -> None:
    asked = {f"{name}-{phase}" for name in NEEDS for phase in ("diagnose", "remediate")}
    asked |= {each["role"] for need in NEEDS.values() for each in need["apart"]}
    assert asked == {path.stem for path in (ROOT / "deploy/rbac").glob("*.yml")}


def test_every_component_has_its_file_and_is_a_host_of_the_playbook() -> None:
    components = {each for need in NEEDS.values() for each in need["components"]} | {"communications", "localhost"}
    assert {path.stem for path in (ROOT / "roles/doctor/tasks/component").glob("*.yml")} == components
    assert set(hosts("doctor")) == components
    told = (ROOT / "roles/doctor/tasks/component/localhost.yml").read_text(encoding="utf-8")
    assert all(f"component: {component}" in told for component in components - {"localhost"})
