# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How people log in: options, and the secrets among them. Keep the doc fragment ``auth`` in step.

Loads nothing that costs time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import checked_url
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import written
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook import checked_ca_cert
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_probe import PUBLIC
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_verdicts import (
    names_problem,
    url_problem,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

DEFAULT_TIMEOUT_S = 5
MOST_ADDRESSES = 7
MOST_CHECKS = 20
_PATHS = ("health_path", "login_path", "protected_path")
_FIELDS = ("user_field", "password_field", "token_field")
_LONGEST = 200


def auth_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection."""
    return {
        "auth_url": {"type": "str"},
        "auth_probe_user": {"type": "str"},
        "auth_probe_password": {"type": "str", "no_log": True},
        "auth_ca_cert": {"type": "path"},
        "auth_request_timeout": {"type": "int", "default": DEFAULT_TIMEOUT_S},
    }


def auth_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the password in whatever form."""
    yield from written(str(params.get("auth_probe_password") or ""))


def check_options(attempted: str, params: Mapping[str, Any]) -> None:
    """Refuse options that make no sense.

    Raises:
        IncidentsError: naming the option.
    """
    for option, least, most in (("auth_request_timeout", 1, None), ("token_checks", 1, MOST_CHECKS)):
        if params[option] < least or (most and params[option] > most):
            bound = f"{least} to {most}" if most else f"{least} or more"
            raise IncidentsError(f"{attempted}: {option} must be {bound}, not {params[option]}")
    for option in ("min_interval_s", "wait_s", "max_skew_s"):
        if not params[option] >= 0:  # also true of NaN
            raise IncidentsError(f"{attempted}: {option} must not be negative, and is {params[option]:g}")
    for option in _PATHS:
        if not params[option].startswith("/") or url_problem(f"http://host{params[option]}"):
            raise IncidentsError(f"{attempted}: {option} must be a path that begins with /; check it")
    for option in _FIELDS:
        if not params[option].strip() or len(params[option]) > _LONGEST:
            raise IncidentsError(f"{attempted}: {option} must be the name of a field; check it")
    checked_ca_cert(attempted, params["auth_ca_cert"])


def read_addresses(attempted: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Return the base addresses by name, the public one first; none without ``auth_url``.

    Raises:
        IncidentsError: one is no address to which a password may be sent, or names do not tell them apart.
    """
    given = params["addresses"] or []
    if len(given) > MOST_ADDRESSES:
        raise IncidentsError(f"{attempted}: addresses must be at most {MOST_ADDRESSES}, not {len(given)}")
    problem = names_problem([PUBLIC, *(str(each["name"]) for each in given)])
    if problem:
        raise IncidentsError(f"{attempted}: addresses: {problem}, and {PUBLIC} is that of auth_url")
    found: dict[str, str] = {}
    if str(params["auth_url"] or "").strip():
        found[PUBLIC] = checked_url(attempted, "auth_url", str(params["auth_url"]).strip())
    for each in given:
        if problem := url_problem(str(each["url"])):
            raise IncidentsError(f"{attempted}: the address of {each['name']} {problem}; check addresses")
        found[str(each["name"])] = str(each["url"]).rstrip("/")
    return found
