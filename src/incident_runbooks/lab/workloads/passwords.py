# SPDX-License-Identifier: GPL-3.0-or-later
"""How the platform keeps its users' passwords: scrypt, as ``scrypt$<n>$<salt>$<hash>``."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

import psycopg

_COST = 2**12  # a throw-away database's passwords are random and long
_BLOCK, _PARALLEL = 8, 1


def hash_password(password: str) -> str:
    """Return what the database keeps of a password."""
    salt = secrets.token_bytes(16)
    return f"scrypt${_COST}${salt.hex()}${_derive(password, _COST, salt).hex()}"


def verify(password: str, stored: str | None) -> bool:
    """Return whether a password is the one that was stored."""
    match (stored or "").split("$"):
        case ["scrypt", cost, salt, expected]:
            derived = _derive(password, int(cost), bytes.fromhex(salt))
            return hmac.compare_digest(derived, bytes.fromhex(expected))
    return False


def set_password(connection: psycopg.Connection[Any], email: str, password: str, *, role: str = "creator") -> None:
    """Let a user log in; who does not exist is made.

    Args:
        connection: of the role that owns the tables.
        email: who.
        password: with what; only its hash reaches the server.
        role: of a new user.
    """
    connection.execute(
        "INSERT INTO users (email, role, password_hash) VALUES (%s, %s, %s)"
        " ON CONFLICT (email) DO UPDATE SET password_hash = excluded.password_hash",
        [email, role, hash_password(password)],
    )


def _derive(password: str, cost: int, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=_BLOCK, p=_PARALLEL, dklen=32)
