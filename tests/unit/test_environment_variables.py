# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables: every source, the kubelet's order, and no value of a Secret."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.environment import (
    config_maps,
    effective_environment,
    secrets_as_environment,
)

POOL = ["*POOL*"]


def pod_spec(env: list[Any] | None = None, env_from: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"containers": [{"name": "backend", "env": env or [], "envFrom": env_from or []}], **more}


def by_source(definitions: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(item["source"]["kind"], item["value"], item["effective"], item["found"]) for item in definitions]


def test_a_later_definition_wins_and_env_wins_over_env_from() -> None:
    spec = pod_spec(
        [{"name": "POOL_MAX", "value": "30"}, {"name": "POOL_MAX", "value": "40"}, {"name": "OTHER", "value": "x"}],
        [{"configMapRef": {"name": "a"}}, {"configMapRef": {"name": "b"}}],
    )
    found = effective_environment(spec, {"a": {"POOL_MAX": "10"}, "b": {"POOL_MAX": "20"}}, [], POOL)
    assert by_source(found) == [
        ("ConfigMap", "10", False, True),
        ("ConfigMap", "20", False, True),
        ("value", "30", False, True),
        ("value", "40", True, True),
    ]


def test_prefixes_make_the_name() -> None:
    spec = pod_spec(env_from=[{"prefix": "DB_", "configMapRef": {"name": "a"}}])
    found = effective_environment(spec, {"a": {"POOL": "5", "X": "y"}}, [], POOL)
    assert [(item["name"], item["source"]["key"]) for item in found] == [("DB_POOL", "POOL")]


def test_values_of_secrets_are_neither_read_nor_shown() -> None:
    spec = pod_spec([{"name": "POOL_URL", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
    assert config_maps(spec, POOL) == []
    found = effective_environment(spec, {}, [], POOL)
    assert found == [
        {
            "container": "backend",
            "name": "POOL_URL",
            "value": None,
            "shown": False,
            "source": {"kind": "Secret", "name": "s", "key": "k", "optional": False},
            "effective": True,
            "found": None,
        }
    ]


def test_a_secret_as_a_whole_leaves_open_what_it_overrides() -> None:
    spec = pod_spec(
        [{"name": "POOL_C", "value": "3"}],
        [
            {"configMapRef": {"name": "a"}},
            {"secretRef": {"name": "s"}, "prefix": "POOL_B"},
        ],
    )
    found = effective_environment(spec, {"a": {"POOL_A": "1", "POOL_B": "2"}}, [], POOL)
    assert [(item["name"], item["effective"]) for item in found] == [
        ("POOL_A", True),
        ("POOL_B", None),
        ("POOL_C", True),
    ]
    assert secrets_as_environment(spec) == [
        {"container": "backend", "name": "s", "prefix": "POOL_B", "optional": False}
    ]


def test_config_map_keys_that_are_missing_or_not_readable() -> None:
    def reference(name: str) -> dict[str, Any]:
        return {"valueFrom": {"configMapKeyRef": {"name": name, "key": "k", "optional": True}}}

    spec = pod_spec(
        [
            {"name": "POOL_1", **reference("there")},
            {"name": "POOL_2", **reference("lacks")},
            {"name": "POOL_3", **reference("gone")},
            {"name": "POOL_4", **reference("secretive")},
            {"name": "OTHER", **reference("not wanted")},
        ]
    )
    assert config_maps(spec, POOL) == ["there", "lacks", "gone", "secretive"]
    found = effective_environment(spec, {"there": {"k": "1"}, "lacks": {}, "gone": None}, ["secretive"], POOL)
    assert by_source(found) == [
        ("ConfigMap", "1", True, True),
        ("ConfigMap", None, True, False),
        ("ConfigMap", None, True, False),
        ("ConfigMap", None, True, None),
    ]
    assert [item["shown"] for item in found] == [True, False, False, False]


def test_a_whole_config_map_that_is_not_readable_leaves_open_what_it_overrides() -> None:
    spec = pod_spec(env_from=[{"configMapRef": {"name": "a"}}, {"configMapRef": {"name": "b"}}])
    assert config_maps(spec, POOL) == ["a", "b"]
    assert by_source(effective_environment(spec, {"a": {"POOL": "1"}}, ["b"], POOL)) == [("ConfigMap", "1", None, True)]


def test_fields_and_resources_are_named() -> None:
    spec = pod_spec(
        [
            {"name": "POOL_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "POOL_CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ]
    )
    found = effective_environment(spec, {}, [], POOL)
    assert [(item["source"]["kind"], item["source"]["key"]) for item in found] == [
        ("Field", "spec.nodeName"),
        ("Resource", "limits.cpu"),
    ]


def test_sidecars_count_and_ordinary_init_containers_do_not() -> None:
    env = [{"name": "POOL", "value": "1"}]
    spec = pod_spec(
        env,
        initContainers=[{"name": "migrate", "env": env}, {"name": "proxy", "env": env, "restartPolicy": "Always"}],
    )
    assert [item["container"] for item in effective_environment(spec, {}, [], POOL)] == ["backend", "proxy"]


def test_a_password_in_a_value_is_masked_and_the_value_bounded() -> None:
    spec = pod_spec([{"name": "POOL_URL", "value": "postgres://app:hunter22@db/x" + "y" * 999}])
    shown = effective_environment(spec, {}, [], POOL)[0]["value"]
    assert "hunter22" not in shown
    assert "db/x" in shown
    assert len(shown) == 200


def test_patterns_are_case_sensitive_shell_patterns() -> None:
    spec = pod_spec([{"name": name, "value": "1"} for name in ("POOL", "pool", "TYPEORM_POOL_SIZE", "POO")])
    assert [item["name"] for item in effective_environment(spec, {}, [], POOL)] == ["POOL", "TYPEORM_POOL_SIZE"]


def test_a_value_whose_name_is_that_of_a_secret_is_not_shown() -> None:
    spec = pod_spec([{"name": "PGPOOL_ADMIN_PASSWORD", "value": "hunter2"}], [{"configMapRef": {"name": "a"}}])
    found = effective_environment(spec, {"a": {"POOL_TOKEN": "hunter2"}}, [], POOL)
    assert [(item["name"], item["value"], item["shown"]) for item in found] == [
        ("POOL_TOKEN", None, False),
        ("PGPOOL_ADMIN_PASSWORD", None, False),
    ]
