# SPDX-License-Identifier: GPL-3.0-or-later
"""Times of test cases that are told as ages: a test may run an hour after its cases were collected."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ago:
    """A moment that lies so many seconds before the test runs."""

    seconds: float


def dated(value: Any) -> Any:
    """Return the same data with the moments of now, RFC 3339, in place of ages."""
    if isinstance(value, Ago):
        moment = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=value.seconds)
        return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: dated(each) for name, each in value.items()}
    return [dated(each) for each in value] if isinstance(value, list) else value
