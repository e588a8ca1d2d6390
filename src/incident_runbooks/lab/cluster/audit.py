# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of every request: lines of JSON, each an ``Event`` of audit.k8s.io/v1 at the level Metadata.

A request has been written down before its answer ends, so whoever got an answer finds it in the file.
"""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from incident_runbooks.lab.cluster.http.requests import RequestInfo
from incident_runbooks.lab.cluster.identities import User
from incident_runbooks.lab.cluster.store import micro_now

Json = dict[str, Any]

STARTED = "ResponseStarted"
COMPLETE = "ResponseComplete"
_HIDDEN = ("command",)  # of exec: arguments may hold a secret
_REDACTED = "REDACTED"


class Record:
    """One request: what is known of it so far.

    Attributes:
        info: what the request is about.
        id: what the answer names it by.
        user: who sends it, once that is known.
        impersonated: in whose name, if not his own.
        decision: ``allow`` or ``forbid``, once decided; with *reason*.
        reason: see *decision*.
        status: of HTTP, once a long answer has begun.
    """

    def __init__(self, info: RequestInfo, uri: str, source: str, agent: str) -> None:
        self.info = info
        self.user: User | None = None
        self.impersonated: User | None = None
        self.decision = ""
        self.reason = ""
        self.status = 0
        self.id = str(uuid.uuid4())
        self._uri = hide_arguments(uri)
        self._source = source
        self._agent = agent
        self._received = micro_now()

    def to_event(self, stage: str, code: int, message: str = "") -> Json:
        """Return the event of a stage."""
        event: Json = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": self.id,
            "stage": stage,
            "requestURI": self._uri,
            "verb": self.info.verb,
            "user": self.user.to_plain() if self.user else {},
            "sourceIPs": [self._source],
            "userAgent": self._agent,
            "responseStatus": {"metadata": {}, "code": code} | ({"message": message} if message else {}),
            "requestReceivedTimestamp": self._received,
            "stageTimestamp": micro_now(),
        }
        if self.impersonated is not None:
            event["impersonatedUser"] = self.impersonated.to_plain()
        if self.info.is_resource:
            event["objectRef"] = _object_ref(self.info)
        if self.decision:
            event["annotations"] = {
                "authorization.k8s.io/decision": self.decision,
                "authorization.k8s.io/reason": self.reason,
            }
        return event


class AuditLog:
    """The file.

    Args:
        path: of the file, which only its owner can read; begun anew.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(path, flags, 0o600)

    def write(self, record: Record, stage: str, code: int, message: str = "") -> None:
        """Append one event; it is in the file when this returns."""
        line = json.dumps(record.to_event(stage, code, message), separators=(",", ":"))
        os.write(self._file, line.encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _object_ref(info: RequestInfo) -> Json:
    named = {
        "resource": info.plural,
        "namespace": info.namespace,
        "name": info.name,
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {name: value for name, value in named.items() if value}


def hide_arguments(uri: str) -> str:
    """Return a URI without the values that may be secret."""
    path, mark, query = uri.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    if not any(name in _HIDDEN for name, _ in pairs):
        return uri
    shown = [(name, _REDACTED if name in _HIDDEN else value) for name, value in pairs]
    return path + mark + urlencode(shown, quote_via=quote)
