# SPDX-License-Identifier: GPL-3.0-or-later
"""Slack, PagerDuty and Statuspage of the lab, for tests: what was sent, what it led to, and what is broken.

``communications`` is a fixture that needs no lab: one process for all tests of a session, which each test finds
empty. ``Communications(lab)`` is the same for those of a lab.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from incident_runbooks.lab import processes
from incident_runbooks.lab.communications import part as parts
from incident_runbooks.lab.communications.part import CommunicationsPart
from incident_runbooks.lab.lab import Lab

Json = dict[str, Any]


class Communications:
    """What a test asks of them.

    Args:
        of: a lab that is up, or the part itself.

    Attributes:
        part: keys and addresses.
        variables: of the inventory's host ``communications``.
    """

    def __init__(self, of: Lab | CommunicationsPart) -> None:
        self.part = of.communications if isinstance(of, Lab) else of
        self.variables: Json = self.part.variables()
        self._from = 0

    def forget(self) -> None:
        """Let it be as if nothing had been sent, and no fault were in effect."""
        self.part.control.write([])
        assert requests.post(f"{self.part.url}/lab/forget", timeout=10).status_code == 204
        self._from = self.part.requests.stat().st_size if self.part.requests.exists() else 0

    def requests(self, service: str | None = None) -> list[Json]:
        """Return the requests since :meth:`forget`, oldest first.

        Args:
            service: slack, pagerduty_events, pagerduty or statuspage; all unless said.
        """
        if not self.part.requests.exists():
            return []
        with self.part.requests.open("rb") as file:
            file.seek(self._from)
            found: list[Json] = [json.loads(line) for line in file]
        return [each for each in found if service in (None, each["service"])]

    def sent(self, service: str | None = None) -> list[Json]:
        """Return those requests that are no mere look-up."""
        return [each for each in self.requests(service) if each["method"] != "GET"]

    def messages(self, channel: str | None = None) -> list[Json]:
        """Return what is in Slack.

        Each has ``ts``, ``channel``, ``channel_name``, ``text``, ``blocks``, ``thread_ts``, ``metadata``, ``via``
        (web_api or webhook), and ``edits``, the versions before.
        """
        messages: list[Json] = self._state().get("messages", [])
        return [each for each in messages if channel in (None, each["channel"], each["channel_name"])]

    def alerts(self) -> list[Json]:
        """Return PagerDuty's alerts.

        Each has ``dedup_key``, ``service_id``, ``incident_id``, ``status`` (triggered or resolved: it is the incident
        that is acknowledged), ``severity``, ``summary``, ``payload``, ``links``, and ``events``, the actions that took
        effect.
        """
        alerts: list[Json] = self._state().get("alerts", [])
        return alerts

    def incidents(self) -> list[Json]:
        """Return PagerDuty's incidents.

        Each has ``id``, ``number``, ``title``, ``service_id``, ``urgency``, ``incident_key``, ``status`` (triggered,
        acknowledged or resolved), ``details``, ``notes``, and ``via`` (rest or events).
        """
        incidents: list[Json] = self._state().get("incidents", [])
        return incidents

    def status_page(self) -> Json:
        """Return Statuspage's: ``components`` (our name to status), ``incidents`` (each with its ``updates``), and
        ``notifications``, what subscribers were sent.
        """
        state = self._state()
        components = state.get("components", {})
        return {
            "components": {each["key"]: each["status"] for each in components.values()},
            "incidents": state.get("page_incidents", []),
            "notifications": state.get("notifications", []),
        }

    @contextlib.contextmanager
    def broken(self, *names: str) -> Iterator[None]:
        """Let faults be in effect, such as ``slack-down``; without a lab's ``break``, which is the same file."""
        before = self.part.control.read()
        self.part.control.write([*before, *names])
        try:
            yield
        finally:
            self.part.control.write(before)

    def _state(self) -> Json:
        if not self.part.state.exists():
            return {}
        state: Json = json.loads(self.part.state.read_text(encoding="utf-8"))
        return state


@pytest.fixture(scope="session")
def communications_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommunicationsPart]:
    """The process of a session."""
    part = parts.lay_out(tmp_path_factory.mktemp("communications"))
    record = parts.start(part, mark={})
    try:
        parts.wait_until_they_answer(part, record)
        yield part
    finally:
        processes.stop([process] if (process := record.find()) else [])


@pytest.fixture
def communications(communications_part: CommunicationsPart) -> Iterator[Communications]:
    """Slack, PagerDuty and Statuspage, without anything sent and without a fault."""
    made = Communications(communications_part)
    made.forget()
    yield made
    made.forget()
