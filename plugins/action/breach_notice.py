# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft the notices of a breach from the incident's record, and say until when who has to be told."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import breach_notice
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_clock import RISKS, Clock
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_measures import (
    others_kept,
    taken,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import breach_drafts
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import incident_dir
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    is_recorded,
    now,
    run_id,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_files import read_incident

Json = dict[str, Any]

DRAFTED = "breach_notice_drafted"
STATED = "breach_moments_stated"  # moments alone, of what may turn out to be a breach
_MOMENTS = ("aware_at", "notified_at")
_SEAL = "/tagmanifest-sha256.txt"
_TEXTS = (
    *("aware_at", "aware_at_assumed", "notified_at", "risk_reasons", "risk_assessed_by"),
    *("reference", "delay_reasons", "regulator_url", "contact_name", "contact_email"),
    *("contact_phone", "nature", "occurred_from", "occurred_to", "how_found", "security_contact", "reset_url"),
    "settings_url",
)
_LISTS = ("people_categories", "data_categories", "consequences", "measures_proposed")
_FLAGS = ("card_data", "eu_people", "as_processor")


class ActionModule(RecordingAction):
    """See the documentation of the module ``breach_notice``."""

    argument_spec = {  # noqa: RUF012 - read only
        **{name: {"type": "str"} for name in _TEXTS},
        **{name: {"type": "list", "elements": "str", "default": []} for name in _LISTS},
        **{name: {"type": "bool", "default": False} for name in _FLAGS},
        "risk": {"type": "str", "choices": list(RISKS), "default": "unknown"},
        "phase": {"type": "str", "choices": ["initial", "further"], "default": "initial"},
        "time_zone": {"type": "str", "default": "Europe/London"},
        "regulator_name": {"type": "str", "default": "Information Commission (ICO)"},
        "regulator_url": {"type": "str", "default": "https://ico.org.uk/for-organisations/report-a-breach/"},
        "law": {"type": "str", "default": "UK GDPR"},
        "controller": {"type": "str", "required": True},
        "draft": {"type": "bool", "default": True},
        "people_count": {"type": "int"},
        "record_count": {"type": "int"},
        "counts_are": {"type": "str", "choices": ["approximate", "at_least"], "default": "approximate"},
        "measures": {"type": "dict", "default": {}},
    }

    def record(self, arguments: Json, task_vars: Json) -> Json:  # noqa: ARG002 - contract
        """Fold the journal as it is now, write the drafts, and note in the journal what was written or stated."""
        incident = os.environ.get("RUNBOOK_INCIDENT")
        if not incident or not is_recorded():
            raise IncidentsError(
                f"{breach_notice.ATTEMPTED}: this run is not recorded; run it by runbook, or with the callback enabled"
            )
        breach_notice.check(arguments)
        directory = incident_dir(incident)
        document = read_incident(directory, current_run=run_id() or None)
        recorded = _recorded(document)
        clock = breach_notice.read_clock(arguments, recorded, dt.datetime.now(dt.UTC))
        measures, caveats = taken(
            document["actions"], document["verification"], arguments["measures"], arguments["people_count"]
        )
        caveats += [*_corrected(recorded, clock), *breach_notice.unreasoned(clock)]
        sheet = breach_notice.sheet(arguments, clock, measures, incident)
        check_mode = bool(self._task.check_mode)
        files, unread = _save(directory, sheet, check_mode=check_mode) if arguments["draft"] else ([], [])
        stated = _stated(recorded, clock) if not arguments["draft"] else {}
        changed = bool(stated) or any(item["state"] != "unchanged" for item in files)
        found = {
            "changed": changed,
            "status": ("planned" if check_mode else "done") if changed else "nothing_to_do",
            "sent": False,
            "clock": clock.plain(arguments["time_zone"]),
            "directory": str(directory / breach_drafts.DIRECTORY),
            "files": files,
            "blanks": sheet["blanks"],
            "measures": measures,
            "others": sheet["others"],
            "recorded": _on_record(document, recorded),
            "caveats": [
                *(*unread, *caveats),
                *(f"{item['name']} was edited by hand; it stays" for item in files if item["edited"]),
            ],
        }
        if not changed or check_mode:
            return found
        data = _notice(files, clock) if arguments["draft"] else _statement(stated)
        return {**found, "record": {"type": "notice", "data": data}}


def _save(directory: Path, sheet: Json, *, check_mode: bool) -> tuple[list[Json], list[str]]:
    """Write the drafts; who only looks is told why that would fail, and all the rest."""
    try:
        return breach_drafts.save(directory, breach_drafts.render(sheet), check_mode=check_mode), []
    except IncidentsError as error:
        if not check_mode:
            raise
        return [], [error.message]


def _recorded(document: Mapping[str, Any]) -> dict[str, str]:
    """The moments that somebody has stated in this incident, the last one of each; never one that was assumed."""
    notices = [item for item in document["notices"] if item["code"] in (DRAFTED, STATED)]
    return {name: item[name] for item in notices for name in _MOMENTS if item.get(name)}


def _stated(recorded: Mapping[str, str], clock: Clock) -> dict[str, str]:
    """The moments that are no assumption and not on record."""
    said = {"aware_at": None if clock.assumed else clock.aware_at, "notified_at": clock.notified_at}
    moments = {name: rfc3339(moment) for name, moment in said.items() if moment}
    return {name: moment for name, moment in moments.items() if recorded.get(name) != moment}


def _on_record(document: Mapping[str, Any], recorded: Mapping[str, str]) -> Json:
    """What earlier runs of the incident have left that later decisions need, and what this run did."""
    seals: dict[str, str] = {}
    for item in document["evidence"]:
        path = str(item.get("path"))
        if path.endswith(_SEAL):
            seals.setdefault(path, str(item.get("sha256")))  # the first is the one of when it was made
    mine = [item for item in document["actions"] if item["run_id"] == run_id() and not item.get("check_mode")]
    done = [item for item in mine if not item.get("rolls_back")]
    return {
        "drafted": any(item["code"] == DRAFTED and item["run_id"] != run_id() for item in document["notices"]),
        "aware_at": recorded.get("aware_at"),
        "notified_at": recorded.get("notified_at"),
        "actions": {str(item["id"]): item["status"] for item in done},
        "begun": {str(item["id"]): item.get("started_at") for item in done},
        "others_kept": others_kept(done),
        "seals": seals,
    }


def _corrected(recorded: Mapping[str, str], clock: Clock) -> list[str]:
    """Another moment than before moves the deadline, or makes it met or missed: that must not go unseen."""
    now_said = {"aware_at": clock.aware_at, "notified_at": clock.notified_at}
    return [
        f"{name} was {before} in an earlier notice and is {rfc3339(moment)} now; say why, in the register"
        for name, moment in now_said.items()
        if (before := recorded.get(name)) and moment and before != rfc3339(moment)
    ]


def _statement(stated: Mapping[str, str]) -> Json:
    words = {"aware_at": "somebody became aware at", "notified_at": "the regulator was told at"}
    said = ", and ".join(f"{words[name]} {moment}" for name, moment in stated.items())
    return {"code": STATED, "message": f"It was stated that {said}", "component": None, **stated, "at": now()}


def _notice(files: list[Json], clock: Clock) -> Json:
    written = [item for item in files if item["state"] == "written"]
    names = ", ".join(item["name"] for item in written)
    inside = [
        {"path": f"{breach_drafts.DIRECTORY}/{item['name']}", **{key: item[key] for key in ("kind", "sha256", "bytes")}}
        for item in written
    ]
    return {
        "code": DRAFTED,
        "message": f"Drafts of the notices of a breach were written, and nothing was sent: {names}",
        "component": None,
        "files": inside,
        # what is assumed is no fact, and must not become one in the next run
        "aware_at": None if clock.assumed else rfc3339(clock.aware_at),
        "aware_at_assumed": rfc3339(clock.aware_at) if clock.assumed else None,
        "notified_at": rfc3339(clock.notified_at) if clock.notified_at else None,
        "deadline": rfc3339(clock.deadline),
        "at": now(),
    }
