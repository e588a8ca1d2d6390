# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's objects, their versions, and who is told of changes.

Objects in the store are never changed in place: whoever writes makes a copy and hands it in. So what ``get``
and ``all`` return may be kept, compared and sent, but not altered. One asyncio loop uses a store.
"""

from __future__ import annotations

import copy
import datetime as dt
import secrets
import uuid
from collections.abc import AsyncGenerator, Callable
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.history import ADDED, DELETED, MODIFIED, Change, History
from incident_runbooks.lab.cluster.resources import NAMESPACES, PODS, Resource

Json = dict[str, Any]

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # k8s.io/apimachinery/pkg/util/rand: no vowels, no look-alikes
_GRACE_S = 30  # a pod's default terminationGracePeriodSeconds
_KEPT = (
    "uid",
    "creationTimestamp",
    "name",
    "namespace",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def now() -> str:
    """The present instant as the API writes it: RFC 3339 in UTC, whole seconds."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_now() -> str:
    """The same with microseconds, for fields of the type MicroTime."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def random_suffix(length: int = 5) -> str:
    """The random end of a generated name."""
    return "".join(secrets.choice(_SUFFIX) for _ in range(length))


class Store:
    """All objects of one cluster."""

    def __init__(self) -> None:
        self._objects: dict[Resource, dict[tuple[str, str], Json]] = {}
        self._history = History()

    @property
    def version(self) -> str:
        """The newest resource version."""
        return str(self._history.version)

    def on_change(self, listener: Callable[[Change], None]) -> None:
        """Call *listener* with every change, at once and in order; it must be quick and must not raise."""
        self._history.on_change(listener)

    # Reading

    def find(self, resource: Resource, namespace: str | None, name: str) -> Json | None:
        """Return an object, or ``None``."""
        return self._objects.get(resource, {}).get((_place(resource, namespace), name))

    def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """Return an object.

        Raises:
            ApiError: 404.
        """
        found = self.find(resource, namespace, name)
        if found is None:
            raise errors.not_found(resource, name)
        return found

    def all(self, resource: Resource, namespace: str | None = None, *, at: str | None = None) -> list[Json]:
        """Return all objects of a type, of one namespace or of all, by namespace and name.

        Args:
            resource: the type.
            namespace: only of this one.
            at: as they were at that resource version, which the store must still know (:meth:`keeps`).
        """
        objects = self._objects.get(resource, {})
        if at is not None:
            objects = self._undo(resource, objects, int(at))
        wanted = None if namespace is None else _place(resource, namespace)
        return [objects[key] for key in sorted(objects) if wanted is None or key[0] == wanted]

    def _undo(
        self, resource: Resource, objects: dict[tuple[str, str], Json], version: int
    ) -> dict[tuple[str, str], Json]:
        """Return a copy of the objects without what came after a resource version."""
        past = dict(objects)
        for change in reversed(self._history.after(version)):
            if change.resource is resource:
                metadata = change.object["metadata"]
                key = (_place(resource, metadata.get("namespace")), metadata["name"])
                past.pop(key, None)
                if change.before is not None:
                    past[key] = change.before
        return past

    def owned_by(self, resource: Resource, owner: Json) -> list[Json]:
        """Return the objects of a type whose controller *owner* is."""
        uid = owner["metadata"]["uid"]
        return [
            each
            for each in self.all(resource, owner["metadata"].get("namespace"))
            if any(ref["uid"] == uid and ref.get("controller") for ref in each["metadata"].get("ownerReferences") or ())
        ]

    # Writing

    def create(self, resource: Resource, wanted: Json, *, dry_run: bool = False) -> Json:
        """Add an object and return it as stored.

        Args:
            resource: its type.
            wanted: with ``metadata.name`` or ``metadata.generateName``, and its namespace.
            dry_run: do everything but store it.

        Raises:
            ApiError: the name is taken or missing, or the namespace does not exist.
        """
        new = copy.deepcopy(wanted)
        metadata = new.setdefault("metadata", {})
        if not metadata.get("name"):
            if not metadata.get("generateName"):
                raise errors.invalid(
                    resource,
                    "",
                    [("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")],
                )
            metadata["name"] = metadata["generateName"] + random_suffix()
        if resource.namespaced:
            metadata.setdefault("namespace", "default")
            if self.find(NAMESPACES, None, metadata["namespace"]) is None:
                raise errors.not_found(NAMESPACES, metadata["namespace"])
        else:
            metadata.pop("namespace", None)
        key = (_place(resource, metadata.get("namespace")), metadata["name"])
        if key in self._objects.get(resource, {}):
            raise errors.already_exists(resource, metadata["name"])
        for name in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(name, None)
        metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        if "spec" in new:
            metadata["generation"] = 1
        new |= {"apiVersion": resource.api_version, "kind": resource.kind}
        return new if dry_run else self._put(resource, key, new, None)

    def update(self, resource: Resource, wanted: Json, *, status: bool = False, dry_run: bool = False) -> Json:
        """Replace an object and return it as stored; the same object again is no change.

        Args:
            resource: its type.
            wanted: the whole object; with ``metadata.resourceVersion`` only if that is the newest.
            status: take only its status (and metadata), as the endpoint ``status`` does; otherwise the
                status stays where the type has such an endpoint.
            dry_run: do everything but store it.

        Raises:
            ApiError: 404, or 409 because somebody else was quicker.
        """
        given = wanted["metadata"]
        old = self.get(resource, given.get("namespace"), given["name"])
        was = old["metadata"]
        self._require(
            resource, old, uid=given.get("uid"), resource_version=given.get("resourceVersion"), stale_ok=False
        )
        new = _replacement(resource, old, wanted, status=status)
        if new == old:
            return old
        if "spec" in new and new["spec"] != old.get("spec"):
            new["metadata"]["generation"] = was.get("generation", 0) + 1
        if dry_run:
            return new
        key = (_place(resource, was.get("namespace")), was["name"])
        if was.get("deletionTimestamp") and not _is_held(resource, new) and resource is not PODS:
            return self._drop(resource, key, new)
        return self._put(resource, key, new, old)

    def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        grace_s: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        dry_run: bool = False,
    ) -> Json:
        """Delete an object, or mark it where somebody has to finish: a pod's runtime, a finalizer.

        Args:
            resource: its type.
            namespace: its namespace.
            name: its name.
            grace_s: seconds for a pod to end; 0 removes it at once.
            uid: only if it is this one; likewise *resource_version*.
            resource_version: see *uid*.
            dry_run: do everything but that.

        Returns:
            The object as it is now, or as it was last.

        Raises:
            ApiError: 404, or 409 because it is another one.
        """
        old = self.get(resource, namespace, name)
        was = old["metadata"]
        self._require(resource, old, uid=uid, resource_version=resource_version, stale_ok=True)
        if dry_run:
            return old
        key = (_place(resource, was.get("namespace")), name)
        grace = _grace(old, grace_s) if resource is PODS else 0
        if grace > 0 or _is_held(resource, old):
            if was.get("deletionTimestamp") and was.get("deletionGracePeriodSeconds", 0) <= grace:
                return old
            new = copy.deepcopy(old)
            due = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=grace)
            new["metadata"] |= {
                "deletionTimestamp": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "deletionGracePeriodSeconds": grace,
            }
            return self._put(resource, key, new, old)
        return self._drop(resource, key, old)

    def _require(
        self, resource: Resource, old: Json, *, uid: str | None, resource_version: str | None, stale_ok: bool
    ) -> None:
        """Raise a conflict unless the object is the one that the writer means.

        Args:
            resource: its type.
            old: the object.
            uid: what the writer knows of it; likewise *resource_version*.
            resource_version: see *uid*.
            stale_ok: word it as a failed precondition and not as a lost update.
        """
        was = old["metadata"]
        if not stale_ok and resource_version not in (None, "", was["resourceVersion"]):
            raise errors.conflict(resource, was["name"])
        known = (("UID", uid, was["uid"]), ("ResourceVersion", resource_version, was["resourceVersion"]))
        for label, wanted, there in known:
            if wanted not in (None, "", there):
                if stale_ok:
                    raise errors.precondition(resource, was["name"], label, str(wanted), there)
                said = f"Precondition failed: {label} in precondition: {wanted}, {label} in object meta: {there}"
                raise errors.conflict(resource, was["name"], said)

    # Watching

    def watch(self, resource: Resource, since: str | None) -> AsyncGenerator[Change, None]:
        """Yield the changes of a type after a resource version, for ever.

        Raises:
            ApiError: 410, that version is too old.
        """
        return self._history.watch(resource, since)

    def keeps(self, version: str) -> bool:
        """Whether a watch could still go on from a resource version."""
        return self._history.keeps(version)

    def _put(self, resource: Resource, key: tuple[str, str], new: Json, before: Json | None) -> Json:
        self._objects.setdefault(resource, {})[key] = new
        self._history.add(MODIFIED if before else ADDED, resource, new, before)
        return new

    def _drop(self, resource: Resource, key: tuple[str, str], last: Json) -> Json:
        before = self._objects[resource].pop(key)
        gone = copy.deepcopy(last)
        self._history.add(DELETED, resource, gone, before)
        return gone


def _place(resource: Resource, namespace: str | None) -> str:
    return (namespace or "default") if resource.namespaced else ""


def _replacement(resource: Resource, old: Json, wanted: Json, *, status: bool) -> Json:
    """Return *wanted* with what a writer cannot change taken from *old*."""
    new = copy.deepcopy(wanted)
    if status:
        new = {**copy.deepcopy(old), "status": new.get("status", {}), "metadata": new["metadata"]}
    elif resource.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    was, metadata = old["metadata"], new["metadata"]
    for name in _KEPT:
        metadata.pop(name, None)
        if name in was:
            metadata[name] = was[name]
    return new | {"apiVersion": resource.api_version, "kind": resource.kind}


def _is_held(resource: Resource, obj: Json) -> bool:
    """Whether somebody has to finish before an object can go; a namespace says so in its spec too."""
    in_spec = resource is NAMESPACES and (obj.get("spec") or {}).get("finalizers")
    return bool(obj["metadata"].get("finalizers") or in_spec)


def _grace(pod: Json, wanted: int | None) -> int:
    """Return how many seconds a pod gets to end; one that has ended, or was never started, needs none."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed") or not pod["spec"].get("nodeName"):
        return 0
    return int(pod["spec"].get("terminationGracePeriodSeconds", _GRACE_S)) if wanted is None else wanted
