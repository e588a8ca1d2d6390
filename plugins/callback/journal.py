# SPDX-License-Identifier: GPL-3.0-or-later
"""Record every run of a runbook; the only recorder, in the wrapper, in plain ansible-playbook and in AWX."""

from __future__ import annotations

import atexit
import functools
import gc
import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from ansible.plugins.callback import CallbackBase

from ansible_collections.brandconnect.incidents.plugins.module_utils import bytecode  # noqa: F401 - before the others
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import incidents
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.belonging import (
    ACTING,
    SHARED,
    Belonging,
    NoIncidentError,
    belonging_of,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import IncidentLockedError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock_acting import (
    ActingLock,
    scope_of,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.invalid_inputs import (
    InvalidInputError,
    invalid_inputs,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_beginning import (
    beginning,
    hosts_hint,
    in_check_mode,
    inventory_sources,
    login_name,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_parent import end_with_parent
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_recorder import Recorder, Step, StepEnd
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_result import (
    cannot_validate,
    validate_result,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_steps import can_change, may_record
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.preload_http import preload_http
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.preload_templates import preload_templates
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction import Redactor
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction_secrets import secret_values
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.redaction_variables import (
    secrets_of_play,
)

DOCUMENTATION = r"""
name: journal
type: notification
short_description: Record every run of a runbook in a journal and fold it into a result
version_added: 0.1.0
author: incident-runbooks contributors
description:
  - Appends what a runbook's playbook finds and does to C(<home>/incidents/<incident>/journal.jsonl) as it happens, and
    writes C(result.json) beside it at the end.
  - Records plays of runbooks only. A play belongs to a runbook when its file is named after an incident type of this
    collection, also when another playbook imports it. Other playbooks leave nothing behind.
  - The playbooks C(rollback.yml), C(post_incident.yml) and C(notify.yml) of this collection belong to the incident that
    the variable C(incident), or else E(RUNBOOK_INCIDENT), names; without one, or where it is not there, the run ends
    with exit code 2.
  - The playbook C(doctor.yml) belongs to no incident. It is recorded only where E(RUNBOOK_INCIDENT) names an id of the
    type C(doctor), as the command C(runbook doctor) does in a directory that is gone afterwards.
  - A step that can change something is on the disk before it begins. If the journal cannot be written, or another run
    holds the incident, the run ends at once instead of acting unrecorded, with exit code 1 or 7.
  - Inputs of the runbook that are not of the type that the argument spec of its role says, or not what its header
    allows, end the run with exit code 2 before its first task; the incident says which, with the error C(usage).
  - A run that may act holds the lock of its incident type and environment (C(runbook_environment), or else the
    inventory) below C(<home>/locks/) to its end. While another run does, it is recorded as C(locked), nothing runs, and
    the exit code is 7.
  - Values of variables and environment variables whose names say that they are secret, and passwords inside addresses,
    are taken out of everything that is written, encoded or not.
requirements:
  - enable it as C(brandconnect.incidents.journal) in C(callbacks_enabled)
  - jsonschema, to check the result; without it the result says that it was not checked
options:
  home:
    description: Directory under which incidents are kept; default is the place for state of the platform.
    type: path
    env:
      - name: RUNBOOK_HOME
  incident:
    description: Id of the incident that the run belongs to; default is a new one.
    type: str
    env:
      - name: RUNBOOK_INCIDENT
  run_id:
    description: Id of the run; default is a new one.
    type: str
    env:
      - name: RUNBOOK_RUN_ID
  operator:
    description: Who runs it; default is the login user.
    type: str
    env:
      - name: RUNBOOK_OPERATOR
  parent_death:
    description: End with SIGTERM when the process that started ansible-playbook dies (Linux).
    type: bool
    default: false
    env:
      - name: RUNBOOK_PARENT_DEATH
"""

ROOT = Path(__file__).resolve().parents[2]
EXIT_INTERNAL = 1
EXIT_USAGE = 2
EXIT_LOCKED = 7
EXITS = {NoIncidentError: EXIT_USAGE, InvalidInputError: EXIT_USAGE, IncidentLockedError: EXIT_LOCKED}
_COUNTS = ("ok", "failures", "unreachable", "skipped", "rescued", "changed")
_PUBLISHED = ("RUNBOOK_INCIDENT", "RUNBOOK_RUN_ID", "RUNBOOK_RECORDER", "RUNBOOK_OPERATOR")


def _or_stop(method: Callable[..., None]) -> Callable[..., None]:
    """End the run when recording fails: Ansible would turn the exception into a warning and go on acting."""

    @functools.wraps(method)
    def guarded(self: CallbackModule, *args: Any, **kwargs: Any) -> None:
        if self.failure:
            self.stop(self.failure)
            return
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - an unforeseen error too must not leave steps unrecorded
            self.stop(error)

    return guarded


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible-core ships no types
    """The events of Ansible that are recorded; see :class:`Recorder` for what is written."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "brandconnect.incidents.journal"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, display: Any = None, options: Any = None) -> None:
        super().__init__(display=display, options=options)
        self.failure: Exception | None = None
        self._recorder: Recorder | None = None
        self._redactor = Redactor()
        self._connection_secrets: set[str] = set()
        self._given: dict[str, str | None] = {}
        self._pattern = ""
        self._plays = 0
        self._pid = os.getpid()

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        """Read the options; callbacks get them once, before the first play."""
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)
        if self.get_option("parent_death"):
            end_with_parent()

    def set_play_context(self, play_context: Any) -> None:
        """Learn what was typed at --ask-pass and --ask-become-pass."""
        typed = (getattr(play_context, name, None) for name in ("password", "become_pass"))
        self._connection_secrets.update(str(secret) for secret in typed if secret)

    @_or_stop
    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Open the incident with the first play of a runbook; learn the secrets of every play after that."""
        belonging = None
        if self._recorder is None:
            belonging = belonging_of(ROOT, play, self.get_option("incident"), self._home())
            if belonging is None:
                return
        self._redactor.add(self._connection_secrets | secret_values(os.environ) | secrets_of_play(play))
        self._plays += 1
        self._pattern = ", ".join(map(str, play.hosts)) if isinstance(play.hosts, list) else str(play.hosts)
        if belonging is not None:
            self._open(belonging, play)
        preload_http()
        preload_templates(play.get_loader())
        gc.freeze()  # every task is a fork; what is there by now need not be looked through, and copied, by each

    @_or_stop
    def v2_playbook_on_no_hosts_matched(self) -> None:
        """A runbook whose first play, the diagnosis, has no hosts examines nothing; later plays may have none."""
        if self._recorder and self._plays == 1:
            self._recorder.error(
                "no_hosts",
                f"Examining the hosts {self._pattern!r}: the inventory has none of them",
                hint=hosts_hint(),
            )

    @_or_stop
    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Record a step; the strategy says so in the main process before it forks the worker."""
        if self._recorder:
            step = _step(host, task, task.get_name())
            action = task.resolved_action if "{{" not in task.action else None
            self._recorder.step_started(step, mutates=can_change(action, task.check_mode, task.args))

    @_or_stop
    def v2_runner_on_ok(self, result: Any) -> None:
        """Record a step that went well, and what it hands over."""
        self._ended(result, "ok")

    @_or_stop
    def v2_runner_on_failed(self, result: Any, ignore_errors: Any = False) -> None:
        """Record a step that failed; whether somebody rescued it shows at the end."""
        self._ended(result, "failed", ignored=bool(ignore_errors))

    @_or_stop
    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Record a step that could not reach its host."""
        self._ended(result, "unreachable", ignored=result.task.ignore_unreachable is True)

    @_or_stop
    def v2_runner_on_skipped(self, result: Any) -> None:
        """Record a step that was skipped."""
        self._ended(result, "skipped")

    @_or_stop
    def v2_runner_item_on_ok(self, result: Any) -> None:
        """Record what an item of a loop hands over, while the loop goes on."""
        self._accept(result)

    @_or_stop
    def v2_runner_item_on_failed(self, result: Any) -> None:
        """Record what a failed item of a loop hands over."""
        self._accept(result)

    @_or_stop
    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Record the end, write the result, and say where it is."""
        recorder = self._recorder
        if recorder is None:
            return
        hosts = {host: {key: stats.summarize(host)[key] for key in _COUNTS} for host in sorted(stats.processed)}
        reason = cannot_validate(ROOT)
        notes = [("not_validated", f"Checking the result: {reason}", "pip install jsonschema")] if reason else []
        result = recorder.finish(hosts, notes)
        problems = [] if reason else validate_result(ROOT, result)
        for problem in [f"it was not checked: {reason}"] if reason else problems:
            self._display.warning(f"Result of {recorder.directory.name}: {problem}")
        self._conclude(recorder, result)
        if any(error["code"] == "locked" for error in result["errors"]):
            raise SystemExit(EXIT_LOCKED)

    def stop(self, error: Exception) -> None:
        """End the run with one line and an exit code, before the next step begins.

        Ansible lets a SystemExit through; on its way out it waits for the workers that are acting, at most 5
        seconds, and starts no further one.
        """
        self.failure = error
        if threading.current_thread() is not threading.main_thread():
            return  # items are announced by a thread that must live; the next event in the main thread stops the run
        self._recorder = None  # its lock goes with the last process that may still act
        self._exit(error)

    def _exit(self, error: Exception) -> NoReturn:
        known = isinstance(error, IncidentsError)
        cause = " ".join(str(error).split())
        message = cause if known else f"Recording the run: {type(error).__name__}: {cause}"
        status = next((status for kind, status in EXITS.items() if isinstance(error, kind)), EXIT_INTERNAL)
        unrecorded = "; nothing more is done unrecorded" if status == EXIT_INTERNAL else ""
        self._display.error(self._redactor.text(f"{message}{unrecorded}"), wrap_text=False)
        raise SystemExit(status)

    def _home(self) -> Path | None:
        home = self.get_option("home")
        return Path(home) if home else None

    def _open(self, belonging: Belonging, play: Any) -> None:
        base = self._home() or incidents.home({})
        run_id = self.get_option("run_id")
        run_id = incidents.checked_run_id(run_id) if run_id else incidents.new_run_id()
        if belonging.incident:
            incident_id, directory = belonging.incident, incidents.open_incident(belonging.incident, base)
        else:
            incident_id, directory = incidents.new_incident(belonging.header.incident["type"], base)
        operator = self.get_option("operator") or login_name()
        recorder = Recorder(directory, run_id=run_id, operator=operator, redactor=self._redactor)
        recorder.start(beginning(ROOT, belonging, incident_id, run_id, operator))
        self._recorder = recorder
        self._publish(incident_id, run_id, operator)
        if belonging.mode not in SHARED.values():
            self._refuse_invalid(recorder, invalid_inputs(ROOT, play, belonging.header))
        if belonging.mode in ACTING and not in_check_mode():
            scope = scope_of(belonging.environment, inventory_sources())
            self._act_alone(
                recorder,
                functools.partial(ActingLock, base, belonging.header.incident["type"], scope, operator=operator),
            )

    def _act_alone(self, recorder: Recorder, lock: Callable[..., ActingLock]) -> None:
        """Take the right to act before anything runs; a run that does not get it is recorded, and ends."""
        try:
            recorder.hold(lock(run_id=recorder.run_id, incident_id=recorder.directory.name))
        except IncidentLockedError as error:
            recorder.error("locked", error.message, hint="runbook history shows what the other run does")
            self._conclude(recorder, recorder.finish({}))
            raise

    def _refuse_invalid(self, recorder: Recorder, wrong: list[str]) -> None:
        """Before anything is examined, drafted or done; a run whose inputs make no sense is recorded, and ends."""
        if wrong:
            message = f"Reading the inputs: {'; '.join(wrong)}"
            recorder.error("usage", message, hint="correct them in the inventory or among the extra vars")
            self._conclude(recorder, recorder.finish({}))
            raise InvalidInputError(message)

    def _publish(self, incident_id: str, run_id: str, operator: str) -> None:
        """Let the workers and what they start see which run they belong to."""
        self._given = {name: os.environ.get(name) for name in _PUBLISHED}
        os.environ.update(zip(_PUBLISHED, (incident_id, run_id, str(self._pid), operator), strict=True))
        if self._given["RUNBOOK_RUN_ID"] is None:  # a wrapper knows better why a run was cut off
            atexit.register(self._cut_off)

    def _cut_off(self) -> None:
        """The run ends without its last event: Ctrl-C, or an error of Ansible itself."""
        if self._recorder is None or self.failure or os.getpid() != self._pid:
            return
        interrupted = signal.getsignal(signal.SIGINT) is signal.SIG_DFL  # Ansible's handler resets itself first
        try:
            self._conclude(self._recorder, self._recorder.interrupt("sigint" if interrupted else "lost"))
        except IncidentsError as error:
            self._display.error(self._redactor.text(error.message), wrap_text=False)

    def _conclude(self, recorder: Recorder, result: Mapping[str, Any]) -> None:
        path = recorder.write_result(dict(result))
        recorder.close()
        self._recorder, self._plays = None, 0
        for name, value in self._given.items():
            if value is None:
                os.environ.pop(name, None)
        self._display.display(f"Incident {recorder.directory.name}: {result['outcome']}")
        self._display.display(f"Result: {path}")

    def _ended(self, result: Any, status: str, *, ignored: bool = False) -> None:
        if self._recorder is None:
            return
        self._accept(result)
        step = _step(result.host, result.task, result.task_name)
        message = None if status == "ok" else _message(result.result)
        end = StepEnd(status, changed=bool(result.is_changed()), message=message, ignored=ignored)
        self._recorder.step_ended(step, end)

    def _accept(self, result: Any) -> None:
        if self._recorder is None:
            return
        facts = result.result.get("ansible_facts")
        if isinstance(facts, Mapping):
            self._redactor.add(secret_values(facts))
        if may_record(result.task.resolved_action):
            self._recorder.accept(result.result)


def _step(host: Any, task: Any, name: str) -> Step:
    uuid = task._uuid  # noqa: SLF001 - the only identity that a task has
    action = task.resolved_action if "{{" not in task.action else None
    return Step(id=f"{uuid}/{host.get_name()}", host=host.get_name(), action=str(action or task.action), name=str(name))


def _message(result: Mapping[str, Any]) -> str | None:
    failed = (item for item in result.get("results") or () if isinstance(item, Mapping) and item.get("failed"))
    said = next((item.get("msg") for item in failed if item.get("msg")), None) or result.get("msg")
    said = said or result.get("reason") or result.get("skip_reason") or result.get("censored")
    return None if said is None else str(said)
