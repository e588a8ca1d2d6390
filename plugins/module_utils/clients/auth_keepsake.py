# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Keep a token for a later task of the same run, without writing it anywhere.

A task's result is the only thing that reaches a later task, and results are recorded. So the token travels encrypted,
with a key that is made when this file is loaded: by the process that starts the workers, which inherit it. The key is
in memory only and ends with the run.
"""

from __future__ import annotations

import base64
import secrets

_KEY = base64.urlsafe_b64encode(secrets.token_bytes(32))
_LONGEST = 20_000  # characters


def keep(token: str) -> str | None:
    """Return a token so that only processes of this run can read it; ``None`` where nothing can encrypt it."""
    try:
        from cryptography.fernet import Fernet  # noqa: PLC0415 - comes with ansible-core; takes 30 ms to load
    except ImportError:
        return None
    return Fernet(_KEY).encrypt(token.encode()).decode("ascii")


def read(keepsake: str) -> str | None:
    """Return the token; ``None`` where another run has made it, or it is none."""
    try:
        from cryptography.fernet import Fernet, InvalidToken  # noqa: PLC0415 - see above
    except ImportError:
        return None
    if len(keepsake) > _LONGEST:
        return None
    try:
        return Fernet(_KEY).decrypt(keepsake.encode()).decode()
    except (InvalidToken, ValueError):
        return None
