# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""How the platform's own jobs that contain a breach are called, and whether they did what was asked. Pure, no I/O.

A job of the platform does everything unless its arguments narrow it, and npm loses arguments silently. So the ids are
always named, and an answer counts only where the job says what it was narrowed to.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import dry_run
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import rfc3339

Json = dict[str, Any]

SUCCEEDED, FAILED, UNKNOWN, EXCEEDED, PARTIAL = "succeeded", "failed", "unknown", "exceeded", "partial"
NOT_ATTEMPTED, WOULD_RUN = "not_attempted", "would_run"
LONGEST_TEXT = 300
MOST_TOLD = 50  # ids of a plan
_MOST_FAILED = 1000


@dataclass(frozen=True)
class Kind:
    """A job of the platform.

    Attributes:
        script: its usual name.
        option: the option that takes the ids.
        whose: what the ids are, in words.
        caveat: what a person should know before approving.
        answers_ids: whether the ``ids`` of its answer are those that it was given.
        once_per_incident: whether it is told the incident, so that it does its work once for each.
    """

    script: str
    option: str
    whose: str
    caveat: str
    answers_ids: bool = True
    once_per_incident: bool = False


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "revoke_tokens": Kind(
            "jobs:revoke-tokens",
            "actor-ids",
            "users",
            "access tokens that need no look-up stay good until they expire; end the sessions as well",
            answers_ids=False,
        ),
        "reset_credentials": Kind(
            "jobs:send-password-resets",
            "user-ids",
            "users",
            "passwords end and e-mails go out, neither can be taken back; revoke sessions and tokens first",
            once_per_incident=True,
        ),
        "require_2fa": Kind(
            "jobs:require-2fa",
            "user-ids",
            "users",
            "whoever is in a session could enrol a factor of their own; revoke sessions and tokens first",
        ),
        "revoke_oauth": Kind(
            "jobs:revoke-oauth",
            "account-ids",
            "social accounts",
            "metrics of these accounts stop until their owners consent again; expect the alerts of ingestion-lag",
        ),
    }
)


@dataclass(frozen=True)
class Answer:
    """What became of one batch.

    Attributes:
        result: ``succeeded``, ``partial``, ``failed`` (it did not start, or says that it did none), ``exceeded`` (more
            than was asked) or ``unknown``.
        reason: why; ``None`` for ``succeeded``.
        affected: how many tokens, users or accounts the job changed; ``None`` where it did not say.
        failed: the ids of those that it could not do.
    """

    result: str
    reason: str | None
    affected: int | None
    failed: list[int] = field(default_factory=list)


def kind_of(job: str, option: str | None = None) -> Kind:
    """Return a job, with the platform's own name of the option that takes the ids, where it has another."""
    return replace(KINDS[job], option=option) if option else KINDS[job]


def deaf(kind: Kind) -> str:
    """What a person should know of every job before approving: what no look can tell."""
    return (
        f"a dry run shows first whether it keeps to --{kind.option}; a script that ignores options it does not know,"
        f" {dry_run.OPTION} too, would do it for all {kind.whose}"
    )


def arguments(kind: Kind, ids: Sequence[int], since: dt.datetime | None, incident: str) -> list[str]:
    """Return the arguments for some ids."""
    found = [f"--{kind.option}={','.join(map(str, ids))}"]
    if since is not None:
        found.append(f"--since={rfc3339(since)}")
    if kind.once_per_incident:
        found.append(f"--incident={incident}")
    return [*found, "--json"]


def told(ids: Sequence[int]) -> Json:
    """Return what a plan says of the ids: a few of them by name, many by their number and their SHA-256."""
    digest = hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest()
    return {"count": len(ids), "ids": list(ids) if len(ids) <= MOST_TOLD else None, "ids_sha256": digest}


def batches(ids: Sequence[int], size: int) -> list[list[int]]:
    """Return the ids in portions."""
    return [list(ids[start : start + size]) for start in range(0, len(ids), size)]


def read_trial(kind: Kind, ended: dry_run.Ended, ids: Sequence[int], since: dt.datetime | None) -> dry_run.Trial:
    """Judge the dry run of a job, with the ids and the moment that it was given."""

    def wrong(said: Mapping[str, Any]) -> str | None:
        if _count(said.get("affected")) is None:
            return "its answer does not say how many it would change"
        return _wider(kind, said, ids, since)

    return dry_run.judge(ended, wrong)


def doubted(trial: dry_run.Trial) -> Answer:
    """What became of a dry run that may have been none."""
    return Answer(EXCEEDED if trial.exceeded else UNKNOWN, trial.reason, None)


