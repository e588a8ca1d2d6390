# SPDX-License-Identifier: GPL-3.0-or-later
"""Stripe's errors: ``{"error": {type, code, message, param, doc_url, ...}}``."""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.services.call import Answer, RefusedError

INVALID_REQUEST = "invalid_request_error"
SUPPORT = "https://support.stripe.com/"

_SHOULD_RETRY = "Stripe-Should-Retry"

Json = dict[str, Any]


def error(
    status: int,
    message: str,
    *,
    kind: str = INVALID_REQUEST,
    code: str | None = None,
    param: str | None = None,
    retry: bool | None = None,
    **more: Any,
) -> RefusedError:
    """Return an error.

    Args:
        status: of HTTP.
        message: for people.
        kind: its ``type``.
        code: what programs go by.
        param: the parameter that it is about.
        retry: what the header for clients says; ``None``: nothing.
        more: further fields.
    """
    body: Json = {"code": code, "doc_url": _doc_url(code), "message": message, "param": param, **more, "type": kind}
    headers = {} if retry is None else {_SHOULD_RETRY: str(retry).lower()}
    return RefusedError(
        Answer(status, {"error": {name: value for name, value in body.items() if value is not None}}, headers)
    )


def missing(kind: str, id_: str, param: str, *, live: bool = False, status: int = 404) -> RefusedError:
    """Return the answer for an object that there is not.

    Args:
        kind: as the text names it, such as ``payment_intent``.
        id_: of the object.
        param: the parameter that named it.
        live: there is one in live mode.
        status: 400 for the cursor of a list.
    """
    text = f"No such {kind}: '{id_}'"
    if live:
        text += "; a similar object exists in live mode, but a test mode key was used to make this request."
    return error(status, text, code="resource_missing", param=param)


def unrecognized(method: str, path: str) -> RefusedError:
    """Return the answer for an address that there is not."""
    text = (
        f"Unrecognized request URL ({method}: {path}). Please see https://stripe.com/docs or we can help at {SUPPORT}."
    )
    return error(404, text)


def failing() -> RefusedError:
    """Return the answer of a Stripe that is broken."""
    text = f"Sorry, an unexpected error occurred. We have been notified; we can help at {SUPPORT}."
    return error(500, text, kind="api_error")


def too_many() -> RefusedError:
    """Return the answer for one request too many. Clients do not repeat it of themselves."""
    text = "Request rate limit exceeded. Learn more about rate limits here: https://stripe.com/docs/rate-limits."
    refused = error(429, text, code="rate_limit", retry=False)
    headers = {**refused.answer.headers, "Stripe-Rate-Limited-Reason": "global-rate"}
    return RefusedError(Answer(429, refused.answer.body, headers))


def locked() -> RefusedError:
    """Return the answer for an object that something else has locked. Clients may repeat it."""
    text = (
        "This object cannot be accessed right now because another API request or Stripe process is currently accessing"
        " it. If you see this error intermittently, retry the request. If you see this error frequently and are making"
        " multiple concurrent requests to a single object, make your requests serially or at a lower rate. For more"
        " details, see https://stripe.com/docs/rate-limits#object-lock-timeouts."
    )
    return error(429, text, code="lock_timeout", retry=True)


def _doc_url(code: str | None) -> str | None:
    return f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}" if code else None
