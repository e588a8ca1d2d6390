# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the real playbook against the lab with its cluster, and look at the cluster without it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from incident_runbooks.lab.api import ClusterApi, path_of
from incident_runbooks.lab.lab import Lab
from support.runbook import ROOT, Runbook

NAMESPACE = "brandconnect"
READING = {"get", "list", "watch"}
_MAY_ASK = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}

Json = dict[str, Any]


class PlatformRunbook(Runbook):
    """The playbook with the lab's inventory.

    Attributes:
        variables: of all hosts, over what the lab's inventory says.
        backend: likewise of the host ``backend``.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.home = directory / "home"
        self.folder = directory / "inventory"
        self.variables: Json = {"pool_exhaustion_verify_after_s": 1, "pool_exhaustion_verify_refill_after_s": 4}
        self.backend: Json = {}

    def write_inventory(self) -> Path:
        """Put what the test wants beside the lab's own inventory."""
        self.folder.mkdir(exist_ok=True)
        own = json.loads((self.lab.directory.path / "inventory.json").read_text(encoding="utf-8"))
        common = yaml.safe_load((ROOT / "inventory/lab/group_vars/all.yml").read_text(encoding="utf-8"))
        hosts = own["_meta"]["hostvars"]
        hosts["backend"] |= self.backend
        variables = {**common, **own["all"]["vars"], **self.variables}
        variables.pop("postgres_host")
        inventory = {"all": {"vars": variables, "hosts": {"localhost": {}, **hosts}}}
        path = self.folder / "hosts.yml"
        path.write_text(yaml.safe_dump(inventory), encoding="utf-8")
        return path


class Cluster:
    """The lab's cluster as its administrator sees it."""

    def __init__(self, lab: Lab) -> None:
        self.part = lab.cluster
        self.api = ClusterApi(lab.cluster.kubeconfig)
        self._since = len(self.requests())

    def get(self, kind: str, name: str, group: str = "apis/apps/v1") -> Json:
        found = self.api.get(f"/{group}/namespaces/{NAMESPACE}/{kind}/{name}")
        assert found is not None, f"{kind}/{name} does not exist"
        return found

    def pods(self, app: str = "backend") -> list[Json]:
        return self.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app%3D{app}")

    def environment(self, deployment: str = "backend") -> dict[str, str | None]:
        (container,) = self.get("deployments", deployment)["spec"]["template"]["spec"]["containers"]
        return {item["name"]: item.get("value") for item in container["env"]}

    def requests(self, since: int = 0) -> list[Json]:
        """Return the audit log's lines from a position on."""
        lines = self.part.audit_log.read_text(encoding="utf-8").splitlines()[since:]
        return [json.loads(line) for line in lines]

    def apply(self, path: Path) -> None:
        """Create what a file holds, anew."""
        for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            self.api.delete(path_of(manifest))
            self.api.create(manifest)

    def login(self, account: str) -> Json:
        """Return the inventory variables with which the playbook is a ServiceAccount and nobody else."""
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        answer = self.api.request("POST", path, request)
        assert answer.status == HTTPStatus.CREATED, answer.body
        return {
            "kubernetes_kubeconfig": "",
            "kubernetes_host": self.part.url,
            "kubernetes_ca_cert": str(self.part.directory / "ca.pem"),
            "kubernetes_api_key": answer.body["status"]["token"],
        }

    def refused(self, account: str) -> list[Json]:
        """Return the requests of a ServiceAccount that were forbidden, since this test began."""
        user = f"system:serviceaccount:{NAMESPACE}:{account}"
        return [
            entry
            for entry in self.requests(self._since)
            if entry["user"].get("username") == user and entry["responseStatus"]["code"] == HTTPStatus.FORBIDDEN
        ]

    @contextmanager
    def only_read(self, *, dry_runs: bool = False) -> Iterator[None]:
        """In the block nobody asks for anything but to read, or for dry runs; and something is read."""
        before = len(self.requests())
        yield
        asked = self.requests(before)
        assert asked, "nobody asked the cluster for anything: it proves nothing"
        changing = [
            (entry["verb"], entry["requestURI"])
            for entry in asked
            if entry["verb"] not in READING
            and (entry.get("objectRef") or {}).get("resource") not in _MAY_ASK
            and not (dry_runs and "dryRun=All" in entry["requestURI"])
        ]
        assert changing == []


def wait_until(condition: Any, what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.1)
