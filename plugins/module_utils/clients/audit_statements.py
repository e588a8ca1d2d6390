# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""The queries of an audit trail. ``{table}`` is the trail, ``{address}`` its address as inet.

Actions are compared as a list, in lower case. A pattern finds ``thread.created`` for ``read``, and misses
``USER.READ``.
"""

from __future__ import annotations

COLUMNS = """
SELECT a.attname AS name, t.typname AS type
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND a.attnum > 0 AND NOT a.attisdropped
"""
# A server that listens on IPv6 notes clients of IPv4 as ::ffff:192.0.2.1 (RFC 4291, 2.5.5.2); it is the same address
UNMAPPED = (
    "CASE WHEN ({0}) <<= '::ffff:0.0.0.0/96'::inet THEN '0.0.0.0'::inet + (({0}) - '::ffff:0.0.0.0'::inet) ELSE {0} END"
)
# Before PostgreSQL 16 only IPv4 addresses are known in text
_BYTE = "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
LIKE_AN_ADDRESS = rf"ip_address ~ '^(::ffff:)?({_BYTE}\.){{3}}{_BYTE}$'"

# Providers give a home a /64 of IPv6, of which devices take another address each day (RFC 8981): that is one place
_PLACE = "CASE WHEN family(ip) = 6 THEN host(network(set_masklen(ip, 64))) || '/64' ELSE host(ip) END"
_EXPORTED = "lower(action) = ANY(%(exports)s::text[])"
# Of no single record, so it may hold everybody
_OPEN = "(coalesce(resource_id::text, '') = '' OR lower(action) = ANY(%(bulk)s::text[]))"
_TAKEN = "lower(action) = ANY(%(reads)s::text[] || %(exports)s::text[])"
# The same hours of each week before: seconds since then, modulo a week, within the length of the window
_SAME_HOURS = "mod(extract(epoch FROM created_at - %(baseline_since)s)::numeric, 604800) < %(length_s)s"

TOTALS = f"""
SELECT count(*) AS events, count(*) FILTER (WHERE actor_id IS NULL) AS without_actor,
       count(*) FILTER (WHERE ip_address IS NULL) AS without_address,
       count(*) FILTER (WHERE ip_address IS NOT NULL AND {{address}} IS NULL) AS unreadable_addresses,
       count(*) FILTER (WHERE {_TAKEN}) AS taken,
       count(*) FILTER (WHERE {_TAKEN} AND actor_id IS NULL) AS taken_without_actor,
       count(*) FILTER (WHERE {_TAKEN} AND {{address}} IS NULL) AS taken_without_address,
       count(*) FILTER (WHERE {_TAKEN} AND ip_address IS NOT NULL AND {{address}} IS NULL) AS taken_unreadable
FROM {{table}} WHERE created_at >= %(since)s AND created_at < %(until)s
"""  # noqa: S608 - constants
BASELINE = """
SELECT coalesce(first < %(baseline_since)s::timestamptz + interval '1 day', false) AS complete,
       coalesce(first < %(since)s, false) AS any_rows
