# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every module of Stripe's API. Keep ``module_utils/clients/stripe_options.py`` in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.stripe``."""

    DOCUMENTATION = r"""
options:
  stripe_url:
    description:
      - Base address of Stripe's API.
      - It begins with C(https://). Plain C(http://) is refused except to loopback hosts.
    type: str
    default: https://api.stripe.com
  stripe_api_key:
    description:
      - Secret or restricted key. A restricted one that may read PaymentIntents, events and webhook endpoints is enough
        to look.
    type: str
  stripe_api_version:
    description: Version of Stripe's API to speak, whatever the account's default is.
    type: str
    default: 2026-10-28.endive
  stripe_livemode:
    description:
      - Whether the platform works in live mode. A key of the other mode is refused before anything is sent, with the
        C(cause) V(wrong_mode).
    type: bool
    default: true
  stripe_timeout:
    description:
      - Seconds for one request, from resolving the name to the last byte of the answer. The pause and the second try
        that Stripe's own client allows after a 409, a 5xx or a broken connection are part of it.
    type: int
    default: 3
requirements:
  - stripe >= 15 (the official Python client) and requests >= 2.32 on the host that runs the module
notes:
  - Options that are empty count as not given.
  - A task that names none of the addresses takes the connection options that it does not give from the variables of the
    inventory host C(stripe), such as C(stripe_api_key) and C(stripe_api_url); where the inventory has no such host,
    from those of the task's own host.
  - The key travels in a header only, and nothing of the client's telemetry is sent. Redirects are not followed.
    Requests go through the proxy of E(HTTPS_PROXY), except to loopback hosts and those in E(NO_PROXY). Certificates
    are checked against E(REQUESTS_CA_BUNDLE), or without it against the authorities of C(certifi).
  - A C(cause) of Stripe is one of V(not_configured), V(invalid), V(wrong_mode), V(invalid_auth), V(key_expired),
    V(forbidden), V(not_found), V(mode_mismatch), V(rate_limited), V(lock_timeout), V(card_error), V(idempotency),
    V(server_error), V(timeout), V(unreachable) and V(unexpected).
"""
