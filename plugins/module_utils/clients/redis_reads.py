# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The reads that the Redis modules share. No decisions."""

from __future__ import annotations

import secrets
import statistics
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import RedisServer, Reply
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_errors import failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_info import (
    SETTINGS,
    as_settings,
    flag,
    parse_info,
)

PINGS = 3
CANARY_S = 10
_GOES_ON = frozenset({"loading", "masterdown", "noperm"})  # it answers INFO all the same
_NO_LOGIN = frozenset({"noauth", "wrongpass"})


NO_CANARY: dict[str, Any] = {"key": None, "ok": None, "cause": None, "message": None}


@dataclass
class Look:
    """What one look at a server gave.

    Attributes:
        answered: whether Redis itself answered anything.
        authenticated: whether it took the login; ``None`` when that is not known.
        failure: what is wrong with talking to it.
        ping_refusal: why PING was refused, where that is about writes: Redis does so as long as it cannot save.
        ping_s: the middle one of the durations of PING.
        info: what INFO said; empty where it could not be read.
        settings: what CONFIG GET said.
        denied: commands that the login may not use, each with ``command``, ``cause`` and ``message``.
    """

    answered: bool = False
    authenticated: bool | None = None
    failure: Failure | None = None
    ping_refusal: Failure | None = None
    ping_s: float | None = None
    info: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    denied: list[dict[str, Any]] = field(default_factory=list)


def look(server: RedisServer) -> Look:
    """Connect, log in and read everything. A sick server is a result too."""
    seen = Look()
    if why := server.connect():
        return _connected_not(seen, why)
    if not _ping(server, seen):
        return seen
    told = server.ask("INFO")
    if told.failure or not isinstance(told.value, str):
        _note(seen, "INFO", told)
        return seen
    seen.info = parse_info(told.value)
    if not seen.info:
        seen.failure = seen.failure or failure("no_answer", "what INFO says cannot be read")
    if flag(seen.info, "cluster_enabled"):
        state = server.ask("CLUSTER", "INFO")
        seen.info |= parse_info(state.value) if isinstance(state.value, str) else {}
    seen.settings = _settings(server, seen)
    return seen


def write_canary(server: RedisServer, name: str) -> tuple[dict[str, Any], bool]:
    """Write a key that goes away by itself, and read it back.

    Returns:
        ``key``; ``ok``, ``None`` when no answer came or another node has the key; ``cause`` and ``message``. And
        whether it was written, or may have been.
    """
    value = secrets.token_hex(8)
    wrote = server.ask("SET", name, value, "EX", CANARY_S)
    found = {**NO_CANARY, "key": name}
    if wrote.failure:
        ok = False if wrote.refused and wrote.failure.cause != "moved" else None  # another node would have to say
        return found | {"ok": ok, "cause": wrote.failure.cause, "message": wrote.failure.message}, not wrote.refused
    read = server.ask("GET", name)
    if read.failure:  # it was written, whether it may be read or not
        return found | {"ok": True, "cause": read.failure.cause, "message": read.failure.message}, True
    if read.value != value:
        return found | {"ok": False, "cause": "server_error", "message": "what was written is not what is read"}, True
    return found | {"ok": True}, True


def _connected_not(seen: Look, why: Failure) -> Look:
    seen.failure = why
    seen.answered = not why.may_have_happened and why.cause not in {"refused", "dns", "timeout", "tls", "no_answer"}
    seen.authenticated = False if seen.answered and why.cause in {*_NO_LOGIN, "no_password_set"} else None
    return seen


def _ping(server: RedisServer, seen: Look) -> bool:
    """Whether it makes sense to ask for more."""
    durations = []
    for _ in range(PINGS):
        pong = server.ask("PING")
        if pong.refused and pong.failure and pong.failure.cause == "misconf":
            seen.answered = seen.authenticated = True
            seen.ping_refusal = pong.failure
            return True
        if pong.failure:
            _note(seen, "PING", pong)
            return pong.failure.cause in _GOES_ON
        seen.answered = seen.authenticated = True
        durations.append(pong.duration_s)
    seen.ping_s = statistics.median(durations)
    return True


def _note(seen: Look, command: str, reply: Reply) -> None:
    """Keep why a command failed; the first failure is the one to show."""
    why = reply.failure or failure("no_answer", f"the answer to {command} cannot be read")
    seen.failure = seen.failure or why
    seen.answered = seen.answered or reply.refused
    if reply.refused and why.cause in _NO_LOGIN:
        seen.authenticated = False
    elif reply.refused and why.cause == "noperm":
        seen.authenticated = True
        seen.denied.append({"command": command, "cause": why.cause, "message": why.message})


def _settings(server: RedisServer, seen: Look) -> dict[str, str]:
    """Ask for each: before 7.0, CONFIG GET takes one name."""
    found: dict[str, str] = {}
    for name in SETTINGS:
        told = server.ask("CONFIG", "GET", name)
        if told.failure:
            item = {"command": "CONFIG GET", "cause": told.failure.cause, "message": told.failure.message}
            seen.denied.append(item)
            break
        found |= as_settings(told.value if isinstance(told.value, list) else ())
    return found
