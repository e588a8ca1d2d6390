# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""End idle sessions of PostgreSQL: look, choose, end them in batches, look again."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session, plain_attempts
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import PostgresError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_sessions import (
    end_session,
    end_session_statement,
    read_limits,
    read_server,
    read_sessions,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import activity, sessions, termination
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_facts import SessionFacts

_REASONS = {
    "not_terminated": "it was signalled but was still there after terminate_timeout_s",
    "skipped_changed": "it was used, or took an advisory lock, in the last moment",
    "skipped_gone": "it had ended by itself",
}


class Termination:
    """What was seen, chosen and done so far.

    Args:
        session: of a role that may end others' sessions.
        params: the module's options ``warn_ratio``, ``target_ratio``, ``force_reason``, ``batch_size`` and
            ``terminate_timeout_s`` (seconds).
        policy: which sessions may be ended; without a database, that of the session.
    """

    def __init__(self, session: Session, params: dict[str, Any], policy: sessions.Policy) -> None:
        self.session = session
        self.params = params
        self.policy = policy
        self.started_at = dt.datetime.now(dt.UTC)
        self.status = "nothing_to_do"
        self.reason = ""
        self.choice = sessions.Choice()
        self.results: list[dict[str, Any]] = []
        self.slots: list[dict[str, Any]] = []
        self.measurements: list[dict[str, Any]] = []
        self.queries: list[str] = []

    def do(self, *, check_mode: bool) -> None:
        """Look, decide, and act unless in check mode.

        Raises:
            PostgresError: the server cannot be asked any more; :meth:`report` says what had been done.
        """
        self.server = read_server(self.session)
        self.limits = read_limits(self.session)
        self.policy = dataclasses.replace(self.policy, database=self.policy.database or self.server["database"])
        seen = self._look()
        self.choice = sessions.choose(seen, self.policy)
        self.results = sessions.missed_targets(seen, self.policy, self.choice)
        before = self.slots[0]
        target = None if termination.below(before, self.params["target_ratio"]) else self.params["target_ratio"]
        refusal = termination.refusal(before, self.choice, self.params["warn_ratio"], self.params["force_reason"])
        if refusal:
            self.status, self.reason = "refused", refusal
        elif not self.choice.candidates:
            self.reason = termination.nothing_to_do(self.choice, self.results)
        elif check_mode:
            self.status, self.reason = "planned", termination.preview(self.choice, before, target)
            self.results += [_result(session, "would_terminate") for session in self.choice.candidates]
            self.queries = [" ".join(end_session_statement(self.server["version_num"]).split())]
        else:
            stopped = self._end_in_batches(self.choice.candidates, target)
            self.status, self.reason = termination.verdict(self.results, self.slots[-1], stopped)

    def report(self) -> dict[str, Any]:
        """The result so far, as JSON data."""
        results = [result["result"] for result in self.results]
        given = self.policy.targets
        if given is None:
            targets = [{**session.identity(), **session.labels()} for session in self.choice.candidates]
        else:
            targets = [SessionFacts(*dataclasses.astuple(target)).identity() for target in given]
        return {
            "changed": bool({"terminated", "not_terminated", "would_terminate", "unknown"} & set(results)),
            "started_at": self.started_at,
            "status": self.status,
            "reason": self.reason,
            "candidates": [sessions.describe(session) for session in self.choice.candidates],
            "targets": targets,
            "excluded": [exclusion.plain() for exclusion in self.choice.excluded],
            "results": self.results,
            "before": {"slots": self.slots[0]} if self.slots else {},
            "after": {"slots": self.slots[-1]} if self.slots else {},
            "measurements": self.measurements,
            "executed_queries": self.session.executed + self.queries,
            "login": self.session.login,
            "attempts": plain_attempts(self.session.attempts),
        }

    def _look(self) -> list[SessionFacts]:
        rows = read_sessions(self.session, self.server["version_num"])
        seen = [SessionFacts(**row) for row in rows]
        slots = activity.slots(self.server, self.limits, seen)
        self.slots.append(slots)
        self.measurements.append(
            {
                "at": dt.datetime.now(dt.UTC),
                "used": slots["used"],
                "used_ratio": slots["used_ratio"],
                "terminated": sum(result["result"] == termination.ENDED for result in self.results),
            }
        )
        return seen

    def _end_in_batches(self, pending: Sequence[SessionFacts], target_ratio: float | None) -> str:
        """End sessions until none is left, the target is reached or it has no effect; return why it stopped."""
        while pending:
            length = termination.batch_length(self.params["batch_size"], self.slots[-1], target_ratio)
            batch, rest = pending[:length], pending[length:]
            ended = [self._end(session, later=[*batch[index + 1 :], *rest]) for index, session in enumerate(batch)]
            seen = self._look()
            stopped = termination.stop_reason(ended, self.slots[-1], target_ratio)
            if stopped:
                self.results += [_result(session, "not_attempted", stopped) for session in rest]
                return stopped
            pending = self._choose_again(seen, rest)
        return ""

    def _choose_again(self, seen: Sequence[SessionFacts], rest: Sequence[SessionFacts]) -> list[SessionFacts]:
        """Of the sessions that are left, those that still qualify: the others' world has changed as well."""
        identities = sessions.parse_targets([session.identity() for session in rest])
        policy = dataclasses.replace(self.policy, targets=identities)
        choice = sessions.choose(seen, policy)
        self.results += sessions.missed_targets(seen, policy, choice)
        return choice.candidates

    def _end(self, session: SessionFacts, later: Sequence[SessionFacts]) -> dict[str, Any]:
        """End one session; when that cannot be known any more, leave results that say so."""
        if session.backend_start is None or session.state is None or session.state_change is None:
            raise AssertionError("a session without identity was chosen")
        reason = None
        try:
            outcome = end_session(
                self.session,
                self.server["version_num"],
                pid=session.pid,
                backend_start=session.backend_start,
                state=session.state,
                state_change=session.state_change,
                timeout_s=self.params["terminate_timeout_s"],
            )
        except PostgresError as error:
            if self.session.lost:
                self.status, self.reason = "partial", error.message
                self.results.append(_result(session, "unknown", error.failure.text))
                self.results += [_result(other, "not_attempted", "the connection was lost") for other in later]
                raise
            outcome, reason = "not_terminated", error.failure.text
        result = _result(session, outcome, reason or _REASONS.get(outcome))
        self.results.append(result)
        return result


def _result(session: SessionFacts, result: str, reason: str | None = None) -> dict[str, Any]:
    return {**session.identity(), **session.labels(), "result": result, "reason": reason}
