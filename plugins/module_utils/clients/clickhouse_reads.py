# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
# ruff: noqa: S608 - names are checked by name(), other text is quoted; 18.16 has no parameters
"""The statements that the ClickHouse modules send, such as both 18.16 and current servers understand.

Names are checked before they come here and quoted all the same; there are no server-side parameters in 18.16.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json import checked_url
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure, SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_archive import Column
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import (
    LEAST_RETENTION_DAYS,
    MOST_RETENTION_DAYS,
    NAME,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MOST_ROWS = 1000
MOST_PARTITIONS = 5000  # of one table, which fit into the largest answer that is read
CLOCK = "SELECT version() AS version, toString(now()) AS now, timezone() AS zone, uptime() AS uptime_s"
DISKS = "SELECT * FROM system.disks ORDER BY name"
DISKS_WITH_PARTS = "SELECT DISTINCT disk_name FROM system.parts WHERE active"  # 18.16 does not know them
LIMITS = (
    "SELECT name, value FROM system.merge_tree_settings"
    " WHERE name IN ('old_parts_lifetime', 'parts_to_throw_insert', 'parts_to_delay_insert')"
)
DROP_LIMIT = "SELECT value FROM system.server_settings WHERE name = 'max_partition_size_to_drop'"
LOGS = "%\\_log%"  # names of tables, for LIKE
_BOUNDS = "min(min_date) AS min_date, max(max_date) AS max_date, min(min_time) AS min_time, max(max_time) AS max_time"
# types whose values, or the values within, may be NULL and whose hash then is NULL, or that are hashed by value only
_AS_TEXT = re.compile(r"(?:SimpleAggregateFunction\(\w+, ?)?(?:LowCardinality\()?Nullable\(|Variant\(|Dynamic|JSON")


def name(attempted: str, option: str, value: object) -> str:
    """Return the name of a database, a table or a column.

    Raises:
        IncidentsError: it is none that could be quoted without doubt.
    """
    text = str(value)
    if not NAME.fullmatch(text):
        raise IncidentsError(f"{attempted}: {option} is no name of letters, digits and underscores; check {option}")
    return text


def retention(attempted: str, days: int) -> int:
    """Return the days for which rows are kept.

    Raises:
        IncidentsError: they are fewer than may be, or more than a calendar has.
    """
    if days < LEAST_RETENTION_DAYS:
        raise IncidentsError(f"{attempted}: retention_days must be {LEAST_RETENTION_DAYS} or more, not {days}")
    if days > MOST_RETENTION_DAYS:
        raise IncidentsError(f"{attempted}: retention_days must be {MOST_RETENTION_DAYS} or less, not {days}")
    return days


def archive_address(attempted: str, uri: str) -> str:
    """Return the base address of the archive: ``https://``, ``s3://BUCKET/prefix`` or ``s3+https://HOST/BUCKET/prefix``.

    Raises:
        SendError: cause ``invalid``.
    """
    text = uri.strip()
    checked_url(attempted, "archive_uri", _https(text))
    if "'" in text or "\\" in text or any(each in text for each in "{}*?|"):
        raise SendError(attempted, Failure("invalid", "archive_uri has characters that ClickHouse reads as a pattern"))
    return text.rstrip("/")


def is_bucket(uri: str) -> bool:
    """Whether an archive is a bucket, for which a server needs the table function ``s3``."""
    return uri.startswith(("s3://", "s3+"))


def _https(uri: str) -> str:
    """The address over HTTP; that of a bucket without a host is Amazon's."""
    if uri.startswith("s3://"):
        bucket, _, key = uri[5:].partition("/")
        return f"https://{bucket}.s3.amazonaws.com/{key}"
    return uri.removeprefix("s3+")


