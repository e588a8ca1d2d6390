# SPDX-License-Identifier: GPL-3.0-or-later
"""Archive old partitions of a ClickHouse table, compare the copies, and drop the partitions."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: clickhouse_archive
short_description: Archive old partitions of a ClickHouse table, compare the copies, and drop the partitions
version_added: 0.1.0
description:
  - Chooses partitions that are wholly older than O(retention_days), oldest first, until O(target_free_ratio) of the
    disk is predicted to be free. Then, one partition after the other, writes its rows to the archive, reads them back,
    compares their number and the sum of their hashes, looks whether the partition is still the same, and drops it.
  - Refuses while mutations of the table are not done, on a replica that is read-only or has not fetched all rows, when
    the table is not partitioned by O(time_column), and for partitions of the current and of the previous period. No
    option changes that.
  - Never raises the server's limit for large drops, and never deletes rows by a mutation, which needs free space.
  - The dropped rows do not come back but from the archive.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  table:
    description: The table, of the database O(clickhouse_database).
    type: str
    required: true
  time_column:
    description: The column by which its rows age.
    type: str
    default: created_at
  retention_days:
    description: Days for which rows are kept, 30 to 36500. There is no default, as the owner of the data has to say it.
    type: int
    required: true
  archive_uri:
    description:
      - Where the copies go, required unless O(discard_without_archive). The server itself writes and reads them.
      - C(https://HOST/PATH) is a store that keeps what is sent to it by POST and returns it by GET, by the table
        function C(url). Plain C(http://) is for loopback hosts.
      - C(s3://BUCKET/PREFIX) is a bucket, by the table function C(s3), with the credentials that the server has.
        C(s3+https://HOST/BUCKET/PREFIX) is one of another provider. Not for 18.16, which has no such function.
      - Each run writes new files in the format C(Native), under C(DATABASE.TABLE/). It never overwrites one.
      - All columns that are stored are written, C(MATERIALIZED) ones as well.
    type: str
  discard_without_archive:
    description: Drop the partitions without a copy.
    type: bool
    default: false
  target_free_ratio:
    description: Stop when this share of the disk is predicted to be free, from 0 to 1.
    type: float
    default: 0.25
  max_partitions:
    description: Drop at most this many partitions in one run. More than 6 are refused.
    type: int
    default: 6
  max_bytes:
    description: Drop at most so many bytes in one run.
    type: int
    default: 50000000000
  disk_total_bytes:
    description: Size of the disk, for a server that does not know it, such as 18.16. Take it from the volume's metrics.
    type: int
  disk_free_bytes:
    description: What is free of it.
    type: int
  archive_timeout_s:
    description: Seconds that writing or reading back one partition may take.
    type: int
    default: 1800
  space_timeout_s:
    description:
      - Seconds to wait until dropped parts are removed from the disk, which a server does some time after
        (C(old_parts_lifetime), 480 s unless configured). 0 does not wait.
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
  - In check mode everything is read and decided; nothing is written to the archive, and nothing is dropped.
  - Between the last look at a partition and its drop lies the time that the server needs for one statement. Rows that
    arrive in an old partition in just that moment are lost. Stop imports of old data first.
  - Replicated tables drop a partition on all replicas.
  - The login needs C(SELECT) and C(ALTER DELETE) on the table, and C(URL) or C(S3) with C(CREATE TEMPORARY TABLE).
seealso:
  - module: brandconnect.incidents.clickhouse_parts
  - module: brandconnect.incidents.clickhouse_disk
  - name: Manipulating partitions in ClickHouse
    description: What dropping a partition does.
    link: https://clickhouse.com/docs/sql-reference/statements/alter/partition
"""

