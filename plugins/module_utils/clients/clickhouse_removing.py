# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Let one leftover of a ClickHouse server go: look again, drop or kill, look. No decisions about what may go."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import clickhouse_reads as reads
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse import ClickHouse, Reply, Row
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure, SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_leftovers import (
    DETACHED,
    LOG,
    MUTATION,
    SYSTEM,
    Item,
    mutation_problem,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import (
    read_partition,
    shown,
    whole,
)

LOOKING = "Looking for what can be given back"
POLL_S = 2.0
_NOT_FOUND = "not_found"
_DONE = {LOG: "dropped", DETACHED: "dropped", MUTATION: "killed"}
_DOING = {LOG: "Dropping the partition", DETACHED: "Dropping the detached part", MUTATION: "Killing the mutation"}
_STILL_THERE = Failure(
    "no_answer",
    "the server answered with success, and it is still there",
    "it may go later; look at it before anything else",
    may_have_happened=True,
)


class Remover:
    """Lets things go, one after the other.

    Args:
        limit_s: seconds that one statement may take.
    """

    def __init__(self, clickhouse: ClickHouse, limit_s: float) -> None:
        self._clickhouse, self._limit_s = clickhouse, limit_s

    def rows(self, reply: Reply) -> list[Row]:
        """Return the rows of a reply.

        Raises:
            SendError: it has none.
        """
        if reply.rows is None:
            raise self._clickhouse.error(LOOKING, reply.failure or Failure("no_answer", "no rows"))
        return reply.rows

    def remove(self, item: Item, entry: dict[str, Any]) -> None:
        """Let one thing go.

        Raises:
            SendError: the server refused, or did not answer; ``entry`` says how far it came.
        """
        rows = self.rows(self._clickhouse.ask(_question(item)))
        if not rows:
            entry["result"], entry["reason"] = "gone", "it was gone already"
            return
        if problem := _changed(item, rows):
            entry["result"], entry["reason"] = "changed", problem
            return
        entry["result"], entry["reason"] = "unknown", "no answer came"
        lost: SendError | None = None
        try:
            self._clickhouse.execute(_DOING[item.kind], _statement(item), self._limit_s)
        except SendError as error:
            if not error.failure.may_have_happened and error.failure.cause != _NOT_FOUND:
                entry["result"] = "not_killed" if item.kind == MUTATION else "not_dropped"
                entry["reason"] = error.failure.text
                raise
            lost = error
        self._look_after(item, entry, lost)

    def _look_after(self, item: Item, entry: dict[str, Any], lost: SendError | None) -> None:
        """See what became of it; only what is seen to be gone is gone."""
        reply = self._clickhouse.ask(_question(item))
        if reply.rows is None:
            raise lost or self._clickhouse.error(LOOKING, reply.failure or Failure("no_answer", "no rows"))
        # parts without rows may be left for a moment
        if any(item.kind != LOG or str(row.get("total_rows")) != "0" for row in reply.rows):
            if lost and not lost.failure.may_have_happened:
                entry["result"] = "not_dropped"
            entry["reason"] = lost.failure.text if lost else _STILL_THERE.message
            raise lost or self._clickhouse.error(_DOING[item.kind], _STILL_THERE)
        gone = lost is not None and not lost.failure.may_have_happened  # somebody else was faster
        entry["result"], entry["reason"] = ("gone", "it was gone already") if gone else (_DONE[item.kind], None)

    def wait(self, results: Iterable[Mapping[str, Any]], limit_s: float) -> dict[str, Any] | None:
        """Wait until dropped partitions of logs are removed from the disk, which frees the space.

        Returns:
            ``returned``, ``waiting_bytes`` and ``waited_s``; ``None`` when none was dropped.
        """
        done = (each for each in results if each["kind"] == LOG and each["result"] == "dropped")
        dropped = {(each["table"], each["partition_id"]) for each in done}
        if not dropped:
            return None
        started = time.monotonic()
        while True:
            rows = self._clickhouse.ask(reads.inactive(SYSTEM, with_rows=True)).rows
            waited_s = time.monotonic() - started
            left = [row for row in rows or () if (row.get("table"), row.get("partition_id")) in dropped]
            if (rows is not None and not left) or waited_s >= limit_s:
                return {
                    "returned": None if rows is None else not left,
                    "waiting_bytes": None if rows is None else sum(whole(row.get("size")) for row in left),
                    "waited_s": round(waited_s, 1),
                }
            time.sleep(min(POLL_S, max(limit_s - waited_s, 0.1)))


def _question(item: Item) -> str:
    if item.kind == LOG:
        return reads.partitions(SYSTEM, item.table, partition_id=item.id)
    if item.kind == DETACHED:
        return reads.detached_part(item.database, item.table, item.id)
    return reads.mutations(item.database, among=[(item.table, item.id)])


def _statement(item: Item) -> str:
    if item.kind == LOG:
        return reads.drop(SYSTEM, item.table, item.id)
    if item.kind == DETACHED:
        return reads.drop_detached(item.database, item.table, item.id)
    return reads.kill_mutation(item.database, item.table, item.id)


def _changed(item: Item, rows: list[Row]) -> str | None:
    """Why something is not what was planned with any more."""
    row, target = rows[0], item.target
    if item.kind == MUTATION:
        problem = mutation_problem(row)
        return problem[1] if problem else None
    if item.kind == DETACHED:
        same = str(row.get("reason") or "") == target["reason"] and whole(row.get("size")) == target["bytes"]
    else:
        found = read_partition(row, item.column_type)
        same = found.rows == target["rows"] and shown(found.newest) == target["newest"]
    return None if same else "it is not as it was planned; make a new plan"
