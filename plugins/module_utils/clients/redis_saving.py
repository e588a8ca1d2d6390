# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Let Redis save a snapshot, and wait for its end. What to save is decided elsewhere.

https://redis.io/docs/latest/commands/bgsave/
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import RedisServer
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_errors import failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import redis_save
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_info import (
    flag,
    is_ok,
    parse_info,
)

PAUSE_S = 0.1
SUCCEEDED, FAILED, UNKNOWN, NOT_ATTEMPTED = "succeeded", "failed", "unknown", "not_attempted"


@dataclass(frozen=True)
class Saved:
    """How a save ended.

    Attributes:
        result: ``succeeded``, ``failed``, ``unknown`` or ``not_attempted``.
        reason: why, in one sentence.
        info: what INFO said last.
    """

    result: str
    reason: str
    info: dict[str, str] = field(default_factory=dict)


def read_info(server: RedisServer) -> dict[str, str] | Failure:
    """Return what INFO says, or why that is not known."""
    told = server.ask("INFO")
    if told.failure:
        return told.failure
    return parse_info(str(told.value)) or failure("no_answer", "what INFO says cannot be read")


def save(server: RedisServer, info: dict[str, str], wait_s: float) -> Saved:
    """Let it save, after what it is busy with, and wait.

    Args:
        info: what INFO said.
        wait_s: seconds for all of that.
    """
    deadline = time.monotonic() + wait_s
    run_id = info.get("run_id")
    while redis_save.busy(info):
        if time.monotonic() >= deadline:
            return Saved(NOT_ATTEMPTED, f"it was still busy with another save or rewrite after {wait_s:g} s", info)
        time.sleep(PAUSE_S)
        read = read_info(server)
        if isinstance(read, Failure):
            return Saved(NOT_ATTEMPTED, f"while it was busy: {read.message}", info)
        info = read
    begun = server.ask("BGSAVE")
    if begun.failure:
        result = UNKNOWN if begun.may_have_happened else FAILED
        return Saved(result, f"BGSAVE: {begun.failure.message}", info)
    return _wait(server, info, run_id, deadline, wait_s)


def _wait(server: RedisServer, info: dict[str, str], run_id: str | None, deadline: float, wait_s: float) -> Saved:
    while True:
        read = read_info(server)
        if isinstance(read, Failure):
            return Saved(UNKNOWN, f"it was begun, and then: {read.message}", info)
        info = read
        if info.get("run_id") != run_id:
            return Saved(UNKNOWN, "it was begun, and Redis was started again meanwhile", info)
        # in progress from the answer to BGSAVE on, so what is not in progress any more has ended
        if flag(info, "rdb_bgsave_in_progress") is False:
            break
        if time.monotonic() >= deadline:
            return Saved(UNKNOWN, f"it did not end within {wait_s:g} s and goes on", info)
        time.sleep(PAUSE_S)
    if is_ok(info, "rdb_last_bgsave_status"):
        return Saved(SUCCEEDED, "the snapshot is saved", info)
    return Saved(FAILED, "the snapshot could not be saved; look at the log and the disk of Redis", info)
