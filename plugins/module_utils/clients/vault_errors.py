# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Vault's refusals mean. No I/O.

https://developer.hashicorp.com/vault/api-docs#http-status-codes and .../api-docs/system/health
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    MESSAGE_LENGTH,
    Answer,
    Failure,
    refusal,
    unusable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

NO_MOUNT = "no_mount"
NOT_PERMITTED = "not_permitted"

_ADVICE: Mapping[str, str] = {
    "not_configured": "set it on the inventory host vault",
    "sealed": "unseal Vault, or ask who holds the unseal keys; nothing can be read until then",
    "not_initialized": "this Vault was never initialised; check vault_addr",
    "standby": "ask the active node, or the address of the cluster; this node is a standby without an active one",
    "dr_secondary": "this is a disaster recovery secondary, which serves nothing; ask the primary",
    NO_MOUNT: "check vault_mount and vault_namespace",
    "invalid_auth": "check vault_token: it is not valid, expired or was revoked",
    NOT_PERMITTED: "check the policies of vault_token, its expiry and vault_namespace; Vault does not say which",
    "throttled": "a rate limit quota of Vault is used up; ask again later",
    "server_error": "Vault, or a proxy before it, has a problem of its own; look at its log",
    "timeout": "check the network and the load of Vault; raise vault_request_timeout if it is only slow",
    "tls": "check the host name, the clock and vault_ca_cert",
    "refused": "nothing listens there: check vault_addr and the network in between",
    "dns": "check the host name in vault_addr and the name service",
    "invalid": "check vault_addr and the options",
    "no_answer": "check vault_addr, the network and a proxy in between",
}
_SIGNS = (  # parts of Vault's texts in lower case, the first that fits counts
    ("vault is sealed", "sealed"),
    ("not initialized", "not_initialized"),
    ("dr secondary mode", "dr_secondary"),
    ("local node not active", "standby"),
    ("no active vault instance", "standby"),
    ("no handler for route", NO_MOUNT),
    ("invalid token", "invalid_auth"),
    ("bad token", "invalid_auth"),
    ("missing client token", "invalid_auth"),
    ("rate limit quota", "throttled"),
)


def errors_of(answer: Answer) -> list[str] | None:
    """Return Vault's own ``errors``, bounded; ``None`` where the answer is none of Vault's refusals."""
    content = answer.content
    found = content.get("errors") if isinstance(content, dict) else None
    if not isinstance(found, list):
        return None
    return [plain_line(str(text), MESSAGE_LENGTH) for text in found[:5]]


def refused(answer: Answer) -> Failure:
    """Return the failure of an answer that is no success."""
    errors = errors_of(answer)
    if errors is None and answer.status == HTTPStatus.NOT_FOUND:
        return advised(unusable(answer, "none of Vault"))
    text = "; ".join(errors or ())
    cause = next((cause for sign, cause in _SIGNS if sign in text.lower()), None)
    redirected = answer.status // 100 == HTTPStatus.MULTIPLE_CHOICES // 100
    failure = refusal(answer, text or answer.text, cause=cause)
    if redirected:  # a standby names the active node, to which the token is not sent unasked
        return replace(failure, cause="standby", advice=_ADVICE["standby"])
    return advised(failure)


def advised(failure: Failure) -> Failure:
    """Return the failure with advice that fits Vault."""
    return failure if failure.advice else replace(failure, advice=_ADVICE.get(failure.cause))


def not_configured(option: str) -> Failure:
    """Return the failure of an option that is missing."""
    return Failure("not_configured", f"{option} not given", _ADVICE["not_configured"])


def of_state(health: Mapping[str, Any]) -> Failure | None:
    """Return why a server in this state serves nothing; ``None`` where it does, or may.

    A standby forwards requests to the active node, so it is no failure by itself.
    """
    cause = None
    if health.get("initialized") is False:
        cause, text = "not_initialized", "Vault is not initialized"
    elif health.get("sealed") is True:
        cause, text = "sealed", "Vault is sealed"
    elif health.get("replication_dr_mode") == "secondary":
        cause, text = "dr_secondary", "Vault is a disaster recovery secondary"
    return Failure(cause, text, _ADVICE[cause]) if cause else None
