# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The one exception family of the collection's utilities: they raise, only the edge fails."""

from __future__ import annotations

from typing import Any


class IncidentsError(Exception):
    """Something that was attempted on an object did not work.

    Args:
        message: ``<what was attempted> on <which object>: <cause>[; <what to check>]``.
        details: further keys of the failed result, such as what had already been done.
    """

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
