# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may ask for what: API keys, and the permissions of the restricted one."""

from __future__ import annotations

import base64
import binascii

from incident_runbooks.lab.services.call import Answer, Call, RefusedError
from incident_runbooks.lab.stripe.errors import SUPPORT, error
from incident_runbooks.lab.stripe.keys import Keys, masked
from incident_runbooks.lab.stripe.world import ACCOUNT, World

RESTRICTED = "restricted_key"

# What each operation wants; the restricted key lacks what is not in _GRANTED.
_PERMISSIONS = {
    "payment_intents.create": "payment_intent_write",
    "payment_intents.update": "payment_intent_write",
    "payment_intents.confirm": "payment_intent_write",
    "payment_intents.list": "payment_intent_read",
    "payment_intents.retrieve": "payment_intent_read",
    "events.list": "event_read",
    "events.retrieve": "event_read",
    "events.retry": "webhook_write",
    "webhook_endpoints.list": "webhook_read",
    "webhook_endpoints.retrieve": "webhook_read",
    "webhook_endpoints.update": "webhook_write",
}
_GRANTED = ("payment_intent_read", "event_read", "webhook_read", "webhook_write")


def authenticate(call: Call, keys: Keys, world: World) -> str:
    """Return the name of the key that a request carries.

    Raises:
        RefusedError: it carries none, or none that is good.
    """
    key = _key(call)
    if not key:
        text = (
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer"
            " auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for"
            f" details, or we can help at {SUPPORT}."
        )
        raise _unauthorized(error(401, text))
    name = keys.name_of(key)
    if name is None:
        raise _unauthorized(error(401, f"Invalid API Key provided: {masked(key)}"))
    if name in world.expired:
        raise _unauthorized(error(401, f"Expired API Key provided: {masked(key)}", code="api_key_expired"))
    return name


def permit(name: str, operation: str | None, call: Call, keys: Keys) -> None:
    """Refuse what a key may not do.

    Args:
        name: of the key.
        operation: what is asked for; ``None``: something that the lab does not have.
        call: the request.
        keys: the account's.

    Raises:
        RefusedError: it may not.
    """
    if name != RESTRICTED:
        return
    permission = _PERMISSIONS[operation] if operation else _guessed(call)
    if permission in _GRANTED:
        return
    text = (
        f"The provided key '{masked(keys.restricted_key)}' does not have the required permissions for this endpoint on"
        f" account '{ACCOUNT}'. Having the 'rak_{permission}' permission would allow this request to continue."
    )
    raise error(403, text, retry=False)


def _guessed(call: Call) -> str:
    resource = call.path.removeprefix("/v1/").partition("/")[0].removesuffix("s")[:40]
    return f"{resource}_{'read' if call.method == 'GET' else 'write'}"


def _key(call: Call) -> str:
    scheme, _, value = call.headers.get("Authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")[0]
        except (binascii.Error, ValueError):
            return ""
    return ""


def _unauthorized(refused: RefusedError) -> RefusedError:
    answer = refused.answer
    return RefusedError(
        Answer(answer.status, answer.body, {**answer.headers, "WWW-Authenticate": 'Basic realm="Stripe"'})
    )
