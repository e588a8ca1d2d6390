# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What is known of a server's certificate and of the addresses of its name. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

Json = dict[str, Any]

NAME_LENGTH = 120
# Names that no public name service knows: https://www.rfc-editor.org/rfc/rfc6761, rfc6762, and Kubernetes
_PRIVATE_SUFFIXES = (".local", ".localhost", ".internal", ".svc", ".test", ".invalid", ".home.arpa")
# OpenSSL's numbers: hostname, e-mail and IP address mismatch
MISMATCHES = frozenset({62, 63, 64})


def unknown_tls(*, used: bool, message: str | None = None) -> Json:
    """Return the facts of a certificate of which nothing is known."""
    facts = dict.fromkeys(("valid", "expires_at", "days_left", "issuer", "host_matches"))
    return {"used": used, **facts, "message": message}


def verified_certificate(certificate: Mapping[str, Any], now: dt.datetime) -> Json:
    """Return the facts of a certificate that was found valid.

    Args:
        certificate: as :meth:`ssl.SSLSocket.getpeercert` returns it.
    """
    expires = instant(str(certificate.get("notAfter") or ""))
    return {
        "used": True,
        "valid": True,
        **expiry(expires, now),
        "issuer": issuer(certificate.get("issuer") or ()),
        "host_matches": True,
        "message": None,
    }


def refused_certificate(
    code: int | None, message: str, expires: dt.datetime | None, issued_by: str | None, now: dt.datetime
) -> Json:
    """Return the facts of a certificate that a client refuses.

    Args:
        code: OpenSSL's number of the reason.
        message: OpenSSL's words.
        expires: ``None`` when it could not be read.
    """
    return {
        "used": True,
        "valid": False,
        **expiry(expires, now),
        "issuer": issued_by,
        "host_matches": False if code in MISMATCHES else None,
        "message": plain_line(message, NAME_LENGTH),
    }


def expiry(expires: dt.datetime | None, now: dt.datetime) -> Json:
    """Return the instant and the whole days until then, negative when it is over."""
    if expires is None:
        return {"expires_at": None, "days_left": None}
    return {"expires_at": expires, "days_left": math.floor((expires - now).total_seconds() / 86400)}


def instant(written: str) -> dt.datetime | None:
    """Read an instant such as ``Nov 24 15:00:00 2026 GMT``."""
    try:
        return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(written), dt.UTC)
    except ValueError:
        return None


def issuer(names: Iterable[Any]) -> str | None:
    """Return organisation and name of who signed it, from the nested pairs of ``getpeercert()``."""
    pairs = dict(pair for names_of_one in names for pair in names_of_one)
    told = [str(pairs[name]) for name in ("organizationName", "commonName") if pairs.get(name)]
    return plain_line(", ".join(told), NAME_LENGTH) or None


def resolved(host: str, addresses: Iterable[str]) -> Json:
    """Return the facts of a name that was resolved.

    ``public``: whether Stripe can find it, which needs a name that all the world knows and an address that is routed.
    """
    found = sorted(set(addresses))
    known = not host.lower().rstrip(".").endswith(_PRIVATE_SUFFIXES) and ("." in host or ":" in host)
    return {
        "resolved": True,
        "addresses": found,
        "public": known and any(ipaddress.ip_address(each.partition("%")[0]).is_global for each in found),
        "message": None,
    }


def unresolved(message: str) -> Json:
    """Return the facts of a name that could not be resolved."""
    return {"resolved": False, "addresses": [], "public": None, "message": plain_line(message, NAME_LENGTH)}
