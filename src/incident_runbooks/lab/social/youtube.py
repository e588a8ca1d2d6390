# SPDX-License-Identifier: GPL-3.0-or-later
"""YouTube's Data API v3: ``/youtube/v3/channels``.

Reference: developers.google.com/youtube/v3/docs/errors. An access token that has expired, was revoked or never was one
is answered in the same way; only a refresh would tell them apart.
"""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.services.call import Answer, Call
from incident_runbooks.lab.social.accounts import Account

PATH = "/youtube/v3/channels"
RETRY_S = 30  # what a limit of requests in a short time says

_UNKNOWN_LOGIN = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_QUOTA = (
    "The request cannot be completed because you have exceeded your "
    '<a href="/youtube/v3/getting-started#quota">quota</a>.'
)
_SCOPES = "Request had insufficient authentication scopes."
_LIMITS = {"rate-limited": "rateLimitExceeded", "user-rate-limited": "userRateLimitExceeded"}

Json = dict[str, Any]


def answer(call: Call, account: Account | None, kind: str | None) -> Answer:
    """Return what YouTube says.

    Args:
        account: whose token was sent; ``None``: nobody's.
        kind: what is broken.
    """
    if call.path != PATH:
        return Answer(404, "<!DOCTYPE html>\n<title>Error 404 (Not Found)!!1</title>\n")
    if not call.headers.get("Authorization"):
        return _unauthorized("Login Required.", "required")
    if account is None or kind in ("token-expired", "token-revoked", "token-invalid"):
        return _unauthorized(_UNKNOWN_LOGIN, "authError", "Invalid Credentials")
    if kind == "quota-exceeded":
        return _error(403, _QUOTA, "quotaExceeded", "youtube.quota")
    if kind in _LIMITS:
        return _error(403, "Rate Limit Exceeded", _LIMITS[kind], "usageLimits", headers={"Retry-After": str(RETRY_S)})
    if kind == "permission":
        return _error(403, _SCOPES, "insufficientPermissions", "global", status="PERMISSION_DENIED")
    if kind == "error":
        return _error(500, "Backend Error", "backendError", "global", status="INTERNAL")
    return _channels(call, account, empty=kind == "no-channel")


def _channels(call: Call, account: Account, *, empty: bool) -> Answer:
    if not call.value("part"):
        return _error(400, "No filter selected. Expected one of: part", "missingRequiredParameter", "youtube.parameter")
    body: Json = {"kind": "youtube#channelListResponse", "etag": "RuuXzTIr0OoDqI4S0RU6n4FqKEM"}
    body["pageInfo"] = {"totalResults": 0 if empty else 1, "resultsPerPage": 5}
    # a name that nobody has is no error: there are just no items
    mine = call.value("mine") == "true" or account.account in call.values("id")
    if mine and not empty:
        body["items"] = [{"kind": "youtube#channel", "etag": "1", "id": account.account}]
    return Answer(200, body)


def _unauthorized(message: str, reason: str, detail: str | None = None) -> Answer:
    error = {"message": detail or message, "domain": "global", "reason": reason}
    where = {"location": "Authorization", "locationType": "header"}
    body = {"code": 401, "message": message, "errors": [{**error, **where}], "status": "UNAUTHENTICATED"}
    challenge = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'
    return Answer(401, {"error": body}, {"WWW-Authenticate": challenge})


def _error(
    code: int,
    message: str,
    reason: str,
    domain: str,
    *,
    status: str | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    error: Json = {"code": code, "message": message}
    error["errors"] = [{"message": message, "domain": domain, "reason": reason}]
    return Answer(code, {"error": error | ({"status": status} if status else {})}, headers or {})
