# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects belong to which: owner references, adoption and release."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from incident_runbooks.lab.cluster.resources import PODS, Resource
from incident_runbooks.lab.cluster.store import Store
from incident_runbooks.lab.cluster.writes import selectors

Json = dict[str, Any]


def reference(resource: Resource, owner: Json) -> Json:
    """Return the reference that makes *owner* the controller of an object."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_of(each: Json) -> Json | None:
    """Return the reference to the controller of an object."""
    references: Iterable[Json] = each["metadata"].get("ownerReferences") or ()
    return next((found for found in references if found.get("controller")), None)


def claim_pods(store: Store, resource: Resource, owner: Json) -> list[Json]:
    """Return the pods of an owner, after it has adopted orphans that match its selector and released what does not."""
    selector = owner["spec"].get("selector")
    uid = owner["metadata"]["uid"]
    mine = []
    for pod in store.all(PODS, owner["metadata"]["namespace"]):
        controller = controller_of(pod)
        fits = selectors.selects(selector, pod["metadata"].get("labels"))
        if controller is None and fits and not pod["metadata"].get("deletionTimestamp"):
            if not owner["metadata"].get("deletionTimestamp"):
                mine.append(_with_owners(store, pod, [*_owners(pod), reference(resource, owner)]))
        elif controller is not None and controller["uid"] == uid:
            if fits:
                mine.append(pod)
            else:
                _with_owners(store, pod, [each for each in _owners(pod) if each["uid"] != uid])
    return mine


def _owners(pod: Json) -> list[Json]:
    return pod["metadata"].get("ownerReferences") or []


def _with_owners(store: Store, pod: Json, references: list[Json]) -> Json:
    metadata = {key: value for key, value in pod["metadata"].items() if key != "ownerReferences"}
    metadata |= {"ownerReferences": references} if references else {}
    return store.update(PODS, {**pod, "metadata": metadata})
