# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON patch (RFC 6902)."""

from __future__ import annotations

from typing import Any

import jsonpatch

from incident_runbooks.lab.cluster import errors
from incident_runbooks.lab.cluster.errors import ApiError

Json = dict[str, Any]


def patch(original: Json, operations: Any) -> Json:
    """Return *original* after a JSON patch; neither is altered.

    Raises:
        ApiError: 400, no patch; 422, an operation cannot be done or a ``test`` does not hold. The real server does
            not say which one.
    """
    if not isinstance(operations, list):
        raise errors.bad_request(
            "error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        )
    try:
        patched: Json = jsonpatch.JsonPatch(operations).apply(original)
    except jsonpatch.InvalidJsonPatch as exc:
        raise errors.bad_request(f"error decoding patch: {exc}") from exc
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError) as exc:
        said = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", said, {}) from exc
    return patched
