# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""An evidence bundle before and after it is collected: one that was cut off, and one that is finished."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import bundle_files as files
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import bundle as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]


@dataclass(frozen=True)
class Sealed:
    """A finished bundle.

    Attributes:
        directory: where it is.
        sha256: of ``tagmanifest-sha256.txt``, which stands for every byte of the bundle.
        size: bytes of that file.
        manifest: the content of ``MANIFEST.json``.
    """

    directory: Path
    sha256: str
    size: int
    manifest: Json

    @property
    def partial(self) -> bool:
        """Whether a source could not be collected."""
        return bool(self.manifest["partial"])

    @property
    def anchor(self) -> Json:
        """What the journal keeps of it, one of the ``files`` of the module ``evidence``."""
        return {
            "path": str(self.directory / decisions.TAG_LIST),
            "name": decisions.TAG_LIST,
            "source": f"evidence bundle of {len(self.manifest['files'])} files, {self.manifest['bytes']} bytes"
            + (f", PARTIAL: {len(self.manifest['failed'])} sources failed" if self.partial else ""),
            "sha256": self.sha256,
            "bytes": self.size,
            "truncated": False,
        }


def take_up(directory: Path, standing: decisions.Standing) -> Json:
    """Compare what a bundle that was cut off holds with what is recorded, and throw away what was still growing.

    Args:
        directory: of the bundle.
        standing: what its custody log says.

    Returns:
        For the custody log: ``kept``, the number of files, and ``discarded``, each with its ``path`` and ``bytes``.

    Raises:
        IncidentsError: something recorded is missing or was changed, or something else was added
            (``details["changed_files"]``).
        OSError: it cannot be read.
    """
    changed = [entry["path"] for entry in standing.files if not _kept(directory, entry)]
    recorded = {entry["path"] for entry in standing.files}
    discarded: list[Json] = []
    for name, mode in list(files.below(directory)):
        if name.endswith(decisions.PART) and stat.S_ISREG(mode):
            discarded.append({"path": name, "bytes": (directory / name).stat().st_size})
        elif name.startswith(f"{decisions.PAYLOAD}/") and name not in recorded:
            changed.append(name)
    if changed:
        raise IncidentsError(
            f"Going on with the evidence in {directory}: {', '.join(changed[:5])} is not what was collected; "
            "keep this bundle as it is and begin another one",
            changed_files=changed,
        )
    for item in discarded:
        (directory / item["path"]).unlink()
    return {"kept": len(recorded), "discarded": discarded}


def _kept(directory: Path, entry: Json) -> bool:
    path, part = directory / entry["path"], directory / decisions.part_of(entry["name"])
    sha256 = str(entry["sha256"])
    if not os.path.lexists(path) and _digest(part) == sha256:
        files.name_finally(part, path)  # killed between the record and the name
        return True
    return _digest(path) == sha256


def _digest(path: Path) -> str | None:
    """SHA-256 of a file; ``None`` where there is no ordinary one."""
    try:
        return files.sha256_of(path) if stat.S_ISREG(path.lstat().st_mode) else None
    except (FileNotFoundError, NotADirectoryError):
        return None
