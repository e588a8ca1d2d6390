# SPDX-License-Identifier: GPL-3.0-or-later
"""What the platform stands on runs out: the memory of its node, and the volume of its database.

Nothing of the platform is slow or fails by it yet: they are what a diagnosis has to see before that.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from incident_runbooks.lab.faults.fault import Fault
from incident_runbooks.lab.workloads.manifests import NAMESPACE

if TYPE_CHECKING:
    from incident_runbooks.lab.lab import Lab

CLAIM = "data-postgres-0"
_RUNBOOK = "api-latency"
_NODES = "/api/v1/nodes"
_CLAIM_PATH = f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims/{CLAIM}"
_PRESSURE = "MemoryPressure"
_FULL = 0.96  # of the volume, by what is in it now
_SHOWN = 0.9  # of it that is used, as Prometheus has it, when the fault is in effect
_SAID = {
    True: ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    False: ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
}

Json = dict[str, Any]


def _say(lab: Lab, *, pressed: bool) -> None:
    """Let the nodes say of their memory what their kubelets would."""
    api = lab.platform().api
    status, reason, message = _SAID[pressed]
    condition = {"type": _PRESSURE, "status": status, "reason": reason, "message": message}
    for node in api.items(_NODES):
        api.patch(f"{_NODES}/{node['metadata']['name']}/status", {"status": {"conditions": [condition]}})


def _set_quota(lab: Lab, size: int | None) -> None:
    """Give the volume of PostgreSQL a size; ``None`` takes it away, so that it has what the file system has."""
    from incident_runbooks.lab.cluster.runtime.volume_stats import QUOTA  # noqa: PLC0415 - see fill

    annotations = {QUOTA: None if size is None else str(size)}
    lab.platform().api.patch(_CLAIM_PATH, {"metadata": {"annotations": annotations}})


def fill(lab: Lab, share: float = _FULL) -> None:
    """Let the data of PostgreSQL, as it is, take so much of its volume."""
    from incident_runbooks.lab.cluster.runtime.volume_stats import size_of  # noqa: PLC0415 - help does not need it

    _set_quota(lab, int(size_of(Path(lab.server.data)) / share))


def empty(lab: Lab) -> None:
    """Undo :func:`fill`."""
    _set_quota(lab, None)


def used_share(lab: Lab) -> float:
    """Return how much of the volume is used, as Prometheus has it; 0 where it says nothing."""
    from incident_runbooks.lab.prometheus.api import PrometheusApi  # noqa: PLC0415 - see fill

    labels = f'namespace="{NAMESPACE}",persistentvolumeclaim="{CLAIM}"'
    free, size = (f"kubelet_volume_stats_{name}_bytes{{{labels}}}" for name in ("available", "capacity"))
    return PrometheusApi(lab.prometheus).value(f"1 - {free} / {size}") or 0.0


def _fill_until_seen(lab: Lab) -> None:
    fill(lab)
    if lab.has_prometheus:
        lab.wait_until(lambda: used_share(lab) > _SHOWN, "Prometheus has seen how full the volume is")


FAULTS = (
    Fault(
        "node-memory-pressure",
        "the node of the platform's pods says that it has too little memory left",
        "node_pressure",
        lambda lab: _say(lab, pressed=True),
        needs_cluster=True,
        runbook=_RUNBOOK,
        undo=lambda lab: _say(lab, pressed=False),
    ),
    Fault(
        "postgres-volume-full",
        f"the data of PostgreSQL takes {_FULL:.0%} of its volume",
        "volume_nearly_full",
        _fill_until_seen,
        needs_cluster=True,
        needs_payments=True,
        runbook=_RUNBOOK,
        undo=empty,
    ),
)
