# SPDX-License-Identifier: GPL-3.0-or-later
"""Examine the disks of a ClickHouse server, how new its rows are, and what it is busy with."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: clickhouse_disk
short_description: Examine the disks of a ClickHouse server, how new its rows are, and what it is busy with
version_added: 0.1.0
description:
  - Returns the disks with what is free, the newest row of each of some tables, the mutations that are not done, the
    merges, the replicated tables, and the partitions with the most parts. Everything is asked at the same time.
  - A server that is down, slow or refuses is a result with a C(cause), not a failure. What it does not know is V(null),
    and listed in RV(unanswered).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  tables:
    description:
      - The tables whose newest row is looked for, at most 20, each with C(table) and C(time_column) (C(created_at)
        unless given).
    type: list
    elements: dict
    default: []
  recent_days:
    description: The newest row is looked for in so many days first, which is cheap, and everywhere only without any.
    type: int
    default: 7
extends_documentation_fragment:
  - brandconnect.incidents.clickhouse
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.clickhouse_parts
  - module: brandconnect.incidents.clickhouse_archive
"""

EXAMPLES = r"""
- name: See whether ClickHouse has space and fresh rows
  brandconnect.incidents.clickhouse_disk:
    clickhouse_url: https://clickhouse.example.com:8443
    clickhouse_user: ops
    clickhouse_password: "{{ lookup('ansible.builtin.env', 'CLICKHOUSE_PASSWORD') }}"
    tables:
      - {table: metric_snapshots, time_column: created_at}
"""

