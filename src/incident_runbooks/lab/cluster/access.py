# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what: role-based access control (rbac.authorization.k8s.io/v1).

What is not allowed by a rule is forbidden. Semantics: "Using RBAC Authorization" of the Kubernetes documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http.requests import RequestInfo
from incident_runbooks.lab.cluster.identities import ADMINISTRATORS, User
from incident_runbooks.lab.cluster.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES
from incident_runbooks.lab.cluster.store import Store

Json = dict[str, Any]


@dataclass(frozen=True)
class Attributes:
    """What somebody wants to do.

    Attributes:
        verb: such as ``list``.
        group: API group of the type; likewise *resource*, with *subresource*.
        resource: see *group*; empty where a path is meant.
        subresource: see *group*.
        namespace: empty at the cluster's scope.
        name: of one object; empty for all.
        path: of the URL, where it is no object's.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        """Such as ``pods/log``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def attributes(info: RequestInfo) -> Attributes:
    """Return what a request wants to do."""
    if not info.is_resource:
        return Attributes(info.verb, path=info.path)
    return Attributes(info.verb, info.group, info.plural, info.subresource, info.namespace, info.name)


def require(store: Store, user: User, wanted: Attributes) -> str:
    """Return why *user* may do that.

    Raises:
        ApiError: 403, no rule allows it.
    """
    reason = allows(store, user, wanted)
    if reason is None:
        raise forbidden(user, wanted)
    return reason


def allows(store: Store, user: User, wanted: Attributes) -> str | None:
    """Return why *user* may do that, ``None`` where nothing allows it."""
    if ADMINISTRATORS in user.groups:
        return ""
    for rule, reason in rules_of(store, user, wanted.namespace):
        if rule_allows(rule, wanted):
            return f"RBAC: allowed by {reason}"
    return None


def rules_of(store: Store, user: User, namespace: str) -> Iterator[tuple[Json, str]]:
    """Yield each rule that a user has at the cluster's scope and in a namespace, and where it comes from."""
    for binding in store.all(CLUSTER_ROLE_BINDINGS):
        yield from _bound(store, user, binding, "")
    if namespace:
        for binding in store.all(ROLE_BINDINGS, namespace):
            yield from _bound(store, user, binding, namespace)


def _bound(store: Store, user: User, binding: Json, namespace: str) -> Iterator[tuple[Json, str]]:
    subject = next((each for each in binding.get("subjects") or () if _is_subject(user, each, namespace)), None)
    if subject is None:
        return
    ref = binding["roleRef"]
    types = {"Role": ROLES, "ClusterRole": CLUSTER_ROLES}
    role = store.find(types[ref["kind"]], namespace, ref["name"]) if ref["kind"] in types else None
    about = f'{ref["kind"]} "{ref["name"]}" to {subject["kind"]} "{_subject_text(subject)}"'
    place = f"{binding['metadata']['name']}/{namespace}" if namespace else binding["metadata"]["name"]
    for rule in (role or {}).get("rules") or ():
        yield rule, f'{binding["kind"]} "{place}" of {about}'


def _subject_text(subject: Json) -> str:
    return f"{subject['name']}/{subject['namespace']}" if "namespace" in subject else str(subject["name"])


def _is_subject(user: User, subject: Json, namespace: str) -> bool:
    match subject.get("kind"):
        case "User":
            return bool(subject["name"] == user.name)
        case "Group":
            return subject["name"] in user.groups
        case "ServiceAccount":
            place = subject.get("namespace") or namespace
            return user.name == f"system:serviceaccount:{place}:{subject['name']}"
        case _:
            return False


def rule_allows(rule: Json, wanted: Attributes) -> bool:
    """Whether a rule of a role allows that."""
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and wanted.verb not in verbs:
        return False
    if not wanted.resource:
        return any(_path_matches(each, wanted.path) for each in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if "*" not in groups and wanted.group not in groups:
        return False
    names = rule.get("resourceNames") or ()
    if names and wanted.name not in names:
        return False
    return any(_resource_matches(each, wanted) for each in rule.get("resources") or ())


def _resource_matches(rule: str, wanted: Attributes) -> bool:
    if rule in ("*", wanted.full_resource):
        return True
    return bool(wanted.subresource) and rule == f"*/{wanted.subresource}"


def _path_matches(rule: str, path: str) -> bool:
    return rule in ("*", path) or (rule.endswith("*") and path.startswith(rule[:-1]))


def forbidden(user: User, wanted: Attributes, why: str = "") -> ApiError:
    """Return the refusal, worded as the real server words it.

    Args:
        user: who is refused.
        wanted: what.
        why: something to add.
    """
    tail = f": {why}" if why else ""
    if not wanted.resource:
        said = f'forbidden: User "{user.name}" cannot {wanted.verb} path "{wanted.path}"{tail}'
        return ApiError(403, "Forbidden", said, {})
    qualified = f"{wanted.resource}.{wanted.group}" if wanted.group else wanted.resource
    about = f'{qualified} "{wanted.name}"' if wanted.name else qualified
    where = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    said = (
        f'{about} is forbidden: User "{user.name}" cannot {wanted.verb} resource "{wanted.full_resource}"'
        f' in API group "{wanted.group}" {where}{tail}'
    )
    details: Json = {"name": wanted.name} if wanted.name else {}
    details |= {"group": wanted.group} if wanted.group else {}
    return ApiError(403, "Forbidden", said, details | {"kind": wanted.resource})
