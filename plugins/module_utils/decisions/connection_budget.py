# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Whether the connection pools of all pods fit into PostgreSQL's slots, with the arithmetic. Pure, no I/O.

    sum(pool_max x pods at most x processes) + others <= floor((max_connections - reserved) x share)

What counts is the most pods that there can be: the autoscaler's maximum plus the surge of a rollout. A number
that is not known makes the answer unknown; it is never guessed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MORE_DIGITS_THAN_A_SHARE_HAS = 6  # floor(55.000000000000007) would be right by luck only


@dataclass(frozen=True)
class Workload:
    """One workload's part of the connections.

    Attributes:
        name: of the workload.
        pool_max: connections that one process may open; ``None`` when it is not known.
        pods: the most pods at a time; ``None`` when it is not known.
        processes: processes in each pod that have a pool of their own.
        pods_text: the pods as arithmetic, ``(4 + 1)``.
        unknown: why a number is not known.
    """

    name: str
    pool_max: int | None
    pods: int | None
    processes: int
    pods_text: str
    unknown: str | None

    @property
    def need(self) -> int:
        """Connections at most. Only for a workload whose numbers are known."""
        return (self.pool_max or 0) * self.factor

    @property
    def factor(self) -> int:
        """How many pools there are at most."""
        return (self.pods or 0) * self.processes

    def plain(self) -> dict[str, Any]:
        """The term of this workload."""
        return {
            "name": self.name,
            "pool_max": self.pool_max,
            "pods_at_most": self.pods,
            "processes_per_pod": self.processes,
            "need": None if self.unknown else self.need,
            "arithmetic": None if self.unknown else self.arithmetic(),
        }

    def arithmetic(self) -> str:
        """The multiplication, ``100 x (4 + 1)``."""
        text = f"{self.pool_max} x {self.pods_text}"
        return f"{text} x {self.processes}" if self.processes != 1 else text


