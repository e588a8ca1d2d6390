# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""JSON over HTTP to a service, with a secret in each request: checked addresses, one session, classified errors.

Loads nothing that costs time; ``requests`` is imported when the first request is sent.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode, urlsplit

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Answer,
    Failure,
    SendError,
    unusable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_transport import Transport

USER_AGENT = "incident-runbooks"
LONGEST_URL = 2000
DEFAULT_TIMEOUT_S = 3
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+", re.IGNORECASE)  # RFC 3986


def timeout_argument_spec() -> dict[str, dict[str, Any]]:
    """The option that all these modules share. Keep the doc fragment ``communications`` in step."""
    return {"timeout": {"type": "int", "default": DEFAULT_TIMEOUT_S}}


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine: ``localhost``, 127.0.0.0/8 or ::1."""
    if host.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback


def service_name(url: str) -> str:
    """Return the address of a service without login, path and query: those may hold a secret."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port else "")


def wanted(attempted: str, params: Mapping[str, Any], *options: str) -> None:
    """Refuse to work without the options that are needed.

    Raises:
        SendError: cause ``not_configured``, naming the options.
    """
    missing = [option for option in options if not str(params.get(option) or "").strip()]
    if missing:
        raise SendError(attempted, Failure("not_configured", f"{' and '.join(missing)} not given"))


def checked_timeout(attempted: str, params: Mapping[str, Any]) -> float:
    """Return the seconds for one request.

    Raises:
        SendError: cause ``invalid``.
    """
    if params["timeout"] < 1:
        raise SendError(attempted, Failure("invalid", "timeout must be 1 second or more", "set it so"))
    return float(params["timeout"])


def checked_url(attempted: str, option: str, url: str) -> str:
    """Return an address to which a secret may be sent, without a slash at its end.

    Raises:
        SendError: cause ``invalid``. The text does not quote the address, which may itself be the secret.
    """
    problem = _problem_of(url)
    if problem:
        raise SendError(attempted, Failure("invalid", f"{option} {problem}", f"check {option}"))
    return url.rstrip("/")


def _problem_of(url: str) -> str | None:
    # before urlsplit(), which silently drops line feeds
    if len(url) > LONGEST_URL or not _ADDRESS.fullmatch(url):
        return "must be an address that begins with https://"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no valid address"
    if not host or parts.query or parts.fragment or "@" in parts.netloc:
        return "must be an address of host and path only, without login, query and fragment"
    if parts.scheme.lower() == "http" and not is_loopback(host):
        return "must begin with https://, as a secret travels in each request; plain http is for loopback hosts only"
    return None


def checked_secret(attempted: str, option: str, value: Any) -> str:
    """Return a key or token that can travel in a header.

    Raises:
        SendError: cause ``invalid_auth``; the text does not quote it, which the HTTP library would.
    """
    secret = str(value).strip()
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise SendError(attempted, Failure("invalid_auth", f"{option} holds characters that no key has"))
    return secret


def identifier(attempted: str, option: str, value: Any) -> str:
    """Return an identifier for a path; one such as ``..`` would lead elsewhere.

    Raises:
        SendError: cause ``invalid``.
    """
    text = str(value)
    if not _IDENTIFIER.fullmatch(text):
        raise SendError(attempted, Failure("invalid", f"{option} is no valid identifier", f"check {option}"))
    return text


def encoded(payload: Any) -> bytes:
    """Return *payload* as JSON."""
    return json.dumps(to_plain(payload), allow_nan=False).encode()


class JsonApi:
    """One service with one login; close it in the end.

    Args:
        base: checked address.
        headers: those that log in and say what is understood.
        secrets: what must not be in any text.
        limit_s: seconds for one request.
        refused: reads an answer that is no success.

    Attributes:
        service: the address for texts.
    """

    def __init__(
        self,
        base: str,
        headers: Mapping[str, str],
        secrets: tuple[str, ...],
        limit_s: float,
        refused: Callable[[Answer], Failure],
    ) -> None:
        self.service = service_name(base)
        self._base = base
        self._headers = {"User-Agent": USER_AGENT, **headers}
        self._secrets = secrets
        self._limit_s = limit_s
        self._refused = refused
        self._transport: Transport | None = None  # until something is sent

    def close(self) -> None:
        """Close the connections; never raises."""
        if self._transport:
            self._transport.close()

    def get(self, what: str, *path: str, **query: Any) -> Any:
        """Return the JSON at *path*; see :meth:`send`. Reading can have changed nothing, whatever happens."""
        return self._ask(what, "GET", path, query, None)

    def send(self, what: str, method: str, path: tuple[str, ...], payload: Any) -> Any:
        """Send *payload* once and return the JSON that it is answered with.

        Args:
            what: what is attempted, such as ``Opening incident 42``.
            path: the parts of the path; slashes inside a part are escaped.

        Raises:
            SendError: it did not get there or was refused.
        """
        return self._ask(what, method, path, {}, payload)

    def error(self, what: str, failure: Failure) -> SendError:
        """Return the error of a request, its text free of secrets."""
        return SendError(f"{what} at {self.service}", failure, self._secrets)

    def _ask(self, what: str, method: str, path: tuple[str, ...], query: Mapping[str, Any], payload: Any) -> Any:
        url = "/".join([self._base, *(quote(part, safe="") for part in path)])
        url += "?" + urlencode(query, doseq=True) if query else ""
        body = None if payload is None else encoded(payload)
        kind = {} if body is None else {"Content-Type": "application/json"}
        self._transport = self._transport or open_transport(self._limit_s)
        answer = self._transport.exchange(method, url, self._headers | kind, body)
        if isinstance(answer, Failure):
            failure = answer
        elif answer.status // 100 != 2:  # noqa: PLR2004 - the class of all successes
            failure = self._refused(answer)
        elif isinstance(answer.content, (dict, list)):
            return answer.content
        else:
            failure = unusable(answer)
        raise self.error(what, replace(failure, may_have_happened=failure.may_have_happened and method != "GET"))


class Client:
    """A service's client; use it as a context manager."""

    _api: JsonApi

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._api.close()


def open_transport(limit_s: float, ca_cert: str | None = None) -> Transport:
    """Return a transport.

    Args:
        ca_cert: file of the authorities to trust, in place of those of the environment.

    Raises:
        IncidentsError: ``requests`` is missing.
    """
    load_transport()
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_transport import (  # noqa: PLC0415 - requests takes 40 to 70 ms to load
        Transport,
    )

    return Transport(limit_s, ca_cert)


def load_transport() -> None:
    """Load what sends requests. Threads that load it at the same time as others may see it half loaded.

    Raises:
        IncidentsError: ``requests`` is missing.
    """
    try:
        import requests  # noqa: F401, PLC0415 - takes 40 to 70 ms to load
    except ImportError as error:
        library = missing_required_lib("requests", url="https://pypi.org/project/requests/")
        raise IncidentsError(str(library)) from error
