# SPDX-License-Identifier: GPL-3.0-or-later
"""channel_access against the lab's services: whether they know us, and nothing is sent to anybody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from modules.k8s_support import Api, Reply, api, run_module

from ansible_collections.brandconnect.incidents.plugins.modules.channel_access import SPEC
from support.communications import Communications

__all__ = ["api"]
CANARY = "c4nary-key"
CHANNELS = ("slack", "pagerduty", "statuspage")


def asked(communications: Communications, **changed: Any) -> dict[str, Any]:
    """What is said with the inventory's settings, as the doctor gives them."""
    given = dict(communications.variables)
    components = list(given.pop("statuspage_components").values())
    service = given.pop("pagerduty_service_id")
    options = {name: value for name, value in given.items() if name in SPEC.argument_spec}
    lists = {"statuspage_components": components, "pagerduty_services": [service]}
    result = run_module(SPEC, {**options, **lists, **changed})
    assert not result.get("failed"), result
    return result


def test_all_of_them_know_us_and_nobody_hears_of_it(communications: Communications) -> None:
    result = asked(communications)
    assert {name: (result[name]["cause"], result[name]["missing"]) for name in CHANNELS} == dict.fromkeys(
        CHANNELS, (None, [])
    )
    assert result["slack"]["team"]
    assert "chat:write" in result["slack"]["scopes"]
    assert [request["path"].rpartition("/")[2] for request in communications.sent()] == ["auth.test"]
    assert communications.messages() == communications.alerts() == communications.incidents() == []
    assert communications.status_page()["notifications"] == []
    assert result["changed"] is False


def test_keys_that_are_refused_are_told_apart_and_not_shown(communications: Communications) -> None:
    keys = dict.fromkeys(("slack_token", "pagerduty_api_key", "statuspage_api_key"), CANARY)
    result = asked(communications, **keys)
    assert {name: (result[name]["reachable"], result[name]["cause"]) for name in CHANNELS} == dict.fromkeys(
        CHANNELS, (True, "invalid_auth")
    )
    assert all(result[name]["hint"] for name in CHANNELS)
    assert CANARY not in json.dumps(result)


def test_what_the_accounts_do_not_have_is_missing(communications: Communications) -> None:
    nobody = "nobody@brandconnect.example"
    result = asked(
        communications, pagerduty_from=nobody, pagerduty_services=["PNOBODY"], statuspage_components=["nothing"]
    )
    assert result["pagerduty"]["missing"] == [f"a user with the e-mail address {nobody}", "the service PNOBODY"]
    assert result["statuspage"]["missing"] == ["the component nothing"]
    assert asked(communications, statuspage_page_id="other")["statuspage"]["cause"] == "not_found"


def test_a_token_that_may_not_post_lacks_the_scope(api: Api) -> None:
    said = {"ok": True, "user_id": "U1", "user": "runbook", "team": "Brand"}
    api.answers["/api/auth.test"] = Reply(200, said, {"X-OAuth-Scopes": "channels:read"})
    result = run_module(SPEC, {"slack_token": CANARY, "slack_api_url": f"{api.url}/api/"})
    assert (result["slack"]["cause"], result["slack"]["missing"]) == (None, ["the scope chat:write"])
    api.answers["/api/auth.test"] = Reply(200, said)
    assert run_module(SPEC, {"slack_token": CANARY, "slack_api_url": f"{api.url}/api/"})["slack"]["missing"] == []


def test_what_cannot_be_tried_without_sending_is_not_asked(communications: Communications) -> None:
    result = asked(communications, slack_token=None, pagerduty_from=None)
    assert (result["slack"]["asked"], result["pagerduty"]["asked"]) == (False, False)
    assert communications.sent() == []


@pytest.mark.parametrize("service", CHANNELS)
def test_what_has_no_settings_is_not_configured_and_what_is_down_is_not_reached(service: str) -> None:
    assert run_module(SPEC, {})[service]["cause"] == "not_configured"
    down = {f"{name}_api_url": "http://127.0.0.1:1" for name in CHANNELS}
    logins = {"slack_token": CANARY, "pagerduty_api_key": CANARY, "statuspage_api_key": CANARY}
    result = run_module(SPEC, {**down, **logins, "pagerduty_from": "a@example.com", "statuspage_page_id": "page"})
    assert (result[service]["reachable"], result[service]["cause"]) == (False, "refused")
