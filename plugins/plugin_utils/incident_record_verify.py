# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Is what was kept of an incident still what was recorded? Journal, result, evidence, reports and outbox.

The journal's chain shows each line that was changed, and the result shows lines that were taken from its end. Files
are compared with the size and SHA-256 that the journal holds. None of this is a signature: whoever can write the
directory can write all of it anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.bundle import TAG_LIST
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold import fold
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.fold_elements import listed, mapping, text
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incident_record_bundles import (
    bundles_in,
    verify_bundle,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import RESULT_NAME
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents_lock import holder_of
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal import FILE_NAME, read_journal
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.journal_end import ENDINGS, end_problems
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox import DIRECTORY as OUTBOX
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.outbox import Outbox

_WENT_OUT = frozenset({"sent", "already_sent"})  # until then a later run may say it in other words

Json = dict[str, Any]

EVIDENCE = "evidence"
_SUMS = "SHA256SUMS"  # a copy of what the journal holds, for those who have only the folder
_CHUNK = 1024 * 1024


def verify_incident(directory: Path) -> Json:
    """Return ``{incident, intact, under_way, checks}``; a check is ``{name, status, checked, problems}``.

    ``status`` is ``intact``, ``broken`` or ``absent``; a problem is ``{where, problem}``: a line or a file.

    Args:
        directory: the incident's directory.

    Raises:
        JournalError: the journal cannot be read.
    """
    holder = holder_of(directory)
    journal = read_journal(directory / FILE_NAME)
    damage = [{"where": _line(problem), "problem": problem} for problem in journal.problems]
    if holder is not None:  # its last line may be half written
        damage = [item for item in damage if not item["problem"].endswith("bytes of a record")]
    checks = [
        _check("journal", len(journal.records), damage),
        _result(directory, journal.records, under_way=holder is not None),
        _evidence(directory, journal.records, under_way=holder is not None),
        _reports(directory, journal.records),
        _outbox(directory, journal.records),
    ]
    intact = not any(check["problems"] for check in checks)
    return {"incident": directory.name, "intact": intact, "under_way": holder is not None, "checks": checks}


def _check(name: str, checked: int, problems: list[Json], *, absent: bool = False) -> Json:
    status = "broken" if problems else "absent" if absent else "intact"
    return {"name": name, "status": status, "checked": checked, "problems": problems}


def _problem(where: str, problem: str) -> Json:
    return {"where": where, "problem": problem}


def _line(problem: str) -> str:
    start = problem.partition(":")[0]
    return f"{FILE_NAME} {start}" if start.startswith("line ") else FILE_NAME


def _result(directory: Path, records: list[Json], *, under_way: bool) -> Json:
    ended = [record["run_id"] for record in records if record["type"] in ENDINGS]
    path = directory / RESULT_NAME
    if not path.exists():
        problems = [_problem(RESULT_NAME, "it is missing")] if ended and not under_way else []
        return _check("result", 0, problems, absent=True)
    try:
        result = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        return _check("result", 1, [_problem(RESULT_NAME, f"it cannot be read: {_cause(error)}")])
    cut = [_problem(f"{FILE_NAME} {problem}", problem) for problem in end_problems(directory, records)]
    run_id = text(mapping(mapping(result).get("run")).get("id"))
    if cut or not ended:
        return _check("result", 1, cut or [_problem(RESULT_NAME, "the journal has no run that ended")])
    if run_id != ended[-1] and not under_way:
        why = f"it is of the run {run_id or 'unknown'}, and the last one that ended is {ended[-1]}"
        return _check("result", 1, [_problem(RESULT_NAME, why)])
    difference = _difference(result, fold(records, run_id, incident_id=directory.name))
    problems = [_problem(RESULT_NAME, f"it differs from the journal at {difference}")] if difference else []
    return _check("result", 1, problems)


def _difference(kept: Any, folded: Any, path: str = "") -> str | None:
    """The first place at which two documents differ."""
    if isinstance(kept, dict) and isinstance(folded, dict):
        for key in sorted({*kept, *folded}):
            if key not in kept or key not in folded:
                return f"{path}/{key}"
            if found := _difference(kept[key], folded[key], f"{path}/{key}"):
                return found
        return None
    if isinstance(kept, list) and isinstance(folded, list) and len(kept) == len(folded):
        pairs = enumerate(zip(kept, folded, strict=True))
        return next((found for at, (one, other) in pairs if (found := _difference(one, other, f"{path}/{at}"))), None)
    return None if kept == folded and isinstance(kept, bool) == isinstance(folded, bool) else path or "/"


def _evidence(directory: Path, records: list[Json], *, under_way: bool) -> Json:
    recorded = [mapping(record["data"]) for record in records if record["type"] == "evidence"]
    problems = [found for item in recorded if (found := _file(directory, item))]
    names = {text(item.get("path")): text(item.get("sha256")) for item in recorded}
    bundles = bundles_in(directory / EVIDENCE)
    checked = len(recorded)
    for bundle in bundles:
        read, found_there = _bundle(directory, bundle, names, under_way=under_way)
        checked, problems = checked + read, problems + found_there
    for path in _below(directory / EVIDENCE):
        name = path.relative_to(directory).as_posix()
        if any(bundle in path.parents for bundle in bundles):
            continue
        if path.name == _SUMS and name not in names:
            problems += _sums(directory, path)
        elif name not in names:
            problems.append(_problem(name, "it is not recorded in the journal"))
    return _check("evidence", checked, problems, absent=not checked)


def _bundle(directory: Path, bundle: Path, recorded: Mapping[str, str], *, under_way: bool) -> tuple[int, list[Json]]:
    """A bundle has its own lists; the journal holds the SHA-256 of the one that covers the others."""
    place = bundle.relative_to(directory).as_posix()
    top = f"{place}/{TAG_LIST}"
    read, said = verify_bundle(bundle, anchor=recorded.get(top), under_way=under_way)
    # what the journal says of a file was compared already
    problems = [_problem(f"{place}/{path}".removesuffix("/."), problem) for path, problem in said]
    problems = [item for item in problems if item["where"] not in recorded]
    if top not in recorded and not under_way and (bundle / TAG_LIST).exists():
        problems.append(_problem(top, "it is not recorded in the journal"))
    return read, problems


def _file(directory: Path, item: Mapping[str, Any]) -> Json | None:
    name, digest, size = text(item.get("path")), text(item.get("sha256")), item.get("bytes")
    if not name or not digest:
        return _problem(name or "a file", "the journal does not say its path and SHA-256")
    path = directory / name
    if not Path(name).is_absolute() and directory.resolve() not in path.resolve().parents:
        return _problem(name, "it lies outside of the incident's directory")
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            return _problem(name, "it is no ordinary file")
        if found.st_size != size:
            return _problem(name, f"it has {found.st_size} bytes, recorded are {size}")
        if _sha256(path) != digest:
            return _problem(name, "its content was changed: another SHA-256 is recorded")
    except FileNotFoundError:
        return _problem(name, "it is missing")
    except (OSError, ValueError) as error:
        return _problem(name, f"it cannot be read: {_cause(error)}")
    return None


def _sums(directory: Path, path: Path) -> list[Json]:
    """A list of sums is no evidence itself; each of its lines must be true."""
    name = path.relative_to(directory).as_posix()
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, start=1):
            digest, _, file = line.partition("  ")
            if not file or not (path.parent / file).is_file() or _sha256(path.parent / file) != digest:
                return [_problem(f"{name} line {number}", "it is not the SHA-256 of a file beside it")]
    except (OSError, ValueError) as error:
        return [_problem(name, f"it cannot be read: {_cause(error)}")]
    return []


