# SPDX-License-Identifier: GPL-3.0-or-later
"""From a result to the exit code."""

from __future__ import annotations

from typing import Any

import pytest

from incident_runbooks.execution.output import explain
from incident_runbooks.outcomes import exit_code

ERROR = {"message": "m", "hint": None, "component": None}


@pytest.mark.parametrize(
    ("outcome", "errors", "code"),
    [
        ("healthy", [], 0),
        ("resolved", [], 0),
        ("findings", [], 3),
        ("incomplete", [{"code": "step_failed"}], 4),
        ("unresolved", [], 5),
        ("unverified", [], 5),
        ("failed", [{"code": "remediation_failed"}], 5),
        ("refused", [{"code": "refused"}], 6),
        ("unknown", [{"code": "timeout"}], 9),
        ("unknown", [], 9),
        ("failed", [{"code": "step_failed"}, {"code": "usage"}], 2),
        ("failed", [{"code": "no_hosts"}], 2),
        ("failed", [{"code": "internal"}], 1),
        ("failed", [{"code": "locked"}], 7),
    ],
)
def test_exit_codes(outcome: str, errors: list[dict[str, Any]], code: int) -> None:
    assert exit_code({"outcome": outcome, "errors": [{**ERROR, **error} for error in errors]}) == code


OUTPUT = """
[WARNING]: Failed to parse inventory with 'yaml' plugin: YAML parsing failed: While parsing a block mapping.
Failed to parse inventory with 'yaml' plugin.
<<< caused by >>>
YAML parsing failed: While parsing a block mapping.
Origin: /etc/inventory.yml:6:2
4       postgres_password: canary-1
5   hostsx: {p: }
6  foo: canary-2
   ^ column 2
[WARNING]: Failed to parse inventory with 'ini' plugin: Expected key=value host variable assignment, got: canary-3
[ERROR]: Completely failed to parse inventory source /etc/inventory.yml with canary-4
Traceback (most recent call last):
  File "x", line 1, in canary-5
"""


@pytest.mark.parametrize("verbose", [False, True])
def test_of_ansibles_output_only_messages_are_taken(verbose: bool) -> None:
    why = explain(
        OUTPUT.splitlines(), lambda text: text.replace("canary-4", "[redacted]"), ["/a b", "c"], verbose=verbose
    )
    assert why.code == "usage"
    assert why.hint == "check it with: ansible-inventory -i '/a b' -i c --graph"
    assert "(Origin: /etc/inventory.yml:6:2)" in why.cause
    assert "with [redacted]" in why.cause
    assert ("got (not shown)" in why.cause) is verbose
    assert "canary" not in why.cause


@pytest.mark.parametrize(
    ("output", "code", "cause"),
    [
        ("[ERROR]: the playbook: x could not be found", "internal", "the playbook: x could not be found"),
        ("ERROR: Ansible requires the locale encoding", "internal", "Ansible requires the locale encoding"),
        ("[ERROR]: Attempting to decrypt but no vault secrets found.", "usage", "Attempting to decrypt"),
        ("", "internal", "it ended without saying why"),
        ("a\n" * 1000, "internal", "it ended without saying why"),
    ],
)
def test_why_a_playbook_never_began(output: str, code: str, cause: str) -> None:
    why = explain(output.splitlines(), str)
    assert why.code == code
    assert cause in why.cause
