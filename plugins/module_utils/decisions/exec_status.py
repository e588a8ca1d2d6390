# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read how a command in a container ended, from the ``v1.Status`` on the error channel. Pure, no I/O.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SUCCEEDED, FAILED, UNKNOWN = "succeeded", "failed", "unknown"
MESSAGE_LENGTH = 300


@dataclass(frozen=True)
class ExitStatus:
    """How a command ended.

    Attributes:
        status: ``succeeded`` with exit code 0; ``failed`` with another exit code, or when it could not be started;
            ``unknown`` when nobody said how it ended. That is never success.
        exit_code: ``None`` when there is none.
        message: what the server said, or why it is not known.
    """

    status: str
    exit_code: int | None = None
    message: str | None = None


def read_exit_status(said: bytes) -> ExitStatus:
    """Read what came on the error channel; nothing at all is ``unknown``."""
    if not said.strip():
        return ExitStatus(UNKNOWN, None, "the connection ended without an exit status")
    try:
        status = json.loads(said)
    except ValueError:
        status = None
    if not isinstance(status, dict) or status.get("status") not in {"Success", "Failure"}:
        return ExitStatus(UNKNOWN, None, "the exit status cannot be read")
    if status["status"] == "Success":
        return ExitStatus(SUCCEEDED, 0)
    message = " ".join(str(status.get("message") or "no reason given").split())[:MESSAGE_LENGTH]
    if status.get("reason") != "NonZeroExitCode":
        # it was not started, or the node lost it: no exit code, and how far it came only the text can tell
        started = "executable file not found" not in message and "no such file or directory" not in message
        return ExitStatus(UNKNOWN if started else FAILED, None, message)
    code = _exit_code(status)
    return ExitStatus(FAILED, code, message) if code else ExitStatus(UNKNOWN, None, message)


def _exit_code(status: Mapping[str, Any]) -> int | None:
    for cause in (status.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode" and str(cause.get("message")).isdigit():
            return int(cause["message"])
    return None
