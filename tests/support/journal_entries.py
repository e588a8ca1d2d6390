# SPDX-License-Identifier: GPL-3.0-or-later
"""Records as runs write them, and real journal files made of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import JournalWriter

INCIDENT = "pool-exhaustion-20261123T231455Z-3fa1"
FIRST = "run-20261123T231455Z-0001"
SECOND = "run-20261123T232500Z-0002"
Json = dict[str, Any]
Entry = tuple[str, Json]


def started(mode: str = "remediate", *, check_mode: bool = False, run_id: str = FIRST) -> Entry:
    return "run_started", {
        "incident": {
            "id": INCIDENT,
            "type": "pool-exhaustion",
            "title": "Pool exhaustion",
            "severity": "critical",
            "priority": "P1",
            "impact": "Complete API failure",
        },
        "run": {
            "id": run_id,
            "mode": mode,
            "check_mode": check_mode,
            "operator": "alice",
            "inventory": ["inventory/staging"],
            "versions": {"incident_runbooks": "0.1.0", "ansible_core": "2.19.14", "python": "3.11.7"},
        },
        "sla": {"target_s": 900},
    }


def step(number: int, name: str, *, mutates: bool = False) -> Entry:
    action = "brandconnect.incidents.pg_terminate_idle" if mutates else "brandconnect.incidents.pg_activity"
    data = {"step": f"0-{number}/postgres", "host": "postgres", "action": action, "name": name, "mutates": mutates}
    return "step_started", data


def step_ended(number: int, name: str, status: str = "ok") -> Entry:
    data = {key: item for key, item in step(number, name)[1].items() if key != "mutates"}
    return "step_ended", {**data, "status": status, "changed": False, "duration_s": 0.1, "message": None}


def finding(status: str = "down", **more: Any) -> Entry:
    return "finding", {
        "check": "connections",
        "component": "postgres",
        "status": status,
        "required": True,
        "summary": "17 of 17 slots in use",
        "cause": "server_slots_exhausted",
        "recommend": ["kill-idle-connections"],
        "data": {"slots": {"used": 17, "usable": 17}},
        **more,
    }


def action(status: str = "done", **more: Any) -> Entry:
    return "action", {
        "id": "kill-idle-connections",
        "title": "Terminate idle sessions",
        "risk": "disruptive",
        "status": status,
        "changed": True,
        "reason": None,
        "targets": [{"pid": 7}],
        "before": {"used": 17},
        "after": {"used": 5},
        "results": [{"pid": 7, "result": "terminated"}],
        **more,
    }


def verification(status: str = "resolved") -> Entry:
    return "verification", {"check": "connections", "status": status, "summary": "5 of 17", "samples": [{"used": 5}]}


def error(code: str) -> Entry:
    return "error", {"code": code, "message": "it did not work", "hint": None, "component": None}


PLAN: Entry = (
    "plan",
    {
        "digest": "ab" * 32,
        "remediations": [
            {
                "id": "kill-idle-connections",
                "title": "Terminate idle sessions",
                "risk": "disruptive",
                "status": "recommended",
                "reason": "postgres/connections: 17 of 17",
                "approved": True,
                "targets": [{"pid": 7}],
                "excluded": [],
                "preview": {},
            }
        ],
    },
)
ENDED: Entry = ("run_ended", {"hosts": {"postgres": dict.fromkeys(("ok", "failures"), 0)}})
REALISTIC: list[Entry] = [
    started(),
    step(1, "Look"),
    finding(),
    step_ended(1, "Look"),
    PLAN,
    step(2, "Terminate", mutates=True),
    step_ended(2, "Terminate"),
    action(),
    verification(),
    ("follow_up", {"title": "Find the leak"}),
    ENDED,
]


class Clock:
    """Ten seconds from each record to the next."""

    def __init__(self) -> None:
        self._seconds = itertools.count(0, 10)

    def __call__(self) -> str:
        seconds = next(self._seconds)
        return f"2026-11-23T23:{14 + seconds // 60:02}:{seconds % 60:02}.000000Z"


def journal_in(directory: Path) -> Callable[..., bytes]:
    """Return a function that appends a run of records to a journal file, and returns the file's content."""
    path = directory / "journal.jsonl"
    clock = Clock()

    def write(*entries: Entry, run_id: str = FIRST) -> bytes:
        with JournalWriter(path, run_id, now=clock) as writer:
            for kind, data in entries:
                writer.append(kind, data)
        return path.read_bytes()

    return write
