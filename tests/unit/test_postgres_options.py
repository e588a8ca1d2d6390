# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection options become libpq parameters, and no secret gets out on the way."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    libpq_parameters,
    postgres_argument_spec,
    postgres_secrets,
    reserved_parameters,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

CANARY = "c4n4ry"


def options(**given: Any) -> dict[str, Any]:
    unset: dict[str, Any] = dict.fromkeys(postgres_argument_spec())
    return {**unset, "connect_timeout": 5, "statement_timeout": 5, **given}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGDATABASE", "PGPASSWORD"):
        monkeypatch.delenv(name, raising=False)


def test_options_win_over_the_connection_string() -> None:
    parameters = libpq_parameters(
        options(login_dsn="host=a port=1 user=x connect_timeout=99 sslmode=require", login_host="b", login_port=2)
    )
    assert parameters == {
        "host": "b",
        "port": "2",
        "user": "x",
        "sslmode": "require",
        "application_name": "incident-runbook",
        "client_encoding": "UTF8",
    }


def test_empty_options_count_as_not_given() -> None:
    parameters = libpq_parameters(options(login_dsn="host=a user=x", login_host="", login_user="", reserved_user=""))
    assert (parameters["host"], parameters["user"]) == ("a", "x")
    assert reserved_parameters(options(reserved_user=""), parameters) is None


def test_the_reserved_login_never_sends_the_ordinary_password() -> None:
    ordinary = libpq_parameters(options(login_host="a", login_user="ops", login_password="p"))
    assert reserved_parameters(options(reserved_user="root"), ordinary) == {
        "host": "a",
        "user": "root",
        "application_name": "incident-runbook",
        "client_encoding": "UTF8",
    }
    with_own = reserved_parameters(options(reserved_user="root", reserved_password="q"), ordinary)
    assert with_own is not None
    assert with_own["password"] == "q"


MALFORMED = [
    f"postgresql://ops:pa@{CANARY}@db/x",
    f"postgresql://ops:pa/{CANARY}@db/x",
    f"postgresql://ops:12/{CANARY}@db/x",
    f"postgresql://ops:pa?{CANARY}@db/x",
    f"postgresql://ops:{CANARY}@[nonsense",
    f"postgresql://ops:pa:{CANARY}/x",
    f"host=db password=pa {CANARY}",
    f"host=db password=pa {CANARY}=1",
    f"host=db password='{CANARY}",
    f"host=db port={CANARY}",
    f"{CANARY}",
]


@pytest.mark.parametrize("dsn", MALFORMED, ids=repr)
def test_a_malformed_connection_string_is_never_quoted(dsn: str) -> None:
    with pytest.raises(IncidentsError) as raised:
        assert libpq_parameters(options(login_dsn=dsn)) is None
    assert CANARY not in str(raised.value)
    assert "login_dsn" in raised.value.message
    assert raised.value.__cause__ is None
    list(postgres_secrets(options(login_dsn=dsn)))


@pytest.mark.parametrize("database", [f"postgresql://ops:{CANARY}@db/x", f"host=db password={CANARY}"])
def test_a_connection_string_in_place_of_the_database_is_refused(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(IncidentsError) as raised:
        libpq_parameters(options(login_db=database))
    assert CANARY not in raised.value.message
    monkeypatch.setenv("PGDATABASE", database)
    with pytest.raises(IncidentsError):
        libpq_parameters(options())


@pytest.mark.parametrize("option", ["connect_timeout", "statement_timeout"])
def test_no_time_at_all_is_refused(option: str) -> None:
    with pytest.raises(IncidentsError, match=option):
        libpq_parameters(options(**{option: 0}))


@pytest.mark.parametrize(
    ("dsn", "secrets"),
    [
        ("postgresql://ops:p%40ss@db/x?sslpassword=key", {"p%40ss", "p@ss", "key"}),
        ("postgresql://ops@db/x?password=second", {"second"}),
        ("host=db password='it\\'s' user=ops", {"it's"}),
        ("host=db password = plain", {"plain"}),
        ("postgresql://ops:pa@ss@db/x", {"pa@ss"}),
    ],
)
def test_secrets_are_found_in_connection_strings(dsn: str, secrets: set[str]) -> None:
    assert secrets <= set(postgres_secrets(options(login_dsn=dsn)))


def test_the_password_of_the_environment_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", CANARY)
    assert CANARY in set(postgres_secrets(options()))
