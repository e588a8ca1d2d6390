# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_snapshot: what a restart would destroy is on the disk, for its owner only, and what is missing is said."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from modules.k8s_support import (
    CORE,
    Api,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    pod,
    refusal,
    run_module,
    serve_backend,
    until,
)

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_snapshot import SPEC

__all__ = ["api", "cluster"]

SHARED = {"previous": True, "limit_bytes": 10 * 2**20, "max_parallel": 16}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    own = tmp_path / "incident"
    own.mkdir(mode=0o700)
    return own


def by_name(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {file["name"]: file for file in result["files"]}


@pytest.fixture
def crashing(cluster: KubernetesCluster) -> KubernetesCluster:
    """A workload whose container has a previous log, and a secret where none should be."""
    command = ["sh", "-c", "if [ -e died ]; then echo second life; sleep 100; fi; touch died; echo last words; exit 7"]
    container = {
        "name": "backend",
        "image": "registry.example.com/backend:1",
        "command": command,
        "env": [{"name": "DB_PASSWORD", "value": "hunter2"}],
    }
    template = {
        "metadata": {"labels": {"app": "backend"}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
    }
    cluster.apply(
        [
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "backend"},
                "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "backend"}}, "template": template},
            }
        ]
    )

    def restarted() -> bool:
        statuses = [
            status
            for item in cluster.json("get", "pods")["items"]
            for status in item["status"].get("containerStatuses", [])
        ]
        return any(status["restartCount"] and "running" in status["state"] for status in statuses)

    until(restarted, "the container's second life")
    return cluster


