# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be broken at Stripe."""

from __future__ import annotations

from incident_runbooks.lab.services.faults import FaultFile

OUTAGE = "outage"
HANG = "hang"
LOCK_TIMEOUT = "lock-timeout"
SLOW = "slow"
RETRY_UNSUPPORTED = "retry-unsupported"
STATUS_DOWN = "status-down"
STATUS_HTML = "status-html"
STATUS_STALE = "status-stale"
STATUS_OTHER = "status-other"
KINDS = (
    OUTAGE,
    HANG,
    LOCK_TIMEOUT,
    SLOW,
    RETRY_UNSUPPORTED,
    STATUS_DOWN,
    STATUS_HTML,
    STATUS_STALE,
    STATUS_OTHER,
)


class Control(FaultFile):
    """The faults in effect; their names are those of :data:`KINDS`.

    ``outage``: every request to the API is 500, and the status page says so. ``hang``: the API never answers.
    ``lock-timeout``: no PaymentIntent can be changed or confirmed. ``slow``: the API takes 3 s. ``retry-unsupported``:
    events cannot be sent again. The others are about the status page: 503; HTML; only its old form, with an old
    time; an unresolved incident of something that BrandConnect does not use.
    """
