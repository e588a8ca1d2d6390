# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Ask social platforms "who am I": all at the same time, the accounts of one after another, nothing a second time.

A limit of the whole app, or a platform that does not answer, ends that platform: more calls would only cost quota.
Tokens travel in headers only, and no redirect is followed. Loads nothing that costs time.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    USER_AGENT,
    load_transport,
    open_transport,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    pause_s,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.social import (
    META,
    TIKTOK,
    UNKNOWN,
    UNREACHABLE,
    UNREACHABLE_HINT,
    YOUTUBE,
    Seen,
    Verdict,
)

LARGEST_ANSWER = 2**20
SHORTEST_ATTEMPT_S = 0.2
INSTAGRAM, FACEBOOK = "instagram", "facebook"
LOGINS = (INSTAGRAM, FACEBOOK)
_BASES = {
    INSTAGRAM: "https://graph.instagram.com",
    FACEBOOK: "https://graph.facebook.com",
    TIKTOK: "https://business-api.tiktok.com",
    YOUTUBE: "https://www.googleapis.com",
}


@dataclass(frozen=True)
class Account:
    """An account to ask for.

    Attributes:
        account: its id at the platform.
        token: checked access token; ``None`` where there is none that can be sent.
        problem: why there is none.
        login: of Meta, through which of its services the token was given.
    """

    platform: str
    account: str
    name: str | None = None
    token: str | None = field(default=None, repr=False)
    problem: Verdict | None = None
    login: str = INSTAGRAM


@dataclass(frozen=True)
class Asked:
    """What became of an account.

    Attributes:
        verdict: ``None`` when nobody was asked, because of what an earlier account of the platform was answered.
        status: of HTTP; ``None`` when no answer came.
        path: of the request; ``None`` when none was sent.
    """

    account: Account
    verdict: Verdict | None
    status: int | None = None
    path: str | None = None
    duration_s: float | None = None


Judge = Callable[[Account, Seen], Verdict]


def ask(
    accounts: Sequence[Account], bases: Mapping[str, str], version: str, limit_s: float, judge: Judge
) -> list[Asked]:
    """Ask for every account, in the order of each platform.

    Args:
        bases: checked addresses of platforms that are not at their own.
        version: of Meta's API, such as ``v24.0``.
        limit_s: seconds for one platform with all of its accounts.
        judge: reads an answer.

    Raises:
        IncidentsError: ``requests`` is missing.
    """
    load_transport()
    groups = [[each for each in accounts if each.platform == name] for name in (META, TIKTOK, YOUTUBE)]
    groups = [group for group in groups if group]
    if not groups:
        return []
    with ThreadPoolExecutor(len(groups)) as pool:  # each ends by its limit
        found = pool.map(lambda group: _platform(group, bases, version, limit_s, judge), groups)
        return [asked for group in found for asked in group]


def _platform(
    group: Sequence[Account], bases: Mapping[str, str], version: str, limit_s: float, judge: Judge
) -> list[Asked]:
    deadline = time.monotonic() + limit_s
    over = False
    found: list[Asked] = []
    with contextlib.closing(open_transport(limit_s)) as transport:
        transport.largest = LARGEST_ANSWER
        for account in group:
            if account.problem or over or deadline - time.monotonic() < SHORTEST_ATTEMPT_S:
                found.append(Asked(account, account.problem))
                continue
            transport.limit_s = deadline - time.monotonic()
            asked = _one(transport, account, bases, version, judge)
            found.append(asked)
            over = asked.verdict is not None and (asked.verdict.app_wide or asked.verdict.verdict == UNREACHABLE)
    return found


def _one(transport: Any, account: Account, bases: Mapping[str, str], version: str, judge: Judge) -> Asked:
    path, query, login = request_of(account, version)
    base = bases.get(account.platform) or _BASES[account.login if account.platform == META else account.platform]
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json", **login}
    started = time.monotonic()
    answer: Answer | Failure = transport.exchange("GET", f"{base}{path}?{urlencode(query)}", headers, None)
    took = round(time.monotonic() - started, 4)
    if isinstance(answer, Failure):
        return Asked(account, _not_reached(answer), answer.status, path, took)
    seen = Seen(answer.status, answer.headers, answer.content, pause_s(answer.headers))
    return Asked(account, judge(account, seen), answer.status, path, took)


def request_of(account: Account, version: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return path, query and the headers that log in, of the cheapest request that says whose token it is."""
    bearer = {"Authorization": f"Bearer {account.token}"}
    if account.platform == TIKTOK:
        query = {"advertiser_ids": json.dumps([account.account]), "fields": json.dumps(["advertiser_id", "name"])}
        # without its slash at the end the path is not found
        return "/open_api/v1.3/advertiser/info/", query, {"Access-Token": str(account.token)}
    if account.platform == YOUTUBE:
        return "/youtube/v3/channels", {"part": "id", "mine": "true"}, bearer
    fields = "user_id,username" if account.login == INSTAGRAM else "id"
    return f"/{version}/me", {"fields": fields}, bearer


def _not_reached(failure: Failure) -> Verdict:
    if failure.cause == "no_answer" and failure.status:
        return Verdict(UNKNOWN, "too_large", failure.text, "check social_urls; the platform's answers are small")
    verdict = UNKNOWN if failure.cause == "invalid" else UNREACHABLE
    return Verdict(verdict, failure.cause, failure.message, failure.advice or failure.next_step or UNREACHABLE_HINT)
