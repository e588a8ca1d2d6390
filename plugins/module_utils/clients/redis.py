# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""One connection to a Redis server: commands in, answers or failures out. No decisions.

A connection of the official package ``redis`` is used without its pool, retries and greeting, so that nothing is
sent but what is asked here.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    Failure,
    SendError,
    hidden,
    written,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_errors import (
    failure,
    refused,
    timed_out,
    unreachable,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Asking Redis"
DEFAULT_PORT = 6379
LONGEST_ANSWER = 2**20  # characters; INFO has some thousand
LONGEST_HOST = 253

Command = tuple[str | int, ...]


def redis_argument_spec() -> dict[str, dict[str, Any]]:
    """The options of the connection. Keep the doc fragment ``redis`` in step."""
    return {
        "redis_host": {"type": "str"},
        "redis_port": {"type": "int", "default": DEFAULT_PORT},
        "redis_username": {"type": "str"},
        "redis_password": {"type": "str", "no_log": True},
        "redis_tls": {"type": "bool", "default": False},
        "redis_ca_cert": {"type": "path"},
        "redis_request_timeout": {"type": "int", "default": 3},
    }


def redis_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    """Yield the password in whatever form."""
    yield from written(str(params.get("redis_password") or ""))


@dataclass(frozen=True)
class Reply:
    """What one command gave.

    Attributes:
        value: the answer: text, a number, or a list of them.
        failure: why there is none.
        refused: whether it was Redis itself that said no.
        duration_s: seconds to the answer.
    """

    value: Any = None
    failure: Failure | None = None
    refused: bool = False
    duration_s: float = 0.0

    @property
    def may_have_happened(self) -> bool:
        """Whether the command may have been carried out although there is no answer."""
        return self.failure is not None and not self.refused and self.failure.may_have_happened


class RedisServer:
    """One Redis with one login; use it as a context manager.

    Args:
        params: the options of :func:`redis_argument_spec`.

    Attributes:
        address: host and port, for texts.
        connect_s: seconds that connection and login took; ``None`` before.

    Raises:
        SendError: options are missing or make no sense; nothing was sent.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        self._secrets = tuple(redis_secrets(params))
        self._host = _checked_host(params.get("redis_host"))
        self._port = int(params["redis_port"])
        if not 0 < self._port < 2**16:
            raise _invalid("redis_port must be 1 to 65535")
        if params["redis_request_timeout"] < 1:
            raise _invalid("redis_request_timeout must be 1 second or more")
        self._limit_s = float(params["redis_request_timeout"])
        self._login = {name: params.get(f"redis_{name}") or None for name in ("username", "password")}
        self._tls = bool(params.get("redis_tls"))
        self._ca_cert = _checked_ca(params.get("redis_ca_cert"))
        self.address = f"[{self._host}]:{self._port}" if ":" in self._host else f"{self._host}:{self._port}"
        self.connect_s: float | None = None
        self._connection: Any = None

    def connect(self) -> Failure | None:
        """Connect and log in; why not."""
        module = _library()
        make: Any = module.connection.SSLConnection if self._tls else module.connection.Connection
        tls = {"ssl_ca_certs": self._ca_cert, "ssl_check_hostname": True} if self._tls else {}
        self._connection = make(
            host=self._host,
            port=self._port,
            **self._login,
            **tls,
            socket_timeout=self._limit_s,
            socket_connect_timeout=self._limit_s,
            encoding_errors="replace",
            decode_responses=True,
            protocol=2,  # before 6.0 there is no other, and before the login no other is needed
        )
        # no CLIENT SETINFO, whatever the release calls what is in it: attributes, as the options differ
        self._connection.driver_info = self._connection.lib_name = self._connection.lib_version = None
        reply = self._bounded(self._connection.connect, ())
        self.connect_s = reply.duration_s if reply.failure is None else None
        return reply.failure

    def ask(self, *command: str | int) -> Reply:
        """Send one command and wait for its answer. One that fails has a reply too."""
        return self._bounded(self._exchange, (command,))

    def error(self, what: str, why: Failure) -> SendError:
        """Return the error of an attempt, its text free of the password."""
        return SendError(f"{what} at {self.address}", why, self._secrets)

    def close(self) -> None:
        """Close the connection; never raises."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, command: Command) -> Any:
        self._connection.send_command(*command, check_health=False)
        return self._connection.read_response(disable_decoding=False)

    def _bounded(self, function: Any, arguments: Sequence[Any]) -> Reply:
        """In a thread of its own: neither the resolver nor a server that sends byte by byte keeps a limit."""
        outcome: list[Reply] = []
        started = time.monotonic()
        thread = threading.Thread(target=lambda: outcome.append(self._tried(function, arguments)), daemon=True)
        thread.start()
        thread.join(self._limit_s)
        duration_s = time.monotonic() - started
        if not outcome:
            self.close()
            return Reply(failure=replace(timed_out(self._limit_s), may_have_happened=True), duration_s=duration_s)
        return replace(outcome[0], duration_s=duration_s)

    def _tried(self, function: Any, arguments: Sequence[Any]) -> Reply:
        module = _library()
        try:
            return Reply(value=_bounded_value(function(*arguments)))
        except module.exceptions.AskError as error:  # MOVED is one too; both come without their code
            return Reply(failure=self._shown(failure("moved", f"redirected to {error}"[:100])), refused=True)
        except (module.exceptions.ResponseError, module.exceptions.AuthenticationError) as error:
            return Reply(failure=self._shown(refused(str(error))), refused=True)
        except module.exceptions.AuthorizationError as error:
            return Reply(failure=self._shown(refused(str(error))), refused=True)
        except (module.exceptions.RedisError, OSError, ValueError) as error:
            why = unreachable(error, self._limit_s)
            answered = why.cause in {"max_clients", "protected_mode", "loading", "masterdown", "clusterdown"}
            return Reply(failure=replace(self._shown(why), may_have_happened=not answered), refused=answered)

    def _shown(self, why: Failure) -> Failure:
        return replace(why, message=hidden(why.message, self._secrets))


def _bounded_value(value: Any) -> Any:
    return value[:LONGEST_ANSWER] if isinstance(value, str) else value


def _library() -> Any:
    try:
        import redis  # noqa: PLC0415 - the module must load without it and say what is missing
        import redis.connection  # noqa: PLC0415
    except ImportError:
        msg = f"{ATTEMPTED}: the Python package redis is missing; install redis >= 6 on the host that runs the module"
        raise IncidentsError(msg) from None
    return redis


def _checked_host(host: Any) -> str:
    name = str(host or "").strip().strip("[]")
    if not name:
        raise SendError(ATTEMPTED, failure("not_configured", "redis_host not given"))
    if len(name) > LONGEST_HOST or not name.isprintable() or set(name) & set(" /@?#"):
        # not quoted: it may be an address with the password in it
        raise _invalid("redis_host must be a host name or an IP address only")
    return name


def _checked_ca(path: Any) -> str | None:
    if not path:
        return None
    if not Path(str(path)).is_file():
        raise _invalid("redis_ca_cert is no file that can be read")
    return str(path)


def _invalid(message: str) -> SendError:
    return SendError(ATTEMPTED, failure("invalid", message))
