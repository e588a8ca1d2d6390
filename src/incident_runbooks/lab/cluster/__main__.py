# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves one cluster until it is told to stop: ``python -m incident_runbooks.lab.cluster --directory DIR``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import signal
import sys
from pathlib import Path

from incident_runbooks.lab.cluster import bootstrap, certificates, controllers, kubeconfig
from incident_runbooks.lab.cluster.audit import AuditLog
from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.http.app import Server
from incident_runbooks.lab.cluster.identities import ADMINISTRATORS, Identities
from incident_runbooks.lab.cluster.runtime import cadvisor
from incident_runbooks.lab.cluster.runtime.kubelet import LocalKubelet
from incident_runbooks.lab.cluster.store import Store

_ADMIN = "lab-admin"


def main() -> int:
    """Serve; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m incident_runbooks.lab.cluster", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="the cluster's own folder; created if need be")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 for a free one")
    parser.add_argument("--kubelet-port", type=int, help="of the node's metrics, over plain HTTP; without it none")
    arguments = parser.parse_args()
    try:
        asyncio.run(_serve(arguments.directory, arguments.port, arguments.kubelet_port))
    except OSError as exc:
        print(f"starting the cluster on 127.0.0.1:{arguments.port}: {exc}", file=sys.stderr)
        return 1
    return 0


async def _serve(directory: Path, port: int, kubelet_port: int | None) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    cluster = Cluster(directory, Store(), port=port)
    kubelet = LocalKubelet(cluster)
    cluster.kubelet = kubelet
    token = admin_token(directory / "tokens.json")
    audit = AuditLog(directory / "audit.jsonl")
    server = Server(cluster, Identities(directory / "tokens.json", cluster.store), audit)
    context, ca_pem = certificates.make(cluster.host)
    await server.start(context)
    bootstrap.fill(cluster, ca_pem)
    tasks = controllers.start(cluster)
    await kubelet.start()
    metrics = cadvisor.Server(kubelet)
    if kubelet_port is not None:
        await metrics.start(cluster.host, kubelet_port)
    try:
        (directory / "ca.pem").write_bytes(ca_pem)
        kubeconfig.write(directory / "kubeconfig", cluster.url, ca_pem, token)
        print(f"ready {cluster.url}", flush=True)
        await stop.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await metrics.stop()
        await kubelet.stop()
        await server.stop()
        audit.close()


def admin_token(path: Path) -> str:
    """Return the administrator's token from the file of tokens; it is made where there is none.

    Raises:
        OSError: the file cannot be read or written.
    """
    listed = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for token, entry in listed.items():
        if ADMINISTRATORS in entry.get("groups", ()):
            return str(token)
    token = secrets.token_urlsafe(32)
    listed[token] = {"user": _ADMIN, "groups": [ADMINISTRATORS]}
    partial = path.with_name(f".{path.name}.part")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(listed, file)
    partial.replace(path)
    return token


if __name__ == "__main__":
    sys.exit(main())
