# SPDX-License-Identifier: GPL-3.0-or-later
"""statuspage_component against the page of the lab."""

from __future__ import annotations

from typing import Any

import pytest
from modules.k8s_support import Reply
from modules.sending_support import Modules, Service, failed, modules, send, service

from support.communications import communications, communications_part

__all__ = ["communications", "communications_part", "modules", "service"]


def test_a_status_is_set_and_then_left_alone(modules: Modules) -> None:
    first = modules.run("page component", state="partial_outage")
    assert (first["status"], first["changed"]) == ("sent", True)
    assert (first["before"], first["after"]) == ({"status": "operational"}, {"status": "partial_outage"})
    assert modules.communications.status_page()["components"]["api"] == "partial_outage"
    again = modules.run("page component", state="partial_outage")
    assert (again["status"], again["changed"]) == ("unchanged", False)
    assert (again["before"], again["after"]) == ({"status": "partial_outage"}, {"status": "partial_outage"})
    assert len(modules.communications.sent()) == 1


def test_nothing_but_the_component_is_touched(modules: Modules) -> None:
    before = modules.communications.status_page()
    modules.run("page component")
    after = modules.communications.status_page()
    changed = {name for name, status in after["components"].items() if before["components"][name] != status}
    assert changed == {"api"}
    assert (after["incidents"], after["notifications"]) == ([], [])


def test_check_mode_does_not_ask(modules: Modules) -> None:
    result = modules.run("page component", check_mode=True)
    assert (result["before"], result["after"]) == ({"status": None}, {"status": "major_outage"})
    assert modules.communications.requests() == []


@pytest.mark.parametrize(
    ("given", "cause", "says"),
    [
        ({"component_id": "unknown0"}, "not_found", "statuspage_components"),
        ({"component_id": "../incidents/x"}, "invalid", "component_id"),
        ({"component_id": ""}, "not_configured", "component_id"),
    ],
)
def test_components_that_are_none(given: dict[str, Any], cause: str, says: str, modules: Modules) -> None:
    assert says in failed(modules.run("page component", **given), cause)["msg"]
    assert modules.communications.sent() == []


def test_a_status_that_was_not_taken_is_told(service: Service) -> None:
    """What the page says counts, not what was asked for."""
    service.says(Reply(200, {"id": "b13yz5g2cw10", "status": "operational"}))
    result = send("page component", service.url)
    assert (result["status"], result["after"]) == ("sent", {"status": "operational"})


def test_a_change_that_gets_no_answer_may_have_happened(service: Service) -> None:
    service.says(
        lambda asked: Reply(502, b"") if asked.method == "PATCH" else {"id": "b13yz5g2cw10", "status": "operational"}
    )
    assert failed(send("page component", service.url), "server_error")["may_have_happened"] is True
