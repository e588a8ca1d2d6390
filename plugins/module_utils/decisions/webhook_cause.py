# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Why Stripe's events do not reach the platform: the decision table of webhook-failures. Pure, no I/O.

The first row that is proven counts. What is wrong with security or with the way to the handler comes first, because
nothing behind it can be judged; a disabled endpoint and missing events come last, because enabling or resending
while the handler fails would only fail again.

What a request of our own is answered now outranks what was logged: log lines may be old, and anybody can send
forged requests. They count only while events of Stripe fail as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_cause_case import (
    Case,
    failing,
    probes,
    signed,
    stored,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.webhook_cause_facts import (
    HANDLER,
    SIGNATURE,
    TIMESTAMP,
    Facts,
    evidence,
    said,
)

CAUSES = (
    *("signature_not_checked", "backend_down", "path_changed", "edge", "clock_skew"),
    *("webhook_secret_wrong", "webhook_secret_stale", "body_altered", "handler_error"),
    *("mode_mismatch", "endpoint_missing", "endpoint_disabled", "event_types_missing"),
    *("events_missing", "replay_accepted", "none", "unknown"),
)

# what the words of webhook_probe mean here
_PATH = frozenset({"wrong_path", "redirect"})
_REFUSED = frozenset({"refused_by_edge", "too_large", "throttled"})
_EDGE = frozenset({*_REFUSED, "unreachable"})
_HANDLER = frozenset({"handler_error", "timeout", "unavailable", "unexpected"})

Verdict = tuple[str, str]


def webhook_cause(facts: Facts, now: dt.datetime, recent_s: float) -> dict[str, Any]:
    """Return what the module of the same name does.

    Args:
        recent_s: seconds; events that failed longer ago do not prove that events fail now.
    """
    case = Case(facts, failing(facts, now, recent_s), recent_s, now)
    found = next((verdict for row in _ROWS if (verdict := row(case))), None)
    cause, reason = found or _nothing_proven(case)
    return {
        "cause": cause,
        "reason": reason,
        "probes": probes(facts),
        "signed": signed(facts),
        "taken": signed(facts) is True or stored(facts) == "as_expected",
        "failing": case.failing,
        "missing": None if facts.missing is None else [dict(event) for event in facts.missing],
        "stored": stored(facts),
        "evidence": evidence(facts),
        "gaps": list(facts.gaps),
        "notes": list(facts.notes),
    }


def _signature_not_checked(case: Case) -> Verdict | None:
    taken = [probe for probe in case.facts.probes.values() if probe.unsigned == "not_verified"]
    if not taken:
        return None
    where = " and ".join(probe.url or probe.name for probe in taken)
    return "signature_not_checked", f"{where} took an event without a signature: anybody can send one"


def _backend_down(case: Case) -> Verdict | None:
    if not case.facts.replicas or case.facts.pods_ready != 0:
        return None
    return "backend_down", f"none of {case.facts.replicas} wanted pods is ready, so nobody takes events"


def _path_changed(case: Case) -> Verdict | None:
    for probe in (case.public, case.service):
        if probe and probe.unsigned in _PATH:
            other = case.service if probe is case.public else None
            inside = "; inside of the cluster the path is right" if other and other.fine else ""
            return "path_changed", f"{probe.url or probe.name} is not the handler: {said(probe)}{inside}"
    differs = case.facts.endpoint_problems.get("url_differs")
    if differs:
        disabled = "; it is disabled as well" if "disabled" in case.facts.endpoint_problems else ""
        return "path_changed", f"Stripe delivers to another URL than the platform's: {differs}{disabled}"
    return None


def _edge(case: Case) -> Verdict | None:
    public, service = case.public, case.service
    if public is None or public.fine or not public.verdicts:
        return None
    words = set(public.verdicts)
    if public.certificate is False:
        return "edge", f"Stripe does not deliver to {public.url}, its certificate is not valid: {said(public)}"
    if public.signed == "bad_signature" and "extract timestamp" in public.detail:
        return "edge", f"a proxy changes the header with the signature: {said(public)}"
    if service is not None and service.fine and service.signed == "accepted" and public.signed == "bad_signature":
        return "edge", f"the Service takes what the public URL rejects: a proxy changes body or header; {said(public)}"
    if service is not None and service.fine and words & (_EDGE | _HANDLER):
        return "edge", f"the Service answers as it should, the public URL does not: {said(public)}"
    if words & _REFUSED:
        return "edge", f"something before the handler refuses requests: {said(public)}"
    if words & _EDGE and case.failing:
        return "edge", f"the public URL cannot be reached: {said(public)}"
    return None


def _clock_skew(case: Case) -> Verdict | None:
    rejected = case.facts.signed("timestamp_rejected")
    if rejected:
        return "clock_skew", f"a fresh signature counts as too old: {said(rejected)}"
    tried = any(probe.signed for probe in case.facts.probes.values())
    lines = case.facts.count(TIMESTAMP)
    # a request of ours that is too old on purpose leaves the same line
    if not tried and case.logged(TIMESTAMP) and lines > case.facts.count(SIGNATURE):
        return "clock_skew", f"{lines} log lines say that the time stamps of Stripe's events are out of tolerance"
    return None


def _secret(case: Case) -> Verdict | None:
    facts = case.facts
    rejected = facts.signed("bad_signature")
    if facts.secret_problem and (rejected or case.failing or case.stands):
        return "webhook_secret_wrong", facts.secret_problem
    if not rejected and not case.logged(SIGNATURE):
        return None
    if rejected and case.facts.count(HANDLER) and not case.facts.count(SIGNATURE):
        return None  # a handler that answers 400 to whatever goes wrong
    seen = said(rejected) if rejected else f"{facts.count(SIGNATURE)} log lines say that no signature matches"
    if facts.wanted and facts.secret and facts.wanted != facts.secret:
        text = f"the deployed secret is {facts.secret}, the right one {facts.wanted}; {seen}"
        return "webhook_secret_wrong", text
    if facts.pods_older:
        text = f"{len(facts.pods_older)} pods started before the Secret was changed and use an older value; {seen}"
        return "webhook_secret_stale", text
    if rejected and facts.secret:
        text = f"the pods reject what is signed with their own secret: the body is not the raw one any more; {seen}"
        return "body_altered", text
    if case.failing or case.stands:
        known = "is that of the vault" if facts.wanted == facts.secret and facts.wanted else "cannot be compared"
        return "webhook_secret_wrong", f"Stripe signs with another secret than the deployed one, which {known}; {seen}"
    return None


def _handler_error(case: Case) -> Verdict | None:
    for probe in (case.service, case.public):
        if probe and set(probe.verdicts) & _HANDLER:
            return "handler_error", f"{probe.url or probe.name} fails or does not answer in time: {said(probe)}"
    if case.facts.signed("bad_signature") and case.facts.count(HANDLER):
        return "handler_error", f"the handler answers 400 to errors of its own: {case.facts.count(HANDLER)} log lines"
    if case.logged(HANDLER):
        return "handler_error", f"{case.facts.count(HANDLER)} log lines say that the handler failed while events do"
    return None


def _endpoint(case: Case) -> Verdict | None:
    problems = case.facts.endpoint_problems
    for word, cause in (
        ("mode", "mode_mismatch"),
        ("not_found", "endpoint_missing"),
        ("disabled", "endpoint_disabled"),
        ("events_missing", "event_types_missing"),
    ):
        if word in problems:
            return cause, problems[word]
    return None


def _private(case: Case) -> Verdict | None:
    public = case.public
    if not (case.failing and public and public.private):
        return None
    return "edge", f"{public.url} leads to private addresses, which Stripe cannot reach, and events fail"


def _events_missing(case: Case) -> Verdict | None:
    missing = case.facts.missing or ()
    if not missing or case.facts.endpoint is None or probes(case.facts) != "ok" or case.doubted:
        return None
    if case.failing or (case.failing is None and not signed(case.facts)):
        return None
    return "events_missing", f"{len(missing)} events of a past outage were neither delivered nor processed"


def _replay_accepted(case: Case) -> Verdict | None:
    taken = next((probe for probe in case.facts.probes.values() if probe.stale == "stale_accepted"), None)
    if taken is None:
        return None
    return "replay_accepted", f"{taken.url or taken.name} took a signature that was too old: events can be replayed"


_ROWS: tuple[Callable[[Case], Verdict | None], ...] = (
    _signature_not_checked,
    _backend_down,
    _path_changed,
    _edge,
    _clock_skew,
    _secret,
    _handler_error,
    _endpoint,
    _private,
    _events_missing,
    _replay_accepted,
)


def _nothing_proven(case: Case) -> Verdict:
    facts = case.facts
    if case.failing:
        gaps = f"; not known: {'; '.join(facts.gaps)}" if facts.gaps else ""
        return "unknown", f"{len(facts.missing or ())} events fail, and nothing that was examined explains it{gaps}"
    if facts.missing:
        return "unknown", f"{len(facts.missing)} events are missing, but whether the endpoint works now is not known"
    if case.doubted:
        return "unknown", f"no event was seen to fail or to be taken, but {case.doubted}"
    if probes(facts) == "failing":
        return "unknown", f"the endpoint does not answer as it should: {'; '.join(map(said, facts.probes.values()))}"
    if facts.gaps:
        return "unknown", f"nothing speaks of failing webhooks, but {'; '.join(facts.gaps)}"
    return "none", "the endpoint is enabled and answers as it should, and no event is missing"
