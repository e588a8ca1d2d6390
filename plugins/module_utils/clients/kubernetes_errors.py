# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a Kubernetes API server says when a request fails, read as causes. Pure functions, no I/O.

A cause comes from the HTTP status and the ``reason`` of the ``Status`` object that the server answers with:
https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MESSAGE_LENGTH = 300
RBAC_FOLDER = "deploy/rbac"

CAUSES_BY_STATUS = {
    400: "invalid",
    401: "auth",
    403: "forbidden",
    404: "not_found",
    405: "invalid",
    406: "invalid",
    409: "conflict",
    410: "expired",
    413: "invalid",
    415: "invalid",
    422: "invalid",
    429: "throttled",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}

NEXT_STEPS = {
    "refused": "nothing listens there: check the address of the API server and whether it runs",
    "unreachable": "check the network, routes and policies between here and the API server",
    "dns": "check the host name in the kubeconfig and the name service",
    "timeout": "check the network, the load of the API server and its etcd; raise request_timeout if it is only slow",
    "tls": "check ca_cert or the certificate authority in the kubeconfig, and the host name in the certificate",
    "connection_lost": "the connection broke; check whether the API server restarts or a proxy cuts it off",
    "proxy": "check HTTPS_PROXY and NO_PROXY, or proxy-url in the kubeconfig",
    "redirect": "give the address of the API server itself; redirects are not followed with credentials",
    "bad_answer": "something else answers in its place, such as a proxy or a login page; check the address",
    "no_credentials": "check kubeconfig, context and the environment variable KUBECONFIG, or give host and api_key",
    "auth": "the login is not valid or has expired; log in again or renew the token",
    "forbidden": "ask for a Role that grants it",
    "not_found": "check name and namespace",
    "conflict": "it was changed meanwhile by someone else; look at it again and decide anew",
    "expired": "the list changed while it was read; run again",
    "invalid": "check what was asked for; the server does not accept it",
    "throttled": "the API server limits requests, or a PodDisruptionBudget forbids it now; try again in a moment",
    "server_error": "check the log of the API server and its admission webhooks",
    "unavailable": "the API server or the service behind it does not serve now; check its health and wait",
    "unknown": "check the log of the API server",
}

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
DOING = {
    "get": "Reading",
    "list": "Listing",
    "create": "Creating",
    "update": "Updating",
    "patch": "Patching",
    "delete": "Deleting",
    "deletecollection": "Deleting",
}


@dataclass(frozen=True)
class Request:
    """What a request asks for, in the terms of RBAC.

    Attributes:
        verb: RBAC verb, such as ``get``, ``list`` or ``patch``.
        resource: plural name, such as ``pods``; empty for a path without a resource, such as ``/version``.
        subresource: such as ``log`` or ``exec``; empty for none.
        api_group: such as ``apps``; empty for the core group.
        namespace: empty for what has none.
        name: empty for a list.
    """

    verb: str
    resource: str = ""
    subresource: str = ""
    api_group: str = ""
    namespace: str = ""
    name: str = ""

    def denied(self) -> dict[str, str]:
        """The permission that is missing when the server answers 403."""
        return {
            "verb": self.verb,
            "resource": self.resource,
            "subresource": self.subresource,
            "api_group": self.api_group,
            "namespace": self.namespace,
            "name": self.name,
        }

    @property
    def what(self) -> str:
        """The resource as RBAC and kubectl write it, such as ``deployments.apps`` or ``pods/log``."""
        group = f".{self.api_group}" if self.api_group else ""
        return f"{self.resource}{group}" + (f"/{self.subresource}" if self.subresource else "")

    @property
    def text(self) -> str:
        """What is attempted, as the beginning of an error text."""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        named = f" {self.name}" if self.name else ""
        return f"{DOING.get(self.verb, 'Asking for')} {self.what or 'the API'}{named}{where}"


@dataclass(frozen=True)
class Failure:
    """Why a request failed.

    Attributes:
        cause: one of the keys of ``NEXT_STEPS``.
        message: one bounded line; never a credential.
        status: HTTP status; ``None`` when no server answered.
        reason: the ``reason`` of the server's ``Status``, such as ``NotFound``.
        denied: the missing permission, for cause ``forbidden``.
        advice: what to check or do, where it is not the cause's own.
    """

    cause: str
    message: str
    status: int | None = None
    reason: str | None = None
    denied: dict[str, str] | None = None
    advice: str | None = None

    @property
    def text(self) -> str:
        """The message with its status."""
        return f"HTTP {self.status}, {self.message}" if self.status else self.message

    @property
    def next_step(self) -> str:
        """What to check or do."""
        return self.advice or NEXT_STEPS[self.cause]


