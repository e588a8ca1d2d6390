# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Look at the name and the certificate of a server; nothing is sent over the connection."""

from __future__ import annotations

import datetime as dt
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import webhook_tls

Json = dict[str, Any]
Read = TypeVar("Read")

_PORTS = {"http": 80, "https": 443}


def host_and_port(url: str) -> tuple[str, int]:
    """Return where an address leads; it has been checked before."""
    parts = urlsplit(url)
    return str(parts.hostname), parts.port or _PORTS[parts.scheme.lower()]


def look_up(url: str) -> Json:
    """Resolve the name; see :func:`webhook_tls.resolved`. A name that is not known is a result."""
    host, port = host_and_port(url)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return webhook_tls.unresolved(error.strerror or "the name is not known")
    except (OSError, UnicodeError):
        return webhook_tls.unresolved("the name cannot be looked up")
    return webhook_tls.resolved(host, [str(address[4][0]) for address in found])


def examine(url: str, limit_s: float, ca_cert: str | None) -> Json:
    """Shake hands and return the facts of the certificate. What cannot be connected to is unknown, not invalid.

    Args:
        limit_s: seconds for each of connecting and shaking hands.
        ca_cert: file of the authorities to trust, in place of those of the environment.
    """
    if not url.lower().startswith("https:"):
        return webhook_tls.unknown_tls(used=False)
    host, port = host_and_port(url)
    now = dt.datetime.now(dt.UTC)
    try:
        certificate = _shaken(host, port, limit_s, _context(ca_cert), lambda secured: secured.getpeercert() or {})
    except ssl.SSLCertVerificationError as error:
        expires, issued_by = _unverified(host, port, limit_s)
        return webhook_tls.refused_certificate(error.verify_code, error.verify_message, expires, issued_by, now)
    except ssl.SSLError as error:
        reason = str(error.reason or "the handshake failed").replace("_", " ").lower()
        return webhook_tls.unknown_tls(used=True, message=reason)
    except (OSError, UnicodeError) as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else "no connection"
        return webhook_tls.unknown_tls(used=True, message=reason)
    return webhook_tls.verified_certificate(certificate, now)


def _shaken(
    host: str, port: int, limit_s: float, context: ssl.SSLContext, read: Callable[[ssl.SSLSocket], Read]
) -> Read:
    with (
        socket.create_connection((host, port), limit_s) as connection,
        context.wrap_socket(connection, server_hostname=host) as secured,
    ):
        return read(secured)


def _context(ca_cert: str | None) -> ssl.SSLContext:
    """The authorities that the probes trust too, so that both say the same."""
    import certifi  # noqa: PLC0415 - comes with requests

    trusted = ca_cert or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    trusted = trusted or certifi.where()
    folder = os.path.isdir(trusted)  # noqa: PTH112 - as requests asks
    return ssl.create_default_context(capath=trusted if folder else None, cafile=None if folder else trusted)


def _unverified(host: str, port: int, limit_s: float) -> tuple[dt.datetime | None, str | None]:
    """Expiry and issuer of a certificate that is not trusted; both ``None`` when they cannot be read."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # it is looked at, nothing is sent
    with suppress(OSError, ValueError, ImportError):
        from cryptography import x509  # noqa: PLC0415 - comes with ansible-core; needed in this rare case only

        encoded = _shaken(host, port, limit_s, context, lambda secured: secured.getpeercert(binary_form=True))
        certificate = x509.load_der_x509_certificate(encoded or b"")
        names = [((name.rfc4514_attribute_name, name.value),) for name in certificate.issuer]
        long = {"O": "organizationName", "CN": "commonName"}
        pairs = [((long.get(name, name), value),) for ((name, value),) in names]
        return certificate.not_valid_after_utc, webhook_tls.issuer(pairs)
    return None, None
