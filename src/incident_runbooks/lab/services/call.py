# SPDX-License-Identifier: GPL-3.0-or-later
"""A request and its answer, as the services of the lab see them: plain data, no HTTP server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

FORM = "application/x-www-form-urlencoded"

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        service: whom it is for, as its server names it.
        method: of HTTP.
        path: below the service's own prefix, such as ``/chat.postMessage``.
        query: names and values in their order; a name can come twice.
        headers: case does not matter.
        body: as it came.
    """

    service: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """The media type of the body in lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def values(self, name: str) -> list[str]:
        """Return every value of a query parameter."""
        return [value for key, value in self.query if key == name]

    def value(self, name: str, default: str = "") -> str:
        """Return the last value of a query parameter."""
        return next(reversed(self.values(name)), default)


@dataclass(frozen=True)
class Answer:
    """What a service says.

    Attributes:
        status: of HTTP.
        body: JSON data, or text.
        headers: beside the content type, which follows from the body unless it is given.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> tuple[bytes, dict[str, str]]:
        """Return the body as bytes, and all headers."""
        if isinstance(self.body, str):
            return self.body.encode(), {"Content-Type": "text/html; charset=utf-8", **self.headers}
        if self.body is None:
            return b"", dict(self.headers)
        return json.dumps(self.body).encode(), {"Content-Type": "application/json; charset=utf-8", **self.headers}


class RefusedError(Exception):
    """The service does not do what the request asks for.

    Attributes:
        answer: what it says instead.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def now() -> str:
    """Return the time as RFC 3339 with milliseconds, as Statuspage words it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now_s() -> str:
    """Return the time as RFC 3339 in seconds, as PagerDuty words it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
