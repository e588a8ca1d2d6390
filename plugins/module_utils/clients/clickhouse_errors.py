# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What ClickHouse says when it refuses, in its old and its new form. No I/O.

Old: ``Code: 60, e.displayText() = DB::Exception: Table a.b doesn't exist., e.what() = DB::Exception``
New: ``Code: 60. DB::Exception: Unknown table ... (UNKNOWN_TABLE)``
Codes: https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import (
    MESSAGE_LENGTH,
    Answer,
    Failure,
    refusal,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

UNKNOWN_IDENTIFIER, UNKNOWN_TABLE = 47, 60
CANNOT_WRITE, NOT_ENOUGH_SPACE = 75, 243
_FULL = re.compile(r"errno: 28\b")  # 18.16 does not know before it writes
_CODE = re.compile(r"(?:^|\. )Code: (\d{1,5})[.,]")  # 18.16 puts "Poco::Exception. " before some
_OLD = re.compile(r"e\.displayText\(\) = (.*?)(?:, e\.what\(\) = .*)?$", re.DOTALL)
_NEW = re.compile(r"DB::Exception: (.*)", re.DOTALL)

# code -> (cause, what to check)
_CODES: Mapping[int, tuple[str, str]] = {
    47: ("invalid", "check the names of the columns"),
    60: ("not_found", "check the names of the database and the table"),
    81: ("not_found", "check clickhouse_database"),
    159: ("timeout", "the server gave up the query; look at its load, or ask for less"),
    164: ("not_permitted", "the login, or the profile of its user, may only read"),
    192: ("invalid_auth", "check clickhouse_user and clickhouse_password"),
    193: ("invalid_auth", "check clickhouse_user and clickhouse_password"),
    194: ("invalid_auth", "check clickhouse_user and clickhouse_password"),
    202: ("throttled", "the server runs as many queries as it may; look at system.processes"),
    233: ("not_found", "look again: there is no such part, or another statement uses it"),
    241: ("memory_limit", "the query needs more memory than it may use; look at the load of the server"),
    242: ("replica_readonly", "the replicated table is read-only; look at its Keeper first"),
    243: ("no_space", "the server's disk is full; free space before anything else"),
    252: ("too_many_parts", "stop small inserts and wait for merges; look at the disk"),
    344: ("not_permitted", "the server does not do that as it is configured"),
    359: ("drop_limit", "the server does not drop so much at once; a person has to decide whether to raise its limit"),
    452: ("not_permitted", "the profile of the user does not let a statement change that setting"),
    497: ("not_permitted", "grant the login what the message names"),
    516: ("invalid_auth", "check clickhouse_user and clickhouse_password"),
}
# those with which a server refuses before it begins; after any other one a change may have happened, or happen later
_BEFORE = frozenset(_CODES) - {159, 241} | {62, 248}
_BY_CAUSE = {
    "not_configured": "set it on the inventory host clickhouse",
    "invalid_auth": "check clickhouse_user and clickhouse_password",
    "not_permitted": "check what the login may do",
    "not_found": "check clickhouse_url",
    "server_error": "ClickHouse, or a proxy before it, has a problem of its own; look at its log",
    "timeout": "check the network and the load of the server; raise clickhouse_request_timeout if it is only slow",
    "tls": "check the host name, the clock and clickhouse_ca_cert",
}


def refused(answer: Answer) -> Failure:
    """Return the failure of an answer that says that something went wrong."""
    text = answer.body.decode("utf-8", "replace").strip()
    code = code_of(text)
    if code is None:
        return advised(refusal(answer, answer.text))
    known = NOT_ENOUGH_SPACE if code == CANNOT_WRITE and _FULL.search(text) else code
    cause, advice = _CODES.get(known, ("server_error", "look at the log of the server"))
    message = f"code {code}, {_words(text)}"
    return replace(
        refusal(answer, message, advice, cause),
        cause=cause,
        code=code,
        retry_after_s=None,
        may_have_happened=known not in _BEFORE,
    )


def code_of(text: str) -> int | None:
    """Return ClickHouse's number of the error, where *text* begins with one."""
    match = _CODE.search(text[:200])
    return int(match[1]) if match else None


def advised(failure: Failure) -> Failure:
    """Return the failure with advice that fits ClickHouse, where there is none yet."""
    return replace(failure, advice=failure.advice or _BY_CAUSE.get(failure.cause))


def _words(text: str) -> str:
    match = _OLD.search(text) or _NEW.search(text)
    words = plain_line(match[1] if match else text, MESSAGE_LENGTH)
    return words.removeprefix("DB::Exception: ")
