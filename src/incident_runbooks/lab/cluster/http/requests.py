# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request means: its verb and which objects it is about.

The rules are those of k8s.io/apiserver/pkg/endpoints/request, type RequestInfo: authorization and audit go by them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_OF_NAMESPACES = ("status", "finalize")  # what follows a namespace and is no type of object
_ONE_NAME = re.compile(r"(?:^|,)metadata\.name==?([^,]+)(?:,|$)")
_TRUE = ("1", "t", "true")  # strconv.ParseBool, as far as clients go


@dataclass(frozen=True)
class RequestInfo:
    """What a request is about.

    Attributes:
        method: of HTTP.
        path: of the URL, decoded.
        verb: ``get``, ``list``, ``watch``, ``create``, ``update``, ``patch``, ``delete``, ``deletecollection``; for a
            path that is no object's the method in lower case.
        is_resource: whether the path is an object's or that of a type of object.
        group: API group; empty for the core group.
        version: of the group.
        plural: the type's name in paths.
        namespace: empty for all or where there is none.
        name: of one object, also where a field selector names it; empty otherwise.
        subresource: such as ``scale``; empty otherwise.
        query: the parameters, the last value of each.
    """

    method: str
    path: str
    verb: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        """Group and version as objects write them."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def flag(self, name: str) -> bool:
        """Whether a parameter is there and says yes."""
        return self.query.get(name, "").lower() in _TRUE

    @property
    def dry_run(self) -> bool:
        """Whether nothing must be stored."""
        return bool(self.query.get("dryRun"))


def parse(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Return what a request is about.

    Args:
        method: of HTTP, in capitals.
        path: of the URL, decoded.
        query: its parameters.
    """
    parts = [part for part in path.split("/") if part]
    group, version, rest = _split(parts)
    if not rest:
        return RequestInfo(method, path, method.lower(), query=query)
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 1:
        namespace = rest[1]
        if len(rest) > 2 and rest[2] not in _OF_NAMESPACES:  # noqa: PLR2004 - namespaces/NAME/TYPE
            rest = rest[2:]
    plural, name, subresource = (*rest, "", "")[:3]
    verb = _verb(method, query, named=bool(name))
    if not name and verb in ("list", "watch", "deletecollection"):
        name = _selected_name(query)
    return RequestInfo(
        method,
        path,
        verb,
        is_resource=True,
        group=group,
        version=version,
        plural=plural,
        namespace=namespace,
        name=name,
        subresource=subresource,
        query=query,
    )


def _split(parts: list[str]) -> tuple[str, str, list[str]]:
    """Return group, version and what follows them; nothing follows where the path is no object's."""
    if len(parts) > 2 and parts[0] == "api":  # noqa: PLR2004 - api/VERSION/...
        return "", parts[1], parts[2:]
    if len(parts) > 3 and parts[0] == "apis":  # noqa: PLR2004 - apis/GROUP/VERSION/...
        return parts[1], parts[2], parts[3:]
    return "", "", []


def _verb(method: str, query: Mapping[str, str], *, named: bool) -> str:
    verb = _VERBS.get(method, method.lower())
    if named:
        return verb
    if verb == "get":
        return "watch" if query.get("watch", "").lower() in _TRUE else "list"
    return "deletecollection" if verb == "delete" else verb


def _selected_name(query: Mapping[str, str]) -> str:
    """Return the one name that a field selector allows: a Role may allow a list of just that object."""
    found = _ONE_NAME.search(query.get("fieldSelector", ""))
    return found[1] if found else ""
