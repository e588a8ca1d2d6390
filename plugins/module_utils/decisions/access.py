# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Roles of Kubernetes grant, as single permissions that an API server can be asked about. Pure, no I/O.

https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Reading what is to be permitted"
MOST_PERMISSIONS = 500  # each is a request
_KINDS = ("Role", "ClusterRole")
_LISTS = ("apiGroups", "resources", "verbs")


@dataclass(frozen=True)
class Permission:
    """One permission in a namespace, in the terms of RBAC; empty is none, an empty *name* is any object."""

    verb: str
    resource: str
    api_group: str = ""
    subresource: str = ""
    name: str = ""

    @property
    def text(self) -> str:
        """As kubectl writes it, such as ``patch deployments.apps backend`` or ``get pods/log``."""
        group = f".{self.api_group}" if self.api_group else ""
        sub = f"/{self.subresource}" if self.subresource else ""
        return f"{self.verb} {self.resource}{group}{sub}" + (f" {self.name}" if self.name else "")


def permissions(manifests: Iterable[Any], names: Mapping[str, str]) -> dict[str, list[Permission]]:
    """Return what each Role grants, by its name; objects of other kinds are left out.

    Args:
        manifests: objects as a file of deploy/rbac holds them.
        names: other names for the ``resourceNames`` of the Roles, where the platform calls its objects otherwise.

    Raises:
        IncidentsError: one is no object, a Role has no name or a rule that cannot be read, there is no Role, or there
            are too many permissions.
    """
    found: dict[str, list[Permission]] = {}
    for manifest in manifests:
        if not isinstance(manifest, Mapping):
            raise IncidentsError(f"{ATTEMPTED}: an element of roles is no object")
        if manifest.get("kind") not in _KINDS:
            continue
        name = (manifest.get("metadata") or {}).get("name")
        if not name:
            raise IncidentsError(f"{ATTEMPTED}: a Role has no name")
        granted = (each for rule in manifest.get("rules") or [] for each in _of_rule(str(name), rule, names))
        found[str(name)] = list(dict.fromkeys([*found.get(str(name), []), *granted]))
    if not found:
        raise IncidentsError(f"{ATTEMPTED}: roles holds no Role")
    if len({each for granted in found.values() for each in granted}) > MOST_PERMISSIONS:
        raise IncidentsError(f"{ATTEMPTED}: more than {MOST_PERMISSIONS} permissions")
    return found


def review(permission: Permission, namespace: str) -> dict[str, Any]:
    """Return the question whether the login has a permission, as the API server takes it."""
    attributes = {
        "namespace": namespace,
        "verb": permission.verb,
        "group": permission.api_group,
        "resource": permission.resource,
        "subresource": permission.subresource,
        "name": permission.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {name: value for name, value in attributes.items() if value}},
    }


def grants(wanted: Mapping[str, list[Permission]], allowed: Mapping[Permission, bool | None]) -> list[dict[str, Any]]:
    """Return for each Role whether the login has all that it grants.

    Args:
        allowed: by permission; ``None`` where the server did not say.
    """
    return [_grant(name, granted, allowed) for name, granted in wanted.items()]


def _grant(name: str, granted: list[Permission], allowed: Mapping[Permission, bool | None]) -> dict[str, Any]:
    missing = [each.text for each in granted if allowed.get(each) is False]
    unknown = [each.text for each in granted if allowed.get(each) is None]
    whole = False if missing else (None if unknown else True)
    return {"role": name, "granted": whole, "missing": missing, "unknown": unknown}


def _of_rule(role: str, rule: Any, names: Mapping[str, str]) -> list[Permission]:
    lists = [rule.get(key) for key in _LISTS] if isinstance(rule, Mapping) else [None]
    if not all(isinstance(each, list) and each for each in lists):
        raise IncidentsError(f"{ATTEMPTED}: a rule of the Role {role} needs {', '.join(_LISTS)}")
    objects = [names.get(str(name), str(name)) for name in rule.get("resourceNames") or [""]]
    return [
        Permission(str(verb), *_resource(str(resource), str(group)), name)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in objects
    ]


def _resource(resource: str, group: str) -> tuple[str, str, str]:
    plain, _, subresource = resource.partition("/")
    return plain, group, subresource
