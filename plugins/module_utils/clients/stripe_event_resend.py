# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Find out which events the platform has missed, send them again, and compare what cannot be sent again."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe import StripeApi
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_event_reads import (
    MOST_ITEMS,
    list_events,
    payment_rows,
    payment_states,
    processed_ids,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.stripe_event_sending import Sending, Way
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.webhook_secret import (
    not_used,
    read_signing_secret,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import (
    event_payments,
    event_resend,
    events,
    webhook_endpoints,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.event_resend import (
    RECONCILE_ONLY,
    STRIPE_RETRY,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.events import Event

Json = dict[str, Any]

SETTLE_S = 0.5  # between looks at rows that a handler may write a little later than it notes the event
PAUSE_S = 0.1  # between reads of payments: the account's limit is the platform's too


class Work:
    """One run of the module: what was seen, chosen and done so far."""

    def __init__(self, api: StripeApi, session: Session, params: Mapping[str, Any]) -> None:
        self.api, self.session, self.params = api, session, params
        self.report = Report(dt.datetime.now(dt.UTC))
        self.method: str = params["method"]
        self.endpoint: Json = {}
        self.found = events.Sorted()
        self.truncated = False
        self.states: dict[str, Json] = {}
        self.plan = event_resend.Plan()
        self.sending: Sending | None = None
        self.secret = not_used()
        self.reconciliation: list[Json] = []
        self.payments: list[Json] = []

    def do(self, *, check_mode: bool) -> None:
        """Look, decide, act unless in check mode, and compare what is left."""
        self._look()
        objection = self._choose()
        if objection:
            self.report.end("refused", objection[1], objection[0])
            self._note_all("not_attempted", objection[1])
        elif self.method == RECONCILE_ONLY:
            pass
        elif not self.plan.candidates:
            word, text = event_resend.nothing_to_do(self.plan)
            self.report.end("nothing_to_do", text, word)
        elif check_mode:
            self.report.changed = True
            self.report.end("planned", f"{len(self.plan.candidates)} events would be sent again")
            self._note_all("would_resend", None)
        else:
            self._send()
        self._compare()
        self.payments = self._settled()

    def fail(self, message: str) -> None:
        """Note what became of the events when it could not go on."""
        results = self._results()
        unknown = any(result["result"] == event_resend.UNKNOWN for result in results)
        self.report.changed = any(result["at"] for result in results)
        self.report.end("unknown" if unknown else "failed", message)

    def plain(self) -> Json:
        """The result so far."""
        left = sum(result["result"] != event_resend.DELIVERED for result in self._results())
        done = len(self._results()) - left
        before = {"missing": len(self.found.missing), **{name: self.endpoint.get(name) for name in ("status", "url")}}
        return {
            **self.report.plain(),
            "results": self._results(),
            "before": before,
            "after": {**before, "missing": before["missing"] - done},
            "candidates": [event.plain(self.report.started_at) for event in self.plan.candidates],
            "excluded": self.plan.plain_excluded(),
            "method_used": self.method,
            "breaker": self.sending.stopped if self.sending else None,
            "reconciliation": self.reconciliation,
            "payments": self.payments,
            "truncated": self.truncated,
            "calls": self.api.calls,
        }

    def _look(self) -> None:
        """Read the endpoint, the events, and how their payments stand."""
        self.endpoint = webhook_endpoints.facts(self.api.webhook_endpoint(self.params["endpoint_id"]))
        listed, self.truncated = list_events(self.api, self.params, MOST_ITEMS)
        if self.truncated:
            self.report.caveats.append("there are more events than were looked at; those are older, run it again")
        approved = event_resend.approved_targets(self.params["targets"]) or {}
        query = self.params["processed_query"]
        self.processed = processed_ids(self.session, query, {*approved, *(event.id for event in listed)})
        self.found = events.sort_out(
            listed,
            self.processed,
            self.report.started_at,
            self.params["min_age_s"],
            self.endpoint["created"],
            self.endpoint["enabled_events"],
        )
        doubtful = [event for event in self.found.missing if event_payments.may_be_superseded(event)]
        self.states = payment_states(self.api, doubtful, PAUSE_S) if doubtful else {}

    def _choose(self) -> event_resend.Objection | None:
        """Choose the events and note the targets; what speaks against sending any."""
        url = (
            self.endpoint["url"] if self.method == STRIPE_RETRY else self.params["webhook_url"] or self.endpoint["url"]
        )
        fallback = self.params["fallback"] if self.method == STRIPE_RETRY else None
        self.frame = {"endpoint": self.endpoint["id"], "url": url, "method": self.method, "fallback": fallback}
        if self.params["attempt"] > 1:
            self.frame["attempt"] = self.params["attempt"]  # it may send twice, so that it has to be approved as such
        given = event_resend.approved_targets(self.params["targets"])
        approved = None
        if given is not None:
            approved = event_resend.Approved(given, frozenset(self.processed & given.keys()))
        self.plan = event_resend.choose(self.found, self.states, self.params["max_events"], approved, self.frame)
        if self.method == RECONCILE_ONLY:
            self.plan.candidates, self.left = [], self.plan.candidates
            return None
        self.report.targets = [event_resend.target(event, self.frame) for event in self.plan.candidates]
        objection = event_resend.guard(self.endpoint, idempotent=self.params["handler_idempotent"])
        return objection or self.plan.objection or self._no_secret()

    def _no_secret(self) -> event_resend.Objection | None:
        if not self.plan.candidates or not event_resend.needs_secret(self.method, self.params["fallback"]):
            return None
        self.secret = read_signing_secret(self.params)
        if self.secret.value is not None:
            return None
        facts = self.secret.facts
        return "no_secret", f"the Secret {self.params['secret_name']} cannot be read: {facts['message']}"

    def _send(self) -> None:
        params = self.params
        way = Way(
            method=self.method,
            endpoint_id=self.endpoint["id"],
            url=params["webhook_url"] or self.endpoint["url"],
            rps=params["rps"],
            verify_timeout_s=params["verify_timeout_s"],
            processed_query=params["processed_query"],
            incident=params["incident"],
            attempt=params["attempt"],
            secret=self.secret.value,
            ca_cert=params["ca_cert"],
            timeout_s=params["timeout"],
        )
        self.sending = Sending(self.api, self.session, way)
        supported = self.sending.send(self.plan.candidates, replay=self.secret.value is not None)
        results = self.sending.results
        self.report.changed = any(result["at"] for result in results)
        if supported:
            if self.sending.way.method != self.method:
                self.report.caveats.append("Stripe does not know the call to send an event again; replayed from here")
            self.method = self.sending.way.method
            self.report.end(*event_resend.verdict(results, self.sending.stopped))
            return
        self.method = RECONCILE_ONLY
        text = "Stripe does not know the call to send an event again; give method local_replay, or settle by hand"
        sent = any(result["result"] == event_resend.DELIVERED for result in results)
        self.report.end("partial" if sent else "refused", text, "retry_unsupported")

    def _compare(self) -> None:
        """Compare the payments of what is not sent again, or did not get through."""
        bad = {result["event"] for result in self._results() if result["result"] in event_resend.LEFT_OPEN}
        open_ = [event for event, word in self.plan.excluded if word in event_resend.TO_COMPARE]
        open_ += [event for event in self.plan.candidates if event.id in bad]
        if self.params["method"] == RECONCILE_ONLY:
            open_ += self.left
        open_.sort(key=lambda event: (event.created, event.id))
        self._read_states(open_)
        rows = payment_rows(self.session, self.params["payments_query"], open_)
        self.reconciliation = event_payments.compare(open_, self.states, rows)
        if self.params["method"] == RECONCILE_ONLY:
            self.report.end(*event_resend.compared(self.reconciliation))

    def _settled(self) -> list[Json]:
        """How the payments of what got through stand; a handler may note an event and do nothing with it."""
        through = {result["event"] for result in self._results() if result["result"] == event_resend.DELIVERED}
        told = [event for event in self.plan.candidates if event.id in through]
        if not told:
            return []
        states = payment_states(self.api, told, PAUSE_S)
        deadline = time.monotonic() + self.params["verify_timeout_s"]
        while True:
            rows = payment_rows(self.session, self.params["payments_query"], told)
            lines = event_payments.settled(told, states, rows)
            if all(line["agrees"] is not False for line in lines) or time.monotonic() >= deadline:
                return lines
            time.sleep(SETTLE_S)

    def _read_states(self, open_: list[Event]) -> None:
        missing = [event for event in open_ if event.payment_intent and event.payment_intent not in self.states]
        if missing:
            self.states |= payment_states(self.api, missing, PAUSE_S)

    def _results(self) -> list[Json]:
        """What became of each event of the plan, in the order of the plan."""
        sent = self.sending.results if self.sending else self.report.results
        skipped = [
            event_resend.result(str(target.get("event")), str(target.get("type")), event_resend.PROCESSED)
            for target in self.plan.processed
        ]
        return [*skipped, *sent]

    def _note_all(self, result: str, reason: str | None) -> None:
        self.report.results = [
            event_resend.result(event.id, event.type, result, reason) for event in self.plan.candidates
        ]
