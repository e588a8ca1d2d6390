# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which errors of the pods count, by what the log says and what is counted beside it. Pure, no I/O.

Anybody may get a word into a log. A class of lines is believed where failed payments or answers of Stripe are counted
that fit it; where nothing counts them, the lines stand alone, and that is said.
"""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.payment_cause_facts import (
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
    REASONS,
    SLOW,
    STRIPE_SIDE,
    Facts,
    Limits,
)

# a working system never logs one of these
NEVER_NORMAL = (AUTH, PERMISSION, MODE)
_COUNTED = frozenset(REASONS.values())
# what Stripe answers then, as the platform counts it: the beginning of the HTTP status, or that there was no answer
_STATUSES = {
    STRIPE_SIDE: ("5",),
    AUTH: ("401",),
    PERMISSION: ("403",),
    RATE_LIMIT: ("429",),
    LOCK: ("429",),
    MODE: ("404",),
    NETWORK: ("error",),
    IDEMPOTENCY: ("400", "409"),
}


def failing_share(facts: Facts, limits: Limits) -> float | None:
    """Return the share of the payments that fail; ``None`` where there are too few to tell."""
    enough = facts.metrics.events is not None and facts.metrics.events >= limits.min_events
    return facts.metrics.ratio if enough else None


def classes_that_matter(facts: Facts, limits: Limits) -> list[str]:
    """Return the classes of errors that occur now and say something, the most frequent first."""
    found = [name for name in INFRASTRUCTURE if _seen(facts, name) and _matters(facts, name, limits)]
    return sorted(found, key=lambda name: _weight(facts, name), reverse=True)


def doubtful(facts: Facts, limits: Limits) -> list[str]:
    """Return the classes that no working system logs, that the log is full of, and that nothing else shows."""
    return [name for name in NEVER_NORMAL if facts.lines(name) >= limits.min_lines and agrees(facts, name) is False]


def agrees(facts: Facts, name: str) -> bool | None:
    """Whether what is counted fits lines of a class; ``None`` where nothing would count it."""
    said = [known for known in (_by_reason(facts, name), _by_status(facts, name)) if known is not None]
    return any(said) if said else None


def where(facts: Facts, name: str) -> str:
    """Return in words how often a class was seen, and on which share of the pods."""
    lines, failing = facts.lines(name), facts.failing(name)
    if not lines:
        return f"{_counted(facts, name) or 0:.0f} failed payments"
    total = f"{len(failing)} of {len(facts.running)}" if facts.running is not None else str(len(failing))
    return f"{lines} lines of {total} pods{' (by the log alone)' if agrees(facts, name) is None else ''}"


def mix(facts: Facts) -> str:
    """Return in words which failures there are, where no single kind of them is enough."""
    names = (*INFRASTRUCTURE, DECLINES)
    logged = [f"{name} {facts.lines(name)}" for name in names if facts.lines(name)]
    reasons = sorted((facts.metrics.reasons or {}).items(), key=lambda item: -item[1])[:8]
    counted = [f"{' '.join(name.split())[:40] or 'other'} {count:.0f}" for name, count in reasons if count > 0]
    text = f"; counted: {', '.join(counted)}" if counted else ""
    if not logged:
        return f"no log line of the pods says why{text}"
    return f"no kind of error alone explains it; log lines: {', '.join(logged)}{text}"


def in_the_way(facts: Facts, limits: Limits) -> list[str]:
    """Return in words what speaks against trying payments again now; what is not known speaks against it."""
    page = {True: "Stripe's status page has an unresolved incident", None: "Stripe's status page is not known"}
    metrics = facts.metrics
    throttled, trouble = metrics.throttled_ratio, metrics.trouble_ratio
    found = [page.get(facts.incident, "")]
    if facts.probe != OK:
        slow = facts.probe == SLOW
        found.append("Stripe answers slowly" if slow else "Stripe is not known to take our own request")
    elif facts.latency_s is None:
        found.append("how fast Stripe answers is not known")
    if throttled is None:
        found.append("how many calls Stripe turns away is not known")
    elif throttled >= limits.throttled_ratio:
        found.append(f"Stripe turns {throttled:.0%} of the calls away")
    if trouble is None:  # also where nobody pays
        found.append("no payment shows that the way is open")
    elif metrics.events is None or metrics.events < limits.min_events:
        found.append(f"{metrics.events or 0:.0f} payments are too few to show that the way is open")
    elif trouble >= limits.failure_ratio:
        found.append(f"{trouble:.1%} of the payments have failed of late, other than for the card")
    return [text for text in [*found, facts.deaf] if text]


def _seen(facts: Facts, name: str) -> bool:
    """Whether a class occurs now. Where every log was read, what is in none of them is over, whatever is counted."""
    return bool(facts.lines(name)) or (not facts.read_all and bool(_counted(facts, name)))


def _matters(facts: Facts, name: str, limits: Limits) -> bool:
    if agrees(facts, name) is False:
        return False
    if name in NEVER_NORMAL:  # one line may be anybody's
        return max(facts.lines(name), _counted(facts, name) or 0.0) >= limits.min_lines
    throttled = facts.metrics.throttled_ratio
    if name in (RATE_LIMIT, LOCK) and throttled is not None and throttled >= limits.throttled_ratio:
        return True
    share = failing_share(facts, limits)
    if share is None:
        return facts.lines(name) >= limits.min_lines or not facts.lines(name)
    if share * (1 - (facts.declined or 0.0)) < limits.failure_ratio:
        return False
    return _is_much(facts, name, share, limits)


def _is_much(facts: Facts, name: str, share: float, limits: Limits) -> bool:
    """Whether a class is enough of the failures, or the most of them that are no declines."""
    count, reasons = _counted(facts, name), facts.metrics.reasons or {}
    if count is None:
        return True
    total = sum(reasons.values())
    most = max((number for other, number in reasons.items() if other != DECLINES), default=0.0)
    return count > 0 and (count >= most or share * count / total >= limits.failure_ratio)


def _weight(facts: Facts, name: str) -> tuple[float, int]:
    """What is counted goes before what is logged: one error may fill many lines."""
    count, lines = _counted(facts, name), facts.lines(name)
    return (float(lines) if count is None else count), lines


def _counted(facts: Facts, name: str) -> float | None:
    """Failed payments of a class; ``None`` where they are not counted by words that are known here."""
    reasons = facts.metrics.reasons
    if name not in _COUNTED or reasons is None:
        return None
    told = any(known in reasons for known in INFRASTRUCTURE) or reasons.keys() <= _COUNTED
    return reasons.get(name, 0.0) if told else None


def _by_reason(facts: Facts, name: str) -> bool | None:
    count = _counted(facts, name)
    return None if count is None else count > 0


def _by_status(facts: Facts, name: str) -> bool | None:
    """Whether Stripe gave answers of a class's status; requests that are no payments count too."""
    statuses, wanted = facts.metrics.statuses, _STATUSES.get(name, ())
    if name in (RATE_LIMIT, LOCK) and facts.metrics.throttled_ratio:
        return True
    if statuses is None or not wanted or (name == NETWORK and "error" not in statuses):
        return None
    return any(count > 0 and status.startswith(wanted) for status, count in statuses.items())
