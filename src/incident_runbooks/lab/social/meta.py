# SPDX-License-Identifier: GPL-3.0-or-later
"""Instagram and the Graph API of Meta: ``/VERSION/me``.

Reference: developers.facebook.com/docs/graph-api/guides/error-handling and .../overview/rate-limiting. A limit of the
app is answered with 403 and the others with 400; what counts is the code in the body.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

from incident_runbooks.lab.services.call import Answer, Call
from incident_runbooks.lab.social import control
from incident_runbooks.lab.social.accounts import Account

REGAIN_MINUTES = 17  # what a business use case that is throttled has to wait

_ME = re.compile(r"/v\d{1,2}\.\d/me/?")
_LIMIT_TEXTS = {
    4: "(#4) Application request limit reached",
    17: "(#17) User request limit reached",
    32: "(#32) Page request limit reached",
    613: "(#613) Calls to this api have exceeded the rate limit.",
}
_CHANGED = (
    "Error validating access token: The session has been invalidated because the user changed their password or "
    "Facebook has changed the session for security reasons."
)
# kind of fault: code, error_subcode, message
_TOKEN_ERRORS: dict[str, tuple[int, int | None, str]] = {
    "token-expired": (
        *(190, 463),
        "Error validating access token: Session has expired on Tuesday, 24-Nov-26 05:00:00 PST.",
    ),
    "token-revoked": (190, 458, "Error validating access token: The user has not authorized application 1010101010."),
    "token-invalid": (
        *(190, 467),
        "Error validating access token: The session is invalid because the user logged out.",
    ),
    "password-changed": (
        *(190, 460),
        _CHANGED,
    ),
    "permission": (10, None, "(#10) Application does not have permission for this action"),
}

Json = dict[str, Any]


def answer(call: Call, account: Account | None, kind: str | None) -> Answer:
    """Return what Meta says.

    Args:
        account: whose token was sent; ``None``: nobody's.
        kind: what is broken.
    """
    if not _ME.fullmatch(call.path):
        return _error(400, 2500, f"Unknown path components: {call.path}")
    if not call.headers.get("Authorization", "").startswith("Bearer "):
        return _error(400, 2500, "An active access token must be used to query information about the current user.")
    if account is None:
        return _error(400, 190, "Invalid OAuth access token - Cannot parse access token")
    if kind and kind.startswith("code-"):
        return _limited(int(kind.removeprefix("code-")), account)
    if kind in _TOKEN_ERRORS:
        code, subcode, text = _TOKEN_ERRORS[kind]
        return _error(403 if kind == control.PERMISSION else 400, code, text, subcode)
    if kind == control.ERROR:
        return _error(500, 2, "An unexpected error has occurred. Please retry your request later.", transient=True)
    fields = call.value("fields", "id").split(",")
    known = {"id": account.account, "user_id": account.account, "username": account.name, "name": account.name}
    body = {name: known[name] for name in ("id", *fields) if name in known}
    return Answer(200, body, _usage(account, 85 if kind == "usage-high" else 12))


def _limited(code: int, account: Account) -> Answer:
    business = code in control.BUSINESS_CODES
    text = _LIMIT_TEXTS.get(code) or (
        f"(#{code}) There have been too many calls from this Instagram account. Wait a bit and try again. For more "
        "info, please refer to https://developers.facebook.com/docs/graph-api/overview/rate-limiting."
    )
    headers = _usage(account, 100, REGAIN_MINUTES) if business else _app_usage(100)
    return _error(403 if code == 4 else 400, code, text, transient=True, headers=headers)  # noqa: PLR2004 - of the app


def _app_usage(percent: int) -> dict[str, str]:
    return {"X-App-Usage": json.dumps({"call_count": percent, "total_time": percent // 2, "total_cputime": 1})}


def _usage(account: Account, percent: int, regain_minutes: int = 0) -> dict[str, str]:
    entry = {
        "type": "instagram",
        "call_count": percent,
        "total_cputime": 1,
        "total_time": percent // 2,
        "estimated_time_to_regain_access": regain_minutes,
    }
    return {**_app_usage(min(percent, 28)), "X-Business-Use-Case-Usage": json.dumps({account.account: [entry]})}


def _error(
    status: int,
    code: int,
    message: str,
    subcode: int | None = None,
    *,
    transient: bool = False,
    headers: dict[str, str] | None = None,
) -> Answer:
    error: Json = {"message": message, "type": "OAuthException", "code": code}
    error |= {"is_transient": True} if transient else {}
    error |= {"error_subcode": subcode} if subcode else {}
    trace = secrets.token_urlsafe(17)[:23]
    return Answer(status, {"error": {**error, "fbtrace_id": trace}}, headers or {})
