# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys of the account, and which of them are still good."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from incident_runbooks.lab.services.secret_files import read_json, write_json

FILE = "keys.json"

_LETTERS = string.ascii_letters + string.digits
_LENGTH = 97  # after the 51 that keys have begun with since 2020


def random_id(prefix: str, length: int = 24) -> str:
    """Return an id in Stripe's form."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(length))


@dataclass(frozen=True)
class Keys:
    """One key of each kind, in the real ones' form.

    Attributes:
        secret_key: what the platform uses.
        next_secret_key: as good, and nobody uses it yet.
        restricted_key: the runbooks': it reads PaymentIntents, events and webhook endpoints, changes webhook
            endpoints, and sends events again.
        webhook_secret: what deliveries are signed with at first.
    """

    secret_key: str = field(repr=False)
    next_secret_key: str = field(repr=False)
    restricted_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)

    @classmethod
    def generate(cls, *, secret_key: str | None = None, webhook_secret: str | None = None) -> Keys:
        """Return new ones, but those that are given."""
        return cls(
            secret_key=secret_key or random_id("sk_test_51", _LENGTH),
            next_secret_key=random_id("sk_test_51", _LENGTH),
            restricted_key=random_id("rk_test_51", _LENGTH),
            webhook_secret=webhook_secret or random_id("whsec_", 32),
        )

    def secrets(self) -> list[str]:
        """Return what must not be seen."""
        return list(asdict(self).values())

    def name_of(self, key: str) -> str | None:
        """Return which API key that is; ``None``: none of this account's."""
        names = [each.name for each in fields(self) if each.name.endswith("_key")]
        return next(
            (name for name in names if secrets.compare_digest(getattr(self, name).encode(), key.encode())), None
        )

    def write(self, directory: Path) -> None:
        """Write them into *directory*, where only the owner can read them."""
        write_json(directory / FILE, asdict(self))

    @classmethod
    def read(cls, directory: Path) -> Keys:
        """Return what :meth:`write` wrote.

        Raises:
            OSError: the file cannot be read.
            TypeError: it holds something else.
        """
        return cls(**read_json(directory / FILE))

    def to_plain(self) -> Mapping[str, str]:
        """Return them as lab.json holds them."""
        return asdict(self)


def masked(key: str) -> str:
    """Return a key as Stripe's error texts show it: its kind, stars, the last four characters."""
    kept = 8 if key.startswith(("sk_", "rk_", "pk_")) else 0
    if len(key) <= kept + 4:
        return "*" * len(key)
    return key[:kept] + "*" * (len(key) - kept - 4) + key[-4:]
