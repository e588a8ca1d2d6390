# SPDX-License-Identifier: GPL-3.0-or-later
"""Meta, TikTok and YouTube of the lab, for tests: one process for all tests of a session, healed before each test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from incident_runbooks.lab.social.accounts import Account
from incident_runbooks.lab.social.part import SocialPart, lay_out
from support.services import Requests, broken, running

Json = dict[str, Any]


class Social:
    """What a test asks of them.

    Attributes:
        part: addresses and accounts.
    """

    def __init__(self, part: SocialPart) -> None:
        self.part = part
        self._requests = Requests(part)

    def forget(self) -> None:
        """Let no fault be in effect, and :meth:`requests` begin here."""
        self.part.control.write([])
        self._requests.forget()

    def requests(self, platform: str | None = None) -> list[Json]:
        """Return the requests since :meth:`forget`, oldest first, of one platform or of all."""
        return [each for each in self._requests.read() if platform in (None, each["service"])]

    def account(self, platform: str, number: int = 0) -> Account:
        """Return an account of a platform."""
        return self.part.of(platform)[number]

    def options(self, *platforms: str, **given: Any) -> Json:
        """Return the options of ``social_probe`` for the accounts of some platforms, or of all."""
        held = [each for each in self.part.variables()["social_accounts"] if each["platform"] in platforms]
        held = held if platforms else self.part.variables()["social_accounts"]
        wanted = {"platforms": list(platforms)} if platforms else {}
        return {
            "social_accounts": held,
            "social_urls": self.part.urls,
            "social_request_timeout": 5,
            **wanted,
            **given,
        }

    def broken(self, *names: str) -> contextlib.AbstractContextManager[None]:
        """Let faults be in effect, such as ``meta:code-4``; see :mod:`incident_runbooks.lab.social.control`."""
        return broken(self.part, *names)


@pytest.fixture(scope="session")
def social_part(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SocialPart]:
    """The process of a session."""
    with running(lay_out(tmp_path_factory.mktemp("social"))) as part:
        yield part


@pytest.fixture
def social(social_part: SocialPart) -> Iterator[Social]:
    """The platforms, without a fault."""
    made = Social(social_part)
    made.forget()
    yield made
    made.forget()
