# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What every source of evidence is: things that it can give, each a stream that nobody keeps in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One file to be.

    Attributes:
        path: inside the payload of the bundle.
        source: the call or the SQL text that gives it.
        chunks: gives the content; what it returns is closed in every case.
        collected_from: what is known of the object before.
        facts: what is known of the content, asked when all of it was read.
        limit_bytes: where it may be cut off; ``None`` for what is worth nothing in part.
        estimate_bytes: how large it may be; ``None`` where nobody knows.
        then: what else is to be collected, asked when this one was.
    """

    path: str
    source: str
    chunks: Callable[[], Iterable[bytes | bytearray | memoryview]]
    collected_from: Mapping[str, Any] = field(default_factory=dict)
    facts: Callable[[], Mapping[str, Any]] | None = None
    limit_bytes: int | None = None
    estimate_bytes: int | None = None
    then: Callable[[], Iterable[Item]] | None = None


class Source(Protocol):
    """Where evidence comes from.

    Attributes:
        name: one of the choices of the option ``sources``.
        first: the path that stands for all of it where it cannot even be looked at.
        parallel: how many of its items may be read at the same time.
    """

    name: str
    first: str
    parallel: int

    def look(self) -> list[Item]:
        """Return what there is.

        Raises:
            IncidentsError: it cannot be reached.
        """

    def close(self) -> None:
        """Let go of the system; never raises."""


def as_json(content: Any) -> bytes:
    """A document for people and programs."""
    return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


def document(path: str, source: str, read: Callable[[], Any], **more: Any) -> Item:
    """An item that is one JSON document, read when it is wanted; its facts are how many entries it has."""
    counted: Json = {}

    def chunks() -> Iterator[bytes]:
        content = read()
        if isinstance(content, list):
            counted["entries"] = len(content)
        yield as_json(content)

    return Item(path, source, chunks, facts=lambda: counted, **more)
