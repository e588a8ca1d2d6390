# SPDX-License-Identifier: GPL-3.0-or-later
"""The controllers: each follows the store, and brings one type of object to what its spec says."""

from __future__ import annotations

import asyncio

from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.controllers.autoscalers import Autoscalers
from incident_runbooks.lab.cluster.controllers.claims import Claims
from incident_runbooks.lab.cluster.controllers.controller import Controller
from incident_runbooks.lab.cluster.controllers.deployments import Deployments
from incident_runbooks.lab.cluster.controllers.disruption import DisruptionBudgets
from incident_runbooks.lab.cluster.controllers.endpoints import EndpointSlices
from incident_runbooks.lab.cluster.controllers.garbage import GarbageCollector
from incident_runbooks.lab.cluster.controllers.namespaces import Namespaces
from incident_runbooks.lab.cluster.controllers.replica_sets import ReplicaSets
from incident_runbooks.lab.cluster.controllers.scheduler import Scheduler
from incident_runbooks.lab.cluster.controllers.services import ServiceProxy
from incident_runbooks.lab.cluster.controllers.stateful_sets import StatefulSets

_CONTROLLERS: tuple[type[Controller], ...] = (
    Namespaces, Scheduler, Deployments, ReplicaSets, StatefulSets, Claims, EndpointSlices, DisruptionBudgets,
    Autoscalers, GarbageCollector, ServiceProxy,
)  # fmt: skip


def start(cluster: Cluster) -> list[asyncio.Task[None]]:
    """Start every controller; cancel the tasks to stop them."""
    return [asyncio.create_task(kind(cluster).run(), name=kind.component) for kind in _CONTROLLERS]
