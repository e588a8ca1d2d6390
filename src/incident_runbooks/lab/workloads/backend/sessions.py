# SPDX-License-Identifier: GPL-3.0-or-later
"""What the login keeps in Redis: how often an account tried, and which sessions there are."""

from __future__ import annotations

import asyncio
import hashlib

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

_WINDOW_S = 60
_ANSWER_S = 1.0
_PLACES = 4
# redis-py takes the code off the texts of these; a client in Node.js shows it
_CODES: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.MasterDownError, "MASTERDOWN"),
)


class SessionStoreError(Exception):
    """Redis did not do what was asked of it.

    Args:
        status: of the answer to whoever asked us.
        msg: of the line in the log.
        err: the cause, as ioredis words it.
    """

    def __init__(self, status: int, msg: str, err: dict[str, str]) -> None:
        super().__init__(err["message"])
        self.status = status
        self.msg = msg
        self.err = err


class Sessions:
    """One Redis.

    Args:
        where: host and port, as ``127.0.0.1:6379``.
        password: empty for none.
        limit: how often an account may try to log in within a minute.
        lifetime_s: seconds that a session lasts.
    """

    def __init__(self, where: str, password: str, limit: int, lifetime_s: int) -> None:
        self._where = where
        host, _, port = where.rpartition(":")
        self._limit = limit
        self._lifetime_s = lifetime_s
        self._redis = Redis(
            host=host,
            port=int(port) if port.isdigit() else 0,
            password=password or None,
            socket_timeout=_ANSWER_S,
            socket_connect_timeout=_ANSWER_S,
            retry=Retry(NoBackoff(), 0),
            max_connections=_PLACES * 16,
            decode_responses=True,
            protocol=2,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def count(self, account: str) -> int | None:
        """Count a try to log in; returns the seconds to wait where there were too many, ``None`` otherwise.

        Raises:
            SessionStoreError: it could not be counted.
        """
        key = f"login:attempts:{hashlib.sha256(account.lower().encode()).hexdigest()}"
        try:
            tries = int(await self._redis.incr(key))
            if tries == 1:
                await self._redis.expire(key, _WINDOW_S)
            if tries <= self._limit:
                return None
            return max(int(await self._redis.ttl(key)), 1)
        except (exceptions.RedisError, OSError) as error:
            raise self._failed(error) from error

    async def open(self, session: int, user: int) -> None:
        """Keep that a session is there.

        Raises:
            SessionStoreError: it could not be written.
        """
        try:
            await self._redis.set(f"sess:{session}", str(user), ex=self._lifetime_s)
        except (exceptions.RedisError, OSError) as error:
            raise self._failed(error) from error

    async def is_open(self, session: int) -> bool:
        """Return whether a session is there.

        Raises:
            SessionStoreError: that cannot be told.
        """
        try:
            return bool(await self._redis.exists(f"sess:{session}"))
        except (exceptions.RedisError, OSError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> SessionStoreError:
        if code := self._network_code(error):
            message = f"connect {code} {self._where}"
            err = {"type": "Error", "message": message, "code": code}
            return SessionStoreError(503, f"Redis {code}", err)
        text = _as_redis_said(error)
        return SessionStoreError(500, f"ReplyError: {text}", {"type": "ReplyError", "message": text})

    @staticmethod
    def _network_code(error: Exception) -> str | None:
        """The code of Node.js where no answer came."""
        if isinstance(error, (exceptions.TimeoutError, TimeoutError, asyncio.TimeoutError)):
            return "ETIMEDOUT"
        if isinstance(error, (exceptions.AuthenticationError, exceptions.BusyLoadingError)):
            return None
        if not isinstance(error, (exceptions.ConnectionError, OSError)) or "max number of clients" in str(error):
            return None
        if "Name or service not known" in str(error) or "name resolution" in str(error):
            return "ENOTFOUND"
        return "ECONNREFUSED" if "refused" in str(error) or "Connect call failed" in str(error) else "ECONNRESET"


def _as_redis_said(error: Exception) -> str:
    """The refusal with its code."""
    text = str(error)
    if isinstance(error, exceptions.AuthenticationError):
        return f"{'NOAUTH' if text.startswith('Authentication required') else 'WRONGPASS'} {text}"
    for kind, code in _CODES:
        if isinstance(error, kind) and not text.startswith(code):
            return f"{code} {text}"
    return text
