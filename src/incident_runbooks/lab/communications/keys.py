# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys that the lab's services accept, made anew for each lab and kept in a file that only its owner can read."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from incident_runbooks.lab.communications import world
from incident_runbooks.lab.services.secret_files import read_json, write_json

FILE = "keys.json"


@dataclass(frozen=True)
class Keys:
    """One key of each kind, in the real ones' form.

    Attributes:
        slack_token: of a bot.
        slack_webhook: the path of an incoming webhook for #incidents, below ``/services/``.
        slack_archived_webhook: the same for a channel that was archived since.
        pagerduty_routing_key: of the service BrandConnect.
        pagerduty_security_routing_key: of the service Security.
        pagerduty_api_key: of the account, no user's: it wants a ``From`` header.
        statuspage_api_key: of an organisation.
    """

    slack_token: str = field(repr=False)
    slack_webhook: str = field(repr=False)
    slack_archived_webhook: str = field(repr=False)
    pagerduty_routing_key: str = field(repr=False)
    pagerduty_security_routing_key: str = field(repr=False)
    pagerduty_api_key: str = field(repr=False)
    statuspage_api_key: str = field(repr=False)

    @classmethod
    def generate(cls) -> Keys:
        """Return new ones."""
        team = world.TEAM["id"]
        return cls(
            slack_token=f"xoxb-{secrets.randbelow(10**12):012}-{secrets.randbelow(10**12):012}-{secrets.token_hex(12)}",
            slack_webhook=f"{team}/B0WEBHOOK1/{secrets.token_hex(12)}",
            slack_archived_webhook=f"{team}/B0WEBHOOK2/{secrets.token_hex(12)}",
            pagerduty_routing_key=secrets.token_hex(16),
            pagerduty_security_routing_key=secrets.token_hex(16),
            pagerduty_api_key=f"u+{secrets.token_urlsafe(16)[:18]}",
            statuspage_api_key=str(uuid.uuid4()),
        )

    def secrets(self) -> list[str]:
        """Return what must not be seen: of a webhook's path the last part."""
        return [value.rpartition("/")[2] for value in asdict(self).values()]

    def write(self, directory: Path) -> None:
        """Write them into *directory*."""
        write_json(directory / FILE, asdict(self))

    @classmethod
    def read(cls, directory: Path) -> Keys:
        """Return what :meth:`write` wrote.

        Raises:
            OSError: the file cannot be read.
            TypeError: it holds something else.
        """
        return cls(**read_json(directory / FILE))

    def to_plain(self) -> Mapping[str, str]:
        """Return them as lab.json holds them."""
        return asdict(self)
