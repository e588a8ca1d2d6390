# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's environment is: from values, fields, Secrets and ConfigMaps."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from typing import Any

from incident_runbooks.lab.cluster.resources import CONFIG_MAPS, SECRETS, SERVICES, Resource
from incident_runbooks.lab.cluster.runtime import quantities
from incident_runbooks.lab.cluster.store import Store

Json = dict[str, Any]

_REFERENCE = re.compile(r"\$\$|\$\(([^)]+)\)")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


class ConfigError(Exception):
    """Something that a container refers to is not there; worded as the kubelet words it."""


def resolve(store: Store, pod: Json, container: Json, given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that a container's spec describes.

    Args:
        store: has the Secrets and ConfigMaps.
        pod: its pod, with ``status.podIP``.
        container: its part of the spec.
        given: what the runtime sets; the spec goes before it, and its values may refer to it.

    Raises:
        ConfigError: a Secret, ConfigMap or key that is not optional is missing.
    """
    environ = dict(given)
    for source in container.get("envFrom") or ():
        environ |= _all_of(store, pod["metadata"]["namespace"], source)
    for entry in container.get("env") or ():
        if "valueFrom" in entry:
            value = _value_from(store, pod, container, entry["valueFrom"])
        else:
            value = expand(entry.get("value") or "", environ)
        if value is not None:
            environ[entry["name"]] = value
    return environ


def service_variables(store: Store, pod: Json) -> dict[str, str]:
    """Return host and ports of the Services that are there when a container starts, unless its pod wants none.

    As of https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables, without those that
    follow Docker's links.
    """
    if pod["spec"].get("enableServiceLinks") is False:
        return {}
    found: dict[str, str] = {}
    for service in store.all(SERVICES, pod["metadata"]["namespace"]):
        address, ports = service["spec"].get("clusterIP"), service["spec"].get("ports") or ()
        if not address or address == "None" or not ports:
            continue
        name = _variable(service["metadata"]["name"])
        found |= {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(ports[0]["port"])}
        named = (port for port in ports if port.get("name"))
        found |= {f"{name}_SERVICE_PORT_{_variable(port['name'])}": str(port["port"]) for port in named}
    return found


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` where the name is known; ``$$`` is a dollar sign."""

    def replaced(match: re.Match[str]) -> str:
        return "$" if match[1] is None else environ.get(match[1], match[0])

    return _REFERENCE.sub(replaced, text)


def names_of(resource: Resource, container: Json) -> set[str]:
    """Return which Secrets, or which ConfigMaps, a container's environment refers to."""
    of_all, of_key = _KINDS[resource]
    sources = [source.get(of_all) for source in container.get("envFrom") or ()]
    sources += [(entry.get("valueFrom") or {}).get(of_key) for entry in container.get("env") or ()]
    return {source["name"] for source in sources if source}


def content(resource: Resource, found: Json) -> dict[str, bytes]:
    """Return what a Secret or ConfigMap holds."""
    if resource is SECRETS:
        return {key: base64.b64decode(value or "") for key, value in (found.get("data") or {}).items()}
    plain = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    return plain | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


_KINDS = {SECRETS: ("secretRef", "secretKeyRef"), CONFIG_MAPS: ("configMapRef", "configMapKeyRef")}
_SAID = {SECRETS: "secret", CONFIG_MAPS: "configmap"}


def _all_of(store: Store, namespace: str, source: Json) -> dict[str, str]:
    for resource, (field, _) in _KINDS.items():
        if reference := source.get(field):
            found = _find(store, resource, namespace, reference)
            prefix = source.get("prefix") or ""
            return {prefix + key: _text(value) for key, value in content(resource, found or {}).items()}
    return {}


def _value_from(store: Store, pod: Json, container: Json, source: Json) -> str | None:
    for resource, (_, field) in _KINDS.items():
        if reference := source.get(field):
            return _key_of(store, resource, pod["metadata"]["namespace"], reference)
    if reference := source.get("fieldRef"):
        return _field(pod, reference["fieldPath"])
    return _resource_field(container, source.get("resourceFieldRef") or {})


def _key_of(store: Store, resource: Resource, namespace: str, reference: Json) -> str | None:
    found = _find(store, resource, namespace, reference)
    if found is None:
        return None
    value = content(resource, found).get(reference["key"])
    if value is None:
        if reference.get("optional"):
            return None
        kind = "Secret" if resource is SECRETS else "ConfigMap"
        raise ConfigError(f"couldn't find key {reference['key']} in {kind} {namespace}/{reference['name']}")
    return _text(value)


def _find(store: Store, resource: Resource, namespace: str, reference: Json) -> Json | None:
    found = store.find(resource, namespace, reference["name"])
    if found is None and not reference.get("optional"):
        raise ConfigError(f'{_SAID[resource]} "{reference["name"]}" not found')
    return found


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="surrogateescape")


def _field(pod: Json, path: str) -> str:
    if match := _SUBSCRIPT.fullmatch(path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    if path == "status.podIPs":
        return ",".join(each["ip"] for each in pod["status"].get("podIPs") or ())
    value: Any = pod
    for part in path.split("."):
        value = (value or {}).get(part)
    return "" if value is None else str(value)


def _resource_field(container: Json, reference: Json) -> str:
    kind, _, name = str(reference.get("resource", "")).partition(".")
    amount = ((container.get("resources") or {}).get(kind) or {}).get(name, "0")
    divisor = quantities.parse(reference.get("divisor") or "1") or 1.0
    return str(math.ceil(quantities.parse(amount) / divisor))
