# SPDX-License-Identifier: GPL-3.0-or-later
"""PersistentVolumeClaims: bound at once, because each is a directory of the node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from incident_runbooks.lab.cluster.controllers.controller import Controller, Key
from incident_runbooks.lab.cluster.history import DELETED, Change
from incident_runbooks.lab.cluster.resources import VOLUME_CLAIMS

Json = dict[str, Any]


class Claims(Controller):
    """Follows claims."""

    component = "persistentvolume-controller"

    def concerns(self, change: Change) -> Iterable[Key]:
        """The claim."""
        if change.resource is VOLUME_CLAIMS and change.type != DELETED:
            yield change.object["metadata"]["namespace"], change.object["metadata"]["name"]

    def reconcile(self, key: Key) -> None:
        """Bind a claim."""
        claim = self.store.find(VOLUME_CLAIMS, *key)
        if claim is None or (claim.get("status") or {}).get("phase") == "Bound":
            return
        if not claim["spec"].get("volumeName"):
            volume = f"pvc-{claim['metadata']['uid']}"
            claim = self.store.update(VOLUME_CLAIMS, {**claim, "spec": {**claim["spec"], "volumeName": volume}})
        wanted = (claim["spec"].get("resources") or {}).get("requests") or {}
        status = {"phase": "Bound", "accessModes": claim["spec"].get("accessModes") or [], "capacity": dict(wanted)}
        self.store.update(VOLUME_CLAIMS, {**claim, "status": status}, status=True)
