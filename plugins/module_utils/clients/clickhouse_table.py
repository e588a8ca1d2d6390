# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""What decides about archiving partitions of a ClickHouse table, read at the same time. No decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import clickhouse_reads as reads
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse import ClickHouse, Reply, Row
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import clickhouse_sizes as sizes
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_archive import (
    Column,
    Seen,
    Space,
    archived_columns,
    replica_problem,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_disk import disk
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import (
    Policy,
    drop_limit,
    moment,
    shown,
    whole,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

TEXT_LENGTH = 100
LOOKING = "Looking at the table"
OLD_PARTS_LIFETIME_S = 480


class TableReader:
    """One table and the server that has it.

    Args:
        params: the options of the module ``clickhouse_archive``, checked.

    Attributes:
        version: of the server, once it was looked at.
        columns: as they are archived.
        unable: columns that this server cannot archive.
        lifetime_s: seconds until the server removes parts that were dropped.
    """

    def __init__(self, clickhouse: ClickHouse, params: Mapping[str, Any]) -> None:
        self._clickhouse, self._params = clickhouse, params
        self.database, self.name = params["clickhouse_database"], params["table"]
        self.version = ""
        self.columns: list[Column] = []
        self.unable: list[str] = []
        self.lifetime_s = OLD_PARTS_LIFETIME_S
        self._column: str = params["time_column"]
        self._policy: Policy | None = None

    @property
    def cutoff(self) -> str | None:
        """Rows of this moment and later stay; ``None`` before the server was looked at."""
        return shown(self._policy.cutoff) if self._policy else None

    def look(self) -> Seen | None:
        """Return what decides; ``None`` when there is no such table.

        Raises:
            SendError: the server does not say.
        """
        named = (self.database, self.name)
        replies = self._clickhouse.ask_all(
            {
                "clock": reads.CLOCK,
                "tables": reads.tables(self.database, like=self.name),  # and a few more, as _ is any character
                "columns": reads.columns(*named),
                "partitions": reads.partitions(*named),
                "mutations": reads.mutations(*named),
                "replica": reads.replica(*named),
                "disks": reads.DISKS,
                "disk names": reads.disks_of(*named),
                "drop limit": reads.DROP_LIMIT,
                "limits": reads.LIMITS,
            }
        )
        needed = ("clock", "tables", "columns", "partitions", "mutations", "replica")
        known = {name: self.known(replies[name]) for name in needed}
        self._read_server(next(iter(known["clock"]), {}), replies)
        table = sizes.find_table(known["tables"], known["columns"], self.name, self.policy())
        if table is None:
            return None
        if len(known["partitions"]) >= reads.MOST_PARTITIONS:
            text = f"the table has {reads.MOST_PARTITIONS} partitions or more, and not all of them were read"
            raise self._clickhouse.error(LOOKING, Failure("invalid", text, "a person has to choose among them"))
        self.columns, self.unable = archived_columns(known["columns"], self.version)
        return Seen(
            table,
            sizes.read_all(known["partitions"], table),
            [plain_line(str(row.get("mutation_id")), TEXT_LENGTH) for row in known["mutations"]],
            replica_problem(table, known["replica"]),
            self.space(replies["disks"], replies["disk names"]),
        )

    def known(self, reply: Reply) -> list[Row]:
        """Return the rows of a reply.

        Raises:
            SendError: it has none.
        """
        if reply.rows is None:
            raise self._clickhouse.error(LOOKING, reply.failure or Failure("no_answer", "no rows"))
        return reply.rows

    def _read_server(self, clock: Row, replies: Mapping[str, Reply]) -> None:
        now = moment(clock.get("now"))
        if now is None:
            raise self._clickhouse.error(LOOKING, Failure("no_answer", "the server does not say what time it is"))
        limit = drop_limit(replies["drop limit"].rows)
        self._policy = Policy(self._column, self._params["retention_days"], now, limit)
        self.version = plain_line(str(clock.get("version")), TEXT_LENGTH)
        for row in replies["limits"].rows or ():
            if row.get("name") == "old_parts_lifetime":
                self.lifetime_s = whole(row.get("value"))

    def policy(self) -> Policy:
        """Return which partitions may go, once the server was looked at."""
        assert self._policy is not None, "the clock was read"  # noqa: S101 - for the type checker
        return self._policy

    def space(self, disks: Reply, names: Reply) -> Space | None:
        """Return the disks of the table; what the options say counts where the server does not know."""
        if disks.rows is not None and names.rows is not None:
            own = {str(row.get("disk_name")) for row in names.rows}
            found = [each for each in map(disk, disks.rows) if each["name"] in own]
            if found and all(each["total_bytes"] for each in found):
                free = sum(max(each["free_bytes"] - each["keep_free_bytes"], 0) for each in found)
                return Space(sum(each["total_bytes"] for each in found), free)
        total, free = self._params["disk_total_bytes"], self._params["disk_free_bytes"]
        return Space(total, free) if total is not None else None