def _below(folder: Path) -> Iterator[Path]:
    for place, _, files in sorted(os.walk(folder)):
        yield from (Path(place, name) for name in sorted(files))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _reports(directory: Path, records: list[Json]) -> Json:
    """The reports that the last ``report_written`` notice names; a report can always be made anew."""
    notices = [mapping(record["data"]) for record in records if record["type"] == "notice"]
    last = next((data for data in reversed(notices) if data.get("code") == "report_written"), {})
    files = [item for item in listed(last.get("files")) if isinstance(item, dict)]
    return _check(
        "reports", len(files), [found for item in files if (found := _file(directory, item))], absent=not files
    )


def _lost_messages(kept: Mapping[str, Json], records: list[Json]) -> Iterator[Json]:
    """What the journal says of a message that the outbox does not have, or has as another one."""
    said = [mapping(record["data"]) for record in records if record["type"] == "notification"]
    last = {str(data["id"]): data for data in said if data.get("id")}
    for name, data in last.items():
        if name not in kept:
            yield _problem(f"{OUTBOX}/{name}.json", "it is missing; the journal says that it was there")
        elif data.get("status") in _WENT_OUT and kept[name].get("fingerprint") != data.get("fingerprint"):
            yield _problem(f"{OUTBOX}/{name}.json", "it is another message than the one that the journal names")


def _outbox(directory: Path, records: list[Json]) -> Json:
    outbox = Outbox(directory)
    if not outbox.directory.exists():
        return _check("outbox", 0, [], absent=True)
    try:
        kept = {message["id"]: message for message in outbox.messages()}
        return _check("outbox", len(kept), list(_lost_messages(kept, records)))
    except (IncidentsError, OSError) as error:
        return _check("outbox", 0, [_problem(OUTBOX, str(error))])


def _cause(error: BaseException) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
