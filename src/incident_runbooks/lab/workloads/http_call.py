# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request of a workload, and why it had no answer, by the codes of Node.js."""

from __future__ import annotations

import errno
import http.client
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

TIMED_OUT, RESET, NOT_FOUND = "ETIMEDOUT", "ECONNRESET", "ENOTFOUND"
_LARGEST = 1024 * 1024
# no proxy of whoever started the lab
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class UnreachableError(Exception):
    """There was no answer.

    Attributes:
        code: of Node.js, such as ``ECONNREFUSED``.
        message: as Node.js says it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Answer:
    """What was answered, whatever its status; headers by their names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def retry_after_s(self) -> float | None:
        """Return the seconds of ``Retry-After``; ``None`` where it has none."""
        said = str(self.headers.get("retry-after") or "")
        return float(said) if said.isdecimal() else None


def exchange(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None = None, *, timeout_s: float
) -> Answer:
    """Send a request and return the answer.

    Raises:
        UnreachableError: there is none in time.
    """
    request = urllib.request.Request(url, data=body, headers=dict(headers), method=method)  # noqa: S310 - of the lab
    try:
        with _OPENER.open(request, timeout=timeout_s) as response:
            return Answer(response.status, _lowered(response.headers), response.read(_LARGEST))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lowered(error.headers), error.read(_LARGEST))
    except (OSError, http.client.HTTPException) as error:
        code = _code(error)
        where = urlsplit(url).netloc
        said = f"request timed out after {timeout_s:g} s, {TIMED_OUT}" if code == TIMED_OUT else f"connect {code}"
        raise UnreachableError(code, f"{said} {where}") from error


def _lowered(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _code(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    cause = reason if isinstance(reason, OSError) else error
    if isinstance(cause, TimeoutError):
        return TIMED_OUT
    if isinstance(cause, socket.gaierror):
        return NOT_FOUND
    return errno.errorcode.get(getattr(cause, "errno", None) or 0, RESET)
