# SPDX-License-Identifier: GPL-3.0-or-later
"""The subresources of pods: log, eviction; and tokens of ServiceAccounts."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from aiohttp import web

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.cluster import LogOptions
from incident_runbooks.lab.cluster.controllers import disruption
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http import bodies, responses
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.responses import Answer
from incident_runbooks.lab.cluster.identities import ISSUER
from incident_runbooks.lab.cluster.resources import PODS, SERVICE_ACCOUNTS, Resource

Json = dict[str, Any]

_LOG_OPTIONS = Resource("", "v1", "pods", "PodLogOptions", stored=False)
_SHORTEST_S, _USUAL_S = 600, 3600  # lifetime of a token


async def log(call: Call) -> web.StreamResponse:
    """Answer with a container's log."""
    pod = call.cluster.store.get(PODS, call.namespace, call.info.name)
    options = _log_options(call)
    chunks = cast("Any", call.cluster.kubelet.logs(pod, call.info.query.get("container") or None, options))
    async with aclosing(chunks):
        first = await anext(chunks, None)  # refused before the answer begins, or not at all
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        if options.follow:
            await call.start(response)
        else:
            await response.prepare(call.request)
        await _send(response, first, chunks)
    return response


async def _send(response: web.StreamResponse, first: bytes | None, rest: AsyncIterator[bytes]) -> None:
    if first is None:
        return
    await response.write(first)
    async for chunk in rest:
        await response.write(chunk)


def _log_options(call: Call) -> LogOptions:
    """Return which part of the log is wanted.

    Raises:
        ApiError: 422, a parameter makes no sense, or two exclude each other.
    """
    query = call.info.query
    numbers = {name: _number(query, name) for name in ("sinceSeconds", "tailLines", "limitBytes")}
    causes = []
    for name, least in (("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)):
        value = numbers[name]
        if value is not None and value < least:
            said = f"must be greater than {'or equal to ' if not least else ''}0"
            causes.append(("FieldValueInvalid", f"Invalid value: {value}: {said}", name))
    since = _instant(query["sinceTime"]) if query.get("sinceTime") else None
    if since is not None and numbers["sinceSeconds"] is not None:
        said = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        causes.append(("FieldValueForbidden", said, "sinceSeconds"))
    if causes:
        raise errors.invalid(_LOG_OPTIONS, "", causes)
    flag = call.info.flag
    return LogOptions(
        previous=flag("previous"),
        since_seconds=numbers["sinceSeconds"],
        since_time=since,
        tail_lines=numbers["tailLines"],
        limit_bytes=numbers["limitBytes"],
        timestamps=flag("timestamps"),
        follow=flag("follow"),
    )


def _number(query: Any, name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError as exc:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from exc


def _instant(text: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError as exc:
        raise errors.bad_request(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": cannot parse it') from exc
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


async def evict(call: Call) -> Answer:
    """Delete a pod if no disruption budget forbids it."""
    body = await bodies.read_object(call.request)
    pod = call.cluster.store.get(PODS, call.namespace, call.info.name)
    given = (body.get("metadata") or {}).get("name")
    if given and given != call.info.name:
        said = f"name in URL does not match name in Eviction object: {call.info.name} != {given}"
        raise errors.bad_request(said)
    options = body.get("deleteOptions") or {}
    dry_run = call.options.dry_run or bool(options.get("dryRun"))
    disruption.check(call.cluster, pod, dry_run=dry_run)
    grace = options.get("gracePeriodSeconds")
    preconditions = options.get("preconditions") or {}
    call.cluster.store.delete(
        PODS,
        call.namespace,
        call.info.name,
        grace_s=None if grace is None else int(grace),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=dry_run,
    )
    return Answer(responses.success(code=201), 201)


async def issue_token(call: Call) -> Answer:
    """Answer a TokenRequest."""
    body = await bodies.read_object(call.request)
    account = call.cluster.store.get(SERVICE_ACCOUNTS, call.namespace, call.info.name)
    spec = body.get("spec") or {}
    lifetime = int(spec.get("expirationSeconds") or _USUAL_S)
    if lifetime < _SHORTEST_S:
        message = f"Invalid value: {lifetime}: may not specify a duration less than 10 minutes"
        field = "spec.expirationSeconds"
        cause = {"reason": "FieldValueInvalid", "message": message, "field": field}
        said = f'TokenRequest.authentication.k8s.io "" is invalid: {field}: {message}'
        details = {"group": "authentication.k8s.io", "kind": "TokenRequest", "causes": [cause]}
        raise ApiError(422, "Invalid", said, details)
    audiences = spec.get("audiences") or [ISSUER]
    token, expires = call.identities.issue(account, lifetime, audiences)
    until = dt.datetime.fromtimestamp(expires, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    metadata = {name: account["metadata"][name] for name in ("name", "namespace")} | {"creationTimestamp": None}
    answered = {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": metadata,
        "spec": {"audiences": audiences, "expirationSeconds": lifetime, "boundObjectRef": None},
        "status": {"token": token, "expirationTimestamp": until},
    }
    return Answer(answered, 201)
