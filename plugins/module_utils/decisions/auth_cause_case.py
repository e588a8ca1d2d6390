# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What more than one row of the decision of auth-down asks. Pure, no I/O."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_facts import Facts

CREDENTIALS = frozenset({"noauth", "wrongpass", "no_password_set", "noperm"})
SILENT = frozenset(
    {"refused", "dns", "timeout", "tls", "no_answer", "server_error", "max_clients", "protected_mode", "clusterdown"}
)
# a token was issued, so that logging in got past all that it needs
TOKENS = frozenset({"stale_replica", "key_or_clock", "token_rejected"})
# logging in is turned away, perhaps before Redis is asked: that neither shows that Redis is down, nor that it is not
IN_FRONT = frozenset({"rate_limited", "wrong_credentials"})


@dataclass(frozen=True)
class Case:
    """The facts, and what is used by more than one row."""

    facts: Facts
    rate_limit_lines: int

    def logged(self, name: str) -> int:
        """Lines of a class, unless logging in works: lines of a trouble that is over prove nothing."""
        return 0 if self.facts.probe.failing is False else self.facts.lines.get(name, 0)

    def hurts(self, name: str) -> bool:
        """Whether what the API needs may keep people from logging in.

        Args:
            name: the class of log lines that says so.
        """
        return bool(self.logged(name)) or self.fails

    @property
    def fails(self) -> bool:
        """Whether logging in is seen to fail, and not for a key, a limit or the account."""
        probe = self.facts.probe
        return probe.failing is True and probe.verdict not in TOKENS | IN_FRONT

    @property
    def past_redis(self) -> bool:
        """Whether a login was seen to get further than Redis now, whatever was logged before.

        A limit or a refusal says so only where Redis itself serves.
        """
        redis, verdict = self.facts.redis, self.facts.probe.verdict
        return verdict in TOKENS or (verdict in IN_FRONT and redis.serves and redis.writes == "accepted")

    @property
    def tokens_refused(self) -> bool:
        """Whether tokens are seen to be refused for their signature, or for their time."""
        return self.facts.probe.verdict in TOKENS or bool(self.logged("jwt_invalid"))

    @property
    def shows(self) -> str:
        """What logging in shows, for the end of a sentence."""
        probe = self.facts.probe
        return f"; {probe.why}" if probe.failing else ""
