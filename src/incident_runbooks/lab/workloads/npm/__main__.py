# SPDX-License-Identifier: GPL-3.0-or-later
"""``npm run <script>``: read the command line as npm does, record the call, do the job."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import psycopg

from incident_runbooks.errors import UsageError
from incident_runbooks.lab.workloads import database
from incident_runbooks.lab.workloads.npm import CALLS_VARIABLE, arguments, jobs
from incident_runbooks.lab.workloads.npm.arguments import CommandLine

VERSION = "11.19.1"
PACKAGE = "backend@1.42.0"
_RUN = ("run", "run-script", "rum", "urn")


def main(given: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run npm; returns its exit status."""
    given = sys.argv[1:] if given is None else given
    line = arguments.read(given)
    _record(given, line, environ)
    if line.config.get("version") is True:
        print(VERSION)
        return 0
    if line.log_level not in {"silent", "error"}:
        for warning in line.warnings:
            print(f"npm warn {warning}", file=sys.stderr)
    if not line.positional:
        print("npm <command>\n\nUsage:\n\nnpm run <foo>      run the script named <foo>")
        return 1
    command, *rest = line.positional
    if command not in _RUN:
        print(f'Unknown command: "{command}"\n\nTo see a list of supported npm commands, run:\n  npm help')
        return 1
    return _run(line, rest, environ) if rest else _list()


def _list() -> int:
    print(f"Scripts available in {PACKAGE} via `npm run`:")
    for script, job in jobs.JOBS.items():
        print(f"  {script}\n    {_command(job)}")
    return 0


def _run(line: CommandLine, rest: Sequence[str], environ: Mapping[str, str]) -> int:
    script, *own = rest
    job = jobs.JOBS.get(script)
    if job is None:
        return _missing(line, script)
    if line.log_level != "silent":
        banner = f"\n> {PACKAGE} {script}\n> {' '.join([_command(job), *own])}\n"
        print(banner, file=_beside(line), flush=True)
    return _do(script, job, own, environ)


def _missing(line: CommandLine, script: str) -> int:
    if line.config.get("if-present") is True:
        return 0
    lines = [f'Missing script: "{script}"', "", "To see a list of scripts, run:", "  npm run"]
    if line.config.get("json") is True:
        print(json.dumps({"error": {"summary": "\n".join(lines), "detail": ""}}, indent=2))
    if line.log_level != "silent":
        for each in lines:
            print(f"npm error {each}".rstrip(), file=sys.stderr)
    return 1


def _do(script: str, job: jobs.Job, own: Sequence[str], environ: Mapping[str, str]) -> int:
    """Do the job as a script of its own would."""
    try:
        options = jobs.parse(job, own)
        with psycopg.connect(**database.parameters(environ, f"npm {script}")) as connection:
            result = jobs.run(script, connection, options, environ)
    except (jobs.JobError, UsageError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except psycopg.Error as error:
        where = f"{environ.get('DATABASE_HOST')}:{environ.get('DATABASE_PORT')}"
        err = database.err(error, where)
        print(f"{err['type']}: {err['message']}", file=sys.stderr)
        return 1
    if options["json"]:
        print(json.dumps(result))
    else:
        would = " (dry run, nothing was changed)" if result["dry_run"] else ""
        print(f"{script}: {result['affected']} affected{would}")
    if failed := result.get("failed"):
        told = "; ".join(f"{name}: {result['platforms'][name]['error']}" for name in failed)
        print(f"error: {told}", file=sys.stderr)
    return 1 if failed else 0


def _beside(line: CommandLine) -> TextIO:
    """Return where npm's banner goes: with npm's own ``--json`` not among the results."""
    return sys.stderr if line.config.get("json") is True else sys.stdout


def _command(job: jobs.Job) -> str:
    return f"node dist/jobs/{job.source}"


def _record(given: Sequence[str], line: CommandLine, environ: Mapping[str, str]) -> None:
    """Append one line to the record of calls."""
    entry = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "argv": list(given),
        "script": line.positional[1] if line.positional[1:] else None,
        "script_argv": line.positional[2:],
        "npm_config": line.environ(),
        "cwd": str(Path.cwd()),
        "pod": environ.get("POD_NAME", ""),
        "namespace": environ.get("POD_NAMESPACE", ""),
    }
    path = environ.get(CALLS_VARIABLE) or "npm-calls.jsonl"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    sys.exit(main())
