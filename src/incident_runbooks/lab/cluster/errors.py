# SPDX-License-Identifier: GPL-3.0-or-later
"""What the API server answers when it refuses: a ``Status`` of the Kubernetes API.

Reasons and codes: k8s.io/apimachinery/pkg/apis/meta/v1, type StatusReason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incident_runbooks.lab.cluster.resources import Resource

Json = dict[str, Any]


class ApiError(Exception):
    """A request that is refused.

    Args:
        code: HTTP status.
        reason: machine-readable, such as ``NotFound``; empty for an error that has none.
        message: for people, worded as the real server words it: clients show it as it is.
        details: which object (``name``, ``group``, ``kind``), ``causes``, ``retryAfterSeconds``.
    """

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def to_status(self) -> Json:
        """Return the ``Status`` object."""
        status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        status |= {"reason": self.reason} if self.reason else {}
        status |= {"code": self.code}
        return status | ({"details": self.details} if self.details is not None else {})


def not_found(resource: Resource, name: str) -> ApiError:
    """No such object."""
    return ApiError(404, "NotFound", f'{resource.qualified} "{name}" not found', _about(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    """The name is taken."""
    return ApiError(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _about(resource, name))


def conflict(resource: Resource, name: str, cause: str | None = None) -> ApiError:
    """The object is not the one that the writer has read."""
    said = cause or ("the object has been modified; please apply your changes to the latest version and try again")
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": {said}',
        _about(resource, name),
    )


def precondition(resource: Resource, name: str, field: str, wanted: str, there: str) -> ApiError:
    """The object to delete is not the one that is meant.

    Args:
        resource: its type.
        name: its name.
        field: ``UID`` or ``ResourceVersion``.
        wanted: its value, as the client knows it; *there* as it is.
        there: see *wanted*.
    """
    happened = "deleted and then recreated" if field == "UID" else "modified"
    qualified = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    said = (
        f'Operation cannot be fulfilled on {qualified} "{name}": the {field} in the precondition ({wanted}) does not'
        f" match the {field} in record ({there}). The object might have been {happened}"
    )
    return ApiError(409, "Conflict", said, _about(resource, name, kind=resource.kind))


def invalid(resource: Resource, name: str, causes: Sequence[tuple[str, str, str]]) -> ApiError:
    """The object makes no sense.

    Args:
        resource: its type.
        name: its name.
        causes: each ``(reason, message, field)``, such as
            ``("FieldValueRequired", "Required value", "spec.selector")``.
    """
    said = ", ".join(f"{field}: {message}" for _, message, field in causes)
    about = _about(resource, name, kind=resource.kind)
    about["causes"] = [{"reason": reason, "message": message, "field": field} for reason, message, field in causes]
    qualified = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    shown = said if len(causes) == 1 else f"[{said}]"
    return ApiError(422, "Invalid", f'{qualified} "{name}" is invalid: {shown}', about)


def bad_request(message: str) -> ApiError:
    """The request cannot be understood."""
    return ApiError(400, "BadRequest", message)


def _about(resource: Resource, name: str, *, kind: str | None = None) -> Json:
    about: Json = {"name": name, "kind": kind or resource.plural}
    return about | ({"group": resource.group} if resource.group else {})
