# SPDX-License-Identifier: GPL-3.0-or-later
"""k8s_rollout gives back what it has changed, also when the run that changed it was killed."""

from __future__ import annotations

import json
import multiprocessing
from typing import Any

import pytest
from modules.k8s_support import KubernetesCluster, cluster, lab_cluster, run_module, until
from modules.test_k8s_rollout import backend, manifest, pods, read, rolled_out, rollout

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_rollout import SPEC

__all__ = ["backend", "cluster", "lab_cluster"]

PREVIOUS = "incidents.brandconnect/previous-strategy"
REFERENCE = {"configMapKeyRef": {"name": "settings", "key": "size", "optional": True}}


def environment(cluster: KubernetesCluster) -> Any:
    return read(cluster)["spec"]["template"]["spec"]["containers"][0]["env"]


def fingerprints(result: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each["fingerprint"] for each in result["after"]["variables"]}


def test_what_was_set_added_and_emptied_goes_back_exactly(backend: KubernetesCluster) -> None:
    backend.kubectl("set", "env", "deployment/backend", "EMPTY=", "LAST=z")
    rolled_out(backend)
    before = read(backend)["spec"]["template"]["spec"]
    changed = rollout(backend, action="set_env", env={"TYPEORM_POOL_MAX": "14", "EMPTY": "1", "NEW": "2"})
    assert changed["status"] == "done", changed
    was = {each["name"]: each for each in changed["before"]["variables"]}
    assert [was[name]["set"] for name in ("EMPTY", "NEW", "TYPEORM_POOL_MAX")] == [True, False, True]
    wanted = {name: each["value"] for name, each in was.items()}
    assert wanted == {"EMPTY": "", "NEW": None, "TYPEORM_POOL_MAX": "100"}
    expected = {"uid": changed["after"]["uid"], "env_fingerprints": fingerprints(changed)}
    planned = rollout(backend, action="set_env", env=wanted, expected=expected, check_mode=True)
    assert (planned["status"], environment(backend)) != ("done", before["containers"][0]["env"])
    back = rollout(backend, action="set_env", env=wanted, expected=expected)
    assert back["status"] == "done", back
    assert environment(backend) == before["containers"][0]["env"]
    assert read(backend)["spec"]["template"]["spec"] == before
    again = rollout(backend, action="set_env", env=wanted, expected=expected)
    assert (again["status"], again["changed"]) == ("refused", False), "it is not any more what was left"


def test_a_reference_is_given_back_as_a_reference(backend: KubernetesCluster) -> None:
    item = manifest()
    item["spec"]["template"]["spec"]["containers"][0]["env"].append({"name": "SIZE", "valueFrom": REFERENCE})
    backend.apply([item])
    rolled_out(backend)
    before = environment(backend)
    seen = rollout(backend, action="set_env", env={"SIZE": "1"}, check_mode=True)
    (state,) = seen["before"]["variables"]
    assert (seen["refusal"], state["value"], state["value_from"]) == ("value_from", None, REFERENCE)
    backend.kubectl("set", "env", "deployment/backend", "SIZE-")
    backend.kubectl("set", "env", "deployment/backend", "SIZE=5")
    rolled_out(backend)
    assert environment(backend) != before
    back = rollout(backend, action="set_env", env_from={"SIZE": REFERENCE})
    assert back["status"] == "done", back
    assert environment(backend) == before


def test_what_somebody_changed_meanwhile_is_refused_and_named(backend: KubernetesCluster) -> None:
    changed = rollout(backend, action="set_env", env={"TYPEORM_POOL_MAX": "14"})
    backend.kubectl("set", "env", "deployment/backend", "TYPEORM_POOL_MAX=15")
    rolled_out(backend)
    generation = read(backend)["metadata"]["generation"]
    expected = {"env_fingerprints": fingerprints(changed)}
    back = rollout(backend, action="set_env", env={"TYPEORM_POOL_MAX": "100"}, expected=expected)
    assert (back["status"], back["refusal"]) == ("refused", "expected_differs")
    assert "was changed meanwhile: it is now 15" in back["reason"]
    assert read(backend)["metadata"]["generation"] == generation