FROM (SELECT min(created_at) AS first FROM {table} WHERE created_at >= %(baseline_since)s) AS oldest
"""
UNLISTED = """
SELECT lower(left(action, 100)) AS action, count(*) AS events FROM {table}
WHERE created_at >= %(since)s AND created_at < %(until)s AND lower(action) <> ALL(%(known)s::text[])
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(most)s
"""
# Actors with something to look at, with each address they came from; those that look worst first. A record that is
# read a hundred times is one record, so records are grouped before they are counted
CANDIDATES = f"""
WITH records AS (
    SELECT actor_id, {{address}} AS ip, resource_type, resource_id, count(*) AS events,
        count(*) FILTER (WHERE lower(action) = ANY(%(reads)s::text[])) AS reads,
        count(*) FILTER (WHERE {_EXPORTED}) AS exports, count(*) FILTER (WHERE {_EXPORTED} AND {_OPEN}) AS open_exports,
        count(*) FILTER (WHERE lower(action) = ANY(%(failed_logins)s::text[])) AS failed_logins,
        min(created_at) AS first_seen, max(created_at) AS last_seen
    FROM {{table}} WHERE created_at >= %(since)s AND created_at < %(until)s AND actor_id IS NOT NULL
    GROUP BY 1, 2, 3, 4
), here AS (
    SELECT actor_id, coalesce(host(ip), '') AS address, coalesce({_PLACE}, '') AS place,
        coalesce(ip <<= ANY(%(trusted)s::inet[]), false) AS trusted, sum(events)::bigint AS events,
        sum(reads)::bigint AS reads, sum(exports)::bigint AS exports, sum(open_exports)::bigint AS open_exports,
        sum(failed_logins)::bigint AS failed_logins, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
        count(*) FILTER (WHERE reads + exports > 0 AND resource_id IS NOT NULL) AS records
    FROM records GROUP BY actor_id, ip
), earlier AS (
    SELECT actor_id, {{address}} AS ip, count(*) AS events,
        count(*) FILTER (WHERE {_SAME_HOURS} AND {_TAKEN}) AS taken,
        count(*) FILTER (WHERE {_SAME_HOURS} AND {_EXPORTED}) AS exports,
        count(*) FILTER (WHERE {_EXPORTED}) AS exports_ever
    FROM {{table}} WHERE created_at >= %(baseline_since)s AND created_at < %(since)s AND actor_id IS NOT NULL
    GROUP BY 1, 2
), before AS (SELECT DISTINCT actor_id, coalesce({_PLACE}, '') AS place FROM earlier
), usual AS (
    SELECT actor_id, sum(events)::bigint AS events, sum(taken)::bigint AS taken, sum(exports)::bigint AS exports,
        sum(exports_ever)::bigint AS exports_ever
    FROM earlier GROUP BY 1
), addresses AS (
    SELECT here.*, before.place IS NULL AS new FROM here LEFT JOIN before USING (actor_id, place)
), places AS (
    SELECT place, count(DISTINCT actor_id) AS actors, count(DISTINCT actor_id) FILTER (WHERE NOT new) AS known_actors
    FROM addresses GROUP BY 1
), actors AS (
    SELECT actor_id, sum(reads + exports)::bigint AS taken, sum(exports)::bigint AS exports,
        sum(records) FILTER (WHERE new AND NOT trusted) AS new_records,
        sum(exports) FILTER (WHERE new AND NOT trusted) AS new_exports
    FROM addresses GROUP BY 1
), chosen AS (
    SELECT actors.*, coalesce(usual.events, 0) AS events_before, coalesce(usual.taken, 0) AS taken_before,
        coalesce(usual.exports, 0) AS exports_before, coalesce(usual.exports_ever, 0) AS exports_ever,
        count(*) OVER () AS candidates
    FROM actors LEFT JOIN usual USING (actor_id)
    WHERE actors.exports > %(ratio)s * %(scale)s * coalesce(usual.exports, 0)
        OR new_records >= %(min_records)s
        OR (actors.taken >= %(min_records)s AND actors.taken > %(ratio)s * %(scale)s * coalesce(usual.taken, 0))
        OR actor_id = ANY(%(expected)s::bigint[])
    ORDER BY actor_id = ANY(%(expected)s::bigint[]) DESC, coalesce(new_exports, 0) > 0 DESC,
        new_records DESC NULLS LAST, actors.exports DESC, actor_id
    LIMIT %(most_candidates)s
), ranked AS (
    SELECT addresses.*, places.actors, places.known_actors, row_number() OVER (
        PARTITION BY actor_id ORDER BY new AND NOT trusted DESC, records DESC, events DESC, address) AS rank,
        count(*) OVER (PARTITION BY actor_id) AS addresses_of_actor
    FROM addresses JOIN places USING (place) WHERE actor_id IN (SELECT actor_id FROM chosen)
)
SELECT ranked.*, chosen.events_before, chosen.taken_before, chosen.exports_before, chosen.exports_ever,
    chosen.candidates
