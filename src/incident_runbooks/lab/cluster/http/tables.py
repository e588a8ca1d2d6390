# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects as the tables that ``kubectl get`` prints, or as their metadata alone."""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.cluster.http.columns import columns_of
from incident_runbooks.lab.cluster.http.requests import RequestInfo
from incident_runbooks.lab.cluster.http.responses import Accepted
from incident_runbooks.lab.cluster.resources import Resource

Json = dict[str, Any]

_META = "meta.k8s.io"


def convert(accepted: Accepted, info: RequestInfo, resource: Resource, body: Json, version: str) -> Json:
    """Return an object or list in the form that a client wants.

    Args:
        accepted: the form.
        info: the request: ``includeObject`` says how much of the objects a table carries.
        resource: their type.
        body: the object or list.
        version: newest resource version, for a table of one object.
    """
    if accepted.form == "Table":
        return _table(resource, body, info.query.get("includeObject") or "Metadata", accepted.version, version)
    if accepted.form.startswith("PartialObjectMetadata"):
        return _metadata_only(body, accepted.version)
    return body


def _items(body: Json) -> list[Json] | None:
    return body["items"] if body.get("kind", "").endswith("List") and "items" in body else None


def _table(resource: Resource, body: Json, include: str, form_version: str, version: str) -> Json:
    columns = columns_of(resource)
    items = _items(body)
    metadata = body["metadata"] if items is not None else {"resourceVersion": body["metadata"].get("resourceVersion")}
    shown = {name: metadata[name] for name in ("resourceVersion", "continue", "remainingItemCount") if name in metadata}
    return {
        "kind": "Table",
        "apiVersion": f"{_META}/{form_version}",
        "metadata": shown or {"resourceVersion": version},
        "columnDefinitions": [
            {
                "name": each.name,
                "type": each.type,
                "format": "name" if each.name == "Name" else "",
                "description": each.name,
                "priority": each.priority,
            }
            for each in columns
        ],
        "rows": [
            {"cells": [each.cell(obj) for each in columns]} | _object(resource, obj, include, form_version)
            for obj in (items if items is not None else [body])
        ],
    }


def _object(resource: Resource, obj: Json, include: str, form_version: str) -> Json:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": {"kind": resource.kind, "apiVersion": resource.api_version} | obj}
    return {"object": _metadata_of(obj, form_version)}


def _metadata_of(obj: Json, version: str) -> Json:
    return {"kind": "PartialObjectMetadata", "apiVersion": f"{_META}/{version}", "metadata": obj["metadata"]}


def _metadata_only(body: Json, version: str) -> Json:
    items = _items(body)
    if items is None:
        return _metadata_of(body, version)
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"{_META}/{version}",
        "metadata": body["metadata"],
        "items": [_metadata_of(each, version) for each in items],
    }
