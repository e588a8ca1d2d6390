# SPDX-License-Identifier: GPL-3.0-or-later
"""The social APIs as a part of the lab: their directory, their process, how clients reach them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incident_runbooks.lab.ports import free_port
from incident_runbooks.lab.services.part import ServicePart, answers, start, wait_until_they_answer
from incident_runbooks.lab.social import accounts
from incident_runbooks.lab.social.accounts import PLATFORMS, Account
from incident_runbooks.lab.social.control import Control

__all__ = ["NAME", "SocialPart", "answers", "lay_out", "start", "wait_until_they_answer"]

NAME = "social"

Json = dict[str, Any]


@dataclass(frozen=True)
class SocialPart(ServicePart):
    """Meta, TikTok and YouTube of a lab, whether they run or not.

    Attributes:
        directory: their own.
        port: of all three.
        accounts: two at each.
    """

    NAME = NAME
    CALLED = "social APIs"
    MODULE = "incident_runbooks.lab.social"

    accounts: Sequence[Account] = field(repr=False)

    @property
    def urls(self) -> dict[str, str]:
        """The base of each platform."""
        return {platform: f"{self.url}/{platform}" for platform in PLATFORMS}

    @property
    def control(self) -> Control:
        """Their faults."""
        return Control(self.directory)

    def of(self, platform: str) -> list[Account]:
        """Return the accounts of a platform."""
        return [each for each in self.accounts if each.platform == platform]

    def variables(self) -> Json:
        """Return the variables of their host in the inventory; the tokens are secret."""
        return {"social_urls": self.urls, "social_accounts": [dict(each.to_plain()) for each in self.accounts]}

    def to_plain(self) -> Json:
        """Return it as lab.json holds it."""
        held = [dict(each.to_plain()) for each in self.accounts]
        return {"directory": str(self.directory), "port": self.port, "accounts": held}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> SocialPart:
        """Return what :meth:`to_plain` wrote."""
        held = [Account(**each) for each in plain["accounts"]]
        return cls(directory=Path(plain["directory"]), port=int(plain["port"]), accounts=held)


def lay_out(directory: Path) -> SocialPart:
    """Make their directory in the lab's *directory*, with new tokens, and choose their port."""
    own = directory / NAME
    own.mkdir(mode=0o700)
    made = accounts.generate()
    accounts.write(own, made)
    return SocialPart(directory=own, port=free_port(), accounts=made)
