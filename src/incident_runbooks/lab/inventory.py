# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's Ansible inventory: where it is, and the part of it that each lab writes about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab import rolled
from incident_runbooks.lab.ingress.part import IngressPart
from incident_runbooks.lab.kubernetes import ClusterPart
from incident_runbooks.lab.server import HOST, Server
from incident_runbooks.lab.services.secret_files import fingerprint
from incident_runbooks.lab.state import State
from incident_runbooks.lab.stripe.part import StripePart
from incident_runbooks.lab.workloads.manifests import NAMESPACE
from incident_runbooks.lab.workloads.site import PROBE_EMAIL

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


def of(server: Server, state: State) -> dict[str, Any]:
    """Return what a dynamic inventory says of the lab's hosts, in Ansible's format for ``--list``.

    Args:
        server: the lab's PostgreSQL.
        state: where the other parts are.
    """
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
            "postgres_dba_user": server.dba.user,
            "postgres_dba_password": server.dba.password,
        }
    }
    common: dict[str, Any] = {}
    if state.communications:
        hosts["communications"] = state.communications.variables()
    if state.cluster:
        hosts["backend"] = {"kubernetes_kubeconfig": str(state.cluster.kubeconfig), "kubernetes_namespace": NAMESPACE}
        common = {"pool_exhaustion_pgbouncer_host": HOST, "pool_exhaustion_pgbouncer_port": server.port}
    if state.stripe and state.ingress:
        hosts["stripe"] = _stripe(state.stripe, state.ingress, state.fault_names())
    if state.prometheus:
        hosts["prometheus"] = {"prometheus_url": state.prometheus.url}
    if state.cluster and state.ingress:
        hosts["auth"] = _auth(state.cluster, state.ingress)
    if state.cluster and state.redis:
        hosts["redis"] = {"redis_host": state.redis, "redis_password": state.cluster.credentials.redis_password}
    for name, part in (("clickhouse", state.clickhouse), ("vault", state.vault), ("social", state.social)):
        if part:
            hosts[name] = part.variables()
    return {"_meta": {"hostvars": hosts}, "all": {"hosts": list(hosts), "vars": common}}


def _stripe(part: StripePart, ingress: IngressPart, faults: list[str]) -> dict[str, Any]:
    """Return the variables of the host ``stripe``; some are secret."""
    return {
        "stripe_api_url": part.url,
        "stripe_api_key": part.keys.restricted_key,
        "stripe_livemode": False,
        "stripe_status_urls": [f"{part.status_url}/api/v2/summary.json"],
        "stripe_status_hosts": [HOST],
        "stripe_webhook_url": ingress.webhook_url,
        "stripe_webhook_ca_cert": str(ingress.ca_cert),
        "stripe_backend_secret_key": rolled.stripe_key(part, faults),
        "stripe_backend_webhook_secret": rolled.webhook_secret(part, faults),
    }


def _auth(cluster: ClusterPart, ingress: IngressPart) -> dict[str, Any]:
    """Return the variables of the host ``auth``, where users log in; the password is secret."""
    return {
        "auth_url": ingress.url,
        "auth_ca_cert": str(ingress.ca_cert),
        "auth_probe_user": PROBE_EMAIL,
        "auth_probe_password": cluster.credentials.probe_password,
        "auth_jwt_fingerprint": fingerprint(cluster.credentials.jwt_secret),
    }
