# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask on a terminal what of a plan may run, between the diagnosis that made it and the run that acts.

Nothing asks without a terminal, and never inside a playbook. What is typed goes the same way as options: the run
that acts makes the plan anew, and refuses where it differs from the one that was shown.

Who has to know of the incident is told as without a terminal: by the run that acts, and where nothing was approved by
one that could have. Of a private incident they are told before the questions: those who decide have to know of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.approval import same_person
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.approvals import operator
from incident_runbooks import outcomes
from incident_runbooks.cli.options import wants_colour, wants_json
from incident_runbooks.cli.prompt_plan import detail_lines, plan_lines, recommended
from incident_runbooks.execution import Approvals, RunRequest
from incident_runbooks.render.neutral import one_line

Json = dict[str, Any]

EXIT_REFUSED = 6
_TYPED_DIGITS = 8
_ATTEMPTS = 3
_TROUBLE = frozenset({"degraded", "down"})
_CHOICES = "y = yes, n = no, a = yes to all from here, d = details, q = quit"


@dataclasses.dataclass
class Answers:
    """What was answered.

    Attributes:
        approved: ids.
        second_approver: who approved an irreversible one as well.
        reason: why.
        quit: nothing is to be done, whatever was answered before.
    """

    approved: list[str] = dataclasses.field(default_factory=list)
    second_approver: str | None = None
    reason: str | None = None
    quit: bool = False


def is_wanted(request: RunRequest, output: str | None) -> bool:
    """Whether to ask: the run is to act, nothing is approved, and a person sits at a terminal that shows text."""
    if request.mode != "remediate" or request.check_mode or request.approved or request.approvals.file:
        return False
    return is_terminal() and not wants_json(output)


def is_terminal() -> bool:
    """Whether a person can be asked: on stderr, answering on stdin."""
    try:
        return sys.stdin.isatty() and sys.stderr.isatty()
    except (AttributeError, ValueError):  # closed
        return False


def run(request: RunRequest, execute: Callable[[RunRequest], Json]) -> tuple[Json, int]:
    """Look, show the plan, ask, and run what was approved in the same incident; tell where nothing is.

    Args:
        execute: runs a request to its end.

    Returns:
        The result to show, and the exit code: 6 where something is recommended and nothing was approved.

    Raises:
        click.Abort: Ctrl-C at a question; nothing was done.
    """
    told = request.notify and request.incident_type.private
    first = execute(request if told else dataclasses.replace(request, mode="diagnose", take_over=False))
    if first["outcome"] in ("unknown", "failed"):
        return first, outcomes.exit_code(first)
    same = dataclasses.replace(request, incident_id=str(first["incident"]["id"]))
    asked = bool(recommended(first["plan"]))
    if asked:
        colour = wants_colour(sys.stderr, bool(os.environ.get("NO_COLOR")))
        _say("", *plan_lines(first["plan"], colour))
        answers = ask(first["plan"], operator(), colour)
        if answers.approved and not answers.quit:
            digest = str(first["plan"]["digest"])
            approvals = Approvals(digest, answers.second_approver, answers.reason, source="prompt")
            return _ended(execute(dataclasses.replace(same, approved=answers.approved, approvals=approvals)))
        _say("Nothing was approved, so nothing was done.")
    if not told and request.notify and (asked or _concerns_somebody(request, first)):
        _say("Telling those concerned.")
        return _ended(execute(same))
    return first, EXIT_REFUSED if asked else outcomes.exit_code(first)


def _ended(result: Json) -> tuple[Json, int]:
    return result, outcomes.exit_code(result)


def _concerns_somebody(request: RunRequest, diagnosis: Json) -> bool:
    """Whether anybody may have to hear of it: of trouble, or of how an incident stands that they may know of."""
    return request.incident_id is not None or any(item["status"] in _TROUBLE for item in diagnosis["findings"])


def ask(plan: Mapping[str, Any], me: str, colour: bool) -> Answers:
    """Ask for each recommended remediation; the end of the input quits.

    Args:
        me: the operator, who cannot be the second approver.

    Raises:
        click.Abort: Ctrl-C.
    """
    answers = Answers()
    every = False
    try:
        for entry in recommended(plan):
            if entry.get("targets_unknown"):
                _say(f"{one_line(entry['id'], 100)} cannot be approved: what it would touch is not known.")
                continue
            answer = "y" if every else _choice(entry, colour)
            every = every or answer == "a"
            if answer == "q":
                answers.quit = True
                break
            if answer != "n" and _confirmed(entry, str(plan["digest"]), me, answers):
                answers.approved.append(str(entry["id"]))
    except EOFError:
        answers.quit = True
    return answers


def _choice(entry: Mapping[str, Any], colour: bool) -> str:
    question = f"Run {one_line(entry['id'], 100)} ({one_line(entry['risk'], 20)})? {_CHOICES}: "
    while True:
        answer = read(question).lower()
        answer = {"yes": "y", "no": "n", "all": "a", "details": "d", "quit": "q"}.get(answer, answer)
        if answer == "d":
            _say(*detail_lines(entry, colour))
        elif answer in ("y", "n", "a", "q"):
            return answer


def _confirmed(entry: Mapping[str, Any], digest: str, me: str, answers: Answers) -> bool:
    """Whether what a grave remediation needs beside a yes was typed."""
    name, risk = one_line(entry["id"], 100), str(entry["risk"])
    if risk in ("safe", "disruptive"):
        return True
    start = digest[:_TYPED_DIGITS]
    if not _typed(f"{name} is {risk}. Type the first {_TYPED_DIGITS} digits of the plan's digest ({start}): ", start):
        _say(f"{name} is not approved.")
        return False
    if risk != "destructive" and not answers.second_approver:
        answers.second_approver = _second_approver(name, me)
        answers.reason = read("Why is it done? ") if answers.second_approver else None
        if not answers.reason:
            answers.second_approver = None
            _say(f"{name} is not approved: it needs a second approver and a reason.")
            return False
    return True


def _typed(question: str, wanted: str) -> bool:
    return any(read(question).lower() == wanted for _ in range(_ATTEMPTS))


def _second_approver(name: str, me: str) -> str | None:
    for _ in range(_ATTEMPTS):
        who = read(f"Who else has approved {name}? ")
        if who and not same_person(who, me):
            return who
        _say(f"Somebody else than {one_line(me, 100)} has to approve it.")
    return None


def read(question: str) -> str:
    """Ask one question on stderr, and return the answer without white space around it.

    Raises:
        EOFError: the input has ended.
        click.Abort: Ctrl-C.
    """
    with contextlib.redirect_stdout(sys.stderr):  # stdout is the document's
        try:
            return str(click.prompt(question, default="", show_default=False, prompt_suffix="", err=True)).strip()
        except click.Abort as abort:
            interrupted = not isinstance(abort.__context__, EOFError)
            if interrupted:
                raise
    _say("")
    raise EOFError


def _say(*lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)
