# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""When a probe account was last used, so that it is not used too often. One small file, locked while it is read."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

FILE = "auth-probe.json"
_LARGEST = 65_536  # bytes
_KEPT_S = 24 * 3600


def take_turn(attempted: str, folder: str, account: str, interval_s: float, now: float | None = None) -> float | None:
    """Take the turn of an account, or return the seconds until it can be taken.

    Args:
        attempted: begins an error's text.
        folder: where the file is.
        account: who logs in where; only a digest of it is kept.
        interval_s: seconds between two turns.
        now: seconds since the epoch; the clock's unless given.

    Returns:
        ``None`` where the turn was taken.

    Raises:
        IncidentsError: the file cannot be used.
    """
    at = time.time() if now is None else now
    name = hashlib.sha256(account.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    path = Path(folder) / FILE
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # held for the few lines below only
            turns = {each: last for each, last in _turns(file.read(_LARGEST)).items() if 0 <= at - last < _KEPT_S}
            waited_s = at - turns.get(name, 0.0)
            if 0 <= waited_s < interval_s:
                return interval_s - waited_s
            file.seek(0)
            file.truncate()
            file.write(json.dumps({**turns, name: at}).encode())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise IncidentsError(
            f"{attempted}: {path} cannot be used: {reason}; check state_dir and RUNBOOK_HOME"
        ) from None
    return None


def _turns(content: bytes) -> dict[str, float]:
    """What was kept; nothing where it makes no sense."""
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    plain = found if isinstance(found, dict) else {}
    return {str(name): float(at) for name, at in plain.items() if isinstance(at, (int, float))}
