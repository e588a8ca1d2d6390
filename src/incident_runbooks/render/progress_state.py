# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run is doing at this moment, told from its journal records alone; nothing here draws or reads a clock."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DIAGNOSE, PLAN, TELL, ACT, VERIFY, REPORT = "diagnose", "plan", "tell", "act", "verify", "report"
_PHASES = {
    "diagnose": (DIAGNOSE, PLAN, REPORT),
    "remediate": (DIAGNOSE, PLAN, TELL, ACT, VERIFY, REPORT),
    "rollback": (PLAN, ACT, VERIFY, TELL, REPORT),
    "report": (REPORT,),
}
# Ansible announces a role that validates its inputs by a step that names the role's entry point, which is the phase;
# the shared phases do not, and are told by what they do first.
_ENTRY_POINT = re.compile(r"arg spec '([a-z]+)")
_BY_ENTRY_POINT = {
    **dict.fromkeys(("diagnose", "conclude"), DIAGNOSE),
    "plan": PLAN,
    "communicate": TELL,
    **dict.fromkeys(("act", "rollback"), ACT),
    "verify": VERIFY,
    "report": REPORT,
}
_BY_ACTION = {
    f"brandconnect.incidents.{name}": phase
    for name, phase in (("recommend", PLAN), ("notify", TELL), ("interlock", ACT), ("follow_ups", REPORT))
}
_BY_RECORD = {"plan": PLAN, "action": ACT, "verification": VERIFY}
_WORST_FIRST = ("down", "degraded", "unknown", "ok")
_VERIFIED_WORST_FIRST = ("unresolved", "unverified", "resolved")
_CONTROLLER = "localhost"
_ROLE_PREFIX = re.compile(r"[a-z0-9_.]+ : ")


@dataclass
class Component:
    """A component, or the controller, and what is known of it.

    Attributes:
        checks: each check's status.
        step: the step that runs, empty when none does.
        since: when it began, seconds since the epoch.
    """

    name: str
    checks: dict[str, str] = field(default_factory=dict)
    step: str = ""
    since: float = 0.0
    step_id: str = ""

    @property
    def status(self) -> str:
        """The worst status that a check found; empty before the first."""
        return worst(self.checks)

    def tally(self) -> str:
        """How many checks found what, the worst first, such as ``1 down, 2 ok``."""
        return tally(self.checks)


@dataclass
class Remediation:
    """A remediation that the plan lets run.

    Attributes:
        status: ``approved`` until it is recorded as an action, then the action's.
    """

    id: str
    title: str
    status: str = "approved"


