# SPDX-License-Identifier: GPL-3.0-or-later
"""What is answered, and in which form the client wants it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml
from aiohttp import web

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import Resource

Json = dict[str, Any]

_JSON = "application/json"
_YAML = "application/yaml"
_ANY = ("*/*", "application/*", "")
_FORMS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList", "APIGroupDiscoveryList")
_SUPPORTED = "application/json, application/yaml, application/vnd.kubernetes.protobuf"


@dataclass(frozen=True)
class Accepted:
    """What a client accepts: the first of its choices that can be had.

    Attributes:
        media_type: ``application/json`` or ``application/yaml``.
        form: into what objects are converted, such as ``Table``; empty for as they are.
        version: of the form, such as ``v1``.
        parameters: of the choice, repeated in the answer.
    """

    media_type: str = _JSON
    form: str = ""
    version: str = ""
    parameters: str = ""


@dataclass(frozen=True)
class Answer:
    """An answer that fits in memory.

    Attributes:
        body: what is answered.
        code: HTTP status.
        resource: the type, where objects are answered: they may be converted.
    """

    body: Json
    code: int = 200
    resource: Resource | None = None


def negotiate(header: str | None) -> Accepted:
    """Return which form of an answer a client wants.

    Raises:
        ApiError: 406, none of its choices can be had.
    """
    for choice in (header or _ANY[0]).split(","):
        media_type, *parameters = [part.strip() for part in choice.split(";")]
        if media_type.lower() in _ANY:
            return Accepted()
        if media_type.lower() not in (_JSON, _YAML):
            continue
        named = dict(each.split("=", 1) for each in parameters if "=" in each)
        form = named.get("as", "")
        if not form:
            return Accepted(media_type.lower())
        if form in _FORMS and named.get("v") in ("v1", "v1beta1", "v2"):
            shown = f"g={named.get('g', '')};v={named['v']};as={form}"
            return Accepted(media_type.lower(), form, named["v"], shown)
    raise ApiError(406, "NotAcceptable", f"only the following media types are accepted: {_SUPPORTED}")


def encode(value: Json) -> bytes:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def to_response(body: Json, code: int = 200, accepted: Accepted | None = None) -> web.Response:
    """Return an answer as the client wants it."""
    wanted = accepted or Accepted()
    if wanted.media_type == _YAML:
        text = yaml.safe_dump(body, sort_keys=False, allow_unicode=True).encode()
        return web.Response(body=text, status=code, headers={"Content-Type": _YAML})
    return web.Response(body=encode(body), status=code, headers={"Content-Type": _JSON})


def success(details: Json | None = None, code: int = 0) -> Json:
    """Return a ``Status`` that says that it is done."""
    status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return status | ({"details": details} if details else {}) | ({"code": code} if code else {})


def unknown_path() -> ApiError:
    """Nothing is served there, within a group that is served."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def wrong_method() -> ApiError:
    """What is served there does not do that."""
    said = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", said, {})
