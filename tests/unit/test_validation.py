# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``runbook validate`` finds: a copy of one runbook, broken in one place, has exactly that problem."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from incident_runbooks import validation
from incident_runbooks.validation.syntax import check_syntax

ROOT = Path(__file__).parents[2]
ROLE = "roles/pool_exhaustion"
HEADER = f"{ROLE}/meta/runbook.yml"
SPECS = f"{ROLE}/meta/argument_specs.yml"
DEFAULTS = f"{ROLE}/defaults/main.yml"
KILL = f"{ROLE}/tasks/remediate/kill-idle-connections.yml"
ALERTS = "alerts/pool_exhaustion.yml"
PLAYBOOK = "playbooks/pool_exhaustion.yml"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A collection of one runbook."""
    root = tmp_path / "collection"
    for part in ("roles/pool_exhaustion", "roles/common"):
        shutil.copytree(ROOT / part, root / part)
    for file in (ALERTS, PLAYBOOK):
        (root / file).parent.mkdir()
        shutil.copy(ROOT / file, root / file)
    for part in ("plugins", "meta", "galaxy.yml"):
        (root / part).symlink_to(ROOT / part)
    return root


def edit(root: Path, file: str, old: str, new: str) -> None:
    path = root / file
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{file} has no {old!r} any more"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def found(root: Path) -> list[tuple[str, str, str]]:
    return [(each.file, each.what, each.fix) for each in validation.check_files(root)]


def test_a_whole_runbook_has_no_problem(copy: Path) -> None:
    assert found(copy) == []
    assert (validation.runbooks_of(copy), validation.roles_of(copy)) == (
        ["pool_exhaustion"],
        ["common", "pool_exhaustion"],
    )


BROKEN = [
    (HEADER, "severity: critical", "severity: awful", HEADER, "severity: 'awful' is not one of", "runbook.schema.json"),
    (HEADER, "priority: P1\n", "", HEADER, "'priority' is a required property", "runbook.schema.json"),
    (
        HEADER,
        "type: pool-exhaustion",
        "type: pool-full",
        HEADER,
        "type: 'pool-full' is not the role's",
        "pool-exhaustion",
    ),
    (HEADER, "title: Database", "title: Databases\ntitle: Database", HEADER, "the key 'title' is there twice", "YAML"),
    (HEADER, "$findings", "$finding", HEADER, "unknown placeholder $finding", "text of the message"),
    (HEADER, "$findings", "$5", HEADER, "a dollar sign that begins no placeholder", "text of the message"),
    (
        HEADER,
        "  - PostgresNotReached\n",
        "",
        ALERTS,
        "PostgresNotReached: its label runbook is pool-exhaustion, and no",
        "name it",
    ),
    (
        HEADER,
        "NotReached\n",
        "Gone\n",
        HEADER,
        "no file in alerts/ has the alert PostgresGone",
        "alerts/pool_exhaustion",
    ),
    (HEADER, "check: workload", "check: work_load", HEADER, "no task of the role judges the check 'work_load'", "name"),
    (
        HEADER,
        "any_finding:",
        "changed: [kill-all]\n        any_finding:",
        HEADER,
        "there is no remediation 'kill-all'",
        "kill-idle-connections",
    ),
    (
        HEADER,
        "min-idle-s",
        "min-idl-s",
        HEADER,
        "it speaks of min-idl-s, which is no input",
        "did you mean min-idle-s?",
    ),
    (HEADER, "max-terminate", "max-ended", HEADER, "it speaks of max-ended, which is no input", "name an input"),
    (
        HEADER,
        "  pool_exhaustion_batch_size:",
        "  pool_exhaustion_batch_sise:",
        HEADER,
        "inputs: pool_exhaustion_batch_sise is no input",
        "did you mean pool_exhaustion_batch_size?",
    ),
    (
        HEADER,
        "target_ratio: {minimum: 0, maximum: 1}",
        "target_ratio: {minimum: 0, maximum: 0.5}",
        HEADER,
        "the default of pool_exhaustion_target_ratio does not fit: 0.7 is not a number from 0 to 0.5",
        "correct",
    ),
    (
        HEADER,
        "batch_size: {minimum: 1}",
        "batch_size: {format: network}",
        HEADER,
        "inputs: pool_exhaustion_batch_size is of the type int",
        "give a number limits",
    ),
    (
        HEADER,
        "batch_size: {minimum: 1}",
        "batch_size: {least: 1}",
        HEADER,
        "inputs/pool_exhaustion_batch_size: {'least': 1} is not valid under any",
        "runbook.schema.json",
    ),
    (HEADER, "id: restart-backend", "id: resize-pool", HEADER, "remediations: 'resize-pool' is there twice", "its own"),
    (
        ALERTS,
        "runbook: pool-exhaustion",
        "runbook: pool-full",
        ALERTS,
        "is no incident type: 'pool-full'",
        "pool-exhaustion",
    ),
    (ALERTS, "          runbook: pool-exhaustion\n", "", ALERTS, "it has no label runbook", "name its incident type"),
    (ALERTS, "groups:", "groups: [", ALERTS, "it cannot be read", "YAML"),
    (SPECS, "type: float", "type: flaot", SPECS, "there is no type 'flaot'", "float"),
    (
        SPECS,
        "default: 0.8",
        "default: lots",
        SPECS,
        "main/pool_exhaustion_warn_ratio: its default does not fit",
        "correct",
    ),
    (
        SPECS,
        "default: 0.8\n",
        "required: false\n",
        SPECS,
        "it is neither required nor has a default",
        "give it a default",
    ),
    (
        SPECS,
        "      pool_exhaustion_warn_ratio:",
        "      warn_ratio:",
        SPECS,
        "does not begin with pool_exhaustion_",
        "rename",
    ),
    (
        DEFAULTS,
        "warn_ratio: 0.8",
        "warn_ratio: 0.7",
        DEFAULTS,
        "it is not the default that the argument spec says",
        "same",
    ),
    (
        DEFAULTS,
        "pool_exhaustion_warn_ratio: 0.8\n",
        "",
        DEFAULTS,
        "pool_exhaustion_warn_ratio: it is not there",
        "here too",
    ),
    (DEFAULTS, "---\n", "---\npool_exhaustion_x: 1\n", DEFAULTS, "the argument spec has no such input", "remove it"),
    (
        KILL,
        "pool_exhaustion_states",
        "pool_exhaustion_stats",
        KILL,
        "pool_exhaustion_stats is neither",
        "exhaustion_states?",
    ),
    (KILL, "incidents.pg_terminate_idle", "incidents.pg_end_idle", KILL, "there is no module brandconnect", "correct"),
    (KILL, "_states }}", "_states | }}", KILL, "it is no template", "correct the template"),
    (KILL, "- name:", "- when: a ==\n  name:", KILL, "'a ==': it is no template", "correct the template"),
    (
        KILL,
        "- name:",
        "- include_tasks: gone.yml\n- name:",
        KILL,
        "it includes gone.yml, which is not there",
        "add the file",
    ),
    (KILL, "- name:", "- name: 'x", KILL, "it cannot be read", "YAML"),
]


@pytest.mark.parametrize(("file", "old", "new", "where", "what", "fix"), BROKEN, ids=[case[4][:40] for case in BROKEN])
def test_a_problem_is_named_with_its_file_and_what_to_do(
    copy: Path, file: str, old: str, new: str, where: str, what: str, fix: str
) -> None:
    edit(copy, file, old, new)
    problems = found(copy)
    assert [(name, text) for name, text, hint in problems if name == where and what in text and fix in hint], problems


@pytest.mark.parametrize(
    ("file", "what"),
    [
        (KILL, "it is not there, and the header has the remediation 'kill-idle-connections'"),
        (PLAYBOOK, "it is not there, and the runbook pool-exhaustion needs it"),
        (f"{ROLE}/tasks/verify.yml", "it is not there, and the runbook pool-exhaustion needs it"),
        (f"{ROLE}/README.md", "it is not there, and the runbook pool-exhaustion needs it"),
        (SPECS, "it is not there"),
    ],
)
def test_a_file_that_is_missing_is_named(copy: Path, file: str, what: str) -> None:
    (copy / file).unlink()
    assert (file, what, "add it") in found(copy)


def test_a_remediation_that_no_header_has_is_named(copy: Path) -> None:
    shutil.copy(copy / KILL, copy / KILL.replace("kill-idle", "kill-all"))
    ((file, what, _),) = found(copy)
    assert (file, what) == (
        KILL.replace("kill-idle", "kill-all"),
        "no remediation of the header has this id, so nothing runs it",
    )


def test_an_alert_of_two_headers_is_named(copy: Path) -> None:
    shutil.copytree(copy / ROLE, copy / "roles/other")
    whats = [what for file, what, _ in found(copy) if file.startswith("roles/pool_exhaustion")]
    assert "alerts: PostgresConnectionsHigh is named by other too" in whats


def test_a_header_that_is_none_is_named_once(copy: Path) -> None:
    (copy / HEADER).write_text("[]\n", encoding="utf-8")
    assert (HEADER, "it is no header") in [(file, what) for file, what, _ in found(copy)]


def test_ansible_judges_the_playbooks_of_this_very_copy(copy: Path) -> None:
    assert check_syntax(copy) == []
    edit(copy, PLAYBOOK, "hosts: localhost", "host: localhost")
    shutil.copy(copy / PLAYBOOK, copy / "playbooks/second.yml")
    edit(copy, f"{ROLE}/tasks/conclude.yml", "brandconnect.incidents.", "brandconnect.incidents.no_such_")
    first, second = check_syntax(copy)
    assert (first.file, second.file) == (PLAYBOOK, "playbooks/second.yml")
    assert "host" in first.what
    assert "pool_exhaustion.yml" in first.what
    assert str(copy) not in first.what
    edit(copy, PLAYBOOK, "host: localhost", "hosts: localhost")
    assert "no_such_" in check_syntax(copy)[0].what
