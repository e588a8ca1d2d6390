# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a client sends to what is stored: decode, default, validate, note the owner, store."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.resources import DISRUPTION_BUDGETS, LEASES, Resource
from incident_runbooks.lab.cluster.store import Store
from incident_runbooks.lab.cluster.writes import (
    admission,
    decoding,
    defaults,
    json_patch,
    merge,
    ownership,
    rules,
    schemas,
    strategic,
    validation,
)
from incident_runbooks.lab.cluster.writes import apply as applying
from incident_runbooks.lab.cluster.writes.options import WriteOptions
from incident_runbooks.lab.cluster.writes.ownership import Manager

Json = dict[str, Any]

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_NO_VERSION = (None, "", "0")
_NEVER_BLINDLY = (LEASES, DISRUPTION_BUDGETS)  # types whose strategy does not allow an unconditional update
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, APPLY_PATCH, STRATEGIC_PATCH)


@dataclass
class Writer:
    """Writes objects of one type for one request.

    Attributes:
        store: the cluster's objects.
        resource: the type.
        options: what the client asks for.
        warnings: what the client should be told beside the answer.
        subresource: ``status``, or empty for the object itself.
    """

    store: Store
    resource: Resource
    options: WriteOptions
    warnings: list[str] = field(default_factory=list)
    subresource: str = ""

    @property
    def _schema(self) -> Json | None:
        return schemas.of_kind(self.resource.api_version, self.resource.kind)

    def create(self, body: Json, namespace: str | None) -> Json:
        """Add what a client sends and return it as stored.

        Raises:
            ApiError: it is not understood, makes no sense, is forbidden or there already.
        """
        decoding.require_kind(body, self.resource.api_version, self.resource.kind)
        return self._create(self._placed(self._decode(body), namespace), ownership.UPDATE)

    def _create(self, decoded: Json, operation: str) -> Json:
        if self.resource.has_status:
            decoded.pop("status", None)
        if decoded["metadata"].get("resourceVersion") not in _NO_VERSION:
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        new = defaults.apply(self.resource, decoded)
        admission.admit(self.store, self.resource, new)
        validation.require(self.resource, new)
        if operation == ownership.UPDATE:
            new["metadata"].pop("managedFields", None)
            self._track(None, new)
        return self.store.create(self.resource, new, dry_run=self.options.dry_run)

    def replace(self, body: Json, namespace: str | None, name: str) -> Json:
        """Replace an object by what a client sends and return it as stored.

        Raises:
            ApiError: see :meth:`create`; 404; 409, it is not the one that the client has read.
        """
        decoding.require_kind(body, self.resource.api_version, self.resource.kind)
        new = self._placed(self._decode(body), namespace)
        given = new["metadata"].setdefault("name", name)
        if given != name:
            said = f"the name of the object ({given}) does not match the name on the URL ({name})"
            raise errors.bad_request(said)
        live = self.store.get(self.resource, namespace, name)
        if self.resource in _NEVER_BLINDLY and new["metadata"].get("resourceVersion") in _NO_VERSION:
            message = "Invalid value: 0x0: must be specified for an update"
            raise errors.invalid(self.resource, name, [("FieldValueInvalid", message, "metadata.resourceVersion")])
        return self._update(live, new)

    def patch(self, change: Any, content_type: str, namespace: str | None, name: str) -> tuple[Json, bool]:
        """Change an object and return it as stored, and whether it is new.

        Raises:
            ApiError: see :meth:`replace`; 409 also where server-side apply meets fields of others.
        """
        if content_type == APPLY_PATCH:
            return self._apply(change, namespace, name)
        live = self.store.get(self.resource, namespace, name)
        patched = self._patched(live, change, content_type)
        for field_name in ("name", "namespace"):
            there, wanted = live["metadata"].get(field_name), (patched.get("metadata") or {}).get(field_name)
            if wanted != there:
                said = f"the {field_name} of the provided object does not match the {field_name} sent on the request"
                raise errors.bad_request(said)
        new = self._decode(patched, change=change, content_type=content_type)
        return self._update(live, new), False

    def _patched(self, live: Json, change: Any, content_type: str) -> Json:
        if content_type == JSON_PATCH:
            return json_patch.patch(live, change)
        if not isinstance(change, dict):
            raise errors.bad_request("error decoding patch: json: cannot unmarshal array into Go value of type map")
        if content_type == STRATEGIC_PATCH:
            return strategic.patch(live, change, self._schema)
        patched: Json = merge.patch(live, change)
        return patched

    def _apply(self, config: Json, namespace: str | None, name: str) -> tuple[Json, bool]:
        if not isinstance(config, dict) or not config.get("kind") or not config.get("apiVersion"):
            raise errors.bad_request("invalid object type: apiVersion and kind must be set in an apply configuration")
        decoding.require_kind(config, self.resource.api_version, self.resource.kind)
        if (config.get("metadata") or {}).get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        wanted = self._placed(self._decode(config), namespace)
        if wanted["metadata"].setdefault("name", name) != name:
            raise errors.bad_request(
                f"the name of the object ({wanted['metadata']['name']}) does not match the name on the URL ({name})"
            )
        live = self.store.find(self.resource, namespace, name)
        manager = Manager(self.options.manager, ownership.APPLY, self.resource.api_version, self.subresource)
        has_status = self.resource.has_status
        if live is None and self.subresource:
            raise errors.not_found(self.resource, name)
        merged = applying.apply(live, wanted, manager, self._schema, force=self.options.force, has_status=has_status)
        if live is None:
            return self._create(merged | {"metadata": wanted["metadata"] | merged["metadata"]}, ownership.APPLY), True
        return self._update(live, merged, operation=ownership.APPLY), False

    def _update(self, live: Json, new: Json, *, operation: str = ownership.UPDATE) -> Json:
        status = self.subresource == "status"
        if not status:
            admission.keep_addresses(self.resource, live, new)
            new = defaults.apply(self.resource, new)
            if self.resource.has_status:
                new |= {"status": live["status"]} if "status" in live else {}
        new["metadata"] = _fixed_metadata(live["metadata"], new["metadata"])
        if not status:
            validation.require(self.resource, new, live)
        if operation == ownership.UPDATE:
            self._track(live, new)
        return self.store.update(self.resource, new, status=status, dry_run=self.options.dry_run)

    def _track(self, before: Json | None, after: Json) -> None:
        manager = Manager(self.options.manager, ownership.UPDATE, self.resource.api_version, self.subresource)
        ownership.track(before, after, manager, self._schema, has_status=self.resource.has_status)

    def _decode(self, obj: Json, *, change: Any = None, content_type: str = "") -> Json:
        """Return an object as understood; unknown fields are an error or a warning, as the client wants.

        Raises:
            ApiError: a value has the wrong type, or a field is unknown and that is an error.
        """
        version, kind = self.resource.version, self.resource.kind
        begin = "" if content_type else f'{kind} in version "{version}" cannot be handled as a {kind}: '
        try:
            decoded = decoding.decode(obj, self.resource.api_version, kind)
        except decoding.DecodingError as exc:
            raise _undecodable(begin + str(exc), change, content_type) from exc
        if decoded.unknown and self.options.validation == "Strict":
            raise _undecodable(begin + decoded.strict_error(), change, content_type)
        if self.options.validation == "Warn":
            self.warnings += decoded.warnings()
        decoded.value.setdefault("metadata", {})
        return copy.deepcopy(decoded.value)

    def _placed(self, obj: Json, namespace: str | None) -> Json:
        metadata = obj["metadata"]
        if not self.resource.namespaced:
            metadata.pop("namespace", None)
        elif metadata.get("namespace") not in (None, "", namespace):
            said = "the namespace of the provided object does not match the namespace sent on the request"
            raise errors.bad_request(said)
        else:
            metadata["namespace"] = namespace
        return obj


def _undecodable(said: str, change: Any, content_type: str) -> ApiError:
    """Return the refusal: a strategic merge patch is said to be invalid, everything else a bad request."""
    if content_type != STRATEGIC_PATCH:
        return errors.bad_request(said)
    if " of type " in said:  # the converter of patches has other words for it than the decoder of JSON
        said = f"unrecognized type: {said.rpartition(' of type ')[2]}"
    message = f'Invalid value: "{rules.go_map(change)}": {said}'
    cause = {"reason": "FieldValueInvalid", "message": message, "field": "patch"}
    return ApiError(422, "Invalid", f' "" is invalid: patch: {message}', {"causes": [cause]})


def _fixed_metadata(live: Json, new: Json) -> Json:
    """Return the metadata with what a client cannot change; what it asserts of the object stays, to be checked."""
    fixed = {name: value for name, value in new.items() if name != "selfLink" and value != ""}
    if fixed.get("resourceVersion") == "0":
        del fixed["resourceVersion"]
    kept = ("generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
    for name in kept:
        fixed.pop(name, None)
    fixed |= {name: live[name] for name in kept if name in live}
    return {"uid": live["uid"], "resourceVersion": live["resourceVersion"]} | fixed
