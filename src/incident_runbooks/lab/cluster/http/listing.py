# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads objects: one, or those that selectors mean, in pages if the client wants them."""

from __future__ import annotations

import base64
import json
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.requests import RequestInfo
from incident_runbooks.lab.cluster.http.responses import Answer
from incident_runbooks.lab.cluster.resources import Resource
from incident_runbooks.lab.cluster.writes import selectors
from incident_runbooks.lab.cluster.writes.selectors import Requirement

Json = dict[str, Any]


class Selection:
    """Which objects of a type a request means.

    Args:
        resource: the type.
        info: the request, with its namespace, label and field selector.

    Raises:
        ApiError: 400, a selector cannot be understood.
    """

    def __init__(self, resource: Resource, info: RequestInfo) -> None:
        self.namespace = info.namespace or None if resource.namespaced else None
        self._labels: tuple[Requirement, ...] = selectors.parse_labels(info.query.get("labelSelector", ""))
        self._fields: tuple[Requirement, ...] = selectors.parse_fields(resource, info.query.get("fieldSelector", ""))

    @property
    def is_everything(self) -> bool:
        """Whether there are no selectors."""
        return not self._labels and not self._fields

    def contains(self, obj: Json) -> bool:
        """Whether the request means that object."""
        metadata = obj["metadata"]
        if self.namespace is not None and metadata.get("namespace") != self.namespace:
            return False
        return selectors.labels_match(self._labels, metadata.get("labels")) and selectors.fields_match(
            self._fields, obj
        )


async def get(call: Call, resource: Resource) -> Answer:
    """Answer with one object."""
    _require_known_version(call)
    return Answer(call.cluster.store.get(resource, call.namespace, call.info.name), resource=resource)


async def listing(call: Call, resource: Resource) -> Answer:
    """Answer with the objects that are meant.

    Raises:
        ApiError: 400, a parameter cannot be understood; 410, the list that is continued is too old.
    """
    selection = Selection(resource, call.info)
    _require_known_version(call)
    store = call.cluster.store
    start, version = _continued(call.info.query.get("continue", ""))
    if version is not None and not store.keeps(version):
        raise _expired()
    found = [each for each in store.all(resource, selection.namespace, at=version) if selection.contains(each)]
    metadata: Json = {"resourceVersion": version or store.version}
    found = _page(call, [each for each in found if _place(each) > start], metadata, selection)
    return Answer(list_of(resource, found, metadata), resource=resource)


def list_of(resource: Resource, items: list[Json], metadata: Json) -> Json:
    """Return objects as a list; its items leave out their type, as the real server's do."""
    plain = [{name: value for name, value in each.items() if name not in ("apiVersion", "kind")} for each in items]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata, "items": plain}


def _page(call: Call, found: list[Json], metadata: Json, selection: Selection) -> list[Json]:
    """Return one page, and note in *metadata* where the next one begins."""
    limit = _number(call.info.query.get("limit"))
    if not limit or len(found) <= limit:
        return found
    token = {"v": "meta.k8s.io/v1", "rv": int(metadata["resourceVersion"]), "start": _place(found[limit - 1])}
    metadata["continue"] = base64.urlsafe_b64encode(json.dumps(token).encode()).rstrip(b"=").decode()
    if selection.is_everything:
        metadata["remainingItemCount"] = len(found) - limit
    return found[:limit]


def _place(obj: Json) -> list[str]:
    return [obj["metadata"].get("namespace", ""), obj["metadata"]["name"]]


def _continued(token: str) -> tuple[list[str], str | None]:
    """Return after which object a page begins, and of which version the list is; the newest without a token."""
    if not token:
        return [], None
    try:
        read = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return list(read["start"]), str(int(read["rv"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise errors.bad_request("continue key is not valid: illegal base64 data") from exc


def _expired() -> ApiError:
    said = (
        "The provided continue parameter is too old to display a consistent list result. You can start a new list"
        " without the continue parameter."
    )
    return ApiError(410, "Expired", said)


def _number(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError as exc:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from exc


def _require_known_version(call: Call) -> None:
    """Raise if the client wants what has not happened yet.

    Raises:
        ApiError: 504, as the real server answers after it has waited; 422, no number.
    """
    wanted = call.info.query.get("resourceVersion") or "0"
    require_version(wanted)
    current = int(call.cluster.store.version)
    if int(wanted) > current:
        cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
        details = {"causes": [cause], "retryAfterSeconds": 1}
        raise ApiError(504, "Timeout", f"Timeout: Too large resource version: {wanted}, current: {current}", details)


def require_version(text: str) -> None:
    """Raise unless a resource version is one.

    Raises:
        ApiError: 422.
    """
    if not text.isdecimal():
        message = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ApiError(422, "Invalid", f"resourceVersion: {message}")  # the storage's own error: without details
