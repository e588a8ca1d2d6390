# SPDX-License-Identifier: GPL-3.0-or-later
"""TikTok's API for Business, v1.3: ``/advertiser/info/``, ``/campaign/get/`` and ``/user/info/``.

Reference: business-api.tiktok.com/portal/docs, "Return codes". An error is HTTP 200 with a ``code`` that is not 0; a
path without its slash at the end is 404 before the API is reached.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

from incident_runbooks.lab.services.call import Answer, Call
from incident_runbooks.lab.social.accounts import Account

PREFIX = "/open_api/v1.3"

_OK, _NO_PERMISSION, _BAD_PARAMETER, _EMPTY, _INVALID = 0, 40001, 40002, 40104, 40105
_OFTEN = "Too many requests. Please retry in some time."
# kind of fault: code, message
_ERRORS = {
    "token-expired": (40102, "Access token is expired, please refresh it."),
    "token-revoked": (_INVALID, "Access token is incorrect or has been revoked."),
    "token-invalid": (_INVALID, "Access token is incorrect or has been revoked."),
    "refresh-expired": (40103, "Refresh token is expired."),
    "permission": (_NO_PERMISSION, "No permission to operate advertiser."),
    "error": (50000, "Service error. Please try again later."),
    "code-40100": (40100, _OFTEN),
    "code-40016": (40016, _OFTEN),
}

Json = dict[str, Any]


def answer(call: Call, account: Account | None, kind: str | None) -> Answer:
    """Return what TikTok says.

    Args:
        account: whose token was sent; ``None``: nobody's.
        kind: what is broken.
    """
    path = call.path.removeprefix(PREFIX)
    if not call.path.startswith(f"{PREFIX}/") or path not in _PATHS:
        return Answer(404, "404 page not found", {"Content-Type": "text/plain"})
    if not call.headers.get("Access-Token"):
        return _said(_EMPTY, "Access token is null, you should set it in http header with key Access-Token.")
    if account is None:
        return _said(_INVALID, "Access token is incorrect or has been revoked.")
    if kind == "code-40133":
        text = f"Advertiser ({account.account})'s QPS (11) reaches QPS limit 10 for current path"
        return _said(40133, f"{text}, request is temporarily restricted.")
    if kind in _ERRORS:
        return _said(*_ERRORS[kind])
    return _PATHS[path](call, account, kind)


def _advertisers(call: Call, account: Account, kind: str | None) -> Answer:
    try:
        asked = json.loads(call.value("advertiser_ids", "null"))
    except ValueError:
        asked = None
    if not isinstance(asked, list) or not asked:
        return _said(_BAD_PARAMETER, "Missing required field(s): advertiser_ids.")
    if asked != [account.account]:
        return _said(_NO_PERMISSION, f"No permission to operate advertiser {asked[0]}.")
    if kind == "partial":
        return _said(20001, "Partially successful.", {"list": []})
    row = {"advertiser_id": account.account, "name": account.name, "status": "STATUS_ENABLE"}
    return _said(_OK, "OK", {"list": [row]})


def _campaigns(call: Call, account: Account, _kind: str | None) -> Answer:
    if call.value("advertiser_id") != account.account:
        return _said(_NO_PERMISSION, f"No permission to operate advertiser {call.value('advertiser_id')}.")
    page = {"page": 1, "page_size": int(call.value("page_size", "10")), "total_number": 0, "total_page": 0}
    return _said(_OK, "OK", {"list": [], "page_info": page})


def _user(_call: Call, account: Account, _kind: str | None) -> Answer:
    return _said(_OK, "OK", {"core_user_id": account.account, "display_name": account.name})


_PATHS = {"/advertiser/info/": _advertisers, "/campaign/get/": _campaigns, "/user/info/": _user}


def _said(code: int, message: str, data: Json | None = None) -> Answer:
    request_id = time.strftime("%Y%m%d%H%M%S", time.gmtime()) + secrets.token_hex(9).upper()
    return Answer(200, {"code": code, "message": message, "request_id": request_id, "data": data or {}})
