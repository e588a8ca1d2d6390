# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that only their owner can read, and what may be shown of the secrets in them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def fingerprint(secret: str) -> str:
    """Return what logs show of a secret, which may be no proper text: a header can hold any byte, JSON half a pair."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def write_json(path: Path, plain: Any) -> None:
    """Write data in one step, so that a reader finds the old or the new; the mode is 0600."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(plain))  # in one piece: ten times as fast as json.dump
    Path(temporary).replace(path)


def read_json(path: Path, *, missing_ok: bool = False) -> Any:
    """Return what :func:`write_json` wrote.

    Args:
        path: of the file.
        missing_ok: return ``None`` where there is none.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds something else.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if missing_ok:
            return None
        raise
