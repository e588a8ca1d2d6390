# SPDX-License-Identifier: GPL-3.0-or-later
"""Which handler answers which request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from incident_runbooks.lab.cluster.http import (
    discovery,
    executing,
    listing,
    metrics,
    objects,
    openapi,
    pods,
    responses,
    reviews,
    scaling,
    watching,
)
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.responses import Answer
from incident_runbooks.lab.cluster.resources import NODE_METRICS, POD_METRICS, PODS, SERVICE_ACCOUNTS, Resource, by_path
from incident_runbooks.lab.cluster.writes import schemas

Json = dict[str, Any]
Result = Answer | web.StreamResponse

_HEALTH = ("/healthz", "/livez", "/readyz", "/healthz/ping", "/livez/ping", "/readyz/ping")
_OF_ONE = ("get", "update", "patch", "delete")
_METRICS = (POD_METRICS, NODE_METRICS)

_OBJECTS: Mapping[str, Callable[[Call, Resource], Awaitable[Result]]] = {
    "get": listing.get,
    "list": listing.listing,
    "watch": watching.watch,
    "create": objects.create,
    "update": objects.replace,
    "patch": objects.patch,
    "delete": objects.delete,
    "deletecollection": objects.delete_collection,
}
_MEASURED: Mapping[str, Callable[[Call, Resource], Awaitable[Result]]] = {
    "get": metrics.get,
    "list": metrics.listing,
    "watch": metrics.watch,
}
_SCALE: Mapping[str, Callable[[Call, Resource], Awaitable[Result]]] = {
    "get": scaling.get,
    "update": scaling.replace,
    "patch": scaling.patch,
}
_SPECIAL: Mapping[tuple[Resource, str, str], Callable[[Call], Awaitable[Result]]] = {
    (PODS, "log", "get"): pods.log,
    (PODS, "exec", "get"): executing.run,
    (PODS, "exec", "create"): executing.run,
    (PODS, "eviction", "create"): pods.evict,
    (SERVICE_ACCOUNTS, "token", "create"): pods.issue_token,
}


async def handle(call: Call) -> Result:
    """Answer a request.

    Raises:
        ApiError: it is refused.
    """
    info = call.info
    if not info.is_resource:
        return _path(call)
    resource = by_path(info.group, info.version, info.plural)
    if resource is None:
        return _nothing(call)
    if info.subresource:
        return await _subresource(call, resource)
    if not resource.stored:
        return await _answered(call, resource)
    handler = _OBJECTS.get(info.verb)
    if handler is None or (info.verb == "create" and info.name) or (info.verb in _OF_ONE and not info.name):
        raise responses.wrong_method()
    if resource.namespaced and not info.namespace and info.verb not in ("list", "watch"):
        raise responses.wrong_method()
    return await handler(call, resource)


async def _answered(call: Call, resource: Resource) -> Result:
    """Answer what is not stored: reviews and measurements."""
    if resource in _METRICS:
        handler = _MEASURED.get(call.info.verb)
        if handler is not None:
            return await handler(call, resource)
    elif call.info.verb == "create":
        return await reviews.create(call, resource)
    raise responses.wrong_method()


async def _subresource(call: Call, resource: Resource) -> Result:
    info = call.info
    known = resource.subresources.get(info.subresource)
    if known is None:
        raise responses.unknown_path()
    if info.verb not in known.verbs:
        raise responses.wrong_method()
    if info.subresource == "scale":
        return await _SCALE[info.verb](call, resource)
    if info.subresource == "status":
        if info.verb == "get":
            return await listing.get(call, resource)
        write = objects.replace if info.verb == "update" else objects.patch
        return await write(call, resource, "status")
    return await _SPECIAL[resource, info.subresource, info.verb](call)


def _nothing(call: Call) -> web.Response:
    """Answer for a type that is not served: within a known group with a Status, otherwise as for any path."""
    if call.info.api_version in discovery.group_versions():
        raise responses.unknown_path()
    return _plain_not_found()


def _plain_not_found() -> web.Response:
    return web.Response(status=404, text="404 page not found\n")


def _path(call: Call) -> Result:
    if call.info.verb not in ("get", "head"):
        return _plain_not_found()
    path = call.info.path.rstrip("/")
    if path in _HEALTH:
        return web.Response(text="ok")
    if path == "/version":
        return Answer(version())
    if path.startswith("/openapi"):
        return _openapi(call, path)
    found = _discovery(call, path)
    return _plain_not_found() if found is None else found


def version() -> Json:
    """Answer ``/version``."""
    return {
        "major": "1",
        "minor": "32",
        "gitVersion": f"{schemas.RELEASE}+lab",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "go1.23.3",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def _discovery(call: Call, path: str) -> Result | None:
    form = call.accepted
    if path in ("/api", "/apis"):
        if form.form == "APIGroupDiscoveryList" and form.version == "v2":
            body = responses.encode(discovery.aggregated(core=path == "/api"))
            return web.Response(body=body, headers={"Content-Type": f"application/json;{form.parameters}"})
        address = f"{call.cluster.host}:{call.cluster.port}"
        return Answer(discovery.core_versions(address) if path == "/api" else discovery.groups())
    prefix, _, rest = path.removeprefix("/").partition("/")
    group, _, number = rest.partition("/")
    if prefix == "api":
        group, number = "", rest
    elif prefix != "apis":
        return Answer({"paths": _paths()}) if not path else None
    found = discovery.group(group) if group and not number else discovery.resource_list(group, number)
    return None if found is None else Answer(found)


def _paths() -> list[str]:
    groups = [f"/apis/{each}" for each in discovery.group_versions() if "/" in each]
    return [
        "/api",
        "/api/v1",
        "/apis",
        *groups,
        "/healthz",
        "/livez",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ]


def _openapi(call: Call, path: str) -> web.Response:
    accept = call.request.headers.get("Accept", "")
    if path == "/openapi/v3":
        return responses.to_response(openapi.v3_index(discovery.group_versions()))
    if path == "/openapi/v2":
        if openapi.V2_PROTOBUF in accept:
            return web.Response(body=openapi.v2_protobuf(), headers={"Content-Type": openapi.V2_PROTOBUF_ANSWERED})
        return web.Response(body=openapi.v2(), headers={"Content-Type": "application/json"})
    document = openapi.v3(path.removeprefix("/openapi/v3/").partition("/")[2])
    if document is None:
        return _plain_not_found()
    return web.Response(body=document, headers={"Content-Type": "application/json"})
