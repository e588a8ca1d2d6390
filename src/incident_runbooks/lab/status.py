# SPDX-License-Identifier: GPL-3.0-or-later
"""What is up and what is broken, looked up now and not remembered. Without any password."""

from __future__ import annotations

from typing import Any

from incident_runbooks.lab import binaries
from incident_runbooks.lab.faults import FAULTS
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.server import Server
from incident_runbooks.lab.state import (
    CLICKHOUSE,
    CLUSTER,
    COMMUNICATIONS,
    INGRESS,
    POSTGRES,
    PROMETHEUS,
    SOCIAL,
    STRIPE,
    VAULT,
    State,
)
from incident_runbooks.lab.workloads.manifests import NAMESPACE

UP = "up"
DOWN = "down"
DAMAGED = "damaged"


def describe(lab: Lab) -> dict[str, Any]:
    """Return the lab's status as plain data.

    ``state`` is ``down`` where there is no lab, ``damaged`` where a process has died that no fault stopped,
    else ``up``. While it is down, ``postgres.available`` lists what could serve, best first. ``programs`` says which
    link of the chain has each further program.
    """
    state = lab.read()
    if not lab.directory.exists() or state.server is None:
        available = [
            {"major": each.major, "version": each.version, "source": each.source, "folder": str(each.folder)}
            for each in binaries.available()
        ]
        found = DAMAGED if lab.directory.exists() else DOWN
        return _document(lab, found, {"state": "absent", "available": available}, state)
    record = state.record(POSTGRES)
    alive = record is not None and record.find() is not None
    stopped = "postgres-down" in state.fault_names()
    server = _server(state.server)
    server |= {
        "state": "running" if alive else ("stopped" if stopped else "dead"),
        "pid": record.pid if record else None,
    }
    server["ops_login"] = state.server.refusal(state.server.ops) or "ok"
    lost = [each for each in state.processes if each.find() is None]
    return _document(lab, DAMAGED if lost or not (alive or stopped) else UP, server, state)


def _server(server: Server) -> dict[str, Any]:
    plain = server.to_plain()
    logins = {name: plain[name]["user"] for name in ("superuser", "ops", "app", "dba")}
    return {name: value for name, value in plain.items() if name not in logins} | {"roles": logins}


def _document(lab: Lab, found: str, server: dict[str, Any], state: State) -> dict[str, Any]:
    return {
        "directory": str(lab.directory.path),
        "state": found,
        "postgres": server,
        "cluster": _cluster(lab, state),
        "communications": _communications(state),
        "payments": _payments(state),
        "data": _data(state),
        "programs": binaries.describe(),
        "processes": [
            {"name": each.name, "pid": each.pid, "alive": each.find() is not None} for each in state.processes
        ],
        "faults": [
            {**fault, "what": FAULTS[fault["name"]].what, "expected_cause": FAULTS[fault["name"]].cause}
            for fault in state.faults
            if fault["name"] in FAULTS
        ],
    }


def _communications(state: State) -> dict[str, Any]:
    """Where Slack, PagerDuty and Statuspage are. Without any key."""
    part, record = state.communications, state.record(COMMUNICATIONS)
    if part is None:
        return {"state": "absent"}
    alive = record is not None and record.find() is not None
    stopped = "communications-down" in state.fault_names()
    facts = {"state": "running" if alive else ("stopped" if stopped else "dead"), "pid": record.pid if record else None}
    return facts | {"url": part.url, **part.addresses(), "request_log": str(part.requests)}


def _payments(state: State) -> dict[str, Any]:
    """Where Stripe, the public address and Prometheus are. Without any key."""
    stripe, ingress, prometheus = state.stripe, state.ingress, state.prometheus
    if stripe is None or ingress is None:
        return {"state": "absent"}
    names = [STRIPE, INGRESS, *([PROMETHEUS] if prometheus else [])]
    alive = [name for name in names if (record := state.record(name)) and record.find()]
    return {
        "state": "running" if alive == names else "dead",
        "stripe_url": stripe.url,
        "stripe_status_url": stripe.status_url,
        "stripe_request_log": str(stripe.requests),
        "webhook_url": ingress.webhook_url,
        "webhook_ca_cert": str(ingress.ca_cert),
        "prometheus_url": prometheus.url if prometheus else None,
    }


def _data(state: State) -> dict[str, Any]:
    """Where ClickHouse, Vault and the social APIs are. Without any password or token."""
    clickhouse, vault, social = state.clickhouse, state.vault, state.social
    if vault is None or social is None:
        return {"state": "absent"}
    names = [*([CLICKHOUSE] if clickhouse else []), VAULT, SOCIAL]
    alive = [name for name in names if (record := state.record(name)) and record.find()]
    return {
        "state": "running" if alive == names else "dead",
        "clickhouse_url": clickhouse.url if clickhouse else None,
        "vault_url": vault.url,
        "social_url": social.url,
        "social_request_log": str(social.requests),
    }


def _cluster(lab: Lab, state: State) -> dict[str, Any]:
    """What clients of the cluster need, and how its workloads are. Without any token."""
    part, record = state.cluster, state.record(CLUSTER)
    if part is None:
        return {"state": "absent"}
    alive = record is not None and record.find() is not None
    facts = {
        "state": "running" if alive else "dead",
        "pid": record.pid if record else None,
        "server": part.url,
        "kubeconfig": str(part.kubeconfig),
        "namespace": NAMESPACE,
        "audit_log": str(part.audit_log),
    }
    return facts | {"not_ready": lab.platform().not_ready() if alive else []}
