# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of webhooks on the lab's platform: its ingress, its handler, its table, its Secret."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modules.k8s_support import run_module, until
from modules.sending_support import assert_no_secret

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec
from ansible_collections.brandconnect.incidents.plugins.modules import (
    stripe_event_resend,
    stripe_events,
    stripe_webhook_endpoint,
    stripe_webhook_endpoints,
    webhook_probe,
)
from incident_runbooks.lab.lab import Lab
from support.payments import World

Json = dict[str, Any]

INCIDENT = "webhook-failures-20261124T150000Z"
TYPES = ["payment_intent.succeeded", "payment_intent.payment_failed"]


class Platform:
    """The platform as its inventory says it is."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.world = World(lab)
        hosts = json.loads((lab.directory.path / "inventory.json").read_text(encoding="utf-8"))["_meta"]["hostvars"]
        stripe, backend, postgres = hosts["stripe"], hosts["backend"], hosts["postgres"]
        self.url, self.ca_cert = stripe["stripe_webhook_url"], stripe["stripe_webhook_ca_cert"]
        self._stripe = {
            "stripe_url": stripe["stripe_api_url"],
            "stripe_api_key": stripe["stripe_api_key"],
            "stripe_livemode": stripe["stripe_livemode"],
        }
        self._database = {
            "login_host": postgres["postgres_host"],
            "login_port": postgres["postgres_port"],
            "login_user": postgres["postgres_user"],
            "login_password": postgres["postgres_password"],
            "login_db": postgres["postgres_database"],
        }
        self._cluster = {
            "kubeconfig": backend["kubernetes_kubeconfig"],
            "namespace": backend["kubernetes_namespace"],
            "ca_cert": self.ca_cert,
            "secret_name": "stripe-keys",
            "secret_key": "STRIPE_WEBHOOK_SECRET",
        }

    def run(self, module: Any, *, check_mode: bool = False, **given: Any) -> Json:
        """Run a module with the options that it has."""
        spec: ModuleSpec = module.SPEC
        known = {**self._stripe, **self._database, **(self._cluster if "secret_name" in spec.argument_spec else {})}
        options = {name: value for name, value in known.items() if name in spec.argument_spec} | given
        result = run_module(spec, options, check_mode=check_mode)
        assert_no_secret(result, *self.world.secrets())
        return result

    def probed(self) -> tuple[str, ...]:
        """Probe the public address."""
        urls = [{"name": "public", "url": self.url}]
        result = self.run(webhook_probe, urls=urls, signed_probe=True)
        shown = result["probes"]["public"]
        return tuple(shown[kind]["verdict"] for kind in ("unsigned", "signed", "stale"))

    def events(self, **given: Any) -> Json:
        return self.run(stripe_events, **{"since_s": 3600, "min_age_s": 3, "types": TYPES, **given})

    def resend(self, *, check_mode: bool = False, **given: Any) -> Json:
        known = {
            "endpoint_id": self.world.stripe.endpoint()["id"],
            "method": "stripe_retry",
            "handler_idempotent": True,
            "incident": INCIDENT,
            "since_s": 3600,
            "min_age_s": 3,
            "types": TYPES,
            "rps": 2,  # the lab's account takes 12 requests a second, and customers pay meanwhile
        }
        return self.run(stripe_event_resend, check_mode=check_mode, **{**known, **given})


@pytest.fixture
def platform(payments_lab: Lab) -> Platform:
    return Platform(payments_lab)


def test_a_healthy_platform(platform: Platform) -> None:
    urls = [{"name": "public", "url": platform.url}]
    result = platform.run(webhook_probe, urls=urls, signed_probe=True)
    shown = result["probes"]["public"]
    verdicts = [shown[kind]["verdict"] for kind in ("unsigned", "signed", "stale")]
    assert verdicts == ["verified", "accepted", "stale_rejected"], shown
    assert (shown["tls"]["valid"], shown["tls"]["host_matches"]) == (True, True)
    endpoints = platform.run(stripe_webhook_endpoints, url=platform.url, required_events=TYPES)
    assert (endpoints["problems"], endpoints["endpoint"]["url"]) == ([], platform.url)
    until(lambda: platform.events()["missing"] == [], "no event is missing")
    assert platform.events(scope="all")["reachable"] is True
    assert platform.resend()["status"] == "nothing_to_do"
    assert {each["method"] for each in platform.world.by_runbooks()} == {"GET"}


@pytest.mark.parametrize(
    ("fault", "verdicts"),
    [
        ("webhook-secret-wrong", ("verified", "accepted", "stale_rejected")),
        ("webhook-secret-stale", ("verified", "bad_signature", "inconclusive")),
        ("webhook-handler-500", ("verified", "handler_error", "inconclusive")),
        ("webhook-clock-skew", ("verified", "timestamp_rejected", "inconclusive")),
        ("webhook-path-changed", ("wrong_path", "wrong_path", "wrong_path")),
        ("webhook-signature-unchecked", ("not_verified", "accepted", "stale_accepted")),
    ],
)
def test_each_fault_of_the_handler_has_its_own_answers(
    platform: Platform, fault: str, verdicts: tuple[str, ...]
) -> None:
    platform.lab.break_(fault)
    assert platform.probed() == verdicts


@pytest.mark.parametrize("method", ["stripe_retry", "local_replay"])
def test_events_that_an_outage_left_get_through_once(platform: Platform, method: str) -> None:
    platform.lab.break_("webhook-events-missed")
    missing = [each["id"] for each in platform.events()["missing"]]
    assert len(missing) >= 4
    plan = platform.resend(method=method, check_mode=True)
    assert [target["event"] for target in plan["targets"]] == missing
    assert not any(platform.world.is_processed(event) for event in missing)
    assert {each["method"] for each in platform.world.by_runbooks()} == {"GET"}

    done = platform.resend(method=method, targets=plan["targets"])
    assert (done["status"], done["breaker"]) == ("done", None), done
    assert [each["event"] for each in done["results"] if each["result"] == "delivered"] == missing
    assert all(platform.world.is_processed(event) for event in missing)
    assert platform.events()["missing"] == []

    again = platform.resend(method=method, targets=plan["targets"])
    assert (again["status"], again["refusal"], again["changed"]) == ("nothing_to_do", "already_processed", False)


def test_a_disabled_endpoint_is_enabled_and_what_it_missed_is_found(platform: Platform) -> None:
    platform.lab.break_("webhook-endpoint-disabled")
    looked = platform.run(stripe_webhook_endpoints, url=platform.url)
    assert [each["problem"] for each in looked["problems"]] == ["disabled"]
    until(lambda: platform.events(scope="all")["missing"], "what was made meanwhile is missing")
    missed = [each["id"] for each in platform.events(scope="all")["missing"]]
    assert platform.resend(scope="all")["refusal"] == "endpoint_disabled"
    enabled = platform.run(stripe_webhook_endpoint, endpoint_id=looked["endpoint"]["id"], incident=INCIDENT)
    assert enabled["status"] == "done"
    assert platform.world.stripe.endpoint()["status"] == "enabled"
    done = platform.resend(scope="all")
    assert done["status"] == "done", (done["reason"], [each["reason"] for each in done["results"] if each["reason"]])
    assert all(platform.world.is_processed(event) for event in missed)
