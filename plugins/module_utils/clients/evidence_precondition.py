# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Nothing is contained before evidence is preserved: is there a finished bundle of this incident?

Only the seal is read, not every file: ``runbook verify`` does that, and containment must not wait for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import bundle as layout

Json = dict[str, Any]
Objection = tuple[str, str]

LARGEST = 64 * 2**20
SHORTEST_REASON = 10


@dataclass(frozen=True)
class Preserved:
    """What may be said of the evidence.

    Attributes:
        objection: a stable word and a sentence when nothing may be contained yet.
        caveat: what a person should know.
        plain: ``path`` and ``sha256`` of the bundle's seal, ``partial`` and ``override``.
    """

    objection: Objection | None
    caveat: str | None
    plain: Json


def evidence_options() -> dict[str, dict[str, Any]]:
    """The options of a module that contains a breach."""
    return {
        "evidence_anchor": {
            "type": "dict",
            "options": {
                "path": {"type": "path", "required": True},
                "sha256": {"type": "str", "required": True},
                "name": {"type": "str"},
                "source": {"type": "str"},
                "bytes": {"type": "int"},
                "truncated": {"type": "bool"},
            },
        },
        "evidence_override": {"type": "str"},
    }


def look(params: Mapping[str, Any]) -> Preserved:
    """Look whether evidence was preserved, or who wants to go without says why.

    Args:
        params: ``incident``, ``evidence_anchor`` and ``evidence_override``.
    """
    anchor, override = params["evidence_anchor"], (params["evidence_override"] or "").strip()
    plain: Json = {name: (anchor or {}).get(name) for name in ("path", "sha256")}
    plain |= {"partial": None, "override": override or None}
    cut: list[str] = []
    problem = _problem(anchor, params["incident"], plain, cut) if anchor else "no evidence_anchor is given"
    if problem is None:
        said = ["the evidence is partial: a source could not be read"] if plain["partial"] else []
        said += [f"of the evidence {len(cut)} files were cut off (truncated), among them {cut[0]}"] if cut else []
        return Preserved(None, f"{'; '.join(said)}; see its MANIFEST.json" if said else None, plain)
    if not override:
        text = f"evidence must be preserved first, and {problem}; collect it, or say in evidence_override why not"
        return Preserved(("no_evidence", text), text, plain)
    if len(override) < SHORTEST_REASON:
        text = f"evidence_override must say why in {SHORTEST_REASON} characters or more"
        return Preserved(("no_evidence", text), text, plain)
    return Preserved(None, f"no evidence was preserved ({problem}), by decision: {override[:200]}", plain)


def _problem(anchor: Mapping[str, Any], incident: str, plain: Json, cut: list[str]) -> str | None:
    """Why a bundle does not count; fills in what it says of itself, and which files were cut off."""
    path = Path(str(anchor["path"]))
    if not path.is_absolute() or path.name != layout.TAG_LIST:
        return f"evidence_anchor is not the absolute path of a {layout.TAG_LIST}"
    try:
        seal, document = _read(path), _read(path.parent / layout.DOCUMENT)
        manifest = json.loads(document)
        sealed = {line.split(None, 1)[1]: line.split(None, 1)[0] for line in seal.decode("utf-8").splitlines()}
    except FileNotFoundError:
        return "the bundle is not there or not finished"
    except (OSError, ValueError, IndexError) as error:
        return f"the bundle cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}"
    if hashlib.sha256(seal).hexdigest() != anchor["sha256"]:
        return "the bundle is not the one that was recorded: its seal has another SHA-256"
    if sealed.get(layout.DOCUMENT) != hashlib.sha256(document).hexdigest():
        return f"the bundle's {layout.DOCUMENT} was changed after it was sealed"
    if not isinstance(manifest, dict) or manifest.get("incident") != incident:
        return "the bundle is of another incident"
    if not manifest.get("files"):
        return "the bundle is empty"
    plain["partial"] = bool(manifest.get("partial"))
    files = [file for file in manifest["files"] if isinstance(file, dict)]
    cut += [str(file.get("path")) for file in files if file.get("truncated") and not file.get("error")]
    return None


def _read(path: Path) -> bytes:
    if path.lstat().st_size > LARGEST:
        raise ValueError(f"{path.name} is too long")
    return path.read_bytes()
