# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's log: one JSON object a line on standard output, or plain lines where ``LOG_FORMAT`` is ``text``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from incident_runbooks.lab.workloads.error_classes import ErrorClass

_LEVELS = ("debug", "info", "warn", "error")


class JsonLog:
    """Writes lines with ``level``, ``time`` (UTC), ``context``, ``msg``, ``pod``, and ``err`` where something failed.

    Args:
        environ: ``LOG_LEVEL`` (debug, info, warn, error) and ``LOG_FORMAT`` (json, text), and ``POD_NAME``.
        stream: standard output unless said.
    """

    def __init__(self, environ: Mapping[str, str], stream: TextIO | None = None) -> None:
        level = environ.get("LOG_LEVEL", "info")
        self._from = _LEVELS.index(level) if level in _LEVELS else 1
        self._text = environ.get("LOG_FORMAT") == "text"
        self._pod = environ.get("POD_NAME", "")
        self._stream = stream or sys.stdout

    def info(self, context: str, msg: str, **fields: Any) -> None:
        """Write what happened."""
        self._write("info", context, msg, fields)

    def warn(self, context: str, msg: str, **fields: Any) -> None:
        """Write what is odd."""
        self._write("warn", context, msg, fields)

    def error(self, context: str, msg: str, **fields: Any) -> None:
        """Write what failed."""
        self._write("error", context, msg, fields)

    def failure(self, failed: ErrorClass) -> None:
        """Write an error as the platform's libraries word it."""
        self.error(failed.context, failed.msg, err=failed.err())

    def _write(self, level: str, context: str, msg: str, fields: Mapping[str, Any]) -> None:
        if _LEVELS.index(level) < self._from:
            return
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self._text:
            line = f"{time} {level.upper()} [{context}] {msg}"
        else:
            line = json.dumps(
                {"level": level, "time": time, "context": context, "msg": msg, **fields, "pod": self._pod}
            )
        self._stream.write(line + "\n")
        self._stream.flush()
