# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Evidence of a namespace: every log of every container, objects, events and images; of Secrets the metadata only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_source import Item, document
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import evidence
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence_sources import (
    another_life,
    images_of,
    life_of,
    part_of_path,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.pods import (
    container_names,
    restarted_containers,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

PODS = "k8s/pods.json"
LISTS = (
    ("deployments", "apps/v1"),
    ("replicasets", "apps/v1"),
    ("statefulsets", "apps/v1"),
    ("daemonsets", "apps/v1"),
    ("services", "v1"),
)
# Texts with which the API server says that a container has written nothing yet
_NO_LOG = ("is waiting to start", "not available")


class MetadataCluster(Cluster):
    """A cluster that is asked for the metadata of objects only: the data of Secrets never leaves the API server.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
    """

    def headers(self) -> dict[str, str]:
        """See :meth:`Connection.headers`."""
        return {**super().headers(), "Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}


class KubernetesEvidence:
    """One namespace.

    Args:
        params: the options of the connection.
        options: ``logs``, ``log_limit_bytes`` and ``max_parallel``.
        earlier: the pods that were there when the collection began, where this one goes on with it.
    """

    name = "kubernetes"
    first = PODS

    def __init__(
        self, params: Mapping[str, Any], options: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self.parallel = int(options["max_parallel"])
        self._options = options
        self._earlier = earlier
        self._params = {
            name: value for name, value in params.items() if name != "name"
        }  # the bundle's, not a workload's
        self._cluster: Cluster | None = None

    def look(self) -> list[Item]:
        """See :meth:`Source.look`."""
        cluster = self.cluster
        path = cluster.path("v1", "pods")
        pods = cluster.list(path)
        facts = {"namespace": cluster.namespace, "server": cluster.server}
        shown = [evidence.without_secrets(pod) for pod in pods]
        items = [
            document(PODS, f"GET {path}", lambda: shown, collected_from=facts),
            document("k8s/images.json", f"GET {path}", lambda: images_of(pods), collected_from=facts),
            document("k8s/events.json", f"GET {cluster.path('v1', 'events')}", self._events, collected_from=facts),
            document("k8s/secrets.json", f"GET {cluster.path('v1', 'secrets')}, metadata", self._secrets),
            *(self._list(resource, group) for resource, group in LISTS),
        ]
        if self._options["logs"]:
            known = {pod["metadata"].get("uid") for pod in pods}
            gone = [pod for pod in self._earlier if pod["metadata"].get("uid") not in known]
            items += [item for pod in pods for item in self._logs(pod)]
            items += [_missing(item) for pod in gone for item in self._logs(pod)]
        return items

    def close(self) -> None:
        """See :meth:`Source.close`."""
        if self._cluster is not None:
            self._cluster.close()

    @property
    def cluster(self) -> Cluster:
        """The cluster, logged in to when it is first needed."""
        if self._cluster is None:
            self._cluster = Cluster(self._params)
        return self._cluster

    def _list(self, resource: str, group: str) -> Item:
        path = self.cluster.path(group, resource)
        facts: Json = {}

        def read() -> list[Json]:
            try:
                return self._objects(path)
            except KubernetesError as error:
                if error.failure.cause != "not_found":  # a list that is not there: this API server has no such kind
                    raise
                facts["served"] = False
                return []

        item = document(f"k8s/{resource}.json", f"GET {path}", read)
        return replace(item, facts=lambda: {**(item.facts() if item.facts else {}), **facts})

    def _objects(self, path: str) -> list[Json]:
        return [evidence.without_secrets(item) for item in self.cluster.list(path)]

    def _events(self) -> list[Json]:
        events = self._objects(self.cluster.path("v1", "events"))
        return [{**event, "message": mask(str(event.get("message") or ""))} for event in events]

    def _secrets(self) -> list[Json]:
        with MetadataCluster(self._params) as cluster:
            secrets = cluster.list(cluster.path("v1", "secrets"))
        # what an API server that knows no such answer sends besides is left out here
        return [{"metadata": evidence.without_secrets({"metadata": item["metadata"]})["metadata"]} for item in secrets]

    def _logs(self, pod: Mapping[str, Any]) -> Iterator[Item]:
        debuggers = (pod.get("spec") or {}).get("ephemeralContainers") or []
        names = [*container_names(pod), *(str(container["name"]) for container in debuggers)]
        again = restarted_containers(pod)
        for name in names:
            yield self._log(pod, name, previous=False)
            if name in again:
                yield self._log(pod, name, previous=True)

    def _log(self, pod: Mapping[str, Any], container: str, *, previous: bool, after: int | None = None) -> Item:
        """A container's log.

        Args:
            pod: when the logs were listed.
            container: one of its containers.
            previous: of its last life.
            after: of the life before so many restarts, which was still the present one when the logs were listed.
        """
        metadata = pod["metadata"]
        name = str(metadata["name"])
        path = self.cluster.path("v1", "pods", name, "log")
        query = {"container": container, **({"previous": "true"} if previous else {}), "timestamps": "true"}
        log = _Log(self.cluster, path, query, pod)
        folder = f"pods/{part_of_path(name)}_{part_of_path(str(metadata.get('uid')))[:8]}"
        ending = {False: ".log", True: ".previous.log"}[previous] if after is None else f".previous-{after}.log"

        def then() -> Iterator[Item]:
            if log.restarted is not None:
                restarts = int(life_of(log.restarted, container).get("restarts") or 0)
                yield self._log(log.restarted, container, previous=True, after=restarts)

        return Item(
            path=f"{folder}/{part_of_path(container)}{ending}",
            source=f"GET {path}?{urlencode(query)}",
            chunks=log.chunks,
            collected_from={
                "kind": "Pod",
                "uid": metadata.get("uid"),
                "resource_version": metadata.get("resourceVersion"),
                "node": (pod.get("spec") or {}).get("nodeName"),
                **life_of(pod, container),
            },
            facts=log.checked,
            limit_bytes=int(self._options["log_limit_bytes"]),
            then=then if after is None else None,
        )


class _Log:
    """The log of one container; that it has written nothing yet is a fact and no failure.

    Attributes:
        facts: what is known of it.
        restarted: the pod when the log had been read, where the container was started again meanwhile.
    """

    def __init__(self, cluster: Cluster, path: str, query: Mapping[str, str], pod: Mapping[str, Any]) -> None:
        self._cluster, self._path, self._query, self._pod = cluster, path, query, pod
        self.facts: Json = {}
        self.restarted: Mapping[str, Any] | None = None

    def chunks(self) -> Iterable[bytes]:
        began = False
        try:
            for chunk in self._cluster.stream(self._path, **self._query):
                began = True
                yield chunk
        except KubernetesError as error:
            said = error.failure.message
            expected = "previous" not in self._query and any(text in said for text in _NO_LOG)
            if began or error.failure.cause != "invalid" or not expected:
                if began or error.failure.cause == "invalid":  # as where the container has ended: it has a previous one
                    with suppress(IncidentsError):
                        self.checked()
                raise
            self.facts["no_log"] = said[:300]

    def checked(self) -> Json:
        """The facts of a log that is of the container that was there when the logs were listed.

        Raises:
            IncidentsError: it may be of another one, or nobody knows.
        """
        container = self._query["container"]
        now = self._now()
        problem = another_life(self._pod, now, container)
        if problem is None:
            return self.facts
        if now is not None and now["metadata"].get("uid") == self._pod["metadata"].get("uid"):
            self.restarted = now
        raise IncidentsError(f"Reading the log of {container} on pod {self._pod['metadata']['name']}: {problem}")

    def _now(self) -> Mapping[str, Any] | None:
        name = self._pod["metadata"]["name"]
        # a list, which needs no other right than the one before
        found = self._cluster.list(self._cluster.path("v1", "pods"), fieldSelector=f"metadata.name={name}")
        return next((pod for pod in found if pod["metadata"].get("name") == name), None)


def _missing(item: Item) -> Item:
    """The log of a pod that is gone: what has its name now is another one."""

    def chunks() -> Iterable[bytes]:
        raise IncidentsError(f"Reading {item.path}: the pod was there when the collection began, and is gone")

    return replace(item, chunks=chunks, facts=None, then=None)