RETURN = r"""
reachable:
  description: Whether ClickHouse answered anything, be it with a refusal.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why the server could not be asked at all; V(null) when it could.
    - One of V(not_configured), V(invalid_auth), V(not_permitted), V(not_found), V(invalid), V(throttled),
      V(server_error), V(timeout), V(refused), V(dns), V(tls), V(no_answer), V(memory_limit), V(no_space),
      V(too_many_parts).
  returned: success
  type: str
  sample: null
message:
  description: What was said to that, in one line.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
version:
  description: Version of the server.
  returned: success
  type: str
  sample: 26.9.2.1
server_time:
  description: Clock of the server, in RV(timezone).
  returned: success
  type: str
  sample: "2026-11-28 09:12:29"
timezone:
  description: Time zone of the server.
  returned: success
  type: str
  sample: Etc/UTC
uptime_s:
  description: Seconds since the server started.
  returned: success
  type: int
  sample: 86400
disks:
  description:
    - Each disk. V(null) when the server does not know, such as 18.16; then the metrics of the volume say it.
    - C(used_ratio) counts what the server keeps free as used, and is V(null) for object storage.
  returned: success
  type: list
  elements: dict
  sample:
    - {name: default, path: /var/lib/clickhouse/, type: Local, total_bytes: 67108864, free_bytes: 13421773,
       unreserved_bytes: 13421773, keep_free_bytes: 0, used_ratio: 0.8, broken: false, read_only: false}
used_ratio:
  description:
    - Used ratio of the fullest disk that has parts of any table, of all disks where that is not known. V(null) when it
      is not known.
  returned: success
  type: float
  sample: 0.8
freshness:
  description:
    - The newest row of each table of O(tables).
    - C(status) is V(value), V(empty) for a table without rows, or V(unknown), with C(cause) and C(message), also where
      the newest row is of more than a minute in the future (V(in_the_future)), which hides when rows were last written.
    - C(age_s) is the age in seconds by the server's clock, C(rows_last_hour) how many rows are newer than an hour.
  returned: success
  type: list
  elements: dict
  sample:
    - {table: metric_snapshots, time_column: created_at, status: value, newest: "2026-11-28T09:10:00.000000Z",
       age_s: 149, rows_last_hour: 4200, cause: null, message: null}
mutations:
  description:
    - Mutations that are not done, at most 50. V(null) when they could not be read.
    - C(stuck) says whether the last try failed, C(fail_reason) why. Both are V(null) in 18.16, which does not know.
  returned: success
  type: list
  elements: dict
  sample:
    - {database: analytics, table: metric_snapshots, mutation_id: mutation_4.txt, command: DELETE WHERE 1,
       created: "2026-11-28 08:00:00", parts_to_do: 2, fail_reason: null, killed: false, stuck: false}
merges:
  description: Merges under way, at most 50, the longest first. V(null) when they could not be read.
  returned: success
  type: list
  elements: dict
  sample:
    - {database: analytics, table: metric_snapshots, partition_id: "202611", elapsed_s: 1.5, progress: 0.4, parts: 6,
       bytes: 123456, is_mutation: false}
replicas:
  description: Replicated tables, at most 200. V(null) when they could not be read.
  returned: success
  type: list
  elements: dict
  sample:
    - {database: analytics, table: metric_snapshots, readonly: false, session_expired: false, queue: 0,
       inserts_in_queue: 0, merges_in_queue: 0}
most_parts:
  description: The five partitions with the most active parts. V(null) when they could not be read.
  returned: success
  type: list
  elements: dict
  sample: [{database: analytics, table: metric_snapshots, partition_id: "202611", parts: 12}]
limits:
  description: The server's settings C(parts_to_delay_insert), C(parts_to_throw_insert) and C(old_parts_lifetime) (s).
  returned: success
  type: dict
  sample: {old_parts_lifetime: 480, parts_to_delay_insert: 1000, parts_to_throw_insert: 3000}
unanswered:
  description:
    - What could not be read, by name, with C(cause) and C(message). C(cause) is V(not_supported) where this server is
      too old to know.
  returned: success
  type: dict
  sample: {disks: {cause: not_supported, message: "HTTP 404, code 60, Table system.disks doesn't exist."}}
calls:
  description: What was asked, with C(question), C(cause) and C(duration_s).
  returned: success
  type: list
  elements: dict
  sample: [{question: clock, cause: null, duration_s: 0.004}]
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import clickhouse_reads as reads
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse import (
    ClickHouse,
    Reply,
    clickhouse_argument_spec,
    clickhouse_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_answers import (
    Answers,
    not_configured,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import clickhouse_disk as decide
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Examining ClickHouse"
MOST_TABLES = 20
MOST_DAYS = 365

Wanted = tuple[str, str]  # table, time column


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask everything. A sick server is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    database = reads.name(ATTEMPTED, "clickhouse_database", params["clickhouse_database"])
    if not 1 <= params["recent_days"] <= MOST_DAYS:
        raise IncidentsError(f"{ATTEMPTED}: recent_days must be from 1 to {MOST_DAYS}, not {params['recent_days']}")
    wanted = _read_tables(params["tables"])
    questions = {
        "clock": reads.CLOCK,
        "disks": reads.DISKS,
        "disks with parts": reads.DISKS_WITH_PARTS,
        "mutations": reads.mutations(),
        "merges": reads.merges(),
        "replicas": reads.replicas(),
        "most_parts": reads.most_parts(),
        "limits": reads.LIMITS,
        **{_asked(each): reads.newest(database, *each, params["recent_days"]) for each in wanted},
    }
    try:
        with ClickHouse(params) as clickhouse:
            replies = clickhouse.ask_all(questions)
            # an old newest row is the exception, so only then a table is read as a whole
            old = [each for each in wanted if _none_found(replies[_asked(each)])]
            replies |= clickhouse.ask_all({_asked(each): reads.newest(database, *each, None) for each in old})
    except SendError as error:
        replies = not_configured(error, questions)
    return _result(Answers(replies), wanted)


def _read_tables(given: list[dict[str, Any]]) -> list[Wanted]:
    if len(given) > MOST_TABLES:
        raise IncidentsError(f"{ATTEMPTED}: tables has {len(given)} entries; give {MOST_TABLES} at most")
    for each in given:
        if set(each) - {"table", "time_column"} or not each.get("table"):
            raise IncidentsError(f"{ATTEMPTED}: each of tables has table, and may have time_column; check tables")
    return [
        (
            reads.name(ATTEMPTED, "table", each["table"]),
            reads.name(ATTEMPTED, "time_column", each.get("time_column") or "created_at"),
        )
        for each in given
    ]


def _asked(wanted: Wanted) -> str:
    return f"freshness of {wanted[0]}.{wanted[1]}"


def _none_found(reply: Reply) -> bool:
    return bool(reply.rows) and decide.freshness((reply.rows or [{}])[0])["status"] == "empty"


def _result(answers: Answers, wanted: list[Wanted]) -> dict[str, Any]:
    disks = answers.rows("disks", decide.disk)
    limits = answers.replies["limits"].rows
    return {
        **answers.problem(),
        **answers.clock(),
        "disks": disks,
        "used_ratio": decide.fullest(disks, answers.replies["disks with parts"].rows),
        "freshness": [_freshness(answers.replies[_asked(each)], each) for each in wanted],
        "mutations": answers.rows("mutations", decide.mutation),
        "merges": answers.rows("merges", decide.merge),
        "replicas": answers.rows("replicas", decide.replica),
        "most_parts": answers.rows("most_parts", decide.crowded),
        "limits": None if limits is None else decide.limits(limits),
        "unanswered": answers.unanswered(),
        "calls": answers.calls(),
    }


def _freshness(reply: Reply, wanted: Wanted) -> dict[str, Any]:
    named = {"table": wanted[0], "time_column": wanted[1]}
    if reply.rows:
        return {**named, **decide.freshness(reply.rows[0])}
    nothing = dict.fromkeys(("newest", "age_s", "rows_last_hour"))
    cause = reply.failure.cause if reply.failure else "no_answer"
    return {**named, "status": "unknown", **nothing, "cause": cause, "message": reply.failure and reply.failure.text}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **clickhouse_argument_spec(),
        "tables": {"type": "list", "elements": "dict", "default": []},
        "recent_days": {"type": "int", "default": 7},
    },
    secrets=clickhouse_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
