# SPDX-License-Identifier: GPL-3.0-or-later
"""What ClickHouse's refusals mean, in their old and their new form."""

from __future__ import annotations

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_errors import refused
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Answer, Failure


def old(code: int, words: str) -> str:
    """The text of 18.16."""
    return f"Code: {code}, e.displayText() = DB::Exception: {words}, e.what() = DB::Exception\n"


def new(code: int, words: str) -> str:
    """The text of a current server."""
    return f"Code: {code}. DB::Exception: {words}\n"


def read(status: int, text: str) -> Failure:
    return refused(Answer(status, {}, text.encode()))


@pytest.mark.parametrize("say", [old, new])
@pytest.mark.parametrize(
    ("status", "code", "cause", "words"),
    [
        (404, 60, "not_found", "Table a.b doesn't exist."),
        (401, 193, "invalid_auth", "Wrong password for user x"),
        (403, 516, "invalid_auth", "x: Authentication failed. (AUTHENTICATION_FAILED)"),
        (500, 164, "not_permitted", "Cannot execute query in readonly mode"),
        (500, 243, "no_space", "Cannot reserve 1.00 MiB. (NOT_ENOUGH_SPACE)"),
        (500, 75, "no_space", "Cannot write to file, errno: 28, strerror: No space left on device"),
        (500, 75, "server_error", "Cannot write to file, errno: 5, strerror: Input/output error"),
        (500, 359, "drop_limit", "Table or Partition was not dropped."),
        (200, 252, "too_many_parts", "Too many parts (300)"),
        (500, 999, "server_error", "KEEPER_EXCEPTION"),
    ],
)
def test_a_refusal(say: object, status: int, code: int, cause: str, words: str) -> None:
    assert callable(say)
    failure = read(status, say(code, words))
    assert (failure.code, failure.cause, failure.status) == (code, cause, status)
    assert failure.message == f"code {code}, {words}"
    assert failure.next_step


@pytest.mark.parametrize(
    ("code", "may"),
    [
        *((code, False) for code in (60, 164, 243, 359, 497, 516)),
        *((code, True) for code in (159, 209, 241, 341, 394, 999)),
    ],
)
def test_what_a_server_did_not_refuse_before_it_began_may_have_happened(code: int, may: bool) -> None:
    assert read(500, new(code, "words")).may_have_happened is may


def test_what_is_no_refusal_of_clickhouse() -> None:
    refused_connection = (
        "Poco::Exception. Code: 1000, e.code() = 111, e.displayText() = Connection refused, e.what() = x"
    )
    assert read(500, refused_connection).message == "code 1000, Connection refused"
    gateway = read(502, "<html>Bad Gateway</html>")
    assert (gateway.code, gateway.cause, gateway.may_have_happened) == (None, "server_error", True)
