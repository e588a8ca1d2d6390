# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of the platforms: a file that the process reads at each request, so that a fault is in effect at once.

A fault is called ``PLATFORM:KIND``, or ``PLATFORM/ACCOUNT:KIND`` for one account only, such as ``meta:code-4`` and
``tiktok/7012345678901234561:token-expired``. That of an account counts before that of its platform.
"""

from __future__ import annotations

from incident_runbooks.lab.services.call import Answer
from incident_runbooks.lab.services.faults import FaultFile
from incident_runbooks.lab.social.accounts import META, PLATFORMS, TIKTOK, YOUTUBE

DOWN = "down"  # 503 with a web page of the load balancer
ERROR = "error"  # the platform's own words for an error of its own
HTML = "html"  # 200 with a web page, as of a login page in between
HANG = "hang"
_ANYWHERE = (DOWN, ERROR, HTML, HANG)
TOKEN_EXPIRED, TOKEN_REVOKED, TOKEN_INVALID = "token-expired", "token-revoked", "token-invalid"
PERMISSION = "permission"
_TOKENS = (TOKEN_EXPIRED, TOKEN_REVOKED, TOKEN_INVALID, PERMISSION)

BUSINESS_CODES = tuple(range(80001, 80015))  # one for each business use case
META_LIMITS = (4, 17, 32, 613, *BUSINESS_CODES)
TIKTOK_LIMITS = (40100, 40016, 40133)

KINDS = {
    META: (
        *(*_ANYWHERE, *_TOKENS, "password-changed", "usage-high"),
        *(f"code-{code}" for code in META_LIMITS),
    ),
    TIKTOK: (*_ANYWHERE, *_TOKENS, "refresh-expired", "partial", *(f"code-{code}" for code in TIKTOK_LIMITS)),
    YOUTUBE: (*_ANYWHERE, *_TOKENS, "quota-exceeded", "rate-limited", "user-rate-limited", "no-channel"),
}


class Control(FaultFile):
    """The faults in effect."""

    def write(self, names: list[str]) -> None:
        """Replace them in one step.

        Raises:
            ValueError: there is no such fault.
        """
        for name in names:
            where, _, kind = name.partition(":")
            platform = where.partition("/")[0]
            if platform not in PLATFORMS or kind not in KINDS[platform]:
                raise ValueError(f"no fault of the social APIs is called {name}")
        super().write(names)

    def kind(self, platform: str, account: str | None) -> str | None:
        """Return what is broken for an account, one of :data:`KINDS`; ``None`` for nothing."""
        found = dict(name.split(":", 1) for name in self.read())
        return found.get(f"{platform}/{account}") or found.get(platform)


def answer_of_anybody(kind: str | None) -> Answer | None:
    """Return what something in front of the platform says; ``None`` where the platform itself answers."""
    if kind == DOWN:
        return Answer(503, "<html><head><title>503 Service Temporarily Unavailable</title></head></html>\n")
    if kind == HTML:
        return Answer(200, "<!DOCTYPE html>\n<html><head><title>Log in to the guest network</title></head></html>\n")
    return None
