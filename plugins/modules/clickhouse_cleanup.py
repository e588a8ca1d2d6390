# SPDX-License-Identifier: GPL-3.0-or-later
"""Give space of a ClickHouse server back without losing data of the platform."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: clickhouse_cleanup
short_description: Give space of a ClickHouse server back without losing data of the platform
version_added: 0.1.0
description:
  - Kills the stuck mutations that O(mutations) names, then drops detached parts, whose space is free at once, then old
    partitions of the server's own logs in the database C(system), the oldest first.
  - Of the logs a partition goes when all of its rows are older than O(keep_days) and it is not the one that the server
    writes to. Logs are those that a server is known to write, such as C(query_log) and C(query_log_0), which an upgrade
    left. C(session_log), C(crash_log) and C(backup_log) stay.
  - A detached part goes when O(detached) is set and the server took it away for one of O(detached_reasons). One that
    somebody detached by hand goes with O(detached_by_hand) only, one that a statement uses never.
  - A mutation is killed only while C(latest_fail_reason) says that it fails.
  - Looks at each thing again before it goes. What the server refuses for one does not keep others from going.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  system_logs:
    description: Whether old partitions of the server's logs go.
    type: bool
    default: true
  keep_days:
    description: Days of the server's logs that are kept, 1 to 3650.
    type: int
    default: 7
  detached:
    description: Whether detached parts of the database O(clickhouse_database) go.
    type: bool
    default: false
  detached_reasons:
    description:
      - Why the server must have detached a part, so that it goes. By default those whose rows are in the table, or on
        another replica, all the same.
      - Others, such as V(broken), V(covered-by-broken), V(unexpected) and V(noquorum), may be the only copy.
    type: list
    elements: str
    default: [ignored, clone, tmp-fetch]
  detached_by_hand:
    description: Whether also those go that somebody detached by hand. They may be the only copy. Needs O(detached).
    type: bool
    default: false
  mutations:
    description: Mutations of the database O(clickhouse_database) that are killed.
    type: list
    elements: dict
    default: []
    suboptions:
      table:
        description: The table.
        type: str
        required: true
      mutation_id:
        description: As C(system.mutations) has it.
        type: str
        required: true
  max_items:
    description: Let at most so many things go in one run. More than 50 are refused.
    type: int
    default: 20
  max_bytes:
    description: Let at most so many bytes go in one run. What is too large is left out.
    type: int
    default: 50000000000
  statement_timeout_s:
    description: Seconds that one statement may take.
    type: int
    default: 300
  space_timeout_s:
    description:
      - Seconds to wait until dropped partitions of logs are removed from the disk, which a server does at once, or some
        time after (C(old_parts_lifetime), 480 s unless configured). 0 does not wait.
    type: int
    default: 540
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.clickhouse
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode everything is read and decided; nothing is dropped or killed.
  - A plan is still the approved one when merges have changed the size of a log's partition, or a mutation fails in
    other words.
  - 18.16 knows neither detached parts nor why a mutation fails. Its logs are cleaned all the same.
  - With less than about 1 MiB free a current server drops no partition, as an empty part takes its place. Detached
    parts need nothing.
  - Frozen copies in C(shadow/) are reported, not removed; C(ALTER TABLE ... UNFREEZE) needs the name of the backup.
  - The login needs C(ALTER DELETE) on the logs and on the tables with detached parts, and C(KILL MUTATION).
seealso:
  - module: brandconnect.incidents.clickhouse_parts
  - module: brandconnect.incidents.clickhouse_disk
  - module: brandconnect.incidents.clickhouse_archive
  - name: KILL MUTATION in ClickHouse
    description: What stays of a mutation that is killed.
    link: https://clickhouse.com/docs/sql-reference/statements/kill#kill-mutation
"""

