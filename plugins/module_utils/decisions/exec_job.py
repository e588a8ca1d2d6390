# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which command may run in which pod, and what it said. Pure, no I/O."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import is_ready

Objection = tuple[str, str]

_SCRIPT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_:./-]*")


def build_command(command: Sequence[str] | None, npm_script: str | None, arguments: Sequence[str]) -> list[str]:
    """Return program and arguments.

    For npm, ``--`` stands before the arguments: npm takes any flag before it for its own, silently.
    """
    if npm_script is None:
        return [*(command or []), *arguments]
    return ["npm", "run", "--silent", npm_script, *(["--", *arguments] if arguments else [])]


def objection(
    command: Sequence[str] | None,
    npm_script: str | None,
    arguments: Sequence[str],
    allowed: Sequence[str],
    allowed_arguments: Sequence[str] | None,
) -> Objection | None:
    """Return a stable word and a sentence when the command may not run.

    Args:
        command: program and arguments.
        npm_script: name of a script instead.
        arguments: further arguments.
        allowed: shell patterns of programs and scripts.
        allowed_arguments: shell patterns of arguments; ``None`` allows all.
    """
    if npm_script is None and not (command and command[0]):
        return "no_command", "there is no program to run"
    if npm_script is not None and not _SCRIPT.fullmatch(npm_script):
        return "invalid_script", f"{npm_script!r} is no valid name of an npm script"
    if command and PurePosixPath(command[0]).name == "npm":
        return "npm_as_command", "npm would take flags for its own; give npm_script and arguments instead"
    name = npm_script if npm_script is not None else str((command or [""])[0])
    if not any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed):
        return "not_allowed", f"{name} is not among the allowed ones: {', '.join(allowed) or 'none'}"
    every = [*(command or [])[1:], *arguments]
    for argument in every if allowed_arguments is not None else []:
        if not any(fnmatch.fnmatchcase(argument, pattern) for pattern in allowed_arguments or []):
            return "argument_not_allowed", f"{argument!r} is not among the allowed arguments of {name}"
    return None


def choose_container(pod: Mapping[str, Any], wanted: str | None) -> str | Objection:
    """Return the container to run in, or why that is not clear."""
    names = [str(container.get("name")) for container in (pod.get("spec") or {}).get("containers") or []]
    if wanted is None:
        if len(names) == 1:
            return names[0]
        return "ambiguous_container", f"the pods have the containers {', '.join(names)}; name one of them"
    return wanted if wanted in names else ("unknown_container", f"no container {wanted}; there is {', '.join(names)}")


def choose_pod(pods: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the Ready pod that has run longest, which is the least likely to be replaced now."""

    def age(pod: Mapping[str, Any]) -> tuple[str, str]:
        return str((pod.get("status") or {}).get("startTime") or "~"), str(pod["metadata"]["name"])

    return min((pod for pod in pods if is_ready(pod)), key=age, default=None)


def read_json(output: bytes) -> tuple[Any, str | None]:
    """Return the JSON that a job printed, and why there is none.

    The whole output may be JSON, or its last line, as jobs log before it.
    """
    text = output.decode("utf-8", "replace").strip()
    candidates = [text, *text.splitlines()[-1:]]
    for candidate in candidates:
        try:
            return json.loads(candidate, parse_constant=_no_constant), None
        except ValueError:
            continue
    return None, "the output is no JSON" if text else "there is no output"


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
