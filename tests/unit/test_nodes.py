# SPDX-License-Identifier: GPL-3.0-or-later
"""How nodes are: what their conditions say, what they use of what pods may have, and whose pods they carry."""

from __future__ import annotations

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.nodes import node_states

Json = dict[str, Any]


def node(name: str, ready: str = "True", cordoned: bool = False, **conditions: str) -> Json:
    said = {"Ready": ready, "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False", **conditions}
    listed = [{"type": kind, "status": status} for kind, status in said.items()]
    spec = {"unschedulable": True} if cordoned else {}
    allocatable = {"cpu": "3920m", "memory": "10Gi"}
    return {"metadata": {"name": name}, "spec": spec, "status": {"conditions": listed, "allocatable": allocatable}}


def used(name: str, cpu: str, memory: str) -> Json:
    return {"metadata": {"name": name}, "timestamp": "2026-11-24T15:00:00Z", "usage": {"cpu": cpu, "memory": memory}}


def pod(place: str | None, phase: str = "Running") -> Json:
    return {"metadata": {"name": "p"}, "spec": {"nodeName": place}, "status": {"phase": phase}}


def test_what_a_node_uses_is_a_share_of_what_pods_may_have() -> None:
    (found,) = node_states([node("n1")], [used("n1", "1960000000n", "9Gi")], [pod("n1"), pod("n1")])
    assert found == {
        "name": "n1",
        "ready": True,
        "pressure": [],
        "schedulable": True,
        "pods": 2,
        "measured_at": "2026-11-24T15:00:00Z",
        "cpu_cores": 1.96,
        "memory_bytes": 9 * 2**30,
        "cpu_allocatable_cores": 3.92,
        "memory_allocatable_bytes": 10 * 2**30,
        "cpu_ratio": 0.5,
        "memory_ratio": 0.9,
    }


def test_what_conditions_say() -> None:
    nodes = [
        node("pressed", MemoryPressure="True", DiskPressure="True"),
        node("down", ready="False"),
        node("silent", ready="Unknown", MemoryPressure="Unknown"),
        node("cordoned", cordoned=True),
        node("network", NetworkUnavailable="True"),
    ]
    found = {each["name"]: each for each in node_states(nodes, [], [])}
    assert {name: (each["ready"], each["pressure"]) for name, each in found.items()} == {
        "pressed": (True, ["MemoryPressure", "DiskPressure"]),
        "down": (False, []),
        "silent": (None, []),  # not heard of is neither
        "cordoned": (True, []),
        "network": (True, ["NetworkUnavailable"]),
    }
    assert [name for name, each in found.items() if not each["schedulable"]] == ["cordoned"]


def test_what_could_not_be_read_is_not_nothing() -> None:
    (found,) = node_states([node("n1")], None, None)
    assert (found["pods"], found["cpu_ratio"], found["memory_bytes"], found["measured_at"]) == (None, None, None, None)
    bare = {"metadata": {"name": "n1"}}
    (found,) = node_states([bare], [used("n1", "nonsense", "1Gi")], [])
    assert (found["ready"], found["cpu_ratio"], found["memory_ratio"], found["memory_bytes"]) == (
        None,
        None,
        None,
        2**30,
    )


def test_those_that_carry_the_pods_come_first_and_those_in_need_before_the_others() -> None:
    nodes = [node("a"), node("b"), node("c", DiskPressure="True"), node("d", MemoryPressure="True"), node("e")]
    pods = [pod("a"), pod("b"), pod("d"), pod("e", phase="Failed"), pod("e", phase="Succeeded"), pod(None)]
    found = node_states(nodes, [used("b", "3", "1Gi"), used("e", "3", "1Gi")], pods)
    assert [(each["name"], each["pods"]) for each in found] == [("d", 1), ("b", 1), ("a", 1), ("c", 0), ("e", 0)]
