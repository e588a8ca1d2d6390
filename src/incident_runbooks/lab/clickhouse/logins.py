# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may ask the lab's ClickHouse."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from incident_runbooks.lab.server import Login
from incident_runbooks.lab.services.secret_files import read_json, write_json

FILE = "logins.json"
USER = "runbook"


def write_logins(directory: Path, *logins: Login) -> None:
    """Write them into *directory*, where only the owner can read them."""
    write_json(directory / FILE, {login.user: login.password for login in logins})


def read_logins(directory: Path) -> dict[str, str]:
    """Return the password of each user.

    Raises:
        OSError: the file cannot be read.
    """
    return dict(read_json(directory / FILE))


def accepts(logins: Mapping[str, str], user: str, password: str) -> bool:
    """Return whether that is the user's password."""
    expected = logins.get(user)
    return expected is not None and secrets.compare_digest(expected.encode(), password.encode())
