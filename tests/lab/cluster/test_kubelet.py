# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods as processes: how they start, fail, restart, end, and what their status says of it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import PODS, SECRETS
from incident_runbooks.lab.cluster.runtime.quantities import go_duration
from support.node import NAMESPACE, Running, condition, container, in_cluster, shell


@pytest.fixture(autouse=True)
def _short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CRASH_BACKOFF_S", "0.3")


def pid_of(cluster: Running, script: str) -> int:
    return next((each.pid for each in cluster.processes() if script in " ".join(each.cmdline())), 0)


@in_cluster
async def test_a_pod_becomes_a_process_and_ready(cluster: Running) -> None:
    cluster.pod("web-1", shell("echo up; exec sleep 1d"))
    pod = await cluster.ready("web-1")
    status = pod["status"]
    assert status["phase"] == "Running"
    for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready"):
        assert condition(pod, kind)["status"] == "True", kind
    assert status["podIP"].startswith("127.")
    (shown,) = status["containerStatuses"]
    assert shown["started"]
    assert "startedAt" in shown["state"]["running"]
    assert shown["imageID"].startswith("docker.io/shop/web@sha256:")
    assert await cluster.until(lambda: [each for each in cluster.processes() if each.cmdline() == ["sleep", "1d"]])
    reasons = ("Scheduled", "Pulled", "Created", "Started")
    assert all(cluster.events(reason, "web-1") for reason in reasons), "the events of a start are there"


@in_cluster
async def test_deletion_is_graceful_then_final(cluster: Running) -> None:
    script = "trap 'echo asked' TERM; echo up; while :; do sleep 0.05; done"
    cluster.pod("stubborn", shell(script), terminationGracePeriodSeconds=1)
    await cluster.ready("stubborn")
    await cluster.said("stubborn", "up")
    pid = pid_of(cluster, "trap")
    began = time.monotonic()
    cluster.store.delete(PODS, NAMESPACE, "stubborn")
    assert cluster.get(PODS, "stubborn")["metadata"]["deletionGracePeriodSeconds"] == 1
    assert psutil.pid_exists(pid), "it is asked first"
    await cluster.until(lambda: cluster.find(PODS, "stubborn") is None)
    assert time.monotonic() - began >= 0.9
    assert not psutil.pid_exists(pid)
    assert cluster.events("Killing", "stubborn")
    assert not (cluster.cluster.directory / "pods" / NAMESPACE / "stubborn").exists()


@in_cluster
async def test_forced_deletion_leaves_no_process(cluster: Running) -> None:
    cluster.pod("web-1", shell("trap '' TERM; sleep 1d & sleep 1d"))
    await cluster.ready("web-1")
    await cluster.until(lambda: len(cluster.processes()) == 3)
    cluster.store.delete(PODS, NAMESPACE, "web-1", grace_s=0)
    assert cluster.find(PODS, "web-1") is None
    await cluster.until(lambda: not cluster.processes())


