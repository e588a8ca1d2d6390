# SPDX-License-Identifier: GPL-3.0-or-later
"""How the outbox reaches each channel, and whom it must not reach."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages import compose
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_senders import Senders
from support.communications import Communications
from support.journal_entries import PLAN, finding
from support.messages import incident_of, result, situation

Json = dict[str, Any]
ALONE: Json = {"ts": None, "channel": None}


def senders(communications: Communications, **more: Any) -> Senders:
    variables = {**communications.variables, **more}
    return Senders({"hostvars": {"communications": {name: value for name, value in variables.items() if value}}})


def opened(kind: str, purpose: str, found: Json | None = None) -> Json:
    drafts = compose(situation(kind, found or result(finding(), PLAN)), "opened")
    return next(draft for draft in drafts if draft["purpose"] == purpose)


def refused(send: Senders, message: Json) -> str:
    with pytest.raises(IncidentsError) as caught:
        send(message, ALONE)
    assert caught.value.details["cause"] == "not_configured"
    return caught.value.message


def test_a_breach_is_paged_as_an_incident_of_the_security_service(communications: Communications) -> None:
    services = {"security": communications.variables["pagerduty_service_id"]}
    send = senders(communications, pagerduty_service_ids=services)
    said = send(opened("data-breach", "page"), ALONE)
    (incident,) = communications.incidents()
    assert (incident["via"], incident["incident_key"]) == ("rest", f"inc-{incident_of('data-breach')}")
    assert incident["title"] == "SECURITY: Suspected data breach"
    assert said["ids"]["incident_id"] == incident["id"]
    send(opened("data-breach", "page"), ALONE)
    assert len(communications.incidents()) == 1


def test_without_the_rest_api_it_is_paged_by_an_event(communications: Communications) -> None:
    keys = {"security": communications.variables["pagerduty_routing_key"]}
    send = senders(communications, pagerduty_routing_keys=keys, pagerduty_api_key=None)
    send(opened("data-breach", "page"), ALONE)
    (alert,) = communications.alerts()
    assert alert["summary"] == "SECURITY: Suspected data breach"
    assert alert["dedup_key"] == f"inc-{incident_of('data-breach')}"


class Unreadable(dict[str, Any]):
    """The variables of a host, some of which cannot be read."""

    def __init__(self, variables: Json, *broken: str) -> None:
        super().__init__(variables)
        self._broken = broken

    def get(self, name: str, default: Any = None) -> Any:
        if name in self._broken:
            raise AnsibleError("the look-up failed")
        return super().get(name, default)


def half_readable(communications: Communications, *broken: str) -> Senders:
    keys = {"security": communications.variables["pagerduty_routing_key"]}
    services = {"security": communications.variables["pagerduty_service_id"]}
    more = {"pagerduty_routing_keys": keys, "pagerduty_service_ids": services}
    return Senders({"hostvars": {"communications": Unreadable({**communications.variables, **more}, *broken)}})


@pytest.mark.parametrize(
    "broken", ["pagerduty_api_key", "pagerduty_from", "pagerduty_service_ids", "pagerduty_api_url"]
)
def test_a_page_goes_out_by_the_way_that_can_be_read(communications: Communications, broken: str) -> None:
    page = opened("data-breach", "page")
    said = half_readable(communications, broken)(page, ALONE)
    assert [alert["dedup_key"] for alert in communications.alerts()] == [f"inc-{incident_of('data-breach')}"]
    assert f"Reading {broken}" in said["message"]
    for state in ("as_it_is", "resolved"):  # of an incident that may have been opened by the REST API
        message = {**page, "payload": {**page["payload"], "state": state}}
        with pytest.raises(IncidentsError, match=f"Reading {broken}") as caught:
            half_readable(communications, broken)(message, ALONE)
        assert caught.value.details["cause"] == "settings_unreadable"
    assert len(communications.alerts()) == 1


@pytest.mark.parametrize("broken", ["pagerduty_routing_keys", "pagerduty_events_url"])
def test_a_page_that_no_readable_way_is_left_for_is_loud(communications: Communications, broken: str) -> None:
    with pytest.raises(IncidentsError, match=f"Reading (pagerduty_api_key|{broken})") as caught:
        half_readable(communications, "pagerduty_api_key", broken)(opened("data-breach", "page"), ALONE)
    assert caught.value.details["cause"] == "settings_unreadable"
    assert communications.requests() == []
    half_readable(communications, broken)(opened("data-breach", "page"), ALONE)
    assert len(communications.incidents()) == 1, "by the REST API"


def test_nobody_else_is_paged_for_a_team_that_is_not_set_up(communications: Communications) -> None:
    message = refused(senders(communications), opened("data-breach", "page"))
    assert message == "Paging: set pagerduty_routing_keys.security on the inventory host communications"
    assert communications.requests() == []


@pytest.mark.parametrize("how", ["unset", "the channel for everybody", "webhook"])
def test_a_private_incident_never_reaches_the_channel_for_everybody(communications: Communications, how: str) -> None:
    channels = {"security": communications.variables["slack_channel"]} if how == "the channel for everybody" else None
    token = None if how == "webhook" else communications.variables["slack_token"]
    send = senders(communications, slack_channels=channels, slack_token=token)
    assert "slack_channels.security" in refused(send, opened("data-breach", "security_team"))
    assert communications.requests() == []


def test_a_component_that_the_page_does_not_have_is_said(communications: Communications) -> None:
    found = result(finding(check="failure_ratio"))
    said = senders(communications, statuspage_components={"api": "x"})(
        opened("payment-failure", "status_page", found), ALONE
    )
    assert "statuspage_components of the host communications does not name it" in said["message"]
    assert [incident["status"] for incident in communications.status_page()["incidents"]] == ["identified"]
    assert set(communications.status_page()["components"].values()) == {"operational"}


@pytest.mark.parametrize(
    ("kind", "purpose", "missing"),
    [
        ("pool-exhaustion", "page", "pagerduty_routing_key"),
        ("payment-failure", "status_page", "statuspage_page_id"),
        ("payment-failure", "status_page", "statuspage_api_key"),
    ],
)
def test_what_is_missing_is_named(communications: Communications, kind: str, purpose: str, missing: str) -> None:
    said = refused(senders(communications, **{missing: None}), opened(kind, purpose))
    assert f"set {missing} on the inventory host communications" in said


def test_a_secret_that_a_service_echoes_is_hidden(communications: Communications) -> None:
    send = senders(communications)
    assert communications.variables["slack_token"] in send.secrets()
    assert communications.variables["slack_webhook_url"] in send.secrets()
    with communications.broken("slack-invalid-auth"), pytest.raises(IncidentsError) as caught:
        send(opened("payment-failure", "internal"), ALONE)
    assert caught.value.details["cause"] == "invalid_auth"
    assert not [secret for secret in send.secrets() if secret in str(caught.value.details) + caught.value.message]


def test_a_note_needs_the_rest_api_and_is_no_second_page(communications: Communications) -> None:
    page = opened("data-breach", "page")
    note = {**page, "stage": "progress", "payload": {**page["payload"], "state": "as_it_is", "note": "sealed"}}
    services = {"security": communications.variables["pagerduty_service_id"]}
    send = senders(communications, pagerduty_service_ids=services)
    send(page, ALONE)
    send(note, ALONE)
    (incident,) = communications.incidents()
    assert ([each["content"] for each in incident["notes"]], incident["status"]) == (["sealed"], "triggered")
    communications.forget()
    keys = {"security": communications.variables["pagerduty_routing_key"]}
    said = senders(communications, pagerduty_routing_keys=keys, pagerduty_api_key=None)(note, ALONE)
    assert said["pointless"] is True
    assert communications.sent() == []


def test_whom_to_call_instead_is_in_the_inventory(communications: Communications) -> None:
    assert senders(communications).phones() == {}
    send = senders(communications, on_call_phone="+44 1", on_call_phones={"security": "+44 2"})
    assert send.phones() == {None: "+44 1", "security": "+44 2"}
