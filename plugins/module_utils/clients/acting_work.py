# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Do the work of an acting module so that a failure in the middle says what had been done by then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


class ActingWork(Protocol):
    """Work that knows at any time what it has done."""

    def do(self, *, check_mode: bool) -> None:
        """Do it, or in check mode only plan it."""

    def plain(self) -> dict[str, Any]:
        """Return the module's result as far as the work has got."""


@contextmanager
def recording_progress(progress: Callable[[], dict[str, Any]], *kinds: type[IncidentsError]) -> Iterator[None]:
    """Let a failure say in its ``details`` what had been done by then.

    Args:
        progress: returns the module's result so far.
        kinds: the errors of servers; that options make no sense needs no such record, nothing was done.
    """
    try:
        yield
    except kinds as error:
        error.details.update(progress() | {"reason": error.message})
        raise


def told(work: ActingWork, *, check_mode: bool) -> dict[str, Any]:
    """Do the work and return the module's result.

    Raises:
        SendError: the server cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the work makes no sense.
    """
    with recording_progress(work.plain, SendError):
        work.do(check_mode=check_mode)
    return work.plain()
