# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""Write the drafts of a breach's notices as plain text, each version of them once. Nothing here sends anything.

The templates are ``roles/common/templates/breach/*.j2``. What they print is text from outside: it is made visible
characters on one line by the environment's ``finalize``, so that a template cannot forget it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.incidents import write_private
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.report_text import Shown, iso, plain

if TYPE_CHECKING:
    from jinja2 import Environment

Json = dict[str, Any]

DIRECTORY = "notices"
INDEX = "drafts.json"
TEMPLATES = Path(__file__).resolve().parents[2] / "roles" / "common" / "templates" / "breach"
KINDS: Mapping[str, str] = {"regulator": "txt", "people": "txt", "customer-email": "txt", "register": "json"}
_EMPTY_LINES = re.compile(r"\n{3,}")
_ASSESSMENT: Mapping[str, str] = {
    "risk_reasons": "why it is unlikely that people are at risk",
    "risk_assessed_by": "who has assessed the risk",
}
_NOT_IN_REGISTER = frozenset({"wanted", "done", "reset_url", "settings_url", "phase"})


def render(sheet: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of each draft; ``register`` is the entry for the register of breaches, Art. 33(5), as JSON.

    Args:
        sheet: of ``decisions/breach_notice.py``.
    """
    variables = {**sheet, "said": said(sheet)}
    found = {}
    for kind in KINDS:
        if kind == "register":
            entry = {name: value for name, value in sheet.items() if name not in _NOT_IN_REGISTER}
            if sheet["assumed"]:
                entry |= {name: f"[ASSUMED: {sheet[name]}]" for name in ("aware_at", "deadline")}
            found[kind] = json.dumps(entry, indent=2, sort_keys=True, allow_nan=False) + "\n"
        else:
            text = _environment().get_template(f"{kind}.txt.j2").render(variables)
            found[kind] = _EMPTY_LINES.sub("\n\n", text).strip() + "\n"
    return found


def said(sheet: Mapping[str, Any]) -> Json:
    """Return what the drafts say of each thing that is wanted; what is not known is a marked blank."""
    found: Json = {}
    for name, what in sheet["wanted"].items():
        value = sheet[name]
        if name in sheet["blanks"]:
            blank = f"[NOT KNOWN YET: {what}]"
            found[name] = [blank] if isinstance(value, list) else blank
        elif name.endswith("_count"):
            found[name] = f"{'at least' if sheet['at_least'] else 'about'} {value}"
        else:
            found[name] = value
    for name, what in (("reset_url", "reset link"), ("settings_url", "settings link")):
        found[name] = sheet[name] or f"[NOT KNOWN YET: {what}]"
    for name, what in _ASSESSMENT.items():
        found[name] = f"[NOT KNOWN YET: {what}]" if name in sheet["blanks"] else sheet[name]
    for name, local in (("aware_at", "aware_local"), ("deadline", "deadline_local")):
        text = iso(sheet[name]) + (f" ({sheet[local]})" if sheet[local] else "")
        found[name] = f"[ASSUMED: {text}]" if sheet["assumed"] else text
    found["security_contact"] = sheet["security_contact"] or "[NOT KNOWN YET: contact of the security team]"
    return found


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 - loaded by those who render

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,  # noqa: S701 - plain text; finalize makes it harmless
        finalize=lambda value: value if isinstance(value, Shown) else Shown(plain(value)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["iso"] = iso
    environment.filters["bounded"] = lambda value, limit: Shown(plain(value, limit))
    return environment


def save(incident: Path, drafts: Mapping[str, str], *, check_mode: bool) -> list[Json]:
    """Write each draft that differs from its last version as a new file, and return what became of each.

    A file that is there is never written again: a person may have worked on it.

    Args:
        incident: the incident's directory.
        drafts: text by kind.
        check_mode: only say what would be done.

    Raises:
        IncidentsError: the directory cannot be read or written.
    """
    folder = incident / DIRECTORY
    index = _index(folder)
    found = []
    for kind, text in drafts.items():
        data = text.encode("utf-8")
        digest = hashlib.sha256(data).hexdigest()
        versions = [item for item in index if item["kind"] == kind]
        last = versions[-1] if versions else None
        if last and last["sha256"] == digest and (folder / last["name"]).is_file():
            edited = _digest(folder / last["name"]) != digest
            entry = {**last, "state": "unchanged", "edited": edited}
        else:
            entry = {"kind": kind, "sha256": digest, "bytes": len(data), "edited": False}
            entry |= _free(folder, kind, len(versions)) | {"state": "would_write" if check_mode else "written"}
            if not check_mode:
                _make(folder)
                write_private(folder / entry["name"], text)
                index.append({name: entry[name] for name in ("kind", "name", "version", "sha256", "bytes")})
                write_private(folder / INDEX, json.dumps(index, indent=2) + "\n")
        found.append({**entry, "path": str(folder / entry["name"])})
    return found


def _free(folder: Path, kind: str, known: int) -> Json:
    """The next version whose file is not there, also where a run died before it could say so."""
    version = known + 1
    while (folder / f"{kind}-{version}.{KINDS[kind]}").exists():
        version += 1
    return {"version": version, "name": f"{kind}-{version}.{KINDS[kind]}"}


def _index(folder: Path) -> list[Json]:
    path = folder / INDEX
    try:
        found = json.loads(path.read_bytes())
        return [{name: item[name] for name in ("kind", "name", "version", "sha256", "bytes")} for item in found]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = getattr(error, "strerror", None) or "it is not what was written"
        raise IncidentsError(f"Reading the drafts in {path}: {cause}; move the file away, the drafts stay") from error


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)  # an unusual umask, or an earlier hand
    except OSError as error:
        raise IncidentsError(f"Making the folder {folder}: {error.strerror}; check RUNBOOK_HOME") from error


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise IncidentsError(f"Reading the draft {path}: {error.strerror}") from error