def read_answer(kind: Kind, document: Any, ids: Sequence[int], since: dt.datetime | None) -> Answer:
    """Judge the JSON of a job that ended with exit code 0, or of one that failed and yet said something.

    Args:
        kind: the job.
        document: what it printed.
        ids: those that it was given.
        since: the moment that it was given.
    """
    said = document if isinstance(document, Mapping) else {}
    affected = _count(said.get("affected"))
    if affected is None:
        return Answer(UNKNOWN, "its answer does not say how many it changed", None)
    if problem := _wider(kind, said, ids, since):
        return Answer(EXCEEDED, problem, affected)
    if problem := _contradiction(said, affected):
        return Answer(UNKNOWN, problem, affected)
    failed = sorted(set(_whole(said.get("failed")) or []) & set(ids))[:_MOST_FAILED]
    if failed:
        result = PARTIAL if len(failed) < len(ids) else FAILED
        return Answer(result, f"it could not do {len(failed)} of {len(ids)}", affected, failed)
    if said.get("failed"):
        return Answer(UNKNOWN, "it says that some failed, and not which", affected)
    if said.get("dry_run"):
        return Answer(FAILED, "it says that it changed nothing, as in a dry run", 0)
    return Answer(SUCCEEDED, None, affected)


def after_failure(code: int | None, said: str, answer: Answer | None) -> Answer:
    """Judge a job that did not end with exit code 0: it may have done a part before.

    Args:
        code: its exit code; ``None`` when it was not found.
        said: the last line of its standard error; may be empty.
        answer: what :func:`read_answer` found, where it said something.
    """
    if answer and answer.result in (PARTIAL, EXCEEDED):
        return answer
    ended = "it could not be started" if code is None else f"it ended with exit code {code}"
    text = plain_line(f"{ended}: {said}" if said else ended, LONGEST_TEXT)
    if answer:
        nothing = answer.result == FAILED and not answer.affected
        return Answer(FAILED if nothing else UNKNOWN, text, answer.affected, answer.failed)
    return Answer(FAILED if code in dry_run.NOT_STARTED else UNKNOWN, text, None)


def _contradiction(said: Mapping[str, Any], affected: int) -> str | None:
    """What shows that an answer is none: it counts others than it names."""
    named = said.get("ids")
    if not isinstance(named, list):
        return "it does not say which it changed"
    count = len({str(each) for each in named})
    return f"it says that it changed {affected}, and names {count}" if count != affected else None


def _wider(kind: Kind, said: Mapping[str, Any], ids: Sequence[int], since: dt.datetime | None) -> str | None:
    """What shows that a job was not narrowed to what it was asked."""
    scope = said.get("scope")
    scope = scope if isinstance(scope, Mapping) else {}
    if said.get("everything") is not False:
        return "it does not say that it was narrowed at all"
    if sorted(set(_whole(scope.get(kind.option)) or [])) != sorted(set(ids)):
        return f"its answer names another {kind.option} than it was given"
    if since is not None and not _same_second(scope.get("since"), since):
        return "its answer names another since than it was given"
    if kind.answers_ids:
        done = _whole(said.get("ids"))
        if done is None:
            return "it does not say which ids it changed"
        if foreign := set(done) - set(ids):
            return f"its answer names {len(foreign)} that it was not asked to change"
        if said["affected"] > len(set(ids)):
            return f"it says that it changed {said['affected']}, and was given {len(set(ids))}"
    return None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _whole(value: Any) -> list[int] | None:
    if not isinstance(value, list) or any(isinstance(each, bool) or not isinstance(each, int) for each in value):
        return None
    return value


def _same_second(said: Any, since: dt.datetime) -> bool:
    try:
        moment = dt.datetime.fromisoformat(str(said))
    except ValueError:
        return False
    return moment.tzinfo is not None and abs((moment - since).total_seconds()) < 1


def conclude(results: Sequence[Mapping[str, Any]]) -> tuple[str, str, str | None]:
    """Return status, reason and refusal for the results of all batches."""
    found = [each["result"] for each in results]
    affected = sum(each["affected"] or 0 for each in results)
    attempted = len(found) - found.count(NOT_ATTEMPTED)
    why = next((str(each["reason"]) for each in results if each["result"] not in (SUCCEEDED, NOT_ATTEMPTED)), "")
    if EXCEEDED in found:
        return FAILED, f"the job may have done more than it was asked: {why}; look at what it changed at once", None
    if UNKNOWN in found:
        return UNKNOWN, f"what became of batch {attempted} of {len(found)} is not known: {why}", None
    if set(found) == {SUCCEEDED}:
        if not affected:
            return "nothing_to_do", "the job found nothing left to change", "no_change"
        return "done", f"{affected} changed", None
    whole = SUCCEEDED in found or PARTIAL in found
    return PARTIAL if whole else FAILED, f"{affected} changed; batch {attempted} of {len(found)}: {why}", None
