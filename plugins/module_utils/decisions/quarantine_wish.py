# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Which pods are to be quarantined or given back, as the options say it. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.quarantine_facts import LABEL
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

QUARANTINED, RELEASED = "quarantined", "released"
MOST_PODS = 10
LONGEST_REASON = 300
_NAME = re.compile(r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?")


@dataclass(frozen=True)
class Wish:
    """What is wanted.

    Attributes:
        pods: their names, each once.
        state: ``quarantined`` or ``released``.
        incident: id.
        label: is renamed to *quarantine_label*, with its value.
        more_labels: further labels that are taken off.
        policy: name of the NetworkPolicy.
        who: the person; ``None`` when it is not known.
        reason: why; may be empty.
        targets: the approved plan; ``None`` for any.
    """

    pods: tuple[str, ...]
    state: str
    incident: str
    label: str
    quarantine_label: str
    more_labels: tuple[str, ...]
    policy: str
    who: str | None = None
    reason: str = ""
    targets: Sequence[Mapping[str, Any]] | None = None


def read_wish(params: Mapping[str, Any]) -> Wish:
    """Return what the options wish for.

    Raises:
        IncidentsError: they make no sense.
    """
    attempted = "Choosing the pods"
    pods = tuple(dict.fromkeys(str(name) for name in params["pods"]))
    if not 1 <= params["max_pods"] <= MOST_PODS:
        raise IncidentsError(f"{attempted}: max_pods must be 1 to {MOST_PODS}, not {params['max_pods']}")
    if not 1 <= len(pods) <= params["max_pods"]:
        raise IncidentsError(f"{attempted}: {len(pods)} are named, and max_pods is {params['max_pods']}")
    if not all(_NAME.fullmatch(name) for name in (*pods, params["policy"])):
        raise IncidentsError(f"{attempted}: a name is none of Kubernetes; check pods and policy")
    more = tuple(dict.fromkeys(str(name) for name in params["more_labels"]))
    labels = (params["label"], params["quarantine_label"], *more)
    if not all(LABEL.fullmatch(name) for name in labels) or len(set(labels)) < len(labels):
        msg = f"{attempted}: label, quarantine_label and more_labels must be different names of labels"
        raise IncidentsError(msg)
    if not str(params["incident"]).strip():
        raise IncidentsError(f"{attempted}: incident is empty; only the same incident can give them back")
    return Wish(
        pods=pods,
        state=params["state"],
        incident=str(params["incident"]),
        label=params["label"],
        quarantine_label=params["quarantine_label"],
        more_labels=more,
        policy=params["policy"],
        who=params["held_by"] or None,
        reason=plain_line(str(params["reason"] or ""), LONGEST_REASON),
        targets=params["targets"],
    )
