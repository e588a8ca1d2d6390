# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What may be said of a Secret without saying what is in it. Pure, no I/O."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

FINGERPRINT_LENGTH = 12


def key_facts(data: Any, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what is known of each key: of those asked for, or of all.

    ``length`` is in bytes. ``fingerprint`` is the beginning of the SHA-256 of the value, ``None`` for an empty one.
    """
    values = data if isinstance(data, Mapping) else {}
    return {key: _facts(values.get(key)) for key in (keys or sorted(values))}


def fingerprint(value: bytes) -> str:
    """Return what identifies a value without giving it away."""
    return hashlib.sha256(value).hexdigest()[:FINGERPRINT_LENGTH]


def changed_at(secret: Mapping[str, Any]) -> str | None:
    """Return when the data was last written, by the API server's record of field managers.

    A change of labels does not count. Without such a record, the creation counts.
    """
    metadata = secret.get("metadata") or {}
    writes = [
        str(entry["time"])
        for entry in metadata.get("managedFields") or []
        if entry.get("time") and "f:data" in (entry.get("fieldsV1") or {})
    ]
    return max(writes, key=_instant, default=metadata.get("creationTimestamp"))


def older_pods(pods: Iterable[Mapping[str, Any]], moment: str | None) -> list[dict[str, Any]]:
    """Return the pods that started before *moment*: environment variables keep what the Secret held then."""
    if moment is None:
        return []
    return [
        {"name": pod["metadata"]["name"], "started_at": started}
        for pod in pods
        if (started := (pod.get("status") or {}).get("startTime")) and _instant(started) < _instant(moment)
    ]


def _facts(encoded: Any) -> dict[str, Any]:
    if encoded is None:
        return {**dict.fromkeys(("length", "empty", "trailing_whitespace", "fingerprint")), "exists": False}
    try:
        value = base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):  # no answer of an API server, but of what poses as one
        return {**dict.fromkeys(("length", "empty", "trailing_whitespace", "fingerprint")), "exists": True}
    return {
        "exists": True,
        "length": len(value),
        "empty": not value.strip(),
        "trailing_whitespace": value != value.rstrip(),
        "fingerprint": fingerprint(value) if value else None,
    }


def _instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
