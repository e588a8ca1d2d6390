# SPDX-License-Identifier: GPL-3.0-or-later
"""The columns of each type, as the real server prints them (k8s.io/kubernetes/pkg/printers/internalversion)."""

from __future__ import annotations

from incident_runbooks.lab.cluster.http.columns import access, configuration, network, pods, workloads
from incident_runbooks.lab.cluster.http.columns.column import CREATED_AT, NAME, Column
from incident_runbooks.lab.cluster.resources import Resource

_COLUMNS = {**pods.COLUMNS, **workloads.COLUMNS, **network.COLUMNS, **configuration.COLUMNS, **access.COLUMNS}


def columns_of(resource: Resource) -> tuple[Column, ...]:
    """Return the columns of a type."""
    return _COLUMNS.get(resource, (NAME, CREATED_AT))
