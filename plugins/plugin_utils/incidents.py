# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Where incidents are kept: their ids and directories.

``<home>/incidents/<incident id>/`` holds ``journal.jsonl``, ``result.json`` and ``lock``; directories have mode
0700 and files 0600 whatever the umask says.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import holder_of
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import FILE_NAME, sync_directory

RESULT_NAME = "result.json"
_APPLICATION = "incident-runbooks"
_STAMP = "%Y%m%dT%H%M%SZ"
_INCIDENT_ID = re.compile(r"([a-z][a-z0-9]*(?:-[a-z0-9]+)*)-(\d{8}T\d{6}Z)-[0-9a-f]{4}")
_RUN_ID = re.compile(r"run-\d{8}T\d{6}Z-[0-9a-f]{4}")
_LONGEST_ID = 120
_ATTEMPTS = 20
_UNUSABLE = frozenset(
    {errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENAMETOOLONG}
)


class HomeError(IncidentsError):
    """RUNBOOK_HOME, or a place in it, is not what it has to be: the operator can mend it."""


@dataclass(frozen=True)
class Incident:
    """One incident that was recorded.

    Attributes:
        id: the incident's id.
        type: the incident type, with dashes.
        opened_at: RFC 3339, to the second.
        path: its directory.
        holder: who runs it at this moment; ``None`` when no run is under way.
    """

    id: str
    type: str
    opened_at: str
    path: Path
    holder: dict[str, Any] | None

    @property
    def under_way(self) -> bool:
        """Whether a run of it is under way."""
        return self.holder is not None

    @property
    def journal(self) -> Path:
        """Its journal."""
        return self.path / FILE_NAME

    @property
    def result(self) -> Path:
        """The result of its last finished run; the file may not exist."""
        return self.path / RESULT_NAME


def home(environ: Mapping[str, str] | None = None) -> Path:
    """Return the state directory: RUNBOOK_HOME, or the platform's place for state."""
    named = (os.environ if environ is None else environ).get("RUNBOOK_HOME")
    if named:
        return Path(named).expanduser().absolute()
    import platformdirs  # noqa: PLC0415 - most runs are told where home is

    return platformdirs.user_state_path(_APPLICATION, appauthor=False)


def new_incident_id(incident_type: str, moment: dt.datetime | None = None) -> str:
    """Return a new id, such as ``pool-exhaustion-20261123T231455Z-3fa1``.

    Args:
        incident_type: its name, with dashes or underscores.

    Raises:
        IncidentsError: the type cannot be part of an id.
    """
    return checked_incident_id(f"{incident_type.replace('_', '-')}-{_stamp(moment)}")


def new_run_id(moment: dt.datetime | None = None) -> str:
    """Return a new id of a run, such as ``run-20261123T231455Z-3fa1``."""
    return f"run-{_stamp(moment)}"


def checked_incident_id(incident_id: str) -> str:
    """Return the id if it is one; it is safe as the name of a directory then.

    Raises:
        IncidentsError: it is none.
    """
    if len(incident_id) > _LONGEST_ID or not _INCIDENT_ID.fullmatch(incident_id):
        raise IncidentsError(
            f"Reading the incident id {incident_id[:_LONGEST_ID]!r}: it is none; "
            "they look like pool-exhaustion-20261123T231455Z-3fa1"
        )
    return incident_id


def checked_run_id(run_id: str) -> str:
    """Return the id of a run if it is one.

    Raises:
        IncidentsError: it is none.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise IncidentsError(
            f"Reading the run id {run_id[:_LONGEST_ID]!r}: it is none; they look like run-20261123T231455Z-3fa1"
        )
    return run_id


def type_of(incident_id: str) -> str:
    """Return the incident type that an id names.

    Raises:
        IncidentsError: it is no incident id.
    """
    return checked_incident_id(incident_id).rsplit("-", 2)[0]


def incident_dir(incident_id: str, base: Path | None = None) -> Path:
    """Return the directory of an incident, whether it exists or not.

    Args:
        base: the state directory; default :func:`home`.

    Raises:
        IncidentsError: it is no incident id.
    """
    return (base or home()) / "incidents" / checked_incident_id(incident_id)


def open_incident(incident_id: str, base: Path | None = None) -> Path:
    """Make the directory of an incident where it does not exist, and return it.

    Raises:
        IncidentsError: it is no incident id, or the directory cannot be made.
    """
    path = incident_dir(incident_id, base)
    try:
        path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for directory in (path.parent, path):
            _private(directory)
    except OSError as error:
        raise _of_the_home(
            error, f"Making the incident directory {path}: {error.strerror}; check RUNBOOK_HOME"
        ) from error
    return path


def new_incident(incident_type: str, base: Path | None = None) -> tuple[str, Path]:
    """Make the directory of a new incident; return its id and its directory.

    Raises:
        IncidentsError: the directory cannot be made.
    """
    for _ in range(_ATTEMPTS):
        incident_id = new_incident_id(incident_type)
        if not incident_dir(incident_id, base).exists():
            return incident_id, open_incident(incident_id, base)
    raise IncidentsError(f"Making a directory for a new {incident_type} incident: every id is taken")


def list_incidents(base: Path | None = None) -> list[Incident]:
    """Return every incident that was recorded, the newest first. A directory that is none is left out.

    Raises:
        IncidentsError: the state directory cannot be read.
    """
    folder = (base or home()) / "incidents"
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _of_the_home(error, f"Reading the incidents in {folder}: {error.strerror}; check RUNBOOK_HOME") from error
    matches = [match for match in map(_INCIDENT_ID.fullmatch, names) if match]
    matches.sort(key=lambda match: (match[2], match[0]), reverse=True)
    return [_incident(match[0], match[1], match[2], folder / match[0]) for match in matches]


def cannot_be_used(error: OSError) -> bool:
    """Whether a place is of the wrong kind, or not permitted; else the disk is full, or broken."""
    return error.errno in _UNUSABLE


def _of_the_home(error: OSError, message: str) -> IncidentsError:
    return HomeError(message) if cannot_be_used(error) else IncidentsError(message)


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, with mode 0600.

    Raises:
        IncidentsError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            os.fchmod(fd, 0o600)
            file.write(text)
            file.flush()
            os.fsync(fd)
        part.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise IncidentsError(f"Writing {path}: {error.strerror}") from error


def _incident(name: str, kind: str, stamp: str, path: Path) -> Incident:
    opened = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:11]}:{stamp[11:13]}:{stamp[13:]}"
    return Incident(name, kind, opened, path, holder_of(path))


def _stamp(moment: dt.datetime | None) -> str:
    return f"{(moment or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).strftime(_STAMP)}-{secrets.token_hex(2)}"


def _private(directory: Path) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_mode & 0o777 != 0o700:  # noqa: PLR2004 - an unusual umask, or an earlier hand
        directory.chmod(0o700)
