# SPDX-License-Identifier: GPL-3.0-or-later
"""sql_query against real servers; a superuser's own session is the second channel."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import censor, conclude
from ansible_collections.brandconnect.incidents.plugins.modules.sql_query import RETURN, SPEC

Ask = Callable[..., dict[str, Any]]
TABLES = "SELECT count(*) FROM pg_class WHERE relname LIKE 'sqlq%'"


@pytest.fixture
def ask(pg: Any) -> Ask:
    """Run the module as the ops role, which may read payments."""
    with pg.connect() as connection:
        connection.execute(f"GRANT SELECT ON payments, audit_logs TO {pg.ops_user}")

    def run(query: str, *, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        given = {**pg.login(), "query": query, **options}
        validation = ArgumentSpecValidator(SPEC.argument_spec, **SPEC.constraints).validate(given)
        assert not validation.errors.errors, validation.errors.msg
        result = conclude(SPEC, validation.validated_parameters, check_mode)
        json.dumps(result, allow_nan=False)
        return censor(result, {*validation._no_log_values, *SPEC.secrets(validation.validated_parameters)})

    return run


def test_rows_are_what_the_server_has(pg: Any, ask: Ask) -> None:
    with pg.connect() as connection:
        counted = connection.execute("SELECT currency, count(*) FROM payments GROUP BY 1 ORDER BY 1").fetchall()
    query = "SELECT currency, count(*) AS payments FROM payments GROUP BY 1 ORDER BY 1"
    result = ask(query)
    assert [(row["currency"], row["payments"]) for row in result["rows"]] == counted
    assert (result["reachable"], result["cause"], result["changed"]) == (True, None, False)
    assert (result["columns"], result["row_count"]) == (["currency", "payments"], len(counted))
    assert (result["role"], result["superuser"]) == (pg.ops_user, False)
    assert ask(query, check_mode=True)["rows"] == result["rows"], "check mode makes no difference"
    assert ask("SELECT count(*) FROM payments")["value"] == sum(number for _, number in counted)
    assert ask("TABLE payments", max_rows=1)["row_count"] == 1
    assert ask("VALUES (1), (2)")["row_count"] == 2
    assert ask("SELECT 1 AS one;")["value"] == 1, "a semicolon at the end is no second statement"
    assert set(result) - {"changed"} == set(yaml.safe_load(RETURN))
    assert set(ask("SELECT 1", login_password="wrong")) - {"changed"} == set(yaml.safe_load(RETURN))


def test_values_travel_apart_from_the_query(ask: Ask) -> None:
    hostile = "x'; DROP TABLE payments; --{{ 1 + 1 }}%s"
    result = ask(
        "SELECT %(text)s::text AS text, %(number)s + 1 AS number, %(none)s::text IS NULL AS none,"
        " 3 = ANY(%(ids)s) AS among, 'a%%b' AS percent",
        args={"text": hostile, "number": 2, "none": None, "ids": [1, 2, 3]},
    )
    assert result["rows"] == [{"text": hostile, "number": 3, "none": True, "among": True, "percent": "a%b"}]
    assert ask("SELECT 'a%b' AS percent")["value"] == "a%b", "without args a percent sign is one"
    missing = ask("SELECT %(absent)s AS x", args={"present": 1})
    assert (missing["reachable"], missing["cause"]) == (True, "invalid_query")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("timestamptz '2026-11-24 16:00:00.5+01'", "2026-11-24T15:00:00.500000Z"),
        ("timestamp '2026-11-24 16:00:00'", "2026-11-24T16:00:00.000000Z"),
        ("timestamptz 'infinity'", "infinity"),
        ("timestamp '0044-03-15 12:00:00 BC'", "0044-03-15 12:00:00 BC"),
        ("date '2026-11-24'", "2026-11-24"),
        ("date '-infinity'", "-infinity"),
        ("interval '1 day 01:00:00.25'", 90000.25),
        ("time '12:30'", "12:30:00"),
        ("9223372036854775807::bigint", 9223372036854775807),
        ("0.1::numeric", 0.1),
        ("12.50::numeric(10,2)", 12.5),
        ("100::numeric", 100),
        ("0.1234567890123456789::numeric", "0.1234567890123456789"),
        ("123456789012345678901234567890::numeric", "123456789012345678901234567890"),
        ("'NaN'::numeric", None),
        ("'NaN'::float8", None),
        ("'-Infinity'::float8", None),
        ("1e300::float8", 1e300),
        ("true", True),
        ("NULL", None),
        ("'\\xdeadbeef'::bytea", "\\xdeadbeef"),
        ("inet '10.0.0.1'", "10.0.0.1"),
        ("inet '10.0.0.0/8'", "10.0.0.0/8"),
        ("int4range(1, 5)", "[1,5)"),
        ("ARRAY[1, NULL, 3]", [1, None, 3]),
        ("ARRAY[0.1, 0.1234567890123456789]::numeric[]", [0.1, "0.1234567890123456789"]),
        ("ARRAY[timestamptz '2026-11-24 15:00Z']", ["2026-11-24T15:00:00.000000Z"]),
        ("""'{"a": [1, null, "x"]}'::jsonb""", {"a": [1, None, "x"]}),
        ("'0b0e7a1e-0000-4000-8000-000000000000'::uuid", "0b0e7a1e-0000-4000-8000-000000000000"),
        ("ROW(1, 'a')", ["1", "a"]),
        ("'{{ 1 + 1 }}'", "{{ 1 + 1 }}"),
    ],
)
def test_every_value_becomes_json_without_loss(ask: Ask, expression: str, value: Any) -> None:
    result = ask(f"SELECT {expression} AS it")
    assert result["cause"] is None, result["message"]
    assert result["rows"] == [{"it": value}]
    assert type(result["rows"][0]["it"]) is type(value)


def test_rows_and_values_are_bounded(ask: Ask) -> None:
    result = ask("SELECT generate_series(1, 1000000000) AS n, repeat('x', 5000) AS long", max_rows=3)
    assert ([row["n"] for row in result["rows"]], result["truncated"], result["values_cut"]) == ([1, 2, 3], True, 3)
    assert {len(row["long"]) for row in result["rows"]} == {1000}
    assert result["rows"][0]["long"].endswith("x…")
    assert ask("SELECT n FROM generate_series(1, 3) AS n", max_rows=3)["truncated"] is False
    nested = ask("SELECT jsonb_build_object('a', repeat('y', 200)) AS it", max_value_length=50)
    assert (len(nested["value"]), nested["values_cut"]) == (50, 1)
    key = "sk_live_" + "a1" * 12
    told = ask("SELECT %(key)s::text AS a, jsonb_build_object('b', %(key)s::text) AS b", args={"key": key})
    assert key not in json.dumps(told["rows"]), "what looks like a secret is masked"


@pytest.mark.parametrize(
    ("query", "cause"),
    [
        ("INSERT INTO payments (campaign_id, amount_cents, status) VALUES (1, 1, 'failed')", "invalid_query"),
        ("WITH gone AS (DELETE FROM sqlq_canary RETURNING 1) SELECT * FROM gone", "invalid_query"),
        ("SELECT 1; DROP TABLE sqlq_canary", "invalid_query"),
        ("SELECT 1; COMMIT; DROP TABLE sqlq_canary", "invalid_query"),
        ("SELECT 1) ; DROP TABLE sqlq_canary; --", "invalid_query"),
        ("CREATE TABLE sqlq_new (id int)", "invalid_query"),
        ("SELECT 1 AS a INTO sqlq_new", "invalid_query"),
        ("DO $$ BEGIN DELETE FROM sqlq_canary; END $$", "invalid_query"),
        ("CALL sqlq_procedure()", "invalid_query"),
        ("COPY sqlq_canary TO STDOUT", "invalid_query"),
        ("SET TRANSACTION READ WRITE", "invalid_query"),
        ("COMMIT", "invalid_query"),
        ("SELECT sqlq_delete()", "read_only"),
        ("SELECT sqlq_opens()", "read_only"),
        ("SELECT nextval('sqlq_sequence')", "read_only"),
        ("SELECT * FROM sqlq_canary FOR UPDATE", "read_only"),
        ("SELECT count(*) FROM no_such_table", "invalid_query"),
        ("SELECT no_such_column FROM payments", "invalid_query"),
        ("SELECT password_hash FROM users", "forbidden"),
        ("SELECT 1 / 0 AS x", "invalid_data"),
        ("SELECT 'words'::int AS x", "invalid_data"),
        ("SELECT (SELECT n FROM generate_series(1, 2) AS n) AS x", "invalid_data"),
        ("SELECT 1 AS a, 2 AS a", "invalid_query"),
        ("SELECT pg_sleep(60)", "timeout"),
        ("SELEC 1", "invalid_query"),
    ],
)
def test_what_writes_or_cannot_be_read_is_refused(pg: Any, ask: Ask, query: str, cause: str) -> None:
    with pg.connect() as owner:
        owner.execute("CREATE TABLE sqlq_canary AS SELECT 1 AS id")
        owner.execute("CREATE SEQUENCE sqlq_sequence")
        owner.execute("CREATE FUNCTION sqlq_delete() RETURNS int LANGUAGE sql AS 'DELETE FROM sqlq_canary RETURNING 1'")
        owner.execute(
            "CREATE FUNCTION sqlq_opens() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS"
            " 'BEGIN SET TRANSACTION READ WRITE; DELETE FROM sqlq_canary; RETURN 1; END'"
        )
        owner.execute("CREATE PROCEDURE sqlq_procedure() LANGUAGE sql AS 'DELETE FROM sqlq_canary'")
        owner.execute(f"GRANT ALL ON sqlq_canary, sqlq_sequence TO {pg.ops_user}")
        before = owner.execute(TABLES).fetchone()
        payments = owner.execute("SELECT count(*) FROM payments").fetchone()
        try:
            result = ask(query, statement_timeout=1)
            assert (result["reachable"], result["cause"], result["rows"]) == (True, cause, []), result["message"]
            assert result["message"]
            assert result["hint"]
            assert owner.execute("SELECT count(*) FROM sqlq_canary").fetchone() == (1,)
            assert owner.execute(TABLES).fetchone() == before
            assert owner.execute("SELECT count(*) FROM payments").fetchone() == payments
            assert owner.execute("SELECT is_called FROM sqlq_sequence").fetchone() == (False,)
        finally:
            owner.execute("DROP PROCEDURE sqlq_procedure; DROP FUNCTION sqlq_delete, sqlq_opens")
            owner.execute("DROP TABLE sqlq_canary; DROP SEQUENCE sqlq_sequence")


def test_functions_that_act_beyond_a_transaction_are_refused_and_end_nobody(pg: Any, ask: Ask) -> None:
    victim = pg.connect(user=pg.app_user)
    for query in (
        "SELECT pg_terminate_backend(%(pid)s)",
        'SELECT "pg_terminate_backend"(%(pid)s)',
        "SELECT PG_CATALOG . Pg_Cancel_Backend(%(pid)s)",
        "SELECT query_to_xml('SELECT 1', true, true, '')",
    ):
        result = ask(query, args={"pid": victim.info.backend_pid})
        assert result["failed"] is True
        assert "acts beyond a read-only transaction" in result["msg"]
    assert victim.execute("SELECT 1").fetchone() == (1,)
    assert ask("SELECT pg_is_in_recovery() AS it")["value"] is False, "others are not"


def test_tables_come_from_the_schema_and_the_servers_own_functions_first(pg: Any, ask: Ask) -> None:
    with pg.connect() as owner:
        owner.execute("CREATE SCHEMA sqlq_other; CREATE TABLE sqlq_other.sqlq_there AS SELECT 7 AS id")
        owner.execute("CREATE FUNCTION public.version() RETURNS text LANGUAGE sql AS 'SELECT ''wrong'''")
        owner.execute(f"GRANT USAGE ON SCHEMA sqlq_other TO {pg.ops_user}")
        owner.execute(f"GRANT SELECT ON sqlq_other.sqlq_there TO {pg.ops_user}")
        try:
            assert ask("SELECT id FROM sqlq_there", schema="sqlq_other")["value"] == 7
            assert ask("SELECT id FROM sqlq_there")["cause"] == "invalid_query"
            assert ask("SELECT id FROM sqlq_other.sqlq_there")["value"] == 7
            assert ask("SELECT 1 AS x", schema='a"; DROP TABLE payments; --')["value"] == 1
            assert ask("SELECT version() AS it")["value"].startswith("PostgreSQL")
        finally:
            owner.execute("DROP FUNCTION public.version(); DROP SCHEMA sqlq_other CASCADE")


def test_a_server_that_does_not_answer_is_a_result(pg: Any, ask: Ask) -> None:
    refused = ask("SELECT 1", login_port=1)
    assert (refused["reachable"], refused["cause"], refused["rows"]) == (False, "refused", [])
    wrong = ask("SELECT 1", login_password="c4nary-wrong")
    assert (wrong["reachable"], wrong["cause"]) == (False, "auth")
    assert "c4nary" not in json.dumps(wrong)
    taken = [pg.connect(user=pg.app_user) for _ in range(17)]
    full = ask("SELECT 1")
    assert (full["reachable"], full["cause"]) == (False, "server_slots_exhausted"), "the reserved login is not for this"
    assert len(taken) == 17


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"query": " "}, "query is empty"),
        ({"query": "SELECT '\0'"}, "query holds a NUL"),
        ({"query": f"SELECT {'1' * 20001}"}, "query is longer than 20000 characters"),
        ({"args": {"a": {"b": 1}}}, "args.a must be a value or a list of values"),
        ({"args": {"a": ["\0"]}}, "args.a holds a NUL"),
        ({"max_rows": 0}, "max_rows must be between 1 and 10000, not 0"),
        ({"max_value_length": 1}, "max_value_length must be between 10 and 100000, not 1"),
        ({"statement_timeout": 0}, "statement_timeout must be 1 second or more"),
    ],
)
def test_options_that_make_no_sense_fail_with_one_sentence(ask: Ask, given: dict[str, Any], said: str) -> None:
    result = ask(**{"query": "SELECT 1", **given})
    assert result["failed"] is True
    assert said in result["msg"]
