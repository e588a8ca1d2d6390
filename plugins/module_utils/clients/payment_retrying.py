# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Try failed payments again: choose them by Stripe's own answer, and confirm them in batches by the platform's job."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.payment_job import PaymentJob
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_errors import StripeError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_intents import IntentReader
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    payment_retry,
    payment_retry_outcome,
    payment_retry_plan,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_intents import said
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_retry import Candidate, Policy
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_retry_outcome import Job

SILENT = "Stripe could not be asked about the payments that are next"
# Stripe's clock and the database's may differ, and the PaymentIntent may be made before the row
CLOCK_SKEW_S = 300


class PaymentRetry:
    """One run of the module stripe_payment_retry: what was seen, chosen and done so far."""

    def __init__(
        self, params: dict[str, Any], policy: Policy, approved: dict[str, Any] | None, api: StripeApi, job: PaymentJob
    ) -> None:
        self.params = params
        self.policy = policy
        self.approved = approved
        self.api = api
        self.job = job
        self.reader = IntentReader(api)
        self.report = Report(dt.datetime.now(dt.UTC))
        self.candidates: list[Candidate] = []
        self.breaker = payment_retry_outcome.Breaker()
        self.totals: dict[str, int] = {}
        self.batches = 0

    def do(self, *, check_mode: bool) -> None:
        """Look, decide, and try them unless in check mode."""
        objection = self._choose()
        chosen = [candidate for candidate in self.candidates if candidate.eligible]
        self._describe(chosen)
        if objection:
            self.report.end("refused", objection, "plan_changed")
            self._rest(chosen, payment_retry_outcome.NOT_ATTEMPTED, objection)
            return
        if not chosen:
            text = f"none of {len(self.candidates)} failed payments may be tried again"
            self.report.end("nothing_to_do", text, "none_eligible")
            return
        no_pod = self.job.choose()
        if no_pod:
            self.report.end("refused", no_pod[1], no_pod[0])
            self._rest(chosen, payment_retry_outcome.NOT_ATTEMPTED, no_pod[1])
            return
        self.report.changed = True
        if check_mode:
            self.report.end("planned", f"{len(chosen)} of {len(self.candidates)} payments would be tried again")
            self._rest(chosen, "would_retry", None)
            return
        self._retry(chosen)

    def plain(self) -> dict[str, Any]:
        """The result so far."""
        return {
            **self.report.plain(),
            "candidates": [candidate.plain() for candidate in self.candidates],
            "totals": self.totals,
            "breaker": self.breaker.plain(),
            "pod": self.job.pod,
            "batches": self.batches,
            "requests": len(self.api.calls),
        }

    def _choose(self) -> str | None:
        """Decide on every payment; return why an approved plan is not that of now."""
        self.candidates = payment_retry_plan.collect(self.params["payments"], self.approved)
        ask = payment_retry_plan.before_asking(self.candidates, self.approved, self.policy, self.report.started_at)
        made = [candidate.row.created_at for candidate in ask if candidate.row.created_at]
        since = int(min(made).timestamp()) - CLOCK_SKEW_S if made else None
        found = self.reader.read([str(candidate.row.payment_intent) for candidate in ask], since)
        for candidate in ask:
            intent = found[str(candidate.row.payment_intent)]
            if isinstance(intent, StripeError):
                candidate.decide(intent.cause, intent.failure.message)
            else:
                payment_retry.judge(candidate, intent, self.policy)
        return payment_retry_plan.settle(self.candidates, self.approved, self.policy)

    def _describe(self, chosen: list[Candidate]) -> None:
        """Note what is planned, and which of an approved plan have moved on."""
        rows = [candidate.row for candidate in chosen]
        self.report.targets = [row.target for row in rows] if self.approved is None else [*self.approved.values()]
        self.totals = payment_retry.totals(rows)
        self.report.before = {"intents": {str(each.row.payment_intent): _status(each.intent) for each in chosen}}
        for candidate in self.candidates:
            if self.approved is not None and candidate.row.payment_id in self.approved and not candidate.eligible:
                self._note(candidate, payment_retry_outcome.SKIPPED, candidate.text)

    def _retry(self, chosen: list[Candidate]) -> None:
        self.report.after = {"intents": {}}
        left = list(chosen)
        for batch in payment_retry_outcome.batches(chosen, self.params["batch_size"]):
            left = left[len(batch) :]
            if self.batches == 0 and not self._keeps(batch, left):
                return
            due = batch if self.batches == 0 else self._unmoved(batch)
            if due is None:
                self._rest([*batch, *left], payment_retry_outcome.NOT_ATTEMPTED, SILENT)
                self._end(SILENT)
                return
            try:
                known = self._batch(due) if due else True
            except KubernetesError as error:
                self._rest([*due, *left], payment_retry_outcome.NOT_ATTEMPTED, error.failure.text)
                self.report.changed = self.batches > 0
                self._end(error.failure.text)
                raise
            stop = self.breaker.reason or (None if known else "it is not known what became of a batch")
            if stop and left:
                self._rest(left, payment_retry_outcome.NOT_ATTEMPTED, stop)
                self._end(stop)
                return
        self._end(None)

    def _keeps(self, batch: list[Candidate], left: list[Candidate]) -> bool:
        """Let the job say what it would try; whether it may be run, or else what became of it is noted."""
        try:
            trial = self.job.try_out([candidate.row.payment_id for candidate in batch])
        except KubernetesError as error:
            self._rest([*batch, *left], payment_retry_outcome.NOT_ATTEMPTED, error.failure.text)
            self.report.changed = False
            self._end(error.failure.text)
            raise
        if trial.refusal:
            self.report.changed = False
            self.report.end("refused", str(trial.reason), trial.refusal)
            self._rest([*batch, *left], payment_retry_outcome.NOT_ATTEMPTED, trial.reason)
        elif not trial.keeps:
            self._look(batch, Job(trial.known and not trial.exceeded, str(trial.reason)))
            self._rest(left, payment_retry_outcome.NOT_ATTEMPTED, trial.reason)
            status, text = payment_retry_outcome.conclude(self.report.results, trial.reason)
            self.report.end("unknown" if trial.exceeded else status, text)  # others may have been tried as well
        return trial.keeps

    def _unmoved(self, batch: list[Candidate]) -> list[Candidate] | None:
        """Look again at a batch whose turn comes long after it was chosen; ``None`` when Stripe does not tell."""
        now = self._look_again(batch)
        if any(str(candidate.row.payment_intent) not in now for candidate in batch):
            return None
        due = []
        for candidate in batch:
            payment_retry.judge(candidate, now[str(candidate.row.payment_intent)], self.policy)
            if candidate.eligible:
                due.append(candidate)
            else:
                self._note(candidate, payment_retry_outcome.SKIPPED, candidate.text)
        return due

    def _batch(self, batch: list[Candidate]) -> bool:
        """Try some payments; return whether it is known what became of all of them."""
        return self._look(batch, self.job.run([candidate.row.payment_id for candidate in batch]))

    def _look(self, batch: list[Candidate], job: Job) -> bool:
        """Note what became of some payments; return whether it is known of all of them."""
        self.batches += 1
        now = self._look_again(batch)
        known = job.known
        for candidate in batch:
            intent = now.get(str(candidate.row.payment_intent))
            outcome = payment_retry_outcome.outcome(candidate, intent, job)
            self.breaker.note(outcome)
            self._note(candidate, outcome.result, outcome.reason, intent)
            self.report.after["intents"][candidate.row.payment_intent] = _status(intent)
            known = known and outcome.result != payment_retry_outcome.UNKNOWN
        return known

    def _look_again(self, batch: list[Candidate]) -> dict[str, Any]:
        """Return what can be read; after something was done, a Stripe that is silent is no failure of the task."""
        found: dict[str, Any] = {}
        for candidate in batch:
            id_ = str(candidate.row.payment_intent)
            try:
                answer = self.reader.read([id_], patient=True)[id_]
            except StripeError as error:
                self.report.caveats.append(error.message)
                return found
            if not isinstance(answer, StripeError):
                found[id_] = answer
        return found

    def _rest(self, candidates: list[Candidate], result: str, reason: str | None) -> None:
        for candidate in candidates:
            self._note(candidate, result, reason, candidate.intent)

    def _note(
        self, candidate: Candidate, result: str, reason: str | None, intent: Mapping[str, Any] | None = None
    ) -> None:
        key = f"inc-{self.params['incident']}:{candidate.row.payment_intent}:{self.params['attempt']}"
        self.report.results.append(
            {
                **candidate.row.target,
                "result": result,
                "reason": reason,
                "intent_status": _status(intent or candidate.intent),
                "idempotency_key": key,
            }
        )

    def _end(self, stopped: str | None) -> None:
        self.report.end(*payment_retry_outcome.conclude(self.report.results, stopped))


def _status(intent: Mapping[str, Any] | None) -> str | None:
    return said(intent.get("status")) if intent else None
