# SPDX-License-Identifier: GPL-3.0-or-later
"""See what takes space in a ClickHouse database, and which partitions are old enough to be archived."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: clickhouse_parts
short_description: See what takes space in a ClickHouse database, and which partitions are old enough to be archived
version_added: 0.1.0
description:
  - Returns the active parts of each table and partition together, with their real size on disk and the time range of
    their rows. Parts that merges have replaced are counted apart.
  - Returns also what takes space without being data. Detached parts, parts with a frozen copy in C(shadow/), and the
    server's own logs in the database C(system).
  - With O(table) and O(retention_days) each partition of the table is judged, with the reason. A partition is eligible
    when the table is partitioned by O(time_column), the server knows the range of its rows, all of them are older than
    O(retention_days), and it is neither of the current nor of the previous period.
  - A server that is down, slow or refuses is a result with a C(cause), not a failure. What it does not know is V(null),
    and listed in RV(unanswered).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  table:
    description: The table whose partitions are judged.
    type: str
  time_column:
    description: The column by which its rows age.
    type: str
    default: created_at
  retention_days:
    description: Days for which rows are kept, 30 to 36500. There is no default, as the owner of the data has to say it.
    type: int
  max_items:
    description: How many partitions are returned, the largest first.
    type: int
    default: 100
extends_documentation_fragment:
  - brandconnect.incidents.clickhouse
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.clickhouse_disk
  - module: brandconnect.incidents.clickhouse_archive
"""

EXAMPLES = r"""
- name: See what is large, and what may be archived
  brandconnect.incidents.clickhouse_parts:
    clickhouse_url: https://clickhouse.example.com:8443
    clickhouse_user: ops
    clickhouse_password: "{{ lookup('ansible.builtin.env', 'CLICKHOUSE_PASSWORD') }}"
    table: metric_snapshots
    retention_days: 180
"""

