# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What the systems around payments say, read from the results of the modules that asked them. Pure, no I/O.

What is not known is ``None`` and named in ``gaps``; it is never read as nought.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import in_utc

Json = dict[str, Any]

STRIPE_SIDE, NETWORK, AUTH, PERMISSION = "stripe_side", "network", "auth", "permission"
RATE_LIMIT, LOCK, MODE, IDEMPOTENCY, DECLINES = "rate_limit", "lock", "mode_mismatch", "idempotency", "declines"
# classes of log lines in the order in which they decide where they are equally frequent; others are ignored
INFRASTRUCTURE = (STRIPE_SIDE, AUTH, PERMISSION, MODE, RATE_LIMIT, LOCK, NETWORK, IDEMPOTENCY)

# what the platform's metric calls them
REASONS = {
    "api_error": STRIPE_SIDE,
    "authentication": AUTH,
    "rate_limit": RATE_LIMIT,
    "lock_timeout": LOCK,
    "connection": NETWORK,
    "mode": MODE,
    "card_declined": DECLINES,
}

# What our own request to Stripe met: the causes of StripeError, in the words of this decision
OK, SLOW, SERVER, SILENT, UNREACHABLE, ANSWERED = "ok", "slow", "server", "silent", "unreachable", "answered"
_PROBE = {
    "server_error": SERVER,
    "timeout": SILENT,
    "unreachable": UNREACHABLE,
    **dict.fromkeys(("invalid_auth", "key_expired", "forbidden", "not_found", "mode_mismatch"), ANSWERED),
    **dict.fromkeys(("rate_limited", "lock_timeout", "idempotency", "card_error"), ANSWERED),
}


@dataclass(frozen=True)
class Limits:
    """Thresholds.

    Attributes:
        failure_ratio: share of failed payments from which it is an incident.
        min_events: payments below which a share says nothing.
        min_lines: log lines of a class that count where no share is known.
        throttled_ratio: share of calls answered 429 from which it is an incident.
        account_rps: requests a second that Stripe takes.
        slow_s: seconds from which an answer of Stripe is slow.
        recent_s: seconds within which a class of log lines must have been seen last to say anything of now.
        burst_s: seconds of which ``calls_per_s`` of the metrics is the mean.
    """

    failure_ratio: float
    min_events: float
    min_lines: int
    throttled_ratio: float
    account_rps: float
    slow_s: float
    recent_s: float
    burst_s: float


@dataclass(frozen=True)
class Metrics:
    """What Prometheus says of the last minutes; ``None`` where it has no data."""

    ratio: float | None = None
    events: float | None = None
    events_before: float | None = None
    reasons: Mapping[str, float] | None = None
    calls_per_s: float | None = None
    throttled_ratio: float | None = None
    trouble_ratio: float | None = None
    statuses: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Facts:
    """What is known.

    Attributes:
        incident: whether Stripe's status page has an unresolved incident that concerns payments and is fresh.
        probe: what our own request to Stripe met, one of the words above.
        latency_s: how long its answer took.
        classes: lines of each class that was seen of late, of pods that stay.
        pods: names of the pods that wrote them, by class.
        read_all: whether every log was read, to its end.
        running: names of the pods that run and stay.
        older: names of the pods that started before the Secret was last changed.
        key: whether the Secret's key is ``as_expected``, ``differs`` or is ``missing``.
        metrics: see there.
        declined: share of the failed payments that a bank or Radar declined.
        deaf: why the platform may not hear what becomes of a payment; empty where its webhook endpoint is well.
        gaps: what is not known, in words.
    """

    incident: bool | None = None
    probe: str | None = None
    latency_s: float | None = None
    classes: Mapping[str, int] = field(default_factory=dict)
    pods: Mapping[str, frozenset[str]] = field(default_factory=dict)
    read_all: bool = False
    running: frozenset[str] | None = None
    older: frozenset[str] | None = None
    key: str | None = None
    metrics: Metrics = field(default_factory=Metrics)
    declined: float | None = None
    deaf: str = ""
    gaps: Sequence[str] = ()

    def lines(self, name: str) -> int:
        """How many lines are of a class."""
        return self.classes.get(name, 0)

    def failing(self, name: str) -> frozenset[str]:
        """The pods that wrote lines of a class."""
        return self.pods.get(name, frozenset())


