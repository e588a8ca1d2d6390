# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults that the lab can inject, by name. A new fault is a new file and a line here."""

from __future__ import annotations

from incident_runbooks.lab.faults import (
    auth,
    breach,
    communications,
    idle_in_transaction,
    infrastructure,
    ingestion,
    latency,
    payments,
    pool_exhaustion,
    postgres_down,
    webhooks,
    workloads,
)
from incident_runbooks.lab.faults.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        pool_exhaustion.LEAK,
        pool_exhaustion.REFILL,
        pool_exhaustion.FULL,
        idle_in_transaction.FAULT,
        postgres_down.FAULT,
        *workloads.FAULTS,
        *payments.FAULTS,
        *webhooks.FAULTS,
        *latency.FAULTS,
        *infrastructure.FAULTS,
        *auth.FAULTS,
        *ingestion.FAULTS,
        *breach.FAULTS,
        *communications.FAULTS,
    )
}
