# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Why payments fail: Stripe, our own requests, our key, our network, or the cards. Pure, no I/O.

The rows are those of the runbook's decision table; the first that fits counts. What Stripe's page, an own request and
the pods say together outranks each alone: the page lags behind, an own request takes another way than the pods do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_cause_counts import (
    classes_that_matter,
    doubtful,
    failing_share,
    in_the_way,
    mix,
    where,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_cause_facts import (
    ANSWERED,
    AUTH,
    DECLINES,
    IDEMPOTENCY,
    INFRASTRUCTURE,
    LOCK,
    MODE,
    NETWORK,
    OK,
    PERMISSION,
    RATE_LIMIT,
    SERVER,
    SILENT,
    SLOW,
    STRIPE_SIDE,
    UNREACHABLE,
    Facts,
    Limits,
    read_facts,
)

Json = dict[str, Any]

CAUSES = (
    "stripe_outage",
    "rate_limited",
    "lock_timeout",
    "key_rejected",
    "key_stale",
    "permission_denied",
    "mode_mismatch",
    "egress_broken",
    "bad_pod",
    "idempotency_conflict",
    "declines",
    "no_traffic",
    "none",
    "unknown",
)

_STRIPE_TAKES_REQUESTS = frozenset({OK, SLOW, ANSWERED})

Verdict = tuple[str, str]


def payment_cause(given: Mapping[str, Any], limits: Limits, now: dt.datetime) -> Json:
    """Return ``cause``, ``reason``, ``pods`` (those that it shows on), ``key``, ``in_the_way``,
    ``evidence`` and ``gaps``.

    Args:
        given: by the options of the module payment_cause, see there.
        limits: the thresholds.
        now: the instant that the logs were read, aware.
    """
    facts = read_facts(given, limits, now)
    seen = classes_that_matter(facts, limits)
    top = seen[0] if seen else None
    cause, reason = _outage(facts, seen, limits) or _of_class(facts, top, limits) or _without_class(facts, limits)
    shown = STRIPE_SIDE if cause == "stripe_outage" and STRIPE_SIDE in seen else top
    return {
        "cause": cause,
        "reason": reason,
        "pods": sorted(facts.failing(shown)) if shown and cause not in ("none", "unknown") else [],
        "key": facts.key,
        "in_the_way": in_the_way(facts, limits),
        "evidence": _evidence(facts),
        "gaps": list(facts.gaps) or ([reason] if cause == "unknown" else []),
    }


def _outage(facts: Facts, seen: Sequence[str], limits: Limits) -> Verdict | None:
    """Stripe itself: our own request says so, or its page and the pods do."""
    broken, top = facts.probe in (SERVER, SILENT), seen[0] if seen else None
    agree = STRIPE_SIDE in seen and (broken or facts.incident)  # answers 429 or 401 come with many an outage
    if top not in (None, STRIPE_SIDE, NETWORK) and not agree and not (broken and top in (RATE_LIMIT, LOCK)):
        return None
    share = failing_share(facts, limits)
    if share is None and facts.read_all:  # few payments that are well still say more than one answer to us
        share = facts.metrics.ratio
    ours = not (facts.incident or facts.lines(STRIPE_SIDE) or facts.lines(NETWORK))
    if broken and ours and top is None and share is not None and share < limits.failure_ratio:
        return "unknown", f"Stripe does not do what we ask ourselves, while only {share:.1%} of the payments fail"
    shown = STRIPE_SIDE if agree else top
    pods = f", and {where(facts, shown)}" if shown else ""
    if facts.probe == SERVER:
        return "stripe_outage", f"Stripe answers our own request with a server error{pods}{_page(facts)}"
    if facts.probe == SILENT:
        return "stripe_outage", f"Stripe does not answer our own request in time{pods}{_page(facts)}"
    if facts.incident and top:
        slow = " and answers slowly" if facts.probe == SLOW else ""
        return "stripe_outage", f"Stripe's status page has an unresolved incident{slow}{pods}"
    return None


def _page(facts: Facts) -> str:
    said = {True: "has an unresolved incident", False: "knows of none yet", None: "does not tell"}
    return f"; its status page {said[facts.incident]}"


def _of_class(facts: Facts, top: str | None, limits: Limits) -> Verdict | None:
    if top == STRIPE_SIDE:
        return _stripe_side(facts)
    if top == NETWORK:
        return _network(facts)
    if top == AUTH:
        return _key(facts)
    if top == RATE_LIMIT:
        return "rate_limited", f"Stripe turns requests away as too many, {where(facts, top)}{_calls(facts, limits)}"
    if top is None:
        return None
    return {
        PERMISSION: ("permission_denied", f"Stripe refuses what the key may not do, {where(facts, top)}"),
        MODE: ("mode_mismatch", f"a key of one mode is used for objects of the other, {where(facts, top)}"),
        LOCK: ("lock_timeout", f"requests wait in vain for the same object at Stripe, {where(facts, top)}"),
        IDEMPOTENCY: ("idempotency_conflict", f"keys are used again with other parameters, {where(facts, top)}"),
    }[top]


def _stripe_side(facts: Facts) -> Verdict:
    some = _only_some(facts, STRIPE_SIDE)
    if some is None:
        return "unknown", f"Stripe answers with server errors, {where(facts, STRIPE_SIDE)}, but not every pod is known"
    if some:
        return "bad_pod", f"server errors only {where(facts, STRIPE_SIDE)}, while Stripe takes our own request"
    return "stripe_outage", f"Stripe answers the pods with server errors, {where(facts, STRIPE_SIDE)}{_page(facts)}"


def _network(facts: Facts) -> Verdict:
    """The pods do not reach Stripe; whether it is Stripe or the way there, somebody else's request tells."""
    if facts.probe in _STRIPE_TAKES_REQUESTS:
        return "egress_broken", f"Stripe takes our own request, but not those of the pods: {where(facts, NETWORK)}"
    if facts.probe == UNREACHABLE and facts.incident is False:
        return (
            "egress_broken",
            f"neither the pods nor we reach Stripe's API, whose status page knows of nothing: {where(facts, NETWORK)}",
        )
    return "unknown", f"the pods do not reach Stripe, {where(facts, NETWORK)}; whether Stripe is up is not known"


def _key(facts: Facts) -> Verdict:
    """The key that pods use is refused: it is the platform's, or that of pods that are older than the Secret."""
    failing, on = facts.failing(AUTH), where(facts, AUTH)
    if facts.running is None or not failing:
        return "unknown", f"Stripe refuses the key, {on}; which pods that concerns is not known"
    only_old = facts.older is not None and failing <= facts.older
    stale = ("key_stale", f"Stripe refuses the key, {on}, which started before the Secret was changed")
    if only_old and facts.running - failing - (facts.older or frozenset()):
        # whatever the inventory says: the key of the Secret is good in the pods that have it
        if facts.read_all:
            return stale
        if facts.key == "differs":
            return "unknown", f"Stripe refuses the key, {on}, all old; whether that of the Secret is good is not known"
    if facts.key in ("differs", "missing"):
        word = "another key than the one to be used" if facts.key == "differs" else "no key"
        return "key_rejected", f"Stripe refuses the key, {on}, and the Secret holds {word}"
    if failing == facts.running and not (only_old and facts.key == "as_expected"):
        # anything may have written the Secret since; only a key that is known to be right makes a restart help
        return "key_rejected", f"Stripe refuses the key, {on}"
    if only_old:
        return stale
    if facts.older is not None:
        return "key_rejected", f"Stripe refuses the key, {on} so far; every pod has the Secret's key"
    if facts.read_all:
        return "key_stale", f"Stripe refuses the key, {on}, while the other pods' is good"
    return "unknown", f"Stripe refuses the key, {on}; whether other pods' is good is not known"


def _without_class(facts: Facts, limits: Limits) -> Verdict:
    share = failing_share(facts, limits)
    ratio = facts.metrics.ratio
    if share is not None and share * (facts.declined or 0.0) >= limits.failure_ratio:
        text = f"{share:.0%} of the payments fail, {facts.declined:.0%} of them because the card is declined"
        return "declines", text
    if share is not None and share >= limits.failure_ratio:
        return "unknown", f"{share:.0%} of the payments fail, and {mix(facts)}"
    if facts.metrics.events == 0 and (facts.metrics.events_before or 0) >= limits.min_events:
        return "no_traffic", f"no payment is made, {facts.metrics.events_before:.0f} were in as long a time before"
    if facts.metrics.events == 0:
        before = facts.metrics.events_before
        number = "an unknown number" if before is None else f"{before:.0f}" if before else "none"
        return (
            "unknown",
            f"no payment was made, and {number} in as long a time before: whether that is usual is not known",
        )
    throttled = facts.metrics.throttled_ratio
    if throttled is not None and throttled >= limits.throttled_ratio:
        return "unknown", f"Stripe turns {throttled:.0%} of the calls away, and no log line of the pods says why"
    for name in doubtful(facts, limits):
        return "unknown", f"{where(facts, name)} speak of {name}, and nothing of the kind is counted"
    missing = _needed(facts)
    if missing:
        return "unknown", f"nothing speaks of a failure, but {'; '.join(missing)}"
    few = "" if share is not None else ", but there were few"
    said = f"{ratio:.1%} of the payments fail{few}" if ratio is not None else "no payment was made"
    return "none", f"{said}, and no error that matters is in the logs"


def _needed(facts: Facts) -> list[str]:
    """What has to be known before all is well: the logs of all pods, Stripe's API and how many payments fail."""
    known = {
        "logs": facts.read_all,
        "Stripe's API": facts.probe not in (None, UNREACHABLE),
        "Prometheus": facts.metrics.events is not None,
    }
    return [gap for gap in facts.gaps if not known.get(gap.partition(":")[0], True)]


def _only_some(facts: Facts, name: str) -> bool | None:
    """Whether only some of the running pods show a class; ``None`` where that is not known."""
    failing = facts.failing(name)
    if facts.running is None or not failing:
        return None
    if failing == facts.running:
        return False
    return True if facts.read_all else None


def _calls(facts: Facts, limits: Limits) -> str:
    """Whether our own calls are the burst, as far as a mean can tell: Stripe counts each second by itself."""
    calls = facts.metrics.calls_per_s
    if calls is None:
        return "; how many calls were made is not known"
    said = f"; up to {calls:.1f} calls a second were made, as a mean over {limits.burst_s:g} s"
    takes = f"more than the {limits.account_rps:g} that it takes"
    if calls > limits.account_rps:
        return f"{said}, which is {takes}"
    return f"{said}: a burst of {takes} within one second does not show in it"


def _evidence(facts: Facts) -> list[Json]:
    metrics = facts.metrics
    return [
        {"source": "status_page", "incident": facts.incident},
        {"source": "stripe_api", "probe": facts.probe},
        *(
            {"source": "logs", "class": name, "lines": facts.lines(name), "pods": sorted(facts.failing(name))}
            for name in (*INFRASTRUCTURE, DECLINES)
            if facts.lines(name)
        ),
        {"source": "secret", "key": facts.key, "pods_older": sorted(facts.older) if facts.older is not None else None},
        {
            "source": "payments",
            "failure_ratio": metrics.ratio,
            "events": metrics.events,
            "declined_share": facts.declined,
            "calls_per_s": metrics.calls_per_s,
            "throttled_ratio": metrics.throttled_ratio,
        },
    ]
