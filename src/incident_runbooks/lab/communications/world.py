# SPDX-License-Identifier: GPL-3.0-or-later
"""Who and what exists at the three services, and what was sent to them."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from incident_runbooks.lab.services.secret_files import read_json, write_json

Json = dict[str, Any]

# Slack
TEAM = {"id": "T0BRANDCO", "name": "BrandConnect", "url": "https://brandconnect.slack.com/"}
BOT = {"id": "B0RUNBOOK1", "user_id": "U0RUNBOOK1", "app_id": "A0RUNBOOK1", "name": "runbook"}


@dataclass(frozen=True)
class Channel:
    """A channel of Slack.

    Attributes:
        id: what answers name it by.
        name: without the #.
        private: only its members know of it.
        member: whether the bot is one.
        archived: nothing can be posted any more.
    """

    id: str
    name: str
    private: bool = False
    member: bool = True
    archived: bool = False


CHANNELS = (
    Channel("C0GENERAL01", "general"),
    Channel("C0INCIDENT1", "incidents"),
    Channel("C0SECURITY1", "security-private", private=True),
    Channel("C0ANALYTIC1", "analytics"),
    Channel("C0PAYMENTS1", "payments"),
    Channel("C0ENGINEER1", "engineering", member=False),
    Channel("C0EXECUTIV1", "executives", private=True, member=False),
    Channel("C0OLDINCID1", "old-incidents", archived=True),
)

# PagerDuty
SERVICES = {"PBRNDC1": "BrandConnect", "PSECUR1": "Security"}
POLICY = {"id": "PESCAL1", "summary": "BrandConnect on-call"}
USER = {"id": "PONCAL1", "summary": "On-call engineer", "email": "oncall@brandconnect.example"}

# Statuspage
PAGE = {"id": "kctbh9vrtdwd", "name": "BrandConnect", "subdomain": "brandconnect"}
COMPONENTS = {
    "b13yz5g2cw10": ("api", "API"),
    "jkxctcwp41b8": ("payments", "Payments"),
    "ftgks51sfs2d": ("auth", "Authentication"),
    "9397cnvk62zn": ("dashboard", "Dashboard"),
}


@dataclass
class World:
    """What was sent, as the services remember it.

    Attributes:
        messages: of Slack.
        alerts: of PagerDuty, made by events.
        incidents: of PagerDuty.
        components: of Statuspage, by their ids.
        page_incidents: of Statuspage.
        notifications: what Statuspage has sent to the subscribers of the page.
    """

    messages: list[Json] = field(default_factory=list)
    alerts: list[Json] = field(default_factory=list)
    incidents: list[Json] = field(default_factory=list)
    components: Json = field(
        default_factory=lambda: {
            id_: {"key": key, "name": name, "status": "operational"} for id_, (key, name) in COMPONENTS.items()
        }
    )
    page_incidents: list[Json] = field(default_factory=list)
    notifications: list[Json] = field(default_factory=list)

    def to_plain(self) -> Json:
        """Return it as the file holds it."""
        return asdict(self)

    def clear(self) -> None:
        """Go back to the beginning."""
        self.__dict__.update(World().__dict__)


class WorldFile:
    """The file that outlives the process; only its owner can read it.

    Args:
        path: of the file, which need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: Json | None = None

    def load(self) -> World:
        """Return what was written, or the beginning."""
        plain = read_json(self._path, missing_ok=True)
        return World() if plain is None else World(**plain)

    def save(self, world: World) -> None:
        """Write it in one step, if it has changed."""
        plain = world.to_plain()
        if plain == self._written:
            return
        write_json(self._path, plain)
        self._written = copy.deepcopy(plain)
