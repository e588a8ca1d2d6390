# SPDX-License-Identifier: GPL-3.0-or-later
"""Conformance: pods run, log, answer commands, crash and recover as the kubelet lets them.

Sources: [pods] kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle; [logs] PodLogOptions in core/v1, kubelet
validateContainerLogStatus, pkg/registry/core/pod LogLocation; [exec] KEP-4006, remotecommand v4/v5,
kubectl/pkg/cmd/exec; [config] kubernetes.io/docs/concepts/configuration/secret; [python] kubernetes.stream.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import ssl
from pathlib import Path
from typing import Any

import pytest
import websocket
import yaml
from kubernetes.client import ApiException
from kubernetes.stream import stream

from support.conformance import Server, config_map, container, deployment, eventually, pod

Json = dict[str, Any]

DEPLOYMENTS = "apps/v1/deployments"
_TALK = "for n in 1 2 3; do echo line $n; done; echo problem >&2; exec sleep 1000"
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ")


def _running(space: Any, name: str = "one", *containers: Json, **spec: Any) -> Json:
    space.create("pods", pod(name, *containers, **spec))
    found: Json = space.ready(name)
    return found


def _talking(space: Any, name: str = "one", script: str = _TALK, last: str = "problem") -> None:
    _running(space, name, container(script))
    eventually(lambda: last in _log(space, name))


def _log(space: Any, name: str = "one", **query: Any) -> str:
    answer = space.api("GET", space.path("pods", name, "log"), **query)
    assert answer.status == 200, answer.data
    assert answer.headers["Content-Type"].startswith("text/plain")
    text: str = answer.data.decode()
    return text


def _status(space: Any, name: str = "one") -> Json:
    found = space.get("pods", name)["status"].get("containerStatuses") or [{}]
    first: Json = found[0]
    return first


def _waits(space: Any, reason: str, name: str = "one") -> Json:
    def look() -> Json | None:
        status = _status(space, name)
        return status if status.get("state", {}).get("waiting", {}).get("reason") == reason else None

    found: Json = eventually(look)
    return found


# Logs


def test_log_holds_both_streams_in_order(space: Any) -> None:
    _talking(space)
    assert sorted(_log(space).splitlines()) == ["line 1", "line 2", "line 3", "problem"]
    assert [each for each in _log(space).splitlines() if each != "problem"] == ["line 1", "line 2", "line 3"]


def test_log_can_be_cut_by_lines_and_bytes(space: Any) -> None:
    _talking(space, script="for n in 1 2 3; do echo line $n; done; exec sleep 1000", last="line 3")
    assert _log(space, tailLines=2) == "line 2\nline 3\n"
    assert _log(space, tailLines=0) == ""
    assert _log(space, limitBytes=9) == "line 1\nli"


def test_log_carries_times_when_asked(space: Any) -> None:
    before = dt.datetime.now(dt.UTC)
    _talking(space)
    lines = _log(space, timestamps="true").splitlines()
    assert all(_STAMP.match(each) for each in lines)
    at = dt.datetime.fromisoformat(re.sub(r"\.(\d{6})\d*Z", r".\1+00:00", lines[0].split()[0]))
    assert before <= at <= dt.datetime.now(dt.UTC)


def test_log_since_leaves_out_what_is_older(space: Any) -> None:
    _talking(space, script="echo old; sleep 1.6; echo new; exec sleep 1000", last="new")
    assert _log(space, sinceSeconds=1) == "new\n"
    assert _log(space, sinceSeconds=600) == "old\nnew\n"
    times = [each.split()[0] for each in _log(space, timestamps="true").splitlines()]
    assert _log(space, sinceTime=times[1]) == "new\n"


def test_log_of_a_container_that_has_no_instance_before_is_refused(space: Any, kubectl: Any) -> None:
    _talking(space)
    said = 'previous terminated container "main" in pod "one" not found'
    space.api("GET", space.path("pods", "one", "log"), previous="true").refused(400, "BadRequest", said)
    assert kubectl.refused("logs", "one", "--previous") == f"Error from server (BadRequest): {said}"


def test_log_of_several_containers_needs_a_name(space: Any) -> None:
    _running(space, "one", container(), container(name="side"))
    answer = space.api("GET", space.path("pods", "one", "log"))
    said = "a container name must be specified for pod one, choose one of: [main side]"
    answer.refused(400, "BadRequest", said)


def test_log_of_a_container_that_is_none_is_refused(space: Any) -> None:
    _talking(space)
    answer = space.api("GET", space.path("pods", "one", "log"), container="other")
    answer.refused(400, "BadRequest", "container other is not valid for pod one")


def test_log_of_a_container_that_waits_is_refused(space: Any) -> None:
    space.create("pods", pod("one", container(env=[_from_secret()])))
    _waits(space, "CreateContainerConfigError")
    answer = space.api("GET", space.path("pods", "one", "log"))
    said = 'container "main" in pod "one" is waiting to start: CreateContainerConfigError'
    answer.refused(400, "BadRequest", said)


def test_log_of_a_missing_pod_is_not_found(space: Any, kubectl: Any) -> None:
    space.api("GET", space.path("pods", "gone", "log")).refused(404, "NotFound", 'pods "gone" not found')
    assert 'pods "gone" not found' in kubectl.refused("logs", "gone")


def test_log_with_options_that_make_no_sense_is_invalid(space: Any) -> None:
    _talking(space)
    answer = space.api("GET", space.path("pods", "one", "log"), tailLines=-1)
    details = answer.refused(422, "Invalid")
    assert details["causes"][0]["field"] == "tailLines"
    assert "must be greater than or equal to 0" in answer.json["message"]


def test_kubectl_logs_of_all_pods_of_a_selector(space: Any, kubectl: Any) -> None:
    talk = container("echo from $HOSTNAME; exec sleep 1000")
    space.create(DEPLOYMENTS, deployment("web", 2, talk))
    space.rolled_out("web")
    names = {each["metadata"]["name"] for each in space.pods("web")}
    said = eventually(lambda: _as_many(kubectl.out("logs", "-l", "app=web", "--prefix"), 2))
    assert set(said) == {f"[pod/{name}/main] from {name}" for name in names}


def _as_many(text: str, count: int) -> list[str] | None:
    lines = text.splitlines()
    return lines if len(lines) == count else None


def test_kubectl_logs_by_container_tail_and_all_containers(space: Any, kubectl: Any) -> None:
    _running(space, "one", container("echo a; echo b; exec sleep 1000"), container("echo c; exec sleep 1000", "side"))
    eventually(lambda: "b" in _log(space, container="main") and "c" in _log(space, container="side"))
    assert kubectl.out("logs", "one", "-c", "side") == "c"
    assert kubectl.out("logs", "one", "-c", "main", "--tail=1") == "b"
    every = kubectl.out("logs", "one", "--all-containers").splitlines()
    assert sorted(every) == ["a", "b", "c"]  # kubectl takes the containers in no order
    assert kubectl.out("logs", "one", "-c", "main", "--since=10m", "--limit-bytes=2") == "a"


def test_kubectl_logs_follows_until_the_container_ends(space: Any, kubectl: Any) -> None:
    space.create("pods", pod("one", container("echo a; sleep 0.5; echo b"), restartPolicy="Never"))
    eventually(lambda: _status(space).get("state", {}).get("waiting") is None and _status(space))
    assert kubectl.out("logs", "one", "--follow").splitlines() == ["a", "b"]


def test_python_client_reads_logs(space: Any, core: Any, namespace: str) -> None:
    _talking(space)
    assert core.read_namespaced_pod_log("one", namespace, tail_lines=10, container="main").count("line") == 3
    response = core.read_namespaced_pod_log("one", namespace, _preload_content=False)
    assert b"".join(response.stream()).decode() == _log(space)


# Commands


@pytest.mark.parametrize("code", [0, 3])
def test_kubectl_exec_exits_as_the_command_did(space: Any, current_kubectl: Any, code: int) -> None:
    _running(space)
    done = current_kubectl("exec", "one", "--", "sh", "-c", f"echo out; echo err >&2; exit {code}")
    assert (done.returncode, done.stdout) == (code, "out\n")
    tail = "command terminated with exit code 3\n" if code else ""
    assert done.stderr == "err\n" + tail


def test_kubectl_exec_hands_standard_input_over(space: Any, current_kubectl: Any) -> None:
    _running(space)
    text = "".join(f"line {number}\n" for number in range(5000))
    done = current_kubectl("exec", "-i", "one", "--", "cat", stdin=text)
    assert (done.returncode, done.stdout) == (0, text)


def test_kubectl_exec_of_a_program_that_is_missing(space: Any, current_kubectl: Any) -> None:
    _running(space)
    said = current_kubectl.refused("exec", "one", "--", "no-such-program")
    assert said.startswith("error: Internal error occurred: error executing command in container: failed to exec")
    assert said.endswith('exec: "no-such-program": executable file not found in $PATH: unknown')


def test_kubectl_exec_in_a_container_by_name_or_the_default_one(space: Any, current_kubectl: Any) -> None:
    who = {"name": "WHO", "value": "side"}
    _running(space, "one", container(env=[who | {"value": "main"}]), container(name="side", env=[who]))
    done = current_kubectl("exec", "one", "-c", "side", "--", "printenv", "WHO")
    assert done.stdout == "side\n"
    done = current_kubectl("exec", "one", "--", "printenv", "WHO")
    assert done.stdout == "main\n"
    assert "Defaulted container" in done.stderr


def test_kubectl_exec_in_a_missing_pod_or_container(space: Any, current_kubectl: Any) -> None:
    _running(space)
    assert current_kubectl.refused("exec", "gone", "--", "true").endswith('pods "gone" not found')
    said = current_kubectl.refused("exec", "one", "-c", "other", "--", "true")
    assert said.endswith("container other is not valid for pod one")


def test_kubectl_exec_in_the_pod_of_a_workload(space: Any, current_kubectl: Any) -> None:
    space.create(DEPLOYMENTS, deployment("web", 1))
    space.rolled_out("web")
    name = space.pods("web")[0]["metadata"]["name"]
    assert current_kubectl.out("exec", "deployment/web", "--", "printenv", "HOSTNAME") == name


@pytest.mark.parametrize("code", [0, 3])
def test_python_client_execs_and_reads_the_status(space: Any, core: Any, namespace: str, code: int) -> None:
    _running(space)
    command = ["sh", "-c", f"echo out; echo err >&2; exit {code}"]
    options = {"stdout": True, "stderr": True, "stdin": False, "tty": False, "_preload_content": False}
    talk = stream(core.connect_get_namespaced_pod_exec, "one", namespace, command=command, **options)
    talk.run_forever(timeout=20)
    assert (talk.read_stdout(), talk.read_stderr()) == ("out\n", "err\n")
    status = yaml.safe_load(talk.peek_channel(3))
    if code == 0:
        assert status == {"metadata": {}, "status": "Success"}
    else:
        assert status == {
            "metadata": {},
            "status": "Failure",
            "message": "command terminated with non-zero exit code: exit status 3",
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": "3"}]},
        }
    assert talk.returncode == code


def test_python_client_execs_a_program_that_is_missing(space: Any, core: Any, namespace: str) -> None:
    _running(space)
    options = {"stdout": True, "stderr": True, "_preload_content": False}
    talk = stream(core.connect_get_namespaced_pod_exec, "one", namespace, command=["no-such-program"], **options)
    talk.run_forever(timeout=20)
    status = yaml.safe_load(talk.read_channel(3))
    assert (status["status"], status["reason"], status["code"]) == ("Failure", "InternalError", 500)
    assert status["message"].startswith("Internal error occurred: error executing command in container: ")


def test_python_client_writes_standard_input(space: Any, core: Any, namespace: str) -> None:
    _running(space)
    options = {"stdout": True, "stderr": True, "stdin": True, "_preload_content": False}
    command = ["sh", "-c", "read line; echo got $line"]
    talk = stream(core.connect_get_namespaced_pod_exec, "one", namespace, command=command, **options)
    talk.write_stdin("hello\n")
    talk.run_forever(timeout=20)
    assert (talk.read_stdout(), talk.returncode) == ("got hello\n", 0)


def test_python_client_execs_in_what_is_missing(space: Any, core: Any, namespace: str) -> None:
    with pytest.raises(ApiException) as refused:
        stream(core.connect_get_namespaced_pod_exec, "gone", namespace, command=["true"], stdout=True)
    assert "404" in str(refused.value)


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v5.channel.k8s.io"])
def test_exec_speaks_both_websocket_protocols(space: Any, server: Server, protocol: str) -> None:
    _running(space)
    query = "command=cat&stdin=true&stdout=true&stderr=true"
    socket = websocket.create_connection(
        f"{server.url.replace('https', 'wss')}{space.path('pods', 'one', 'exec')}?{query}",
        subprotocols=[protocol],
        header=[f"Authorization: Bearer {server.token}"],
        sslopt={"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": str(server.ca)},
        timeout=20,
    )
    try:
        assert socket.getsubprotocol() == protocol
        socket.send_binary(b"\x00hello")
        assert _message(socket, 1) == b"hello"
        if protocol.startswith("v5"):
            socket.send_binary(b"\xff\x00")  # closes standard input: only this protocol can
            assert json.loads(_message(socket, 3)) == {"metadata": {}, "status": "Success"}
    finally:
        socket.close()


def _message(socket: Any, channel: int) -> bytes:
    """Return the next message of a channel that says something."""
    while True:
        data: bytes = socket.recv()
        if data[:1] == bytes([channel]) and len(data) > 1:
            return data[1:]


def test_exec_without_an_upgrade_is_a_bad_request(space: Any) -> None:
    _running(space)
    answer = space.api("POST", space.path("pods", "one", "exec"), command="true", stdout="true")
    answer.refused(400, "BadRequest")


# Environment and volumes


def _from_secret(key: str = "password", name: str = "login") -> Json:
    return {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}


def _secret(**plain: str) -> Json:
    return {"metadata": {"name": "login"}, "stringData": plain}


def test_environment_comes_from_values_fields_secrets_and_config_maps(space: Any) -> None:
    space.create("secrets", _secret(password="p"))
    space.create("configmaps", config_map("settings", {"COLOUR": "blue"}))
    variables = [
        {"name": "FIRST", "value": "1"},
        {"name": "SECOND", "value": "$(FIRST)2"},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        _from_secret(),
    ]
    script = "echo $FIRST $SECOND $NAME $IP $PASSWORD $COLOUR; exec sleep 1000"
    main = container(script, env=variables, envFrom=[{"configMapRef": {"name": "settings"}}])
    found = _running(space, "one", main)
    said = eventually(lambda: _log(space))
    assert said == f"1 12 one {found['status']['podIP']} p blue\n"


def test_missing_secret_keeps_the_container_from_being_created(space: Any, kubectl: Any) -> None:
    space.create("pods", pod("one", container(env=[_from_secret()])))
    status = _waits(space, "CreateContainerConfigError")
    assert status["state"]["waiting"]["message"] == 'secret "login" not found'
    assert kubectl.out("get", "pod", "one", "--no-headers").split()[:3] == ["one", "0/1", "CreateContainerConfigError"]
    space.create("secrets", _secret(other="p"))
    said = f"couldn't find key password in Secret {space.name}/login"
    eventually(lambda: said in _status(space)["state"].get("waiting", {}).get("message", ""))
    changed = {"data": {"password": base64.b64encode(b"p").decode()}}
    space.api("PATCH", space.path("secrets", "login"), changed, sent="application/merge-patch+json").ok()
    space.ready("one")


def test_secret_volume_shows_keys_as_files(space: Any) -> None:
    space.create("secrets", _secret(password="from the volume"))
    main = container(
        "cat ${ROOT}/etc/login/password; echo; exec sleep 1000",
        env=[{"name": "ROOT", "value": "."}],  # the lab mounts nothing: volumes are below the working directory
        volumeMounts=[{"name": "login", "mountPath": "/etc/login"}],
    )
    _running(space, "one", main, volumes=[{"name": "login", "secret": {"secretName": "login"}}])
    assert eventually(lambda: _log(space)) == "from the volume\n"


# Life and death


def test_crash_loop_counts_restarts_and_backs_off(space: Any, kubectl: Any) -> None:
    space.create("pods", pod("one", container("echo trying; echo broken >&2; exit 3")))
    status = eventually(lambda: _crashed(_status(space), 2))
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert re.search(r"^back-off .* restarting failed container=main pod=one_", status["state"]["waiting"]["message"])
    last = status["lastState"]["terminated"]
    assert (last["exitCode"], last["reason"]) == (3, "Error")
    assert (status["ready"], status["started"]) == (False, False)
    assert space.get("pods", "one")["status"]["phase"] == "Running"
    row = kubectl.out("get", "pod", "one", "--no-headers").split()
    assert row[:2] == ["one", "0/1"]
    assert int(row[3]) >= 2
    assert "broken" in kubectl.out("logs", "one", "--previous")
    events = {each["reason"]: each for each in space.list("events", fieldSelector="involvedObject.name=one")}
    assert events["BackOff"]["type"] == "Warning"
    assert events["BackOff"]["message"].startswith("Back-off restarting failed container main in pod one_")


def _crashed(status: Json, times: int) -> Json | None:
    waits = status.get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff"
    return status if waits and status["restartCount"] >= times else None


def test_previous_log_is_that_of_the_instance_before(space: Any) -> None:
    script = "if [ -e been ]; then echo second; exec sleep 1000; fi; touch been; echo first; exit 1"
    space.create("pods", pod("one", container(script)))
    eventually(lambda: _status(space).get("restartCount") == 1 and _status(space)["ready"])
    assert eventually(lambda: _log(space)) == "second\n"
    assert _log(space, previous="true") == "first\n"


def test_memory_beyond_the_limit_is_killed(space: Any) -> None:
    grow = "exec python3 -c 'x = bytearray(300 * 1024 * 1024); import time; time.sleep(1000)'"
    main = container(grow, resources={"limits": {"memory": "64Mi"}})
    space.create("pods", pod("one", main, restartPolicy="Never"))
    ended = eventually(lambda: _status(space).get("state", {}).get("terminated"))
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert space.get("pods", "one")["status"]["phase"] == "Failed"


@pytest.mark.parametrize(("code", "phase", "reason"), [(0, "Succeeded", "Completed"), (1, "Failed", "Error")])
def test_pod_that_is_not_restarted_has_an_end(space: Any, code: int, phase: str, reason: str) -> None:
    space.create("pods", pod("one", container(f"exit {code}"), restartPolicy="Never"))
    eventually(lambda: space.get("pods", "one")["status"]["phase"] == phase)
    ended = _status(space)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (code, reason)
    assert ended["startedAt"] <= ended["finishedAt"]
    assert ended["containerID"]


def test_init_containers_run_first_and_in_order(space: Any) -> None:
    inits = [container("echo first", "a"), container("echo second", "b")]
    found = _running(space, "one", container(), initContainers=inits)
    ends = [each["state"]["terminated"] for each in found["status"]["initContainerStatuses"]]
    assert [each["exitCode"] for each in ends] == [0, 0]
    assert ends[0]["finishedAt"] <= ends[1]["startedAt"]
    assert _log(space, container="b") == "second\n"


def test_readiness_follows_the_probe(space: Any, kubectl: Any) -> None:
    probe = {"exec": {"command": ["test", "-e", "ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    space.create("pods", pod("one", container("sleep 0.3; touch ready; exec sleep 1000", readinessProbe=probe)))
    eventually(lambda: _status(space).get("started"))
    conditions = {each["type"]: each for each in space.get("pods", "one")["status"]["conditions"]}
    assert conditions["Ready"]["status"] == "False"
    assert conditions["Ready"]["reason"] == "ContainersNotReady"
    assert conditions["Ready"]["message"] == "containers with unready status: [main]"
    assert conditions["PodScheduled"]["status"] == conditions["Initialized"]["status"] == "True"
    space.ready("one")
    assert kubectl.out("get", "pod", "one", "--no-headers").split()[1:3] == ["1/1", "Running"]


def test_failed_liveness_probe_restarts_the_container(space: Any) -> None:
    probe = {"exec": {"command": ["test", "!", "-e", "ill"]}, "periodSeconds": 1, "failureThreshold": 1}
    script = "if [ -e ill ]; then rm ill; exec sleep 1000; fi; touch ill; exec sleep 1000"
    space.create("pods", pod("one", container(script, livenessProbe=probe)))
    status = eventually(lambda: _restarted(_status(space)))
    assert status["lastState"]["terminated"]["exitCode"] in (137, 143)
    reasons = {each["reason"] for each in space.list("events", fieldSelector="involvedObject.name=one")}
    assert {"Unhealthy", "Killing"} <= reasons


def _restarted(status: Json) -> Json | None:
    return status if status.get("restartCount", 0) >= 1 and status.get("lastState", {}).get("terminated") else None


def test_image_that_is_missing_is_not_pulled(space: Any) -> None:
    space.create("pods", pod("one", {**container(), "image": "registry.example/app:missing"}))

    def look() -> str | None:
        reason = _status(space).get("state", {}).get("waiting", {}).get("reason")
        return reason if reason in ("ErrImagePull", "ImagePullBackOff") else None

    assert eventually(look)
    assert space.get("pods", "one")["status"]["phase"] == "Pending"
    events = eventually(lambda: space.list("events", fieldSelector="involvedObject.name=one,reason=Failed"))
    assert all(each["type"] == "Warning" for each in events)


def test_pod_tells_its_life_in_events(space: Any, kubectl: Any) -> None:
    _running(space)
    wanted = ["Scheduled", "Created", "Started"]

    def look() -> list[Json] | None:
        found = space.list("events", fieldSelector="involvedObject.name=one")
        return found if set(wanted) <= {each["reason"] for each in found} else None

    events = {each["reason"]: each for each in eventually(look)}
    first = events["Scheduled"]
    assert first["message"].startswith(f"Successfully assigned {space.name}/one to ")
    assert (first["type"], first["involvedObject"]["kind"]) == ("Normal", "Pod")
    assert events["Started"]["message"] == "Started container main"
    assert events["Started"]["source"]["component"] == "kubelet"
    said = kubectl.out("describe", "pod", "one")
    assert [each for each in wanted if each not in said.partition("Events:")[2]] == []


def test_kubectl_get_events_is_sorted_by_what_was_asked(space: Any, kubectl: Any) -> None:
    _running(space)
    eventually(lambda: space.list("events", fieldSelector="involvedObject.name=one,reason=Started"))
    lines = kubectl.out("get", "events", "--sort-by=.metadata.creationTimestamp").splitlines()
    assert lines[0].split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert any(line.split()[1:4] == ["Normal", "Started", "pod/one"] for line in lines)


def test_deletion_without_grace_removes_the_pod_at_once(space: Any, kubectl: Any) -> None:
    _running(space, "one", container("trap '' TERM; while :; do sleep 0.1; done"), terminationGracePeriodSeconds=60)
    done = kubectl("delete", "pod", "one", "--grace-period=0", "--force")
    assert done.returncode == 0
    assert done.stdout.strip() == 'pod "one" force deleted'
    space.api("GET", space.path("pods", "one")).refused(404, "NotFound")


def test_describe_of_a_pod_has_the_expected_sections(space: Any, kubectl: Any) -> None:
    _running(space, "one", container(resources={"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}))
    sections = {line.split(":")[0] for line in kubectl.out("describe", "pod", "one").splitlines() if line[:1] != " "}
    expected = {"Name", "Namespace", "Node", "Start Time", "Labels", "Status", "IP", "Containers", "Conditions",
                "Volumes", "QoS Class", "Events"}  # fmt: skip
    assert expected <= sections


def test_processes_of_a_pod_are_real_and_end_with_it(space: Any, tmp_path: Path) -> None:
    """Not of the documentation: what makes the lab's pods worth a rehearsal."""
    proof = tmp_path / "pid"
    _running(space, "one", container(f"echo $$$$ > {proof}; exec sleep 1000"))
    pid = int(eventually(lambda: proof.read_text().strip() if proof.exists() else ""))
    assert Path(f"/proc/{pid}").exists()
    space.api("DELETE", space.path("pods", "one")).ok()
    eventually(lambda: space.api("GET", space.path("pods", "one")).status == 404)
    assert not Path(f"/proc/{pid}").exists()
