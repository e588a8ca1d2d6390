# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What a connection that did not come about or broke means, read from urllib3's errors. No I/O."""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import (
    Failure,
    one_line,
)

with suppress(ImportError):  # the client says what is missing before it comes here
    from urllib3 import exceptions

CAUSES_BY_ERRNO = {
    errno.ECONNREFUSED: "refused",
    errno.ENETUNREACH: "unreachable",
    errno.EHOSTUNREACH: "unreachable",
    errno.ETIMEDOUT: "timeout",
    errno.ECONNRESET: "connection_lost",
    errno.EPIPE: "connection_lost",
}
LONGEST_CHAIN = 20
# [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:1006)
_TLS_FRAME = re.compile(r"\[[A-Z0-9_: ]*\]\s*|\s*\(_ssl\.c:\d+\)")


def server_name(url: str) -> str:
    """Return the address of a server without login, path and query."""
    parts = urlsplit(url)
    host = parts.hostname or "the API server"
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port else "")


def broken(error: BaseException, limit_s: float) -> Failure:
    """Return the failure that an error of urllib3 or of a socket means.

    Args:
        error: what was raised.
        limit_s: the limit that counted, in seconds.
    """
    chain = list(_chain(error))
    if any(isinstance(link, (exceptions.NameResolutionError, socket.gaierror)) for link in chain):
        return Failure("dns", "the host name cannot be resolved")
    if any(isinstance(link, exceptions.ProxyError) for link in chain):
        return Failure("proxy", "the proxy does not connect")
    if any(isinstance(link, exceptions.SSLError) for link in chain):
        return Failure("tls", one_line(_tls_text(error)))
    if any(_is_timeout(link) for link in chain):
        return Failure("timeout", f"the API server did not answer within {limit_s:g} s")
    for link in chain:
        if isinstance(link, OSError) and link.errno:
            text = os.strerror(link.errno).lower() if link.errno > 0 else "the connection broke"
            return Failure(CAUSES_BY_ERRNO.get(link.errno, "unknown"), text)
    if isinstance(error, exceptions.ProtocolError):
        return Failure("connection_lost", "the answer was cut off")
    return Failure("unknown", type(error).__name__)


def _is_timeout(error: BaseException) -> bool:
    # urllib3 counts a refused connection among its time-outs
    return isinstance(error, (exceptions.TimeoutError, TimeoutError)) and not isinstance(
        error, exceptions.NewConnectionError
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it, as urllib3 keeps it in ``args``, ``reason`` or ``original_error``."""
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


def _tls_text(error: BaseException) -> str:
    text = next((str(link) for link in _chain(error) if isinstance(link, exceptions.SSLError)), "")
    return _TLS_FRAME.sub("", text).strip("() ,") or "the TLS handshake failed"
