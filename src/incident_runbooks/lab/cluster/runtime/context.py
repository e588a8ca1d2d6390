# SPDX-License-Identifier: GPL-3.0-or-later
"""What the containers of a pod share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.runtime.events import Recorder
from incident_runbooks.lab.cluster.runtime.volumes import Volumes

Json = dict[str, Any]


@dataclass
class PodContext:
    """What the containers of a pod share.

    Attributes:
        cluster: the cluster.
        pod: as it was last seen in the store.
        ip: its address.
        mark: of the cluster, for the environment of its processes.
        directory: its own; each container works in a directory below it.
        logs: where its logs are.
        volumes: its volumes.
        recorder: of the kubelet's events.
        publish: to be called when something has changed.
    """

    cluster: Cluster
    pod: Json
    ip: str
    mark: str
    directory: Path
    logs: Path
    volumes: Volumes
    recorder: Recorder
    publish: Callable[[], None]

    @property
    def full_name(self) -> str:
        """How messages name the pod: ``name_namespace(uid)``."""
        metadata = self.pod["metadata"]
        return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
