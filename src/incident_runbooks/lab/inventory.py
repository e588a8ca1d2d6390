# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Ansible inventory: where it is, and the part of it that each lab writes about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.communications.part import CommunicationsPart
from incident_runbooks.lab.kubernetes import ClusterPart
from incident_runbooks.lab.server import HOST, Server
from incident_runbooks.lab.workloads.manifests import NAMESPACE

FILE = "inventory.json"  # read by lab.sh of the inventory; holds passwords


def path() -> Path:
    """Return the folder of the lab's inventory.

    Raises:
        RunbookError: it is missing.
    """
    package = Path(__file__).resolve().parent
    candidates = (package / "inventory", package.parents[2] / "inventory" / "lab")
    for candidate in candidates:
        if (candidate / "hosts.yml").is_file():
            return candidate
    raise RunbookError(
        f"Looking for the lab's inventory beside {package}: it is not there", hint="install incident-runbooks again"
    )


def of(server: Server, cluster: ClusterPart | None, communications: CommunicationsPart | None = None) -> dict[str, Any]:
    """Return what a dynamic inventory says of the lab's hosts, in Ansible's format for ``--list``."""
    hosts: dict[str, dict[str, Any]] = {
        "postgres": {
            "postgres_host": HOST,
            "postgres_port": server.port,
            "postgres_database": server.database,
            "postgres_sslmode": "disable",
            "postgres_user": server.ops.user,
            "postgres_password": server.ops.password,
            "postgres_reserved_user": server.superuser.user,
            "postgres_reserved_password": server.superuser.password,
        }
    }
    common: dict[str, Any] = {}
    if communications:
        hosts["communications"] = communications.variables()
    if cluster:
        hosts["backend"] = {"kubernetes_kubeconfig": str(cluster.kubeconfig), "kubernetes_namespace": NAMESPACE}
        common = {"pool_exhaustion_pgbouncer_host": HOST, "pool_exhaustion_pgbouncer_port": server.port}
    return {"_meta": {"hostvars": hosts}, "all": {"hosts": list(hosts), "vars": common}}
