# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Choose which database sessions may be ended, and say why each other one may not. Pure, no I/O."""

from __future__ import annotations

import datetime as dt
import fnmatch
import ipaddress
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_facts import (
    SessionFacts,
    seconds,
    statement_head,
)

IDLE = "idle"
_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# The server shows nobody's listeners but the session's own. A LISTEN as the last statement gives one away;
# the word anywhere is enough: to spare one session too many is the harmless mistake.
_LISTEN = re.compile(r"\bLISTEN\b", re.IGNORECASE)


@dataclass(frozen=True)
class Identity:
    """A session in one state: the same process id, start and last change mean that nothing happened since."""

    pid: int
    backend_start: dt.datetime
    state_change: dt.datetime


@dataclass(frozen=True)
class Policy:
    """What may be ended. Ages in seconds; application names are shell patterns, letter case ignored.

    Attributes:
        targets: the approved plan; ``None`` means that no plan restricts the choice.
    """

    database: str
    states: Sequence[str] = (IDLE,)
    min_idle_s: float = 600
    min_idle_in_transaction_s: float = 120
    exclude_users: Sequence[str] = ()
    exclude_applications: Sequence[str] = ()
    exclude_addresses: Sequence[Network] = ()
    max_terminate: int = 20
    keep_min_per_application: int = 1
    targets: Sequence[Identity] | None = None

    def minimum_age(self, state: str | None) -> float:
        """How long a session must have been in *state*."""
        return self.min_idle_s if state == IDLE else self.min_idle_in_transaction_s


@dataclass(frozen=True)
class Exclusion:
    """A session that stays, with the code and the text of the reason."""

    session: SessionFacts
    reason: str
    text: str

    def plain(self) -> dict[str, Any]:
        """As JSON data."""
        return {**describe(self.session), "reason": self.reason, "text": self.text}


@dataclass(frozen=True)
class Choice:
    """The sessions that may be ended, oldest first, and all others."""

    candidates: list[SessionFacts] = field(default_factory=list)
    excluded: list[Exclusion] = field(default_factory=list)

    def reason_of(self, pid: int) -> Exclusion | None:
        """Why the session with this process id was excluded."""
        return next((exclusion for exclusion in self.excluded if exclusion.session.pid == pid), None)


def describe(session: SessionFacts) -> dict[str, Any]:
    """A session as JSON data, without the values of its last statement."""
    return {
        **session.identity(),
        **session.labels(),
        "idle_s": seconds(session.state_age_s),
        "statement": "" if session.hidden else statement_head(session.query),
    }


def choose(sessions: Sequence[SessionFacts], policy: Policy) -> Choice:
    """Choose the sessions to end, oldest first; background processes are not mentioned at all."""
    choice = Choice()
    eligible: list[SessionFacts] = []
    for session in sessions:
        if not session.is_client and session.backend_type != "walsender":
            continue
        reason = next(((code, text) for code, text in _reasons(session, policy) if text), None)
        if reason:
            choice.excluded.append(Exclusion(session, *reason))
        else:
            eligible.append(session)
    # by the instant, not by the age: the server computes ages row by row, and may pause between two rows
    eligible.sort(key=lambda session: (session.state_change or session.backend_start or _NEVER, session.pid))
    _apply_caps(eligible, sessions, policy, choice)
    return choice


def _reasons(session: SessionFacts, policy: Policy) -> list[tuple[str, str]]:
    """The first of these whose text is not empty is the reason. What can never be ended stands first."""
    return [
        ("own_session", "the session of this runbook" if session.own else ""),
        ("replication", "a replication connection" if session.backend_type == "walsender" else ""),
        ("superuser", "a superuser's session" if session.superuser else ""),
        ("other_database", _other_database(session, policy)),
        ("hidden", "the login may not see its state; grant it pg_monitor" if session.hidden else ""),
        ("state", _state(session, policy)),
        ("excluded_user", f"role {session.role} is excluded" if session.role in policy.exclude_users else ""),
        ("excluded_application", _excluded_application(session, policy)),
        ("excluded_address", _excluded_address(session, policy)),
        ("listener", "its last statement has LISTEN" if _LISTEN.search(session.query) else ""),
        ("advisory_lock", "it holds an advisory lock" if session.advisory_lock else ""),
        ("too_young", _too_young(session, policy)),
        ("not_permitted", "" if session.may_end else "the login may not end it; grant it pg_signal_backend"),
        ("not_in_plan", _not_in_plan(session, policy)),
    ]


