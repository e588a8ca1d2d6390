# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The sessions that a platform keeps as keys in Redis: look through them, and unlink those of some people.

SCAN, never KEYS: https://redis.io/docs/latest/commands/scan/ It gives every key that is there all the time, some of
them twice. UNLINK frees memory in the background: https://redis.io/docs/latest/commands/unlink/
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import RedisServer, Reply
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_errors import failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.session_evidence import KEYS, Source
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_revocation import (
    UNDECODED,
    Done,
    fingerprint,
    owner_of,
)

PER_LOOK = 1000  # keys of the whole database that one SCAN goes through
MOST_AGES = 20_000  # sessions whose time to live is read as well, one by one
ATTEMPTED = "Looking through the sessions in Redis"

Wants = Callable[[str | None], bool]


@dataclass(frozen=True)
class Key:
    """A session. *owner* is ``None`` where it cannot be told; *value* is the fingerprint of what is kept.

    One whose name is no UTF-8 cannot be asked for, and so not be ended either.
    """

    name: str
    owner: str | None
    value: str | None


@dataclass
class Tally:
    """What a look through all sessions found.

    Attributes:
        owned: the sessions that are wanted, by name; no more than were asked for.
        count: how many there are, whether kept or not.
        others: sessions of other people.
        unreadable: sessions of which nobody can tell whose they are, and those with a name that is no UTF-8.
    """

    owned: dict[str, Key] = field(default_factory=dict)
    count: int = 0
    others: int = 0
    unreadable: int = 0


class SessionKeys:
    """The sessions in one Redis.

    Args:
        server: connected.
        pattern: of the keys' names.
        owner_field: as ``owner_of`` takes it; of a hash the name of its field.
        saved: fingerprints of keys; of the wanted sessions only these are counted, newer ones not at all. ``None`` for
            any.
    """

    def __init__(
        self, server: RedisServer, pattern: str, owner_field: str, saved: frozenset[str] | None = None
    ) -> None:
        self._server = server
        self._of_before = saved
        self._pattern = pattern
        self._field = owner_field

    def saved(self, keys: Sequence[Key]) -> Source:
        """These sessions, to be kept as evidence."""
        where = f"SCAN MATCH {self._pattern} of Redis {self._server.address}; keys and values by SHA-256, 12 digits"
        return Source(KEYS, where, self._lines(keys))

    def tally(self, wants: Wants, most: int) -> Tally:
        """Look through all of them.

        Args:
            wants: whether a session of this owner is wanted.
            most: keep no more sessions than these and one.

        Raises:
            SendError: Redis cannot be asked.
        """
        found = Tally()
        for keys in self._names():
            for key in self._read(keys):
                if UNDECODED in key.name:
                    found.unreadable += 1
                elif wants(key.owner):
                    if self._of_before is not None and fingerprint(key.name) not in self._of_before:
                        continue
                    found.count += key.name not in found.owned
                    if len(found.owned) <= most:
                        found.owned[key.name] = key
                elif key.owner is None:
                    found.unreadable += 1
                else:
                    found.others += 1
        return found

    def unlink(self, names: Sequence[str], wants: Wants) -> Done:
        """Unlink those that are still wanted, by one command. Their owners are read right before."""
        still = [key.name for key in self._read(names) if wants(key.owner) and UNDECODED not in key.name]
        if not still:
            return Done("sessions")
        reply = self._server.ask("UNLINK", *still)
        if reply.failure is None:
            return Done("sessions", count=int(reply.value))
        result = "unknown" if reply.may_have_happened else "failed"
        return Done("sessions", result, reason=f"UNLINK: {reply.failure.message}")

    def _lines(self, keys: Sequence[Key]) -> Iterator[bytes]:
        """Yield the sessions as evidence, a line of JSON each.

        Raises:
            SendError: Redis cannot be asked.
        """
        for number, key in enumerate(keys):
            ttl_s = self._ttl_s(key) if number < MOST_AGES else "not_read"
            said = {"key": fingerprint(key.name), "owner": key.owner, "value": key.value, "ttl_s": ttl_s}
            yield json.dumps(said).encode() + b"\n"

    def _ttl_s(self, key: Key) -> float | None:
        left = int(self._asked("PTTL", key.name).value)
        return left / 1000 if left >= 0 else None

    def _names(self) -> Iterator[list[str]]:
        cursor = "0"
        while True:
            cursor, names = self._asked("SCAN", cursor, "MATCH", self._pattern, "COUNT", PER_LOOK).value
            if names:
                yield list(dict.fromkeys(names))
            if str(cursor) == "0":
                return

    def _read(self, names: Sequence[str]) -> Iterator[Key]:
        """Yield the sessions of these names that are still there."""
        for name, value in zip(names, self._asked("MGET", *names).value, strict=True):
            if UNDECODED in name:
                yield Key(name, None, None)
            elif value is not None:
                yield Key(name, owner_of(value, self._field), fingerprint(value))
            elif self._asked("EXISTS", name).value:  # it is of another type
                yield self._of_hash(name)

    def _of_hash(self, name: str) -> Key:
        reply = self._server.ask("HGET", name, self._field) if self._field else Reply()
        if reply.failure and not reply.refused:
            raise self._server.error(ATTEMPTED, reply.failure)
        said = reply.value if isinstance(reply.value, str) else None
        return Key(name, owner_of(said, ""), None)

    def _asked(self, *command: str | int) -> Reply:
        reply = self._server.ask(*command)
        if reply.failure:
            raise self._server.error(ATTEMPTED, reply.failure)
        if reply.value is None:
            raise self._server.error(ATTEMPTED, failure("no_answer", f"the answer to {command[0]} cannot be read"))
        return reply
