# SPDX-License-Identifier: GPL-3.0-or-later
"""The breach of the lab: what it leaves in database and Redis, and that healing takes all of it away."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from incident_runbooks.lab import breach
from incident_runbooks.lab.lab import Lab
from incident_runbooks.lab.login import Login

STANDING = """SELECT
    (SELECT md5(string_agg(concat_ws(',', id, password_hash, two_factor_required), ';' ORDER BY id)) FROM users),
    (SELECT md5(string_agg(concat_ws(',', id, revoked_at), ';' ORDER BY id)) FROM refresh_tokens),
    (SELECT md5(string_agg(concat_ws(',', account_id, revoked_at), ';' ORDER BY account_id)) FROM oauth_grants),
    (SELECT count(*) FROM password_resets WHERE incident IS NOT NULL)"""
CONTAINED = """UPDATE users SET password_hash = NULL, two_factor_required = true;
    UPDATE oauth_grants SET revoked_at = now();
    UPDATE refresh_tokens SET revoked_at = now(); INSERT INTO password_resets (user_id, incident) VALUES (1, 'inc')"""
TRAIL = "SELECT count(*), md5(string_agg(row::text, ',' ORDER BY id)) FROM audit_logs AS row"
PEOPLE = "SELECT count(*), max(id) FROM users"
TOKENS = "SELECT count(*) FROM refresh_tokens"
INDEXES = (
    "SELECT array_agg(indexrelid::regclass::text ORDER BY 1) FROM pg_index WHERE indrelid = 'audit_logs'::regclass"
)


def seen(connection: Any) -> list[Any]:
    return [connection.execute(query).fetchone() for query in (TRAIL, PEOPLE, TOKENS, INDEXES)]


def test_history_and_attack_are_taken_away_again(pg: Any) -> None:
    connection = pg.connect()
    before = seen(connection)
    standing = connection.execute(STANDING).fetchone()
    # somebody was about to register: the next number is not the next identifier
    connection.execute("SELECT nextval(pg_get_serial_sequence('public.users', 'id')) FROM generate_series(1, 7)")
    breach.history(connection, 20_000)
    truth = breach.attack(connection)
    assert breach.recorded(connection) == truth
    rows, steps_back = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE created_at < before) FROM"
        " (SELECT created_at, lag(created_at) OVER (ORDER BY id) AS before FROM audit_logs) AS each"
    ).fetchone()
    assert rows == before[0][0] + 20_000 + truth.events
    assert steps_back == 1, "times grow with identifiers, but for the row that was tampered with"
    mine = "SELECT count(*) FROM audit_logs WHERE ip_address = ANY(%s::inet[])"
    assert connection.execute(mine, [sorted(truth.addresses)]).fetchone()[0] == truth.events - 60, "60 behind the proxy"
    gone = connection.execute(
        "SELECT count(*) FROM audit_logs WHERE id = ANY(%s)", [list(truth.deleted_ids)]
    ).fetchone()
    assert gone == (0,)
    beside = "SELECT count(*) FROM audit_logs WHERE id = ANY(%s)"
    deleted = set(truth.deleted_ids)
    around = {each + step for each in deleted for step in (-1, 1)} - deleted
    assert connection.execute(beside, [list(around)]).fetchone() == (len(around),), "gaps of two kinds do not meet"
    connection.execute("INSERT INTO audit_logs (action, resource_type) VALUES ('payment.created', 'payment')")
    connection.execute("INSERT INTO password_resets (user_id) VALUES (%s)", [truth.user_ids[-1]])
    connection.execute(CONTAINED)
    assert connection.execute(STANDING).fetchone() != standing

    breach.remove(connection)
    last = connection.execute("DELETE FROM audit_logs WHERE id > 2000 RETURNING id, action").fetchall()
    assert last[-1][1] == "payment.created", "what came meanwhile stays"
    assert len(last) == last[-1][0] - 2000, "without a gap before it"
    assert seen(connection)[1:] == before[1:]
    assert connection.execute(STANDING).fetchone() == standing, "what containment changed is given back"
    assert breach.recorded(connection) is None
    breach.remove(connection)  # there is nothing to remove any more


def test_an_attack_without_a_history_changes_nothing(pg: Any) -> None:
    connection = pg.connect()
    before = seen(connection)
    with pytest.raises(psycopg.errors.UndefinedTable):
        breach.attack(connection)
    assert seen(connection) == before


def test_the_fault_opens_sessions_of_the_attacker_and_healing_ends_them(payments_lab: Lab) -> None:
    lab = payments_lab
    with lab.server.connect(lab.server.superuser) as connection:
        before = seen(connection)
        lab.break_("breach-suspected")
        truth = breach.recorded(connection)
        assert truth is not None
        assert connection.execute("SELECT count(*) > 1000000 FROM audit_logs").fetchone() == (True,)
        keys = [f"sess:{session}" for session in truth.session_ids]
        with Login(lab)._connected() as redis:
            assert [int(value) for value in redis.mget(keys)] == [truth.actor_id] * len(keys)
            lab.heal()
        with Login(lab)._connected() as redis:
            assert redis.exists(*keys) == 0
        assert seen(connection)[1:] == before[1:]
        assert connection.execute("SELECT count(*) < 5000 FROM audit_logs").fetchone() == (True,)
        assert breach.recorded(connection) is None
