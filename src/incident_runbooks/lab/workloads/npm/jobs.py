# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's jobs. Each does everything unless its own arguments narrow it: that is how the platform's are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import psycopg

from incident_runbooks.lab.workloads.npm import containment, metrics, payments

_DURATION = re.compile(r"(\d+)\s*(s|sec|m|min|h|hour|d|day)s?")
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}

Options = Mapping[str, Any]
Connection = psycopg.Connection[Any]


class JobError(Exception):
    """The job cannot be done as it was called."""


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        source: the file that the script names, for npm's banner.
        options: what narrows it, and how each value is read.
        run: does it in a transaction, and returns the numbers of what it concerned.
        settings: its other options.
        at_stripe: does it where the platform has a Stripe, payment by payment, and returns what became of each.
        ingest: does it instead of ``run``, by the environment, and returns also what else the result has.
    """

    source: str
    options: Mapping[str, Callable[[str], Any]]
    run: Callable[[Connection, Options], list[int]] | None
    settings: Mapping[str, Callable[[str], Any]] = field(default_factory=dict)
    at_stripe: Callable[[Connection, Options, Mapping[str, str]], list[dict[str, Any]]] | None = None
    ingest: Callable[[Connection, Options, Mapping[str, str]], tuple[list[int], dict[str, Any]]] | None = None


def parse(job: Job, arguments: Sequence[str]) -> dict[str, Any]:
    """Return a job's options; what was not given is ``None``.

    Raises:
        JobError: an argument is unknown, or its value cannot be read.
    """
    valued = {**job.options, **job.settings}
    found: dict[str, Any] = {**dict.fromkeys(valued), "json": False, "dry-run": False, "force": False}
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name, given, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in found:
            kind = "unknown option" if argument.startswith("-") else "unexpected argument"
            raise JobError(f"{kind} '{argument}'")
        if name not in valued:
            found[name] = True
            continue
        if not given and not waiting:
            raise JobError(f"option '--{name} <value>' argument missing")
        try:
            found[name] = valued[name](value if given else waiting.pop(0))
        except ValueError as error:
            raise JobError(f"option '--{name}': {error}") from error
    return found


def run(
    script: str, connection: Connection, options: Options, environ: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """Do a job, or with ``dry-run`` only say what it would concern.

    Args:
        script: a key of :data:`JOBS`.
        connection: to the platform's database, in autocommit mode.
        options: as :func:`parse` returned them.
        environ: of the container; ``STRIPE_API_URL`` says where its Stripe is.

    Returns:
        ``job``; ``scope``, the options that narrow it; ``everything``, whether none did; ``dry_run``; ``affected``,
        how many rows; ``ids``, their numbers in order; ``payments``, what became of each at Stripe, where the job
        asked Stripe; and ``platforms`` and ``failed``, where it asked social platforms.

    Raises:
        JobError: another one is under way.
        UsageError: the environment is not valid.
        psycopg.Error: the database refused it.
    """
    job = JOBS[script]
    beside: dict[str, Any] = {}
    if job.at_stripe is not None and environ.get("STRIPE_API_URL"):
        beside["payments"] = job.at_stripe(connection, options, environ)
        ids = [int(payment["id"]) for payment in beside["payments"]]
    else:
        with connection.transaction(force_rollback=bool(options["dry-run"])):
            ids = _run(job, connection, options, environ, beside)
    scope = {name: _plain(options[name]) for name in job.options}
    return {
        "job": script,
        "scope": scope,
        "everything": all(value in (None, "all") for value in scope.values()),
        "dry_run": bool(options["dry-run"]),
        "affected": len(ids),
        "ids": sorted(ids),
        **beside,
    }


def _run(
    job: Job, connection: Connection, options: Options, environ: Mapping[str, str], beside: dict[str, Any]
) -> list[int]:
    if job.run is not None:
        return job.run(connection, options)
    assert job.ingest is not None, "a job does it one way or the other"  # noqa: S101 - for the type checker
    try:
        ids, more = job.ingest(connection, options, environ)
    except metrics.BusyError as error:
        raise JobError(str(error)) from error
    beside.update(more)
    return ids


def read_since(text: str) -> datetime:
    """Return the time that is so long ago, such as ``1hour``, or that an ISO timestamp names.

    Raises:
        ValueError: it is neither.
    """
    if match := _DURATION.fullmatch(text):
        return datetime.now(UTC) - timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is neither a duration such as 1hour nor an ISO timestamp") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_ids(text: str) -> list[int]:
    """Return the numbers of a list such as ``1,2,3``.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise ValueError(f"{text!r} is no list of numbers such as 1,2,3")
    return [int(each) for each in text.split(",")]


def _ids_or(*words: str) -> Callable[[str], str | list[int]]:
    return lambda text: text if text in words else read_ids(text)


def _limit(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no number")
    return int(text)


def _retry_failed_payments(connection: Connection, options: Options) -> list[int]:
    return _changed(
        connection,
        "UPDATE payments SET status = 'pending' WHERE id IN"  # noqa: S608 - a constant
        f" (SELECT id {payments.FAILED} FOR UPDATE) RETURNING id",
        options,
    )


def _changed(connection: Connection, statement: str, options: Options) -> list[int]:
    rows = connection.execute(statement.encode(), options).fetchall()
    return sorted({int(row[0]) for row in rows})


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


JOBS: Mapping[str, Job] = MappingProxyType(
    {
        "jobs:retry-failed-payments": Job(
            "retry-failed-payments.js",
            {"since": read_since, "ids": read_ids, "max": _limit},
            _retry_failed_payments,
            {"idempotency-prefix": payments.read_prefix, "attempt": payments.read_attempt, "rps": payments.read_rate},
            payments.retry,
        ),
        metrics.SCRIPT: Job(
            "sync-metrics.js",
            {"campaigns": _ids_or("active", "all"), "platform": metrics.read_platform, "max": _limit},
            None,
            ingest=metrics.sync,
        ),
        "jobs:revoke-tokens": Job(
            "revoke-tokens.js", {"since": read_since, "actor-ids": read_ids}, containment.revoke_tokens
        ),
        "jobs:send-password-resets": Job(
            "send-password-resets.js",
            {"affected-users": _ids_or("all"), "user-ids": read_ids},
            containment.send_password_resets,
            {"incident": containment.read_incident},
        ),
        "jobs:require-2fa": Job("require-2fa.js", {"user-ids": read_ids}, containment.require_2fa),
        "jobs:require-2fa-for-all-users": Job(
            "require-2fa-for-all-users.js", {"user-ids": _ids_or("all")}, containment.require_2fa
        ),
        "jobs:revoke-oauth": Job("revoke-oauth.js", {"account-ids": read_ids}, containment.revoke_oauth),
    }
)
