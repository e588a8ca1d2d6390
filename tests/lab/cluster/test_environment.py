# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's environment and volumes are, and what happens while something for them is missing."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from incident_runbooks.lab.cluster.resources import CONFIG_MAPS, NAMESPACES, PODS, SECRETS, SERVICES
from incident_runbooks.lab.cluster.runtime import environment
from incident_runbooks.lab.cluster.runtime.environment import ConfigError
from incident_runbooks.lab.cluster.store import Store
from support.node import NAMESPACE, Running, condition, container, in_cluster, shell


def encoded(**values: str) -> dict[str, str]:
    return {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}


def from_secret(name: str, key: str, **more: Any) -> dict[str, Any]:
    return {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": name, "key": key, **more}}}


@pytest.fixture
def store() -> Store:
    store = Store()
    store.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
    store.create(SECRETS, {"metadata": {"name": "db", "namespace": NAMESPACE}, "data": encoded(password="p", user="u")})
    store.create(CONFIG_MAPS, {"metadata": {"name": "app", "namespace": NAMESPACE}, "data": {"mode": "fast"}})
    return store


POD = {
    "metadata": {"name": "web-1", "namespace": NAMESPACE, "uid": "1", "labels": {"app": "web"}},
    "spec": {"nodeName": "node-1", "serviceAccountName": "web"},
    "status": {"podIP": "127.1.2.3", "hostIP": "127.0.0.1"},
}


def resolve(store: Store, *env: dict[str, Any], **fields: Any) -> dict[str, str]:
    return environment.resolve(store, POD, {"name": "web", "env": list(env), **fields}, {"HOME": "/home"})


def test_values_from_everywhere(store: Store) -> None:
    found = resolve(
        store,
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)-$(HOME)-$(NOPE)-$$(A)"},
        from_secret("db", "password"),
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "app", "key": "mode"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "MEM", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        resources={"limits": {"memory": "64Mi"}},
        envFrom=[{"configMapRef": {"name": "app"}}, {"prefix": "DB_", "secretRef": {"name": "db"}}],
    )
    assert found == {
        "HOME": "/home", "A": "1", "B": "1-/home-$(NOPE)-$(A)", "PASSWORD": "p", "MODE": "fast", "IP": "127.1.2.3",
        "APP": "web", "MEM": "64", "mode": "fast", "DB_password": "p", "DB_user": "u",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (from_secret("nope", "k"), 'secret "nope" not found'),
        (from_secret("db", "k"), f"couldn't find key k in Secret {NAMESPACE}/db"),
        (
            {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "nope", "key": "k"}}},
            'configmap "nope" not found',
        ),
        (
            {"name": "M", "valueFrom": {"configMapKeyRef": {"name": "app", "key": "k"}}},
            f"couldn't find key k in ConfigMap {NAMESPACE}/app",
        ),
    ],
)
def test_what_is_missing_is_named(store: Store, env: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        resolve(store, env)
    assert str(raised.value) == said


def test_what_is_optional_may_be_missing(store: Store) -> None:
    assert resolve(store, from_secret("nope", "k", optional=True), from_secret("db", "k", optional=True)) == {
        "HOME": "/home"
    }


@in_cluster
async def test_a_missing_secret_holds_the_container_until_it_is_there(cluster: Running) -> None:
    cluster.pod("web-1", shell("echo $PASSWORD; exec sleep 1d", env=[from_secret("db", "password")]))
    await cluster.until(lambda: "CreateContainerConfigError" in str(cluster.state("web-1").get("state")))
    waiting = cluster.state("web-1")["state"]["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'secret "db" not found'}
    assert cluster.get(PODS, "web-1")["status"]["phase"] == "Pending"
    assert cluster.events("Failed", "web-1")[0]["message"] == 'Error: secret "db" not found'
    assert cluster.processes() == []
    cluster.create(SECRETS, "db", data=encoded(other="x"))
    missing = f"couldn't find key password in Secret {NAMESPACE}/db"
    await cluster.until(lambda: missing in str(cluster.state("web-1")["state"]))
    cluster.change(SECRETS, "db", lambda each: each.update(data=encoded(password="p4ss")))
    await cluster.ready("web-1")
    assert (await cluster.exec("web-1", "sh", "-c", "echo $PASSWORD"))[1] == "p4ss\n"


@in_cluster
async def test_a_running_container_keeps_the_environment_it_started_with(cluster: Running) -> None:
    cluster.create(SECRETS, "db", data=encoded(password="old"))
    cluster.pod("web-1", container(env=[from_secret("db", "password")]))
    await cluster.ready("web-1")
    cluster.change(SECRETS, "db", lambda each: each.update(data=encoded(password="new")))
    assert (await cluster.exec("web-1", "sh", "-c", "echo $PASSWORD"))[1] == "old\n"


@in_cluster
async def test_the_runtime_says_where_the_container_is(
    cluster: Running,
) -> None:
    cluster.pod("web-1", container())
    pod = await cluster.ready("web-1")
    script = "echo $POD_NAME $POD_NAMESPACE $POD_IP $HOSTNAME $KUBERNETES_SERVICE_HOST; pwd; echo $HOME"
    _, output, _ = await cluster.exec("web-1", "sh", "-c", script)
    folder = cluster.cluster.directory / "pods" / NAMESPACE / "web-1" / "web"
    address = pod["status"]["podIP"]
    assert output.splitlines() == [f"web-1 {NAMESPACE} {address} web-1 127.0.0.1", str(folder), str(folder)]
    assert not list(folder.iterdir()), "no token, unless it is asked for"


@in_cluster
async def test_volumes_are_directories_that_follow_their_sources(cluster: Running) -> None:
    cluster.create(CONFIG_MAPS, "app", data={"a.conf": "1", "b.conf": "2"})
    volumes = [
        {"name": "config", "configMap": {"name": "app", "items": [{"key": "a.conf", "path": "sub/a.conf"}]}},
        {"name": "all", "configMap": {"name": "app"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts = [
        {"name": "config", "mountPath": "/etc/app"},
        {"name": "all", "mountPath": "/all"},
        {"name": "scratch", "mountPath": "/var/scratch"},
    ]
    other = {**container(volumeMounts=[mounts[2]]), "name": "other"}
    cluster.pod("web-1", shell("touch var/scratch/here; exec sleep 1d", volumeMounts=mounts), other, volumes=volumes)
    await cluster.ready("web-1")
    folder = cluster.cluster.directory / "pods" / NAMESPACE / "web-1"
    assert (folder / "web/etc/app/sub/a.conf").read_text() == "1"
    await cluster.until((folder / "other/var/scratch/here").exists, "the other container sees it")
    cluster.change(CONFIG_MAPS, "app", lambda each: each.update(data={"b.conf": "3"}))
    await cluster.until(lambda: (folder / "web/all/b.conf").read_text() == "3")
    assert not (folder / "web/all/a.conf").exists()


@in_cluster
async def test_a_missing_volume_source_is_waited_for(cluster: Running) -> None:
    volume = {"name": "config", "configMap": {"name": "app"}}
    cluster.pod("web-1", container(volumeMounts=[{"name": "config", "mountPath": "/etc/app"}]), volumes=[volume])
    await cluster.until(lambda: cluster.events("FailedMount", "web-1"))
    assert 'configmap "app" not found' in cluster.events("FailedMount", "web-1")[0]["message"]
    assert cluster.state("web-1")["state"]["waiting"]["reason"] == "ContainerCreating"
    assert condition(cluster.get(PODS, "web-1"), "Ready")["status"] == "False"
    cluster.create(CONFIG_MAPS, "app", data={"a": "1"})
    await cluster.ready("web-1")


@in_cluster
async def test_a_projected_volume_joins_its_sources_and_may_be_where_the_command_starts(cluster: Running) -> None:
    cluster.create(CONFIG_MAPS, "app", data={"app.conf": "1"})
    cluster.create(SECRETS, "keys", data={"key": "c2VjcmV0", "other": "eA=="})
    sources = [
        {"configMap": {"name": "app"}},
        {"secret": {"name": "keys", "items": [{"key": "key", "path": "app.key"}]}},
    ]
    volume = {"name": "config", "projected": {"sources": sources}}
    mount = {"name": "config", "mountPath": "/etc/app"}
    script = "cat app.conf app.key; ls -1 | wc -l; exec sleep 1d"
    cluster.pod("web-1", shell(script, volumeMounts=[mount], workingDir="/etc/app"), volumes=[volume])
    await cluster.ready("web-1")
    await cluster.said("web-1", "1secret2")


def test_services_that_are_there_are_variables(store: Store) -> None:
    def service(name: str, *ports: dict[str, Any], **spec: Any) -> None:
        full = {"type": "ClusterIP", "ports": [*ports], **spec}
        store.create(SERVICES, {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": full})

    service("redis-main", {"name": "tcp-redis", "port": 6379}, {"name": "metrics", "port": 9121}, clusterIP="127.9.9.9")
    service("headless", {"port": 1}, clusterIP="None")
    assert environment.service_variables(store, POD) == {
        "REDIS_MAIN_SERVICE_HOST": "127.9.9.9",
        "REDIS_MAIN_SERVICE_PORT": "6379",
        "REDIS_MAIN_SERVICE_PORT_TCP_REDIS": "6379",
        "REDIS_MAIN_SERVICE_PORT_METRICS": "9121",
    }
    assert environment.service_variables(store, {**POD, "spec": {**POD["spec"], "enableServiceLinks": False}}) == {}
