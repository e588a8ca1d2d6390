# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of the platforms and their tokens, made anew for each lab and kept where only the owner can read."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from incident_runbooks.lab.services.secret_files import read_json, write_json

FILE = "accounts.json"
META, TIKTOK, YOUTUBE = "meta", "tiktok", "youtube"
PLATFORMS = (META, TIKTOK, YOUTUBE)

_LETTERS = string.ascii_letters + string.digits
# the platform's own id of each account, and what people call it
_NAMES = (
    (META, "17841405309211844", "brandconnect.studio"),
    (META, "17841401982663510", "brandconnect.creators"),
    (TIKTOK, "7012345678901234561", "BrandConnect UK"),
    (TIKTOK, "7012345678901234562", "BrandConnect EU"),
    (YOUTUBE, "UCbrandconnectStudio0001", "BrandConnect Studio"),
    (YOUTUBE, "UCbrandconnectShorts0002", "BrandConnect Shorts"),
)


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _token(platform: str) -> str:
    """Return a token in the platform's form."""
    return {META: f"IGAA{_random(120)}", TIKTOK: secrets.token_hex(20), YOUTUBE: f"ya29.a0{_random(100)}"}[platform]


@dataclass(frozen=True)
class Account:
    """An account of one platform.

    Attributes:
        account: its id there: of an Instagram account, of an advertiser, of a channel.
        token: access token of its own.
    """

    platform: str
    account: str
    name: str
    token: str = field(repr=False)

    def to_plain(self) -> Mapping[str, str]:
        """Return it as lab.json and the inventory hold it."""
        return asdict(self)


def generate() -> list[Account]:
    """Return the accounts with new tokens."""
    return [Account(platform, account, name, _token(platform)) for platform, account, name in _NAMES]


def write(directory: Path, accounts: Sequence[Account]) -> None:
    """Write them into *directory*."""
    write_json(directory / FILE, [each.to_plain() for each in accounts])


def read(directory: Path) -> list[Account]:
    """Return what :func:`write` wrote.

    Raises:
        OSError: the file cannot be read.
        TypeError: it holds something else.
    """
    return [Account(**each) for each in read_json(directory / FILE)]


def owner_of(accounts: Sequence[Account], platform: str, token: str) -> Account | None:
    """Return whose token that is at a platform; ``None``: nobody's."""
    sent = token.encode("utf-8", "replace")
    return next(
        (each for each in accounts if each.platform == platform and secrets.compare_digest(each.token.encode(), sent)),
        None,
    )
