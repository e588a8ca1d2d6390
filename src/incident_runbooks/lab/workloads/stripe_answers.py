# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform's Stripe library makes of Stripe's answers: stripe-node's errors, with their names and texts.

Source: stripe-node's ``RequestSender`` and ``Error``. 401, 403 and 429 decide by themselves which error it is, any
other status leaves it to the ``type`` in the answer.
"""

from __future__ import annotations

import errno
import json
import re
import socket
from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

TIMED_OUT = "ETIMEDOUT"
# What the backend counts failed payments by
REASONS = ("card_declined", "api_error", "rate_limit", "lock_timeout", "authentication", "connection", "mode")

# status -> stripe-node's class, and the type that Stripe's older answers and its other libraries give it
_BY_STATUS = {
    401: ("StripeAuthenticationError", "authentication_error"),
    403: ("StripePermissionError", "permission_error"),
    429: ("StripeRateLimitError", "rate_limit_error"),
}
_BY_TYPE = {
    "card_error": "StripeCardError",
    "invalid_request_error": "StripeInvalidRequestError",
    "api_error": "StripeAPIError",
    "idempotency_error": "StripeIdempotencyError",
}
_REASONS = {
    "StripeCardError": "card_declined",
    "StripeAuthenticationError": "authentication",
    "StripePermissionError": "authentication",
    "StripeRateLimitError": "rate_limit",
    "StripeConnectionError": "connection",
}
_OTHER_MODE = "a similar object exists in"
_KEY = re.compile(r"\b((?:sk|rk)_(?:live|test)_|whsec_)[A-Za-z0-9]+")
_LONGEST = 300


class StripeError(Exception):
    """Stripe did not do what it was asked to do.

    Attributes:
        kind: stripe-node's class, such as ``StripeCardError``.
        type: as Stripe has it, such as ``card_error``; ``api_connection_error`` without an answer.
        message: without a key.
        code: Stripe's, or the operating system's without an answer.
        status: of HTTP, ``None`` without an answer.
        request_id: of the answer, where it has one.
    """

    def __init__(
        self,
        kind: str,
        type_: str,
        message: str,
        code: str | None = None,
        *,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        self.kind, self.type, self.code = kind, type_, code
        self.message = _KEY.sub(r"\1***", " ".join(message.split()))[:_LONGEST]
        self.status, self.request_id = status, request_id
        super().__init__(self.message)

    @property
    def reason(self) -> str:
        """Return which of :data:`REASONS` it is."""
        if self.status == 404 and _OTHER_MODE in self.message:  # noqa: PLR2004 - the status's usual name
            return "mode"
        if self.code == "lock_timeout":
            return "lock_timeout"
        return _REASONS.get(self.kind, "api_error")

    def err(self) -> Json:
        """Return it as the log has it."""
        found: Json = {"type": self.kind, "message": self.message, "code": self.code}
        found |= {"statusCode": self.status, "requestId": self.request_id}
        return {name: value for name, value in found.items() if value is not None}


def content(status: int, request_id: str | None, body: bytes) -> Json:
    """Return what Stripe answered.

    Args:
        status: of HTTP.
        request_id: its header ``Request-Id``.
        body: as it came.

    Raises:
        StripeError: it is an error, or no JSON object.
    """
    try:
        found: Any = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        text = "Invalid JSON received from the Stripe API"
        raise StripeError("StripeAPIError", "api_error", text, status=status, request_id=request_id)
    error = found.get("error")
    if error is None:
        return found
    said: Mapping[str, Any] = error if isinstance(error, Mapping) else {"message": error}
    given = str(said.get("type", "api_error"))
    kind, type_ = _BY_STATUS.get(status, (_BY_TYPE.get(given, "StripeUnknownError"), given))
    code = None if said.get("code") is None else str(said["code"])
    raise StripeError(kind, type_, str(said.get("message", "")), code, status=status, request_id=request_id)


def unreachable(code: str, timeout_s: float) -> StripeError:
    """Return the error of a request that got no answer.

    Args:
        code: why, as Node.js has it, such as ``ENOTFOUND``.
        timeout_s: how long the library waits, in seconds.
    """
    message = "An error occurred with our connection to Stripe."
    if code == TIMED_OUT:
        message = f"Request aborted due to timeout being reached ({timeout_s * 1000:.0f}ms)"
    return StripeError("StripeConnectionError", "api_connection_error", message, code)


def code_of(error: BaseException) -> str:
    """Return Node.js' code for an error of the network, looking at its causes as well."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, TimeoutError):
            return TIMED_OUT
        if isinstance(seen, socket.gaierror):
            return "ENOTFOUND"
        if isinstance(seen, OSError) and (number := seen.errno or 0) in errno.errorcode:
            return errno.errorcode[number]
        if isinstance(seen, ValueError):
            return "ERR_INVALID_CHAR"  # a key with a line break is no header
        seen = seen.__cause__ or seen.__context__
    return "ECONNRESET"