def test_replicas_go_down_again_only_when_asked(backend: KubernetesCluster) -> None:
    assert rollout(backend, action="scale", replicas=3)["status"] == "done"
    assert rollout(backend, action="scale", replicas=2)["refusal"] == "scale_down"
    moved = rollout(backend, action="scale", replicas=2, lower=True, expected={"replicas": 4})
    assert moved["refusal"] == "expected_differs"
    assert rollout(backend, action="scale", replicas=2, lower=True, expected={"replicas": 3})["status"] == "done"
    assert len(pods(backend)) == 2


def _restart(options: dict[str, Any]) -> None:
    run_module(SPEC, options)


@pytest.fixture
def cut_off(backend: KubernetesCluster) -> dict[str, Any]:
    """A Deployment whose restart was killed before it put the strategy back; the strategy before."""
    strategy: dict[str, Any] = read(backend)["spec"]["strategy"]
    options = backend.options(name="backend", action="restart", surge="none", incident="i1", wait_s=30)
    run = multiprocessing.get_context("spawn").Process(target=_restart, args=(options,))
    run.start()
    until(lambda: PREVIOUS in read(backend)["metadata"]["annotations"], "the patch")
    run.kill()
    run.join()
    rolled_out(backend)
    item = read(backend)
    assert item["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert json.loads(item["metadata"]["annotations"][PREVIOUS]) == strategy
    return strategy


def is_as_before(cluster: KubernetesCluster, strategy: dict[str, Any]) -> bool:
    item = read(cluster)
    return bool(item["spec"]["strategy"] == strategy) and PREVIOUS not in item["metadata"]["annotations"]


@pytest.mark.parametrize(
    "given",
    [
        {"action": "put_back"},
        {"action": "set_env", "env": {"TYPEORM_POOL_MAX": "100"}},
        {"action": "restart", "surge": "none", "incident": "i1"},  # the same incident restarts nothing twice
    ],
)
def test_only_the_strategy_of_a_killed_run_is_put_back(
    backend: KubernetesCluster, cut_off: dict[str, Any], given: dict[str, Any]
) -> None:
    before = pods(backend)
    planned = rollout(backend, **given, check_mode=True)
    assert (planned["status"], is_as_before(backend, cut_off)) == ("planned", False)
    done = rollout(backend, **given)
    assert done["status"] == "done", done
    assert "which a rollout that was cut off had left at maxSurge 0" in done["reason"]
    assert is_as_before(backend, cut_off)
    assert pods(backend) == before, "no pod is replaced for it"
    assert rollout(backend, action="put_back")["status"] == "nothing_to_do"


@pytest.mark.parametrize("surge", ["keep", "none"])
def test_the_next_rollout_puts_the_strategy_of_a_killed_run_back(
    backend: KubernetesCluster, cut_off: dict[str, Any], surge: str
) -> None:
    done = rollout(backend, action="set_env", env={"TYPEORM_POOL_MAX": "7"}, surge=surge)
    assert done["status"] == "done", done
    assert any("of a rollout that was cut off" in caveat for caveat in done["caveats"])
    assert is_as_before(backend, cut_off)


def test_a_strategy_that_somebody_set_since_stays(backend: KubernetesCluster, cut_off: dict[str, Any]) -> None:
    theirs = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    backend.kubectl("patch", "deployment", "backend", "--patch", json.dumps({"spec": {"strategy": theirs}}))
    assert rollout(backend, action="put_back")["status"] == "nothing_to_do"
    assert rollout(backend, action="set_env", env={"TYPEORM_POOL_MAX": "7"})["status"] == "done"
    assert read(backend)["spec"]["strategy"] == theirs != cut_off
    assert PREVIOUS not in read(backend)["metadata"]["annotations"]
