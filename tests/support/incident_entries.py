# SPDX-License-Identifier: GPL-3.0-or-later
"""Incident directories of several runs, and text that means harm, for the tests of records and reports."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from support.journal_entries import ENDED, INCIDENT, PLAN, SECOND, Entry, action, finding, journal_in, started

Json = dict[str, Any]
REPORT = "run-20261124T090000Z-0003"
LEAK = finding(
    "degraded", check="holders", cause="connection_leak", summary="16 at rest", recommend=["restart-backend"]
)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> ![i](http://evil/x.png) [l](javascript:alert(1)) "
    "# h | cell | `code` **bold** <!channel> @everyone http://evil.example www.evil.example a@b.example "
    "{{ 7*7 }} {% raw %} \u202eevil\u2066 \x1b[31m \x00 &lt;b&gt; $x$ ]]> -->"
)


def notification(**more: Any) -> Entry:
    return "notification", {
        "id": "0001-page",
        "channel": "pagerduty",
        "purpose": "page",
        "stage": "opened",
        "target": "on-call",
        "status": "sent",
        "cause": None,
        "message": None,
        "fingerprint": "ab",
        "attempts": 1,
        "payload": {"payload": {"summary": "Pool exhaustion"}},
        **more,
    }


def verification(status: str = "resolved", **more: Any) -> Entry:
    return "verification", {
        "check": "connections",
        "status": status,
        "summary": "5 of 17",
        "baseline": {"used": 17, "used_ratio": 1.0, "generation": 4},
        "samples": [{"used": 9, "used_ratio": 0.53, "generation": 5}, {"used": 5, "used_ratio": 0.29}],
        "target": {"used_ratio": 0.7},
        **more,
    }


def note(key: str, value: Any, by: str = "alice") -> Entry:
    return "note", {"key": key, "value": value, "by": by}


def evidence_of(directory: Path, name: str = "evidence/a/pod.log", content: bytes = b"a line\n") -> Entry:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    data = {"path": name, "source": "GET /log", "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return "evidence", data


def incident_in(home: Path, *extra: Entry, incident: str = INCIDENT) -> Path:
    """A diagnosis that found a leak, and a remediation that was verified, ten seconds from record to record."""
    directory = home / "incidents" / incident
    directory.mkdir(parents=True)
    write = journal_in(directory)
    write(started("diagnose"), finding(), LEAK, PLAN, ("follow_up", {"title": "Find the leak"}), ENDED)
    content = write(
        started(run_id=SECOND),
        finding(),
        PLAN,
        notification(),
        evidence_of(directory),
        action(id="restart-backend", title="Restart", can_roll_back=True),
        verification(),
        ("follow_up", {"title": "Find  the LEAK", "owner": "bob"}),
        ("follow_up", {"title": "Raise the alarm earlier", "due_after_s": 3600}),
        *extra,
        ENDED,
        run_id=SECOND,
    )
    (directory / "result.json").write_text(json.dumps(fold(content, SECOND, incident_id=incident)))
    return directory


def content_of(directory: Path) -> bytes:
    return (directory / "journal.jsonl").read_bytes()
