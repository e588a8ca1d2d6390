# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a module's connection settings come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import (
    CLICKHOUSE,
    KUBERNETES,
    POSTGRES,
    REDIS,
    SOCIAL,
    VAULT,
    Connection,
    settings,
)

SPECS = [(POSTGRES, postgres_argument_spec()), (KUBERNETES, kubernetes_argument_spec())]


def added(system: Connection, given: dict[str, Any], hosts: dict[str, Any], own: dict[str, Any] | None = None) -> Any:
    allowed = dict(next(spec for known, spec in SPECS if known is system))
    return settings(system, given, {**(own or {}), "hostvars": hosts}, allowed)


@pytest.mark.parametrize(("system", "spec"), SPECS, ids=["postgres", "kubernetes"])
def test_every_option_that_is_mapped_exists(system: Connection, spec: dict[str, Any]) -> None:
    assert set(system.options) <= set(spec)
    assert system.addresses <= set(system.options)


def test_the_component_s_host_says_how_it_is_reached() -> None:
    hosts = {"postgres": {"postgres_host": "db", "postgres_port": 5433, "postgres_user": "", "other": 1}}
    assert added(POSTGRES, {"max_rows": 5}, hosts) == {"login_host": "db", "login_port": 5433}


def test_a_task_that_names_a_system_gets_nothing_of_another_one() -> None:
    hosts = {"postgres": {"postgres_host": "db", "postgres_password": "s3cret"}}
    assert added(POSTGRES, {"login_host": "elsewhere"}, hosts) == {}
    assert added(KUBERNETES, {"namespace": "other"}, {"backend": {"kubernetes_api_key": "t"}}) == {}


def test_what_is_required_is_named_as_the_inventory_calls_it() -> None:
    hosts = {"backend": {"kubernetes_kubeconfig": "/etc/kube", "kubernetes_namespace": ""}}
    with pytest.raises(IncidentsError, match="set kubernetes_namespace on the inventory host backend"):
        added(KUBERNETES, {}, hosts)
    hosts["backend"]["kubernetes_namespace"] = "prod"
    assert added(KUBERNETES, {}, hosts) == {"kubeconfig": "/etc/kube", "namespace": "prod"}


def test_what_a_task_gives_wins_over_the_inventory() -> None:
    hosts = {"postgres": {"postgres_host": "db", "postgres_user": "ops"}}
    assert added(POSTGRES, {"login_user": "me"}, hosts) == {"login_host": "db"}


def test_a_connection_string_stands_for_the_host_and_other_settings_go_over_it() -> None:
    hosts = {"postgres": {"postgres_dsn": "postgresql://db/x", "postgres_host": "db", "postgres_user": "ops"}}
    assert added(POSTGRES, {}, hosts) == {"login_dsn": "postgresql://db/x", "login_user": "ops"}


def test_false_is_a_setting() -> None:
    hosts = {"backend": {"kubernetes_namespace": "shop", "kubernetes_validate_certs": False}}
    assert added(KUBERNETES, {}, hosts) == {"namespace": "shop", "validate_certs": False}


def test_without_the_component_the_task_s_own_host_counts() -> None:
    assert added(POSTGRES, {}, {}, {"postgres_host": "db1"}) == {"login_host": "db1"}
    assert added(POSTGRES, {}, {}) == {}


def test_a_component_without_an_address_is_an_error() -> None:
    with pytest.raises(IncidentsError, match="set postgres_host or postgres_dsn on the inventory host postgres"):
        added(POSTGRES, {}, {"postgres": {"postgres_user": "ops"}})


def test_production_s_variables_are_those_that_are_read() -> None:
    inventory = Path(__file__).parents[2] / "inventory" / "production" / "hosts.yml"
    hosts = yaml.safe_load(inventory.read_text(encoding="utf-8"))["all"]["hosts"]
    of_a_role = {"postgres_dba_user", "postgres_dba_password"}  # for one task of api_latency, which names them
    for system in (POSTGRES, KUBERNETES, CLICKHOUSE, REDIS, VAULT, SOCIAL):
        prefix = next(iter(system.options.values())).partition("_")[0] + "_"
        known = set(system.options.values()) | of_a_role
        assert {name for name in hosts[system.component] if name.startswith(prefix)} <= known
