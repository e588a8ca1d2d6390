# SPDX-License-Identifier: GPL-3.0-or-later
"""redis_persistence looks at the files of a real Redis in a pod; kubectl says what is true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from modules.k8s_support import (
    APPS,
    CORE,
    Api,
    KubernetesCluster,
    api,
    cluster,
    refusal,
    run_module,
)

from ansible_collections.brandconnect.incidents.plugins.modules.redis_persistence import SPEC
from incident_runbooks.lab.binaries import find_program
from incident_runbooks.lab.processes import base_environ
from support.redis import PASSWORD

__all__ = ["api", "cluster"]

KEY = "session:error-t0ken"
START = """\
umask 077
printf 'bind %s\\nrequirepass "%s"\\nappendonly yes\\ndir data\\nsave ""\\n' "$POD_IP" "$REDIS_PASSWORD" > redis.conf
printf '%s\\n' "$MORE" >> redis.conf
exec redis-server redis.conf
"""


@pytest.fixture
def redis(cluster: KubernetesCluster, tmp_path: Path) -> KubernetesCluster:
    return deploy(cluster, tmp_path)


def deploy(cluster: KubernetesCluster, tmp_path: Path, more: str = "") -> KubernetesCluster:
    """Start Redis, with one more line in its configuration."""
    program = find_program("redis-server")
    environ = {**base_environ(), **program.environ, "REDIS_PASSWORD": PASSWORD, "TMPDIR": str(tmp_path), "MORE": more}
    environ["PATH"] = f"{program.path.parent}:{environ.get('PATH', '')}"
    container = {
        "name": "redis",
        "image": "registry.example.com/redis:7",
        "command": ["/bin/sh", "-c", START],
        "env": [{"name": name, "value": value} for name, value in environ.items()],
        "ports": [{"name": "redis", "containerPort": 6379}],
        "readinessProbe": {"tcpSocket": {"port": "redis"}, "periodSeconds": 1},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    spec = {
        "replicas": 1,
        "serviceName": "redis",
        "selector": {"matchLabels": {"app": "redis"}},
        "template": {
            "metadata": {"labels": {"app": "redis"}},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
        },
        "volumeClaimTemplates": [
            {
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
            }
        ],
    }
    cluster.apply([{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "redis"}, "spec": spec}])
    cluster.kubectl("rollout", "status", "statefulset/redis", "--timeout=30s")
    return cluster


def look(cluster: KubernetesCluster, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    result = run_module(SPEC, cluster.options(name="redis", **given), check_mode=check_mode)
    told = json.dumps(result, ensure_ascii=False)
    assert PASSWORD not in told
    assert KEY not in told, "a key may be the token of a session"
    assert result["changed"] is False
    return result


def sh(cluster: KubernetesCluster, script: str) -> str:
    return cluster.kubectl(
        "exec", "redis-0", "--", "/bin/sh", "-c", f'export REDISCLI_AUTH="$REDIS_PASSWORD"; {script}'
    )


def test_files_claims_and_checks(redis: KubernetesCluster) -> None:
    sh(redis, f'redis-cli -h "$POD_IP" SET {KEY} bbbbbbbb; redis-cli -h "$POD_IP" SAVE')
    # a folder has another time after a file came and went
    state = "find data -type f -exec md5sum {} +; find . $TMPDIR -maxdepth 2 -type d -exec stat -c '%n %y' {} +"
    before = sh(redis, state)
    planned = look(redis, check=True, check_mode=True)
    assert planned["checks"] == []
    found = look(redis, check=True)
    assert (found["reachable"], found["cause"], found["pod"], found["denied"]) == (True, None, "redis-0", [])
    assert found["settings"]["appendonly"] == "yes"
    assert found["directory"] == sh(redis, "cd data && pwd -P").strip()
    sizes = dict(line.split()[::-1] for line in sh(redis, "cd data; find . -type f -printf '%s %P\\n'").splitlines())
    assert {each["name"]: str(each["bytes"]) for each in found["files"]} == sizes
    assert found["files_total"] == 4
    assert 0 < found["disk"]["used_ratio"] < 1
    assert found["claims"] == [{"name": "data-redis-0", "pod": "redis-0", "mount_path": "/data", "phase": "Bound"}]
    assert {each["kind"]: each["ok"] for each in found["checks"]} == {"rdb": True, "aof": True}
    assert sh(redis, state) == before, "nothing was written, not even for a while"
    small = look(redis, check=True, max_check_bytes=1)
    assert {each["ok"] for each in small["checks"]} == {None}
    # the value gets a length beyond the end of the file, upon which redis-check-rdb names the key
    at = f"$(($(grep -abo {KEY} data/dump.rdb | cut -d: -f1) + {len(KEY)}))"
    sh(redis, f"printf '\\200\\177\\377\\377\\377' | dd of=data/dump.rdb bs=1 seek={at} conv=notrunc")
    sh(redis, 'for each in data/appendonlydir/*.incr.aof; do printf broken >> "$each"; done')
    damaged = look(redis, check=True)
    assert {each["kind"]: each["ok"] for each in damaged["checks"]} == {"rdb": False, "aof": False}
    assert all(each["reason"] and "--fix" not in each["reason"] for each in damaged["checks"])
    assert any("Unexpected EOF" in each["reason"] for each in damaged["checks"])
    assert look(redis, directory="/nowhere")["cause"] == "directory_absent"
    sh(redis, 'redis-cli -h "$POD_IP" ACL SETUSER default -config')
    denied = look(redis)
    assert (denied["cause"], denied["settings"]) == ("directory_unknown", {})
    assert "NOPERM" in denied["settings_refused"]
    given = look(redis, directory=found["directory"])
    assert (given["cause"], given["files_total"]) == (None, 4)
    assert look(redis, container="none")["cause"] == "unknown_container"


def test_a_password_that_redis_quotes(cluster: KubernetesCluster, tmp_path: Path) -> None:
    """The module does not know it, so that nobody would take it out of the text later."""
    found = look(deploy(cluster, tmp_path, "rename-command AUTH NOBODY"))
    assert (found["cause"], found["settings"]) == ("directory_unknown", {})
    assert "unknown command 'AUTH'" in found["settings_refused"]


# what a healthy cluster does not do on demand


def test_a_cluster_that_refuses_and_pods_that_do_not_run(api: Api) -> None:
    options = api.options(name="redis")
    assert run_module(SPEC, options)["cause"] == "not_found"
    api.answers[f"{APPS}/statefulsets/redis"] = {
        "metadata": {"name": "redis", "uid": "s1"},
        "spec": {"selector": {"matchLabels": {"app": "redis"}}},
    }
    owner = {"kind": "StatefulSet", "name": "redis", "uid": "s1", "controller": True}
    pending = {
        "metadata": {"name": "redis-0", "uid": "p", "ownerReferences": [owner]},
        "spec": {
            "containers": [{"name": "redis", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data-redis-0"}}],
        },
        "status": {"phase": "Pending"},
    }
    api.answers[f"{CORE}/pods"] = {"items": [pending]}
    api.answers[f"{CORE}/persistentvolumeclaims/data-redis-0"] = {"status": {"phase": "Pending"}}
    found = run_module(SPEC, options)
    assert (found["reachable"], found["cause"], found["claims"][0]["phase"]) == (True, "no_running_pod", "Pending")
    api.answers[f"{CORE}/persistentvolumeclaims/data-redis-0"] = refusal(403, "Forbidden")
    denied = run_module(SPEC, options)
    assert (denied["claims"][0]["phase"], denied["denied"][0]["resource"]) == (None, "persistentvolumeclaims")
    api.answers[f"{CORE}/pods"] = {"items": []}
    assert run_module(SPEC, options)["claims"] is None
    assert run_module(SPEC, {"host": "http://127.0.0.1:1", "name": "redis", "namespace": "x"})["reachable"] is False
    for given in ({"timeout_s": 0}, {"directory": "data"}, {"directory": "/a\nb"}, {"port": 0}):
        assert run_module(SPEC, {**options, **given})["failed"] is True
