# SPDX-License-Identifier: GPL-3.0-or-later
"""How full the volumes of claims are, by the kubelet's names, at /metrics.

Each is the file system that its directory is on, as with the volumes that ``local-path`` provisions. With a quota a
volume is what statfs(2) makes of a project quota: no larger than that, and used by what is in the directory.
https://kubernetes.io/docs/reference/instrumentation/metrics/ (kubelet_volume_stats_*)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PATH = "/metrics"
# annotations of a claim
DIRECTORY = "lab.incident-runbooks/directory"
QUOTA = "lab.incident-runbooks/quota-bytes"


@dataclass(frozen=True)
class Volume:
    """The volume of a claim that a pod has mounted.

    Attributes:
        namespace: of the claim.
        claim: its name.
        directory: where it is.
        quota_bytes: its size; ``None`` where that is the file system's.
    """

    namespace: str
    claim: str
    directory: Path
    quota_bytes: int | None = None


@dataclass(frozen=True)
class Filled:
    """How full it is: bytes and inodes in all, those that are free for whoever is not root, and those used."""

    capacity: int
    available: int
    used: int
    inodes: int
    inodes_free: int
    inodes_used: int


_FAMILIES: tuple[tuple[str, str, Callable[[Filled], int]], ...] = (
    ("capacity_bytes", "Capacity in bytes of the volume", lambda it: it.capacity),
    ("available_bytes", "Number of available bytes in the volume", lambda it: it.available),
    ("used_bytes", "Number of used bytes in the volume", lambda it: it.used),
    ("inodes", "Maximum number of inodes in the volume", lambda it: it.inodes),
    ("inodes_free", "Number of free inodes in the volume", lambda it: it.inodes_free),
    ("inodes_used", "Number of used inodes in the volume", lambda it: it.inodes_used),
)


def measure(volume: Volume) -> Filled | None:
    """Ask the file system; ``None`` when the directory is not there."""
    try:
        found = os.statvfs(volume.directory)
        held = size_of(volume.directory) if volume.quota_bytes is not None else 0
    except OSError:
        return None
    unit = found.f_frsize
    capacity, available = found.f_blocks * unit, found.f_bavail * unit
    used = (found.f_blocks - found.f_bfree) * unit
    if volume.quota_bytes is not None:
        capacity, used = min(capacity, volume.quota_bytes), held
        available = min(available, max(volume.quota_bytes - held, 0))
    return Filled(capacity, available, used, found.f_files, found.f_favail, found.f_files - found.f_ffree)


def size_of(directory: Path) -> int:
    """Return the bytes that the files of a directory take on the disk.

    Raises:
        OSError: the directory is not there.
    """
    directory.stat()
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512  # noqa: PTH118 - thousands of files
            except OSError:
                continue  # removed meanwhile
    return total


def text(volumes: Iterable[Volume]) -> str:
    """Return it in Prometheus' text format."""
    known = [(volume, filled) for volume in volumes if (filled := measure(volume)) is not None]
    lines = []
    for name, what, value in _FAMILIES:
        family = f"kubelet_volume_stats_{name}"
        lines += [f"# HELP {family} {what}", f"# TYPE {family} gauge"]
        lines += [
            f'{family}{{namespace="{volume.namespace}",persistentvolumeclaim="{volume.claim}"}} {value(filled)}'
            for volume, filled in known
        ]
    return "\n".join(lines) + "\n"
