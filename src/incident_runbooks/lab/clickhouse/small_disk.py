# SPDX-License-Identifier: GPL-3.0-or-later
"""A small disk for one process, without root: a tmpfs that only this process sees, mounted over its data.

It begins with a copy of the data and is gone with the process: after that the data is what it was before.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from incident_runbooks.errors import RunbookError

_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
_MOUNT = """
set -eu
data="$1"; size="$2"; shift 2
mount -t tmpfs -o "size=$size,mode=0700" clickhouse "$data.disk"
cp -a "$data/." "$data.disk/"
mount --bind "$data.disk" "$data"
exec "$@"
"""


@functools.cache
def possible() -> bool:
    """Return whether this machine lets an ordinary user mount something of their own."""
    if not shutil.which("unshare"):
        return False
    probe = [*_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/tmp"]  # noqa: S108 - only in the probe's own namespace
    try:
        return subprocess.run(probe, capture_output=True, timeout=10, check=False).returncode == 0  # noqa: S603 - a constant
    except (OSError, subprocess.SubprocessError):
        return False


def around(command: Sequence[str | Path], data: Path, size: int) -> list[str | Path]:
    """Return the command that runs *command* with a disk of its own below *data*.

    Args:
        command: program and arguments.
        data: an existing folder.
        size: in bytes; what is there must fit.

    Raises:
        RunbookError: this machine does not allow it.
    """
    if not possible():
        raise RunbookError(
            f"Mounting a disk of {size} bytes over {data}: this machine lets no ordinary user mount a tmpfs",
            hint="allow user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces)",
        )
    data.with_name(f"{data.name}.disk").mkdir(mode=0o700, exist_ok=True)
    return [*_NAMESPACE, "sh", "-c", _MOUNT, "sh", data, str(size), *command]
