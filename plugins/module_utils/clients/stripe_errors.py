# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Stripe says when it does not do something, read as causes. Pure functions, no I/O.

The shapes of its errors: https://docs.stripe.com/api/errors and https://docs.stripe.com/error-low-level
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import http_json_errors
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MESSAGE_LENGTH = 300

NEXT_STEPS = {
    "not_configured": "set it on the inventory host stripe",
    "invalid": "check what was asked for; Stripe does not accept it",
    "wrong_mode": "give a key of the mode that the platform works in, or correct stripe_livemode",
    "invalid_auth": "check stripe_api_key, and whether the key was rolled or deleted in the Dashboard",
    "key_expired": "the key was rolled or has expired; take the new one from the vault",
    "forbidden": "give the restricted key the permission that Stripe names",
    "not_found": "check the identifier, and that the key belongs to the same account",
    "mode_mismatch": "the object is of the other mode; check which mode the platform's own key is of",
    "rate_limited": "the account asks more often than Stripe allows; ask less often, and try again in a moment",
    "lock_timeout": "other requests hold the same object; asking less often does not help, asking one by one does",
    "card_error": "the bank or Stripe's Radar declined; that is no fault of the platform",
    "idempotency": "a request with this idempotency key is under way or was another one; look at its outcome first",
    "server_error": "Stripe has a problem of its own; look at its status page",
    "timeout": "check the network and Stripe's status page; raise stripe_timeout if it is only slow",
    "unreachable": "check address, name service, certificates and proxy between here and Stripe",
    "unexpected": "something else answers in its place, such as a proxy or a login page; check stripe_url",
}
_CAUSES_BY_STATUS = {
    400: "invalid",
    401: "invalid_auth",
    402: "card_error",
    403: "forbidden",
    404: "not_found",
    409: "idempotency",
    429: "rate_limited",
}
_CAUSES_BY_CODE = {
    "lock_timeout": "lock_timeout",
    "rate_limit": "rate_limited",  # once said with 400, as the official package knows too
    "api_key_expired": "key_expired",
    "platform_api_key_expired": "key_expired",
    "idempotency_key_in_use": "idempotency",
}
_OTHER_MODE = re.compile(r"a similar object exists in (live|test) mode", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_WORD = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True)
class Failure:
    """Why Stripe was not asked, did not answer, or did not do what it was asked.

    Attributes:
        cause: one of the keys of ``NEXT_STEPS``.
        message: one bounded line.
        status: HTTP status; ``None`` when no answer came.
        request_id: Stripe's identifier of the request, for its support.
        error_type: such as ``invalid_request_error``; ``None`` when Stripe named none.
        error_code: such as ``resource_missing``.
        decline_code: such as ``insufficient_funds``.
        may_have_happened: it was to change something, was sent, and nobody said whether it took effect.
        advice: what to check or do, where it is not the cause's own.
    """

    cause: str
    message: str
    status: int | None = None
    request_id: str | None = None
    error_type: str | None = None
    error_code: str | None = None
    decline_code: str | None = None
    may_have_happened: bool = False
    advice: str | None = None

    @property
    def text(self) -> str:
        """The message with its status."""
        return f"HTTP {self.status}, {self.message}" if self.status else self.message

    @property
    def next_step(self) -> str:
        """What to check or do."""
        return self.advice or NEXT_STEPS[self.cause]


class StripeError(IncidentsError):
    """Stripe was not asked, did not answer or did not do it.

    ``details`` carry ``cause``, ``hint``, ``status_code``, ``request_id``, ``error_type``, ``error_code``,
    ``decline_code`` and ``may_have_happened``.

    Args:
        attempted: ``<what was attempted> on <which object>``.
        secrets: texts that must not be in the message, whatever is echoed.
    """

    def __init__(self, attempted: str, failure: Failure, secrets: Iterable[str] = ()) -> None:
        shown = replace(failure, message=http_json_errors.hidden(failure.message, secrets))
        super().__init__(
            f"{attempted}: {shown.text}; {shown.next_step}",
            cause=shown.cause,
            hint=shown.next_step,
            status_code=shown.status,
            request_id=shown.request_id,
            error_type=shown.error_type,
            error_code=shown.error_code,
            decline_code=shown.decline_code,
            may_have_happened=shown.may_have_happened,
        )
        self.failure = shown

    @property
    def cause(self) -> str:
        """One of the keys of ``NEXT_STEPS``."""
        return self.failure.cause


