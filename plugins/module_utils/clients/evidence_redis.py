# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Evidence of Redis: which sessions there are, keys and values as SHA-256 only, and what the server says of itself."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_source import Item, document
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import Command, RedisServer
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_errors import failure, refused
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_info import parse_info
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

Json = dict[str, Any]

PATH = "redis/sessions.jsonl"
BATCH = 200
GONE = -2  # PTTL of a key that is not there


class RawRedis(RedisServer):
    """A server that is asked many things at once, answers as bytes."""

    def ask_all(self, commands: Sequence[Command]) -> list[Any]:
        """Send all, then read all answers; one that is refused is a :class:`Failure` among them.

        Raises:
            SendError: they did not all come.
        """
        reply = self._bounded(self._exchange_all, (commands,))
        if reply.failure:
            raise self.error("Reading sessions", reply.failure)
        return list(reply.value)

    def _exchange_all(self, commands: Sequence[Command]) -> list[Any]:
        import redis  # noqa: PLC0415 - loaded with the connection

        self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(self._connection.read_response(disable_decoding=True))
            except redis.exceptions.ResponseError as error:
                answers.append(self._shown(refused(str(error))))
        return answers


class RedisEvidence:
    """The sessions of one server.

    Args:
        params: the options of the connection.
        options: ``pattern`` and ``max_keys``.
    """

    name = "redis"
    first = PATH
    parallel = 1

    def __init__(self, params: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self._server = RawRedis(params)
        self._pattern, self._max_keys = str(options["pattern"]), int(options["max_keys"])
        self._kinds: Counter[str] = Counter()
        self._vanished = 0

    def look(self) -> list[Item]:
        """See :meth:`Source.look`."""
        if why := self._server.connect():
            raise self._server.error("Connecting to Redis", why)
        facts = {"server": self._server.address, "pattern": self._pattern}
        return [
            document("redis/info.json", "INFO", self._info, collected_from={"server": self._server.address}),
            Item(PATH, f"SCAN MATCH {self._pattern}", self._chunks, collected_from=facts, facts=self._facts),
        ]

    def close(self) -> None:
        """See :meth:`Source.close`."""
        self._server.close()

    def _info(self) -> dict[str, str]:
        told = self._server.ask("INFO")
        if told.failure or not isinstance(told.value, str):
            raise self._server.error("Reading INFO", told.failure or failure("no_answer", "it cannot be read"))
        return parse_info(told.value)

    def _facts(self) -> Json:
        total = sum(self._kinds.values())
        return {"keys": total, "by_type": dict(self._kinds), "vanished": self._vanished, "hashed": "SHA-256"}

    def _chunks(self) -> Iterator[bytes]:
        """Yield a line for each key.

        Raises:
            IncidentsError: Redis refuses, is gone, or has more keys than were asked for.
        """
        seen: set[bytes] = set()  # SCAN may give a key twice
        cursor = b"0"
        while True:
            (found,) = self._server.ask_all([("SCAN", cursor.decode(), "MATCH", self._pattern, "COUNT", BATCH)])
            cursor, keys = self._checked("SCAN", found)
            fresh = [key for key in dict.fromkeys(keys) if hashlib.sha256(key).digest() not in seen]
            seen.update(hashlib.sha256(key).digest() for key in fresh)
            for start in range(0, len(fresh), BATCH):
                yield self._lines(fresh[start : start + BATCH])
            if len(seen) > self._max_keys:
                raise IncidentsError(
                    f"Reading sessions at {self._server.address}: more than {self._max_keys} keys; raise redis.max_keys"
                )
            if cursor == b"0":
                return

    def _lines(self, keys: Sequence[bytes]) -> bytes:
        asked: list[Any] = [command for key in keys for command in (("TYPE", key), ("PTTL", key))]
        answers = self._server.ask_all(asked)
        kinds = [self._checked("TYPE", answer).decode() for answer in answers[::2]]
        left = [self._checked("PTTL", answer) for answer in answers[1::2]]
        values = self._server.ask_all(
            [("GET" if kind == "string" else "DUMP", key) for key, kind in zip(keys, kinds, strict=True)]  # type: ignore[misc]
        )
        lines = []
        for key, kind, ttl_ms, value in zip(keys, kinds, left, values, strict=True):
            content = self._checked("GET or DUMP", value)
            if content is None or ttl_ms == GONE:
                self._vanished += 1
                continue
            self._kinds[kind] += 1
            lines.append(
                {
                    "key_sha256": hashlib.sha256(key).hexdigest(),
                    "type": kind,
                    "ttl_ms": ttl_ms if ttl_ms >= 0 else None,
                    "value_sha256": hashlib.sha256(content).hexdigest(),
                    "value_bytes": len(content),
                    "value_as": "GET" if kind == "string" else "DUMP",
                }
            )
        return b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    def _checked(self, what: str, answer: Any) -> Any:
        if isinstance(answer, Failure):
            raise self._server.error(f"Reading sessions with {what}", answer)
        return answer
