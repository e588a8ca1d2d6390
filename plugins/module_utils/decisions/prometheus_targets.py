# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether the targets of a job were scraped, so that silence can be told from absence. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_answers import (
    Sample,
    UnreadableError,
    labels_of,
    read_samples,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.prometheus_queries import SCRAPED_AT

MOST_SHOWN = 50
Json = dict[str, Any]


def targets_facts(job: str, data: Mapping[str, Any] | None, max_age_s: int, problem: str | None = None) -> Json:
    """Return what is known of the targets of a job.

    Args:
        job: its name.
        data: what the request of ``targets_request`` gave; ``None`` when there was no answer.
        max_age_s: a scrape older than this is stale, seconds.
        problem: why there was no answer.

    Returns:
        ``state`` is ``up`` (every target up and fresh), ``partial`` (some), ``down`` (none, whether down or stale),
        ``missing`` (Prometheus knows none) or ``unknown``; with counts and the targets, those that fail first.
    """
    facts: Json = {"job": job, "state": "unknown", "reason": problem, "total": None, "up": None, "down": None}
    facts |= {"stale": None, "oldest_scrape_s": None, "list": [], "truncated": False}
    if data is None:
        return facts
    try:
        targets = _targets(read_samples(data), max_age_s)
    except UnreadableError as error:
        return facts | {"reason": str(error)}
    counts = {state: sum(target["state"] == state for target in targets) for state in ("up", "down", "stale")}
    ages = [target["scraped_s_ago"] for target in targets if target["scraped_s_ago"] is not None]
    state = _state(len(targets), counts["up"])
    targets.sort(key=lambda target: (target["state"] == "up", target["instance"]))
    return facts | {
        "state": state,
        "reason": None if state == "up" else _reason(job, len(targets), counts, max_age_s),
        "total": len(targets),
        **counts,
        "oldest_scrape_s": max(ages, default=None),
        "list": targets[:MOST_SHOWN],
        "truncated": len(targets) > MOST_SHOWN,
    }


def _targets(samples: list[Sample], max_age_s: int) -> list[Json]:
    scraped = {_identity(sample.labels): sample.value for sample in samples if SCRAPED_AT in sample.labels}
    targets = []
    for sample in samples:
        if SCRAPED_AT in sample.labels:
            continue
        at = scraped.get(_identity(sample.labels))
        age = None if at is None else round(max(sample.at - at, 0.0), 1)
        state = "up" if sample.value == 1 else "down"
        if age is None or age > max_age_s:
            state = "stale"  # an instant vector looks back for minutes, so "up" may be long ago
        labels = labels_of({key: value for key, value in sample.labels.items() if key not in {"__name__", "job"}})
        targets.append({"instance": labels.pop("instance", ""), "state": state, "scraped_s_ago": age, "labels": labels})
    return targets


def _identity(labels: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((key, value) for key, value in labels.items() if key not in {"__name__", SCRAPED_AT})


def _state(total: int, up: int) -> str:
    if not total:
        return "missing"
    if not up:
        return "down"
    return "up" if up == total else "partial"


def _reason(job: str, total: int, counts: Mapping[str, int], max_age_s: int) -> str:
    if not total:
        return f"Prometheus has no target of the job {job}"
    parts = [f"{counts['down']} down"] if counts["down"] else []
    parts += [f"{counts['stale']} not scraped for more than {max_age_s} s"] if counts["stale"] else []
    return f"of {total} targets of the job {job}: {', '.join(parts)}"
