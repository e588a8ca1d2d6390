# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of namespaces, configuration, storage, events and leases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from incident_runbooks.lab.cluster.http.columns.column import AGE, NAME, UNKNOWN, Column, since, status, wide
from incident_runbooks.lab.cluster.resources import (
    CONFIG_MAPS,
    EVENTS,
    LEASES,
    NAMESPACES,
    SECRETS,
    VOLUME_CLAIMS,
    Resource,
)

Json = dict[str, Any]

_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _size(*names: str) -> Any:
    return lambda obj: sum(len(obj.get(name) or {}) for name in names)


def _modes(claim: Json) -> str:
    modes = status(claim).get("accessModes") or ()
    return ",".join(_MODES.get(each, each) for each in modes)


def _claim_state(claim: Json) -> str:
    return "Terminating" if claim["metadata"].get("deletionTimestamp") else str(status(claim).get("phase", ""))


def _last_seen(event: Json) -> str:
    series = event.get("series") or {}
    return since(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime"))


def _first_seen(event: Json) -> str:
    return since(event.get("firstTimestamp") or event.get("eventTime"))


def _object(event: Json) -> str:
    about = event.get("involvedObject") or {}
    return f"{about.get('kind', '').lower()}/{about.get('name', '')}"


def _source(event: Json) -> str:
    source = event.get("source") or {}
    parts = (source.get("component") or event.get("reportingComponent"), source.get("host"))
    return ", ".join(each for each in parts if each)


def _count(event: Json) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


COLUMNS: Mapping[Resource, tuple[Column, ...]] = {
    NAMESPACES: (NAME, Column("Status", lambda obj: status(obj).get("phase")), AGE),
    SECRETS: (NAME, Column("Type", lambda obj: obj.get("type")), Column("Data", _size("data"), "integer"), AGE),
    CONFIG_MAPS: (NAME, Column("Data", _size("data", "binaryData"), "integer"), AGE),
    VOLUME_CLAIMS: (
        NAME,
        Column("Status", _claim_state),
        Column("Volume", lambda obj: obj["spec"].get("volumeName", "")),
        Column("Capacity", lambda obj: (status(obj).get("capacity") or {}).get("storage", "")),
        Column("Access Modes", _modes),
        Column("StorageClass", lambda obj: obj["spec"].get("storageClassName", "")),
        Column("VolumeAttributesClass", lambda obj: obj["spec"].get("volumeAttributesClassName", "<unset>")),
        AGE,
        wide("VolumeMode", lambda obj: obj["spec"].get("volumeMode", "<unset>")),
    ),
    EVENTS: (
        Column("Last Seen", _last_seen),
        Column("Type", lambda obj: obj.get("type")),
        Column("Reason", lambda obj: obj.get("reason")),
        Column("Object", _object),
        wide("Subobject", lambda obj: (obj.get("involvedObject") or {}).get("fieldPath", "")),
        wide("Source", _source),
        Column("Message", lambda obj: (obj.get("message") or "").strip()),
        wide("First Seen", _first_seen),
        wide("Count", _count),
        wide("Name", lambda obj: obj["metadata"]["name"]),
    ),
    LEASES: (NAME, Column("Holder", lambda obj: (obj.get("spec") or {}).get("holderIdentity", UNKNOWN)), AGE),
}
