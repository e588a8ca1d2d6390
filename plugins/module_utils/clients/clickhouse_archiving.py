# SPDX-License-Identifier: GPL-3.0-or-later
# This module util is private to the collection.
"""Archive and drop partitions, one after the other: write, read back, compare, look again, drop, look.

Whatever is not known stops the work; what was dropped until then stays dropped, and has its copy.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import clickhouse_reads as reads
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse import ClickHouse
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_table import (
    LOOKING,
    TableReader,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure, SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import clickhouse_sizes as sizes
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_archive import (
    Plan,
    Seen,
    Wish,
    archived_columns,
    make_plan,
    replica_problem,
    version_numbers,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_partitions import (
    Partition,
    Table,
    is_day,
    moment,
    whole,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.messages import plain_line

POLL_S = 2.0
TEXT_LENGTH = 100
STILL_THERE = Failure(
    "no_answer",
    "the server answered with success, and the partition is still there",
    "it may be dropped later, or has got new rows; look at it before anything else",
    may_have_happened=True,
)
S3_SINCE = (20,)


class Stopped(Exception):  # noqa: N818 - no error of the server: what was seen forbids to go on
    """The work ends at a partition, with the word of its result and the reason."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result, self.reason = result, reason


class Work:
    """One run: what was seen, planned and done so far.

    Args:
        params: the module's options, checked.
    """

    def __init__(self, clickhouse: ClickHouse, params: Mapping[str, Any], wish: Wish) -> None:
        self._clickhouse, self._params, self._wish = clickhouse, params, wish
        self._table = TableReader(clickhouse, params)
        self._named = (self._table.database, self._table.name)
        self._plan: Plan | None = None
        self.report = Report(dt.datetime.now(dt.UTC))
        self.space: dict[str, Any] = {"returned": None, "waiting_bytes": None, "waited_s": 0.0}

    def plain(self) -> dict[str, Any]:
        """The result."""
        plan = self._plan
        return {
            **self.report.plain(),
            "excluded": plan.excluded if plan else [],
            "predicted_free_ratio": plan.predicted_free_ratio if plan else None,
            "cutoff": self._table.cutoff,
            "space": self.space,
        }

    def do(self, *, check_mode: bool) -> None:
        """Plan, and unless in check mode, act.

        Raises:
            SendError: the server cannot be asked, or refuses.
        """
        seen = self._table.look()
        if seen is None:
            text = f"the database {self._table.database} has no table {self._table.name} that this login can see"
            self.report.end("refused", text, "table_missing")
            return
        self.report.before = self.report.after = _state(seen)
        plan = self._plan = self._supported(make_plan(seen, self._wish, self._table.policy()))
        self.report.targets = plan.targets
        if plan.status != "planned":
            self.report.end(plan.status, plan.reason, plan.word)
            self.report.results = [_result(each, "not_attempted", plan.reason) for each in plan.targets]
            return
        self.report.changed = True
        self.report.caveats = self._caveats()
        if check_mode:
            self.report.end("planned", plan.reason)
            self.report.results = [_result(each, "would_drop", None) for each in plan.targets]
            return
        self._act(plan, seen)

    def _supported(self, plan: Plan) -> Plan:
        """The plan, unless this server cannot archive so."""
        if plan.status != "planned" or not self._wish.archive:
            return plan
        problem = None
        if self._table.unable:
            problem = (
                "column_unsupported",
                f"this server cannot write {', '.join(self._table.unable[:3])} to an archive",
            )
        elif reads.is_bucket(self._wish.archive) and version_numbers(self._table.version) < S3_SINCE:
            problem = (
                "archive_unsupported",
                f"ClickHouse {self._table.version} has no table function s3; give https",
            )
        if problem:
            plan.status, plan.word, plan.reason = "refused", *problem
        return plan

    def _caveats(self) -> list[str]:
        told = [
            f"space comes back {self._table.lifetime_s} s after the drop; do not drop more because nothing was freed"
        ]
        if self._wish.archive is None:
            told.insert(0, "there is no copy; what is dropped is gone for good")
        return told

    def _act(self, plan: Plan, seen: Seen) -> None:
        report = self.report
        report.changed = False
        report.results = [_result(each, "not_attempted", None) for each in plan.targets]
        try:
            for entry, partition in zip(report.results, plan.chosen, strict=True):
                self._one(entry, partition, seen.table)
                report.changed = True
        except Stopped as stop:
            entry["result"], entry["reason"] = stop.result, stop.reason
            report.end(self._half(), f"partition {entry['partition_id']}: {stop.reason}")
        except SendError as error:
            unknown = entry["result"] == "unknown"
            entry["reason"] = entry["reason"] or error.failure.text
            report.changed = report.changed or unknown
            report.end("unknown" if unknown else self._half(), error.message)
            self._compare(seen)
            raise
        else:
            report.end("done", plan.reason)
        self._wait()
        self._compare(seen)

    def _half(self) -> str:
        return "partial" if self.report.changed else "failed"

    def _one(self, entry: dict[str, Any], partition: Partition, table: Table) -> None:
        """Archive and drop one partition.

        Raises:
            Stopped: what was seen forbids to go on.
            SendError: the server refused, or did not answer; ``entry`` says how far it came.
        """
        self._still_there(partition, table)
        before = self._measure(partition, table)
        entry["checksum"] = before["checksum"]
        if self._wish.archive:
            self._archive(entry, partition, before)
            if self._measure(partition, table) != before:
                raise Stopped("changed", "its rows changed while they were archived; it was not dropped")
            self._still_there(partition, table)  # a copy takes long enough for a mutation or a column to come
        self._drop(entry, partition)

    def _still_there(self, partition: Partition, table: Table) -> None:
        """Look once more at what can have changed since the plan."""
        replies = self._clickhouse.ask_all(
            {
                "mutations": reads.mutations(*self._named),
                "replica": reads.replica(*self._named),
                "columns": reads.columns(*self._named),
                "partition": reads.partitions(*self._named, partition_id=partition.id),
            }
        )
        known = {name: self._table.known(reply) for name, reply in replies.items()}
        if known["mutations"]:
            mutation_id = plain_line(str(known["mutations"][0].get("mutation_id")), TEXT_LENGTH)
            raise Stopped("not_attempted", f"the mutation {mutation_id} is not done")
        if problem := replica_problem(table, known["replica"]):
            raise Stopped("not_attempted", problem[1])
        if archived_columns(known["columns"], self._table.version) != (self._table.columns, self._table.unable):
            raise Stopped("changed", "the table has other columns than were planned with; make a new plan")
        if sum(whole(row.get("total_rows")) for row in known["partition"]) != partition.rows:
            raise Stopped("changed", "it is not as it was planned; make a new plan")

    def _measure(self, partition: Partition, table: Table) -> dict[str, Any]:
        """Return the number of rows and their checksum, once it is sure that all are old."""
        source = reads.in_partition(*self._named, partition.id)
        sql = reads.measured(source, self._table.columns, archived=False, time_column=self._params["time_column"])
        rows = self._clickhouse.rows("Reading the partition", sql, self._params["archive_timeout_s"])
        row = rows[0] if rows else {}
        newest = moment(row.get("newest"))
        if newest and is_day(table.column_type):
            newest += dt.timedelta(days=1, seconds=-1)
        if newest is None or newest >= self._table.policy().cutoff or whole(row.get("total_rows")) != partition.rows:
            raise Stopped("changed", "it has other rows than the server's list of parts says")
        return _counted(row)

    def _archive(self, entry: dict[str, Any], partition: Partition, measured: dict[str, Any]) -> None:
        if measured["hashed"] != measured["rows"]:
            raise Stopped("archive_failed", "not all of its rows have a hash, so a copy could not be compared")
        stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        file = f"{partition.id}-{stamp}-{uuid.uuid4().hex[:8]}.native"
        uri = entry["archive"] = f"{self._wish.archive}/{self._table.database}.{self._table.name}/{file}"
        source = reads.in_partition(*self._named, partition.id)
        limit_s = float(self._params["archive_timeout_s"])
        try:
            self._clickhouse.execute("Writing the archive", reads.export(uri, self._table.columns, source), limit_s)
            sql = reads.measured(reads.archive(uri, self._table.columns), self._table.columns, archived=True)
            copied = self._clickhouse.rows("Reading the archive", sql, limit_s)
        except SendError as error:
            entry["result"], entry["reason"] = "archive_failed", error.failure.text
            raise
        copy = _counted(copied[0] if copied else {})
        if copy != measured:
            text = f"the archive has {copy['rows']} rows with the checksum {copy['checksum']}, the table"
            raise Stopped(
                "archive_differs", f"{text} {measured['rows']} with {measured['checksum']}; it was not dropped"
            )

    def _drop(self, entry: dict[str, Any], partition: Partition) -> None:
        entry["result"], entry["reason"] = "unknown", "no answer to the drop came"
        lost: SendError | None = None
        try:
            sql = reads.drop(*self._named, partition.id)
            self._clickhouse.execute("Dropping the partition", sql, float(self._params["archive_timeout_s"]))
        except SendError as error:
            if not error.failure.may_have_happened:
                entry["result"], entry["reason"] = "not_dropped", error.failure.text
                raise
            lost = error
        reply = self._clickhouse.ask(reads.partitions(*self._named, partition_id=partition.id))
        if reply.rows is None:
            raise lost or self._clickhouse.error(LOOKING, reply.failure or Failure("no_answer", "no rows"))
        # parts without rows may be left for a moment; with rows the drop may still be under way, also after an answer
        # of success, as replicas drop in their own time
        if any(str(row.get("total_rows")) != "0" for row in reply.rows):
            entry["reason"] = lost.failure.text if lost else STILL_THERE.message
            raise lost or self._clickhouse.error("Dropping the partition", STILL_THERE)
        entry["result"], entry["reason"] = "dropped", None

    def _wait(self) -> None:
        """Wait until the dropped parts are removed from the disk, which frees the space."""
        dropped = {each["partition_id"] for each in self.report.results if each["result"] == "dropped"}
        limit_s = self._params["space_timeout_s"]
        if not dropped:
            return
        started = time.monotonic()
        while True:
            reply = self._clickhouse.ask(reads.inactive(*self._named))
            waited_s = time.monotonic() - started
            rows = None if reply.rows is None else [row for row in reply.rows if row.get("partition_id") in dropped]
            waiting = None if rows is None else sum(whole(row.get("size")) for row in rows)
            self.space = {
                "returned": None if rows is None else not rows,
                "waiting_bytes": waiting,
                "waited_s": round(waited_s, 1),
            }
            if rows == [] or waited_s >= limit_s:
                return
            time.sleep(min(POLL_S, max(limit_s - waited_s, 0.1)))

    def _compare(self, seen: Seen) -> None:
        """Look at what is left; the other partitions must have all their rows."""
        replies = self._clickhouse.ask_all(
            {"partitions": reads.partitions(*self._named), "disks": reads.DISKS, "names": reads.disks_of(*self._named)}
        )
        if replies["partitions"].rows is None:
            self.report.caveats.append("what is left of the table could not be read afterwards; look at it")
            return
        left = sizes.read_all(replies["partitions"].rows, seen.table)
        # the options say how full the disk was, not how full it is
        known = replies["disks"].rows is not None
        space = self._table.space(replies["disks"], replies["names"]) if known else None
        self.report.after = _state(Seen(seen.table, left, space=space))
        gone = {each["partition_id"] for each in self.report.results if each["result"] == "dropped"}
        expected = sum(each.rows for each in seen.partitions if each.id not in gone)
        rows = sum(each.rows for each in left)
        if rows < expected:
            self.report.caveats.append(f"the other partitions had {expected} rows and have {rows}; find out why")
        if self.space["waiting_bytes"]:
            self.report.caveats.append(f"{self.space['waiting_bytes']} bytes of dropped parts are not removed yet")


def _counted(row: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {"rows": whole(row.get("total_rows")), "hashed": whole(row.get("hashed"))}
    return {**numbers, "checksum": str(row.get("checksum"))}


def _state(seen: Seen) -> dict[str, Any]:
    parts = seen.partitions
    return {
        "partitions": len(parts),
        "rows": sum(each.rows for each in parts),
        "bytes": sum(each.size for each in parts),
        "free_ratio": None if seen.space is None else round(seen.space.free_ratio, 4),
    }


def _result(target: Mapping[str, Any], result: str, reason: str | None) -> dict[str, Any]:
    named = {name: target.get(name) for name in ("partition_id", "rows", "bytes")}
    return {**named, "result": result, "reason": reason, "checksum": None, "archive": None}
