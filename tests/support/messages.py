# SPDX-License-Identifier: GPL-3.0-or-later
"""Headers and results to compose messages from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages import Situation, compose
from support.journal_entries import FIRST, started

Json = dict[str, Any]
HEADERS = sorted((Path(__file__).parents[2] / "roles").glob("*/meta/runbook.yml"))

SEED = Path(__file__).parents[1] / "fixtures" / "messages" / "seed.yml"
NOW = "2026-11-23T23:20:00.000000Z"
HOSTILE = "<!channel> *bold* $eta ${title} {{ lookup('pipe', 'id') }} \x1b[31m\n<script>alert(1)</script> @everyone"


def sections() -> dict[str, Json]:
    """Return ``messages`` of a header for every type of the user's document."""
    loaded: dict[str, Json] = yaml.safe_load(SEED.read_text(encoding="utf-8"))
    return loaded


def header(kind: str) -> Json:
    """Return what composing needs of a header."""
    facts = {"type": kind, "title": kind.replace("-", " ").capitalize(), "severity": "critical", "priority": "P1"}
    return {**facts, "impact": "Users suffer", "sla_target_s": 900, "messages": sections()[kind]}


def incident_of(kind: str) -> str:
    return f"{kind}-20261123T231455Z-3fa1"


def result(*entries: tuple[str, Json], mode: str = "remediate", check_mode: bool = False) -> Json:
    """Fold records into the result of a run that ended."""
    records = [started(mode, check_mode=check_mode), *entries, ("run_ended", {"hosts": {}})]
    return fold(
        [
            {"run_id": FIRST, "type": kind, "data": data, "at": f"2026-11-23T23:14:{number:02d}.000000Z"}
            for number, (kind, data) in enumerate(records, 55 - len(records))
        ]
    )


def situation(kind: str, found: Json, sent: list[Json] | None = None, **more: Any) -> Situation:
    return Situation(incident_of(kind), header(kind), found, sent or [], now=NOW, **more)


def delivered(drafts: list[Json]) -> list[Json]:
    """Return drafts as an outbox has them once they are sent."""
    return [{**draft, "state": "sent", "may_have_happened": False} for draft in drafts if not draft["withheld"]]


def life(kind: str, *phases: tuple[str, Json], **more: Any) -> tuple[list[list[Json]], list[Json]]:
    """Compose phase after phase, each sent before the next; return the drafts of each, and all that was sent."""
    sent: list[Json] = []
    composed = []
    for phase, found in phases:
        drafts = compose(situation(kind, found, sent, **more), phase)
        composed.append(drafts)
        keys = {message["key"] for message in sent}
        sent += [message for message in delivered(drafts) if message["key"] not in keys]
    return composed, sent


def by(drafts: list[Json], purpose: str, stage: str | None = None) -> list[Json]:
    return [draft for draft in drafts if draft["purpose"] == purpose and stage in (None, draft["stage"])]


def one(drafts: list[Json], purpose: str, stage: str | None = None) -> Json:
    (draft,) = by(drafts, purpose, stage)
    return draft


def sent_of(drafts: list[Json]) -> list[Json]:
    return [{**draft, "state": "sent", "may_have_happened": False} for draft in drafts if not draft["withheld"]]


def header_of(role: str) -> Json:
    (source,) = [path for path in HEADERS if path.parents[1].name == role]
    header: Json = yaml.safe_load(source.read_text(encoding="utf-8"))
    return header


def of_a_breach(*entries: tuple[str, Json], sent: list[Json] | None = None) -> Situation:
    (source,) = [path for path in HEADERS if path.parents[1].name == "data_breach"]
    header = yaml.safe_load(source.read_text(encoding="utf-8"))
    return Situation("data-breach-20261123T231455Z-3fa1", header, result(*entries), sent or [], now=NOW)
