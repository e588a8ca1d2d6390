# SPDX-License-Identifier: GPL-3.0-or-later
"""What speaks against trying payments again, whatever the cause."""

from __future__ import annotations

import pytest

from support.payment_facts import (
    INCIDENT,
    NO_METRICS,
    PAGE_UNKNOWN,
    Json,
    api,
    judged,
    metrics,
    status,
)

WELL = metrics(0.0, 200)


def endpoint(problem: str | None = None, message: str | None = None) -> Json:
    """What stripe_webhook_endpoints says."""
    return {"reachable": True, "problems": [{"problem": problem, "message": message}] if problem else []}


IN_THE_WAY: dict[str, tuple[str | None, Json]] = {
    "nothing": (None, {}),
    "an incident": ("unresolved incident", {"status": INCIDENT}),
    "the page is unknown": ("status page", {"status": PAGE_UNKNOWN}),
    "the page is stale": ("status page", {"status": status(fresh=False)}),
    "slow": ("slow", {"api": api(latency_s=2.9)}),
    "how fast is unknown": ("fast", {"api": api(latency_s=None)}),
    "our own request is refused": ("own request", {"api": api("forbidden")}),
    "our own request was not made": ("own request", {"api": {}}),
    "throttled": ("turns 50% of the calls away", {"metrics": metrics(throttled_ratio=0.5, calls_per_s=80.0)}),
    "throttled is unknown": ("how many calls", {"metrics": metrics(throttled_ratio=None)}),
    "payments failed of late": ("10.0% of the payments", {"metrics": metrics(trouble_ratio=0.1)}),
    "nobody pays": ("no payment shows", {"metrics": metrics(trouble_ratio=None)}),
    "no metrics": ("no payment shows", {"metrics": NO_METRICS}),
    "one payment got through": ("1 payments are too few", {"metrics": metrics(0.0, 1)}),
    "the webhook endpoint was not looked at": ("is not known: not asked", {"webhooks": {}}),
    "the key may not look": ("is not known: may not", {"webhooks": {"reachable": False, "message": "may not"}}),
    "events are not delivered": ("we_1 is disabled", {"webhooks": endpoint("disabled", "we_1 is disabled")}),
    "there are two endpoints": (None, {"webhooks": endpoint("duplicates", "we_2 delivers to the same URL")}),
}


@pytest.mark.parametrize(("part", "given"), IN_THE_WAY.values(), ids=IN_THE_WAY)
def test_what_speaks_against_moving_money_is_named(part: str | None, given: Json) -> None:
    said = judged(**{"metrics": WELL, "webhooks": endpoint()} | given)["in_the_way"]
    assert (said == []) is (part is None), said
    assert part is None or any(part in text for text in said), said