def quoted(text: str) -> str:
    """Return a string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def full(database: str, table: str) -> str:
    """Return the quoted name of a table."""
    return f"`{database}`.`{table}`"


def _of(database: str, table: str | None) -> str:
    return f"database = {quoted(database)}" + (f" AND table = {quoted(table)}" if table else "")


def tables(database: str, like: str = "%") -> str:
    """Name, engine and partition key of each table."""
    return (
        "SELECT name, engine, partition_key, create_table_query FROM system.tables"
        f" WHERE database = {quoted(database)} AND name LIKE {quoted(like)} ORDER BY name LIMIT {MOST_ROWS}"
    )


def columns(database: str, table: str) -> str:
    """Name, type and kind of default of each column."""
    return f"SELECT name, type, default_kind FROM system.columns WHERE {_of(database, table)}"


def partitions(database: str, table: str | None = None, like: str = "%", partition_id: str | None = None) -> str:
    """The active parts of each partition together."""
    only = f" AND partition_id = {quoted(partition_id)}" if partition_id else ""
    most = MOST_PARTITIONS if table else MOST_ROWS
    return (
        "SELECT table, partition, partition_id, count() AS parts, sum(rows) AS total_rows, sum(bytes_on_disk) AS size,"
        f" {_BOUNDS} FROM system.parts WHERE active AND {_of(database, table)} AND table LIKE {quoted(like)}{only}"
        f" GROUP BY table, partition, partition_id ORDER BY size DESC LIMIT {most}"
    )


def inactive(database: str, table: str | None = None, *, with_rows: bool = False) -> str:
    """Parts that are no longer used and still take space; those without rows take next to none."""
    only = " AND rows > 0" if with_rows else ""
    return (
        "SELECT table, partition_id, count() AS parts, sum(bytes_on_disk) AS size FROM system.parts"
        f" WHERE NOT active AND {_of(database, table)}{only}"
        f" GROUP BY table, partition_id ORDER BY size DESC LIMIT {MOST_ROWS}"
    )


def detached(database: str) -> str:
    """Detached parts, the largest first; 18.16 does not know them."""
    return (
        "SELECT table, name, reason, bytes_on_disk AS size FROM system.detached_parts"
        f" WHERE database = {quoted(database)} ORDER BY size DESC LIMIT {MOST_ROWS}"
    )


def detached_part(database: str, table: str, part: str) -> str:
    """One detached part."""
    return (
        "SELECT name, reason, bytes_on_disk AS size FROM system.detached_parts"
        f" WHERE {_of(database, table)} AND name = {quoted(part)}"
    )


def frozen(database: str) -> str:
    """Active parts that have a copy in ``shadow/``; 18.16 does not know them."""
    return (
        "SELECT count() AS parts, sum(bytes_on_disk) AS size FROM system.parts"
        f" WHERE active AND is_frozen AND database = {quoted(database)}"
    )


def mutations(
    database: str | None = None, table: str | None = None, among: Sequence[tuple[str, str]] | None = None
) -> str:
    """Mutations that are not done; a star, as 18.16 lacks the columns that say why.

    Args:
        among: only these, by table and id.
    """
    of = f" AND {_of(database, table)}" if database else ""
    if among is not None:
        named = " OR ".join(f"(table = {quoted(name)} AND mutation_id = {quoted(each)})" for name, each in among)
        of += f" AND ({named})"
    return f"SELECT * FROM system.mutations WHERE is_done = 0{of} ORDER BY create_time LIMIT 50"


def log_columns(column: str) -> str:
    """The type of a column in each table of ``system`` that has it."""
    return f"SELECT table, name, type FROM system.columns WHERE database = 'system' AND name = {quoted(column)}"


def merges() -> str:
    """Merges under way."""
    return "SELECT * FROM system.merges ORDER BY elapsed DESC LIMIT 50"


def replicas() -> str:
    """Replicated tables, by columns for which Keeper need not be asked."""
    return (
        "SELECT database, table, is_readonly, is_session_expired, queue_size, inserts_in_queue, merges_in_queue,"
        " parts_to_check, future_parts FROM system.replicas ORDER BY database, table LIMIT 200"
    )


def replica(database: str, table: str) -> str:
    """The replica of one table here, and how much of the log in Keeper it has read, for which Keeper is asked."""
    return (
        "SELECT is_readonly, is_session_expired, queue_size, inserts_in_queue, log_max_index, log_pointer"
        f" FROM system.replicas WHERE {_of(database, table)}"
    )


def most_parts() -> str:
    """The partitions with the most active parts, for which inserts are refused first."""
    return (
        "SELECT database, table, partition_id, count() AS parts FROM system.parts WHERE active"
        " GROUP BY database, table, partition_id ORDER BY parts DESC LIMIT 5"
    )


def newest(database: str, table: str, column: str, days: int | None) -> str:
    """The newest row, looked for in the last days only, which lets most partitions be skipped, or everywhere."""
    within = f" WHERE toDate(`{column}`) >= today() - {days}" if days else ""
    return (
        f"SELECT count() AS found, toUnixTimestamp(toDateTime(max(`{column}`))) AS newest_s,"
        " toUnixTimestamp(now()) AS now_s,"
        f" countIf(toDateTime(`{column}`) >= now() - 3600) AS last_hour FROM {full(database, table)}{within}"
    )


def disks_of(database: str, table: str) -> str:
    """The names of the disks with parts of the table; 18.16 does not know them."""
    return f"SELECT DISTINCT disk_name FROM system.parts WHERE active AND {_of(database, table)}"


def measured(source: str, columns: Sequence[Column], *, archived: bool, time_column: str = "") -> str:
    """Number of rows, how many have a hash, and the sum of the hashes; of the table itself also the newest row.

    A hash of NULL is NULL and would be left out of the sum, so what may be NULL is hashed as text with a mark.

    Args:
        source: what follows ``FROM``.
        archived: whether it is the archive, where columns have the archive's types.
    """
    hashed = f"cityHash64({', '.join(_hashed(column, archived=archived) for column in columns)})"
    bounds = f", toString(max(`{time_column}`)) AS newest" if time_column else ""
    return (
        f"SELECT count() AS total_rows, count({hashed}) AS hashed, toString(sum({hashed})) AS checksum{bounds}"
        f" FROM {source}"
    )


def _hashed(column: Column, *, archived: bool) -> str:
    value = f"`{column.name}`" if archived or not column.as_text else f"toString(`{column.name}`)"
    if _AS_TEXT.match(column.kind):
        return f"isNull({value}), ifNull(toString({value}), '')"
    return value


def in_partition(database: str, table: str, partition_id: str) -> str:
    """The rows of one partition. The name of a part begins with it; 18.16 has no column ``_partition_id``."""
    return f"{full(database, table)} WHERE startsWith(_part, {quoted(partition_id + '_')})"


def archive(uri: str, columns: Sequence[Column]) -> str:
    """The table function that writes and reads one file of the archive."""
    structure = quoted(", ".join(f"{column.name} {column.kind}" for column in columns))
    function = "s3" if is_bucket(uri) else "url"
    return f"{function}({quoted(_https(uri))}, 'Native', {structure})"


def export(uri: str, columns: Sequence[Column], source: str) -> str:
    """Write the rows of *source* to the archive."""
    chosen = ", ".join(
        f"toString(`{column.name}`) AS `{column.name}`" if column.as_text else f"`{column.name}`" for column in columns
    )
    return f"INSERT INTO FUNCTION {archive(uri, columns)} SELECT {chosen} FROM {source}"


def drop(database: str, table: str, partition_id: str) -> str:
    """Drop a partition. One that there is not is dropped without a word."""
    return f"ALTER TABLE {full(database, table)} DROP PARTITION ID {quoted(partition_id)}"


def drop_detached(database: str, table: str, part: str) -> str:
    """Drop a detached part, which a server only does where the statement says so."""
    return f"ALTER TABLE {full(database, table)} DROP DETACHED PART {quoted(part)} SETTINGS allow_drop_detached = 1"


def kill_mutation(database: str, table: str, mutation_id: str) -> str:
    """End a mutation and wait until it has ended; what it says of it is not wanted."""
    of = f"{_of(database, table)} AND mutation_id = {quoted(mutation_id)}"
    return f"KILL MUTATION WHERE {of} SYNC FORMAT Null"
