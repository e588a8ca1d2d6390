# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's workloads in the lab's cluster: deployed, looked at, brought back to their beginning."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab import binaries
from incident_runbooks.lab.api import ClusterApi, collection_of, name_of, path_of
from incident_runbooks.lab.kubernetes import ClusterPart
from incident_runbooks.lab.server import Server
from incident_runbooks.lab.workloads import faults, pgbouncer
from incident_runbooks.lab.workloads.manifests import NAMESPACE, manifests
from incident_runbooks.lab.workloads.site import Site

_READY_S = 60.0
_POLL_S = 0.05
_PAYMENTS_PER_SECOND = 1.0  # of each pod
_PROGRAMS = ("redis-server", "pgbouncer")
_WORKLOADS = ("Deployment", "StatefulSet")
_LASTING = frozenset({"leak", "memory"})  # a process gets over them only slowly
_OF_THE_CLUSTER = ("default", "kubernetes", "kube-root-ca.crt")  # every namespace has them
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"

Json = dict[str, Any]


class Platform:
    """BrandConnect in the lab's cluster, whose API answers.

    Args:
        part: the cluster.
        server: the database.
        progress: told what is going on.
        stripe_url: of the lab's Stripe; without one nobody pays.
        clickhouse: how the metric worker reaches ClickHouse, as the inventory's host says it; ``None`` without one.
        social: likewise the social APIs, with their tokens.
    """

    def __init__(
        self,
        part: ClusterPart,
        server: Server,
        progress: Callable[[str], None],
        *,
        stripe_url: str | None = None,
        clickhouse: Json | None = None,
        social: Json | None = None,
    ) -> None:
        self.api = ClusterApi(part.kubeconfig)
        self._progress = progress
        redis = binaries.locate("redis-server")
        self.site = Site(
            server,
            part.credentials,
            part.directory,
            redis=redis,
            stripe_api_url=stripe_url,
            payments_per_second=_PAYMENTS_PER_SECOND if stripe_url else 0,
            clickhouse=clickhouse,
            social=social,
        )

    @property
    def manifests(self) -> list[Json]:
        """The objects as they are at first."""
        return manifests(self.site)

    @staticmethod
    def fetch_programs(progress: Callable[[str], None]) -> None:
        """Get what containers run and this machine has not, as far as that is possible."""
        for name in _PROGRAMS:
            if binaries.locate(name) is None:
                progress(f"fetching the Debian package of {name}")
                try:
                    binaries.find_program(name)
                except RunbookError as error:
                    progress(f"going on without {name}: {error}")

    def deploy(self) -> None:
        """Create every object.

        Raises:
            RunbookError: one is refused.
        """
        self.site.prepare()
        pgbouncer.install(self.site.commands)
        for manifest in self.manifests:
            self.api.create(manifest)

    def wait_until_ready(self, *, alive: Callable[[], bool]) -> None:
        """Wait until every workload has the pods that it wants.

        Args:
            alive: whether the cluster still runs.

        Raises:
            RunbookError: it has not, within a minute.
        """
        deadline = time.monotonic() + _READY_S
        while missing := self.not_ready():
            if time.monotonic() > deadline or not alive():
                raise RunbookError(
                    f"Waiting for the workloads of the lab: {'; '.join(missing)}",
                    hint="see cluster.log there, and the pods' logs under cluster/pods",
                )
            time.sleep(_POLL_S)

    def not_ready(self) -> list[str]:
        """Return the workloads that are not as they should be, each with how far they are."""
        wanted = [manifest for manifest in self.manifests if manifest["kind"] in _WORKLOADS]
        return [said for manifest in wanted if (said := _behind(manifest, self.api.get(path_of(manifest))))]

    def pods(self, workload: str) -> list[Json]:
        """Return the pods of a workload."""
        return self.api.items(f"{_PODS}?labelSelector=app%3D{workload}")

    def service_address(self, name: str) -> str:
        """Return the address of a Service within the cluster; empty where there is no such Service."""
        there = self.api.get(f"/api/v1/namespaces/{NAMESPACE}/services/{name}")
        return str(there["spec"].get("clusterIP") or "") if there else ""

    def log(self, pod: str, *, since: str | None = None) -> str:
        """Return a pod's log, as far as there is one.

        Args:
            pod: its name.
            since: RFC 3339; older lines are left out.
        """
        wanted = f"?sinceTime={quote(since)}" if since else ""
        return str(self.api.request("GET", f"{_PODS}/{pod}/log{wanted}").body.get("message", ""))

    def set_up_anew(self, workload: str, change: Callable[[Json], None]) -> None:
        """Make a Deployment anew, other than it was at first; it has no history, and :meth:`restore` sees it.

        Args:
            workload: its name.
            change: changes its manifest.
        """
        wanted = next(each for each in self.manifests if name_of(each) == f"Deployment {workload}")
        change(wanted)
        self._remake(wanted, self.api.get(path_of(wanted)))
        # no change of the template: it makes the Deployment one that was changed, and no new revision
        deadline_s = wanted["spec"]["progressDeadlineSeconds"] + 1
        self.api.patch(path_of(wanted), {"spec": {"progressDeadlineSeconds": deadline_s}})

    def restore(self) -> list[str]:
        """Bring the objects back to what they were at first; returns what was different.

        A workload that was changed or restarted is made anew, without its history; what was added is removed.
        """
        withdrawn = faults.withdraw(self.site.faults)
        changed, remade = self._remove_added(), set()
        for manifest in self.manifests:
            there = self.api.get(path_of(manifest))
            if there is not None and _is_as_it_was(manifest, there):
                continue
            changed.append(f"{name_of(manifest)} was {'changed' if there else 'missing'}")
            self._remake(manifest, there)
            remade.add(manifest["kind"])
        # pods that started while a Secret was another one still have its values
        outdated = "Secret" in remade and "Deployment" not in remade
        self._replace_pods(everything=outdated or bool(_LASTING & set(withdrawn)))
        return changed

    def _remove_added(self) -> list[str]:
        changed = []
        known = {path_of(manifest) for manifest in self.manifests}
        for collection in {
            collection_of(manifest) for manifest in self.manifests if "namespace" in manifest["metadata"]
        }:
            for there in self.api.items(collection):
                path = f"{collection}/{there['metadata']['name']}"
                owned = there["metadata"].get("ownerReferences") or there["metadata"]["name"] in _OF_THE_CLUSTER
                if path not in known and not owned:
                    self.api.delete(path, propagationPolicy="Background")
                    changed.append(f"{path} was added")
        return changed

    def _remake(self, manifest: Json, there: Json | None) -> None:
        path = path_of(manifest)
        if there is not None:
            self.api.delete(path, propagationPolicy="Foreground")
            deadline = time.monotonic() + _READY_S
            while self.api.get(path) is not None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            if address := there["spec"].get("clusterIP") if manifest["kind"] == "Service" else None:
                # pods that run know it by this address
                manifest = {**manifest, "spec": {**manifest["spec"], "clusterIP": address}}
        self.api.create(manifest)

    def _replace_pods(self, *, everything: bool) -> None:
        """Replace pods that have crashed, or all that faults can hit, whatever a fault has left in them."""
        for pod in self.api.items(_PODS):
            statuses = (pod.get("status") or {}).get("containerStatuses") or []
            hit = everything and pod["metadata"]["labels"].get("app") in (faults.BACKEND, faults.METRIC_WORKER)
            if hit or any(status.get("restartCount") for status in statuses):
                self.api.delete(f"{_PODS}/{pod['metadata']['name']}", gracePeriodSeconds=1)


def _behind(manifest: Json, there: Json | None) -> str | None:
    """Return how far a workload is from what it should be, ``None`` where it is."""
    if there is None:
        return f"{name_of(manifest)} does not exist"
    status, wanted = there.get("status", {}), there["spec"]["replicas"]
    counts = {status.get(name, 0) for name in ("replicas", "readyReplicas", "updatedReplicas")}
    if status.get("observedGeneration") == there["metadata"]["generation"] and counts == {wanted}:
        return None
    return f"{name_of(manifest)} has {status.get('readyReplicas', 0)} of {wanted} pods ready"


def _is_as_it_was(manifest: Json, there: Json) -> bool:
    if manifest["kind"] in ("Secret", "ConfigMap"):
        return _data(manifest) == _data(there) and there.get("immutable") == manifest.get("immutable")
    return bool(there["metadata"].get("generation", 1) == 1)  # it grows with every change of the specification


def _data(found: Json) -> dict[str, str]:
    plain = {name: base64.b64encode(text.encode()).decode() for name, text in (found.get("stringData") or {}).items()}
    return {**(found.get("data") or {}), **plain}