def problem(failure: Failure) -> dict[str, Any]:
    """What a module that diagnoses returns of a failure, instead of failing itself."""
    return {"cause": failure.cause, "message": failure.text, "hint": failure.next_step}


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return Stripe's identifier of a request; ``None`` where what stands there is none.

    Args:
        headers: by name in lower case.
    """
    return _matching(_REQUEST_ID, headers.get("request-id"))


def word(value: Any) -> str | None:
    """Return a word of Stripe's vocabulary, such as a status or a code; ``None`` for anything else."""
    return _matching(_WORD, value)


def _matching(pattern: re.Pattern[str], value: Any) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def answer_failure(status: int, headers: Mapping[str, str], content: Any, *, changes: bool) -> Failure:
    """Classify an answer that is no success.

    Args:
        headers: by name in lower case.
        content: the JSON of the answer; ``None`` when it is none.
        changes: whether the request was to change something.
    """
    said = content.get("error") if isinstance(content, Mapping) else None
    if not isinstance(said, Mapping):
        return _foreign(status, changes=changes)
    kind, code = word(said.get("type")), word(said.get("code"))
    message = plain_line(str(said.get("message") or ""), MESSAGE_LENGTH) or "no explanation given"
    cause = _cause(status, kind, code, message)
    return Failure(
        cause=cause,
        message=message,
        status=status,
        request_id=request_id_of(headers),
        error_type=kind,
        error_code=code,
        decline_code=word(said.get("decline_code")),
        # "the result of a 500 request is indeterminate": https://docs.stripe.com/error-low-level
        may_have_happened=changes and (cause == "server_error" or code == "idempotency_key_in_use"),
    )


def _cause(status: int, kind: str | None, code: str | None, message: str) -> str:
    if code in _CAUSES_BY_CODE:
        return _CAUSES_BY_CODE[code]
    if kind == "idempotency_error":
        return "idempotency"
    if status == HTTPStatus.NOT_FOUND and _OTHER_MODE.search(message):
        return "mode_mismatch"
    return _CAUSES_BY_STATUS.get(status) or _cause_beyond(status)


def _cause_beyond(status: int) -> str:
    return "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "unexpected"


def _foreign(status: int, *, changes: bool) -> Failure:
    """An answer without Stripe's error object: of a gateway in front of Stripe, or of something else."""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Failure("server_error", "the answer says no more", status, may_have_happened=changes)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Failure("rate_limited", "the answer says no more", status)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Failure("unexpected", "the address redirects elsewhere", status)
    return Failure("unexpected", "the answer is not one of Stripe's", status)


def unusable(status: int, headers: Mapping[str, str], *, changes: bool) -> Failure:
    """Return the failure of an answer that says success and is not Stripe's."""
    return Failure(
        "unexpected", "the answer is no JSON object", status, request_id_of(headers), may_have_happened=changes
    )


def not_reached(failure: http_json_errors.Failure, *, changes: bool) -> Failure:
    """Return the failure of a request that got no answer.

    Args:
        changes: whether it, or an earlier try of the same, may have changed something.
    """
    cause = {"timeout": "timeout", "invalid": "invalid"}.get(failure.cause, "unreachable")
    own = failure.next_step if cause == "unreachable" and failure.cause != "no_answer" else None
    return Failure(cause, failure.message, failure.status, may_have_happened=changes, advice=failure.advice or own)
