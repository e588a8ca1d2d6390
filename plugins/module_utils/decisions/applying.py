# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a manifest would change, and whose fields it would take. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.evidence import (
    LAST_APPLIED,
    is_secret_like,
    without_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import (
    annotations_of,
    fingerprint,
)

Json = dict[str, Any]
Objection = tuple[str, str]

# what the server writes by itself, and what differs between two creations of the same object
_SERVERS_OWN = ("resourceVersion", "uid", "creationTimestamp", "generation", "selfLink", "managedFields")
REVISION = "deployment.kubernetes.io/revision"
FIELD_MANAGER = "incident-runbooks"
CREATED_FOR = "incidents.brandconnect/created-for"  # the incident for which an object was created
# conflict with "kubectl" using apps/v1: .spec.replicas   conflicts with "hpa" with subresource "scale": - .spec.x - .y
_CONFLICT = re.compile(r'conflicts? with "([^"]+)"(.*?)(?=conflicts? with "|$)', re.DOTALL)
_FIELD = re.compile(r"(?:^|[\s:])(\.[^\s,;]+)")


@dataclass(frozen=True)
class Part:
    """One object of a manifest.

    Attributes:
        manifest: as given, with the namespace.
        current: as it is in the cluster; ``None`` when it does not exist.
        after: as the server says that it would be, or is when it was applied.
        incident: the incident for which it is created, if it does not exist.
    """

    manifest: Mapping[str, Any]
    current: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    incident: str | None = None

    @property
    def label(self) -> str:
        """``Kind/name``."""
        return label(self.manifest)

    @property
    def body(self) -> Json:
        """What is sent: the manifest, and the mark of the incident that creates the object or has created it."""
        creator = self.incident if self.current is None else annotations_of(self.current).get(CREATED_FOR)
        if not creator:
            return dict(self.manifest)
        metadata = self.manifest["metadata"]
        annotations = {**(metadata.get("annotations") or {}), CREATED_FOR: creator}
        return {**self.manifest, "metadata": {**metadata, "annotations": annotations}}

    @property
    def operation(self) -> str:
        """``create``, ``update`` or ``none``."""
        if self.current is None:
            return "create"
        return "update" if substance(self.current) != substance(self.after or {}) else "none"

    def changes(self) -> list[Json]:
        """What differs, ``path``, ``old`` and ``new``; nothing for an object that is created."""
        if self.current is None:
            return []
        return list(_differences(shown(self.current) or {}, shown(self.after) or {}, ""))

    def target(self) -> Json:
        """What identifies the object and what is done to it; stable while neither changes."""
        return {
            "api_version": self.manifest.get("apiVersion"),
            "kind": self.manifest.get("kind"),
            "namespace": self.manifest["metadata"].get("namespace"),
            "name": self.manifest["metadata"].get("name"),
            "uid": (self.current or {}).get("metadata", {}).get("uid"),
            "operation": self.operation,
            "manifest": fingerprint(self.manifest),
            "current": fingerprint(substance(self.current)) if self.current else None,
        }


def label(item: Mapping[str, Any]) -> str:
    """``Kind/name`` of an object."""
    return f"{item.get('kind')}/{(item.get('metadata') or {}).get('name')}"


def objects(documents: Sequence[Any]) -> list[Json]:
    """Return the objects of the documents of a manifest; a list counts as its items, an empty document as nothing.

    Raises:
        ValueError: something in it is no object.
    """
    found: list[Json] = []
    for document in documents:
        if document is None:
            continue
        content = document if isinstance(document, Mapping) else {}
        if str(content.get("kind", "")).endswith("List") and isinstance(content.get("items"), list):
            found += objects(content["items"])
            continue
        metadata = content.get("metadata")
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if not (content.get("apiVersion") and content.get("kind") and name):
            raise ValueError("a document has no apiVersion, kind or metadata.name")
        found.append(dict(content))
    return found


def objection(items: Sequence[Mapping[str, Any]], namespace: str) -> Objection | None:
    """Return a stable word and a sentence when the manifest is not applied at all."""
    if not items:
        return "empty_manifest", "the manifest has no object"
    seen: set[str] = set()
    for item in items:
        metadata = item["metadata"]
        if item["kind"] == "Secret":
            return "secret_in_manifest", f"{label(item)} is in the manifest; create Secrets where they are kept"
        if metadata.get("namespace") not in {None, "", namespace}:
            text = f"{label(item)} is for the namespace {metadata['namespace']}, not {namespace}"
            return "other_namespace", text
        if label(item) in seen:
            return "duplicate_object", f"{label(item)} is in the manifest twice"
        seen.add(label(item))
        name = next((name for name in _literal_secrets(item)), None)
        if name:
            return "secret_like_name", f"{name} of {label(item)} looks like a secret; take it from a Secret"
    return None


def _literal_secrets(item: Mapping[str, Any]) -> Iterator[str]:
    """Names of variables that look like secrets and have their value in the manifest."""
    pod_spec = ((item.get("spec") or {}).get("template") or {}).get("spec") or item.get("spec") or {}
    for kind in ("initContainers", "containers"):
        for container in pod_spec.get(kind) or []:
            for variable in container.get("env") or []:
                if variable.get("value") and is_secret_like(str(variable.get("name"))):
                    yield str(variable["name"])


def in_namespace(item: Mapping[str, Any], namespace: str) -> Json:
    """Return the object with its namespace written out."""
    return {**item, "metadata": {**item["metadata"], "namespace": namespace}}


def substance(item: Mapping[str, Any]) -> Json:
    """An object without its status and what the server writes by itself."""
    metadata = {key: value for key, value in (item.get("metadata") or {}).items() if key not in _SERVERS_OWN}
    written = metadata.pop("annotations", None) or {}
    annotations = {key: value for key, value in written.items() if key not in {REVISION, LAST_APPLIED}}
    rest = {key: value for key, value in item.items() if key not in {"status", "metadata"}}
    return {**rest, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}


def shown(item: Mapping[str, Any] | None) -> Json | None:
    """An object for people: its substance without what looks like a secret."""
    return None if item is None else substance(without_secrets(item))


def differences(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[Json]:
    """What differs between two states of an object, ``path``, ``old`` and ``new``; nothing where one is not there."""
    return list(_differences(shown(old) or {}, shown(new) or {}, "")) if old and new else []


def conflicts(message: str) -> list[Json]:
    """Read whose fields stand in the way from the server's text of a conflict.

    Returns:
        Each with ``manager`` and ``fields``; empty for a conflict of another kind.
    """
    return [{"manager": manager, "fields": _FIELD.findall(rest)} for manager, rest in _CONFLICT.findall(message)]


def _differences(old: Any, new: Any, path: str) -> Iterator[Json]:
    """Leaves that differ, in the order of their paths."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), f"{path}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _differences(left, right, f"{path}[{index}]")
    elif old != new:
        yield {"path": path, "old": old, "new": new}
