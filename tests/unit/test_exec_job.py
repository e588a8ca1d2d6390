# SPDX-License-Identifier: GPL-3.0-or-later
"""Which command may run, in which pod, and how it ended."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exec_job import (
    build_command,
    choose_container,
    choose_pod,
    objection,
    read_json,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exec_status import (
    ExitStatus,
    read_exit_status,
)


@pytest.mark.parametrize(
    ("command", "script", "arguments", "argv"),
    [
        (["node", "job.js"], None, ["--all"], ["node", "job.js", "--all"]),
        (None, "sync", [], ["npm", "run", "--silent", "sync"]),
        (None, "sync", ["--since=1h"], ["npm", "run", "--silent", "sync", "--", "--since=1h"]),
    ],
)
def test_npm_gets_a_separator(command: Any, script: Any, arguments: list[str], argv: list[str]) -> None:
    assert build_command(command, script, arguments) == argv


@pytest.mark.parametrize(
    ("command", "script", "arguments", "allowed", "allowed_arguments", "word"),
    [
        (["node", "x"], None, [], ["node"], None, None),
        (["/usr/bin/node"], None, [], ["node"], None, "not_allowed"),
        (["sh", "-c", "x"], None, [], ["node"], None, "not_allowed"),
        (["npm", "run", "x"], None, [], ["npm", "*"], None, "npm_as_command"),
        (["/usr/local/bin/npm"], None, [], ["*"], None, "npm_as_command"),
        ([], None, [], ["*"], None, "no_command"),
        ([""], None, [], ["*"], None, "no_command"),
        (None, "metrics:sync", [], ["metrics:*"], None, None),
        (None, "drop-all", [], ["metrics:*"], None, "not_allowed"),
        (None, "--version", [], ["*"], None, "invalid_script"),
        (None, "a b", [], ["*"], None, "invalid_script"),
        (None, "sync", ["--since=1h"], ["sync"], ["--since=*"], None),
        (None, "sync", ["--force"], ["sync"], ["--since=*"], "argument_not_allowed"),
        (None, "sync", ["--force"], ["sync"], [], "argument_not_allowed"),
        (["node", "evil.js"], None, [], ["node"], ["job.js"], "argument_not_allowed"),
        (None, "sync", [], [], None, "not_allowed"),
    ],
)
def test_only_what_is_allowed(
    command: Any, script: Any, arguments: list[str], allowed: list[str], allowed_arguments: Any, word: str | None
) -> None:
    found = objection(command, script, arguments, allowed, allowed_arguments)
    assert (found[0] if found else None) == word


def pod(name: str, started: str, *, ready: bool = True, deleting: bool = False) -> dict[str, Any]:
    metadata = {"name": name, **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if deleting else {})}
    conditions = [{"type": "Ready", "status": str(ready)}]
    return {"metadata": metadata, "status": {"phase": "Running", "startTime": started, "conditions": conditions}}


def test_the_ready_pod_that_has_run_longest() -> None:
    pods = [
        pod("young", "2026-01-01T02:00:00Z"),
        pod("old", "2026-01-01T01:00:00Z"),
        pod("unready", "2026-01-01T00:00:00Z", ready=False),
        pod("leaving", "2026-01-01T00:00:00Z", deleting=True),
    ]
    chosen = choose_pod(pods)
    assert chosen
    assert chosen["metadata"]["name"] == "old"
    assert choose_pod(pods[2:]) is None


@pytest.mark.parametrize(
    ("names", "wanted", "chosen"),
    [
        (["app"], None, "app"),
        (["app", "proxy"], "proxy", "proxy"),
        (["app", "proxy"], None, "ambiguous_container"),
        (["app"], "other", "unknown_container"),
    ],
)
def test_containers(names: list[str], wanted: str | None, chosen: str) -> None:
    found = choose_container({"spec": {"containers": [{"name": name} for name in names]}}, wanted)
    assert (found if isinstance(found, str) else found[0]) == chosen


@pytest.mark.parametrize(
    ("output", "document", "why"),
    [
        (b'{"n": 1}', {"n": 1}, None),
        (b'starting\nworking\n{"n": 1}\n', {"n": 1}, None),
        (b'{\n  "n": 1\n}\n', {"n": 1}, None),
        (b"done", None, "the output is no JSON"),
        (b"", None, "there is no output"),
        (b"NaN", None, "the output is no JSON"),
        (b"\xff\xfe", None, "the output is no JSON"),
    ],
)
def test_json_of_a_job(output: bytes, document: Any, why: str | None) -> None:
    assert read_json(output) == (document, why)


def status(**content: Any) -> bytes:
    return json.dumps({"metadata": {}, **content}).encode()


def exited(code: str) -> bytes:
    causes = [{"reason": "ExitCode", "message": code}]
    return status(status="Failure", reason="NonZeroExitCode", message=f"exit {code}", details={"causes": causes})


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (status(status="Success"), ExitStatus("succeeded", 0)),
        (exited("3"), ExitStatus("failed", 3, "exit 3")),
        (exited("137"), ExitStatus("failed", 137, "exit 137")),
        (exited("0"), ExitStatus("unknown", None, "exit 0")),
        (exited("many"), ExitStatus("unknown", None, "exit many")),
        (b"", ExitStatus("unknown", None, "the connection ended without an exit status")),
        (b"{", ExitStatus("unknown", None, "the exit status cannot be read")),
        (b"[]", ExitStatus("unknown", None, "the exit status cannot be read")),
        (status(status="Perhaps"), ExitStatus("unknown", None, "the exit status cannot be read")),
        (
            status(status="Failure", reason="InternalError", message='exec: "x": executable file not found in $PATH'),
            ExitStatus("failed", None, 'exec: "x": executable file not found in $PATH'),
        ),
        (
            status(status="Failure", reason="InternalError", message="error reading from the container"),
            ExitStatus("unknown", None, "error reading from the container"),
        ),
    ],
)
def test_a_missing_exit_status_is_never_success(said: bytes, expected: ExitStatus) -> None:
    assert read_exit_status(said) == expected
