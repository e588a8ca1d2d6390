# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces: none goes before all that is in it has gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import NAMESPACES, RESOURCES, Resource

Json = dict[str, Any]

_HELD = "kubernetes"


class Namespaces(Controller):
    """Follows namespaces, and what goes from those that are being deleted."""

    component = "namespace-controller"

    def concerns(self, change: Change) -> Iterable[Key]:
        """The namespace, or the one that an object has gone from."""
        metadata = change.object["metadata"]
        if change.resource is NAMESPACES and change.type != DELETED:
            yield "", metadata["name"]
        elif change.type == DELETED and metadata.get("namespace"):
            namespace = self.store.find(NAMESPACES, None, metadata["namespace"])
            if namespace and namespace["metadata"].get("deletionTimestamp"):
                yield "", metadata["namespace"]

    def reconcile(self, key: Key) -> None:
        """Empty a namespace that is being deleted, and let it go."""
        name = key[1]
        namespace = self.store.find(NAMESPACES, None, name)
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return
        if (namespace.get("status") or {}).get("phase") != "Terminating":
            status = {**(namespace.get("status") or {}), "phase": "Terminating"}
            namespace = self.store.update(NAMESPACES, {**namespace, "status": status}, status=True)
        for resource, each in list(self._content(name)):
            if not each["metadata"].get("deletionTimestamp"):
                self.store.delete(resource, name, each["metadata"]["name"])
        if next(self._content(name), None) is None:
            self._release(namespace)

    def _content(self, name: str) -> Iterator[tuple[Resource, Json]]:
        for resource in RESOURCES:
            if resource.namespaced and resource.stored:
                for each in self.store.all(resource, name):
                    yield resource, each

    def _release(self, namespace: Json) -> None:
        metadata, spec = namespace["metadata"], namespace.get("spec") or {}
        held = [each for each in metadata.get("finalizers") or () if each != _HELD]
        in_spec = [each for each in spec.get("finalizers") or () if each != _HELD]
        released = {**namespace, "metadata": {**metadata, "finalizers": held}, "spec": {**spec, "finalizers": in_spec}}
        self.store.update(NAMESPACES, released)
