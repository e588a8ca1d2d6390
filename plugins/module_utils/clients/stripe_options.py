# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The options that all modules of Stripe's API share, and the secret among them.

Keep the doc fragment ``stripe`` in step. Loads nothing that costs time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import (
    checked_secret,
    checked_url,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError, written
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import Failure, StripeError

STRIPE_URL = "https://api.stripe.com"
# Pinned, so that the shape of the answers does not follow a change in the Dashboard of the account.
API_VERSION = "2026-10-28.endive"
DEFAULT_TIMEOUT_S = 3
_ATTEMPTED = "Reading the options of Stripe"
# https://docs.stripe.com/keys: secret and restricted keys; a publishable one can read nothing
_KEY = re.compile(r"(?:sk|rk)_(live|test)_[A-Za-z0-9_]{4,}")
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:\.[a-z]{1,32})?")


@dataclass(frozen=True)
class Options:
    """Where Stripe's API is and how to log in, checked.

    Attributes:
        url: base address without a slash at its end.
        key: secret or restricted key of the mode that was asked for.
        version: what ``Stripe-Version`` says.
        timeout_s: seconds for one request.
    """

    url: str
    key: str
    version: str
    timeout_s: float


def stripe_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection."""
    return {
        "stripe_url": {"type": "str", "default": STRIPE_URL},
        "stripe_api_key": {"type": "str", "no_log": True},
        "stripe_api_version": {"type": "str", "default": API_VERSION},
        "stripe_livemode": {"type": "bool", "default": True},
        "stripe_timeout": {"type": "int", "default": DEFAULT_TIMEOUT_S},
    }


def stripe_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the key in whatever form a service or a library may quote it."""
    yield from written(str(params.get("stripe_api_key") or "").strip())


def read_options(params: Mapping[str, Any]) -> Options:
    """Check the options of :func:`stripe_argument_spec`; one that is empty counts as not given.

    Raises:
        StripeError: ``not_configured``, ``invalid``, ``invalid_auth`` or ``wrong_mode``. Nothing was sent, and the text
            does not quote the key.
    """
    if not str(params.get("stripe_api_key") or "").strip():
        raise StripeError(_ATTEMPTED, Failure("not_configured", "stripe_api_key not given"))
    try:
        key = checked_secret(_ATTEMPTED, "stripe_api_key", params["stripe_api_key"])
        url = checked_url(_ATTEMPTED, "stripe_url", str(params.get("stripe_url") or STRIPE_URL))
    except SendError as error:
        refused = error.failure
        raise StripeError(_ATTEMPTED, Failure(refused.cause, refused.message, advice=refused.advice)) from None
    version = str(params.get("stripe_api_version") or API_VERSION)
    if not _VERSION.fullmatch(version):
        raise StripeError(_ATTEMPTED, Failure("invalid", "stripe_api_version is no version such as " + API_VERSION))
    timeout_s = params.get("stripe_timeout") or 0
    if timeout_s < 1:
        raise StripeError(_ATTEMPTED, Failure("invalid", "stripe_timeout must be 1 second or more"))
    _check_mode_of(key, livemode=bool(params.get("stripe_livemode", True)))
    return Options(url, key, version, float(timeout_s))


def _check_mode_of(key: str, *, livemode: bool) -> None:
    """A key of the other mode finds nothing of the platform, or works on what it must not touch."""
    found = _KEY.fullmatch(key)
    if found is None:
        text = "stripe_api_key is no secret or restricted key (sk_... or rk_...)"
        raise StripeError(_ATTEMPTED, Failure("invalid_auth", text))
    wanted = "live" if livemode else "test"
    if found[1] != wanted:
        text = f"stripe_api_key is a {found[1]} mode key, and stripe_livemode says {wanted} mode"
        raise StripeError(_ATTEMPTED, Failure("wrong_mode", text))
