# SPDX-License-Identifier: GPL-3.0-or-later
"""Single programs of the lab, such as ``redis-server``: which link of the chain has them, and how they are started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from incident_runbooks.errors import RunbookError
from incident_runbooks.lab.binaries import debian

# Folders of distributions that an operator's PATH may lack
_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/homebrew/sbin")


@dataclass(frozen=True)
class Program:
    """A program that works on this machine.

    Attributes:
        name: as the lab asks for it.
        path: what to start.
        version: as it says itself.
        source: the link of the chain: ``path``, ``distribution``, or ``package`` (a Debian package in the cache).
        environ: what it needs in its environment beside the usual.
    """

    name: str
    path: Path
    version: str
    source: str
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Known:
    """How a program is found.

    Attributes:
        package: the Debian package that is unpacked for it.
        beside: packages that belong to it.
        names: the executables that will do, best first.
        ask: the arguments that make it tell its version.
        says: where the version is in what it says.
        mute: what a release answers that cannot tell its version; then it has the version of its package.
    """

    package: str
    names: tuple[str, ...]
    says: re.Pattern[str]
    beside: tuple[str, ...] = ()
    ask: tuple[str, ...] = ("--version",)
    mute: str | None = None


_REDIS_SAYS = re.compile(r"(?:v=|redis-cli |valkey-cli )(\d+\.\d+\S*)")
_PROMETHEUS_SAYS = re.compile(r"(?:prometheus|promtool), version (\d+\.\d+\S*)")
_PACKAGE_VERSION = re.compile(r"_(?:\d+%3a)?(\d+\.\d+[.\d]*)[^/]*/usr/s?bin/")
PROGRAMS: Mapping[str, _Known] = {
    "redis-server": _Known("redis-server", ("redis-server", "valkey-server"), _REDIS_SAYS, beside=("redis-tools",)),
    "redis-cli": _Known("redis-server", ("redis-cli", "valkey-cli"), _REDIS_SAYS, beside=("redis-tools",)),
    "pgbouncer": _Known("pgbouncer", ("pgbouncer",), re.compile(r"PgBouncer (\d+\.\d+\S*)")),
    "kubectl": _Known(
        "kubernetes-client", ("kubectl",), re.compile(r"\bv(\d+\.\d+\.\d+[^\s\"]*)"), ask=("version", "--client")
    ),
    "prometheus": _Known("prometheus", ("prometheus",), _PROMETHEUS_SAYS),
    "promtool": _Known("prometheus", ("promtool",), _PROMETHEUS_SAYS),
    "clickhouse-server": _Known(
        "clickhouse-server",
        ("clickhouse-server",),
        re.compile(r"ClickHouse .*\bversion (\d+\.\d+\.\d+)"),
        beside=("clickhouse-common",),  # the program is in its library
        mute="Unknown option specified: version",
    ),
}


def find_program(name: str, *, source: str | None = None) -> Program:
    """Return a program; its Debian package is fetched where nothing else has it.

    Args:
        name: a key of :data:`PROGRAMS`.
        source: only this link of the chain will do, such as ``package``.

    Raises:
        RunbookError: this machine has none and cannot get one.
    """
    if (found := locate(name, source=source)) is not None:
        return found
    known = PROGRAMS[name]
    advice = f"install {known.names[0]} (Debian package {known.package})"
    if source not in {None, "package"}:
        raise RunbookError(f"Looking for {name} ({source}) for the lab: none is on this machine", hint=advice)
    try:
        folder = debian.unpack(known.package, beside=known.beside)
    except RunbookError as error:
        raise RunbookError(f"Looking for {name} for the lab: {error.message}", hint=error.hint or advice) from error
    program = _in_package(name, folder)
    if program is None:
        raise RunbookError(
            f"Looking for {name} for the lab: what the Debian package {known.package} holds in {folder} does not run",
            hint=advice,
        )
    return program


def locate(name: str, *, source: str | None = None) -> Program | None:
    """Return a program that is on this machine already; nothing is fetched.

    Args:
        name: a key of :data:`PROGRAMS`.
        source: only this link of the chain will do.
    """
    return next((each for each in _chain(name) if source in {None, each.source}), None)


def describe() -> list[dict[str, Any]]:
    """Return which link serves each program, as plain data; ``source`` is ``absent`` where none does.

    Each has ``name``, ``source``, ``version``, ``path`` (both None where it is absent) and ``package``, the Debian
    package that carries it.
    """
    described = []
    for name, known in PROGRAMS.items():
        found = locate(name)
        described.append(
            {
                "name": name,
                "source": found.source if found else "absent",
                "version": found.version if found else None,
                "path": str(found.path) if found else None,
                "package": known.package,
            }
        )
    return described


def _chain(name: str) -> Iterator[Program]:
    known = PROGRAMS[name]
    links = {"path": os.environ.get("PATH", os.defpath), "distribution": os.pathsep.join(_FOLDERS)}
    for source, search_path in links.items():
        for executable in known.names:
            path = shutil.which(executable, path=search_path)
            if path and (program := _inspect(name, Path(path), source, {})):
                yield program
    if (folder := debian.unpacked(known.package)) and (program := _in_package(name, folder)):
        yield program


def _in_package(name: str, folder: Path) -> Program | None:
    environ = debian.library_environ(folder)
    for executable in PROGRAMS[name].names:
        for below in ("usr/bin", "usr/sbin"):
            path = folder / below / executable
            if path.exists() and (program := _inspect(name, path, "package", environ)):
                return program
    return None


def _inspect(name: str, path: Path, source: str, environ: Mapping[str, str]) -> Program | None:
    """Return the program if it runs and tells its version; a shim without its tool, for one, does not."""
    known = PROGRAMS[name]
    try:
        done = subprocess.run(  # noqa: S603 - the program that was found
            [path, *known.ask],
            env={**os.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = known.says.search(done.stdout) if done.returncode == 0 else None
    if match is None and source == "package" and known.mute and known.mute in done.stderr:
        match = _PACKAGE_VERSION.search(str(path))
    if match is None:
        return None
    return Program(name=name, path=path, version=match[1].rstrip('",'), source=source, environ=environ)
