# SPDX-License-Identifier: GPL-3.0-or-later
"""``jobs:sync-metrics``: one ingestion now, of the campaigns that are asked for. Never two at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from incident_runbooks.lab.workloads.ingestion import Ingestion
from incident_runbooks.lab.workloads.platforms import PLATFORMS

SCRIPT = "jobs:sync-metrics"
_LOCK = 4_071_226_501  # any number that nothing else uses
# of the transaction, as sessions may be those of a pooler
_TAKE = "SELECT pg_try_advisory_xact_lock(%s)"
_HOLDER = "SELECT min(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s"
_CAMPAIGNS = (
    "SELECT id FROM campaigns WHERE (NOT %(active)s OR status = 'active')"
    " AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s)) ORDER BY id LIMIT %(max)s"
)
_CHANGED = (
    "INSERT INTO campaign_metrics (campaign_id, platform, views) SELECT id, %s, 1 FROM unnest(%s::bigint[]) AS id"
)
_INGESTED = (
    f"{_CHANGED} ON CONFLICT (campaign_id, platform)"
    " DO UPDATE SET views = campaign_metrics.views + excluded.views, synced_at = now()"
)
_AGAIN = (
    "UPDATE campaign_metrics SET views = views + 1, synced_at = now() WHERE campaign_id = ANY(%(wanted)s)"
    " AND (%(platform)s::text IS NULL OR platform = %(platform)s)"
    " AND (%(force)s OR synced_at < now() - interval '5 minutes') RETURNING campaign_id"
)

Connection = psycopg.Connection[Any]
Options = Mapping[str, Any]


class BusyError(Exception):
    """Another one is under way."""


def read_platform(text: str) -> str:
    """Return the name of a platform.

    Raises:
        ValueError: it is none.
    """
    if text not in PLATFORMS:
        raise ValueError(f"{text!r} is none of {', '.join(PLATFORMS)}")
    return text


def sync(connection: Connection, options: Options, environ: Mapping[str, str]) -> tuple[list[int], dict[str, Any]]:
    """Ingest now, within a transaction.

    Args:
        connection: to the platform's database.
        options: of the job; ``force`` also takes what was synced within 5 minutes, where there is nobody to ask.
        environ: of the metric worker; see :mod:`incident_runbooks.lab.workloads.ingestion`.

    Returns:
        The campaigns that it concerned, and what the result has beside: ``platforms``, each with ``rows`` and
        ``error``, and ``failed``, where platforms were asked.

    Raises:
        BusyError: another one is under way.
        UsageError: the environment is not valid.
        psycopg.Error: the database refused it.
    """
    _alone(connection)
    wanted = _wanted(connection, options)
    ingestion = Ingestion(environ)
    if not ingestion.configured:
        given = {"wanted": wanted, "platform": options["platform"], "force": options["force"]}
        rows = connection.execute(_AGAIN.encode(), given).fetchall()
        return sorted({int(row[0]) for row in rows}), {}
    if options["dry-run"]:
        return wanted, {}
    found: dict[str, Any] = {}
    done: set[int] = set()
    for platform in [options["platform"]] if options["platform"] else PLATFORMS:
        outcome = ingestion.ingest(platform, wanted)
        connection.execute(_INGESTED.encode(), [platform, outcome.campaigns])
        done.update(outcome.campaigns)
        found[platform] = {"rows": len(outcome.campaigns), "error": "; ".join(dict.fromkeys(outcome.errors)) or None}
    return sorted(done), {"platforms": found, "failed": [name for name, each in found.items() if each["error"]]}


def _alone(connection: Connection) -> None:
    row = connection.execute(_TAKE, [_LOCK]).fetchone()
    if row and row[0]:
        return
    holder = connection.execute(_HOLDER, [_LOCK >> 32, _LOCK & 0xFFFFFFFF]).fetchone()
    session = f" (session {holder[0]})" if holder and holder[0] else ""
    raise BusyError(f"another {SCRIPT} is under way{session}")


def _wanted(connection: Connection, options: Options) -> list[int]:
    asked = options["campaigns"]
    given = {
        "active": asked == "active",
        "ids": asked if isinstance(asked, list) else None,
        "max": options["max"],
    }
    return [int(row[0]) for row in connection.execute(_CAMPAIGNS, given).fetchall()]
