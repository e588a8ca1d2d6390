# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception family of the command: the code below raises, only ``cli/main.py`` reports."""

from __future__ import annotations


class RunbookError(Exception):
    """Something that the operator asked for could not be done.

    Args:
        message: ``<what was attempted> on <which object>: <cause>``.
        code: what kind of failure it is, one of the codes of the result's ``errors``.
        exit_code: the process's exit code.
        hint: what to check or set.
    """

    def __init__(self, message: str, *, code: str = "internal", exit_code: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.exit_code = exit_code
        self.hint = hint


class UsageError(RunbookError):
    """What was asked for is not valid, or something that it names is not there (exit 2)."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, code="usage", exit_code=2, hint=hint)


class LockedError(RunbookError):
    """Another run holds the incident (exit 7)."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, code="locked", exit_code=7, hint=hint)
