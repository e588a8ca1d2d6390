# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's objects are what the published schemas of Kubernetes allow, and fit together."""

from __future__ import annotations

import base64
import json
import math
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab import postgres
from incident_runbooks.lab.binaries import Program, find_program
from incident_runbooks.lab.processes import RunAs
from incident_runbooks.lab.server import Login, Server
from incident_runbooks.lab.workloads import error_classes, faults
from incident_runbooks.lab.workloads.manifests import BACKEND_MAXIMUM, NAMESPACE, manifests
from incident_runbooks.lab.workloads.scenarios import LEAKING_POOL_MAX, SCENARIOS, FaultFile
from incident_runbooks.lab.workloads.site import Credentials, Site
from support.workloads import eventually
from tests.conftest import absent

VERSION = "1.32"
USABLE = postgres.MAX_CONNECTIONS - postgres.RESERVED_CONNECTIONS
OTHERS = 1  # the metric worker's session


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A lab that nobody starts."""
    logins = {name: Login.generate(name) for name in ("superuser", "ops", "app", "dba")}
    server = Server(
        folder=tmp_path / "pg/bin",
        major=15,
        version="15.18 (Debian)",
        source="debian",
        run_as=RunAs.SELF,
        data=tmp_path / "data",
        log=tmp_path / "log",
        port=15432,
        **logins,
    )
    redis = Program("redis-server", tmp_path / "bin/redis-server", "7.0.15", "path")
    return Site(server, Credentials.generate(), tmp_path, redis)


@pytest.fixture
def objects(site: Site) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["kind"], each["metadata"]["name"]): each for each in manifests(site)}


def container(workload: dict[str, Any]) -> dict[str, Any]:
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


def values(workload: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container(workload)["env"]}


def test_every_object_is_valid(site: Site) -> None:
    for each in manifests(site):
        kubernetes_validate.validate(each, VERSION, strict=True)


def test_objects_are_there_once_and_in_their_namespace(site: Site) -> None:
    found = manifests(site)
    assert found[0]["kind"] == "Namespace"
    assert {each["metadata"]["namespace"] for each in found[1:]} == {NAMESPACE}
    names = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(names) == len(set(names))
    without = {each["metadata"]["name"] for each in manifests(replace(site, redis=None))}
    assert not without & {"redis", "redis-auth"}


def test_references_are_kept(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    for (kind, _), workload in objects.items():
        if kind not in {"Deployment", "StatefulSet"}:
            continue
        spec = workload["spec"]["template"]["spec"]
        assert ("ServiceAccount", spec["serviceAccountName"]) in objects
        for source in container(workload).get("envFrom", []):
            assert ("ConfigMap", source["configMapRef"]["name"]) in objects
        for variable in container(workload)["env"]:
            if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                assert reference["key"] in objects["Secret", reference["name"]]["data"]
        for volume in spec.get("volumes", []):
            assert ("Secret", volume["secret"]["secretName"]) in objects
        if service := workload["spec"].get("serviceName"):
            assert objects["Service", service]["spec"]["selector"] == workload["spec"]["selector"]["matchLabels"]


def test_secrets_are_in_secrets_only(site: Site) -> None:
    secret = [*vars(site.credentials).values()]
    secret += [login.password for login in (site.server.superuser, site.server.ops, site.server.app)]
    outside = json.dumps([each for each in manifests(site) if each["kind"] != "Secret"])
    inside = b"\n".join(
        base64.b64decode(value)
        for each in manifests(site)
        if each["kind"] == "Secret"
        for value in each["data"].values()
    ).decode()
    for value in secret:
        assert value not in outside
        assert value in inside
    assert not any(value in repr(site) for value in secret)


def need(pool_max: int) -> int:
    surge = math.ceil(BACKEND_MAXIMUM * 0.25)
    return pool_max * (BACKEND_MAXIMUM + surge) + OTHERS


def test_the_healthy_lab_fits_its_connection_budget(objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    backend = objects["Deployment", "backend"]
    assert backend["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == "25%"
    assert objects["HorizontalPodAutoscaler", "backend"]["spec"]["maxReplicas"] == BACKEND_MAXIMUM
    assert need(int(values(backend)["TYPEORM_POOL_MAX"])) <= math.floor(USABLE * 0.8) < need(LEAKING_POOL_MAX)
    assert LEAKING_POOL_MAX * backend["spec"]["replicas"] + OTHERS == USABLE, "the leak takes every slot"


def test_the_backend_finds_redis_by_its_service(site: Site, objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    assert values(objects["Deployment", "backend"])["REDIS_URL"] == "$(REDIS_SERVICE_HOST):$(REDIS_SERVICE_PORT)"
    order = list(objects)
    assert order.index(("Service", "redis")) < order.index(("Deployment", "backend")), "as it is known from then on"
    (without,) = [each for each in manifests(replace(site, redis=None)) if each["kind"] == "Deployment"][:1]
    assert not {"REDIS_URL", "REDIS_PASSWORD"} & set(values(without))


def test_scenarios_are_made_of_faults_that_exist(tmp_path: Path) -> None:
    for scenario in SCENARIOS.values():
        for step in scenario.steps:
            if isinstance(step, FaultFile):
                faults.inject(tmp_path, step.workload, step.fault, step.parameters)
                assert step.parameters.get("error", "stripe_api") in error_classes.ERROR_CLASSES


def test_the_backends_pods_find_npm_first(site: Site, objects: dict[tuple[str, str], dict[str, Any]]) -> None:
    site.prepare()
    path = values(objects["Deployment", "backend"])["PATH"]
    assert shutil.which("npm", path=path) == str(site.commands / "npm")
    assert site.faults.is_dir()
    site.prepare()


@pytest.fixture
def redis(site: Site, tmp_path: Path) -> Iterator[tuple[Site, int]]:
    """The real Redis, started as its pod starts it."""
    try:
        program = find_program("redis-server")
    except RunbookError as error:
        absent(error.message)
    site = replace(site, redis=program)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (workload,) = [
        each for each in manifests(site) if each["kind"] == "StatefulSet" and "redis" in each["metadata"]["name"]
    ]
    secret = dict.fromkeys(("REDIS_PASSWORD", "REDISCLI_AUTH"), site.credentials.redis_password)
    environ = {**values(workload), **secret, "POD_IP": "127.0.0.1"}
    command = [part.replace("port 6379", f"port {port}") for part in container(workload)["command"]]
    directory = tmp_path / "redis"
    (directory / "data").mkdir(parents=True)
    process = subprocess.Popen(command, cwd=directory, env=environ, stdout=subprocess.DEVNULL)
    yield site, port
    process.terminate()
    process.wait(timeout=10)


def test_redis_wants_its_password_and_keeps_its_data(redis: tuple[Site, int], tmp_path: Path) -> None:
    site, port = redis
    client = find_program("redis-cli")

    def ask(*words: str, **environ: str) -> str:
        command = [client.path, "-h", "127.0.0.1", "-p", str(port), *words]
        found = {**os.environ, **client.environ, **environ}
        return subprocess.run(command, env=found, capture_output=True, text=True, check=False).stdout.strip()

    eventually(lambda: ask("PING") == "NOAUTH Authentication required.", "Redis answers")
    password = site.credentials.redis_password
    assert ask("SET", "session", "1", REDISCLI_AUTH=password) == "OK"
    assert ask("CONFIG", "GET", "appendonly", REDISCLI_AUTH=password).split() == ["appendonly", "yes"]
    assert (tmp_path / "redis/data/appendonlydir").is_dir()
    assert (tmp_path / "redis/redis.conf").stat().st_mode & 0o777 == 0o600
