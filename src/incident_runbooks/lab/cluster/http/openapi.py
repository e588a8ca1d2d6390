# SPDX-License-Identifier: GPL-3.0-or-later
"""The API's own description: what kubectl looks up before it applies, validates or explains.

OpenAPI v2 as JSON is complete in its types and small in its paths. As protobuf, which old versions of kubectl insist
on, it says only what they cannot do without: that patches know ``dryRun``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from typing import Any

from incident_runbooks.lab.cluster.resources import RESOURCES, Resource
from incident_runbooks.lab.cluster.writes import schemas

Json = dict[str, Any]

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"  # what clients ask for
V2_PROTOBUF_ANSWERED = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"  # "@" is no part of a media type
_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force")
_TITLE = "incident-runbooks lab"
_KIND = "x-kubernetes-group-version-kind"


def v3_index(group_versions: Iterable[str]) -> Json:
    """Answer ``/openapi/v3``."""
    paths = [_prefix(each) for each in group_versions]
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={schemas.RELEASE}"} for path in paths}}


def _prefix(group_version: str) -> str:
    return f"{'apis' if '/' in group_version else 'api'}/{group_version}"


@functools.cache
def v3(group_version: str) -> bytes | None:
    """Answer ``/openapi/v3/apis/GROUP/VERSION``; ``None`` if there is no such version."""
    types = [each for each in RESOURCES if each.api_version == group_version]
    if not types:
        return None
    document = {
        "openapi": "3.0.0",
        "info": {"title": _TITLE, "version": schemas.RELEASE},
        "paths": dict(_paths(types, _v3_parameter)),
        "components": {"schemas": _definitions(types, "#/components/schemas/")},
    }
    return json.dumps(document, separators=(",", ":")).encode()


@functools.cache
def v2() -> bytes:
    """Answer ``/openapi/v2`` as JSON."""
    document = {
        "swagger": "2.0",
        "info": {"title": _TITLE, "version": schemas.RELEASE},
        "paths": dict(_paths(RESOURCES, _v2_parameter)),
        "definitions": _definitions(RESOURCES, "#/definitions/"),
    }
    return json.dumps(document, separators=(",", ":")).encode()


@functools.cache
def v2_protobuf() -> bytes:
    """Answer ``/openapi/v2`` as protobuf: message Document of gnostic's openapi.v2."""
    paths = b"".join(_field(2, _field(1, path) + _field(2, _field(8, _operation(each)))) for path, each in _patched())
    info = _field(1, _TITLE) + _field(2, schemas.RELEASE)
    return _field(1, "2.0") + _field(2, info) + _field(8, paths)


def _operation(resource: Resource) -> bytes:
    """Return a message Operation: parameters, and the kind as an extension."""
    parameters = b"".join(
        _field(8, _field(1, _field(2, _field(3, _field(2, "query") + _field(4, name))))) for name in _PARAMETERS
    )
    kind = "".join(f"{name}: {value!r}\n" for name, value in _kind(resource).items())
    return parameters + _field(13, _field(1, _KIND) + _field(2, _field(2, kind)))


def _field(number: int, value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _patched() -> Iterator[tuple[str, Resource]]:
    for each in RESOURCES:
        if each.stored:
            place = "/namespaces/{namespace}" if each.namespaced else ""
            yield f"/{_prefix(each.api_version)}{place}/{each.plural}/{{name}}", each


def _paths(types: Iterable[Resource], parameter: Any) -> Iterator[tuple[str, Json]]:
    wanted = list(types)
    for path, resource in _patched():
        if resource in wanted:
            yield (
                path,
                {
                    "patch": {
                        "parameters": [parameter(name) for name in _PARAMETERS],
                        "responses": {"200": {"description": "OK"}},
                        "x-kubernetes-action": "patch",
                        _KIND: _kind(resource),
                    }
                },
            )


def _kind(resource: Resource) -> Json:
    return {"group": resource.group, "version": resource.version, "kind": resource.kind}


def _v2_parameter(name: str) -> Json:
    return {"name": name, "in": "query", "type": "string", "uniqueItems": True}


def _v3_parameter(name: str) -> Json:
    return {"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}


def _definitions(types: Iterable[Resource], prefix: str) -> Json:
    """Return the schemas of types and of everything that they refer to."""
    found: Json = {}
    names = [schemas.name_of(each.api_version, each.kind) for each in types]
    left = [name for name in names if name is not None]
    while left:
        name = left.pop()
        if name not in found:
            schema = schemas.definitions()[name]
            found[name] = _translated(schema, prefix)
            left += _refs(schema)
    return found


def _refs(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        name = schema.get("$ref")
        if isinstance(name, str):
            yield schemas.ref_name(schema) or ""
        for each in schema.values():
            yield from _refs(each)


def _translated(schema: Any, prefix: str) -> Any:
    """Return a JSON schema in OpenAPI's dialect: no null type, other references."""
    if isinstance(schema, list):
        return [_translated(each, prefix) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema and isinstance(schema["$ref"], str):
        return {name: each for name, each in schema.items() if name != "$ref"} | {
            "$ref": prefix + (schemas.ref_name(schema) or "")
        }
    if "oneOf" in schema:  # quantities and int-or-string
        return {"type": "string"}
    found = {name: _translated(each, prefix) for name, each in schema.items() if name != "enum"}
    if isinstance(found.get("type"), list):
        found["type"] = next(each for each in found["type"] if each != "null")
    return found
