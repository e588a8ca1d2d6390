# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""What a run was given as approval: options, or a file; and the plans that were recorded before."""

from __future__ import annotations

import datetime as dt
import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval import (
    SHORTEST_DIGEST,
    Approval,
    is_digest,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval_file import (
    approval_of,
    why_refused,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.approval_reading import (
    ApprovalError,
    read_approval_file,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import incident_dir
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import (
    FILE_NAME,
    JournalError,
    read_journal,
)

Json = dict[str, Any]

_WITH_A_FILE = ("plan_digest", "second_approver", "reason")


def operator() -> str:
    """Who runs this: RUNBOOK_OPERATOR, or the login name; what the journal calls the operator."""
    try:
        return os.environ.get("RUNBOOK_OPERATOR") or getpass.getuser()
    except (KeyError, OSError, ImportError):  # a uid without a name
        return f"uid {os.getuid()}"


def given_approval(arguments: Mapping[str, Any], incident: str | None) -> Approval:
    """Return what the arguments of the action ``plan`` approve.

    Args:
        arguments: ``approved``, ``plan_digest``, ``second_approver``, ``reason``, ``source``, ``approval`` and
            ``environment``.
        incident: id of the incident of this run.

    Raises:
        ApprovalError: an argument makes no sense, or the file is not good for this run.
    """
    now = dt.datetime.now(dt.UTC)
    if not arguments["approval"]:
        return _from_options(arguments, now)
    beside = [name for name in _WITH_A_FILE if arguments[name]]
    if beside:
        raise ApprovalError(
            f"Reading the approval: {' and '.join(beside)} beside an approval file, which says that itself",
            hint="give either of them",
        )
    path = Path(arguments["approval"])
    document = read_approval_file(path)
    me = operator()
    why = why_refused(document, operator=me, now=now, incident=incident, environment=arguments["environment"])
    if why:
        raise ApprovalError(f"Accepting the approval file {path}: {why}", code="refused")
    return approval_of(document, arguments["approved"], me)


def _from_options(arguments: Mapping[str, Any], now: dt.datetime) -> Approval:
    me = operator()
    digest = (arguments["plan_digest"] or "").strip().lower() or None
    if digest and not is_digest(digest):
        raise ApprovalError(
            f"Reading the plan digest {digest[:80]!r}: it is none",
            hint=f"give its 64 hexadecimal digits, or at least the first {SHORTEST_DIGEST}",
        )
    return Approval(
        operator=me,
        ids=arguments["approved"],
        digest=digest,
        decided_by=me,
        second_approver=arguments["second_approver"],
        reason=arguments["reason"],
        decided_at=rfc3339(now),
        source=arguments["source"],
    )


def recorded_plans(incident: str | None) -> list[Json]:
    """Return the plans that the incident's journal holds, the oldest first; none where it cannot be read."""
    if incident is None:
        return []
    try:
        records = read_journal(incident_dir(incident) / FILE_NAME).records
    except JournalError:  # the plan has changed all the same; what changed is then not known
        return []
    return [plan for plan in (record["data"] for record in records if record["type"] == "plan") if _is_plan(plan)]


def _is_plan(data: Json) -> bool:
    remediations = data.get("remediations")
    return isinstance(remediations, list) and all(map(_is_planned, remediations))


def _is_planned(entry: Any) -> bool:
    """A record can be of another version, and one that was too large was cut."""
    return (
        isinstance(entry, Mapping)
        and all(isinstance(entry.get(key), str) for key in ("id", "risk", "status", "reason"))
        and isinstance(entry.get("targets"), list)
    )
