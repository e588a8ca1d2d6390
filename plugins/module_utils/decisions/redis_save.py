# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether Redis may be told to save a snapshot, and what became of it. Pure, no I/O."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_info import (
    Info,
    flag,
    is_ok,
    memory_facts,
    number,
    role,
)

Json = dict[str, Any]
Objection = tuple[str, str]


def target(address: str, info: Info) -> Json:
    """Return what is saved: this server, in this life of it. Nothing in it changes until it is started again."""
    return {"address": address, "run_id": info.get("run_id"), "role": role(info), "action": "bgsave"}


def state(info: Info) -> Json:
    """Return what a save changes."""
    return {
        "rdb_last_save_time": number(info, "rdb_last_save_time"),
        "rdb_last_bgsave_ok": is_ok(info, "rdb_last_bgsave_status"),
        "rdb_changes_since_last_save": number(info, "rdb_changes_since_last_save"),
        "rdb_bgsave_in_progress": flag(info, "rdb_bgsave_in_progress"),
    }


def objection(info: Info, most_bytes: int) -> Objection | None:
    """Return what speaks against a save, as a word and a sentence."""
    used = memory_facts(info)["used_bytes"]
    if flag(info, "loading"):
        return "loading", "it still reads its data from disk; a snapshot now would be of a part"
    if flag(info, "loading") is None or used is None or flag(info, "rdb_bgsave_in_progress") is None:
        return "unknown_state", "INFO does not say what state it is in"
    if used > most_bytes:
        return (
            "too_large",
            f"it holds {used} bytes, more than {most_bytes}; saving it could take its memory and its disk",
        )
    return None


def nothing_to_do(info: Info) -> bool:
    """Whether the last snapshot has every change."""
    saved = is_ok(info, "rdb_last_bgsave_status") and not flag(info, "rdb_bgsave_in_progress")
    return bool(saved) and number(info, "rdb_changes_since_last_save") == 0


def busy(info: Info) -> bool:
    """Whether a child of Redis is at work, so that no save can begin."""
    names = ("rdb_bgsave_in_progress", "aof_rewrite_in_progress", "module_fork_in_progress")
    return any(flag(info, name) for name in names)


def caveats(info: Info) -> list[str]:
    """Return what a person should know of a snapshot of this server."""
    found = []
    if flag(info, "aof_enabled"):
        found.append("at its start Redis loads the append-only file and not the snapshot")
    memory = memory_facts(info)
    if memory["used_bytes"] and memory["system_bytes"] and memory["used_bytes"] * 2 > memory["system_bytes"]:
        found.append("it uses more than half of the memory of its host; a save may need as much again")
    if role(info) == "replica":
        found.append("it is a replica; the snapshot has what it knows of its master")
    return found
