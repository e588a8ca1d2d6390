# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision table of payment-failure, row by row: what is read, and the cause that it has to be."""

from __future__ import annotations

from support.payment_facts import (
    ALL,
    CLUSTER_DOWN,
    CUT_OFF,
    ELSEWHERE,
    INCIDENT,
    NO_METRICS,
    ONE,
    PAGE_UNKNOWN,
    PODS,
    THROTTLED,
    WRONG,
    Json,
    api,
    failing,
    logs,
    metrics,
    status,
    stored_key,
    workload,
)

# One block for each row of the decision table: the row itself, then the same with parts unknown or otherwise
ROWS: dict[str, tuple[str, Json]] = {
    # Stripe relevant incident unresolved (fresh), own API probe 5xx or slow, all pods
    "outage": (
        "stripe_outage",
        {
            "status": INCIDENT,
            "api": api("server_error"),
            "logs": logs(stripe_side=ALL),
            "metrics": failing("api_error"),
        },
    ),
    "outage: slow": (
        "stripe_outage",
        {"status": INCIDENT, "api": api(latency_s=9), "logs": logs(network=ALL), "metrics": failing("connection")},
    ),
    "outage: the page does not know yet": (
        "stripe_outage",
        {"api": api("server_error"), "logs": logs(stripe_side=ALL), "metrics": failing("api_error")},
    ),
    "outage: the page is unknown": (
        "stripe_outage",
        {"status": PAGE_UNKNOWN, "api": api("server_error"), "logs": logs(stripe_side=ALL)},
    ),
    "outage: it does not answer": (
        "stripe_outage",
        {"api": api("timeout"), "logs": logs(network=ALL), "metrics": failing("connection")},
    ),
    "outage: nothing else is known": (
        "stripe_outage",
        {"api": api("server_error"), "logs": CLUSTER_DOWN, "workload": CLUSTER_DOWN, "metrics": NO_METRICS},
    ),
    "outage: seen by all pods and not by us": (
        "stripe_outage",
        {"logs": logs(stripe_side=ALL), "metrics": failing("api_error")},
    ),
    "outage: our own key is not good": (
        "stripe_outage",
        {"status": INCIDENT, "api": api("forbidden"), "logs": logs(stripe_side=ALL), "metrics": failing("api_error")},
    ),
    "outage: only some pods get server errors": (
        "bad_pod",
        {"logs": logs(stripe_side=ONE), "metrics": failing("api_error", 0.4)},
    ),
    "outage: whether all pods get them is unknown": (
        "unknown",
        {"logs": logs(stripe_side=ONE) | CUT_OFF, "metrics": failing("api_error", 0.4)},
    ),
    "outage: which pods there are is unknown": (
        "unknown",
        {"workload": CLUSTER_DOWN, "logs": logs(stripe_side=ONE), "metrics": failing("api_error", 0.4)},
    ),
    "outage: an incident of Stripe without failures is none of ours": ("none", {"status": INCIDENT}),
    "outage: an incident of an irrelevant component explains nothing": (
        "key_rejected",
        {"status": ELSEWHERE, "logs": logs(auth=ALL), "metrics": failing("authentication")},
    ),
    "outage: a page that does not say what it is about explains nothing": (
        "egress_broken",
        {
            "status": status("down", affected_relevant=None),
            "logs": logs(network=ALL),
            "metrics": failing("connection"),
        },
    ),
    "outage: a stale page explains nothing": (
        "egress_broken",
        {"status": INCIDENT | {"fresh": False}, "logs": logs(network=ALL), "metrics": failing("connection")},
    ),
    # 429 rate_limit, calls/s > limit
    "rate limit": ("rate_limited", {"logs": logs(rate_limit=ALL), "metrics": THROTTLED}),
    "rate limit: payments succeed when tried again": (
        "rate_limited",
        {"logs": logs(rate_limit=ALL), "metrics": metrics(0.0, throttled_ratio=0.02)},
    ),
    "rate limit: calls are unknown": ("rate_limited", {"logs": logs(rate_limit=ALL), "metrics": NO_METRICS}),
    "rate limit: the logs are unknown": ("rate_limited", {"logs": CLUSTER_DOWN, "metrics": THROTTLED}),
    "rate limit: hardly ever": ("none", {"logs": logs(rate_limit={"a": 1}), "metrics": metrics(0.0)}),
    "rate limit: one line and no share known": (
        "unknown",
        {"logs": logs(rate_limit={"a": 1}), "metrics": NO_METRICS},
    ),
    # 429 lock_timeout
    "lock timeout": (
        "lock_timeout",
        {"logs": logs(lock=ALL), "metrics": metrics(0.6, throttled_ratio=0.6, reasons={"lock_timeout": 120.0})},
    ),
    "lock timeout: with some of the other kind": (
        "lock_timeout",
        {"logs": logs(lock=ALL, rate_limit={"a": 2}), "metrics": metrics(0.6, throttled_ratio=0.6)},
    ),
    # 401/api_key_expired all pods
    "key rejected": ("key_rejected", {"logs": logs(auth=ALL), "metrics": failing("authentication")}),
    "key rejected: the Secret holds another": (
        "key_rejected",
        {"logs": logs(auth=ALL), "stored_key": stored_key(WRONG), "metrics": failing("authentication")},
    ),
    "key stale: another than the vault's, and the pod that has it is well": (
        "key_stale",
        {"logs": logs(auth=ONE), "stored_key": stored_key(WRONG, ("b",)), "metrics": failing("authentication")},
    ),
    "key: another, old pods fail, and whether new ones do is unknown": (
        "unknown",
        {
            "logs": logs(auth=ONE) | CUT_OFF,
            "stored_key": stored_key(WRONG, ("b",)),
            "metrics": failing("authentication", 0.5),
        },
    ),
    "key rejected: which is right is unknown, and all pods are older": (
        "key_rejected",
        {
            "logs": logs(auth=ALL),
            "stored_key": stored_key(older=PODS),
            "metrics": failing("authentication"),
            "expected": None,
        },
    ),
    "key rejected: another, and all pods are older": (
        "key_rejected",
        {"logs": logs(auth=ALL), "stored_key": stored_key(WRONG, ("a", "b")), "metrics": failing("authentication")},
    ),
    "no key rejected: one line among many payments": ("none", {"logs": logs(auth={"a": 1})}),
    "outage: with answers 429 among the errors": (
        "stripe_outage",
        {
            "status": INCIDENT,
            "api": api("server_error"),
            "logs": logs(stripe_side=ALL, rate_limit=ALL),
            "metrics": metrics(0.6, throttled_ratio=0.4, reasons={"api_error": 80.0, "rate_limit": 100.0}),
        },
    ),
    "outage: the page and the pods agree, with more answers 429": (
        "stripe_outage",
        {
            "status": INCIDENT,
            "logs": logs(stripe_side=ALL, rate_limit=ALL),
            "metrics": metrics(0.9, throttled_ratio=0.4, reasons={"api_error": 80.0, "rate_limit": 100.0}),
        },
    ),
    "rate limit: a few server errors and an incident are no outage": (
        "rate_limited",
        {
            "status": INCIDENT,
            "logs": logs(stripe_side={"a": 3}, rate_limit=ALL),
            "metrics": metrics(0.4, throttled_ratio=0.4, reasons={"api_error": 3.0, "rate_limit": 77.0}),
        },
    ),
    "no outage: only our own request fails": ("unknown", {"api": api("timeout")}),
    "no outage: only our own request fails, and few pay": (
        "unknown",
        {"api": api("timeout"), "metrics": metrics(0.0, 5)},
    ),
    "throttled: no log line says why": ("unknown", {"metrics": metrics(0.0, throttled_ratio=0.5)}),
    "key rejected: the Secret is gone": (
        "key_rejected",
        {
            "logs": logs(auth=ALL),
            "metrics": failing("authentication"),
            "stored_key": {"reachable": False, "exists": False, "message": "not found"},
        },
    ),
    "key rejected: the Secret is unknown": (
        "key_rejected",
        {"logs": logs(auth=ALL), "stored_key": CLUSTER_DOWN, "metrics": NO_METRICS},
    ),
    "key rejected: the Secret may not be read": (
        "key_rejected",
        {
            "logs": logs(auth=ALL),
            "metrics": failing("authentication"),
            "stored_key": {"reachable": True, "exists": None, "cause": "forbidden", "keys": {}},
        },
    ),
    "key rejected: only some pods were asked to pay": (
        "key_rejected",
        {"logs": logs(auth=ONE), "metrics": failing("authentication", 0.02)},
    ),
    "key rejected: the pods are unknown": (
        "unknown",
        {"logs": logs(auth=ALL), "workload": CLUSTER_DOWN, "metrics": failing("authentication")},
    ),
    "key rejected: only the counter says so": (
        "unknown",
        {"logs": CLUSTER_DOWN, "metrics": failing("authentication")},
    ),
    # 401 on some pods only
    "key stale": (
        "key_stale",
        {"logs": logs(auth=ONE), "stored_key": stored_key(older=("b",)), "metrics": failing("authentication", 0.5)},
    ),
    "key stale: one pod of many is below the threshold": (
        "key_stale",
        {"logs": logs(auth=ONE), "stored_key": stored_key(older=("b",)), "metrics": failing("authentication", 0.02)},
    ),
    "key stale: nobody was restarted": (
        "key_stale",
        {"logs": logs(auth=ALL), "stored_key": stored_key(older=PODS), "metrics": failing("authentication")},
    ),
    "key stale: the Secret is unknown": (
        "key_stale",
        {"logs": logs(auth=ONE), "stored_key": CLUSTER_DOWN, "metrics": failing("authentication", 0.5)},
    ),
    "key stale: neither the Secret nor all logs are known": (
        "unknown",
        {"logs": logs(auth=ONE) | CUT_OFF, "stored_key": CLUSTER_DOWN, "metrics": failing("authentication", 0.5)},
    ),
    "key stale: the old pod is about to end": (
        "none",
        {
            "logs": logs(auth=ONE),
            "workload": workload() | {"pods": [{"name": "a"}, {"name": "b", "deleting": True}]},
            "stored_key": stored_key(older=("b",)),
        },
    ),
    # mode_mismatch 404
    "mode mismatch": ("mode_mismatch", {"logs": logs(mode_mismatch=ALL), "metrics": failing("mode")}),
    "mode mismatch: one pod": ("mode_mismatch", {"logs": logs(mode_mismatch=ONE), "metrics": NO_METRICS}),
    # ETIMEDOUT/ENOTFOUND, status ok
    "egress": ("egress_broken", {"logs": logs(network=ALL), "metrics": failing("connection")}),
    "egress: the page is unknown, but Stripe answers us": (
        "egress_broken",
        {"status": PAGE_UNKNOWN, "logs": logs(network=ALL), "metrics": failing("connection")},
    ),
    "egress: Stripe refuses our own key, so it is up": (
        "egress_broken",
        {"api": api("forbidden"), "logs": logs(network=ALL), "metrics": failing("connection")},
    ),
    "egress: we do not reach it either, and the page is fine": (
        "egress_broken",
        {"api": api("unreachable"), "logs": logs(network=ALL), "metrics": failing("connection")},
    ),
    "egress: we do not reach it either, and the page has an incident of it does not say what": (
        "unknown",
        {
            "status": status("down", affected_relevant=None, incidents_unresolved=[{"name": "Elevated API errors"}]),
            "api": api("unreachable"),
            "logs": logs(network=ALL),
            "metrics": failing("connection"),
        },
    ),
    "egress: we do not reach it either, and the page is well but for an incident of it does not say what": (
        "unknown",
        {
            "status": status("ok", affected_relevant=None, incidents_unresolved=[{"name": "Elevated API errors"}]),
            "api": api("unreachable"),
            "logs": logs(network=ALL),
            "metrics": failing("connection"),
        },
    ),
    "egress: we do not reach anything": (
        "unknown",
        {
            "status": PAGE_UNKNOWN,
            "api": api("unreachable"),
            "logs": logs(network=ALL),
            "metrics": failing("connection"),
        },
    ),
    "egress: a blip": ("none", {"logs": logs(network={"a": 4}), "metrics": metrics(0.02)}),
    # only card_declined rises
    "declines": ("declines", {"logs": logs(declines=ALL), "metrics": failing("card_declined", 0.4)}),
    "declines: the usual share": ("none", {"logs": logs(declines=ALL), "metrics": failing("card_declined", 0.03)}),
    "declines: with a blip of the network": (
        "declines",
        {
            "logs": logs(declines=ALL, network={"a": 4}),
            "metrics": metrics(0.4, reasons={"card_declined": 78.0, "connection": 2.0}),
        },
    ),
    "declines: Prometheus is unknown, Stripe's list says so": (
        "declines",
        {
            "api": api(recent={"total": 100, "failed": 40, "by_error": {"card_error/card_declined/fraudulent": 40}}),
            "metrics": NO_METRICS,
            "logs": logs(declines=ALL),
        },
    ),
    "declines: no share is known": ("unknown", {"metrics": NO_METRICS, "logs": logs(declines=ALL)}),
    # success ratio ok, volume 0
    "no traffic": ("no_traffic", {"metrics": metrics(None, 0.0, events_before=90.0)}),
    "no traffic: there was none before": ("unknown", {"metrics": metrics(None, 0.0, events_before=0.0)}),
    "no traffic: how many there were before is unknown": ("unknown", {"metrics": metrics(None, 0.0)}),
    "no traffic: there were few before": ("unknown", {"metrics": metrics(None, 0.0, events_before=5.0)}),
    "no traffic: unknown is not nought": ("unknown", {"metrics": metrics(None, None, events_before=90.0)}),
    # beyond the table: the classes of PAY-D2 that have no row
    "permission": ("permission_denied", {"logs": logs(permission=ALL), "metrics": NO_METRICS}),
    "idempotency": ("idempotency_conflict", {"logs": logs(idempotency=ALL), "metrics": metrics(0.2)}),
    # what the log says has to be counted, where anything counts
    "log: auth lines among good payments": (
        "unknown",
        {"logs": logs(auth=ALL), "metrics": metrics(0.0, 5000, statuses={"200": 5000.0, "401": 0.0})},
    ),
    "log: auth lines, counted at zero": (
        "unknown",
        {
            "logs": logs(auth=ALL),
            "metrics": metrics(0.01, 5000, reasons={"authentication": 0.0, "card_declined": 50.0}),
        },
    ),
    "log: one auth line, and one is counted": (
        "none",
        {"logs": logs(auth={"a": 1}), "metrics": metrics(0.0002, 5000, reasons={"authentication": 1.0})},
    ),
    "log: the key is refused where payments are not counted": (
        "key_rejected",
        {"logs": logs(auth=ALL), "metrics": metrics(0.0, 5000, statuses={"200": 5000.0, "401": 80.0})},
    ),
    "log: lock lines while payments fail for something else": (
        "unknown",
        {"logs": logs(lock=ALL), "metrics": metrics(0.5, reasons={"lock_timeout": 0.0, "other": 100.0})},
    ),
    "log: few locks while payments fail for something else": (
        "unknown",
        {"logs": logs(lock=ALL), "metrics": metrics(0.5, reasons={"lock_timeout": 1.0, "other": 99.0})},
    ),
    "log: many lines of a lock, but what is counted is the rate": (
        "rate_limited",
        {
            "logs": logs(lock=ALL, rate_limit={"a": 5}),
            "metrics": metrics(0.4, throttled_ratio=0.4, reasons={"rate_limit": 60.0, "lock_timeout": 0.0}),
        },
    ),
    "log: reasons in words of others say nothing against it": (
        "lock_timeout",
        {"logs": logs(lock=ALL), "metrics": metrics(0.5, reasons={"E_LOCK": 100.0})},
    ),
    "mix: declines and network, none enough alone": (
        "unknown",
        {
            "logs": logs(declines=ALL, network=ALL),
            "metrics": metrics(0.09, reasons={"card_declined": 9.0, "connection": 9.0}),
        },
    ),
    # nothing is wrong, or it is not known
    "healthy": ("none", {}),
    "healthy: few payments": ("none", {"metrics": metrics(0.0, 3)}),
    "healthy: errors of earlier": ("none", {"logs": logs(600, auth=ALL, stripe_side=ALL)}),
    "healthy: a counter still knows of what is over": (
        "unknown",
        {"logs": logs(600, stripe_side=ALL), "metrics": failing("api_error")},
    ),
    "unknown: errors without a time may be of now": (
        "key_rejected",
        {"logs": logs(None, auth=ALL), "metrics": NO_METRICS},
    ),
    "unknown: the logs": ("unknown", {"logs": CLUSTER_DOWN}),
    "unknown: some of the logs": ("unknown", {"logs": logs() | {"pods_read": 1}}),
    "unknown: Stripe's API": ("unknown", {"api": api("not_configured")}),
    "unknown: Stripe's API is not reached": ("unknown", {"api": api("unreachable")}),
    "unknown: the metrics": ("unknown", {"metrics": NO_METRICS}),
    "unknown: failures without a reason": ("unknown", {"metrics": metrics(0.5)}),
    "unknown: nothing was asked": (
        "unknown",
        {name: {} for name in ("status", "api", "workload", "logs", "stored_key", "metrics")},
    ),
}
