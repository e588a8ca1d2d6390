# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Log in as people do, and use the token: requests out, what came of them in. No decisions.

Each request goes over a connection of its own, so that it may reach another replica. Redirects are not followed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    USER_AGENT,
    encoded,
    open_transport,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    pause_s,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook import excerpt
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_probe import (
    HEALTH,
    LOGIN,
    TOKEN,
    WRONG,
    Step,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_token import date_skew_s

LONGEST_TOKEN = 8192  # characters
_GOOD = 2  # the class of all successes


@dataclass(frozen=True)
class Login:
    """How to log in, and how long to wait.

    Attributes:
        paths: of ``health``, ``login`` and ``token``.
        fields: names of user, password and token in what is sent and answered.
        limit_s: seconds for one request.
        ca_cert: file of the authorities to trust, in place of those of the environment.
    """

    user: str
    password: str
    paths: dict[str, str]
    fields: tuple[str, str, str]
    limit_s: float
    ca_cert: str | None


@dataclass(frozen=True)
class Issued:
    """What came of a login: the step, the token, and when it was asked for by our clock, in seconds."""

    step: Step
    token: str | None = None
    at: float = 0.0


def health(base: str, login: Login) -> Step:
    """Ask whether the API lives."""
    return _exchange(HEALTH, "GET", base + login.paths["health"], login)[0]


def log_in(base: str, login: Login) -> Issued:
    """Log in with the right password."""
    step, answer, at = _exchange(LOGIN, "POST", base + login.paths["login"], login, body=_body(login, login.password))
    found = answer.content if answer and answer.status // 100 == _GOOD else None
    token = found.get(login.fields[2]) if isinstance(found, dict) else None
    if not isinstance(token, str) or not token or len(token) > LONGEST_TOKEN or not _can_travel(token):
        return Issued(step, None, at)
    return Issued(step, token, at)


def log_in_wrongly(base: str, login: Login, password: str) -> Step:
    """Log in with a password that is not the right one."""
    url = base + login.paths["login"]
    return _exchange(WRONG, "POST", url, login, body=_body(login, password), hide=[password])[0]


def use(base: str, login: Login, token: str) -> Step:
    """Ask for what needs a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return _exchange(TOKEN, "GET", base + login.paths["token"], login, headers=headers, hide=[token])[0]


def _can_travel(token: str) -> bool:
    return token.isascii() and token.isprintable() and " " not in token


def _body(login: Login, password: str) -> bytes:
    user_field, password_field, _ = login.fields
    return encoded({user_field: login.user, password_field: password})


def _exchange(
    kind: str,
    method: str,
    url: str,
    login: Login,
    *,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    hide: Iterable[str] = (),
) -> tuple[Step, Answer | None, float]:
    """Send one request; returns what came of it, the answer itself, and the middle of it by our clock."""
    sent: dict[str, str] = {"User-Agent": USER_AGENT, "Accept": "application/json", "Connection": "close"}
    sent |= {"Content-Type": "application/json"} if body else {}
    transport = open_transport(login.limit_s, login.ca_cert)
    began, since = time.time(), time.monotonic()
    try:
        outcome = transport.exchange(method, url, sent | (headers or {}), body)
    finally:
        transport.close()
    took_s = time.monotonic() - since
    middle = began + took_s / 2
    if isinstance(outcome, Failure):
        return Step(kind, outcome.status, outcome.cause, outcome.message, took_s), None, middle
    step = Step(
        kind,
        outcome.status,
        None,
        _said(kind, outcome, [login.password, *hide]),
        took_s,
        retry_after_s=pause_s(outcome.headers),
        skew_s=date_skew_s(outcome.headers.get("date"), middle),
    )
    return step, outcome, middle


def _said(kind: str, answer: Answer, secrets: Iterable[str]) -> str:
    """What the API says; where it let somebody in, that may be a token or data of the account."""
    if kind != HEALTH and answer.status // 100 == _GOOD:
        return ""
    return excerpt(answer, secrets)
