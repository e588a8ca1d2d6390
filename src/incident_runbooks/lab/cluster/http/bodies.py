# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what a client sends: JSON or YAML, and the few messages that kubectl sends only as protobuf."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml
from aiohttp import web

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http import protobuf

Json = dict[str, Any]

_ACCEPTED = ("application/json", "application/yaml")
_PROTOBUF = "application/vnd.kubernetes.protobuf"


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """YAML without timestamps: Kubernetes has no such type, they are strings."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def content_type(request: web.Request) -> str:
    """Return the type of what is sent, without parameters."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def read_object(request: web.Request) -> Json:
    """Return the object that a client sends; empty if it sends nothing.

    Raises:
        ApiError: 415, the format is not supported; 400, it cannot be read.
    """
    sent = content_type(request)
    data = await request.read()
    if sent == _PROTOBUF and data:
        return protobuf.decode(data)
    if sent not in ("", "*/*", *_ACCEPTED):
        raise unsupported(_ACCEPTED)
    found = parse(data, is_yaml=sent.endswith("yaml"))
    if not isinstance(found, dict):
        raise errors.bad_request("couldn't get version/kind; json parse error: the body is no object")
    return found


def parse(data: bytes, *, is_yaml: bool) -> Any:
    """Return what bytes of JSON or YAML say; an empty object for no bytes.

    Raises:
        ApiError: 400, they cannot be read.
    """
    if not data.strip():
        return {}
    try:
        if is_yaml and not data.lstrip().startswith(b"{"):
            return yaml.load(data, _Loader)  # noqa: S506 - a SafeLoader
        return json.loads(data)
    except (ValueError, yaml.YAMLError) as exc:
        cause = " ".join(str(exc).split())
        raise errors.bad_request(f"couldn't get version/kind; json parse error: {cause}") from exc


def unsupported(accepted: Sequence[str]) -> ApiError:
    """Return the refusal of a format."""
    listed = ", ".join(accepted)
    said = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return ApiError(415, "UnsupportedMediaType", said)
