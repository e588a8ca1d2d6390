# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""One connection attempt that tells the SQLSTATE of a refusal and keeps its deadline.

``psycopg.connect`` has neither: libpq gives applications only the text of a failed attempt, in the server's
language, and resolves names without a limit. libpq does put the SQLSTATE into that text when the connection's
error verbosity is raised before the server answers; psycopg does not expose that function, so it is called in
the very libpq that psycopg has loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import ipaddress
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    Failure,
    read_failure,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

try:
    import psycopg
    from psycopg import pq
    from psycopg.conninfo import make_conninfo
except ImportError:
    HAS_PSYCOPG = False
else:
    HAS_PSYCOPG = True

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn

PQERRORS_DEFAULT, PQERRORS_VERBOSE = 1, 2
TRY_NEXT_HOST = ("57P03",)  # as libpq does: this one cannot serve now, another may


def open_connection(parameters: Mapping[str, str], timeout_s: float) -> psycopg.Connection | Failure:
    """Connect in autocommit mode, or say why not, within *timeout_s* seconds for all addresses together.

    Args:
        parameters: libpq's connection parameters; several hosts and several addresses of a host are tried
            in order until one answers.
        timeout_s: seconds, name resolution included.

    Raises:
        IncidentsError: libpq refuses the parameters themselves.
    """
    deadline = time.monotonic() + timeout_s
    endpoints = _endpoints(parameters, timeout_s)
    if isinstance(endpoints, Failure):
        return endpoints
    failures: list[Failure] = []
    for index, endpoint in enumerate(endpoints):
        share = (deadline - time.monotonic()) / (len(endpoints) - index)
        outcome = _connect_one(endpoint, max(share, 0.1))
        if not isinstance(outcome, Failure):
            return outcome
        failures.append(outcome)
        if outcome.sqlstate and outcome.sqlstate not in TRY_NEXT_HOST:
            break
    return next((failure for failure in failures if failure.sqlstate), failures[0])


def _endpoints(parameters: Mapping[str, str], timeout_s: float) -> list[dict[str, str]] | Failure:
    """One set of parameters per address, so that a dead address costs its share and not the whole time."""
    base = dict(parameters)
    hosts = (base.get("host") or libpq_default("host")).split(",")
    ports = (base.get("port") or libpq_default("port")).split(",")
    if "hostaddr" in base or "service" in base or libpq_default("hostaddr") or len(ports) not in {1, len(hosts)}:
        return [base]
    endpoints: list[dict[str, str]] = []
    problem = None
    for index, host in enumerate(hosts):
        here = base | {"port": ports[index] if len(ports) > 1 else ports[0]} | ({"host": host} if host else {})
        addresses = [None] if not host or host.startswith(("/", "@")) else _resolve(host, timeout_s / len(hosts))
        if isinstance(addresses, Failure):
            problem = addresses
            continue
        endpoints += [here if address is None else here | {"hostaddr": address} for address in addresses]
    return endpoints or problem or [base]


def _resolve(host: str, timeout_s: float) -> list[str | None] | Failure:
    """Resolve in a thread of its own: the C library's resolver cannot be given a limit."""
    with contextlib.suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    answer: list[str | None] = []
    problem: list[str] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            problem.append(str(error.strerror) if isinstance(error, OSError) else "no valid host name")
        else:
            answer.extend(dict.fromkeys(str(entry[4][0]) for entry in found))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    if answer:
        return answer
    reason = problem[0] if problem else f"the name service did not answer within {round(timeout_s, 1):g} s"
    return Failure(cause="dns", message=f"the host name cannot be resolved: {reason}")


def libpq_default(keyword: str) -> str:
    wanted = keyword.encode()
    defaults = {option.keyword: option.val for option in pq.Conninfo.get_defaults()}
    return (defaults.get(wanted) or b"").decode()


def _connect_one(parameters: Mapping[str, str], timeout_s: float) -> psycopg.Connection | Failure:
    deadline = time.monotonic() + timeout_s
    pgconn = pq.PGconn.connect_start(make_conninfo("", **parameters).encode())
    set_verbosity = _verbosity_setter()
    set_verbosity(pgconn, PQERRORS_VERBOSE)
    failure = _start_problem(pgconn) or _poll(pgconn, deadline, timeout_s)
    if failure:
        pgconn.finish()
        return failure
    set_verbosity(pgconn, PQERRORS_DEFAULT)
    pgconn.nonblocking = 1  # what psycopg.connect leaves behind
    connection = psycopg.Connection(pgconn)
    connection.autocommit = True
    connection.prepare_threshold = None  # a transaction pooler in between knows no prepared statements
    return connection


def _start_problem(pgconn: PGconn) -> Failure | None:
    if pgconn.status != pq.ConnStatus.BAD:
        return None
    raw = pgconn.error_message.decode("utf-8", "replace")
    if raw.startswith(("connection to server", "could not translate host name")):
        return read_failure(raw)
    # libpq quotes the parameter that it refuses, which may hold a misplaced password
    msg = "Reading the PostgreSQL options: libpq refuses a connection parameter; check login_dsn and the PG* variables"
    raise IncidentsError(msg)


def _poll(pgconn: PGconn, deadline: float, timeout_s: float) -> Failure | None:
    while True:
        status = pgconn.connect_poll()
        if status == pq.PollingStatus.OK:
            return None
        if status == pq.PollingStatus.FAILED:
            return read_failure(pgconn.error_message.decode("utf-8", "replace"))
        event = selectors.EVENT_READ if status == pq.PollingStatus.READING else selectors.EVENT_WRITE
        if not _wait(pgconn.socket, event, deadline - time.monotonic()):
            return Failure(cause="timeout", message=f"no answer within {round(timeout_s, 1):g} s")


def _wait(descriptor: int, event: int, timeout_s: float) -> bool:
    if timeout_s <= 0:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, event)
        return bool(selector.select(timeout_s))


@functools.cache
def _verbosity_setter() -> Callable[[PGconn, int], None]:
    """Return ``PQsetErrorVerbosity`` of psycopg's own libpq; where it cannot be had, one that does nothing.

    The symbol is looked up through psycopg's extension module, so it is that module's libpq and no other
    that the machine may have: a different version would misread the connection's memory.
    """
    try:
        function = _psycopg_library().PQsetErrorVerbosity
    except (OSError, AttributeError, ImportError):
        return lambda _pgconn, _level: None
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_int], ctypes.c_int

    def set_verbosity(pgconn: PGconn, level: int) -> None:
        pointer = getattr(pgconn, "pgconn_ptr", None)  # in every implementation, but not in psycopg's protocol class
        if pointer:
            function(pointer, level)

    return set_verbosity


def _psycopg_library() -> ctypes.CDLL:
    if pq.__impl__ == "python":
        library: ctypes.CDLL = importlib.import_module("psycopg.pq._pq_ctypes").pq
        return library
    return ctypes.CDLL(str(sys.modules[pq.PGconn.__module__].__file__))