def budget(
    slots: Mapping[str, Any] | None,
    workloads: Sequence[Mapping[str, Any]],
    others: Any,
    share: float,
    proposed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the budget as it is, and under ``proposed`` as it would be.

    Args:
        slots: as pg_activity returns them; ``None`` when they could not be read.
        workloads: each with ``name``, ``pool_max`` and ``pods_at_most``, or what it is computed from:
            ``replicas``, ``max_replicas``, ``surge`` (pods, or a percentage); and ``processes_per_pod``.
        others: connections of everything else.
        share: of the usable slots, above 0 and up to 1.
        proposed: ``name`` of a workload and the ``pool_max`` that it would get.

    Raises:
        IncidentsError: the share makes no sense, a name is given twice, or the proposal names no workload.
    """
    if not 0 < share <= 1:  # also true of NaN
        raise IncidentsError(f"Computing the connection budget: share is above 0 and up to 1, not {share:g}")
    known = [_read(workload) for workload in workloads]
    names = [workload.name for workload in known]
    if len(set(names)) != len(names):
        raise IncidentsError(f"Computing the connection budget: a workload is given twice in {', '.join(names)}")
    result = _compute(slots, known, others, share)
    if proposed is None:
        return {**result, "proposed": None}
    return {**result, "proposed": _propose(slots, known, others, share, proposed)}


def _propose(
    slots: Mapping[str, Any] | None,
    workloads: Sequence[Workload],
    others: Any,
    share: float,
    proposed: Mapping[str, Any],
) -> dict[str, Any]:
    name = str(proposed.get("name"))
    if name not in [workload.name for workload in workloads]:
        raise IncidentsError(f"Computing the connection budget: {name!r} is proposed, but is not among the workloads")
    size = whole_number(proposed.get("pool_max"))
    if not size:
        raise IncidentsError(
            f"Computing the connection budget: the pool_max proposed for {name} must be a whole number above 0, "
            f"not {proposed.get('pool_max')!r}"
        )
    changed = [
        dataclasses.replace(workload, pool_max=size, unknown=_unknown(workload.name, size, size, workload.pods))
        if workload.name == name
        else workload
        for workload in workloads
    ]
    return {"name": name, "pool_max": size, **_compute(slots, changed, others, share)}


def whole_number(value: Any) -> int | None:
    """Return a number or its text, as it stands in an environment, as a whole number from 0; else ``None``."""
    if isinstance(value, bool):
        return None
    text = str(value).strip()
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    return int(text) if text.isascii() and text.isdigit() else None


def surge_pods(surge: Any, pods: int) -> int | None:
    """Resolve a surge: pods, or a percentage of the pods, which Kubernetes rounds up."""
    text = str(surge).strip()
    if text.endswith("%"):
        percent = whole_number(text[:-1])
        return None if percent is None else -(-pods * percent // 100)
    return whole_number(surge)


def _read(workload: Mapping[str, Any]) -> Workload:
    name = str(workload.get("name"))
    pool_max = whole_number(workload.get("pool_max"))
    pods, text = _pods(workload)
    processes = whole_number(workload.get("processes_per_pod", 1))
    if not processes:
        raise IncidentsError(f"Computing the connection budget: processes_per_pod of {name} must be 1 or more")
    return Workload(name, pool_max, pods, processes, text, _unknown(name, workload.get("pool_max"), pool_max, pods))


def _unknown(name: str, given: Any, pool_max: int | None, pods: int | None) -> str | None:
    if pool_max is None:
        what = "is not known" if given is None else "is not a whole number"
        return f"the pool size of {name} {what}"
    return f"how many pods {name} can have is not known" if pods is None else None


def _pods(workload: Mapping[str, Any]) -> tuple[int | None, str]:
    """Return the most pods at a time, and the same as arithmetic."""
    replicas = [whole_number(workload.get(key)) for key in ("replicas", "max_replicas")]
    known = [number for number in replicas if number is not None]
    # an autoscaler whose maximum is below what runs scales down later; until then the pods are there
    most = max(known) if known else None
    surge = None if most is None else surge_pods(workload.get("surge"), most)
    total = None if most is None or surge is None else most + surge
    given = whole_number(workload.get("pods_at_most"))
    if given is not None and given != total:
        return given, str(given)
    return total, f"({most} + {surge})"


def _allowed(slots: Mapping[str, Any] | None, share: float) -> tuple[int | None, str]:
    """Return the connections that all pools together may take, and where the number comes from."""
    if not slots:
        return None, "PostgreSQL's connection slots are not known"
    numbers = [whole_number(slots.get(key)) for key in ("max_connections", "superuser_reserved", "reserved")]
    if None in numbers:
        return None, "PostgreSQL's connection limits are not known"
    total, superuser, reserved = (number or 0 for number in numbers)
    usable = max(total - superuser - reserved, 0)
    allowed = math.floor(round(usable * share, MORE_DIGITS_THAN_A_SHARE_HAS))
    return allowed, f"{allowed} = floor({usable} x {share:g})"


def _compute(
    slots: Mapping[str, Any] | None, workloads: Sequence[Workload], others: Any, share: float
) -> dict[str, Any]:
    allowed, allowed_text = _allowed(slots, share)
    rest = whole_number(others)
    reasons = [workload.unknown for workload in workloads if workload.unknown]
    if rest is None:
        reasons.append("the connections of everything else are not known")
    terms = [workload.plain() for workload in workloads]
    if rest is not None:
        terms.append({"name": "others", "need": rest, "arithmetic": str(rest)})
    need = None if reasons else sum(workload.need for workload in workloads) + (rest or 0)
    if allowed is None:
        reasons.append(allowed_text)
    if need is None or allowed is None:
        return {
            "need": need,
            "allowed": allowed,
            "fits": None,
            "over_by": None,
            "terms": terms,
            "arithmetic": None,
            "largest_fitting": {workload.name: None for workload in workloads},
            "reason": f"the budget cannot be computed: {'; '.join(reasons)}",
        }
    largest = {workload.name: _largest(workload, workloads, allowed - (rest or 0)) for workload in workloads}
    fits = need <= allowed
    arithmetic = f"{_sum(workloads, rest or 0, need)} {'<=' if fits else '>'} {allowed_text}"
    return {
        "need": need,
        "allowed": allowed,
        "fits": fits,
        "over_by": max(need - allowed, 0),
        "terms": terms,
        "arithmetic": arithmetic,
        "largest_fitting": largest,
        "reason": f"{arithmetic}; {_advice(largest)}",
    }


def _sum(workloads: Sequence[Workload], others: int, need: int) -> str:
    parts = [workload.arithmetic() for workload in workloads] + ([str(others)] if others else [])
    return f"{' + '.join(parts) or '0'} = {need}"


def _largest(workload: Workload, workloads: Sequence[Workload], left: int) -> int | None:
    """The largest pool that fits while the others stay as they are; ``None`` without pods: any size fits."""
    if not workload.factor:
        return None
    taken = sum(other.need for other in workloads if other is not workload)
    return max((left - taken) // workload.factor, 0)


def _advice(largest: Mapping[str, int | None]) -> str:
    parts = []
    for name, size in largest.items():
        if size is None:
            parts.append(f"{name} can have no pods, so any pool size fits")
        elif size == 0:
            parts.append(f"no pool size of {name} fits: lower the pods or what others take, or use a pooler")
        else:
            parts.append(f"the largest pool size that fits {name} is {size}")
    return "; ".join(parts) or "no workload is given"