def _other_database(session: SessionFacts, policy: Policy) -> str:
    return "" if session.database == policy.database else f"connected to database {session.database or 'none'}"


def _state(session: SessionFacts, policy: Policy) -> str:
    return "" if session.state in policy.states else f"its state is {session.state}"


def _excluded_application(session: SessionFacts, policy: Policy) -> str:
    for pattern in policy.exclude_applications:
        if fnmatch.fnmatchcase(session.application.lower(), pattern.lower()):
            return f"application {session.application} is excluded by {pattern}"
    return ""


def _excluded_address(session: SessionFacts, policy: Policy) -> str:
    try:
        address = ipaddress.ip_address(session.client or "")
    except ValueError:  # a local socket has no address
        return ""
    for network in policy.exclude_addresses:
        if address in network:
            return f"client {address} is excluded by {network}"
    return ""


def _too_young(session: SessionFacts, policy: Policy) -> str:
    minimum = policy.minimum_age(session.state)
    if session.state_age_s is not None and session.state_age_s >= minimum:
        return ""
    return f"{session.state} for {seconds(session.state_age_s)} s, less than {minimum:g} s"


def _not_in_plan(session: SessionFacts, policy: Policy) -> str:
    if policy.targets is None or _is_target(session, policy.targets):
        return ""
    return "not in the approved plan, or changed since"


def _is_target(session: SessionFacts, targets: Sequence[Identity]) -> bool:
    return any(
        (session.pid, session.backend_start, session.state_change)
        == (target.pid, target.backend_start, target.state_change)
        for target in targets
    )


def _apply_caps(
    eligible: Sequence[SessionFacts], sessions: Sequence[SessionFacts], policy: Policy, choice: Choice
) -> None:
    left = Counter(
        session.application
        for session in sessions
        if session.is_client and not session.own and session.database == policy.database
    )
    for session in eligible:
        if left[session.application] <= policy.keep_min_per_application:
            text = (
                f"application {session.application or '(unnamed)'} keeps {policy.keep_min_per_application} session(s)"
            )
            choice.excluded.append(Exclusion(session, "keep_min_per_application", text))
        elif len(choice.candidates) >= policy.max_terminate:
            text = f"at most {policy.max_terminate} sessions are ended in one run"
            choice.excluded.append(Exclusion(session, "over_max_terminate", text))
        else:
            left[session.application] -= 1
            choice.candidates.append(session)


def missed_targets(sessions: Sequence[SessionFacts], policy: Policy, choice: Choice) -> list[dict[str, Any]]:
    """Say what became of each target of the plan that is no candidate any more."""
    now = {session.pid: session for session in sessions}
    missed: list[dict[str, Any]] = []
    for target in policy.targets or ():
        session = now.get(target.pid)
        if session in choice.candidates and session and _is_target(session, [target]):
            continue
        result, reason = _what_became(target, session, choice)
        identity = SessionFacts(target.pid, target.backend_start, target.state_change).identity()
        labels = session.labels() if session and result != "skipped_gone" else {}
        missed.append({**identity, **labels, "result": result, "reason": reason})
    return missed


def _what_became(target: Identity, session: SessionFacts | None, choice: Choice) -> tuple[str, str]:
    if session is None or session.backend_start != target.backend_start:
        return "skipped_gone", "the session has ended by itself"
    if session.state_change != target.state_change:
        return "skipped_changed", f"it has been in use since the plan; its state is {session.state}"
    exclusion = choice.reason_of(target.pid)
    return "not_attempted", exclusion.text if exclusion else "excluded"


def parse_networks(addresses: Sequence[str]) -> list[Network]:
    """Read addresses and CIDR blocks.

    Raises:
        ValueError: one of them is neither.
    """
    return [ipaddress.ip_network(address.strip(), strict=False) for address in addresses]


def parse_targets(targets: Sequence[Mapping[str, Any]] | None) -> list[Identity] | None:
    """Read the identities of a plan; further keys are ignored.

    Raises:
        ValueError: an identity is incomplete or no RFC 3339 instant with an offset.
    """
    if targets is None:
        return None
    try:
        return [
            Identity(int(target["pid"]), _instant(target["backend_start"]), _instant(target["state_change"]))
            for target in targets
        ]
    except (KeyError, TypeError) as error:
        msg = "each target needs pid, backend_start and state_change"
        raise ValueError(msg) from error


def _instant(text: Any) -> dt.datetime:
    moment = dt.datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        msg = f"{moment} has no offset from UTC"
        raise ValueError(msg)
    return moment
