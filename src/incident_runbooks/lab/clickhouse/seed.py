# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform's tables in ClickHouse: half a year of metrics, up to now.

- ``analytics.metric_snapshots``: what the metric worker writes, an hour a row for each campaign on each platform;
  partitioned by month of ``created_at``.
- ``analytics.campaign_days``: sums of a day; partitioned by month of a Date, ``day``.
- ``analytics.platform_totals``: has ``created_at`` too, but is partitioned by platform. ClickHouse then knows no time
  range of its parts and says 1970 (18.16: year 0): whoever drops what looks older than a date drops all of it.
- ``system.query_log_0``: see :mod:`.left_over`.
"""

from __future__ import annotations

from incident_runbooks.lab.clickhouse import left_over
from incident_runbooks.lab.clickhouse.client import Client

PLATFORMS = ("meta", "tiktok", "youtube")
CAMPAIGNS = 8
DAYS = 190
LEFT_OVER = left_over.TABLE
_HOURS = DAYS * 24
_SERIES = len(PLATFORMS) * CAMPAIGNS

# The number of a row tells its series and its hour; the newest hour is now. What 18.16 knows, 26.9 still does.
_ROWS = f"SELECT number % {_SERIES} AS series, intDiv(number, {_SERIES}) AS hours FROM system.numbers LIMIT {{rows}}"  # noqa: S608 - constants
_PLATFORM = f"{list(PLATFORMS)}[series % {len(PLATFORMS)} + 1]"
_CAMPAIGN = f"1 + intDiv(series, {len(PLATFORMS)})"
# the same number each time, and no two alike
_COUNT = "sipHash64(series, hours, '{salt}') % {below}"
_TEXT = "concat(hex(sipHash64(series, hours)), hex(sipHash64(hours, series)))"

_STATEMENTS = (
    "CREATE DATABASE IF NOT EXISTS analytics",
    """CREATE TABLE analytics.metric_snapshots (
        platform String, campaign_id UInt64, views UInt64, clicks UInt64, engagements UInt64,
        payload String, created_at DateTime
    ) ENGINE = MergeTree PARTITION BY toYYYYMM(created_at) ORDER BY (platform, campaign_id, created_at)""",
    """CREATE TABLE analytics.campaign_days (
        campaign_id UInt64, day Date, views UInt64
    ) ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY (campaign_id, day)""",
    """CREATE TABLE analytics.platform_totals (
        platform String, campaign_id UInt64, views UInt64, created_at DateTime
    ) ENGINE = MergeTree PARTITION BY platform ORDER BY (campaign_id, created_at)""",
    f"CREATE TABLE {LEFT_OVER} {left_over.DEFINITION}",
    f"""INSERT INTO analytics.metric_snapshots SELECT {_PLATFORM}, {_CAMPAIGN},
        {_COUNT.format(salt="views", below=5000)}, {_COUNT.format(salt="clicks", below=300)},
        {_COUNT.format(salt="engagements", below=100)}, {_TEXT}, now() - hours * 3600
    FROM ({_ROWS.format(rows=_HOURS * _SERIES)})""",  # noqa: S608 - constants
    """INSERT INTO analytics.campaign_days SELECT campaign_id, toDate(created_at) AS d, sum(views)
    FROM analytics.metric_snapshots GROUP BY campaign_id, d""",
    """INSERT INTO analytics.platform_totals SELECT platform, campaign_id, sum(views), max(created_at)
    FROM analytics.metric_snapshots GROUP BY platform, campaign_id""",
    f"""INSERT INTO {LEFT_OVER} SELECT toDate(now() - hours * 3600), now() - hours * 3600, series,
        concat('SELECT ', {_TEXT})
    FROM ({_ROWS.format(rows=60 * 24 * _SERIES)})""",  # noqa: S608 - constants
)


def seed(client: Client) -> None:
    """Make the tables and fill them.

    Raises:
        RunbookError: a statement is refused; a table is there already, for one.
    """
    for statement in _STATEMENTS:
        client.run(statement)


def write_newest(client: Client, rows: int = 24) -> None:
    """Write as the metric worker does: a row for each campaign on each platform, of now."""
    client.run(
        f"""INSERT INTO analytics.metric_snapshots SELECT {_PLATFORM}, {_CAMPAIGN}, {_COUNT.format(salt="v", below=50)},
        1, 1, '', now() FROM ({_ROWS.format(rows=rows)})"""  # noqa: S608 - constants and a number
    )
