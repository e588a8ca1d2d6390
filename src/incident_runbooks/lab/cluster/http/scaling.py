# SPDX-License-Identifier: GPL-3.0-or-later
"""The subresource ``scale`` of workloads: autoscaling/v1, kind Scale."""

from __future__ import annotations

import copy
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.http import bodies, objects
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.responses import Answer
from incident_runbooks.lab.cluster.resources import Resource
from incident_runbooks.lab.cluster.writes import decoding, json_patch, merge, pipeline, selectors

Json = dict[str, Any]

_API_VERSION = "autoscaling/v1"
_SCALE = Resource("autoscaling", "v1", "scales", "Scale", stored=False)
_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def of(workload: Json) -> Json:
    """Return a workload's scale."""
    metadata = workload["metadata"]
    status = {
        "replicas": (workload.get("status") or {}).get("replicas", 0),
        "selector": selectors.to_text(workload["spec"].get("selector")),
    }
    return {
        "kind": "Scale",
        "apiVersion": _API_VERSION,
        "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
        "spec": {"replicas": workload["spec"].get("replicas", 0)},
        "status": status,
    }


async def get(call: Call, resource: Resource) -> Answer:
    """Answer with the scale."""
    return Answer(of(call.cluster.store.get(resource, call.namespace, call.info.name)))


async def replace(call: Call, resource: Resource) -> Answer:
    """Set the scale."""
    return _set(call, resource, await bodies.read_object(call.request))


async def patch(call: Call, resource: Resource) -> Answer:
    """Change the scale."""
    sent, change = await objects.read_patch(call)
    scale = of(call.cluster.store.get(resource, call.namespace, call.info.name))
    patched = json_patch.patch(scale, change) if sent == pipeline.JSON_PATCH else merge.patch(scale, change)
    return _set(call, resource, patched)


def _set(call: Call, resource: Resource, wanted: Json) -> Answer:
    decoding.require_kind(wanted, _API_VERSION, "Scale")
    try:
        scale = decoding.decode(wanted, _API_VERSION, "Scale").value
    except decoding.DecodingError as exc:
        raise errors.bad_request(f'Scale in version "v1" cannot be handled as a Scale: {exc}') from exc
    live = call.cluster.store.get(resource, call.namespace, call.info.name)
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        message = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise errors.invalid(_SCALE, call.info.name, [("FieldValueInvalid", message, "spec.replicas")])
    new = copy.deepcopy(live)
    new["spec"]["replicas"] = replicas
    given = scale.get("metadata") or {}
    new["metadata"] |= {name: given[name] for name in ("uid", "resourceVersion") if given.get(name)}
    stored = call.writer(resource, "scale").replace(new, call.namespace, call.info.name)
    return Answer(of(stored))
