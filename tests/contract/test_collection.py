# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the collection agree with each other: documentation, specs, defaults, headers, files."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from incident_runbooks import schemas, validation
from incident_runbooks.catalogue import DEFAULT_TIMEOUT_S

ROOT = Path(__file__).parents[2]
PLUGINS = "ansible_collections.brandconnect.incidents.plugins"
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
ROLES = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))
INCIDENTS = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/runbook.yml"))
IN_SPEC_ONLY = {"fallback", "no_log", "options"}
IN_DOCS_ONLY = {"description", "suboptions", "version_added"}
# what a Secret of Kubernetes and its key are called, and whether it is as it should be
NAMES_OF_SECRETS = {"secret_name", "secret_key", "stored_secret", "stored_secret_key"}
# names of fields, how often, whether, and what other modules said without a value
NAMES_OF_SECRETS |= {"password_field", "token_field", "token_checks", "wrong_password", "secret", "redis_secret"}


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def documented_options(name: str) -> dict[str, Any]:
    """Options of a module's documentation, with those of the fragments it extends."""
    documentation = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{name}").DOCUMENTATION)
    options: dict[str, Any] = {}
    for reference in documentation.get("extends_documentation_fragment", []):
        file, _, section = reference.removeprefix("brandconnect.incidents.").partition(".")
        fragment = importlib.import_module(f"{PLUGINS}.doc_fragments.{file}").ModuleDocFragment
        options |= yaml.safe_load(getattr(fragment, (section or "DOCUMENTATION").upper())).get("options", {})
    return options | documentation.get("options", {})


def argument_spec(name: str) -> dict[str, Any]:
    action = importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule
    spec: dict[str, Any] = action.spec.argument_spec if hasattr(action, "spec") else action.argument_spec
    return spec


def comparable(options: dict[str, Any], leave_out: set[str]) -> dict[str, Any]:
    defaults = {"required": False, "type": "str", "default": None}
    said: dict[str, Any] = {}
    for name, option in options.items():
        facts = {key: value for key, value in option.items() if key not in leave_out | IN_SPEC_ONLY | IN_DOCS_ONLY}
        nested = option.get("suboptions", option.get("options"))
        said[name] = defaults | facts | ({"options": comparable(nested, leave_out)} if nested else {})
        if said[name]["type"] == "raw":  # arguments that the action templates itself
            said[name] = {}
    return said


def test_there_is_something_to_test() -> None:
    assert {"finding", "pg_activity", "pg_terminate_idle"} <= set(MODULES)
    assert "pool_exhaustion" in INCIDENTS


def test_every_module_has_its_action_plugin_and_every_action_its_module() -> None:
    assert sorted(path.stem for path in (ROOT / "plugins/action").glob("*.py")) == MODULES


@pytest.mark.parametrize("name", MODULES)
def test_documentation_equals_the_argument_spec(name: str) -> None:
    documented = comparable(documented_options(name), set())
    specified = comparable(argument_spec(name), set())
    lazy = {option for option, facts in specified.items() if not facts}
    assert set(documented) == set(specified)
    for option in set(documented) - lazy:
        assert documented[option] == specified[option], option


@pytest.mark.parametrize("name", MODULES)
def test_secrets_are_marked_as_such(name: str) -> None:
    for option, facts in argument_spec(name).items():
        if any(word in option for word in ("password", "dsn", "token", "secret")):
            # said either way, or Ansible warns of it
            assert facts.get("no_log") is (option not in NAMES_OF_SECRETS), f"{name}: {option}"


