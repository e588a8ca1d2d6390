# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Which steps can change something: those are on the disk before they begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLLECTION = "brandconnect.incidents."

# What judges and records, and changes nothing outside of the record
_OWN = ("examine", "finding", "follow_ups", "interlock", "note", "plan", "recommend", "remediation", "verification")
_READ_ONLY = frozenset(
    f"ansible.builtin.{name}"
    for name in (
        *("add_host", "assert", "debug", "fail", "find", "gather_facts", "getent", "group_by", "meta", "pause", "ping"),
        *("import_playbook", "import_role", "import_tasks", "include_role", "include_tasks", "include_vars"),
        *("set_fact", "set_stats", "setup", "slurp", "stat", "validate_argument_spec", "wait_for"),
        *("wait_for_connection", "async_status"),
    )
) | frozenset(
    f"{COLLECTION}{name}"
    for name in (
        *("api_latency", "audit_ips", "audit_scope", "auth_cause", "breach_cause"),
        *("channel_access", "clickhouse_disk", "clickhouse_parts", "connection_budget"),
        "connection_holders",
        *("exhaustion_kind", "ingestion_cause", "latency_cause", "payment_cause", "pg_activity", "pg_statements"),
        *("prometheus_query", "redis_info", "social_probe", "sql_query", "stripe_events", "stripe_payment_intents"),
        *("stripe_rate_budget", "stripe_status", "stripe_webhook_endpoints", "vault_kv", "vault_token"),
        "webhook_cause",
        *("k8s_access", "k8s_hpa", "k8s_logs", "k8s_secret", "k8s_service", "k8s_snapshot", "k8s_top", "k8s_workload"),
        *("rollback_plan", "rollback_read", "rollback_step", "rollback_verify"),
        *_OWN,
    )
)
# What sends something to find out what becomes of it
_PROBES = frozenset({"webhook_probe"})
_READ_ONLY_ENDINGS = ("_info", "_facts")  # Ansible's rule for modules that only look


def can_change(action: str | None, check_mode: Any, arguments: Mapping[str, Any] | None = None) -> bool:
    """Return whether a step can change something; what is not known to be read-only can.

    Args:
        action: the fully qualified action; ``None`` where it is not known before the step begins.
        check_mode: the step's; a template, which only the worker resolves, counts as no.
        arguments: the step's as they are written; those of ``examine`` name the modules that it runs.
    """
    if check_mode is True:
        return False
    if action == f"{COLLECTION}examine":
        reads = (arguments or {}).get("reads")
        return not isinstance(reads, list) or not all(_reads(entry) for entry in reads)
    return action is None or not (action in _READ_ONLY or action.endswith(_READ_ONLY_ENDINGS))


def _reads(entry: Any) -> bool:
    return isinstance(entry, Mapping) and only_looks(str(entry.get("module")))


def only_looks(module: str) -> bool:
    """Return whether a module of this collection only looks at something, and is called by its short name."""
    return f"{COLLECTION}{module}" in _READ_ONLY and module not in _OWN


def may_examine(module: str) -> bool:
    """Return whether ``examine`` may run a module: one that only looks, or one that finds out by sending something."""
    return only_looks(module) or module in _PROBES


def may_record(action: str | None) -> bool:
    """Return whether a step's result may carry records: only actions of this collection."""
    return bool(action and action.startswith(COLLECTION))