def read_facts(given: Mapping[str, Any], limits: Limits, now: dt.datetime) -> Facts:
    """Return what the results of the modules say.

    Args:
        given: by the options of the module payment_cause; a result that there is none of is empty.
        now: the instant that the logs were read, aware.
    """
    logs, workload = given.get("logs") or {}, given.get("workload") or {}
    api, secret, prometheus = given.get("api") or {}, given.get("stored_key") or {}, given.get("metrics") or {}
    running = _running(workload)
    classes, pods = _seen(logs, running, limits.recent_s, now)
    counted = _metrics(prometheus)
    incident, probe = _incident(given.get("status") or {}), _probe(api, limits.slow_s)
    metrics = counted if counted.events is not None else _listed(api.get("recent") or {}, limits)
    read_all = _unread(logs) is None
    key = _key(secret, given.get("stored_key_name"), given.get("expected_fingerprint"))
    gaps = [
        _gap("Stripe's status page", given.get("status"), incident),
        _gap("Stripe's API", api, None if probe == UNREACHABLE else probe),
        _gap("the pods", workload, running),
        f"logs: {_unread(logs)}" if not read_all else "",
        _gap("the Secret", secret, secret.get("exists")),
        "" if key or not secret.get("exists") else "which key is right is not known",
        _gap("Prometheus", prometheus, counted.events),
    ]
    return Facts(
        incident=incident,
        probe=probe,
        latency_s=api.get("latency_s"),
        classes=classes,
        pods=pods,
        read_all=read_all,
        running=running,
        older=_older(secret),
        key=key,
        metrics=metrics,
        declined=_declined(metrics, classes),
        deaf=_deaf(given.get("webhooks") or {}),
        gaps=[gap for gap in gaps if gap],
    )


def _gap(what: str, result: Mapping[str, Any] | None, known: Any) -> str:
    if known is not None:
        return ""
    if not result:
        return f"{what}: not asked"
    said = result.get("message") or result.get("cause") or "no data"
    return f"{what}: {' '.join(str(said).split())[:200]}"


def _incident(status: Mapping[str, Any]) -> bool | None:
    """A page that is stale or not understood says nothing; one that knows of no incident may lag behind."""
    if status.get("status") not in ("ok", "degraded", "down") or status.get("fresh") is False:
        return None
    affected = status.get("affected_relevant")
    if affected is None:  # a page that is well and lists nothing knows of nothing
        return False if status["status"] == "ok" and not status.get("incidents_unresolved") else None
    return bool(affected)


def _deaf(webhooks: Mapping[str, Any]) -> str:
    """Two endpoints at one URL are heard all the same."""
    if not webhooks.get("reachable"):
        said = " ".join(str(webhooks.get("message") or "not asked").split())[:200]
        return f"whether Stripe tells the platform what becomes of a payment is not known: {said}"
    wrong = [each for each in webhooks.get("problems") or [] if each.get("problem") != "duplicates"]
    return f"Stripe does not tell the platform what becomes of a payment: {wrong[0].get('message')}" if wrong else ""


def _probe(api: Mapping[str, Any], slow_s: float) -> str | None:
    if not api:
        return None
    if api.get("cause"):
        return _PROBE.get(str(api["cause"]))
    if not api.get("reachable"):
        return None
    latency = api.get("latency_s")
    return SLOW if latency is not None and latency >= slow_s else OK


def _seen(
    logs: Mapping[str, Any], running: frozenset[str] | None, recent_s: float, now: dt.datetime
) -> tuple[dict[str, int], dict[str, frozenset[str]]]:
    """The classes of which a line was written of late, by pods that stay; one without a time may be of now."""
    counts: dict[str, int] = {}
    pods: dict[str, frozenset[str]] = {}
    for name, found in _mapping(logs.get("classes")).items():
        age = _age_s(_mapping(found).get("last_at"), now)
        by_pod = {pod: int(count) for pod, count in _mapping(_mapping(found).get("pods")).items() if count}
        staying = {pod: count for pod, count in by_pod.items() if running is None or pod in running}
        if staying and age <= recent_s:
            counts[name], pods[name] = sum(staying.values()), frozenset(staying)
    return counts, pods


