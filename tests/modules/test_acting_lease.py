# SPDX-License-Identifier: GPL-3.0-or-later
"""One run among those of all machines holds the Lease; kubectl is the second channel."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from modules.k8s_support import (
    Api,
    Asked,
    KubernetesCluster,
    Reply,
    api,
    cluster,
    refusal,
    run_module,
    until,
)

from ansible_collections.brandconnect.incidents.plugins.modules.acting_lease import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.lease_keeper import start_keeper

__all__ = ["api", "cluster"]

LEASE = "incident-runbooks-pool-exhaustion"
ALICE, BOB = "alice@ops-1 incident-1 run-1", "bob@ops-2 incident-2 run-2"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"


def options(where: KubernetesCluster | Api, holder: str = ALICE, **given: Any) -> dict[str, Any]:
    return where.options(name=LEASE, holder=holder, **given)


def ask(where: KubernetesCluster | Api, holder: str = ALICE, *, check_mode: bool = False, **given: Any) -> Any:
    return run_module(SPEC, options(where, holder, **given), check_mode=check_mode)


def spec_of(cluster: KubernetesCluster) -> dict[str, Any]:
    spec: dict[str, Any] = cluster.json("get", "lease", LEASE)["spec"]
    return spec


def there(cluster: KubernetesCluster) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.json("get", "leases")["items"]]


def test_acquired_kept_and_given_back(cluster: KubernetesCluster) -> None:
    planned = ask(cluster, check_mode=True)
    assert (planned["status"], planned["held"]) == ("planned", False)
    assert there(cluster) == [], "check mode writes nothing"

    taken = ask(cluster)
    assert (taken["status"], taken["changed"], taken["held"], taken["previous"]) == ("acquired", True, True, None)
    first = spec_of(cluster)
    assert (first["holderIdentity"], first["leaseDurationSeconds"], first["leaseTransitions"]) == (ALICE, 15, 0)

    again = ask(cluster)
    assert (again["status"], again["held"]) == ("renewed", True)
    time.sleep(1.1)
    assert ask(cluster, state="held")["status"] == "renewed"
    assert spec_of(cluster)["renewTime"] > first["renewTime"]
    assert spec_of(cluster)["acquireTime"] == first["acquireTime"]

    assert ask(cluster, BOB, state="released")["status"] == "not_held", "only its holder can give it back"
    assert spec_of(cluster)["holderIdentity"] == ALICE
    assert ask(cluster, state="released", check_mode=True)["status"] == "planned"
    assert spec_of(cluster)["holderIdentity"] == ALICE
    assert ask(cluster, state="released")["status"] == "released"
    assert not spec_of(cluster).get("holderIdentity")
    assert ask(cluster, state="released")["status"] == "not_held"

    other = ask(cluster, BOB)
    assert (other["status"], other.get("records")) == ("acquired", None), "it was free, so nobody needs to know"
    assert spec_of(cluster)["leaseTransitions"] == 1


def test_one_that_another_run_holds(cluster: KubernetesCluster) -> None:
    ask(cluster, BOB)
    looked = ask(cluster, check_mode=True)
    assert looked["records"][0]["data"]["code"] == "would_be_refused"
    refused = ask(cluster)
    assert refused["failed"]
    assert refused["cause"] == "locked"
    assert refused["previous"]["holder"] == BOB
    assert 0 < refused["previous"]["expires_in_s"] <= 15
    assert refused["records"] == [
        {
            "type": "error",
            "data": {"code": "locked", "message": refused["msg"], "hint": "wait for it", "component": None},
        }
    ]
    start = f"Taking the Lease {LEASE} in namespace {cluster.namespace}: another run acts ({BOB}, for "
    assert refused["msg"].startswith(start)
    assert "without a renewal it expires in " in refused["msg"]
    assert "--take-over" in refused["msg"]
    assert spec_of(cluster)["holderIdentity"] == BOB

    planned = ask(cluster, take_over=True, check_mode=True)
    assert planned["previous"]["holder"] == BOB
    assert spec_of(cluster)["holderIdentity"] == BOB
    taken = ask(cluster, take_over=True)
    assert taken["status"] == "taken_over"
    (record,) = taken["records"]
    assert record["data"]["code"] == "lease_taken_over"
    assert f"from {BOB}, for " in record["data"]["message"]
    assert "which still renewed it, as --take-over asks" in record["data"]["message"]
    assert spec_of(cluster)["holderIdentity"] == ALICE

    lost = ask(cluster, BOB, state="held")
    assert lost["failed"]
    assert lost["cause"] == "locked"
    assert f"it is not this run's any more, {ALICE}, for " in lost["msg"]


def test_one_that_is_not_renewed_any_more(cluster: KubernetesCluster) -> None:
    ask(cluster, BOB, duration_s=3)
    assert ask(cluster)["failed"]
    until(lambda: not ask(cluster, check_mode=True).get("records"), "the Lease to be over", 10)
    taken = ask(cluster)
    assert taken["status"] == "taken_over"
    assert "which had stopped renewing it" in taken["records"][0]["data"]["message"]
    assert spec_of(cluster)["holderIdentity"] == ALICE


def test_one_that_was_deleted_under_its_holder(cluster: KubernetesCluster) -> None:
    ask(cluster)
    cluster.kubectl("delete", "lease", LEASE)
    lost = ask(cluster, state="held")
    assert lost["cause"] == "locked"
    assert "nobody holds it now" in lost["msg"]


def _race(at: float, given: dict[str, Any], results: Any) -> None:
    time.sleep(max(0, at - time.time()))
    result = run_module(SPEC, given)
    results.put((given["holder"], result.get("status"), result.get("cause")))


def test_of_two_that_try_at_once_exactly_one_gets_it(cluster: KubernetesCluster) -> None:
    """Twenty times, new and taken over in turn; each time by two processes."""
    context = multiprocessing.get_context("fork")
    for number in range(20):
        given = {"take_over": False}
        if number % 4 == 3:  # over, so that both may take it over
            moment = "2026-01-01T00:00:00.000000Z"
            stale = {"holderIdentity": BOB, "leaseDurationSeconds": 15, "acquireTime": moment, "renewTime": moment}
            cluster.kubectl("patch", "lease", LEASE, "--type=merge", "-p", json.dumps({"spec": stale}))
        results = context.Queue()
        at = time.time() + 0.3
        holders = [f"{name} {number}" for name in ("carol", "dave")]
        racers = [
            context.Process(target=_race, args=(at, options(cluster, holder, **given), results)) for holder in holders
        ]
        for racer in racers:
            racer.start()
        ended = [results.get(timeout=30) for _ in racers]
        for racer in racers:
            racer.join(timeout=30)
        winners = [holder for holder, status, _ in ended if status in {"acquired", "taken_over"}]
        losers = [cause for _, status, cause in ended if status is None]
        assert len(winners) == 1, ended
        assert losers == ["locked"], ended
        assert spec_of(cluster)["holderIdentity"] == winners[0]
        if number % 2:
            cluster.kubectl("delete", "lease", LEASE)
        else:
            ask(cluster, winners[0], state="released")
        if number % 4 == 2:
            ask(cluster, BOB)


@pytest.fixture
def controller() -> Iterator[subprocess.Popen[bytes]]:
    """A process in the place of ansible-playbook."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def keeper_of(cluster: KubernetesCluster, controller: subprocess.Popen[bytes], **given: Any) -> psutil.Process:
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    params = {**defaults, **options(cluster, duration_s=3), **given}
    return psutil.Process(start_keeper(params, controller.pid))


def gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_is_kept_while_the_controller_lives_and_is_over_after_a_kill_9(
    cluster: KubernetesCluster, controller: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_RUN_ID", "run-20261123T231455Z-0001")
    ask(cluster, duration_s=3)
    keeper = keeper_of(cluster, controller)
    try:
        time.sleep(8)  # longer than the Lease is good for, with what is tolerated
        assert ask(cluster, BOB)["cause"] == "locked"
        assert keeper.environ()["RUNBOOK_RUN_ID"] == "run-20261123T231455Z-0001", "a wrapper finds it"
        os.kill(controller.pid, signal.SIGKILL)
        until(lambda: gone(keeper), "the keeper to end with the controller", 5)
        assert ask(cluster, BOB)["cause"] == "locked", "it is not given back: workers may still act"
        until(lambda: ask(cluster, BOB, check_mode=True).get("records") is None, "the Lease to be over", 10)
        taken = ask(cluster, BOB)
        assert taken["status"] == "taken_over"
        assert taken["previous"]["holder"] == ALICE
    finally:
        if not gone(keeper):
            keeper.kill()


def test_a_keeper_ends_when_somebody_else_has_the_lease(
    cluster: KubernetesCluster, controller: subprocess.Popen[bytes]
) -> None:
    ask(cluster, duration_s=3)
    keeper = keeper_of(cluster, controller)
    try:
        ask(cluster, BOB, take_over=True)
        until(lambda: gone(keeper), "the keeper to give up", 10)
        assert spec_of(cluster)["holderIdentity"] == BOB
    finally:
        if not gone(keeper):
            keeper.kill()


def test_the_keepers_login_is_nowhere_to_be_seen(
    api: Api, controller: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    answers: list[Asked] = []

    def lease(asked: Asked) -> Any:
        answers.append(asked)
        spec = {"holderIdentity": ALICE, "leaseDurationSeconds": 3}
        return {"metadata": {"name": LEASE, "resourceVersion": "1"}, "spec": spec}

    api.answers[f"{LEASES}/{LEASE}"] = lease
    defaults = {name: option.get("default") for name, option in SPEC.argument_spec.items()}
    secret = str(api.options()["api_key"])
    keeper = psutil.Process(start_keeper({**defaults, **options(api, duration_s=3)}, controller.pid))
    try:
        until(lambda: "PUT" in {asked.method for asked in answers}, "a renewal", 15)
        assert secret in answers[0].headers["Authorization"]
        assert secret not in " ".join(keeper.cmdline())
        assert secret not in json.dumps(keeper.environ())
        assert [path for path in tmp_path.rglob("*") if path.is_file() and secret in path.read_text()] == []
    finally:
        keeper.kill()


@pytest.mark.parametrize(
    ("answer", "cause", "said"),
    [
        (
            refusal(403, "Forbidden"),
            "forbidden",
            "namespace shop; bind the Role of deploy/rbac/pool-exhaustion-remediate.yml to it",
        ),
        (refusal(500, "InternalError"), "server_error", "HTTP 500"),
        (Reply(200, b"<html>"), "bad_answer", "the answer is no JSON object"),
    ],
)
def test_a_cluster_that_cannot_be_asked(api: Api, answer: Reply, cause: str, said: str) -> None:
    """What needs the cluster does not act; what does not goes on, and says so."""
    api.answers[f"{LEASES}/{LEASE}"] = answer
    failed = ask(api, rbac_role="pool-exhaustion-remediate")
    assert failed["failed"]
    assert failed["cause"] == cause
    assert said in failed["msg"]
    assert [record["data"]["code"] for record in failed["records"]] == ["refused"]
    for state in ("acquired", "held"):
        passed = ask(api, rbac_role="pool-exhaustion-remediate", required=False, state=state)
        assert (passed["status"], passed["held"], passed["changed"]) == ("unavailable", False, False)
        (record,) = passed["records"]
        assert (record["type"], record["data"]["code"]) == ("notice", "lease_unavailable")
        assert said in record["data"]["message"]
        assert "only the lock on this machine keeps others from acting" in record["data"]["message"]
    released = ask(api, state="released")
    assert released["status"] == "unavailable"
    assert "it is free in 15 s by itself" in released["reason"]


def test_a_server_that_does_not_serve_leases_is_no_free_lease(api: Api) -> None:
    api.answers[f"{LEASES}/{LEASE}"] = Reply(404, b"404 page not found")
    assert ask(api)["failed"]
    assert api.paths("POST") == []


def test_an_answer_that_did_not_come_is_looked_for(api: Api) -> None:
    """The Lease was written although the answer was lost: it is ours, and whom it was taken from is still known."""
    moment = "2026-11-23T23:00:00.000000Z"
    spec = {"holderIdentity": BOB, "leaseDurationSeconds": 15, "acquireTime": moment, "renewTime": moment}
    there: dict[str, Any] = {"metadata": {"name": LEASE, "resourceVersion": "1"}, "spec": spec}

    def lease(asked: Asked) -> Any:
        if asked.method == "PUT":
            lost = there["spec"]["holderIdentity"] == BOB
            there.update(json.loads(asked.body))
            return Reply(504, b"") if lost else there
        return there

    api.answers[f"{LEASES}/{LEASE}"] = lease
    taken = ask(api)
    assert taken["status"] == "taken_over"
    assert taken["previous"]["holder"] == BOB
    assert there["spec"]["holderIdentity"] == ALICE


@pytest.mark.parametrize(
    ("given", "said"),
    [({"duration_s": 2}, "duration_s must be 3 or more, not 2"), ({"holder": None}, "holder is needed")],
)
def test_options_that_make_no_sense(api: Api, given: dict[str, Any], said: str) -> None:
    failed = run_module(SPEC, {**options(api), **given})
    assert failed["failed"]
    assert said in failed["msg"]
    assert api.asked == []
