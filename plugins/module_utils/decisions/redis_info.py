# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read what INFO of Redis says. Pure, no I/O.

https://redis.io/docs/latest/commands/info/
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

MOST_LINES = 5000
VALUE_LENGTH = 300
SETTINGS = (  # what INFO does not say; each is asked for
    "appendfsync",
    "maxclients",
    "min-replicas-to-write",
    "replica-read-only",
    "replica-serve-stale-data",
    "save",
    "stop-writes-on-bgsave-error",
)
_KEYSPACE = re.compile(r"db\d{1,5}")

Info = Mapping[str, str]
Json = dict[str, Any]


def parse_info(text: str) -> dict[str, str]:
    """Return what INFO says, by name, whether it comes from a connection or from ``redis-cli INFO``.

    Lines that are none of INFO are left out; of a name that comes twice the first counts.
    """
    found: dict[str, str] = {}
    for line in text.splitlines()[:MOST_LINES]:
        name, colon, value = line.strip().partition(":")
        if colon and name.isascii() and name.replace("_", "").replace("-", "").isalnum():
            found.setdefault(name, plain_line(value, VALUE_LENGTH))
    return found


def refusal_text(text: str, length: int) -> str:
    """Return what Redis said, as one line of at most *length* characters, without the arguments of a command.

    Of a command that it does not know it quotes the first 128 characters of them: of ``AUTH`` that is the password.
    """
    return plain_line(text.partition(", with args beginning with")[0], length)


def number(info: Info, name: str) -> int | None:
    """Return a whole number; ``None`` when it is missing or none."""
    value = info.get(name, "")
    return int(value) if re.fullmatch(r"-?\d{1,20}", value) else None


def flag(info: Info, name: str) -> bool | None:
    """Return a 0 or 1 as such; ``None`` when it is missing or neither."""
    return {"0": False, "1": True}.get(info.get(name, ""))


def is_ok(info: Info, name: str) -> bool | None:
    """Return whether a status is ``ok``; ``None`` when it is missing."""
    return info[name] == "ok" if info.get(name) else None


def role(info: Info) -> str | None:
    """Return ``master``, ``replica`` or ``sentinel``; ``None`` when it is not known."""
    if info.get("redis_mode") == "sentinel":
        return "sentinel"
    return {"master": "master", "slave": "replica"}.get(info.get("role", ""))


def server_facts(info: Info) -> Json:
    """Return which server it is."""
    version = info.get("valkey_version") or info.get("redis_version")
    return {
        "version": version,
        "mode": info.get("redis_mode") or info.get("server_mode"),
        "run_id": info.get("run_id"),
        "uptime_s": number(info, "uptime_in_seconds"),
        "port": number(info, "tcp_port"),
    }


def loading_facts(info: Info) -> Json:
    """Return whether it reads its data from disk, and how long that will take."""
    share = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%?", info.get("loading_loaded_perc", ""))
    return {
        "active": flag(info, "loading"),
        "percent": float(share[1]) if share else None,
        "eta_s": number(info, "loading_eta_seconds"),
    }


def persistence_facts(info: Info, settings: Mapping[str, str]) -> Json:
    """Return what is saved, and whether saving works.

    Args:
        settings: what ``CONFIG GET`` says; empty where that is not allowed.
    """
    saved = number(info, "rdb_last_save_time")
    return {
        "rdb_last_bgsave_ok": is_ok(info, "rdb_last_bgsave_status"),
        "rdb_last_save_at": dt.datetime.fromtimestamp(saved, dt.UTC) if saved and 0 < saved < 2**40 // 8 else None,
        "rdb_changes_since_last_save": number(info, "rdb_changes_since_last_save"),
        "rdb_bgsave_in_progress": flag(info, "rdb_bgsave_in_progress"),
        "rdb_save_points": settings["save"] != "" if "save" in settings else None,
        "aof_enabled": flag(info, "aof_enabled"),
        "aof_last_write_ok": is_ok(info, "aof_last_write_status"),
        "aof_last_bgrewrite_ok": is_ok(info, "aof_last_bgrewrite_status"),
        "aof_rewrite_in_progress": flag(info, "aof_rewrite_in_progress"),
        "aof_fsync": settings.get("appendfsync"),
    }


def memory_facts(info: Info) -> Json:
    """Return how full the memory is.

    ``full`` is the rule of ``getMaxmemoryState``: what replicas and the AOF buffer take does not count.
    """
    used, most = number(info, "used_memory"), number(info, "maxmemory")
    uncounted = number(info, "mem_not_counted_for_evict") or 0
    full = (
        None if most is None or (most and used is None) else bool(most and used is not None and used - uncounted > most)
    )
    return {
        "used_bytes": used,
        "max_bytes": most,
        "policy": info.get("maxmemory_policy"),
        "used_ratio": round((used - uncounted) / most, 4) if used is not None and most else None,
        "full": full,
        "rss_bytes": number(info, "used_memory_rss"),
        "system_bytes": number(info, "total_system_memory"),
        "evicted_keys": number(info, "evicted_keys"),
    }


def client_facts(info: Info, settings: Mapping[str, str]) -> Json:
    """Return how many clients there are, and whether some were turned away."""
    most = number(info, "maxclients") or number(settings, "maxclients")
    connected = number(info, "connected_clients")
    return {
        "connected": connected,
        "max": most,
        "used_ratio": round(connected / most, 4) if connected is not None and most else None,
        "blocked": number(info, "blocked_clients"),
        "rejected": number(info, "rejected_connections"),
    }


def replication_facts(info: Info) -> Json:
    """Return the link to the master of a replica, and the replicas of a master."""
    link = info.get("master_link_status")
    return {
        "master": f"{info['master_host']}:{info.get('master_port', '')}" if info.get("master_host") else None,
        "link_up": link == "up" if link else None,
        "link_down_s": number(info, "master_link_down_since_seconds"),
        "last_io_s": number(info, "master_last_io_seconds_ago"),
        "sync_in_progress": flag(info, "master_sync_in_progress"),
        "replicas": number(info, "connected_slaves"),
        "good_replicas": number(info, "min_slaves_good_slaves"),
    }


def keyspace(info: Info) -> dict[str, Json]:
    """Return the number of keys, and of those that expire, by database. One without keys is not there."""
    found = {}
    for name, value in info.items():
        if _KEYSPACE.fullmatch(name):
            parts = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
            found[name] = {"keys": number(parts, "keys"), "expires": number(parts, "expires")}
    return found


def key_count(info: Info, *, complete: bool) -> int | None:
    """Return how many keys there are.

    Args:
        complete: whether INFO was read at all, so that no database means no key.
    """
    counts = [each["keys"] for each in keyspace(info).values()]
    return None if not complete or None in counts else sum(counts)


def as_settings(pairs: Iterable[str]) -> dict[str, str]:
    """Return what ``CONFIG GET`` answers, a flat list of names and values, as a mapping."""
    flat = [str(each) for each in pairs]
    return {name: plain_line(value, VALUE_LENGTH) for name, value in zip(flat[::2], flat[1::2], strict=False)}