def _age_s(last: Any, now: dt.datetime) -> float:
    try:
        at = dt.datetime.fromisoformat(last)
    except (TypeError, ValueError):
        return 0.0
    return (now - in_utc(at)).total_seconds()


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _unread(logs: Mapping[str, Any]) -> str | None:
    """Why an absence of lines proves nothing; ``None`` where it does."""
    if not logs or not logs.get("reachable"):
        return str(logs.get("message") or logs.get("cause") or "not read")
    total, read = int(logs.get("pods_total") or 0), int(logs.get("pods_read") or 0)
    if logs.get("pods_total") is None:
        return str(logs.get("message") or logs.get("cause") or "not read")
    if not total or read < total or logs.get("pods_unread"):
        return f"those of {read} of {total} pods were read"
    return f"{len(logs['truncated'])} were cut off" if logs.get("truncated") else None


def _running(workload: Mapping[str, Any]) -> frozenset[str] | None:
    if not workload.get("reachable") or workload.get("pods_total") is None:
        return None
    return frozenset(pod["name"] for pod in workload.get("pods") or [] if not pod.get("deleting"))


def _older(secret: Mapping[str, Any]) -> frozenset[str] | None:
    if not secret.get("exists") or not secret.get("changed_at") or secret.get("unknown"):
        return None
    return frozenset(pod["name"] for pod in secret.get("pods_older") or [])


def _key(secret: Mapping[str, Any], name: str | None, expected: str | None) -> str | None:
    if secret.get("exists") is False:
        return "missing"
    if not secret.get("exists"):  # an API server that answers may refuse to show it
        return None
    facts = (secret.get("keys") or {}).get(name) or {}
    if not facts.get("exists") or facts.get("empty"):
        return "missing"
    if not expected:
        return None
    return "as_expected" if facts.get("fingerprint") == expected else "differs"


def _metrics(result: Mapping[str, Any]) -> Metrics:
    values = {name: entry for name, entry in (result.get("answers") or {}).items() if isinstance(entry, Mapping)}

    def value(name: str) -> float | None:
        entry = values.get(name) or {}
        return float(entry["value"]) if entry.get("status") == "value" and entry.get("value") is not None else None

    return Metrics(
        ratio=value("failure_ratio"),
        events=value("events"),
        events_before=value("events_before"),
        reasons=_reasons(values.get("failed_by_reason") or {}, value("failure_ratio")),
        calls_per_s=value("calls_per_s"),
        throttled_ratio=value("throttled_ratio"),
        trouble_ratio=value("trouble_ratio"),
        statuses=_by_label(values.get("calls_by_status") or {}, "status"),
    )


def _listed(recent: Mapping[str, Any], limits: Limits) -> Metrics:
    """What Stripe's own list says, where Prometheus cannot tell how many payments failed."""
    total, failed = float(recent.get("total") or 0), float(recent.get("failed") or 0)
    if total < limits.min_events:
        return Metrics()
    errors = (recent.get("by_error") or {}).items()
    cards = sum(float(count) for error, count in errors if str(error).startswith("card_error"))
    return Metrics(ratio=failed / total, events=total, reasons={DECLINES: cards, "": failed - cards})


def _reasons(entry: Mapping[str, Any], ratio: float | None) -> dict[str, float] | None:
    """Failed payments by class. A counter of failures without a series says that none failed."""
    found = _by_label(entry, "reason")
    if found is None:
        return {} if ratio == 0 and entry.get("status") == "no_data" else None
    counts: dict[str, float] = {}
    for reason, count in found.items():
        name = REASONS.get(reason, reason)
        counts[name] = counts.get(name, 0.0) + count
    return counts


def _by_label(entry: Mapping[str, Any], label: str) -> dict[str, float] | None:
    """What the samples of a vector say, by the value of a label."""
    if entry.get("status") != "value":
        return None
    counts: dict[str, float] = {}
    for sample in entry.get("series") or entry.get("samples") or []:
        labels = sample.get("labels") or sample.get("metric") or {}
        if label in labels and sample.get("value") is not None:
            counts[str(labels[label])] = counts.get(str(labels[label]), 0.0) + float(sample["value"])
    return counts or None


def _declined(metrics: Metrics, classes: Mapping[str, int]) -> float | None:
    """Share of the failures that are declines: as counted, or else as logged."""
    counts: Mapping[str, float] = metrics.reasons or {name: float(count) for name, count in classes.items()}
    total = sum(counts.values())
    return counts.get(DECLINES, 0.0) / total if total > 0 else None
