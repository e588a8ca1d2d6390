# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Do the work of an acting module so that a failure in the middle says what had been done by then."""

from __future__ import annotations

from typing import Any, Protocol

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError


class ActingWork(Protocol):
    """Work that knows at any time what it has done."""

    def do(self, *, check_mode: bool) -> None:
        """Do it, or in check mode only plan it."""

    def plain(self) -> dict[str, Any]:
        """Return the module's result as far as the work has got."""


def told(work: ActingWork, *, check_mode: bool) -> dict[str, Any]:
    """Do the work and return the module's result.

    Raises:
        SendError: the server cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the work makes no sense.
    """
    try:
        work.do(check_mode=check_mode)
    except SendError as error:
        error.details.update(work.plain() | {"reason": error.message})
        raise
    return work.plain()
