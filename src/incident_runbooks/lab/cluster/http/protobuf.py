# SPDX-License-Identifier: GPL-3.0-or-later
"""The few messages that kubectl can send only as protobuf: reviews, tokens, evictions and simple objects.

Everything else can be sent as JSON, and must be. Field numbers: ``generated.proto`` of each API group; envelope:
"Alternate representations of resources" of the Kubernetes documentation.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.errors import ApiError

Json = dict[str, Any]

_MAGIC = b"k8s\x00"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# Each message: field number -> name and type. A type ends in [] if the field is repeated, in {} for a map of strings.
_MESSAGES: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "Unknown": {1: ("typeMeta", "TypeMeta"), 2: ("raw", "raw"), 4: ("contentType", "string")},
    "TypeMeta": {1: ("apiVersion", "string"), 2: ("kind", "string")},
    "ObjectMeta": {
        1: ("name", "string"),
        2: ("generateName", "string"),
        3: ("namespace", "string"),
        5: ("uid", "string"),
        6: ("resourceVersion", "string"),
        11: ("labels", "string{}"),
        12: ("annotations", "string{}"),
        14: ("finalizers", "string[]"),
    },
    "SelfSubjectAccessReview": {1: ("metadata", "ObjectMeta"), 2: ("spec", "AccessReviewSpec")},
    "AccessReviewSpec": {
        1: ("resourceAttributes", "ResourceAttributes"),
        2: ("nonResourceAttributes", "NonResourceAttributes"),
    },
    "ResourceAttributes": {
        1: ("namespace", "string"),
        2: ("verb", "string"),
        3: ("group", "string"),
        4: ("version", "string"),
        5: ("resource", "string"),
        6: ("subresource", "string"),
        7: ("name", "string"),
    },
    "NonResourceAttributes": {1: ("path", "string"), 2: ("verb", "string")},
    "SelfSubjectRulesReview": {1: ("metadata", "ObjectMeta"), 2: ("spec", "RulesReviewSpec")},
    "RulesReviewSpec": {1: ("namespace", "string")},
    "SelfSubjectReview": {1: ("metadata", "ObjectMeta")},
    "TokenRequest": {1: ("metadata", "ObjectMeta"), 2: ("spec", "TokenRequestSpec")},
    "TokenRequestSpec": {1: ("audiences", "string[]"), 4: ("expirationSeconds", "int")},
    "Eviction": {1: ("metadata", "ObjectMeta"), 2: ("deleteOptions", "DeleteOptions")},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "int"),
        2: ("preconditions", "Preconditions"),
        3: ("orphanDependents", "bool"),
        4: ("propagationPolicy", "string"),
        5: ("dryRun", "string[]"),
    },
    "Preconditions": {1: ("uid", "string"), 2: ("resourceVersion", "string")},
    "Role": {1: ("metadata", "ObjectMeta"), 2: ("rules", "PolicyRule[]")},
    "ClusterRole": {1: ("metadata", "ObjectMeta"), 2: ("rules", "PolicyRule[]")},
    "PolicyRule": {
        1: ("verbs", "string[]"),
        2: ("apiGroups", "string[]"),
        3: ("resources", "string[]"),
        4: ("resourceNames", "string[]"),
        5: ("nonResourceURLs", "string[]"),
    },
    "RoleBinding": {1: ("metadata", "ObjectMeta"), 2: ("subjects", "Subject[]"), 3: ("roleRef", "RoleRef")},
    "ClusterRoleBinding": {1: ("metadata", "ObjectMeta"), 2: ("subjects", "Subject[]"), 3: ("roleRef", "RoleRef")},
    "Subject": {
        1: ("kind", "string"),
        2: ("apiGroup", "string"),
        3: ("name", "string"),
        4: ("namespace", "string"),
    },
    "RoleRef": {1: ("apiGroup", "string"), 2: ("kind", "string"), 3: ("name", "string")},
    "Namespace": {1: ("metadata", "ObjectMeta")},
    "ServiceAccount": {1: ("metadata", "ObjectMeta")},
    "ConfigMap": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "string{}"),
        3: ("binaryData", "bytes{}"),
        4: ("immutable", "bool"),
    },
    "Secret": {
        1: ("metadata", "ObjectMeta"),
        2: ("data", "bytes{}"),
        3: ("type", "string"),
        4: ("stringData", "string{}"),
        5: ("immutable", "bool"),
    },
}
_KINDS = (
    "SelfSubjectAccessReview",
    "SelfSubjectRulesReview",
    "SelfSubjectReview",
    "TokenRequest",
    "Eviction",
    "DeleteOptions",
    "Namespace",
    "ServiceAccount",
    "ConfigMap",
    "Secret",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
)
# Fields that say nothing when an object is sent: links and times that the server sets, a status
_IGNORED = {("ObjectMeta", 4), ("ObjectMeta", 7), ("ObjectMeta", 8), ("Unknown", 3), ("Namespace", 2), ("Namespace", 3)}
_REVIEWS = ("SelfSubjectAccessReview", "SelfSubjectRulesReview", "SelfSubjectReview", "TokenRequest")


def decode(data: bytes) -> Json:
    """Return the object that a protobuf body holds.

    Raises:
        ApiError: 415, its kind is not understood here; 400, it cannot be read.
    """
    if not data.startswith(_MAGIC):
        raise errors.bad_request(
            "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]"
        )
    try:
        envelope = _message(data[len(_MAGIC) :], "Unknown")
        about = envelope.get("typeMeta", {})
        if about.get("kind") not in _KINDS:
            raise _unread(about.get("kind", "objects"))
        message = _message(envelope.get("raw", b""), about["kind"])
    except (IndexError, UnicodeDecodeError, ValueError) as exc:
        raise errors.bad_request(f"unable to decode the protobuf body: {exc}") from exc
    return {**about, **message}


def _unread(what: str) -> ApiError:
    said = (
        "the body of the request was in an unknown format - accepted media types include: application/json,"
        f" application/yaml (this server does not read {what} as protobuf; send a manifest with kubectl apply -f)"
    )
    return ApiError(415, "UnsupportedMediaType", said)


def _message(data: bytes, name: str) -> Json:
    fields = _MESSAGES[name]
    found: Json = {}
    for number, value in _fields(data):
        if number not in fields:
            if value and (name, number) not in _IGNORED and name not in _REVIEWS:
                raise _unread(f"field {number} of {name}")  # to leave it out would store something else
            continue
        field, kind = fields[number]
        if kind.endswith("[]"):
            found.setdefault(field, []).append(_value(value, kind[:-2]))
        elif kind.endswith("{}"):
            entry = dict(_fields(bytes(value)))
            found.setdefault(field, {})[entry.get(1, b"").decode()] = _value(entry.get(2, b""), kind[:-2])
        elif (read := _value(value, kind)) not in ("", {}):
            found[field] = read
    return found


def _value(value: Any, kind: str) -> Any:
    if kind == "string":
        return value.decode()
    if kind == "bytes":
        return base64.b64encode(value).decode()
    if kind == "bool":
        return bool(value)
    if kind == "int":
        return value - (1 << 64) if value >> 63 else value  # a negative one is sent as its complement
    return value if kind == "raw" else _message(value, kind)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and value (an int or bytes) of each field."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("unexpected EOF")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the top bit says that more follows
            return value, at
        shift += 7
