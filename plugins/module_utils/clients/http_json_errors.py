# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What went wrong when something was sent to a service over HTTP, and whether sending it again can help. No I/O."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, quote_plus

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import MASK, mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import in_utc

MESSAGE_LENGTH = 300
LONGEST_PAUSE_S = 24 * 3600
SHORTEST_SECRET = 4
RETRYABLE = frozenset({"throttled", "server_error", "timeout", "refused", "dns", "no_answer"})
# A gateway that got no answer from the service behind it
_GATEWAY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)

NEXT_STEPS = {
    "not_configured": "set it on the inventory host communications",
    "invalid_auth": "check the key or token, and whether it was revoked",
    "not_permitted": "check what the key or token is allowed to do",
    "not_found": "check the identifiers",
    "invalid": "check what was to be sent; the service does not accept it",
    "throttled": "the service limits requests; send again later",
    "server_error": "the service has a problem of its own; look at its status page and send again later",
    "timeout": "check the network and the service's status page; raise timeout if it is only slow",
    "refused": "nothing listens there: check the address and the network in between",
    "dns": "check the host name and the name service",
    "tls": "check the host name, the clock and the certificate authorities (REQUESTS_CA_BUNDLE)",
    "no_answer": "check the network, a proxy in between and the service's status page",
}
_CAUSES_BY_STATUS = {
    401: "invalid_auth",
    402: "not_permitted",
    403: "not_permitted",
    404: "not_found",
    407: "no_answer",
    410: "not_found",
    420: "throttled",
    429: "throttled",
}


@dataclass(frozen=True)
class Answer:
    """An answer over HTTP.

    Attributes:
        status: HTTP status.
        headers: by name in lower case.
        body: as it came, bounded.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        """The body read as JSON; ``None`` when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def kind(self) -> str:
        """The media type, for texts."""
        return plain_line(self.headers.get("content-type", "").partition(";")[0], 40) or "no type"

    @property
    def text(self) -> str:
        """What the answer says, as one line, where it is no JSON."""
        start = self.body[:MESSAGE_LENGTH].decode("utf-8", "replace").strip()
        # not by its type alone: Slack's webhooks send plain words as text/html
        return "the answer is a web page" if start.startswith("<") else plain_line(start, MESSAGE_LENGTH)


@dataclass(frozen=True)
class Failure:
    """Why nothing was sent, or why what was sent was not accepted.

    Attributes:
        cause: one of the keys of ``NEXT_STEPS``.
        message: one bounded line.
        advice: what to check or do, where it is not the cause's own.
        status: HTTP status; ``None`` when no answer came.
        retry_after_s: seconds to wait, as the service asked for; ``None`` when it did not say.
        may_have_happened: it was sent and nobody said whether it was accepted.
        code: the service's own number of the error, where it has one.
    """

    cause: str
    message: str
    advice: str | None = None
    status: int | None = None
    retry_after_s: float | None = None
    may_have_happened: bool = False
    code: int | None = None

    @property
    def text(self) -> str:
        """The message with its status."""
        return f"HTTP {self.status}, {self.message}" if self.status else self.message

    @property
    def next_step(self) -> str:
        """What to check or do."""
        return self.advice or NEXT_STEPS[self.cause]


class SendError(IncidentsError):
    """Nothing was sent, or it was not accepted.

    ``details`` carry ``cause``, ``retryable``, ``retry_after_s``, ``may_have_happened``, ``status_code`` and ``hint``.

    Args:
        attempted: ``<what was attempted> on <which service>``.
        secrets: texts that must not be in the message, whatever a service echoes.
    """

    def __init__(self, attempted: str, failure: Failure, secrets: Iterable[str] = ()) -> None:
        forms = list(secrets)
        advice = None if failure.advice is None else hidden(failure.advice, forms)
        shown = replace(failure, message=hidden(failure.message, forms), advice=advice)
        super().__init__(
            f"{attempted}: {shown.text}; {shown.next_step}",
            cause=failure.cause,
            retryable=failure.cause in RETRYABLE,
            retry_after_s=failure.retry_after_s,
            may_have_happened=failure.may_have_happened,
            status_code=failure.status,
            hint=shown.next_step,
        )
        self.failure = shown


def refusal(answer: Answer, message: str, advice: str | None = None, cause: str | None = None) -> Failure:
    """Return the failure of an answer that is no success.

    Args:
        message: what the service said.
        advice: as of :class:`Failure`.
        cause: where the service's own rules say more than the HTTP status.
    """
    if answer.status // 100 == HTTPStatus.MULTIPLE_CHOICES // 100:
        advice = "give the service's own address; redirects are not followed, as a secret travels in each request"
        return Failure("invalid", "the address redirects elsewhere", advice, answer.status)
    found = cause or _CAUSES_BY_STATUS.get(answer.status) or _cause_of(answer.status)
    return Failure(
        cause=found,
        message=plain_line(message, MESSAGE_LENGTH) or answer.text or "no explanation given",
        advice=advice,
        status=answer.status,
        retry_after_s=pause_s(answer.headers) if found in {"throttled", "server_error"} else None,
        may_have_happened=answer.status in _GATEWAY,
    )


def _cause_of(status: int) -> str:
    return "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid"


def unusable(answer: Answer, expected: str = "no JSON object") -> Failure:
    """Return the failure of an answer that says success and is not the service's."""
    return Failure(
        cause="no_answer",
        message=f"the answer is {expected} ({answer.kind})",
        advice="something else answers in its place, such as a proxy or a login page; check the address",
        status=answer.status,
        may_have_happened=True,
    )


def pause_s(headers: Mapping[str, str], now: dt.datetime | None = None) -> float | None:
    """Return the seconds that a service asks to wait: ``Retry-After``, or PagerDuty's ``ratelimit-reset``.

    Args:
        headers: by name in lower case.
        now: the time that a date counts from; the clock's unless given.
    """
    for name in ("retry-after", "ratelimit-reset"):
        asked = headers.get(name, "").strip()[:64]
        if asked.isascii() and asked.isdigit():
            return float(min(int(asked), LONGEST_PAUSE_S))
        seconds = _until(asked, now or dt.datetime.now(dt.UTC)) if asked else None
        if seconds is not None:
            return min(max(seconds, 0.0), float(LONGEST_PAUSE_S))
    return None


def _until(date: str, now: dt.datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return (in_utc(moment) - now).total_seconds()


def written(secret: str) -> Iterator[str]:
    """Yield a secret and the forms in which a service or a library may quote it."""
    if len(secret) < SHORTEST_SECRET:
        return
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield quote(raw, safe="")
    yield quote_plus(raw)
    yield json.dumps(secret)[1:-1]
    for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
        yield encode(raw).decode()
        yield encode(raw).decode().rstrip("=")


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return *text* without the secrets, in whatever form, and without what looks like one."""
    for form in sorted({form for secret in secrets for form in written(secret)}, key=len, reverse=True):
        text = text.replace(form, MASK)
    return mask(text)
