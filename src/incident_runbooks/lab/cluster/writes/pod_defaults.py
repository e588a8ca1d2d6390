# SPDX-License-Identifier: GPL-3.0-or-later
"""The defaults of pods and of the templates that pods are made from."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_FILE_MODE = 0o644
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_VOLUMES_WITH_MODE = ("secret", "configMap", "downwardAPI", "projected")
_TOLERATED_S = 300  # how long a pod stays on a node that is gone: admission plugin DefaultTolerationSeconds


def fill_spec(spec: Json) -> None:
    """Fill in what a pod's spec and a template's have in common."""
    for name in ("containers", "initContainers"):
        for container in spec.get(name) or ():
            _fill_container(container)
    for volume in spec.get("volumes") or ():
        _fill_volume(volume)
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec |= {"serviceAccountName": account, "serviceAccount": account}


def fill_pod(spec: Json) -> None:
    """Fill in what only a pod gets: part of it by admission plugins that are always on."""
    spec.setdefault("enableServiceLinks", True)
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    spec.setdefault("serviceAccountName", "default")
    spec.setdefault("serviceAccount", spec["serviceAccountName"])
    tolerations = spec.setdefault("tolerations", [])
    for state in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{state}"
        if not any(each.get("key") == key for each in tolerations):
            toleration = {"key": key, "operator": "Exists", "effect": "NoExecute"}
            tolerations.append(toleration | {"tolerationSeconds": _TOLERATED_S})


def quality_of_service(spec: Json) -> str:
    """Return ``Guaranteed``, ``Burstable`` or ``BestEffort``."""
    resources = [each.get("resources") or {} for each in spec.get("containers") or ()]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    if all(_is_guaranteed(each) for each in resources):
        return "Guaranteed"
    return "Burstable"


def _is_guaranteed(resources: Json) -> bool:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return {"cpu", "memory"} <= set(limits) and all(requests.get(name) == limits[name] for name in ("cpu", "memory"))


def _fill_container(container: Json) -> None:
    container.setdefault("imagePullPolicy", _pull_policy(container.get("image") or ""))
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    resources = container.setdefault("resources", {})
    if resources.get("limits"):
        requests = resources.setdefault("requests", {})
        for name, value in resources["limits"].items():
            requests.setdefault(name, value)
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        field = (variable.get("valueFrom") or {}).get("fieldRef")
        if field is not None:
            field.setdefault("apiVersion", "v1")
    for name in _PROBES:
        if container.get(name) is not None:
            _fill_probe(container[name])
    for hook in (container.get("lifecycle") or {}).values():
        _fill_http(hook)


def _pull_policy(image: str) -> str:
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _fill_probe(probe: Json) -> None:
    probe.setdefault("timeoutSeconds", 1)
    probe.setdefault("periodSeconds", 10)
    probe.setdefault("successThreshold", 1)
    probe.setdefault("failureThreshold", 3)
    _fill_http(probe)
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def _fill_http(handler: Json) -> None:
    if handler.get("httpGet") is not None:
        handler["httpGet"].setdefault("path", "/")
        handler["httpGet"].setdefault("scheme", "HTTP")


def _fill_volume(volume: Json) -> None:
    if set(volume) <= {"name"}:
        volume["emptyDir"] = {}
    for name in _VOLUMES_WITH_MODE:
        if volume.get(name) is not None:
            volume[name].setdefault("defaultMode", _FILE_MODE)