EXAMPLES = r"""
- name: Plan what to archive
  brandconnect.incidents.clickhouse_archive:
    clickhouse_url: https://clickhouse.example.com:8443
    clickhouse_user: archivist
    clickhouse_password: "{{ lookup('ansible.builtin.env', 'CLICKHOUSE_PASSWORD') }}"
    table: metric_snapshots
    retention_days: 180
    archive_uri: s3://brandconnect-archive/clickhouse
  check_mode: true
  register: plan

- name: Archive and drop that, and nothing else
  brandconnect.incidents.clickhouse_archive:
    clickhouse_url: https://clickhouse.example.com:8443
    clickhouse_user: archivist
    clickhouse_password: "{{ lookup('ansible.builtin.env', 'CLICKHOUSE_PASSWORD') }}"
    table: metric_snapshots
    retention_days: 180
    archive_uri: s3://brandconnect-archive/clickhouse
    targets: "{{ plan.targets }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do; V(done), V(nothing_to_do) or V(refused).
    - V(partial) when some partitions are dropped and then one was not, V(failed) when the first was not.
    - In a failure also V(unknown), when nobody said whether a partition was dropped.
  returned: always, once the server was asked
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: always, once the server was asked
  type: str
  sample: archive and drop 2 partitions, 2000 rows, 34308 bytes
refusal:
  description:
    - With V(refused), V(plan_changed), V(table_missing), V(not_merge_tree), V(column_missing), V(not_by_time),
      V(period_unknown), V(mutations_pending), V(replica_readonly), V(replica_behind), V(replica_unknown),
      V(disk_unknown), V(over_max_bytes), V(column_unsupported) or V(archive_unsupported).
    - With V(nothing_to_do), V(enough_free), V(none_eligible) or V(gone_already).
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
  description: The partitions, oldest first.
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {database: analytics, table: metric_snapshots, partition_id: "202601", rows: 1000, bytes: 17154,
       newest: "2026-01-05 16:39:00", archive: "s3://brandconnect-archive/clickhouse"}
excluded:
  description: The other partitions of the table with the reason, as in
    RV(brandconnect.incidents.clickhouse_parts#module:partitions), and also V(not_needed), V(over_max_partitions) and
    V(over_max_bytes).
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {table: metric_snapshots, partition_id: "202611", partition: "202611", parts: 1, rows: 1000, bytes: 17154,
       oldest: "2026-11-05 00:00:00", newest: "2026-11-28 09:39:00", eligible: false, reason: current_period,
       text: "its newest row is of 2026-11-28 09:39:00, in this or the previous period"}
cutoff:
  description: Rows of this moment and later stay, in the server's time zone.
  returned: always, once the server was asked
  type: str
  sample: "2026-06-01 09:40:12"
predicted_free_ratio:
  description: What will be free when the dropped parts are removed.
  returned: always, once the server was asked
  type: float
  sample: 0.27
before:
  description: C(partitions), C(rows) and C(bytes) of the table, and C(free_ratio) of the disk, V(null) if unknown.
  returned: always, once the server was asked
  type: dict
  sample: {partitions: 12, rows: 12000, bytes: 205000, free_ratio: 0.08}
after:
  description: The same after; the same as before when nothing was dropped.
  returned: always, once the server was asked
  type: dict
  sample: {partitions: 10, rows: 10000, bytes: 170692, free_ratio: 0.27}
results:
  description:
    - What became of each partition, with C(result), C(reason), C(checksum) and C(archive), the file.
    - C(result) is V(dropped), V(would_drop), V(not_attempted), V(changed) when it was not the same any more,
      V(archive_differs), V(archive_failed), V(not_dropped), or in a failure V(unknown).
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {partition_id: "202601", rows: 1000, bytes: 17154, result: dropped, reason: null, checksum: "5353137216167259547",
       archive: "s3://brandconnect-archive/clickhouse/analytics.metric_snapshots/202601-20261128T094012Z-1f0c9a3e.native"}
space:
  description:
    - C(returned) says whether all dropped parts are removed from the disk, V(null) when that was not waited for or
      cannot be told; C(waiting_bytes) what is not removed yet, C(waited_s) for how long.
  returned: always, once the server was asked
  type: dict
  sample: {returned: true, waiting_bytes: 0, waited_s: 480.2}
caveats:
  description: What a person should know before approving, and what stays to be done.
  returned: always, once the server was asked
  type: list
  elements: str
  sample: [space comes back 480 s after the drop; do not drop more because nothing was freed]
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
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.clickhouse_archiving import Work
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.clickhouse_archive import Wish
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Archiving partitions of ClickHouse"
MOST_IN_ONE_RUN = 6  # the blast radius, whatever the options say
LEAST = {
    "max_partitions": 1,
    "max_bytes": 1,
    "archive_timeout_s": 1,
    "space_timeout_s": 0,
}


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Archive and drop; see RETURN.

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
    reads.retention(ATTEMPTED, params["retention_days"])
    for option, least in LEAST.items():
        if params[option] < least:
            raise IncidentsError(f"{ATTEMPTED}: {option} must be {least} or more, not {params[option]}")
    if not 0 < params["target_free_ratio"] <= 1:  # also true of NaN
        raise IncidentsError(f"{ATTEMPTED}: target_free_ratio is a share above 0 and up to 1")
    if params["max_partitions"] > MOST_IN_ONE_RUN:
        msg = f"{ATTEMPTED}: max_partitions {params['max_partitions']} is above the limit {MOST_IN_ONE_RUN}"
        raise IncidentsError(f"{msg}; drop fewer and look again")
    if bool(params["archive_uri"]) == params["discard_without_archive"]:
        raise IncidentsError(f"{ATTEMPTED}: give either archive_uri or discard_without_archive")
    total, free = params["disk_total_bytes"], params["disk_free_bytes"]
    if total is not None and not (total > 0 and 0 <= free <= total):
        raise IncidentsError(f"{ATTEMPTED}: disk_free_bytes is from 0 to disk_total_bytes; check both")
    for option in ("clickhouse_database", "table", "time_column"):
        reads.name(ATTEMPTED, option, params[option])
    return Wish(
        database=params["clickhouse_database"],
        target_free_ratio=params["target_free_ratio"],
        max_partitions=params["max_partitions"],
        max_bytes=params["max_bytes"],
        archive=reads.archive_address(ATTEMPTED, params["archive_uri"]) if params["archive_uri"] else None,
        targets=params["targets"],
    )


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **clickhouse_argument_spec(),
        "table": {"type": "str", "required": True},
        "time_column": {"type": "str", "default": "created_at"},
        "retention_days": {"type": "int", "required": True},
        "archive_uri": {"type": "str"},
        "discard_without_archive": {"type": "bool", "default": False},
        "target_free_ratio": {"type": "float", "default": 0.25},
        "max_partitions": {"type": "int", "default": 6},
        "max_bytes": {"type": "int", "default": 50000000000},
        "disk_total_bytes": {"type": "int"},
        "disk_free_bytes": {"type": "int"},
        "archive_timeout_s": {"type": "int", "default": 1800},
        "space_timeout_s": {"type": "int", "default": 540},
        "targets": {"type": "list", "elements": "dict"},
    },
    constraints={"required_together": [["disk_total_bytes", "disk_free_bytes"]]},
    secrets=clickhouse_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
