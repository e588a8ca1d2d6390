# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose what is to be said about the incident, put it into its outbox, send what is due, and record all of it."""

from __future__ import annotations

import os
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import incident_dir
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages import (
    Situation,
    compose,
    compose_update,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.messages_situation import (
    header_of,
    result_so_far,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox import Outbox
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_delivery import deliver
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_records import (
    UNDELIVERED,
    draft,
    follow_up,
    loud,
    records,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_states import Zeal
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.recording import (
    RecordingAction,
    is_recorded,
    now,
    run_id,
)

Json = dict[str, Any]

NOT_RECORDED = (
    "Telling those concerned: nothing records this run, so nothing is sent; "
    "add brandconnect.incidents.journal to callbacks_enabled in ansible.cfg"
)
_ACTING = ("remediate", "rollback")


class ActionModule(RecordingAction):
    """See the documentation of the module ``notify``."""

    argument_spec = {  # noqa: RUF012 - read only
        "stage": {"type": "str", "choices": ["opened", "ended", "update", "due"], "required": True},
        "acting": {"type": "bool", "default": True},
        "header": {"type": "dict"},
        "send": {"type": "bool", "default": True},
        "eta": {"type": "str"},
        "release": {"type": "list", "elements": "str", "default": []},
        "text": {"type": "str"},
        "public": {"type": "bool", "default": False},
        "now": {"type": "bool", "default": False},
        "force": {"type": "bool", "default": False},
        "strict": {"type": "bool", "default": False},
    }

    def record(self, arguments: Json, task_vars: Json) -> Json:
        """Tell those concerned; what goes wrong with that is recorded and ends no remediation."""
        if not is_recorded():
            return {"changed": False, "msg": NOT_RECORDED, "undelivered": [], "not_paged": False}
        try:
            said = self._tell(arguments, task_vars)
        except Exception as error:  # telling people never ends a remediation, whatever goes wrong
            known = isinstance(error, IncidentsError)
            cause = str(error) if known else f"Telling those concerned: {type(error).__name__}: {error}"
            if arguments["strict"]:
                raise IncidentsError(cause) from error
            said = _broken(cause)
        for item in said["records"]:
            if item["type"] == "notice":
                self._display.warning(item["data"]["message"])
        return said

    def _tell(self, arguments: Json, task_vars: Json) -> Json:
        incident_id = os.environ["RUNBOOK_INCIDENT"]
        directory = incident_dir(incident_id)
        needed = arguments["stage"] != "due"  # what is waiting is sent whatever the header says by now
        header = arguments["header"] or (header_of(incident_id) if needed else {})
        result = result_so_far(directory, run_id())
        outbox = Outbox(directory)
        silent = self._silent(arguments, result)
        if silent:
            return _shown(_drafts(_situation(arguments, header, result, outbox.messages()), arguments), silent)
        # a diagnosis sends nothing, and does not wait for what sends
        from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox_senders import (  # noqa: PLC0415
            Senders,
        )

        with outbox.locked():
            known = outbox.messages()
            drafts = _drafts(_situation(arguments, header, result, known), arguments)
            before = {message["id"]: dict(message) for message in known}
            composed = [outbox.add(item, now())["id"] for item in drafts if not item["withheld"]]
            senders = Senders(task_vars)
            touched = deliver(outbox, senders, Zeal(now=arguments["now"], force=arguments["force"]))
            latest = {message["id"]: message for message in outbox.messages()}
        asked = arguments["stage"] == "update"
        said = records([latest[name] for name in composed], touched, before, now(), asked=asked)
        withheld = [
            {"type": "notification", "data": draft(item, now(), item["withheld"])}
            for item in drafts
            if item["withheld"]
        ]
        not_paged = loud(list(latest.values()), incident_id, senders.phones())
        notes = follow_up(list(latest.values()), incident_id) if arguments["stage"] == "ended" else []
        left = _left(list(latest.values()), composed if asked else [])
        return _said(arguments, [*said, *withheld, *not_paged, *notes], left, incident_id)

    def _silent(self, arguments: Json, result: Json) -> str | None:
        """Why nothing is sent, ``None`` when it is."""
        if self._task.check_mode:
            return "check_mode"
        if not arguments["send"]:
            return "notify_off"
        of_a_run = arguments["stage"] in ("opened", "ended")
        return "diagnose" if of_a_run and result["run"]["mode"] not in _ACTING else None


def _drafts(situation: Situation, arguments: Json) -> list[Json]:
    stage = arguments["stage"]
    if stage == "due":
        return []
    if stage != "update":
        return compose(situation, stage)
    text = (arguments["text"] or "").strip()
    if not text:
        raise IncidentsError(f"Updating those who were told of {situation.incident_id}: the text is empty; set text")
    drafts = compose_update(situation, text, public=arguments["public"])
    if not drafts:
        raise IncidentsError(
            f"Updating those who were told of {situation.incident_id}: nobody on Slack"
            f"{' or the status page' if arguments['public'] else ''} was told of it"
        )
    return drafts


def _shown(drafts: list[Json], cause: str) -> Json:
    """The result of a run that sends nothing: what it would send."""
    shown = [{"type": "notification", "data": draft(item, now(), item["withheld"] or cause)} for item in drafts]
    return {"records": shown, "changed": False, "undelivered": [], "not_paged": False}


def _situation(arguments: Json, header: Json, result: Json, sent: list[Json]) -> Situation:
    return Situation(
        os.environ["RUNBOOK_INCIDENT"],
        header,
        result,
        sent,
        eta=arguments["eta"],
        released=arguments["release"],
        now=now(),
        acting=arguments["acting"],
    )


def _left(messages: list[Json], asked: list[str]) -> list[Json]:
    """What is undelivered; what a person asked for and nobody got is no success, whatever the reason.

    Args:
        asked: the ids of the messages that a person asked for.
    """
    return [
        message
        for message in messages
        if message["state"] in UNDELIVERED or (message["id"] in asked and message["state"] == "not_configured")
    ]


def _said(arguments: Json, said: list[Json], left: list[Json], incident_id: str) -> Json:
    """The result of a run that sends: what became of each message, and of those that are left."""
    result: Json = {
        "records": said,
        "changed": any(item["data"].get("status") == "sent" for item in said),
        "undelivered": [message["id"] for message in left],
        "not_paged": any(item["data"].get("code") == "not_paged" for item in said),
    }
    if arguments["strict"] and left:
        causes = "; ".join(f"{message['id']}: {message['message'] or 'it waits'}" for message in left)
        result |= {"failed": True, "msg": f"Sending what is due about {incident_id}: not delivered: {causes}"}
    return result


def _broken(cause: str) -> Json:
    """The result where nothing could even be composed or kept."""
    message = f"NOBODY WAS TOLD: {cause}"
    notice = {"code": "not_told", "message": message, "component": "communications"}
    return {"records": [{"type": "notice", "data": notice}], "changed": False, "undelivered": [], "not_paged": True}