EXAMPLES = r"""
- name: Plan what to give back
  brandconnect.incidents.clickhouse_cleanup:
    clickhouse_url: https://clickhouse.example.com:8443
    clickhouse_user: janitor
    clickhouse_password: "{{ lookup('ansible.builtin.env', 'CLICKHOUSE_PASSWORD') }}"
    detached: true
  check_mode: true
  register: plan

- name: Give that back, and nothing else
  brandconnect.incidents.clickhouse_cleanup:
    clickhouse_url: https://clickhouse.example.com:8443
    clickhouse_user: janitor
    clickhouse_password: "{{ lookup('ansible.builtin.env', 'CLICKHOUSE_PASSWORD') }}"
    detached: true
    targets: "{{ plan.targets }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do; V(done), V(nothing_to_do) or V(refused).
    - V(partial) when some things went and others did not, V(failed) when none did.
    - In a failure also V(unknown), when nobody said what became of one.
  returned: always, once the server was asked
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: always, once the server was asked
  type: str
  sample: drop 2 old partitions of the server's logs, 7340032 bytes
refusal:
  description:
    - With V(refused), V(plan_changed), V(over_max_bytes), V(mutation_not_stuck), or V(stuck_unknown) for a server that
      does not say why a mutation fails.
    - With V(nothing_to_do), V(none_eligible) or V(gone_already).
    - Null otherwise.
  returned: always, once the server was asked
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: always, once the server was asked
  type: str
  sample: "2026-11-28T09:40:12.110000Z"
targets:
  description:
    - What goes, in this order. C(kind) is V(mutation), V(detached) or V(log).
    - A log has C(partition_id), C(rows) and C(newest), its newest day. A detached part has C(name), C(reason)
      and C(bytes). A mutation has C(mutation_id) and C(command).
    - What changes by itself is not part of the plan. C(bytes) of logs are in RV(results).
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {kind: detached, database: analytics, table: metric_snapshots, name: ignored_202605_7_7_0, reason: ignored,
       bytes: 230250}
    - {kind: log, database: system, table: query_log, partition_id: "202609", rows: 792,
       newest: "2026-09-30 23:59:59"}
excluded:
  description:
    - What stays, each with C(kind), what names it, C(bytes), C(reason) and C(text).
    - C(reason) of a log is V(kept_log), V(unknown_log), V(current_period), V(too_young), V(above_drop_limit),
      V(range_unknown), V(id_unusable), V(not_merge_tree), V(column_missing), V(not_by_time) or V(period_unknown).
    - Of a detached part V(by_hand), V(reason_not_named), V(in_use) or V(name_unusable).
    - Of a mutation V(gone), V(mutation_not_stuck) or V(stuck_unknown).
    - Of all V(over_max_items) and V(over_max_bytes).
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {kind: log, database: system, table: query_log, partition_id: "202611", bytes: 102400, reason: current_period,
       text: "its newest row is of 2026-11-28 23:59:59, in this month; the server writes to it"}
before:
  description:
    - C(logs) with the C(partitions) and C(bytes) of all logs, C(detached) with C(parts) and C(bytes), V(null) in 18.16,
      C(mutations_pending), of which at most 50 are counted, and C(used_ratio) of the fullest disk with parts. V(null)
      if unknown.
  returned: always, once the server was asked
  type: dict
  sample: {logs: {partitions: 3, bytes: 153600}, detached: {parts: 1, bytes: 230250}, mutations_pending: 0,
    used_ratio: 0.97}
after:
  description: The same after; the same as before when nothing was changed.
  returned: always, once the server was asked
  type: dict
  sample: {logs: {partitions: 2, bytes: 102400}, detached: {parts: 0, bytes: 0}, mutations_pending: 0,
    used_ratio: 0.91}
results:
  description:
    - What became of each, with what names it, C(bytes), C(result) and C(reason).
    - C(result) is V(dropped), V(killed), V(would_drop), V(would_kill), V(not_attempted), V(gone) when it was gone
      already, V(changed) when it was not the same any more, V(not_dropped), V(not_killed), or in a failure V(unknown).
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {kind: detached, database: analytics, table: metric_snapshots, name: ignored_202605_7_7_0, bytes: 230250,
       result: dropped, reason: null}
space:
  description:
    - C(returned) says whether all dropped partitions of logs are removed from the disk, V(null) when there are none, or
      that cannot be told; C(waiting_bytes) what is not removed yet, C(waited_s) for how long.
  returned: always, once the server was asked
  type: dict
  sample: {returned: true, waiting_bytes: 0, waited_s: 480.2}
frozen:
  description:
    - Active parts of the database with a frozen copy in C(shadow/). V(null) in 18.16.
  returned: always, once the server was asked
  type: dict
  sample: {parts: 0, bytes: 0}
unanswered:
  description: What could not be read, as in RV(brandconnect.incidents.clickhouse_disk#module:unanswered).
  returned: always, once the server was asked
  type: dict
  sample: {}
caveats:
  description: What a person should know before approving, and what stays to be done.
  returned: always, once the server was asked
  type: list
  elements: str
  sample: [space of logs may come back only 480 s after the drop; do not drop more because nothing was freed]
cause:
  description: Why the server could not be asked, as in RV(brandconnect.incidents.clickhouse_disk#module:cause).
  returned: failure
  type: str
  sample: refused
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: "nothing listens there: check the address and the network in between"
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import clickhouse_reads as reads
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import told
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse import (
    ClickHouse,
    clickhouse_argument_spec,
    clickhouse_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_cleaning import Work
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_leftovers import (
    MUTATION_ID,
    PART_NAME,
    SAFE_REASONS,
    Wish,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Giving space of ClickHouse back"
MOST_IN_ONE_RUN = 50  # the blast radius, whatever the options say
RANGES = {
    "keep_days": (1, 3650),
    "max_items": (1, MOST_IN_ONE_RUN),
    "max_bytes": (1, 2**60),
    "statement_timeout_s": (1, 86400),
    "space_timeout_s": (0, 86400),
}


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Drop and kill; see RETURN.

    Raises:
        SendError: the server cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    wish = read_wish(params)
    with ClickHouse(params) as clickhouse:
        return told(Work(clickhouse, params, wish), check_mode=check_mode)


def read_wish(params: Mapping[str, Any]) -> Wish:
    """Return what is asked for.

    Raises:
        IncidentsError: an option makes no sense.
    """
    for option, (least, most) in RANGES.items():
        if not least <= params[option] <= most:
            raise IncidentsError(f"{ATTEMPTED}: {option} must be from {least} to {most}, not {params[option]}")
    if params["detached_by_hand"] and not params["detached"]:
        raise IncidentsError(f"{ATTEMPTED}: detached_by_hand needs detached; set both")
    if not (params["system_logs"] or params["detached"] or params["mutations"]):
        raise IncidentsError(f"{ATTEMPTED}: nothing is asked for; set system_logs, detached or mutations")
    for reason in params["detached_reasons"]:
        if not PART_NAME.fullmatch(reason):
            raise IncidentsError(f"{ATTEMPTED}: detached_reasons has one that is no word; check detached_reasons")
    return Wish(
        database=reads.name(ATTEMPTED, "clickhouse_database", params["clickhouse_database"]),
        max_items=params["max_items"],
        max_bytes=params["max_bytes"],
        keep_days=params["keep_days"],
        reasons=frozenset(params["detached_reasons"]) | ({""} if params["detached_by_hand"] else set()),
        mutations=_named(params["mutations"]),
        targets=params["targets"],
    )


def _named(mutations: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    if len(mutations) > MOST_IN_ONE_RUN:
        raise IncidentsError(f"{ATTEMPTED}: mutations has more than {MOST_IN_ONE_RUN}; kill fewer and look again")
    for each in mutations:
        reads.name(ATTEMPTED, "mutations.table", each["table"])
        if not MUTATION_ID.fullmatch(each["mutation_id"]):
            raise IncidentsError(f"{ATTEMPTED}: mutations.mutation_id is no id of a mutation; check mutations")
    return list(dict.fromkeys((str(each["table"]), str(each["mutation_id"])) for each in mutations))


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **clickhouse_argument_spec(),
        "system_logs": {"type": "bool", "default": True},
        "keep_days": {"type": "int", "default": 7},
        "detached": {"type": "bool", "default": False},
        "detached_reasons": {"type": "list", "elements": "str", "default": list(SAFE_REASONS)},
        "detached_by_hand": {"type": "bool", "default": False},
        "mutations": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "table": {"type": "str", "required": True},
                "mutation_id": {"type": "str", "required": True},
            },
        },
        "max_items": {"type": "int", "default": 20},
        "max_bytes": {"type": "int", "default": 50000000000},
        "statement_timeout_s": {"type": "int", "default": 300},
        "space_timeout_s": {"type": "int", "default": 540},
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=clickhouse_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
