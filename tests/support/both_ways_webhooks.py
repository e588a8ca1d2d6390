# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of webhooks and of Stripe's events, in good and in bad ways.

Nobody listens at any of these addresses, and the secrets are such as nobody has.
"""

from __future__ import annotations

from typing import Any

CANARY = "c4nary/pass word"
KEY = "rk_test_c4naryc4nary"
NOBODY = "http://127.0.0.1:1"

Case = tuple[str, dict[str, Any], bool]


def cases() -> dict[str, Case]:
    """Each case: module, arguments, check mode."""
    return _probe() | _endpoints() | _events() | _resend()


def _stripe(**given: Any) -> dict[str, Any]:
    return {"stripe_url": NOBODY, "stripe_api_key": KEY, "stripe_livemode": False, **given}


def _login() -> dict[str, Any]:
    return {"login_host": "127.0.0.1", "login_port": 1, "login_user": "ops", "login_password": CANARY}


def _cluster() -> dict[str, Any]:
    deployed = {"secret_name": "stripe-keys", "secret_key": "STRIPE_WEBHOOK_SECRET"}
    return {"host": "https://127.0.0.1:1", "api_key": CANARY, "namespace": "brandconnect", **deployed}


def _probe() -> dict[str, Case]:
    module = "webhook_probe"
    urls = {"urls": [{"name": "public", "url": "https://127.0.0.1:1/api/webhooks/stripe"}]}
    signed = {**urls, **_cluster(), "signed_probe": True}
    return {
        "webhook to nobody": (module, urls, False),
        "webhook to nobody in check mode": (module, urls, True),
        "signed webhook without a cluster": (module, signed, False),
        "signed webhook without its secret": (module, {**urls, "signed_probe": True}, False),
        "webhook to an address that makes no sense": (
            module,
            {"urls": [{"name": "public", "url": "https://user:pass@127.0.0.1/"}]},
            False,
        ),
        "webhook with its secret in a wrong place": (module, {**signed, "namespace": CANARY}, False),
        "webhook with a wrong type": (module, {**signed, "timeout": CANARY}, False),
        "webhook with an unknown option": (module, {**signed, "colour": KEY}, False),
    }


def _endpoints() -> dict[str, Case]:
    look, act = "stripe_webhook_endpoints", "stripe_webhook_endpoint"
    enable = _stripe(endpoint_id="we_1", incident="one")
    return {
        "endpoints of nobody": (look, _stripe(url="https://api.example.com/hook"), False),
        "endpoints of nobody in check mode": (look, _stripe(), True),
        "endpoints without a key": (look, _stripe(stripe_api_key=None), False),
        "endpoints of the other mode": (look, _stripe(stripe_livemode=True), False),
        "endpoints with a key that is none": (look, _stripe(stripe_api_key=CANARY), False),
        "endpoints with an unknown option": (look, _stripe(colour=KEY), False),
        "endpoint of nobody": (act, enable, False),
        "endpoint of nobody in check mode": (act, enable, True),
        "endpoint without a name": (act, {**enable, "endpoint_id": "../we"}, False),
        "endpoint with a state that there is not": (act, {**enable, "state": KEY}, False),
        "endpoint with its secret in a wrong place": (act, {**enable, "incident": KEY}, False),
    }


def _events() -> dict[str, Case]:
    module = "stripe_events"
    down = _stripe(**_login())
    return {
        "events of nobody": (module, down, False),
        "events of nobody in check mode": (module, down, True),
        "events with too many types": (module, {**down, "types": ["a.b"] * 21}, False),
        "events with a malformed connection string": (
            module,
            _stripe(login_dsn=f"postgresql://ops:{CANARY}@[nonsense"),
            False,
        ),
        "events with a wrong type": (module, {**down, "max_items": CANARY}, False),
        "events with an unknown option": (module, {**down, "colour": KEY}, False),
    }


def _resend() -> dict[str, Case]:
    module = "stripe_event_resend"
    down = _stripe(**_login(), endpoint_id="we_1", incident="one")
    replay = {**down, **_cluster(), "method": "local_replay", "handler_idempotent": True}
    return {
        "resend without a database": (module, down, False),
        "resend in check mode": (module, replay, True),
        "resend above the cap": (module, {**down, "max_events": 501}, False),
        "resend without a secret to sign with": (module, {**down, "method": "local_replay"}, False),
        "resend of the other mode": (module, {**replay, "stripe_livemode": True}, False),
        "resend with its secret in a wrong place": (module, {**replay, "incident": CANARY}, False),
        "resend with a method that there is not": (module, {**replay, "method": CANARY}, False),
        "resend with an unknown option": (module, {**replay, "colour": KEY}, False),
    }
