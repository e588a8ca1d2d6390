# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Which steps can change something: those are on the disk before they begin."""

from __future__ import annotations

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
        *("api_latency", "clickhouse_disk", "clickhouse_parts", "connection_budget", "connection_holders"),
        *("exhaustion_kind", "ingestion_cause", "latency_cause", "payment_cause", "pg_activity", "pg_statements"),
        *("prometheus_query", "redis_info", "social_probe", "sql_query", "stripe_events", "stripe_payment_intents"),
        *("stripe_rate_budget", "stripe_status", "stripe_webhook_endpoints", "vault_kv", "webhook_cause"),
        *("k8s_hpa", "k8s_logs", "k8s_secret", "k8s_snapshot", "k8s_top", "k8s_workload"),
        *("rollback_plan", "rollback_read", "rollback_step", "rollback_verify"),
        *_OWN,
    )
)
_READ_ONLY_ENDINGS = ("_info", "_facts")  # Ansible's rule for modules that only look


def can_change(action: str | None, check_mode: Any) -> bool:
    """Return whether a step can change something; what is not known to be read-only can.

    Args:
        action: the fully qualified action; ``None`` where it is not known before the step begins.
        check_mode: the step's; a template, which only the worker resolves, counts as no.
    """
    if check_mode is True:
        return False
    return action is None or not (action in _READ_ONLY or action.endswith(_READ_ONLY_ENDINGS))


def only_looks(module: str) -> bool:
    """Return whether a module of this collection only looks at something, and is called by its short name."""
    return f"{COLLECTION}{module}" in _READ_ONLY and module not in _OWN


def may_record(action: str | None) -> bool:
    """Return whether a step's result may carry records: only actions of this collection."""
    return bool(action and action.startswith(COLLECTION))
