# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Fetch status pages: public, without any key, and therefore with redirects, each of them checked.

A page that redirects to a host that is not allowed, is no JSON or is too large is as good as none.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    LONGEST_URL,
    USER_AGENT,
    is_loopback,
    open_transport,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    NEXT_STEPS,
    Answer,
    Failure,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_transport import Transport

LARGEST_PAGE = 2**20
MOST_REDIRECTS = 3
MOST_URLS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_ANSWERS_ELSEWHERE = "something else answers in its place, such as a proxy or a login page; check the address"


@dataclass
class Page:
    """What became of one address.

    Attributes:
        url: the address that was given.
        document: the JSON; ``None`` when there is none.
        cause: why there is none: ``timeout``, ``unreachable``, ``http_error``, ``not_json``, ``redirect_refused`` or
            ``too_large``; ``None`` when there is.
        message: the same in one line.
        hint: what to check.
        calls: each request: ``method``, ``url``, ``status`` and ``duration_s``.
    """

    url: str
    document: Any = None
    cause: str | None = None
    message: str | None = None
    hint: str | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    def fail(self, cause: str, message: str, hint: str) -> None:
        """Note why there is no document."""
        self.cause, self.message, self.hint = cause, message, hint


def objection(url: str, hosts: Sequence[str]) -> str | None:
    """Return what speaks against asking at an address, given or redirected to; ``None`` for nothing.

    Args:
        hosts: names that are allowed, and with them every name below.
    """
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return "it is no valid address"
    if len(url) > LONGEST_URL or not host or "@" in parts.netloc or not url.isascii() or not url.isprintable():
        return "it is no valid address"
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        return "it must begin with https://; plain http is for loopback hosts only"
    if not any(host == name.lower() or host.endswith("." + name.lower()) for name in hosts):
        return f"the host {plain_line(host, 80)} is not among the allowed ones"
    return None


def fetch(urls: Sequence[str], hosts: Sequence[str], limit_s: float) -> list[Page]:
    """Fetch all of them at the same time, so that one that hangs costs its own limit only.

    Raises:
        IncidentsError: ``requests`` is missing.
    """
    transports = [open_transport(limit_s) for _ in urls]

    def one(page: Page, transport: Transport) -> None:
        with contextlib.closing(transport):
            transport.largest = LARGEST_PAGE
            _follow(transport, page, hosts, time.monotonic() + limit_s)

    pages = [Page(url) for url in urls]
    threads = [
        threading.Thread(target=one, args=(page, transport), daemon=True)
        for page, transport in zip(pages, transports, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()  # each ends by its own limit
    return pages


def _follow(transport: Transport, page: Page, hosts: Sequence[str], deadline: float) -> None:
    url = page.url
    for _ in range(MOST_REDIRECTS + 1):
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            page.fail("timeout", "its redirects took all of the time", NEXT_STEPS["timeout"])
            return
        answer = _ask(transport, page, url, left_s)
        if isinstance(answer, Failure):
            cause = {"timeout": "timeout"}.get(answer.cause) or ("too_large" if answer.status else "unreachable")
            page.fail(cause, answer.message, answer.next_step)
            return
        if answer.status not in _REDIRECTS:
            _read(page, answer)
            return
        url = urljoin(url, answer.headers.get("location", ""))
        refused = objection(url, hosts)
        if refused:
            page.fail("redirect_refused", f"it redirects elsewhere: {refused}", _ANSWERS_ELSEWHERE)
            return
    page.fail("redirect_refused", f"it redirects more than {MOST_REDIRECTS} times", _ANSWERS_ELSEWHERE)


def _ask(transport: Transport, page: Page, url: str, left_s: float) -> Answer | Failure:
    headers: Mapping[str, str] = {"User-Agent": USER_AGENT, "Accept": "application/json"}
    started = time.monotonic()
    transport.limit_s = left_s
    answer: Answer | Failure = transport.exchange("GET", url, headers, None)
    page.calls.append(
        {
            "method": "GET",
            "url": plain_line(url.partition("?")[0], 200),
            "status": answer.status,
            "duration_s": round(time.monotonic() - started, 4),
        }
    )
    return answer


def _read(page: Page, answer: Answer) -> None:
    if answer.status != HTTPStatus.OK:
        page.fail("http_error", f"HTTP {answer.status}", _ANSWERS_ELSEWHERE)
    elif not isinstance(answer.content, dict):
        page.fail("not_json", f"the answer is no JSON object ({answer.kind})", _ANSWERS_ELSEWHERE)
    else:
        page.document = answer.content
