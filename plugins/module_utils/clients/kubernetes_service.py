# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read a Service, the slices with its endpoints, and the pods that its selector matches."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import Failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import read_parts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import selector_text
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.service_endpoints import (
    Seen,
    alive,
    selector,
)

_SERVICE_LABEL = "kubernetes.io/service-name"


def read_service(cluster: Cluster, name: str) -> tuple[Seen, dict[str, Failure]]:
    """Return what there is of a Service, and what could not be read, by part.

    A Service that is not there is both: :attr:`Seen.missing`, and a failure of the part ``service``.

    Args:
        name: of the Service.
    """
    slices = cluster.path("discovery.k8s.io/v1", "endpointslices")
    first = read_parts(
        {
            "service": lambda: cluster.get(cluster.path("v1", "services", name)),
            "endpointslices": lambda: cluster.list(slices, labelSelector=f"{_SERVICE_LABEL}={name}"),
        }
    )
    failures = first.failures
    if "service" in failures:
        return Seen(missing=failures["service"].cause == "not_found"), failures
    service = first.values["service"]
    pods = None
    if labels := selector(service):
        text = selector_text({"matchLabels": labels})
        second = read_parts({"pods": lambda: cluster.list(cluster.path("v1", "pods"), labelSelector=text)})
        failures |= second.failures
        pods = alive(second.values["pods"]) if "pods" in second.values else None
    return Seen(service, pods, first.values.get("endpointslices")), failures
