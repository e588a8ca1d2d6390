# SPDX-License-Identifier: GPL-3.0-or-later
"""The command ``npm`` of backend and metric worker: it treats arguments as npm 11 does, and does the jobs.

npm keeps every flag that stands before ``--`` for itself: ``npm run job --since=1hour`` starts the job without any
argument and with ``npm_config_since`` in its environment, and ``--force`` is npm's own. The jobs then do what they do
by default, which is everything. Every call is recorded as a JSON line in the file that ``LAB_NPM_CALLS`` names.

Environment: ``LAB_NPM_CALLS`` (``npm-calls.jsonl`` in the current directory), ``DATABASE_*`` and ``STRIPE_*`` as the
backend's, those of ``workloads.ingestion``, ``POD_NAME``, ``POD_NAMESPACE``.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

CALLS_VARIABLE = "LAB_NPM_CALLS"


def install(folder: Path) -> Path:
    """Write the command into a folder for the ``PATH`` of the containers, and return its path.

    Args:
        folder: is made where it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = folder / "npm"
    python = shlex.quote(sys.executable)
    command.write_text(f'#!/bin/sh\nexec {python} -P -m {__name__} "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return command
