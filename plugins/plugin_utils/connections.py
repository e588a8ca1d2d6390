# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""How each system is reached: a component is an inventory host, and that host carries the connection settings.

The one place that maps inventory variables to module options, so that no playbook repeats it. A task that names
an address itself gets nothing from the inventory: settings of two systems are never mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


@dataclass(frozen=True)
class Connection:
    """How the settings of one system are called.

    Attributes:
        component: the inventory host that carries them; where there is none, the host of the task does.
        options: module option to inventory variable.
        addresses: options that say which system it is.
        needed: variables of which the component has to have one; without any, the library's own defaults count.
        replaces: a variable that stands for another one where both are set.
    """

    component: str
    options: Mapping[str, str]
    addresses: frozenset[str]
    needed: tuple[str, ...] = ()
    replaces: Mapping[str, str] = field(default_factory=dict)


POSTGRES = Connection(
    component="postgres",
    options={
        "login_dsn": "postgres_dsn",
        "login_host": "postgres_host",
        "login_port": "postgres_port",
        "login_user": "postgres_user",
        "login_password": "postgres_password",
        "login_db": "postgres_database",
        "ssl_mode": "postgres_sslmode",
        "ca_cert": "postgres_ca_cert",
        "reserved_user": "postgres_reserved_user",
        "reserved_password": "postgres_reserved_password",
        "connect_timeout": "postgres_connect_timeout",
        "statement_timeout": "postgres_statement_timeout",
    },
    addresses=frozenset({"login_dsn", "login_host", "login_port"}),
    needed=("postgres_host", "postgres_dsn"),
    replaces={"postgres_dsn": "postgres_host"},
)
KUBERNETES = Connection(
    component="backend",
    options={
        "kubeconfig": "kubernetes_kubeconfig",
        "context": "kubernetes_context",
        "host": "kubernetes_host",
        "api_key": "kubernetes_api_key",
        "ca_cert": "kubernetes_ca_cert",
        "validate_certs": "kubernetes_validate_certs",
        "namespace": "kubernetes_namespace",
        "request_timeout": "kubernetes_request_timeout",
    },
    addresses=frozenset({"kubeconfig", "context", "host", "namespace"}),
)
STRIPE = Connection(
    component="stripe",
    options={
        "stripe_url": "stripe_api_url",
        "stripe_api_key": "stripe_api_key",
        "stripe_api_version": "stripe_api_version",
        "stripe_livemode": "stripe_livemode",
        "stripe_timeout": "stripe_request_timeout",
        "status_urls": "stripe_status_urls",
        "status_hosts": "stripe_status_hosts",
        "status_timeout": "stripe_status_timeout",
    },
    addresses=frozenset({"stripe_url", "status_urls"}),
)
PROMETHEUS = Connection(
    component="prometheus",
    options={
        "prometheus_url": "prometheus_url",
        "prometheus_username": "prometheus_username",
        "prometheus_password": "prometheus_password",
        "prometheus_token": "prometheus_token",
        "prometheus_ca_cert": "prometheus_ca_cert",
        "prometheus_timeout": "prometheus_request_timeout",
    },
    addresses=frozenset({"prometheus_url"}),
)

CLICKHOUSE = Connection(
    component="clickhouse",
    options={
        name: name
        for name in (
            *("clickhouse_url", "clickhouse_user", "clickhouse_password"),
            *("clickhouse_database", "clickhouse_ca_cert", "clickhouse_request_timeout"),
        )
    },
    addresses=frozenset({"clickhouse_url"}),
    needed=("clickhouse_url",),
)
REDIS = Connection(
    component="redis",
    options={
        name: name
        for name in (
            *("redis_host", "redis_port", "redis_username", "redis_password"),
            *("redis_tls", "redis_ca_cert", "redis_request_timeout"),
        )
    },
    addresses=frozenset({"redis_host", "redis_port"}),
    needed=("redis_host",),
)
VAULT = Connection(
    component="vault",
    options={
        name: name
        for name in ("vault_addr", "vault_token", "vault_namespace", "vault_ca_cert", "vault_request_timeout")
    },
    addresses=frozenset({"vault_addr"}),
    needed=("vault_addr",),
)
SOCIAL = Connection(
    component="social",
    options={name: name for name in ("social_accounts", "social_urls", "social_request_timeout")},
    addresses=frozenset({"social_accounts", "social_urls"}),
)
AUTH = Connection(
    component="auth",
    options={
        name: name
        for name in ("auth_url", "auth_probe_user", "auth_probe_password", "auth_ca_cert", "auth_request_timeout")
    },
    addresses=frozenset({"auth_url"}),
    needed=("auth_url",),
)


def settings(
    connection: Connection, given: Mapping[str, Any], task_vars: Mapping[str, Any], allowed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the options that the inventory adds to those that a task gives.

    Args:
        given: the options of the task, module_defaults among them.
        task_vars: the variables of the task's host, with ``hostvars``.
        allowed: the module's options.

    Raises:
        IncidentsError: the component's host says nothing of where the system is, or leaves out what is required.
    """
    if connection.addresses.intersection(name for name, value in given.items() if value not in (None, "")):
        return {}
    source = _source(connection, task_vars)
    if source is None:
        return {}
    if connection.needed and not any(source.get(name) for name in connection.needed):
        names = " or ".join(connection.needed)
        where = connection.component
        raise IncidentsError(f"Reading how {where} is reached: set {names} on the inventory host {where}")
    options = {option: variable for option, variable in connection.options.items() if option in allowed}
    replaced = {name for variable, name in connection.replaces.items() if source.get(variable)}
    options = {option: name for option, name in options.items() if name not in replaced}
    added = {option: source[name] for option, name in options.items() if source.get(name) not in (None, "")}
    for option, name in options.items():
        if allowed[option].get("required") and option not in added and option not in given:
            where = connection.component
            raise IncidentsError(f"Reading how {where} is reached: set {name} on the inventory host {where}")
    return {option: value for option, value in added.items() if option not in given}


def _source(connection: Connection, task_vars: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The variables of the component's host, or where the inventory has none, those of the task's own host."""
    hosts = task_vars.get("hostvars") or {}
    if connection.component in hosts:
        found: Mapping[str, Any] = hosts[connection.component]
        return found
    return task_vars if any(variable in task_vars for variable in connection.options.values()) else None
