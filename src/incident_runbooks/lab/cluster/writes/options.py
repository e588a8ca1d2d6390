# SPDX-License-Identifier: GPL-3.0-or-later
"""What a writer asks for beside the object: a dry run, strictness, the name under which it owns fields."""

from __future__ import annotations

from dataclasses import dataclass

from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http.requests import RequestInfo

_APPLY = "application/apply-patch+yaml"
_VALIDATIONS = ("Ignore", "Strict", "Warn")


@dataclass(frozen=True)
class WriteOptions:
    """What a writer asks for.

    Attributes:
        manager: name under which it owns fields.
        dry_run: do everything but store.
        validation: what unknown fields are: ``Ignore``, ``Warn`` or ``Strict``.
        force: take fields that others have applied.
    """

    manager: str
    dry_run: bool = False
    validation: str = "Warn"
    force: bool = False


def read(info: RequestInfo, user_agent: str, sent: str = "") -> WriteOptions:
    """Return what a request asks for.

    Args:
        info: the request.
        user_agent: the client, as it names itself: owns the fields unless the request says who does.
        sent: media type of the body: server-side apply has rules of its own.

    Raises:
        ApiError: 422, a parameter has a value that does not exist, is missing or has no place here.
    """
    kind = {"create": "CreateOptions", "patch": "PatchOptions"}.get(info.verb, "UpdateOptions")
    dry_run = info.query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise _unsupported(kind, "dryRun", dry_run, ("All",))
    validation = info.query.get("fieldValidation") or "Warn"
    if validation not in _VALIDATIONS:
        raise _unsupported(kind, "fieldValidation", validation, _VALIDATIONS)
    if info.verb == "patch" and sent == _APPLY and not info.query.get("fieldManager"):
        message = "Required value: is required for apply patch"
        raise _refused(kind, "fieldManager", "FieldValueRequired", message)
    if info.verb == "patch" and sent != _APPLY and "force" in info.query:
        raise _refused(kind, "force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch")
    manager = info.query.get("fieldManager") or user_agent.partition("/")[0][:128] or "unknown"
    return WriteOptions(manager, bool(dry_run), validation, info.flag("force"))


def _unsupported(kind: str, field: str, value: str, supported: tuple[str, ...]) -> ApiError:
    choices = ", ".join(f'"{each}"' for each in supported)
    message = f'Unsupported value: "{value}": supported values: {choices}'
    return _refused(kind, field, "FieldValueNotSupported", message)


def _refused(kind: str, field: str, reason: str, message: str) -> ApiError:
    cause = {"reason": reason, "message": message, "field": field}
    details = {"group": "meta.k8s.io", "kind": kind, "causes": [cause]}
    return ApiError(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {field}: {message}', details)
