# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Send one HTTP request, once, within a limit, and know whether it left. Import it where something is sent only.

Proxies and certificate authorities come from the environment as with every program that uses ``requests``.
A login in ``~/.netrc`` is not used, and nothing is sent to a loopback host by way of a proxy.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import exceptions
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import is_loopback
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Answer, Failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

LARGEST_ANSWER = 4 * 2**20
KEPT_CONNECTIONS = 64  # to one host: a client that sends many requests at the same time reuses them
GRACE_S = 0.25
LONGEST_CHAIN = 20
_LOST = (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED)
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH)


class _Attempt:
    """Whether a request has left; given up in time, it never leaves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False
        self.sent = False

    def leave(self) -> None:
        with self._lock:
            if self._given_up:
                raise ConnectionAbortedError(errno.ECONNABORTED, "given up")
            self.sent = True

    def give_up(self) -> bool:
        """Return whether it was too late."""
        with self._lock:
            self._given_up = True
            return self.sent


_this_thread = threading.local()  # .attempt: the one that the thread works on


class _Http(HTTPConnection):
    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        _this_thread.attempt.leave()
        super().request(*args, **options)


class _Https(HTTPSConnection):
    def request(self, *args: Any, **options: Any) -> None:
        if self.sock is None:
            self.connect()
        _this_thread.attempt.leave()
        super().request(*args, **options)


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _as_it_is(request: Any) -> Any:
    return request


class Transport:
    """The connections of one module run.

    Args:
        limit_s: seconds for one request, from resolving the name to the last byte of the answer.
        ca_cert: file of the authorities to trust, in place of those of the environment.

    Attributes:
        limit_s: the same limit; it may be lowered for the next request.
        largest: bytes of an answer; a larger one counts as none.
    """

    largest = LARGEST_ANSWER

    def __init__(self, limit_s: float, ca_cert: str | None = None) -> None:
        self.limit_s = limit_s
        self._ca_cert = ca_cert
        self._session = requests.Session()
        self._session.auth = _as_it_is  # or requests would put a login of ~/.netrc in the place of ours
        self._session.headers["Accept-Encoding"] = "identity"  # a small answer cannot unpack to a large one
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(pool_maxsize=KEPT_CONNECTIONS))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer | Failure:
        """Send a request and return its answer, whatever it says, or why none came.

        In a thread of its own: name resolution, several addresses and a trickling answer know no common limit.
        """
        attempt = _Attempt()
        outcome: list[Answer | Failure] = []
        problem: list[BaseException] = []

        def work() -> None:
            _this_thread.attempt = attempt
            try:
                outcome.append(self._ask(method, url, headers, body))
            except BaseException as error:  # noqa: BLE001 - read below, in the caller's thread
                problem.append(error)

        _run(work, self.limit_s + GRACE_S)
        sent = attempt.give_up()
        if outcome:
            return outcome[0]
        if not problem:
            return Failure("timeout", f"no answer within {self.limit_s:g} s", may_have_happened=sent)
        if isinstance(problem[0], (OSError, ValueError, exceptions.HTTPError)):
            return broken(problem[0], self.limit_s, sent=sent)
        raise problem[0]

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer | Failure:
        host = urlsplit(url).hostname or ""
        with self._session.request(
            method,
            url,
            data=body,
            headers=dict(headers),
            timeout=(self.limit_s, self.limit_s),
            allow_redirects=False,
            stream=True,
            verify=self._ca_cert,  # here, as REQUESTS_CA_BUNDLE wins over the session's
            proxies={"no_proxy": host} if is_loopback(host) else None,
        ) as response:
            content = response.raw.read(self.largest + 1, decode_content=False)
            if len(content) > self.largest:
                text = f"the answer is larger than {self.largest // 2**20} MiB"
                return Failure("no_answer", text, status=response.status_code, may_have_happened=True)
            # requests shows header values as Latin-1
            return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, content)


def _run(work: Callable[[], None], limit_s: float) -> None:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit_s)


def broken(error: BaseException, limit_s: float, *, sent: bool) -> Failure:
    """Return the failure that an error of requests, urllib3 or a socket means; none of their texts is shown.

    Args:
        limit_s: the limit that counted, in seconds.
        sent: whether the request had left.
    """
    chain = list(_chain(error))

    def has(*kinds: type[BaseException]) -> bool:
        return any(isinstance(link, kinds) for link in chain)

    if has(requests.exceptions.ProxyError, exceptions.ProxyError):
        return Failure("no_answer", "the proxy does not connect", "check HTTPS_PROXY and NO_PROXY")
    if has(exceptions.NameResolutionError):
        return Failure("dns", "the host name cannot be resolved")
    if has(requests.exceptions.SSLError, exceptions.SSLError) and not sent:
        return Failure("tls", _tls_text(chain))
    if any(_is_timeout(link) for link in chain):
        return Failure("timeout", f"no answer within {limit_s:g} s", may_have_happened=sent)
    if isinstance(error, (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, ValueError)):
        return Failure("invalid", "the address of the service or of the proxy makes no sense", "check both")
    return _by_errno(chain, sent=sent)


def _by_errno(chain: list[BaseException], *, sent: bool) -> Failure:
    numbers = {link.errno for link in chain if isinstance(link, OSError) and link.errno}
    if errno.ECONNREFUSED in numbers:
        return Failure("refused", "connection refused")
    if numbers.intersection(_UNREACHABLE):
        return Failure("no_answer", "no route to the host")
    if isinstance(chain[0], OSError) and not isinstance(chain[0], requests.RequestException) and not numbers:
        return Failure("tls", "the certificate authorities cannot be read", "check REQUESTS_CA_BUNDLE")
    if sent or numbers.intersection(_LOST):
        return Failure("no_answer", "the connection broke before the answer was complete", may_have_happened=sent)
    return Failure("no_answer", f"no connection ({type(chain[0]).__name__})")


def _is_timeout(error: BaseException) -> bool:
    # urllib3 counts a refused connection among its time-outs
    return isinstance(error, (exceptions.TimeoutError, TimeoutError)) and not isinstance(
        error, exceptions.NewConnectionError
    )


def _tls_text(chain: list[BaseException]) -> str:
    """Python's words on the handshake, such as ``certificate has expired``; the host's certificate is no secret."""
    for link in reversed(chain):
        reason = getattr(link, "verify_message", None) or getattr(link, "reason", None)
        if isinstance(reason, str) and reason:
            return plain_line(reason.replace("_", " ").lower(), 120)
    return "the TLS handshake failed"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, as urllib3 keeps it in ``args``, ``reason`` or the context."""
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending and len(seen) < LONGEST_CHAIN:
        link = pending.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        candidates = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        pending += [candidate for candidate in candidates if isinstance(candidate, BaseException)]
