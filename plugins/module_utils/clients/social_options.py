# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The options of the social platforms, and the secrets among them.

Keep the doc fragment ``social`` in step. Loads nothing that costs time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    checked_secret,
    checked_url,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError, written
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.social import INSTAGRAM, LOGINS, Account
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.social import (
    PLATFORMS,
    UNKNOWN,
    Verdict,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

DEFAULT_TIMEOUT_S = 10
LONGEST_ID = 100  # characters
_TOKEN_HINT = "check the token of this account in social_accounts"  # noqa: S105 - advice


def social_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection."""
    return {
        "social_accounts": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "platform": {"type": "str", "choices": list(PLATFORMS), "required": True},
                "account": {"type": "str", "required": True},
                "name": {"type": "str"},
                "token": {"type": "str", "no_log": True},
                "login": {"type": "str", "choices": list(LOGINS), "default": INSTAGRAM},
            },
        },
        "social_urls": {"type": "dict", "default": {}},
        "social_request_timeout": {"type": "int", "default": DEFAULT_TIMEOUT_S},
    }


def social_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield every token in whatever form a platform or a library may quote it.

    An account that is no dict is a wrong option; as nobody knows what part of it is a token, all of it is hidden.
    """
    accounts = params.get("social_accounts") or []
    for account in accounts if isinstance(accounts, (list, tuple)) else [accounts]:
        if isinstance(account, Mapping):
            yield from written(str(account.get("token") or "").strip())
        else:
            yield from written(str(account))


def read_accounts(attempted: str, params: Mapping[str, Any]) -> list[Account]:
    """Return the accounts. One without a token that can be sent says so, and does not keep others from being asked.

    Raises:
        IncidentsError: an account has no id, or is given twice.
    """
    found: list[Account] = []
    for given in params["social_accounts"] or []:
        platform = str(given["platform"])
        account = str(given.get("account") or "").strip()
        if not account or len(account) > LONGEST_ID or not account.isprintable():
            raise IncidentsError(f"{attempted}: an account of {platform} has no id that makes sense; check account")
        if any((each.platform, each.account) == (platform, account) for each in found):
            raise IncidentsError(f"{attempted}: the account {platform}/{account} is given twice; check social_accounts")
        token, problem = _token(attempted, given)
        name = plain_line(str(given["name"]), LONGEST_ID) if given.get("name") else None
        found.append(Account(platform, account, name, token, problem, str(given.get("login") or INSTAGRAM)))
    return found


def _token(attempted: str, given: Mapping[str, Any]) -> tuple[str | None, Verdict | None]:
    token = str(given.get("token") or "").strip()
    if not token:
        return None, Verdict(UNKNOWN, "not_configured", "no token is given, so nothing was asked", _TOKEN_HINT)
    try:
        return checked_secret(attempted, "token", token), None
    except SendError as error:
        return None, Verdict(UNKNOWN, "token_unusable", error.failure.message, _TOKEN_HINT)


def read_urls(attempted: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the addresses that are given, checked.

    Raises:
        IncidentsError: one is for no platform, or no address to which a token may be sent.
    """
    found: dict[str, str] = {}
    for platform, url in (params["social_urls"] or {}).items():
        if platform not in PLATFORMS:
            names = ", ".join(PLATFORMS)
            shown = plain_line(str(platform), 40)
            raise IncidentsError(f"{attempted}: social_urls has {shown}, which is no platform; use {names}")
        if url not in (None, ""):
            found[str(platform)] = checked_url(attempted, f"social_urls.{platform}", str(url))
    return found
