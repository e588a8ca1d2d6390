# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of every request: lines of JSON, without a secret, encoded or not. A line is there before its answer is."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor
from incident_runbooks.lab.services.call import FORM, Answer, Call, now
from incident_runbooks.lab.services.secret_files import fingerprint

_LOGINS = frozenset({"authorization", "proxy-authorization", "cookie"})
_AUTHORIZATION = re.compile(r"^(?P<scheme>[A-Za-z]+ (?:token=)?)?(?P<secret>.*)$", re.DOTALL)

Json = dict[str, Any]


def _whole(answer: Answer) -> Any:
    return answer.body


@dataclass(frozen=True)
class LogRules:
    """What a log holds.

    Attributes:
        hidden: names of parameters whose values are secret.
        hidden_headers: names, in lower case, of headers whose values are secret, beside those of every login.
        bodies: whether those of requests are kept.
        secret_path: of a path that ends with a secret, the part before it and the secret, as two groups.
        shown: what is kept of an answer.
        largest: bytes after which the file becomes ``NAME.1`` and a new one begins; ``None``: it grows.
    """

    hidden: Sequence[str] = ()
    hidden_headers: Sequence[str] = ()
    bodies: bool = True
    secret_path: re.Pattern[str] | None = None
    shown: Callable[[Answer], Any] = _whole
    largest: int | None = None


class RequestLog:
    """The file.

    Args:
        path: of the file, which only its owner can read; it is continued.
        secrets: what must not be in it, wherever it turns up and however it is encoded.
        rules: what it holds.
    """

    def __init__(self, path: Path, secrets: Sequence[str], rules: LogRules) -> None:
        self._path = path
        self._secrets = secrets
        self._redactor = Redactor(secrets)
        self._rules = rules
        self._file = self._open()

    def write(self, call: Call, path: str, answer: Answer | None) -> None:
        """Append a request.

        Args:
            call: the request.
            path: the whole path.
            answer: ``None`` where there will be none.
        """
        line = json.dumps(self._entry(call, path, answer), separators=(",", ":"), ensure_ascii=False)
        for secret in self._secrets:
            line = line.replace(secret, _hidden(secret))
        line = self._redactor.text(line)
        os.write(self._file, line.encode("utf-8", "replace") + b"\n")
        if self._rules.largest is not None and os.fstat(self._file).st_size > self._rules.largest:
            self._begin_anew()

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _begin_anew(self) -> None:
        os.close(self._file)
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._file = self._open()

    def _entry(self, call: Call, path: str, answer: Answer | None) -> Json:
        rules = self._rules
        secret = rules.secret_path.match(path) if rules.secret_path else None
        return {
            "at": now(),
            "service": call.service,
            "method": call.method,
            "path": secret.group(1) + _hidden(secret.group(2)) if secret else path,
            "query": {name: [self._shown(name, each) for each in call.values(name)] for name in dict(call.query)},
            "headers": {name: self._header(name, value) for name, value in call.headers.items()},
            "body": self._body(call) if rules.bodies else None,
            "status": answer.status if answer else None,
            "answer": rules.shown(answer) if answer else None,
        }

    def _shown(self, name: str, value: Any) -> Any:
        return _hidden(value) if name in self._rules.hidden and isinstance(value, str) and value else value

    def _header(self, name: str, value: str) -> str:
        if name.lower() in self._rules.hidden_headers:
            return _hidden(value)
        if name.lower() not in _LOGINS:
            return value
        found = _AUTHORIZATION.match(value)
        return (found.group("scheme") or "") + _hidden(found.group("secret")) if found else _hidden(value)

    def _body(self, call: Call) -> Any:
        """Return the body as data, as far as it is some."""
        if not call.body:
            return None
        text = call.body.decode("utf-8", "replace")
        if call.content_type == FORM:
            return {name: self._shown(name, value) for name, value in parse_qsl(text, keep_blank_values=True)}
        try:
            found = json.loads(text)
        except ValueError:
            return text
        if not isinstance(found, dict):
            return found
        return {name: self._shown(name, value) for name, value in found.items()}


def _hidden(secret: str) -> str:
    return f"sha256:{fingerprint(secret)}"