RETURN = r"""
reachable:
  description: Whether ClickHouse answered anything, be it with a refusal.
  returned: success
  type: bool
  sample: true
cause:
  description: Why it could not be asked at all, as in RV(brandconnect.incidents.clickhouse_disk#module:cause).
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
cutoff:
  description: Rows of this moment and later stay; V(null) without O(table).
  returned: success
  type: str
  sample: "2026-06-01 09:12:29"
tables:
  description: The tables of the database, the largest first. V(null) when they could not be read.
  returned: success
  type: list
  elements: dict
  sample:
    - {table: metric_snapshots, engine: MergeTree, partition_key: toYYYYMM(created_at), has_ttl: false, partitions: 12,
       parts: 14, rows: 12000, bytes: 205000}
partitions:
  description:
    - The partitions of all tables of the database, the largest first. V(null) when they could not be read.
    - C(oldest) and C(newest) bound the time of the rows, in RV(timezone); V(null) when the server does not know.
    - C(reason) is V(older) for one that is C(eligible), V(not_asked) for those of other tables, and otherwise
      V(not_merge_tree), V(column_missing), V(not_by_time), V(period_unknown), V(range_unknown), V(current_period),
      V(too_young), V(above_drop_limit) or V(id_unusable); C(text) says it in words.
  returned: success
  type: list
  elements: dict
  sample:
    - {table: metric_snapshots, partition_id: "202601", partition: "202601", parts: 1, rows: 1000, bytes: 17154,
       oldest: "2026-01-05 00:00:00", newest: "2026-01-05 16:39:00", eligible: true, reason: older,
       text: "its newest row is of 2026-01-05 16:39:00, before the cutoff 2026-06-01 09:12:29"}
truncated:
  description: Whether there are more than O(max_items).
  returned: success
  type: bool
  sample: false
eligible:
  description: The eligible partitions together; V(null) without O(table), or when it is not known.
  returned: success
  type: dict
  sample: {partitions: 2, rows: 2000, bytes: 34308}
inactive:
  description: Parts that merges or drops have left and that go by themselves. V(null) when they could not be read.
  returned: success
  type: dict
  sample: {parts: 3, bytes: 51462}
detached:
  description: Detached parts, of which the 20 largest in C(list). V(null) in 18.16, which does not know them.
  returned: success
  type: dict
  sample: {parts: 1, bytes: 17154, list: [{table: metric_snapshots, name: 202601_1_1_0, reason: "", bytes: 17154}]}
frozen:
  description:
    - Active parts with a frozen copy in C(shadow/), whose space is not freed when they are dropped. V(null) in 18.16.
    - Copies of parts that are no longer active are not known to any server; look into C(shadow/).
  returned: success
  type: dict
  sample: {parts: 0, bytes: 0}
system_logs:
  description: The server's own logs, the largest first. V(null) when they could not be read.
  returned: success
  type: list
  elements: dict
  sample:
    - {table: query_log, has_ttl: false, partitions: 3, parts: 9, rows: 120000, bytes: 5000000,
       oldest: "2026-09-01 00:00:00", newest: "2026-11-28 09:12:29"}
unanswered:
  description: What could not be read, as in RV(brandconnect.incidents.clickhouse_disk#module:unanswered).
  returned: success
  type: dict
  sample: {}
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
    clickhouse_argument_spec,
    clickhouse_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_answers import (
    Answers,
    not_configured,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import clickhouse_partitions as decide
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import clickhouse_sizes as sizes
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Examining the parts of ClickHouse"
MOST_ITEMS = 500
LOGS = "%\\_log%"


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask and judge. A sick server is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    database = reads.name(ATTEMPTED, "clickhouse_database", params["clickhouse_database"])
    reads.name(ATTEMPTED, "time_column", params["time_column"])
    if not 1 <= params["max_items"] <= MOST_ITEMS:
        raise IncidentsError(f"{ATTEMPTED}: max_items must be from 1 to {MOST_ITEMS}, not {params['max_items']}")
    questions = {
        "clock": reads.CLOCK,
        "tables": reads.tables(database),
        "partitions": reads.partitions(database),
        "inactive": reads.inactive(database),
        "detached": reads.detached(database),
        "frozen": reads.frozen(database),
        "log tables": reads.tables("system", LOGS),
        "system logs": reads.partitions("system", like=LOGS),
        "drop limit": reads.DROP_LIMIT,
    }
    if params["table"]:
        reads.retention(ATTEMPTED, params["retention_days"])
        questions["columns"] = reads.columns(database, reads.name(ATTEMPTED, "table", params["table"]))
    try:
        with ClickHouse(params) as clickhouse:
            replies = clickhouse.ask_all(questions)
    except SendError as error:
        replies = not_configured(error, questions)
    return _result(Answers(replies), params)


def _result(answers: Answers, params: dict[str, Any]) -> dict[str, Any]:
    replies = answers.replies
    policy = _policy(answers, params)
    table = _table(answers, params, policy)
    partitions = replies["partitions"].rows
    read = None if partitions is None else sizes.read_all(partitions, table)
    if read is not None and table is not None and policy is not None:
        read = [decide.judged(each, table, policy) if each.table == table.name else each for each in read]
    logs = replies["system logs"].rows
    return {
        **answers.problem(),
        **answers.clock(),
        "cutoff": decide.shown(policy.cutoff) if policy else None,
        "tables": sizes.tables(replies["tables"].rows, read),
        "partitions": None if read is None else [each.plain() for each in read[: params["max_items"]]],
        "truncated": read is not None and (len(read) > params["max_items"] or len(read) >= reads.MOST_ROWS),
        "eligible": None if read is None or table is None else sizes.eligible(read),
        "inactive": sizes.together(replies["inactive"].rows),
        "detached": sizes.detached(replies["detached"].rows),
        "frozen": sizes.together(replies["frozen"].rows),
        "system_logs": None if logs is None else sizes.logs(replies["log tables"].rows, sizes.read_all(logs, None)),
        "unanswered": answers.unanswered() | _missing(answers, params),
        "calls": answers.calls(),
    }


def _missing(answers: Answers, params: dict[str, Any]) -> dict[str, Any]:
    """Say so when the table to judge is not among those of the database."""
    tables = answers.replies["tables"].rows
    if not params["table"] or tables is None or any(row.get("name") == params["table"] for row in tables):
        return {}
    text = f"the database {params['clickhouse_database']} has no table {params['table']} that this login can see"
    return {"table": {"cause": "not_found", "message": text}}


def _policy(answers: Answers, params: dict[str, Any]) -> decide.Policy | None:
    now = decide.moment(answers.clock()["server_time"])
    if not params["table"] or now is None:
        return None
    limit = decide.drop_limit(answers.replies["drop limit"].rows)
    return decide.Policy(params["time_column"], params["retention_days"], now, limit)


def _table(answers: Answers, params: dict[str, Any], policy: decide.Policy | None) -> decide.Table | None:
    """The table to judge; ``None`` when it is not asked for or not all of it is known."""
    if policy is None or answers.replies["columns"].rows is None or answers.replies["tables"].rows is None:
        return None
    return sizes.find_table(answers.replies["tables"].rows, answers.replies["columns"].rows, params["table"], policy)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **clickhouse_argument_spec(),
        "table": {"type": "str"},
        "time_column": {"type": "str", "default": "created_at"},
        "retention_days": {"type": "int"},
        "max_items": {"type": "int", "default": 100},
    },
    constraints={"required_together": [["table", "retention_days"]]},
    secrets=clickhouse_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
