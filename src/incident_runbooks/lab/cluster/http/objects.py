# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes objects: create, update, patch, delete."""

from __future__ import annotations

import copy
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.http import bodies, listing, responses
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.listing import Selection
from incident_runbooks.lab.cluster.http.responses import Answer
from incident_runbooks.lab.cluster.resources import (
    EVENTS,
    LEASES,
    NAMESPACES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    VOLUME_CLAIMS,
    Resource,
)
from incident_runbooks.lab.cluster.writes import pipeline

Json = dict[str, Any]

_FINALIZERS = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
_POLICIES = ("Background", "Foreground", "Orphan")
_ANSWERS_WITH_OBJECT = (PODS, SERVICES, SERVICE_ACCOUNTS, VOLUME_CLAIMS)  # when deleted at once
_CREATED_BY_UPDATE = (LEASES, EVENTS)


async def create(call: Call, resource: Resource) -> Answer:
    """Add an object."""
    body = await bodies.read_object(call.request)
    namespace = call.namespace if resource.namespaced else None
    return Answer(call.writer(resource).create(body, namespace), 201, resource)


async def replace(call: Call, resource: Resource, subresource: str = "") -> Answer:
    """Replace an object."""
    body = await bodies.read_object(call.request)
    writer = call.writer(resource, subresource)
    there = call.cluster.store.find(resource, call.namespace, call.info.name)
    if there is None and resource in _CREATED_BY_UPDATE:
        return Answer(writer.create(body, call.namespace), 201, resource)
    return Answer(writer.replace(body, call.namespace, call.info.name), resource=resource)


async def patch(call: Call, resource: Resource, subresource: str = "") -> Answer:
    """Change an object."""
    sent, change = await read_patch(call)
    writer = call.writer(resource, subresource)
    changed, is_new = writer.patch(change, sent, call.namespace, call.info.name)
    return Answer(changed, 201 if is_new else 200, resource)


async def read_patch(call: Call) -> tuple[str, Any]:
    """Return the type of a patch, and the patch.

    Raises:
        ApiError: 415, no such type; 400, it cannot be read.
    """
    sent = bodies.content_type(call.request)
    if sent not in pipeline.PATCH_TYPES:
        raise bodies.unsupported(pipeline.PATCH_TYPES)
    return sent, bodies.parse(await call.request.read(), is_yaml=sent == pipeline.APPLY_PATCH)


async def delete(call: Call, resource: Resource) -> Answer:
    """Delete an object, or mark it where somebody has to finish."""
    options = await _delete_options(call)
    before = call.cluster.store.get(resource, call.namespace, call.info.name)
    last = _delete(call, resource, before, options)
    waits = call.cluster.store.find(resource, call.namespace, call.info.name) is not None
    if (waits and not options.get("dryRun")) or resource in _ANSWERS_WITH_OBJECT:
        return Answer(last, resource=resource)
    details: Json = {"name": call.info.name, "kind": resource.plural, "uid": before["metadata"]["uid"]}
    details |= {"group": resource.group} if resource.group else {}
    return Answer(responses.success(details))


async def delete_collection(call: Call, resource: Resource) -> Answer:
    """Delete the objects that are meant."""
    options = await _delete_options(call)
    selection = Selection(resource, call.info)
    store = call.cluster.store
    meant = [each for each in store.all(resource, selection.namespace) if selection.contains(each)]
    deleted = [_delete(call, resource, each, options) for each in meant]
    return Answer(listing.list_of(resource, deleted, {"resourceVersion": store.version}), resource=resource)


def _delete(call: Call, resource: Resource, obj: Json, options: Json) -> Json:
    metadata = obj["metadata"]
    store = call.cluster.store
    preconditions = options.get("preconditions") or {}
    grace = options.get("gracePeriodSeconds")
    wanted: Json = {
        "grace_s": None if grace is None else int(grace),
        "uid": preconditions.get("uid"),
        "resource_version": preconditions.get("resourceVersion"),
    }
    namespace, name = metadata.get("namespace"), metadata["name"]
    dry_run = bool(options.get("dryRun"))
    last = store.delete(resource, namespace, name, dry_run=True, **wanted)
    if dry_run:
        return last
    finalizer = None if resource is NAMESPACES else _FINALIZERS.get(_policy(options))  # a namespace has one in its spec
    if finalizer and finalizer not in (metadata.get("finalizers") or ()):
        marked = copy.deepcopy(obj)
        marked["metadata"]["finalizers"] = [*(metadata.get("finalizers") or ()), finalizer]
        store.update(resource, marked)
        wanted["resource_version"] = None
    last = store.delete(resource, namespace, name, **wanted)
    if resource is NAMESPACES and store.find(resource, None, name) is not None:
        status = {**(last.get("status") or {}), "phase": "Terminating"}
        last = store.update(resource, {**last, "status": status}, status=True)
    return last


def _policy(options: Json) -> str:
    """Return what becomes of the objects that depend on the deleted one.

    Raises:
        ApiError: 422, no such policy.
    """
    if options.get("orphanDependents") is not None:
        return "Orphan" if options["orphanDependents"] else "Background"
    policy: str = options.get("propagationPolicy") or "Background"
    if policy not in _POLICIES:
        raise errors.bad_request(f'invalid propagationPolicy "{policy}": supported values: {", ".join(_POLICIES)}')
    return policy


async def _delete_options(call: Call) -> Json:
    """Return the options from the body, or from the parameters where there is none."""
    options = await bodies.read_object(call.request)
    if options:
        return options
    query = call.info.query
    named = {name: query[name] for name in ("propagationPolicy", "dryRun", "gracePeriodSeconds") if query.get(name)}
    if query.get("orphanDependents"):
        named["orphanDependents"] = call.info.flag("orphanDependents")  # type: ignore[assignment]
    return named