@in_cluster
async def test_a_crash_loop_backs_off_and_keeps_the_last_end(cluster: Running) -> None:
    cluster.pod("crash", shell("echo boom >&2; exit 7"))

    def waiting() -> bool:
        return bool(cluster.state("crash").get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff")

    await cluster.until(lambda: waiting() and cluster.state("crash")["restartCount"] == 1)
    state = cluster.state("crash")
    uid = cluster.get(PODS, "crash")["metadata"]["uid"]
    said = f"back-off 300ms restarting failed container=web pod=crash_{NAMESPACE}({uid})"
    assert state["state"]["waiting"]["message"] == said
    assert state["lastState"]["terminated"]["exitCode"] == 7
    assert state["lastState"]["terminated"]["reason"] == "Error"
    assert cluster.get(PODS, "crash")["status"]["phase"] == "Running"
    await cluster.until(lambda: waiting() and cluster.state("crash")["restartCount"] == 2)
    assert "back-off 600ms" in cluster.state("crash")["state"]["waiting"]["message"], "doubled"
    assert cluster.events("BackOff", "crash")[0]["count"] == 2
    assert await cluster.logs("crash") == "boom\n"
    assert await cluster.logs("crash", previous=True) == "boom\n"


@pytest.mark.parametrize(
    ("policy", "code", "phase", "reason"),
    [
        ("Never", 0, "Succeeded", "Completed"),
        ("Never", 3, "Failed", "Error"),
        ("OnFailure", 0, "Succeeded", "Completed"),
    ],
)
def test_a_pod_that_ends(tmp_path: object, policy: str, code: int, phase: str, reason: str) -> None:
    @in_cluster
    async def scenario(cluster: Running) -> None:
        cluster.pod("job", shell(f"echo done; exit {code}"), restartPolicy=policy)
        await cluster.until(lambda: cluster.get(PODS, "job")["status"]["phase"] == phase)
        ended = cluster.state("job")["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (code, reason)
        assert cluster.state("job")["restartCount"] == 0
        assert condition(cluster.get(PODS, "job"), "Ready")["status"] == "False"
        assert await cluster.logs("job") == "done\n"
        with pytest.raises(ApiError, match=f"completed pod; current phase is {phase}"):
            await cluster.exec("job", "true")

    scenario(tmp_path)  # type: ignore[arg-type]


@in_cluster
async def test_on_failure_starts_again_until_it_succeeds(cluster: Running) -> None:
    cluster.pod("job", shell("test -e there && exit 0; touch there; exit 1"), restartPolicy="OnFailure")
    await cluster.until(lambda: cluster.get(PODS, "job")["status"]["phase"] == "Succeeded")
    assert cluster.state("job")["restartCount"] == 1


@in_cluster
async def test_a_killed_container_shows_the_signal(cluster: Running) -> None:
    cluster.pod("web-1", shell("exec sleep 1d"))
    await cluster.ready("web-1")
    await cluster.until(lambda: pid_of(cluster, "sleep 1d"))
    psutil.Process(pid_of(cluster, "sleep 1d")).send_signal(signal.SIGKILL)
    await cluster.until(lambda: cluster.state("web-1")["restartCount"] == 1 and cluster.state("web-1")["ready"])
    assert cluster.state("web-1")["lastState"]["terminated"]["exitCode"] == 137


@in_cluster
async def test_more_memory_than_allowed_is_the_end(cluster: Running) -> None:
    greedy = [sys.executable, "-c", "import time; x = b'x' * 60_000_000; time.sleep(99)"]
    cluster.pod("greedy", container(greedy, resources={"limits": {"memory": "40Mi"}}), restartPolicy="Never")
    cluster.pod("modest", container(resources={"limits": {"memory": "40Mi"}}))
    await cluster.until(lambda: "terminated" in cluster.state("greedy").get("state", {}))
    ended = cluster.state("greedy")["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert (await cluster.ready("modest"))["status"]["containerStatuses"][0]["restartCount"] == 0


@in_cluster
async def test_usage_is_that_of_the_processes(cluster: Running) -> None:
    busy = f"{sys.executable} -c 'x = bytearray(30_000_000)\nwhile True: pass'"
    cluster.pod("busy", shell(f"{busy}; true"))
    cluster.pod("idle", container())
    await cluster.ready("busy")
    await cluster.ready("idle")
    (used,) = await cluster.until(
        lambda: [each for each in cluster.kubelet.usage(cluster.get(PODS, "busy")) if each["memory_bytes"] > 30_000_000]
    )
    assert used["name"] == "web"
    assert used["cpu_cores"] > 0.05
    (calm,) = cluster.kubelet.usage(cluster.get(PODS, "idle"))
    assert calm["cpu_cores"] < 0.05
    assert 0 < calm["memory_bytes"] < 20_000_000
    assert cluster.kubelet.node_usage()["memory_bytes"] > 30_000_000


@in_cluster
async def test_a_missing_image_waits_until_it_is_another(cluster: Running) -> None:
    cluster.pod("web-1", container(image="shop/web:missing"))
    await cluster.until(lambda: cluster.events("BackOff", "web-1"))
    state = cluster.state("web-1")
    assert state["state"]["waiting"]["reason"] == "ImagePullBackOff"
    assert not state["ready"]
    assert cluster.get(PODS, "web-1")["status"]["phase"] == "Pending"
    with pytest.raises(ApiError, match="is waiting to start: trying and failing to pull image") as refused:
        await cluster.logs("web-1")
    assert (refused.value.code, refused.value.reason) == (400, "BadRequest")
    cluster.change(PODS, "web-1", lambda pod: pod["spec"]["containers"][0].update(image="shop/web:2"))
    pod = await cluster.ready("web-1")
    assert pod["status"]["containerStatuses"][0]["image"] == "docker.io/shop/web:2"


@in_cluster
async def test_without_a_command_the_image_says_what_runs(cluster: Running) -> None:
    (cluster.cluster.directory / "images.json").write_text(
        json.dumps({"shop/web:1": ["sh", "-c", "echo $0; sleep 1d"]})
    )
    cluster.pod("known", {"name": "web", "image": "shop/web:1", "args": ["from-args"]})
    cluster.pod("unknown", {"name": "web", "image": "shop/other:1"})
    await cluster.ready("known")
    await cluster.until(lambda: "waiting" in cluster.state("unknown").get("state", {}))
    assert cluster.state("unknown")["state"]["waiting"]["reason"] == "CreateContainerError"
    assert cluster.events("Failed", "unknown")
    await cluster.said("known", "from-args\n")


@in_cluster
async def test_a_program_that_is_not_there(cluster: Running) -> None:
    cluster.pod("web-1", container(["no-such-program"]))
    await cluster.until(lambda: cluster.state("web-1").get("lastState"))
    ended = cluster.state("web-1")["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert 'exec: "no-such-program": executable file not found in $PATH' in ended["message"]


@in_cluster
async def test_init_containers_run_one_after_the_other(cluster: Running) -> None:
    inits = [
        {"name": "first", "image": "a:1", "command": ["sh", "-c", "echo first; sleep 0.2; touch ../done"]},
        {"name": "second", "image": "a:1", "command": ["sh", "-c", "test -e ../done && echo second"]},
    ]
    cluster.pod("web-1", container(), initContainers=inits)
    await cluster.until(lambda: cluster.get(PODS, "web-1")["status"].get("initContainerStatuses"))
    pod = cluster.get(PODS, "web-1")
    assert pod["status"]["phase"] == "Pending"
    initialized = condition(pod, "Initialized")
    assert (initialized["status"], initialized["reason"]) == ("False", "ContainersNotInitialized")
    assert cluster.state("web-1")["state"]["waiting"]["reason"] == "PodInitializing"
    pod = await cluster.ready("web-1")
    assert [each["state"]["terminated"]["exitCode"] for each in pod["status"]["initContainerStatuses"]] == [0, 0]
    assert await cluster.logs("web-1", "second") == "second\n"
    with pytest.raises(ApiError, match=r"choose one of: \[web\] or one of the init containers: \[first second\]"):
        await cluster.logs("web-1")


@in_cluster
async def test_a_failing_init_container_keeps_the_pod_pending(cluster: Running) -> None:
    init = {"name": "migrate", "image": "a:1", "command": ["sh", "-c", "exit 1"]}
    cluster.pod("again", container(), initContainers=[init])
    cluster.pod("never", container(), initContainers=[init], restartPolicy="Never")
    await cluster.until(lambda: cluster.get(PODS, "never")["status"]["phase"] == "Failed")
    await cluster.until(lambda: cluster.get(PODS, "again")["status"]["initContainerStatuses"][0]["restartCount"] >= 1)
    assert cluster.get(PODS, "again")["status"]["phase"] == "Pending"


@in_cluster
async def test_a_pod_that_does_not_fit_stays_pending_until_it_does(cluster: Running) -> None:
    cluster.pod("big", container(resources={"requests": {"cpu": "10"}}))
    cluster.pod("elsewhere", container(), nodeSelector={"disk": "ssd"})
    await cluster.ready("big")
    cluster.pod("bigger", container(resources={"requests": {"cpu": "10"}}))
    await cluster.until(lambda: cluster.events("FailedScheduling", "bigger"))
    scheduled = condition(cluster.get(PODS, "bigger"), "PodScheduled")
    assert (scheduled["status"], scheduled["reason"]) == ("False", "Unschedulable")
    assert "Insufficient cpu" in scheduled["message"]
    assert "node affinity/selector" in condition(cluster.get(PODS, "elsewhere"), "PodScheduled")["message"]
    assert cluster.get(PODS, "bigger")["status"]["phase"] == "Pending"
    cluster.store.delete(PODS, NAMESPACE, "big")
    await cluster.ready("bigger")


@in_cluster
async def test_exec_runs_in_the_container(cluster: Running) -> None:
    cluster.pod("web-1", container(env=[{"name": "COLOUR", "value": "red"}]))
    await cluster.ready("web-1")
    assert await cluster.exec("web-1", "sh", "-c", "echo $COLOUR $POD_NAME; echo oh >&2; exit 4") == (
        4,
        "red web-1\n",
        "oh\n",
    )
    assert await cluster.exec("web-1", "cat", stdin=b"x" * 300_000) == (0, "x" * 300_000, "")
    code, output, _ = await cluster.exec(
        "web-1", "sh", "-c", "test -t 0 && echo terminal; read line; echo got $line", stdin=b"hi\n", tty=True
    )
    assert code == 0
    assert "terminal" in output
    assert "got hi" in output
    code, _, _ = await cluster.exec("web-1", "sh", "-c", "kill -9 $$")
    assert code == 137


@in_cluster
async def test_exec_of_what_is_not_there(cluster: Running) -> None:
    cluster.pod("web-1", container())
    pod = await cluster.ready("web-1")
    session = await cluster.kubelet.exec(pod, None, ["nope"], stdin=False, stdout=True, stderr=True, tty=False)
    assert await session.read() is None
    assert session.exit_code is None
    assert 'exec: "nope": executable file not found in $PATH' in str(session.failure)
    with pytest.raises(ApiError, match="container other is not valid for pod web-1"):
        await cluster.kubelet.exec(pod, "other", ["true"], stdin=False, stdout=True, stderr=True, tty=False)


@in_cluster
async def test_exec_can_be_ended(cluster: Running) -> None:
    cluster.pod("web-1", container())
    pod = await cluster.ready("web-1")
    session = await cluster.kubelet.exec(
        pod, None, ["sh", "-c", "echo on; sleep 77"], stdin=False, stdout=True, stderr=True, tty=False
    )
    assert await session.read() == (1, b"on\n")
    await session.terminate()
    assert "sleep 77" not in [" ".join(each.cmdline()) for each in cluster.processes()]


@in_cluster
async def test_the_end_of_the_node_is_the_end_of_every_process(cluster: Running) -> None:
    cluster.deployment("web", shell("trap '' TERM; sleep 1d & wait"), replicas=3)
    await cluster.until(lambda: len(cluster.processes()) == 6)
    await cluster.kubelet.stop()
    assert cluster.processes() == []


@in_cluster
async def test_a_successor_with_the_same_name_waits_for_the_end_of_the_first(cluster: Running) -> None:
    cluster.pod("web-0", shell("echo first > file; trap '' TERM; exec sleep 1d"))
    await cluster.ready("web-0")
    cluster.store.delete(PODS, NAMESPACE, "web-0", grace_s=0)
    cluster.pod("web-0", shell("ls; echo listed; exec sleep 1d"))
    await cluster.ready("web-0")
    await cluster.said("web-0", "listed")
    assert await cluster.logs("web-0") == "listed\n", "its directory is fresh"


@in_cluster
async def test_secrets_are_not_readable_by_others(cluster: Running) -> None:
    cluster.create(SECRETS, "db", data={"password": base64.b64encode(b"s3cret").decode()})
    mount = {"name": "db", "mountPath": "/etc/db"}
    cluster.pod("web-1", shell("cat etc/db/password; echo; exec sleep 1d", volumeMounts=[mount]),
                volumes=[{"name": "db", "secret": {"secretName": "db"}}])  # fmt: skip
    await cluster.ready("web-1")
    assert await cluster.exec("web-1", "stat", "-L", "-c", "%a", "etc/db/password") == (0, "600\n", "")
    await cluster.said("web-1", "s3cret\n")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.5, "500ms"), (10, "10s"), (80, "1m20s"), (300, "5m0s"), (5400, "1h30m0s")]
)
def test_durations_are_written_as_go_writes_them(seconds: float, said: str) -> None:
    assert go_duration(seconds) == said


def test_nothing_outlives_a_cluster_that_is_killed(tmp_path: Path) -> None:
    script = """
import asyncio, sys
from pathlib import Path
from support.node import running, shell

async def main():
    async with running(Path(sys.argv[1])) as cluster:
        cluster.pod("web-1", shell("sleep 98765 & setsid sleep 98765 & wait"))
        await cluster.until(lambda: len(cluster.processes()) == 3)
        print("up", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""
    tests = Path(__file__).parents[2]
    environ = {**os.environ, "PYTHONPATH": str(tests)}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], env=environ, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        deadline, inside = time.monotonic() + 10, []
        while len(inside) < 2 and time.monotonic() < deadline:  # they exist before they are what they will be
            below = psutil.Process(server.pid).children(recursive=True)
            inside = [each for each in below if "98765" in each.cmdline()]
        assert len(inside) == 2
        server.kill()
    gone, alive = psutil.wait_procs(inside, timeout=10)
    assert len(gone) == 2
    assert not alive
