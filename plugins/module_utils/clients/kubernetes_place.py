# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Choose where a command is run: a Ready pod of a workload, and the container in it."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import read_pods
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import exec_job


@dataclass(frozen=True)
class Place:
    """Where a command is run.

    Attributes:
        pod: its name.
        container: its name.
        workload: ``kind``, ``name``, ``namespace`` and ``uid`` of what the pod belongs to.
    """

    pod: str
    container: str
    workload: dict[str, str | None]


def choose_place(cluster: Cluster, kind: str, name: str, container: str | None) -> Place | exec_job.Objection:
    """Return the place, or a stable word and a sentence when there is none.

    Args:
        container: needed where the pods have more than one.

    Raises:
        KubernetesError: the cluster cannot be asked.
    """
    workload = cluster.get(cluster.workload_path(kind, name))
    pods = read_pods(cluster, kind, workload)
    if "pods" in pods.failures:
        text = f"Choosing a pod of {kind} {name} in namespace {cluster.namespace} on {cluster.server}"
        raise KubernetesError(text, pods.failures["pods"])
    pod = exec_job.choose_pod(pods.mine)
    if pod is None:
        return "no_ready_pod", f"none of the {len(pods.mine)} pods of {kind} {name} is Ready"
    chosen = exec_job.choose_container(pod, container)
    if not isinstance(chosen, str):
        return chosen
    where = {"kind": kind, "name": name, "namespace": cluster.namespace, "uid": workload["metadata"].get("uid")}
    return Place(str(pod["metadata"]["name"]), chosen, where)
