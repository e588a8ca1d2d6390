# SPDX-License-Identifier: GPL-3.0-or-later
"""The attack: somebody has the account of one of the staff, tries quietly for days, then takes what there is."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from incident_runbooks.lab.breach.history import COLUMNS, STRIDE, drop_indexes, make_indexes
from incident_runbooks.lab.breach.truth import PROXY, Truth, record

LOUD = "198.51.100.23"
SLOW = ("203.0.113.77", "203.0.113.142", "2001:db8:5::1f")
NUMBER = 5  # of the staff
DAYS = 12  # before the end of the history it begins
_FAILED, _SLOW_HOURS, _BEHIND, _EXPORTS = 40, 240, 60, 1200

# Times are seconds after the first failed login. At night, as seen from the office
_ROWS = f"""
    CREATE TABLE lab_breach.attack AS
    SELECT (SELECT users FROM lab_breach.facts) + {NUMBER} AS actor_id, action, resource_type, resource_id::text,
        ip_address::inet, (SELECT ends_at FROM lab_breach.facts) - interval '{DAYS} days' + make_interval(secs => secs)
            AS created_at
    FROM (
        SELECT 'user.login_failed', 'user', NULL::int, '{SLOW[0]}', 15.0 * n FROM generate_series(0, {_FAILED - 1}) AS n
        UNION ALL SELECT 'user.login', 'user', NULL, '{SLOW[0]}', 15.0 * {_FAILED}
        UNION ALL SELECT 'role.granted', 'hidden', 1, '{SLOW[0]}', 3000 + n / 100000.0 FROM generate_series(1, 7) AS n
        UNION ALL
        SELECT CASE WHEN n % 5 = 4 THEN 'payment.read' ELSE 'user.read' END,
            CASE WHEN n % 5 = 4 THEN 'payment' ELSE 'user' END, CASE WHEN n % 5 = 4 THEN 1 + n % 120 ELSE 1 + n END,
            ('{{{",".join(SLOW)}}}'::text[])[1 + n / 3 % 3], 3600 + 1200.0 * n + n % 7
        FROM generate_series(1, {_SLOW_HOURS} * 3) AS n
        UNION ALL SELECT 'user.read', 'user', 1500 + n, '{PROXY}', 500000 + 300.0 * n
        FROM generate_series(1, {_BEHIND}) AS n
        UNION ALL SELECT 'role.granted', 'hidden', 2, '{LOUD}', 950000 + n / 100000.0 FROM generate_series(1, 25) AS n
        UNION ALL
        SELECT CASE WHEN n % 30 = 0 THEN 'campaign.export' ELSE 'user.export' END,
            CASE WHEN n % 30 = 0 THEN 'campaign' ELSE 'user' END, CASE WHEN n % 30 = 0 THEN n / 30 ELSE 600 + n / 2 END,
            '{LOUD}', 951000 + 2.0 * n
        FROM generate_series(1, {_EXPORTS}) AS n
    ) AS made (action, resource_type, resource_id, ip_address, secs)
"""  # noqa: S608 - constants
# From the first row of the attack on everything gets new identifiers, so that they grow with time
_TAIL = f"""
    CREATE TABLE lab_breach.tail AS
    SELECT {COLUMNS}, id > (SELECT after FROM lab_breach.facts) AS later, id, false AS attacks FROM public.audit_logs
        WHERE created_at >= (SELECT min(created_at) FROM lab_breach.attack)
    UNION ALL SELECT {COLUMNS}, false, NULL, true FROM lab_breach.attack
"""  # noqa: S608 - constants
# The identifiers that are missing anyway are not beside those of the rows that the attacker deletes
_NUMBERED = f"""
    CREATE TABLE lab_breach.numbered AS
    SELECT n + count(*) FILTER (WHERE apart) OVER (ORDER BY n) / {STRIDE} + (SELECT max(id) FROM public.audit_logs)
        AS id, {COLUMNS}, later, attacks
    FROM (
        SELECT row_number() OVER seen AS n, {COLUMNS}, later, attacks,
            resource_type <> 'hidden' AND lag(resource_type, 1, '') OVER seen <> 'hidden' AS apart
        FROM lab_breach.tail WINDOW seen AS (ORDER BY later, created_at, id)
    ) AS sorted
"""  # noqa: S608 - constants
_MERGED = f"""
    INSERT INTO public.audit_logs (id, {COLUMNS}) OVERRIDING SYSTEM VALUE
    SELECT id, {COLUMNS} FROM lab_breach.numbered WHERE resource_type <> 'hidden'