@dataclass
class ProgressState:
    """The state of one run; :meth:`feed` takes its journal records in their order.

    Attributes:
        began_at: what the elapsed time counts from, seconds since the epoch; ``None`` before the first record.
        sla_target_s: seconds from there until the incident is to be resolved; ``None`` where that does not apply.
        phase: the present phase; empty before the first record.
        ended: the run has ended or was cut off.
        verified: each verification's status, by its check.
    """

    kind: str = ""
    mode: str = ""
    check_mode: bool = False
    began_at: float | None = None
    sla_target_s: float | None = None
    phase: str = ""
    ended: bool = False
    components: dict[str, Component] = field(default_factory=dict)
    verified: dict[str, str] = field(default_factory=dict)
    remediations: dict[str, Remediation] = field(default_factory=dict)

    @property
    def phases(self) -> tuple[str, ...]:
        """The phases that a run of this mode goes through."""
        return _PHASES.get(self.mode, _PHASES["diagnose"])

    def feed(self, record: Mapping[str, Any], incident_began_at: float | None = None) -> None:
        """Take one journal record; a type that says nothing about the progress is passed over.

        Args:
            incident_began_at: with ``run_started``, from when the incident's time counts; default is the record's time.
        """
        kind, data = str(record.get("type")), _mapping(record.get("data"))
        if kind == "run_started":
            self._run_started(record, data, incident_began_at)
        elif kind == "step_started":
            self._step_started(record, data)
        elif kind in ("run_ended", "run_interrupted"):
            self.ended = True
        else:
            take = {
                "step_ended": self._step_ended,
                "finding": self._found,
                "plan": self._planned,
                "action": self._acted,
                "verification": self._verified,
            }.get(kind)
            if take is not None:
                take(data)
        self._enter(_BY_RECORD.get(kind))

    def _run_started(self, record: Mapping[str, Any], data: Mapping[str, Any], began_at: float | None) -> None:
        run = _mapping(data.get("run"))
        self.kind = str(_mapping(data.get("incident")).get("type"))
        self.mode, self.check_mode = str(run.get("mode")), run.get("check_mode") is True
        at, target = instant(record.get("at")), _mapping(data.get("sla")).get("target_s")
        counts = self.mode in ("diagnose", "remediate")  # a rollback or a report may come days after the end
        self.began_at = began_at if counts and began_at is not None else at
        self.sla_target_s = float(target) if counts and isinstance(target, (int, float)) and target > 0 else None
        self._enter(self.phases[0])

    def _step_started(self, record: Mapping[str, Any], data: Mapping[str, Any]) -> None:
        name = str(data.get("name"))
        component = self._component(data.get("host"))
        component.step, component.step_id = _ROLE_PREFIX.sub("", name, count=1), str(data.get("step"))
        component.since = instant(record.get("at")) or 0.0
        if str(data.get("action")).endswith(".validate_argument_spec"):
            component.step = ""  # it examines nothing
            found = _ENTRY_POINT.search(name)
            self._enter(_BY_ENTRY_POINT.get(found[1]) if found else None)
        self._enter(_BY_ACTION.get(str(data.get("action"))))

    def _step_ended(self, data: Mapping[str, Any]) -> None:
        component = self._component(data.get("host"))
        if component.step_id == data.get("step"):
            component.step = component.step_id = ""

    def _found(self, data: Mapping[str, Any]) -> None:
        self._component(data.get("component")).checks[str(data.get("check"))] = str(data.get("status"))

    def _verified(self, data: Mapping[str, Any]) -> None:
        self.verified[str(data.get("check"))] = str(data.get("status"))

    def _planned(self, data: Mapping[str, Any]) -> None:
        entries = [item for item in data.get("remediations") or () if isinstance(item, Mapping)]
        self.remediations = {
            str(item.get("id")): Remediation(str(item.get("id")), str(item.get("title") or ""))
            for item in entries
            if self.mode != "diagnose" and item.get("approved") is True and item.get("status") == "recommended"
        }

    def _acted(self, data: Mapping[str, Any]) -> None:
        name, title = str(data.get("id")), str(data.get("title") or "")
        self.remediations.setdefault(name, Remediation(name, title)).status = str(data.get("status"))

    def _component(self, name: Any) -> Component:
        return self.components.setdefault(str(name or _CONTROLLER), Component(str(name or _CONTROLLER)))

    def rows(self) -> list[Component]:
        """The components in the order in which they appeared, the controller last."""
        return sorted(self.components.values(), key=lambda item: item.name == _CONTROLLER)

    def _enter(self, phase: str | None) -> None:
        if phase in self.phases:  # a diagnosis passes through the others without doing anything there
            self.phase = str(phase)


def worst(checks: Mapping[str, str]) -> str:
    """Return the worst status among those of checks or verifications, empty where there is none."""
    return next(iter(_counts(checks)), "")


def tally(checks: Mapping[str, str]) -> str:
    """Return how many have which status, the worst first, such as ``1 unresolved, 2 resolved``."""
    return ", ".join(f"{count} {status}" for status, count in _counts(checks).items())


def _counts(checks: Mapping[str, str]) -> dict[str, int]:
    found = list(checks.values())
    known = (*_WORST_FIRST, *_VERIFIED_WORST_FIRST)
    order = (*known, *sorted(set(found) - set(known)))
    return {status: found.count(status) for status in order if status in found}


def instant(text: Any) -> float | None:
    """Return an RFC 3339 time as seconds since the epoch, ``None`` where *text* is none."""
    try:
        return dt.datetime.fromisoformat(str(text)).timestamp()
    except (ValueError, OverflowError):
        return None


def clock(seconds: float) -> str:
    """Return a span as ``m:ss``, or ``h:mm:ss`` from an hour on."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"  # noqa: PLR2004


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
