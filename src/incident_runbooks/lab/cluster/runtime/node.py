# SPDX-License-Identifier: GPL-3.0-or-later
"""The one node: its object in the API."""

from __future__ import annotations

import os
from typing import Any

from incident_runbooks.lab.cluster.resources import NODES
from incident_runbooks.lab.cluster.store import Store, now

Json = dict[str, Any]

NAME = "lab-node-1"
VERSION = "v1.32.0+lab"
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def capacity() -> dict[str, str]:
    """Return what the node offers. It does not depend on the machine, so that what fits is the same everywhere.

    LAB_NODE_CPU and LAB_NODE_MEMORY change it.
    """
    return {
        "cpu": os.environ.get("LAB_NODE_CPU", "16"),
        "memory": os.environ.get("LAB_NODE_MEMORY", "64Gi"),
        "pods": "500",
        "ephemeral-storage": "100Gi",
    }


def register(store: Store, address: str) -> Json:
    """Create the node and say that it is ready; return it."""
    labels = {
        "kubernetes.io/hostname": NAME,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64" if os.uname().machine == "x86_64" else "arm64",
    }
    if store.find(NODES, None, NAME) is None:
        store.create(NODES, {"metadata": {"name": NAME, "labels": labels}, "spec": {}})
    stamp = now()
    status = {
        "capacity": capacity(),
        "allocatable": capacity(),
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": stamp,
                "lastTransitionTime": stamp,
            }
            for kind, status, reason, message in _CONDITIONS
        ],
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": NAME}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "architecture": labels["kubernetes.io/arch"],
            "operatingSystem": "linux",
            "osImage": "incident-runbooks lab: local processes",
            "kernelVersion": os.uname().release,
            "kubeletVersion": VERSION,
            "kubeProxyVersion": VERSION,
            "containerRuntimeVersion": "lab://1",
            "machineID": "",
            "systemUUID": "",
            "bootID": "",
        },
    }
    return store.update(
        NODES, {"metadata": {"name": NAME, "labels": labels}, "spec": {}, "status": status}, status=True
    )