@pytest.mark.parametrize("role", ROLES)
def test_role_defaults_equal_the_argument_spec(role: str) -> None:
    specs = load(ROOT / f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
    options = specs["main"]["options"]
    defaults_file = ROOT / f"roles/{role}/defaults/main.yml"
    defaults = (load(defaults_file) or {}) if defaults_file.exists() else {}
    assert defaults == {name: option["default"] for name, option in options.items()}
    assert all(name.startswith(f"{role}_") for name in options)


@pytest.mark.parametrize("incident", INCIDENTS)
def test_every_incident_has_its_files(incident: str) -> None:
    role = ROOT / "roles" / incident
    header = load(role / "meta/runbook.yml")
    assert header["type"] == incident.replace("_", "-")
    playbook = ROOT / f"playbooks/{incident}.yml"
    assert playbook.exists()
    for phase in ("diagnose", "verify"):
        assert (role / f"tasks/{phase}.yml").exists()
    declared = {remediation["id"] for remediation in header["remediations"]}
    assert {path.stem for path in (role / "tasks/remediate").glob("*.yml")} == declared
    assert (role / "README.md").exists()


@pytest.mark.parametrize("incident", INCIDENTS)
def test_the_header_is_valid(incident: str) -> None:
    assert schemas.validate("runbook", load(ROOT / f"roles/{incident}/meta/runbook.yml")) == []


@pytest.mark.parametrize("incident", INCIDENTS)
def test_every_number_that_is_an_input_has_limits(incident: str) -> None:
    """What no limit keeps out gets as far as the checks, whose findings then say that it makes no sense."""
    options = load(ROOT / f"roles/{incident}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    kinds = {name: option.get("elements", option["type"]) for name, option in options.items()}
    numbers = {name for name, kind in kinds.items() if kind in ("int", "float")}
    assert sorted(numbers - set(load(ROOT / f"roles/{incident}/meta/runbook.yml")["inputs"])) == []


def test_headers_inputs_tasks_and_alerts_agree() -> None:
    assert validation.check_files(ROOT) == []


def test_playbooks_are_linted_when_anything_changes_that_the_lint_reads() -> None:
    workflow = load(ROOT / ".github/workflows/lint-playbooks.yml")
    read = {f"{folder}/**" for folder in ("playbooks", "roles", "inventory", "alerts", "plugins", "meta")}
    read |= {"galaxy.yml", "ansible.cfg", ".ansible-lint", ".yamllint", "Makefile", "pyproject.toml", "tools/venv.sh"}
    read |= {"requirements/dev.txt", ".github/workflows/lint-playbooks.yml"}
    named = set(workflow["on"]["pull_request"]["paths"])
    assert sorted(named ^ read) == []
    assert all((ROOT / name.removesuffix("/**")).exists() for name in named)


# how often one run may wait so long, where that is not once for each of the files that say it
WAITS: dict[str, Callable[[Any], int]] = {
    # of each partition: it is measured, written, read back, measured again, and dropped
    "ingestion_lag_archive_timeout_s": lambda defaults: 5 * int(defaults["ingestion_lag_max_partitions"]),
    "data_breach_source_timeout_s": lambda _: 3,  # the trail, the sessions, and the dump
}
WAITING = re.compile(r"_(timeout|wait|settle|stable_for|verify(_\w+)?)_s$")


@pytest.mark.parametrize("incident", INCIDENTS)
def test_a_run_may_take_as_long_as_all_that_it_may_wait_for(incident: str) -> None:
    role = ROOT / "roles" / incident
    defaults, header = load(role / "defaults/main.yml"), load(role / "meta/runbook.yml")
    acting = [*(role / "tasks/remediate").glob("*.yml"), *(role / "tasks").glob("restore*.yml")]
    said = [path.read_text(encoding="utf-8") for path in acting]
    times = {}
    for name in filter(WAITING.search, defaults):
        often = WAITS[name](defaults) if name in WAITS else max(sum(name in text for text in said), 1)
        times[name] = defaults[name] * often
    assert times, "it waits for nothing: the names are others"
    assert sum(times.values()) < header.get("act_timeout_s", DEFAULT_TIMEOUT_S), times


def set_by_tasks(tasks: Any) -> set[str]:
    """Return the names of the variables that tasks and what is in their blocks set for themselves."""
    if isinstance(tasks, list):
        return set().union(*map(set_by_tasks, tasks))
    if not isinstance(tasks, dict):
        return set()
    return set(tasks.get("vars") or ()) | set().union(*map(set_by_tasks, tasks.values()))


@pytest.mark.parametrize("role", ROLES)
def test_no_task_sets_what_the_extra_vars_of_a_run_outrank(role: str) -> None:
    for path in (ROOT / "roles" / role / "tasks").rglob("*.yml"):
        names = set_by_tasks(load(path))
        assert {name for name in names if name == "approved" or name.startswith("runbook_")} == set(), path


def test_versions_agree() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert load(ROOT / "galaxy.yml")["version"] == version
    assert importlib.import_module("incident_runbooks").__version__ == version


def test_the_collection_link_is_relative_and_committed() -> None:
    link = ROOT / ".collections/ansible_collections/brandconnect/incidents"
    assert link.is_symlink()
    assert str(link.readlink()) == "../../.."


def test_pins_have_hashes_and_no_download_addresses() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text, path.name
        assert "--hash=sha256:" in text, path.name


def test_nothing_under_plugins_or_roles_knows_the_lab_or_the_wrapper() -> None:
    for folder in ("plugins", "roles", "playbooks"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in {".py", ".yml", ".j2"}:
                text = path.read_text(encoding="utf-8")
                assert "incident_runbooks.lab" not in text, path
                assert "RUNBOOK_LAB" not in text, path
                assert "import incident_runbooks" not in text, path
                assert "from incident_runbooks" not in text, path
