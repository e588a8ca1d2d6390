# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Encrypt a stream to age recipients while it passes: nothing of it is ever on the disk in the clear.

https://age-encryption.org/v1, by the package ``pyrage``.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Reading encrypt_to"
CHUNK = 256 * 2**10
MOST_RECIPIENTS = 20


class Reader(Protocol):
    """What is encrypted."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes; none at the end."""


def recipients_of(given: Sequence[str]) -> list[Any]:
    """Return the recipients, each a public key: ``age1...``, ``ssh-ed25519 ...`` or ``ssh-rsa ...``.

    Raises:
        IncidentsError: ``pyrage`` is missing, or one is no public key. The text does not quote it: it may be the
            private one.
    """
    library = _library()
    if not 0 < len(given) <= MOST_RECIPIENTS:
        raise IncidentsError(f"{ATTEMPTED}: give 1 to {MOST_RECIPIENTS} recipients")
    return [_recipient(library, str(text).strip(), number) for number, text in enumerate(given, start=1)]


def _recipient(library: Any, text: str, number: int) -> Any:
    kind = library.ssh.Recipient if text.startswith("ssh-") else library.x25519.Recipient
    try:
        return kind.from_str(text)
    except Exception:  # noqa: BLE001 - the package has several, and their texts quote the key
        hint = "give the public keys of those who may read the dump: age1..., ssh-ed25519 ... or ssh-rsa ..."
        raise IncidentsError(f"{ATTEMPTED}: number {number} is no age recipient; {hint}") from None


def encrypted(reader: Reader, recipients: Sequence[Any]) -> Iterator[bytes]:
    """Yield what *reader* gives, encrypted. Whoever closes this early ends *reader* first.

    Raises:
        IncidentsError: it cannot be encrypted.
        Exception: what *reader* raises.
    """
    library = _library()
    source, sink = os.pipe()
    problem: list[BaseException] = []

    def work() -> None:
        try:
            with os.fdopen(sink, "wb", buffering=CHUNK) as file:
                library.encrypt_io(reader, file, recipients)
        except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
            problem.append(error)

    thread = threading.Thread(target=work, name="age", daemon=True)
    thread.start()
    try:
        while chunk := os.read(source, CHUNK):
            yield chunk
    finally:
        os.close(source)  # whoever still writes learns of it
        with suppress(RuntimeError):
            thread.join(10)
    if problem:
        raise IncidentsError(f"Encrypting to age recipients: {type(problem[0]).__name__}; see what the source said")


def _library() -> Any:
    try:
        return importlib.import_module("pyrage")
    except ImportError:
        raise IncidentsError(str(missing_required_lib("pyrage", url="https://pypi.org/project/pyrage/"))) from None
