# SPDX-License-Identifier: GPL-3.0-or-later
"""evidence_snapshot of a cluster, Redis and Prometheus, and its options."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from modules.evidence_support import INCIDENT, UNTIL, data, directory, identity, is_sound, options_of, take
from modules.k8s_support import APPS, CORE, Api, KubernetesCluster, Reply, api, cluster, pod, until
from modules.prometheus_support import RealPrometheus, exporter, prometheus

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import evidence_work
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.bundle import Bundle
from support.redis import PASSWORD, Starter, redis_server

__all__ = ["api", "cluster", "directory", "exporter", "identity", "prometheus", "redis_server"]


def test_sessions_are_hashed_and_all_there(redis_server: Starter, directory: Path) -> None:
    server = redis_server()
    for number in range(5):
        server.cli("HSET", f"sess:s3cr3t-h{number}", "user", f"p3rs0n-{number}", "address", "203.0.113.9")
    server.cli("SET", "sess:s3cr3t-1", "p3rs0n-1", "EX", "1000")
    many = " ".join(f"sess:s3cr3t-{number} p3rs0n-{number}" for number in range(500, 1000)).split()
    server.cli("MSET", *many)
    server.cli("SET", "cache:1", "other")
    total = int(server.cli("DBSIZE")) - 1
    result = take(directory, ["redis"], **server.options())
    assert result["status"] == "done", result
    lines = [json.loads(line) for line in (data(result) / "redis/sessions.jsonl").read_text().splitlines()]
    assert len(lines) == len({line["key_sha256"] for line in lines}) == total
    by_key = {line["key_sha256"]: line for line in lines}
    one = by_key[hashlib.sha256(b"sess:s3cr3t-1").hexdigest()]
    assert one["value_sha256"] == hashlib.sha256(b"p3rs0n-1").hexdigest()
    assert 0 < one["ttl_ms"] <= 1_000_000
    assert by_key[hashlib.sha256(b"sess:s3cr3t-500").hexdigest()]["ttl_ms"] is None
    assert by_key[hashlib.sha256(b"sess:s3cr3t-h0").hexdigest()]["type"] == "hash"
    assert result["facts"]["redis/sessions.jsonl"]["keys"] == total
    assert int(server.cli("DBSIZE")) == total + 1
    is_sound(result, PASSWORD, "s3cr3t", "p3rs0n")
    few = take(directory, ["redis"], name="few", redis={"max_keys": 10}, **server.options())
    assert "max_keys" in few["missing"][0]["error"]


def test_a_login_that_may_not_read_values_is_said(redis_server: Starter, directory: Path) -> None:
    server = redis_server()
    server.cli("SET", "sess:1", "7")
    server.cli("ACL", "SETUSER", "looker", "on", f">{PASSWORD}", "~sess:*", "+info", "+scan", "+type", "+pttl")
    result = take(directory, ["redis"], redis_username="looker", **server.options())
    assert [item["path"] for item in result["missing"]] == ["redis/sessions.jsonl"]
    assert "get" in result["missing"][0]["error"].lower()
    is_sound(result, PASSWORD)


def test_prometheus_gives_the_points_it_has(prometheus: RealPrometheus, directory: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    window = {"since": (now - dt.timedelta(hours=1)).isoformat(), "until": now.isoformat()}
    queries = {"up": "up", "none": "no_such_metric", "wrong": "sum("}
    result = take(
        directory,
        ["prometheus"],
        prometheus_url=prometheus.url,
        prometheus={"queries": queries, "step_s": 1},
        **window,
    )
    assert [item["path"] for item in result["missing"]] == ["prom/wrong.json"], result
    document = json.loads((data(result) / "prom/up.json").read_text())
    assert document["query"] == "up"
    assert len(document["answers"]) == 4, "3601 points, 1000 at a time"
    assert {entry["metric"]["job"] for answer in document["answers"] for entry in answer["result"]} == {
        "backend",
        "half",
        "dead",
    }
    assert result["facts"]["prom/up.json"]["series"] == len(prometheus.ask("up"))
    assert json.loads((data(result) / "prom/none.json").read_text())["answers"]
    is_sound(result)


def container(name: str) -> dict[str, Any]:
    command = "if [ -e died ]; then echo second life; sleep 100; fi; touch died; echo last words; exit 7"
    variable = {"name": "DB_PASSWORD", "value": "hunter2"}
    return {"name": name, "image": "registry.example.com/b:1", "command": ["sh", "-c", command], "env": [variable]}


@pytest.fixture
def crashed(cluster: KubernetesCluster) -> KubernetesCluster:
    """Two workloads whose containers have previous logs, and a Secret."""
    for name, containers in (("backend", ["app", "helper"]), ("worker", ["app"])):
        labels = {"app": name}
        spec = {"terminationGracePeriodSeconds": 1, "containers": [container(each) for each in containers]}
        template = {"metadata": {"labels": labels}, "spec": spec}
        cluster.apply(
            [
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {"name": name},
                    "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
                },
                {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "metadata": {"name": f"{name}-secret"},
                    "stringData": {"password": "hunter2"},
                },
            ]
        )

    def restarted() -> bool:
        items = cluster.json("get", "pods")["items"]
        states = [state for item in items for state in item["status"].get("containerStatuses", [])]
        return len(states) == 3 and all(state["restartCount"] and "running" in state["state"] for state in states)

    until(restarted, "the second life of every container")
    return cluster


def test_every_log_of_every_container_and_the_objects(crashed: KubernetesCluster, directory: Path) -> None:
    options = crashed.options()
    planned = take(directory, ["kubernetes"], check_mode=True, **options)
    assert list(directory.iterdir()) == []
    result = take(directory, ["kubernetes"], **options)
    assert (result["status"], result["missing"]) == ("done", []), (result["missing"], result["reason"])
    pods = crashed.json("get", "pods")["items"]
    logs = {
        f"pods/{pod['metadata']['name']}_{pod['metadata']['uid'][:8]}/{each['name']}{which}.log": each["name"]
        for pod in pods
        for each in pod["spec"]["containers"]
        for which in ("", ".previous")
    }
    assert len(logs) == 6
    for path in logs:
        content = (data(result) / path).read_text()
        assert ("last words" if ".previous" in path else "second life") in content
        assert content.startswith("2"), "each line has its instant"
    manifest = json.loads((Path(result["directory"]) / "MANIFEST.json").read_text())
    entries = {entry["name"]: entry for entry in manifest["files"]}
    assert set(entries) == set(planned["sources"][0]["paths"])
    assert {entries[path]["object"]["uid"] for path in logs} == {pod["metadata"]["uid"] for pod in pods}
    secrets = json.loads((data(result) / "k8s/secrets.json").read_text())
    assert {"backend-secret", "worker-secret"} <= {item["metadata"]["name"] for item in secrets}
    assert all(set(item) == {"metadata"} for item in secrets)
    kinds = ("pods", "replicasets", "deployments", "events", "images", "services", "statefulsets", "daemonsets")
    assert {f"k8s/{kind}.json" for kind in kinds} <= set(entries)
    images = json.loads((data(result) / "k8s/images.json").read_text())
    statuses = [state for pod in pods for state in pod["status"]["containerStatuses"]]
    assert sorted(str(item["image_id"]) for item in images) == sorted(
        str(state["imageID"] or None) for state in statuses
    )
    assert json.loads((data(result) / "k8s/events.json").read_text())
    is_sound(result, "hunter2", "aHVudGVyMg==")


def test_after_a_crash_the_logs_of_pods_that_are_gone_are_said_to_be_missing(api: Api, directory: Path) -> None:
    (directory / "evidence").mkdir(mode=0o700)
    who = {"incident": INCIDENT, "custodian": "alice", "collector": "x", "run_id": "1"}
    with Bundle.open(directory / "evidence" / "snapshot", **who) as bundle:
        bundle.write("k8s/pods.json", [json.dumps([pod("gone"), pod("here")]).encode()], source="GET")
    secret = {"metadata": {"name": "s", "uid": "1"}, "data": {"password": "aHVudGVyMg=="}}
    api.answers |= {f"{CORE}/{kind}": {"items": []} for kind in ("events", "services")}
    api.answers |= {f"{APPS}/{kind}": {"items": []} for kind in ("deployments", "replicasets", "statefulsets")}
    api.answers |= {f"{CORE}/pods": {"items": [pod("here")]}, f"{CORE}/secrets": {"items": [secret]}}
    api.answers[f"{CORE}/pods/here/log"] = Reply(body=b"2026-11-24T15:00:00Z line\n")
    result = take(directory, ["kubernetes"], **api.options())
    assert (result["status"], result["resumed"]) == ("partial", True)
    assert [item["path"] for item in result["missing"]] == ["pods/gone_uid-gone/backend.log"]
    assert f"{CORE}/pods/gone/log" not in api.paths(), "what has its name now may be another one"
    assert (data(result) / "pods/here_uid-here/backend.log").read_bytes() == b"2026-11-24T15:00:00Z line\n"
    (asked,) = [asked for asked in api.asked if asked.path == f"{CORE}/secrets"]
    assert "as=PartialObjectMetadataList" in asked.headers["Accept"]
    is_sound(result, "aHVudGVyMg==", "c4n4ry")


WHO = {"incident": INCIDENT, "custodian": "alice", "collector": "x", "run_id": "1"}
NOBODY_THERE = "http://127.0.0.1:1"


def begun(directory: Path) -> Bundle:
    """A bundle of which the run that began it was killed."""
    (directory / "evidence").mkdir(mode=0o700, exist_ok=True)
    return Bundle.open(directory / "evidence" / "snapshot", **WHO)


def empty(api: Api) -> dict[str, Any]:
    """A cluster in which there is nothing but one pod with a log."""
    api.answers |= {f"{CORE}/{kind}": {"items": []} for kind in ("events", "services", "secrets")}
    api.answers |= {f"{APPS}/{kind}": {"items": []} for kind in ("deployments", "replicasets", "statefulsets")}
    api.answers |= {f"{CORE}/pods": {"items": [pod("here")]}}
    api.answers[f"{CORE}/pods/here/log"] = Reply(body=b"2026-11-24T15:00:00Z line\n")
    return api.options()


@pytest.mark.parametrize("source", ["kubernetes", "prometheus"])
def test_a_source_that_is_gone_after_a_crash_makes_it_partial_whatever_it_had_given(
    api: Api, directory: Path, source: str
) -> None:
    first = {"kubernetes": "k8s/pods.json", "prometheus": "prom/up.json"}[source]
    with begun(directory) as bundle:
        bundle.write(first, [b"[]"], source="GET")
    nobody = {**api.options(), "host": NOBODY_THERE} if source == "kubernetes" else {"prometheus_url": NOBODY_THERE}
    queries = {"prometheus": {"queries": {"up": "up", "errors": "errors"}}}
    result = take(directory, [source], **nobody, **(queries if source == "prometheus" else {}))
    assert (result["status"], result["resumed"], result["partial"]) == ("partial", True, True), result
    (missing,) = result["missing"]
    assert (missing["source"], missing["path"]) == (source, f"{first.split('/', maxsplit=1)[0]}/looked-at.json")
    assert missing["error"] == result["sources"][0]["error"]
    assert result["reason"].startswith("PARTIAL")
    assert "NO, PARTIAL" in (Path(result["directory"]) / "bag-info.txt").read_text()
    is_sound(result)


def test_what_could_not_be_looked_at_is_made_good_by_a_later_run(api: Api, directory: Path) -> None:
    with begun(directory) as bundle:
        bundle.write("k8s/pods.json", [json.dumps([pod("here")]).encode()], source="GET")
        bundle.miss("k8s/looked-at.json", source="kubernetes", error="nothing listens there")
    result = take(directory, ["kubernetes"], **empty(api))
    assert (result["status"], result["missing"]) == ("done", []), result
    looked = json.loads((data(result) / "k8s/looked-at.json").read_text())
    assert {"k8s/pods.json", "pods/here_uid-here/backend.log"} <= set(looked)
    is_sound(result)


def test_a_source_that_had_given_all_is_not_needed_again(api: Api, directory: Path) -> None:
    options = empty(api)
    work = evidence_work.Preserving(options_of(directory, ["kubernetes"], **options), dt.datetime.now(dt.UTC))
    with begun(directory) as bundle:
        work.collect(bundle)
    result = take(directory, ["kubernetes"], **{**options, "host": NOBODY_THERE})
    assert (result["status"], result["resumed"], result["missing"]) == ("done", True, []), result
    assert not (data(result) / "k8s/looked-at.json").exists()
    is_sound(result)


def test_a_log_that_is_too_long_or_not_there_yet(api: Api, directory: Path) -> None:
    kinds = {f"{CORE}/{kind}": {"items": []} for kind in ("events", "services", "secrets")}
    api.answers |= kinds | {f"{CORE}/pods": {"items": [pod("long"), pod("new"), pod("broken")]}}
    waiting = {"kind": "Status", "status": "Failure", "code": 400, "reason": "BadRequest"}
    api.answers[f"{CORE}/pods/long/log"] = Reply(body=b"x" * 5000)
    text = 'container "backend" in pod "new" is waiting to start: ContainerCreating'
    api.answers[f"{CORE}/pods/new/log"] = Reply(400, {**waiting, "message": text})
    api.answers[f"{CORE}/pods/broken/log"] = Reply(body=b"half of it", length=5000)
    result = take(directory, ["kubernetes"], kubernetes={"log_limit_bytes": 1024}, **api.options())
    assert [item["path"] for item in result["missing"]] == ["pods/broken_uid-brok/backend.log"]
    assert result["truncated"] == ["data/pods/long_uid-long/backend.log"]
    assert (data(result) / "pods/long_uid-long/backend.log").stat().st_size == 1024
    assert (data(result) / "pods/broken_uid-brok/backend.log.partial").read_bytes() == b"half of it"
    manifest = json.loads((Path(result["directory"]) / "MANIFEST.json").read_text())
    (entry,) = [entry for entry in manifest["files"] if entry["name"] == "pods/new_uid-new/backend.log"]
    assert entry["facts"]["no_log"] == text
    is_sound(result)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sources": ["dump"]}, "encrypt_to is needed"),
        ({"sources": ["dump"], "encrypt_to": ["age1nonsense"], "dump": {"tables": ["public.a"]}}, "number 1 is no age"),
        ({"sources": ["dump"], "encrypt_to": ["age1x"], "dump": {"tables": ["a; DROP"]}}, "is not schema.table"),
        ({"sources": ["audit"], "since": None}, "since is needed for audit"),
        ({"sources": ["audit"], "since": "yesterday"}, "since must be an instant"),
        ({"sources": ["audit"], "since": "2026-11-01T00:00:00"}, "since must be an instant"),
        ({"sources": ["audit"], "since": UNTIL}, "since must be before until"),
        ({"sources": ["redis"], "name": "../x"}, "name must be"),
        ({"sources": ["redis"], "redis": {"max_keys": 0}}, "redis.max_keys must be"),
        ({"sources": ["redis"], "directory": None}, "directory is needed"),
        ({"sources": ["redis"], "directory": "/nonexistent/incident"}, "there is no such directory"),
        ({"sources": [], "since": None}, "sources is empty"),
    ],
)
def test_wrong_options_fail_with_one_clear_error(directory: Path, options: dict[str, Any], said: str) -> None:
    given = {"directory": str(directory), **options}
    where, sources = given.pop("directory"), given.pop("sources")
    result = take(where, sources, **given)
    assert result["failed"] is True
    assert said in result["msg"]
    assert list(directory.iterdir()) == []


def test_a_private_key_in_the_place_of_a_public_one_is_not_shown(directory: Path, identity: Any) -> None:
    options = {"encrypt_to": [str(identity)], "dump": {"tables": ["public.users"]}}
    result = take(directory, ["dump"], **options)
    assert "number 1 is no age recipient" in result["msg"]
    assert str(identity) not in json.dumps(result)


def test_a_directory_that_others_may_read_is_refused(directory: Path) -> None:
    (directory / "evidence").mkdir(mode=0o755)
    result = take(directory, ["redis"], redis_host="127.0.0.1")
    assert result["failed"] is True
    assert "others may read" in result["msg"]
