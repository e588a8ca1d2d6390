# SPDX-License-Identifier: GPL-3.0-or-later
"""The tokens that the lab's Vault accepts, made anew for each lab and kept in a file that only its owner can read."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from incident_runbooks.lab.services.secret_files import read_json, write_json

FILE = "keys.json"


@dataclass(frozen=True)
class Keys:
    """One token of each kind, in the real ones' form.

    Attributes:
        root_token: may do everything.
        reader_token: may read data and metadata of every mount.
        data_token: may read data of every mount and no metadata; the policy that most applications have.
        stranger_token: is valid and has no policy.
    """

    root_token: str = field(repr=False)
    reader_token: str = field(repr=False)
    data_token: str = field(repr=False)
    stranger_token: str = field(repr=False)

    @classmethod
    def generate(cls) -> Keys:
        """Return new ones."""
        return cls(*(f"hvs.{secrets.token_urlsafe(18)}" for _ in range(4)))

    def secrets(self) -> list[str]:
        """Return what must not be seen."""
        return list(asdict(self).values())

    def write(self, directory: Path) -> None:
        """Write them into *directory*."""
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