class KubernetesError(IncidentsError):
    """A request, or finding credentials for it, failed; ``details`` carry cause, status, reason, denied and hint."""

    def __init__(self, attempted: str, failure: Failure, **details: Any) -> None:
        known = {
            "cause": failure.cause,
            "status_code": failure.status,
            "reason": failure.reason,
            "denied": [failure.denied] if failure.denied else [],
            "hint": failure.next_step,
        }
        super().__init__(f"{attempted}: {failure.text}; {failure.next_step}", **(known | details))
        self.failure = failure


def problem(failure: Failure) -> dict[str, Any]:
    """What a diagnosing module returns of a failure instead of failing itself."""
    return {
        "cause": failure.cause,
        "message": failure.text,
        "hint": failure.next_step,
        "denied": [failure.denied] if failure.denied else [],
    }


def unknown_part(part: str, failure: Failure) -> dict[str, Any]:
    """An element of ``unknown``: a part of the result that could not be read, and why."""
    return {
        "part": part,
        "cause": failure.cause,
        "message": failure.text,
        "hint": failure.next_step,
        "denied": failure.denied,
    }


def one_line(text: str, length: int = MESSAGE_LENGTH) -> str:
    """Return *text* as one printable line of at most *length* characters."""
    cut = text[: 4 * length]  # an answer may be megabytes long
    line = " ".join("".join(char if char.isprintable() else " " for char in cut).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def read_request(method: str, path: str) -> Request:
    """Return what *method* on *path* asks for, as the API server's authoriser reads it."""
    parts = [unquote(part) for part in path.partition("?")[0].strip("/").split("/")]
    if parts[0] == "api":
        group, rest = "", parts[2:]
    elif parts[0] == "apis" and parts[3:]:
        group, rest = parts[1], parts[3:]
    else:
        return Request(verb=VERBS.get(method, "get"))
    namespace = ""
    if rest[:1] == ["namespaces"] and rest[2:]:
        namespace, rest = rest[1], rest[2:]
    resource, name, subresource = [*rest, "", "", ""][:3]
    return Request(_verb(method, name), resource, subresource, group, namespace, name)


def _verb(method: str, name: str) -> str:
    if method == "DELETE" and not name:
        return "deletecollection"
    return VERBS.get(method) or ("get" if name else "list")


def answer_failure(
    status: int, content_type: str, body: bytes, request: Request, rbac_role: str | None = None
) -> Failure:
    """Classify an answer that is no success.

    Args:
        body: the beginning of the answer.
        rbac_role: name of the file in ``deploy/rbac/`` whose Role grants what the caller needs.
    """
    said = _status_object(body)
    message = one_line(str((said or {}).get("message") or "")) or _text_of(content_type, body)
    cause = CAUSES_BY_STATUS.get(status) or _cause_beyond(status)
    if "HTTP request to an HTTPS server" in message:
        return Failure("tls", message, status, advice="the address must begin with https://")
    if said is None and cause == "not_found" and "html" in content_type.lower():
        cause = "bad_answer"  # for an API that it lacks, the API server says 404 in plain text, never as a web page
    return Failure(
        cause=cause,
        message=message,
        status=status,
        reason=str(said["reason"]) if said and said.get("reason") else None,
        denied=request.denied() if cause == "forbidden" else None,
        advice=_grant(request, rbac_role) if cause == "forbidden" else None,
    )


def _cause_beyond(status: int) -> str:
    family = status // 100
    return {3: "redirect", 5: "server_error"}.get(family, "invalid")


def _status_object(body: bytes) -> Mapping[str, Any] | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and said.get("kind") == "Status" else None


def _text_of(content_type: str, body: bytes) -> str:
    if "html" in content_type.lower():
        return "the answer is a web page"
    return one_line(body[:MESSAGE_LENGTH].decode("utf-8", "replace")) or "no explanation given"


def _grant(request: Request, rbac_role: str | None) -> str:
    where = f" in namespace {request.namespace}" if request.namespace else ""
    needed = f"the login lacks {request.verb} on {request.what or 'this path'}{where}"
    kind = "Role" if request.namespace or not request.resource else "ClusterRole"
    if rbac_role:
        return f"{needed}; bind the {kind} of {RBAC_FOLDER}/{rbac_role}.yml to it"
    return f"{needed}; bind a {kind} that grants it"
