# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers what a user may do, and who it is."""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab.cluster import access
from incident_runbooks.lab.cluster.access import Attributes
from incident_runbooks.lab.cluster.errors import ApiError
from incident_runbooks.lab.cluster.http import bodies
from incident_runbooks.lab.cluster.http.call import Call
from incident_runbooks.lab.cluster.http.responses import Answer
from incident_runbooks.lab.cluster.identities import ADMINISTRATORS
from incident_runbooks.lab.cluster.resources import ACCESS_REVIEWS, RULES_REVIEWS, Resource

Json = dict[str, Any]


async def create(call: Call, resource: Resource) -> Answer:
    """Answer a review."""
    review = await bodies.read_object(call.request)
    spec = review.get("spec") or {}
    if resource is ACCESS_REVIEWS:
        status = _access(call, spec)
    elif resource is RULES_REVIEWS:
        status = _rules(call, spec)
    else:
        status = {"userInfo": call.user.to_plain()}
    answered: Json = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {"creationTimestamp": None},
    }
    return Answer(answered | ({"spec": spec} if spec else {}) | {"status": status}, 201, resource)


def _access(call: Call, spec: Json) -> Json:
    named, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (named is None) == (path is None):
        message = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = {"reason": "FieldValueInvalid", "message": f"Invalid value: {{}}: {message}",
                 "field": "spec.resourceAttributes"}  # fmt: skip
        said = f'{ACCESS_REVIEWS.kind}.{ACCESS_REVIEWS.group} "" is invalid: {cause["field"]}: {cause["message"]}'
        raise ApiError(422, "Invalid", said, {"group": ACCESS_REVIEWS.group, "causes": [cause]})
    if path is None:
        named = named or {}
        wanted = Attributes(
            named.get("verb", ""),
            named.get("group", ""),
            named.get("resource", ""),
            named.get("subresource", ""),
            named.get("namespace", ""),
            named.get("name", ""),
        )
    else:
        wanted = Attributes(path.get("verb", ""), path=path.get("path", ""))
    reason = access.allows(call.cluster.store, call.user, wanted)
    status: Json = {"allowed": reason is not None}
    return status | ({"reason": reason} if reason else {})


def _rules(call: Call, spec: Json) -> Json:
    namespace = spec.get("namespace") or ""
    if not namespace:
        raise ApiError(400, "BadRequest", "no namespace on request")
    if ADMINISTRATORS in call.user.groups:
        found = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}, {"verbs": ["*"], "nonResourceURLs": ["*"]}]
    else:
        found = [rule for rule, _ in access.rules_of(call.cluster.store, call.user, namespace)]
    return {
        "resourceRules": [rule for rule in found if rule.get("resources")],
        "nonResourceRules": [rule for rule in found if rule.get("nonResourceURLs")],
        "incomplete": False,
    }
