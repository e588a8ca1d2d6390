# SPDX-License-Identifier: GPL-3.0-or-later
"""Garbage collection: what belongs to an object goes with it, or is let go.

A deletion with the policy Foreground or Orphan marks the object with a finalizer, and this takes it off again.
Source: pkg/controller/garbagecollector.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from incident_runbooks.lab.cluster.cluster import Cluster
from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import Resource

Json = dict[str, Any]

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
_ANY = ""  # keys are uids here, which need no namespace


class GarbageCollector(Controller):
    """Follows every object, and who owns it."""

    component = "garbage-collector"

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self._alive: dict[str, tuple[Resource, str | None, str]] = {}
        self._dependents: dict[str, set[str]] = defaultdict(set)

    def concerns(self, change: Change) -> Iterable[Key]:
        """The object, and when it is gone what belongs to it and what it belongs to."""
        metadata = change.object["metadata"]
        uid: str = metadata["uid"]
        before = change.before["metadata"] if change.before else {}
        for owner in _owners(before):
            self._dependents[owner].discard(uid)
        if change.type == DELETED:
            self._alive.pop(uid, None)
            return [(_ANY, each) for each in (uid, *_owners(metadata))]
        self._alive[uid] = (change.resource, metadata.get("namespace"), metadata["name"])
        for owner in _owners(metadata):
            self._dependents[owner].add(uid)
        if _relevant(metadata) == _relevant(before) or not any(_relevant(metadata)):
            return []
        return [(_ANY, uid)]

    def reconcile(self, key: Key) -> None:
        """Delete an object whose owners are gone; finish the deletion of one that is marked."""
        uid = key[1]
        found = self._find(uid)
        if found is None:
            for dependent in self._dependents.pop(uid, ()):
                self.add((_ANY, dependent))
            return
        resource, each = found
        metadata = each["metadata"]
        references = _owners(metadata)
        if references and not any(owner in self._alive for owner in references):
            if not metadata.get("deletionTimestamp"):
                self.store.delete(resource, metadata.get("namespace"), metadata["name"], uid=uid)
            return
        if metadata.get("deletionTimestamp"):
            self._finish(uid, resource, each)

    def _finish(self, uid: str, resource: Resource, each: Json) -> None:
        held = each["metadata"].get("finalizers") or ()
        dependents = [found for each_uid in sorted(self._dependents[uid]) if (found := self._find(each_uid))]
        if ORPHAN in held:
            for kind, dependent in dependents:
                self._let_go(uid, kind, dependent)
            self._release(resource, each, ORPHAN)
        elif FOREGROUND in held:
            for kind, dependent in dependents:
                if not dependent["metadata"].get("deletionTimestamp"):
                    self._delete_foreground(kind, dependent)
            if not any(self._find(each_uid) for each_uid in self._dependents[uid]):
                self._release(resource, each, FOREGROUND)

    def _delete_foreground(self, resource: Resource, each: Json) -> None:
        """Delete what belongs to an object that waits for that; it waits in turn for what belongs to it."""
        metadata = each["metadata"]
        if any(self._find(uid) for uid in self._dependents[metadata["uid"]]):
            held = [*(metadata.get("finalizers") or ()), FOREGROUND]
            self.store.update(resource, {**each, "metadata": {**metadata, "finalizers": held}})
        self.store.delete(resource, metadata.get("namespace"), metadata["name"], uid=metadata["uid"])

    def _let_go(self, uid: str, resource: Resource, dependent: Json) -> None:
        metadata = {key: value for key, value in dependent["metadata"].items() if key != "ownerReferences"}
        if left := [each for each in dependent["metadata"]["ownerReferences"] if each["uid"] != uid]:
            metadata["ownerReferences"] = left
        self.store.update(resource, {**dependent, "metadata": metadata})

    def _release(self, resource: Resource, each: Json, finalizer: str) -> None:
        held = [name for name in each["metadata"]["finalizers"] if name != finalizer]
        self.store.update(resource, {**each, "metadata": {**each["metadata"], "finalizers": held}})

    def _find(self, uid: str) -> tuple[Resource, Json] | None:
        if uid not in self._alive:
            return None
        resource, namespace, name = self._alive[uid]
        each = self.store.find(resource, namespace, name)
        return (resource, each) if each is not None else None


def _owners(metadata: Json) -> list[str]:
    return [each["uid"] for each in metadata.get("ownerReferences") or ()]


def _relevant(metadata: Json) -> tuple[Any, ...]:
    return _owners(metadata), metadata.get("deletionTimestamp"), metadata.get("finalizers")