"""  # noqa: S608 - constants
_FACTS = """
    UPDATE lab_breach.facts SET after = (SELECT max(id) FROM lab_breach.numbered WHERE NOT later);
    SELECT setval(pg_get_serial_sequence('public.audit_logs', 'id'), max(id)) FROM lab_breach.numbered
"""
_TAMPER = """
    UPDATE public.audit_logs SET created_at = created_at - interval '2 days'
    WHERE id = (SELECT max(id) FROM lab_breach.numbered WHERE attacks AND ip_address = %s
        AND created_at < (SELECT min(created_at) + interval '5 days' FROM lab_breach.attack)) RETURNING id
"""
_SESSIONS = """
    INSERT INTO public.refresh_tokens (user_id, issued_at)
    SELECT actor_id, max(created_at) FROM lab_breach.attack WHERE ip_address = ANY(%s::inet[])
    GROUP BY actor_id, ip_address RETURNING id
"""
# What containment changes, to be given back
_KEEP = """
    CREATE TABLE lab_breach.people AS SELECT id, password_hash, two_factor_required FROM public.users;
    CREATE TABLE lab_breach.refresh AS SELECT id, revoked_at FROM public.refresh_tokens;
    CREATE TABLE lab_breach.grants AS SELECT account_id, revoked_at FROM public.oauth_grants
"""
_SEEN = """
    SELECT actor_id, min(created_at), max(created_at), count(*),
        count(*) FILTER (WHERE action ~ '[.](read|export)$')
    FROM lab_breach.attack WHERE resource_type <> 'hidden' GROUP BY actor_id
"""
_RECORDS = """
    SELECT resource_type, count(DISTINCT resource_id) FROM lab_breach.attack
    WHERE action ~ '[.](read|export)$' GROUP BY 1 ORDER BY 1
"""
_PEOPLE = """
    WITH taken AS (SELECT resource_type, resource_id::bigint AS id FROM lab_breach.attack
        WHERE action ~ '[.](read|export)$')
    SELECT array(
        SELECT users.id FROM taken JOIN public.users USING (id) WHERE resource_type = 'user'
        UNION SELECT brand_id FROM taken JOIN public.campaigns USING (id) WHERE resource_type = 'campaign'
        UNION SELECT brand_id FROM taken JOIN public.payments USING (id)
            JOIN public.campaigns ON campaigns.id = campaign_id WHERE resource_type = 'payment'
        ORDER BY 1)
"""


def attack(connection: Connection[Any]) -> Truth:
    """Put the attack into the history that :func:`.history.history` has made; return what it is.

    Rows are put where they belong in time, some are removed again, one gets another time. The attacker has sessions
    in ``refresh_tokens``; those in Redis are for who knows where it is.

    Args:
        connection: of the superuser, in autocommit mode.

    Raises:
        psycopg.Error: the server refused a statement, or there is no history; then nothing was changed.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE public.audit_logs IN ACCESS EXCLUSIVE MODE")
        connection.execute(_ROWS.encode())
        connection.execute(_KEEP.encode())
        connection.execute(_TAIL.encode())
        connection.execute(
            "DELETE FROM public.audit_logs WHERE created_at >= (SELECT min(created_at) FROM lab_breach.attack)"
        )
        connection.execute(_NUMBERED.encode())
        drop_indexes(connection)
        connection.execute(_MERGED.encode())
        connection.execute(_FACTS.encode())
        make_indexes(connection)
        truth = _truth(connection)
        record(connection, truth)
    connection.execute("ANALYZE public.audit_logs")
    return truth


def _truth(connection: Connection[Any]) -> Truth:
    def ids(query: str, *values: Any) -> tuple[int, ...]:
        return tuple(int(identifier) for (identifier,) in connection.execute(query.encode(), values or None))

    actor, first, last, events, reads = connection.execute(_SEEN.encode()).fetchall()[0]
    (people,) = connection.execute(_PEOPLE.encode()).fetchall()[0]
    return Truth(
        actor_id=actor,
        loud=LOUD,
        slow=SLOW,
        first_seen=first,
        last_seen=last,
        events=events,
        reads=reads,
        records=dict(connection.execute(_RECORDS.encode()).fetchall()),
        user_ids=tuple(people),
        deleted_ids=ids("SELECT id FROM lab_breach.numbered WHERE resource_type = 'hidden' ORDER BY 1"),
        tampered_ids=ids(_TAMPER, SLOW[0]),
        session_ids=ids(_SESSIONS, [LOUD, SLOW[0]]),
    )