FROM ranked JOIN chosen USING (actor_id) WHERE rank <= %(most_addresses)s ORDER BY actor_id, rank
"""  # noqa: S608 - constants
# Pairs of actor and address; the address ``*`` stands for all of an actor's
_ATTRIBUTED = """
    FROM {table} JOIN unnest(%(actor_ids)s::bigint[], %(addresses)s::text[]) AS pair (actor, address)
        ON actor_id = pair.actor AND (pair.address = '*' OR pair.address = coalesce(host({address}), ''))
    WHERE actor_id = ANY(%(actor_ids)s) AND created_at >= %(since)s AND created_at < %(until)s
"""
RESOURCES = f"""
SELECT actor_id, left(resource_type, 100) AS resource_type, lower(left(action, 100)) AS action,
    lower(action) = ANY(%(exports)s::text[]) AS exports, {_TAKEN} AS taken,
    count(*) AS events, count(DISTINCT resource_id) AS records, count(*) FILTER (WHERE {_OPEN}) AS unnamed,
    min(created_at) AS first_seen, max(created_at) AS last_seen
{_ATTRIBUTED} GROUP BY 1, 2, 3, 4, 5
ORDER BY exports DESC, taken DESC, records DESC, actor_id, resource_type, action LIMIT %(most)s
"""
RECORDS = f"""
SELECT DISTINCT resource_type, left(resource_id::text, 200) AS resource_id
{_ATTRIBUTED} AND {_TAKEN} AND resource_id IS NOT NULL LIMIT %(most)s
"""
# Steps from one identifier to the next that leave some out, or that go back in time; so many of each, as a trail that
# was imported has more of the latter than anybody reads, and must not hide what was deleted
STEPS = """
WITH bounds AS (
    SELECT min(id) AS first, max(id) AS last FROM {table} WHERE created_at >= %(since)s AND created_at < %(until)s
), ordered AS (
    SELECT id, created_at, lag(id) OVER w AS id_before, lag(created_at) OVER w AS at_before,
        lag(created_at, 2) OVER w AS at_before_that, lead(created_at) OVER w AS at_after
    FROM {table} WHERE id >= (SELECT first FROM bounds) AND id <= (SELECT last FROM bounds) WINDOW w AS (ORDER BY id)
), steps AS (
    SELECT *, id - id_before - 1 AS missing,
        created_at < at_before - make_interval(secs => %(tolerance_s)s) AS back
    FROM ordered WHERE id - id_before > 1 OR created_at < at_before - make_interval(secs => %(tolerance_s)s)
)
SELECT * FROM (
    SELECT *, count(*) FILTER (WHERE missing > 0) OVER () AS gaps, sum(missing) OVER ()::bigint AS missing_ids,
        count(*) FILTER (WHERE back) OVER () AS steps_back,
        row_number() OVER (PARTITION BY back ORDER BY missing DESC, id) AS rank FROM steps
) AS ranked WHERE rank <= %(most)s ORDER BY back DESC, rank
"""
ADDRESSES = f"""
WITH hours AS (
    SELECT {{address}} AS ip, actor_id, date_trunc('hour', created_at, 'UTC') AS hour, count(*) AS events,
        count(*) FILTER (WHERE {_TAKEN}) AS taken,
        count(*) FILTER (WHERE {_EXPORTED}) AS exports, count(*) FILTER (WHERE {_EXPORTED} AND {_OPEN}) AS open_exports,
        count(*) FILTER (WHERE lower(action) = ANY(%(failed_logins)s::text[])) AS failed_logins,
        min(created_at) AS first_seen, max(created_at) AS last_seen
    FROM {{table}} WHERE created_at >= %(since)s AND created_at < %(until)s AND ip_address IS NOT NULL GROUP BY 1, 2, 3
), earlier AS (
    SELECT {{address}} AS ip, actor_id, count(*) FILTER (WHERE {_SAME_HOURS}) AS same_hours,
        count(*) FILTER (WHERE {_EXPORTED}) AS exports
    FROM {{table}} WHERE created_at >= %(baseline_since)s AND created_at < %(since)s AND ip_address IS NOT NULL
    GROUP BY 1, 2
), before AS (
    SELECT {_PLACE} AS place, actor_id, sum(same_hours)::bigint AS same_hours FROM earlier GROUP BY 1, 2
), ever AS (SELECT place, sum(same_hours)::bigint AS same_hours FROM before GROUP BY 1
), exporters AS (SELECT DISTINCT actor_id FROM earlier WHERE exports > 0
), here AS (SELECT *, {_PLACE} AS place FROM hours
), records AS (
    SELECT ip, count(*) AS records FROM (
        SELECT {{address}} AS ip, resource_type, resource_id FROM {{table}}
        WHERE created_at >= %(since)s AND created_at < %(until)s AND {_TAKEN}
            AND resource_id IS NOT NULL GROUP BY 1, 2, 3) AS each GROUP BY 1
), people AS (
    SELECT here.ip, count(DISTINCT here.actor_id) AS actors,
        count(DISTINCT here.actor_id) FILTER (WHERE before.place IS NULL) AS new_for_actors,
        coalesce(sum(open_exports) FILTER (WHERE exporters.actor_id IS NULL), 0)::bigint AS open_exports,
        (array_agg(DISTINCT here.actor_id) FILTER (WHERE here.actor_id IS NOT NULL))[1:%(most_actors)s] AS actor_ids
    FROM here LEFT JOIN before USING (place, actor_id) LEFT JOIN exporters ON exporters.actor_id = here.actor_id
    GROUP BY 1
), addresses AS (
    SELECT ip, host(ip) AS address, {_PLACE} AS place, ip <<= ANY(%(trusted)s::inet[]) AS trusted,
        sum(events)::bigint AS events, sum(taken)::bigint AS taken, sum(exports)::bigint AS exports,
        sum(failed_logins)::bigint AS failed_logins, min(first_seen) AS first_seen, max(last_seen) AS last_seen,
        count(DISTINCT hour) AS hours, count(DISTINCT date_trunc('day', hour, 'UTC')) AS days
    FROM hours WHERE ip IS NOT NULL GROUP BY 1
), totals AS (
    SELECT count(*) AS all_addresses, coalesce(sum(events), 0)::bigint AS all_events,
        count(*) FILTER (WHERE trusted) AS trusted_addresses,
        coalesce(sum(events) FILTER (WHERE trusted), 0)::bigint AS trusted_events FROM addresses
), top AS (SELECT address AS top_address, events AS top_events FROM addresses ORDER BY events DESC, address LIMIT 1
), chosen AS (
    SELECT addresses.*, ever.place IS NULL AS new, coalesce(ever.same_hours, 0) AS same_hours_before,
        coalesce(records.records, 0) AS records, people.actors, people.new_for_actors, people.open_exports,
        people.actor_ids
    FROM addresses JOIN people USING (ip) LEFT JOIN ever USING (place) LEFT JOIN records USING (ip) WHERE NOT trusted
), kept AS (
    SELECT *, count(*) OVER () AS candidates FROM chosen
    WHERE events >= %(min_events)s OR failed_logins >= %(min_failed_logins)s OR exports > 0
        OR (new AND records >= %(min_records)s AND days >= %(slow_min_days)s)
    ORDER BY new AND exports > 0 DESC, new AND records >= %(min_records)s DESC, events DESC, address LIMIT %(most)s
)
SELECT kept.address, kept.events, taken, exports, failed_logins, first_seen, last_seen, hours, days, new,
    same_hours_before, records, actors, new_for_actors, open_exports, actor_ids, candidates, totals.*, top.*
FROM totals LEFT JOIN top ON true LEFT JOIN kept ON true
"""  # noqa: S608 - constants
