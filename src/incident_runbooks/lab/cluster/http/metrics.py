# SPDX-License-Identifier: GPL-3.0-or-later
"""What pods and the node use: metrics.k8s.io/v1beta1, measured from the real processes."""

from __future__ import annotations

import math
from typing import Any

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http import responses
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.listing import Selection, list_of
from incident_runbooks.lab.cluster.http.responses import Answer
from incident_runbooks.lab.cluster.resources import NODE_METRICS, NODES, POD_METRICS, PODS, Resource
from incident_runbooks.lab.cluster.store import now

Json = dict[str, Any]

_WINDOW = "15s"


async def get(call: Call, resource: Resource) -> Answer:
    """Answer with the usage of one pod or node."""
    source = PODS if resource is POD_METRICS else NODES
    found = _of(call, resource, call.cluster.store.get(source, call.namespace, call.info.name))
    if found is None:
        place = f"{call.info.namespace}/{call.info.name}" if call.info.namespace else call.info.name
        kind = resource.kind.lower()
        about = {"name": place, "group": resource.group, "kind": kind}
        raise ApiError(404, "NotFound", f'{kind}.{resource.group} "{place}" not found', about)
    return Answer(found, resource=resource)


async def listing(call: Call, resource: Resource) -> Answer:
    """Answer with the usage of the pods or nodes that are meant; those that run nothing have none."""
    source = PODS if resource is POD_METRICS else NODES
    selection = Selection(source, call.info)
    meant = [each for each in call.cluster.store.all(source, selection.namespace) if selection.contains(each)]
    found = [each for each in (_of(call, resource, obj) for obj in meant) if each is not None]
    return Answer(list_of(resource, found, {}), resource=resource)


async def watch(call: Call, resource: Resource) -> Answer:
    """Refuse: usage can be read, not followed."""
    del call, resource
    raise responses.wrong_method()


def _of(call: Call, resource: Resource, obj: Json) -> Json | None:
    metadata = {name: obj["metadata"][name] for name in ("name", "namespace", "labels") if name in obj["metadata"]}
    found = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": metadata | {"creationTimestamp": now()},
        "timestamp": now(),
        "window": _WINDOW,
    }
    if resource is NODE_METRICS:
        return found | {"usage": _usage(call.cluster.kubelet.node_usage())}
    containers = call.cluster.kubelet.usage(obj)
    if not containers:
        return None
    return found | {"containers": [{"name": each["name"], "usage": _usage(each)} for each in containers]}


def _usage(measured: Json) -> Json:
    """Return usage as quantities: nanocores and Ki."""
    nanocores = math.ceil(measured["cpu_cores"] * 1e9)
    return {"cpu": f"{nanocores}n" if nanocores else "0", "memory": f"{measured['memory_bytes'] // 1024}Ki"}
