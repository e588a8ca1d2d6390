# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's certificate authority and its server's certificate: clients send tokens over TLS only."""

from __future__ import annotations

import ssl

import trustme


def make(host: str) -> tuple[ssl.SSLContext, bytes]:
    """Return what the server presents, and the certificate (PEM) that clients must trust.

    Both live as long as the process: the keys are never stored.
    """
    authority = trustme.CA(organization_name="runbook lab")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host, "localhost").configure_cert(context)
    return context, authority.cert_pem.bytes()
