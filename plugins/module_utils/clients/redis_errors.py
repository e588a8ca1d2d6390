# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What Redis says when it refuses, read as causes. No I/O.

The first word of a refusal is its code: https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors
The texts are those of ``createSharedObjects`` in https://github.com/redis/redis/blob/7.0/src/server.c
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    MESSAGE_LENGTH,
    Failure,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_info import refusal_text

ADVICE: Mapping[str, str] = {
    "not_configured": "set it on the inventory host redis",
    "invalid": "check the options of the connection",
    "refused": "nothing listens there: check redis_host, redis_port, the Service and its endpoints",
    "dns": "check redis_host and the name service",
    "timeout": "check the network, a NetworkPolicy and the load of Redis; raise redis_request_timeout if it is slow",
    "tls": "check redis_tls, redis_ca_cert, the host name and the clock",
    "no_answer": "check redis_port, redis_tls and what else may listen there",
    "noauth": "set redis_password: this Redis wants a login",
    "wrongpass": "check redis_username and redis_password, and whether they were changed or the user is off",
    "no_password_set": "this Redis has no password, so anybody may use it; set one, or leave redis_password out",
    "noperm": "grant the login what the message names, as with ACL SETUSER",
    "max_clients": "it takes no more connections; look for the client that leaks them before maxclients is raised",
    "protected_mode": "it takes connections from its own host only; set a password or bind",
    "loading": "wait: it reads its data from disk, and a restart would begin anew",
    "masterdown": "the replica has lost its master and serves nothing; look at the master",
    "readonly": "it is a replica; clients have to use the master, look at the last failover",
    "oom": "its memory is full and its policy evicts nothing; free memory or raise maxmemory, a restart does not help",
    "misconf": "it cannot save its data to disk; look at its disk and its log, and do not restart it before",
    "noreplicas": "too few replicas are near enough; look at the replicas",
    "clusterdown": "its cluster does not cover all slots; look at the other nodes",
    "moved": "another node of its cluster has that key; ask that one",
    "unknown_command": "the command is renamed or not there",
    "server_error": "look at the log of Redis",
}
# the first part of a refusal that fits counts; redis-py takes some codes off
_SIGNS = (
    ("NOAUTH", "noauth"),
    ("Authentication required", "noauth"),
    ("without any password configured", "no_password_set"),
    ("no password is set", "no_password_set"),
    ("WRONGPASS", "wrongpass"),
    ("invalid username-password pair", "wrongpass"),
    ("invalid password", "wrongpass"),
    ("NOPERM", "noperm"),
    ("has no permissions to", "noperm"),
    ("max number of clients", "max_clients"),
    ("DENIED", "protected_mode"),
    ("LOADING", "loading"),
    ("loading the dataset in memory", "loading"),
    ("MASTERDOWN", "masterdown"),
    ("Link with MASTER is down", "masterdown"),
    ("READONLY", "readonly"),
    ("against a read only replica", "readonly"),
    ("OOM", "oom"),
    ("command not allowed when used memory", "oom"),
    ("MISCONF", "misconf"),
    ("NOREPLICAS", "noreplicas"),
    ("CLUSTERDOWN", "clusterdown"),
    ("cluster is down", "clusterdown"),
    ("unknown command", "unknown_command"),
)


def refused(text: str) -> Failure:
    """Return the failure of an error that Redis answered.

    Args:
        text: what it said, with or without its code.
    """
    said = refusal_text(text, MESSAGE_LENGTH) or "it refused without a text"
    cause = next((cause for sign, cause in _SIGNS if sign in said), "server_error")
    return failure(cause, said)


def failure(cause: str, message: str) -> Failure:
    """Return a failure with the advice of its cause."""
    return Failure(cause, message, ADVICE[cause])


def unreachable(error: BaseException, limit_s: float) -> Failure:
    """Return the failure of a connection that does not come about or breaks."""
    chain = [*_chain(error)]
    if any(isinstance(each, socket.gaierror) for each in chain):
        return failure("dns", "the host name cannot be resolved")
    if tls := next((each for each in chain if isinstance(each, ssl.SSLError)), None):
        return failure("tls", plain_line(str(tls.reason or "the TLS handshake failed"), MESSAGE_LENGTH))
    if any(isinstance(each, ConnectionRefusedError) for each in chain):
        return failure("refused", "the connection was refused")
    if any(isinstance(each, TimeoutError) or type(each).__name__ == "TimeoutError" for each in chain):
        return timed_out(limit_s)
    if "Protocol Error" in str(error):
        return failure("no_answer", "the answer is none of Redis")
    answered = refused(str(error))
    if answered.cause != "server_error":
        return answered
    return failure("no_answer", "the connection was closed without an answer")


def timed_out(limit_s: float) -> Failure:
    """Return the failure of an answer that did not come in time."""
    return failure("timeout", f"no answer within {limit_s:g} s")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(8):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__
