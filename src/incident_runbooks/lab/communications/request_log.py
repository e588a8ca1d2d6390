# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of every request: lines of JSON, without a secret. A line is there before its answer is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from incident_runbooks.lab.communications.call import Answer, Call, now
from incident_runbooks.lab.communications.keys import fingerprint
from incident_runbooks.lab.communications.slack_request import FORM

_HIDDEN = ("token", "routing_key", "api_key")
_AUTHORIZATION = re.compile(r"^(?P<scheme>[A-Za-z]+ (?:token=)?)?(?P<secret>.*)$", re.DOTALL)
_WEBHOOK = re.compile(r"^(/slack/services/[^/]+/[^/]+/)(.+)$")

Json = dict[str, Any]


class RequestLog:
    """The file.

    Args:
        path: of the file, which only its owner can read; it is continued.
        secrets: what must not be in it, wherever it turns up.
    """

    def __init__(self, path: Path, secrets: Sequence[str]) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._secrets = secrets

    def write(self, call: Call, path: str, answer: Answer | None) -> None:
        """Append a request.

        Args:
            call: the request.
            path: the whole path.
            answer: ``None`` where there will be none.
        """
        line = json.dumps(_entry(call, path, answer), separators=(",", ":"), ensure_ascii=False)
        for secret in self._secrets:
            line = line.replace(secret, f"sha256:{fingerprint(secret)}")
        os.write(self._file, line.encode("utf-8", "replace") + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _entry(call: Call, path: str, answer: Answer | None) -> Json:
    webhook = _WEBHOOK.match(path)
    return {
        "at": now(),
        "service": call.service,
        "method": call.method,
        "path": webhook.group(1) + _hidden(webhook.group(2)) if webhook else path,
        "query": {name: [_shown(name, each) for each in call.values(name)] for name in dict(call.query)},
        "headers": {name: _header(name, value) for name, value in call.headers.items()},
        "body": _body(call),
        "status": answer.status if answer else None,
        "answer": answer.body if answer else None,
    }


def _hidden(secret: str) -> str:
    return f"sha256:{fingerprint(secret)}"


def _shown(name: str, value: Any) -> Any:
    return _hidden(value) if name in _HIDDEN and isinstance(value, str) and value else value


def _header(name: str, value: str) -> str:
    if name.lower() not in ("authorization", "cookie"):
        return value
    found = _AUTHORIZATION.match(value)
    return (found.group("scheme") or "") + _hidden(found.group("secret")) if found else _hidden(value)


def _body(call: Call) -> Any:
    """Return the body as data, as far as it is some."""
    if not call.body:
        return None
    text = call.body.decode("utf-8", "replace")
    if call.content_type == FORM:
        return {name: _shown(name, value) for name, value in parse_qsl(text, keep_blank_values=True)}
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return {name: _shown(name, value) for name, value in found.items()} if isinstance(found, dict) else found
