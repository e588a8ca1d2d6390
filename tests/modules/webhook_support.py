# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that takes webhooks: the lab's Stripe, an endpoint with TLS, a real database, and the cluster's Secret."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from modules.k8s_support import CORE, Api, run_module
from modules.sending_support import assert_no_secret

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec
from support.servers import one_installation
from support.stripe import Stripe
from support.webhooks import Endpoint, authority

Json = dict[str, Any]

INCIDENT = "webhook-failures-20261124T150000Z-3fa1"
KEY = "STRIPE_WEBHOOK_SECRET"
_STATUS = {"payment_intent.succeeded": "succeeded", "payment_intent.payment_failed": "failed"}


class Platform:
    """What there is, and ways to let it go wrong.

    Attributes:
        stripe: as the account's owner sees it.
        endpoint: what takes the webhooks; what it takes is noted in the database, as the backend does.
        api: the cluster's API server, with the Secret.
    """

    def __init__(self, stripe: Stripe, pg: Any, api: Api, directory: Path) -> None:
        ca, self.ca_cert = authority(directory)
        self.stripe, self.pg, self.api = stripe, pg, api
        self.database = pg.connect()
        self.database.execute("TRUNCATE processed_events")
        self.database.execute(f"GRANT SELECT ON payments, processed_events TO {pg.ops_user}")
        self.login = {
            "host": pg.host,
            "port": pg.port,
            "dbname": pg.database,
            "user": pg.superuser,
            "password": pg.superuser_password,
        }
        self.endpoint = Endpoint(ca.issue_cert("localhost"))
        self.endpoint.secret = stripe.keys.webhook_secret
        self.endpoint.handle = self.take
        deployed = base64.b64encode(stripe.keys.webhook_secret.encode()).decode()
        api.answers[f"{CORE}/secrets/stripe-keys"] = {"data": {KEY: deployed}}
        stripe.set_endpoint(
            url=self.endpoint.url, enabled_events=["payment_intent.*"], ca_cert=self.ca_cert, created=_ago(90 * 86400)
        )
        self.subscribe(*_STATUS)

    def subscribe(self, *types: str) -> None:
        self.stripe.set_endpoint(enabled_events=list(types))

    @property
    def endpoint_id(self) -> str:
        return str(self.stripe.endpoint()["id"])

    def stop(self) -> None:
        self.endpoint.stop()
        self.database.execute("TRUNCATE processed_events")
        self.database.execute("DELETE FROM payments WHERE stripe_payment_intent_id LIKE 'pi_test_%'")

    def take(self, event: Json) -> None:
        """What the backend does with a genuine event: each once, and the payment follows."""
        with psycopg.connect(**self.login) as connection:
            new = connection.execute(
                "INSERT INTO processed_events (id, type) VALUES (%s, %s) ON CONFLICT DO NOTHING RETURNING id",
                (event["id"], event["type"]),
            ).fetchone()
            if new and event["type"] in _STATUS:
                connection.execute(
                    "UPDATE payments SET status = %s WHERE stripe_payment_intent_id = %s",
                    (_STATUS[event["type"]], event["data"]["object"]["id"]),
                )

    def missed(
        self, number: int, kind: str = "payment_intent.succeeded", *, status: str = "succeeded", **event: Any
    ) -> str:
        """Let Stripe have given up on an event of a payment that is pending at the platform; return the event's id."""
        intent = f"pi_test_{number:04d}"
        known = {each["id"] for each in self.stripe.intents()}
        if intent not in known:
            error = {"type": "card_error", "code": "card_declined", "message": "Your card was declined."}
            failed = {"last_payment_error": error} if status == "requires_payment_method" else {}
            made = {"id": intent, "amount": 2500 + number, "currency": "gbp", "status": status, **failed}
            self.stripe.seed(payment_intents=[{**made, "created": _ago(4000)}])
            self.database.execute(
                "INSERT INTO payments (campaign_id, amount_cents, status, stripe_payment_intent_id)"
                " VALUES (1, %s, 'pending', %s)",
                (2500 + number, intent),
            )
        given = {"type": kind, "payment_intent": intent, "created": _ago(3600 - number), "delivery": "failed", **event}
        return str(self.stripe.seed(events=[given])["events"][0])

    def processed(self) -> list[str]:
        """Return the identifiers of the events that the platform has noted, in that order."""
        rows = self.database.execute("SELECT id FROM processed_events ORDER BY received_at, id").fetchall()
        return [row[0] for row in rows]

    def payment(self, number: int) -> str:
        """Return the status of a payment at the platform."""
        query = "SELECT status FROM payments WHERE stripe_payment_intent_id = %s"
        (status,) = self.database.execute(query, (f"pi_test_{number:04d}",)).fetchone() or ("",)
        return str(status)

    def options(self, spec: ModuleSpec, **given: Any) -> Json:
        """Return the options of a module, as far as it has them."""
        kubernetes = {name: value for name, value in self.api.options().items() if name != "ca_cert"}
        has_kubernetes = "secret_name" in spec.argument_spec
        ours = {"ca_cert": self.ca_cert, "secret_name": "stripe-keys", "secret_key": KEY, **kubernetes}
        login = self.pg.login() if "login_host" in spec.argument_spec else {}
        return {
            "stripe_url": self.stripe.url,
            "stripe_api_key": self.stripe.keys.restricted_key,
            "stripe_livemode": False,
            **login,
            **(ours if has_kubernetes else {}),
            **given,
        }

    def run(self, spec: ModuleSpec, *, check_mode: bool = False, **given: Any) -> Json:
        """Run a module; nothing in its result may be a secret."""
        result = run_module(spec, self.options(spec, **given), check_mode=check_mode)
        assert_no_secret(result, *self.stripe.keys.secrets(), self.pg.ops_password, self.pg.superuser_password)
        return result


def _ago(seconds: int) -> int:
    return int(time.time()) - seconds


@pytest.fixture(params=one_installation())
def platform(
    request: pytest.FixtureRequest, lab_stripe: Stripe, server_of: Callable[[Any], Any], api: Api, tmp_path: Path
) -> Iterator[Platform]:
    """A platform where everything works and nothing has happened."""
    made = Platform(lab_stripe, server_of(request.param), api, tmp_path)
    yield made
    made.stop()
