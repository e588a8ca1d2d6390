# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether Redis takes writes, told without writing. Pure, no I/O.

The rules are those of ``processCommand`` in https://github.com/redis/redis/blob/7.0/src/server.c
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_info import (
    Info,
    flag,
    is_ok,
    key_count,
    keyspace,
    memory_facts,
    number,
    role,
)

ACCEPTED, REFUSED, UNKNOWN = "accepted", "refused", "unknown"

Json = dict[str, Any]
Settings = Mapping[str, str]


def verdict(
    info: Info,
    settings: Settings,
    refusal: Mapping[str, Any] | None = None,
) -> Json:
    """Return whether writes are accepted.

    Args:
        info: what INFO says; empty when it could not be read.
        settings: what ``CONFIG GET`` says; empty where that is not allowed.
        refusal: the ``cause`` with which PING was refused; Redis does that as long as it cannot save.

    Returns:
        ``verdict``; ``reasons``, each a cause with a message; ``doubts``, what could not be told.
    """
    reasons: list[Json] = []
    doubts: list[Json] = []
    for rule in (_loading, _replica, _memory, _snapshot, _log, _replicas, _cluster):
        cause, message, certain = rule(info, settings)
        if cause:
            seen = refusal is not None and refusal["cause"] == cause
            (reasons if certain or seen else doubts).append({"cause": cause, "message": message})
    found = REFUSED if reasons else UNKNOWN if doubts else ACCEPTED
    return {"verdict": found, "reasons": reasons, "doubts": doubts}


Finding = tuple[str | None, str, bool]
_NOTHING: Finding = (None, "", True)


def _loading(info: Info, _settings: Settings) -> Finding:
    active = flag(info, "loading")
    if active is None:
        return "loading", "INFO does not say whether it is loading", False
    return ("loading", "it reads its data from disk and refuses commands", True) if active else _NOTHING


def _replica(info: Info, settings: Settings) -> Finding:
    found = role(info)
    if found is None:
        return "readonly", "INFO does not say whether it is a master", False
    if found != "replica":
        return _NOTHING
    read_only = info.get("slave_read_only") or {"yes": "1", "no": "0"}.get(settings.get("replica-read-only", ""))
    if read_only == "0":
        return _NOTHING
    return "readonly", "it is a replica", read_only == "1"


def _memory(info: Info, _settings: Settings) -> Finding:
    memory = memory_facts(info)
    if memory["full"] is None:
        return "oom", "INFO does not say how full the memory is", False
    policy = memory["policy"] or ""
    if not memory["full"]:
        return _NOTHING
    if policy == "noeviction":
        return "oom", "its memory is full and the policy noeviction evicts nothing", True
    expiring = sum(each["expires"] or 0 for each in keyspace(info).values())
    if policy.startswith("volatile-") and not expiring:
        return "oom", f"its memory is full and the policy {policy} finds no key that expires", True
    if not key_count(info, complete=True):
        return "oom", "its memory is full although it has no keys", True
    return _NOTHING


def _snapshot(info: Info, settings: Settings) -> Finding:
    saved = is_ok(info, "rdb_last_bgsave_status")
    if saved is None:
        return "misconf", "INFO does not say whether the last snapshot was saved", False
    if saved:
        return _NOTHING
    message = "the last snapshot could not be saved"
    stops, points = settings.get("stop-writes-on-bgsave-error"), settings.get("save")
    if stops == "no" or points == "":
        return _NOTHING
    return "misconf", message, stops == "yes" and points is not None


def _log(info: Info, _settings: Settings) -> Finding:
    if flag(info, "aof_enabled") and is_ok(info, "aof_last_write_status") is False:
        return "misconf", "the append-only file cannot be written", True
    return _NOTHING


def _replicas(info: Info, settings: Settings) -> Finding:
    least = number(settings, "min-replicas-to-write")
    good = number(info, "min_slaves_good_slaves")  # INFO has it only where a least number is set
    if good is None or not least:
        return _NOTHING
    if good < least:
        return "noreplicas", f"{good} replicas are near enough, and {least} have to be", True
    return _NOTHING


def _cluster(info: Info, _settings: Settings) -> Finding:
    if not flag(info, "cluster_enabled") or info.get("cluster_state") == "ok":
        return _NOTHING
    if "cluster_state" not in info:
        return "clusterdown", "it does not say whether its cluster works", False
    return "clusterdown", "its cluster does not work, or not all of its slots", True
