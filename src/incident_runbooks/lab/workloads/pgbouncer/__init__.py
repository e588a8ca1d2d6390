# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``pgbouncer`` of PgBouncer's image: it runs the real PgBouncer of this machine.

What a container would give it has to be made up for: an address of its own (all pods share this machine's loopback
interface, so ``*`` becomes the pod's address) and an account that is not root, which PgBouncer refuses.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path


def install(folder: Path) -> Path:
    """Write the command into a folder for the ``PATH`` of containers, and return its path.

    Args:
        folder: is made where it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "pgbouncer"
    python = shlex.quote(sys.executable)
    here = shlex.quote(str(folder))
    # the real one is looked for on PATH, where this one is
    command.write_text(f'#!/bin/sh\nexec {python} -P -m {__name__} {here} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return command
