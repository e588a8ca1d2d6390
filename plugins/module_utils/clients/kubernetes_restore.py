# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Bring one object back to an earlier state: delete it, or replace its substance."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_apply import Applier
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import applying
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.restoring import (
    RESTORE,
    judge_object,
    object_facts,
    replacing_patch,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rollout_facts import fingerprint

ATTEMPTS = 5  # controllers write into the object at the same time
POLL_S = 0.5


@dataclass(frozen=True)
class Restored:
    """One object that is to be as it was.

    Attributes:
        item: ``apiVersion``, ``kind`` and ``metadata.name``.
        wanted: as ``judge_object`` takes it.
        previous: the object before; ``None`` when there was none.
        current: as it is in the cluster; ``None`` when it does not exist.
    """

    item: Mapping[str, Any]
    wanted: Mapping[str, Any]
    previous: Mapping[str, Any] | None
    current: Mapping[str, Any] | None = None

    @property
    def verdict(self) -> tuple[str, str]:
        """What is to be done, and why."""
        return judge_object(self.wanted, object_facts(self.current))

    @property
    def operation(self) -> str:
        """``delete``, ``replace`` or ``none``."""
        if self.verdict[0] != RESTORE:
            return "none"
        return "delete" if self.previous is None else "replace"


def look(applier: Applier, given: Mapping[str, Any], incident: str | None) -> Restored:
    """Read one object; *given* is an entry of the module's option ``objects``.

    Raises:
        KubernetesError: it cannot be read.
    """
    item = identity(given)
    previous = given["previous"]
    wanted = {
        "label": applying.label(item),
        "uid": given["uid"],
        "expected": given["expected"],
        "previous": None if previous is None else fingerprint(applying.substance(previous)),
        "incident": incident,
    }
    return Restored(item, wanted, previous, applier.current(item))


def identity(given: Mapping[str, Any]) -> dict[str, Any]:
    """The object that an entry of the option ``objects`` means."""
    return {"apiVersion": given["api_version"], "kind": given["kind"], "metadata": {"name": given["name"]}}


def restore(applier: Applier, object_: Restored) -> Mapping[str, Any] | None:
    """Restore the object and return it as it is then; ``None`` when it was deleted.

    Raises:
        KubernetesError: the cluster does not do it, or somebody else has changed the object in the meantime.
    """
    path = applier.path(object_.item)
    for attempt in range(1, ATTEMPTS + 1):
        current = object_.current or {}
        try:
            if object_.previous is not None:
                return applier.cluster.patch(path, replacing_patch(current, object_.previous), "json")
            version = {key: current["metadata"][key] for key in ("uid", "resourceVersion")}
            applier.cluster.delete(path, {"preconditions": version, "propagationPolicy": "Background"})
        except KubernetesError as error:
            if error.failure.cause != "conflict" or attempt == ATTEMPTS:
                raise
            # a status that was written is no reason to give up, a change of the object is
            object_ = Restored(object_.item, object_.wanted, object_.previous, applier.current(object_.item))
            if object_.verdict[0] != RESTORE:
                raise
        else:
            return None
    raise AssertionError("the loop returns or raises")


def wait_until_gone(applier: Applier, items: Sequence[Mapping[str, Any]], wait_s: float) -> list[str]:
    """Wait until deleted objects do not exist any more; return those that still do, ``Kind/name``.

    Raises:
        KubernetesError: they cannot be read.
    """
    deadline = time.monotonic() + wait_s
    left = list(items)
    while True:
        left = [item for item in left if applier.current(item) is not None]
        if not left or time.monotonic() + POLL_S > deadline:
            return [applying.label(item) for item in left]
        time.sleep(POLL_S)
