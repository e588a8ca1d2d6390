# SPDX-License-Identifier: GPL-3.0-or-later
# This plugin util is private to the collection.
"""The texts under which a secret may turn up: as it is, and as encoders and printers write it."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MINIMUM = 4
_PERCENT = re.compile(r"%[0-9A-F]{2}")


def patterns_of(secret: str) -> Iterator[tuple[bytes, bool]]:
    """Return the texts that give *secret* away, as UTF-8, each with whether it is a piece of base64."""
    raw = _bytes(secret)
    for text in {*_written(secret), *_url_encoded(raw)}:
        yield text.encode("utf-8", "surrogatepass"), False
    yield raw.hex().encode(), False
    yield raw.hex().upper().encode(), False
    for piece in set(_base64_pieces(raw)):
        yield piece, True


def _bytes(secret: str) -> bytes:
    try:
        return secret.encode("utf-8", "surrogateescape")  # an environment variable that is not UTF-8
    except UnicodeEncodeError:
        return secret.encode("utf-8", "surrogatepass")


def _written(secret: str) -> Iterator[str]:
    """As people and programs write it down, and as JSON or ``repr`` write that down once more."""
    once = {
        secret,
        secret.encode("utf-8", "replace").decode(),  # where lone surrogates became question marks
        repr(_bytes(secret))[2:-1],
        secret.replace("'", "''"),  # SQL, YAML
        secret.replace("'", "'\"'\"'"),  # a shell word
        secret.replace("\\", "\\\\").replace("'", "\\'"),  # a libpq connection string
        html.escape(secret),
        html.escape(secret, quote=False),
        *_escaped(secret),
    }
    yield from once
    for text in once:
        yield from _escaped(text)


def _escaped(text: str) -> Iterator[str]:
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    for shown in (repr(text)[1:-1], ascii(text)[1:-1]):
        yield shown
        yield shown.replace("'", "\\'")  # inside a text that holds both kinds of quotes


def _url_encoded(raw: bytes) -> Iterator[str]:
    for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw), quote(raw, safe="/:@!$&'()*+,;=")):
        yield encoded
        yield _PERCENT.sub(lambda match: match[0].lower(), encoded)


def _base64_pieces(raw: bytes) -> Iterator[bytes]:
    """The characters of a base64 text that depend on *raw* alone, for each place of it in a group of three bytes."""
    for before, skip in ((0, 0), (1, 2), (2, 3)):
        padded = b"\0" * before + raw
        complete = len(padded) * 8 // 6
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            piece = encode(padded)[skip:complete]
            if len(piece) >= MINIMUM:
                yield piece