def test_logs_previous_logs_events_and_objects_are_saved(crashing: KubernetesCluster, directory: Path) -> None:
    result = run_module(SPEC, crashing.options(name="backend", directory=str(directory), **SHARED))
    assert (result["status"], result["complete"], result["missing"]) == ("done", True, [])
    (name,) = [item["metadata"]["name"] for item in crashing.json("get", "pods")["items"]]
    files = by_name(result)
    expected = ["k8s/deployment-backend.json", "k8s/pods.json", "k8s/events.json", "MANIFEST.json"]
    logs = [f"pods/{name}/backend.log", f"pods/{name}/backend.previous.log"]
    assert sorted(files) == sorted([*expected, *logs])
    assert "second life" in Path(files[logs[0]]["path"]).read_text(encoding="utf-8")
    assert "last words" in Path(files[logs[1]]["path"]).read_text(encoding="utf-8")
    assert name in Path(files["k8s/events.json"]["path"]).read_text(encoding="utf-8")
    for file in files.values():
        content = Path(file["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
        assert b"hunter2" not in content
    folder = Path(result["directory"])
    assert folder.parent == directory / "evidence"
    for path in folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        assert path.suffix != ".part"
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    manifest = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    assert manifest["complete"] is True
    assert {file["name"] for file in manifest["files"]} == {*expected[:3], *logs}


def test_check_mode_writes_nothing_and_names_the_files(crashing: KubernetesCluster, directory: Path) -> None:
    planned = run_module(SPEC, crashing.options(name="backend", directory=str(directory), **SHARED), check_mode=True)
    assert planned["status"] == "planned"
    assert list(directory.iterdir()) == []
    done = run_module(SPEC, crashing.options(name="backend", directory=str(directory), **SHARED))
    assert {*by_name(planned), "MANIFEST.json"} == set(by_name(done))
    without = run_module(SPEC, crashing.options(name="backend", directory=None, **SHARED), check_mode=True)
    assert set(by_name(without)) == set(by_name(planned))


def test_a_second_run_overwrites_nothing(crashing: KubernetesCluster, directory: Path) -> None:
    options = crashing.options(name="backend", directory=str(directory), **SHARED)
    first, second = run_module(SPEC, options), run_module(SPEC, options)
    assert first["directory"] != second["directory"]
    assert all(Path(file["path"]).exists() for file in first["files"])


# what a healthy cluster does not do on demand

EVENTS = f"{CORE}/events"


def log_path(name: str) -> str:
    return f"{CORE}/pods/{name}/log"


def snapshot(api: Api, directory: Path, *, check_mode: bool = False, **given: Any) -> dict[str, Any]:
    return run_module(
        SPEC, api.options(name="backend", directory=str(directory), **{**SHARED, **given}), check_mode=check_mode
    )


@pytest.fixture
def served(api: Api) -> Api:
    serve_backend(api, [pod("a"), pod("b")])
    api.answers[EVENTS] = {"items": []}
    for name in ("a", "b"):
        api.answers[log_path(name)] = Reply(200, f"log of {name}\n".encode())
    return api


def test_a_log_that_is_not_readable_makes_it_partial_and_loud(served: Api, directory: Path) -> None:
    served.answers[log_path("b")] = refusal(403, "Forbidden")
    result = snapshot(served, directory)
    assert (result["status"], result["complete"]) == ("partial", False)
    assert [entry["cause"] for entry in result["missing"]] == ["forbidden"]
    assert result["denied"][0]["subresource"] == "log"
    assert "1 could not be saved" in result["reason"]
    assert "incomplete" in result["warnings"][0]
    assert "pods/a/backend.log" in by_name(result)
    assert "pods/b/backend.log" not in by_name(result)
    manifest = json.loads(Path(by_name(result)["MANIFEST.json"]["path"]).read_text(encoding="utf-8"))
    assert (manifest["complete"], len(manifest["missing"])) == (False, 1)


def test_half_a_log_is_kept_and_said_to_be_half(served: Api, directory: Path) -> None:
    served.answers[log_path("b")] = Reply(200, b"the beginning\n", length=5000)
    result = snapshot(served, directory)
    file = by_name(result)["pods/b/backend.log"]
    assert Path(file["path"]).read_bytes() == b"the beginning\n"
    assert (file["truncated"], result["status"], len(result["missing"])) == (True, "partial", 1)


def test_of_a_long_log_the_end_is_kept(served: Api, directory: Path) -> None:
    served.answers[log_path("a")] = Reply(200, b"".join(b"line %05d\n" % number for number in range(1000)))
    result = snapshot(served, directory, limit_bytes=1024)
    file = by_name(result)["pods/a/backend.log"]
    assert file["truncated"] is True
    assert Path(file["path"]).read_bytes().endswith(b"line 00999\n")
    assert result["status"] == "done"


def test_a_container_that_has_not_begun_has_no_log_to_miss(served: Api, directory: Path) -> None:
    text = 'container "backend" in pod "b" is waiting to start: ContainerCreating'
    served.answers[log_path("b")] = refusal(400, "BadRequest", text)
    result = snapshot(served, directory)
    assert (result["status"], result["missing"]) == ("done", [])


def test_unreadable_events_are_missing_in_check_mode_too(served: Api, directory: Path) -> None:
    served.answers[EVENTS] = refusal(403, "Forbidden")
    planned = snapshot(served, directory, check_mode=True)
    assert (planned["complete"], planned["missing"][0]["cause"]) == (False, "forbidden")
    assert snapshot(served, directory)["status"] == "partial"


def test_without_its_pods_there_is_nothing_to_save(served: Api, directory: Path) -> None:
    served.answers[f"{CORE}/pods"] = refusal(403, "Forbidden")
    result = snapshot(served, directory)
    assert (result["failed"], result["cause"]) == (True, "forbidden")
    assert list(directory.iterdir()) == []


def test_no_secret_is_asked_for(served: Api, directory: Path) -> None:
    snapshot(served, directory)
    assert not [path for path in served.paths() if "secrets" in path]
    assert {asked.method for asked in served.asked} == {"GET"}


def test_a_folder_of_everybody_is_refused(served: Api, directory: Path) -> None:
    directory.chmod(0o755)
    result = snapshot(served, directory)
    assert result["failed"] is True
    assert "everybody may read or enter it" in result["msg"]
    assert list(directory.iterdir()) == []


def test_a_directory_is_needed_to_save(served: Api) -> None:
    result = run_module(SPEC, served.options(name="backend", **SHARED))
    assert "directory is needed" in result["msg"]
