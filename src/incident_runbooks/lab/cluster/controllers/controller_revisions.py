# SPDX-License-Identifier: GPL-3.0-or-later
"""The ControllerRevisions of a StatefulSet: one for each template it has had.

Source: pkg/controller/history/controller_history.go and statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.cluster.controllers import owners, revisions
from incident_runbooks.lab.cluster.resources import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS
from incident_runbooks.lab.cluster.store import Store

Json = dict[str, Any]

LABEL = "controller-revision-hash"
_HASH = "controller.kubernetes.io/hash"


def owned(store: Store, stateful_set: Json) -> list[Json]:
    """Return the revisions of a StatefulSet, the oldest first."""
    return sorted(store.owned_by(CONTROLLER_REVISIONS, stateful_set), key=_number)


def update_revision(store: Store, stateful_set: Json) -> Json:
    """Return the revision of the present template: the newest; an old one that is the same becomes the newest."""
    there = owned(store, stateful_set)
    data = {"spec": {"template": {**stateful_set["spec"]["template"], "$patch": "replace"}}}
    newest = _number(there[-1]) if there else 0
    same = next((each for each in reversed(there) if each["data"] == data), None)
    if same is not None:
        if _number(same) == newest:
            return same
        return store.update(CONTROLLER_REVISIONS, {**same, "revision": newest + 1})
    mark = revisions.template_hash(stateful_set["spec"]["template"])
    new = {
        "metadata": {
            "name": f"{stateful_set['metadata']['name']}-{mark}",
            "namespace": stateful_set["metadata"]["namespace"],
            "labels": {**(stateful_set["spec"]["template"]["metadata"].get("labels") or {}), _HASH: mark},
            "ownerReferences": [owners.reference(STATEFUL_SETS, stateful_set)],
        },
        "data": data,
        "revision": newest + 1,
    }
    return store.create(CONTROLLER_REVISIONS, new)


def template(revision: Json) -> Json:
    """Return the template of a revision."""
    found: Json = revision["data"]["spec"]["template"]
    return {key: value for key, value in found.items() if key != "$patch"}


def clean_up(store: Store, stateful_set: Json, used: set[str]) -> None:
    """Delete the oldest revisions beyond the history limit; those in use stay."""
    namespace = stateful_set["metadata"]["namespace"]
    used = used | {(pod["metadata"].get("labels") or {}).get(LABEL, "") for pod in store.owned_by(PODS, stateful_set)}
    unused = [each for each in owned(store, stateful_set) if each["metadata"]["name"] not in used]
    kept = int(stateful_set["spec"].get("revisionHistoryLimit", 10))
    for each in unused[: max(0, len(unused) - kept)]:
        store.delete(CONTROLLER_REVISIONS, namespace, each["metadata"]["name"])


def _number(revision: Json) -> int:
    return int(revision["revision"])
