# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Read a manifest, ask the server what it would make of it, and apply it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import kubernetes_config
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    KubernetesError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import resource_path
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_reads import read_parts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import applying
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.applying import FIELD_MANAGER, Part
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

if kubernetes_config.HAS_KUBERNETES:
    import yaml  # the package kubernetes requires it


def parse_manifest(manifest: Any) -> list[dict[str, Any]]:
    """Return the objects of a manifest: YAML text with one or more documents, one object, or a list of them.

    Raises:
        IncidentsError: it is none.
    """
    attempted = "Reading the manifest"
    try:
        if isinstance(manifest, str):
            documents = list(yaml.safe_load_all(manifest))
        else:
            documents = list(manifest) if isinstance(manifest, Sequence) else [manifest]
        return applying.objects(documents)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        # the error's own text quotes the line
        raise IncidentsError(f"{attempted}: it is no valid YAML{where}; render it alone and look at it") from None
    except ValueError as error:
        raise IncidentsError(f"{attempted}: {error}; check what the template renders") from error


class Applier:
    """Applies objects to one cluster, as the field manager ``incident-runbooks``.

    Args:
        cluster: where.
        force: whether to take fields that other managers own.
        incident: the incident with which objects that it creates are marked.
    """

    def __init__(self, cluster: Cluster, *, force: bool = False, incident: str | None = None) -> None:
        self.cluster = cluster
        self.force = force
        self.incident = incident
        self._resources: dict[tuple[str, str], Mapping[str, Any]] = {}

    def discover(self, items: Sequence[Mapping[str, Any]]) -> applying.Objection | None:
        """Ask the server for the resources behind the kinds; what speaks against applying them here.

        Raises:
            KubernetesError: it cannot be asked.
        """
        versions = {str(item["apiVersion"]) for item in items}
        answers = read_parts({version: partial(self.cluster.get, _group_path(version)) for version in versions})
        for version, failure in answers.failures.items():
            if failure.cause != "not_found":
                raise KubernetesError(f"Asking for the resources of {version} on {self.cluster.server}", failure)
        for version, answer in answers.values.items():
            for resource in answer.get("resources") or []:
                if "/" not in str(resource.get("name")):
                    self._resources[version, str(resource.get("kind"))] = resource
        for item in items:
            resource = self._resources.get((str(item["apiVersion"]), str(item["kind"])))
            if resource is None:
                text = f"the server does not know {item['kind']} in {item['apiVersion']}"
                return "unknown_kind", text
            if not resource.get("namespaced"):
                return "cluster_scoped", f"{applying.label(item)} is not in a namespace, it concerns the whole cluster"
        return None

    def look(self, item: Mapping[str, Any]) -> Part:
        """Return the object as it is and as the server says that it would be, by a dry run.

        Raises:
            KubernetesError: it cannot be read, or the server does not accept it.
        """
        part = Part(item, self.current(item), incident=self.incident)
        return replace(part, after=self._send(part, dryRun="All"))

    def current(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the object as it is; ``None`` when it does not exist.

        Raises:
            KubernetesError: it cannot be read.
        """
        try:
            return self.cluster.get(self.path(item))
        except KubernetesError as error:
            if error.failure.cause != "not_found":
                raise
            return None

    def apply(self, part: Part) -> Part:
        """Apply the object and return what the server made of it.

        Raises:
            KubernetesError: it does not accept it.
        """
        return replace(part, after=self._send(part))

    def _send(self, part: Part, **query: Any) -> dict[str, Any]:
        path = self.path(part.manifest)
        return self.cluster.patch(path, part.body, "apply", fieldManager=FIELD_MANAGER, force=self.force, **query)

    def path(self, item: Mapping[str, Any]) -> str:
        """The path of an object whose kind was discovered."""
        version = str(item["apiVersion"])
        resource = self._resources[version, str(item["kind"])]
        return resource_path(version, str(resource["name"]), self.cluster.namespace, str(item["metadata"]["name"]))


def field_conflicts(failure: Failure) -> list[dict[str, Any]]:
    """Whose fields stand in the way, for a failure that is such a conflict; else empty."""
    return applying.conflicts(failure.message) if failure.cause == "conflict" else []


def _group_path(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
