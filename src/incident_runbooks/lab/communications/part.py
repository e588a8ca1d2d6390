# SPDX-License-Identifier: GPL-3.0-or-later
"""The communications as a part of the lab: their directory, their process, how clients reach them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from incident_runbooks.lab.communications import world
from incident_runbooks.lab.communications.control import Control
from incident_runbooks.lab.communications.keys import Keys
from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.services.part import ServicePart, answers, start, wait_until_they_answer

__all__ = ["NAME", "CommunicationsPart", "answers", "lay_out", "start", "wait_until_they_answer"]

NAME = "communications"

Json = dict[str, Any]


@dataclass(frozen=True)
class CommunicationsPart(ServicePart):
    """Slack, PagerDuty and Statuspage of a lab, whether they run or not.

    Attributes:
        directory: their own.
        port: of all three.
        keys: what they accept.
    """

    NAME = NAME
    CALLED = "communications"
    MODULE = "incident_runbooks.lab.communications"

    keys: Keys

    @property
    def state(self) -> Path:
        """What they have been sent."""
        return self.directory / "state.json"

    @property
    def control(self) -> Control:
        """Their faults."""
        return Control(self.directory)

    def addresses(self) -> dict[str, str]:
        """Return the variables of the inventory that say where they are, without a secret."""
        return {
            "slack_api_url": f"{self.url}/slack/api/",
            "pagerduty_events_url": f"{self.url}/pagerduty/events",
            "pagerduty_api_url": f"{self.url}/pagerduty/api",
            "statuspage_api_url": f"{self.url}/statuspage/v1",
        }

    def variables(self) -> Json:
        """Return the variables of their host in the inventory; some are secret."""
        return {
            **self.addresses(),
            "slack_token": self.keys.slack_token,
            "slack_channel": "#incidents",
            "slack_webhook_url": f"{self.url}/slack/services/{self.keys.slack_webhook}",
            "pagerduty_routing_key": self.keys.pagerduty_routing_key,
            "pagerduty_api_key": self.keys.pagerduty_api_key,
            "pagerduty_from": world.USER["email"],
            "pagerduty_service_id": next(iter(world.SERVICES)),
            "statuspage_api_key": self.keys.statuspage_api_key,
            "statuspage_page_id": world.PAGE["id"],
            "statuspage_components": {key: id_ for id_, (key, _) in world.COMPONENTS.items()},
        }

    def to_plain(self) -> Json:
        """Return it as lab.json holds it."""
        return {"directory": str(self.directory), "port": self.port, "keys": self.keys.to_plain()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> CommunicationsPart:
        """Return what :meth:`to_plain` wrote."""
        return cls(directory=Path(plain["directory"]), port=int(plain["port"]), keys=Keys(**plain["keys"]))


def lay_out(directory: Path) -> CommunicationsPart:
    """Make their directory in the lab's *directory*, with new keys, and choose their port."""
    own = directory / NAME
    own.mkdir(mode=0o700)
    keys = Keys.generate()
    keys.write(own)
    return CommunicationsPart(directory=own, port=free_port(), keys=keys)
