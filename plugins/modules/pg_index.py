# SPDX-License-Identifier: GPL-3.0-or-later
"""Build an index that is missing in PostgreSQL, without stopping writes, or drop it again."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pg_index
short_description: Build an index that is missing in PostgreSQL, or drop it again
version_added: 0.1.0
description:
  - Builds one index with C(CREATE INDEX CONCURRENTLY), of which the plan of a query says that it may help, and
    watches it. What a build that fails leaves behind is dropped.
  - Before that it looks at all that makes such a build fail, wait or hurt. See RV(checks).
  - Drops the index that the same incident made, when nobody has changed it since, and what failed builds left behind.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  action:
    description:
      - V(create) builds the index of O(columns), unless another one begins with them.
      - V(drop) drops the index O(name) that O(incident) made. It is the way back from V(create).
      - V(drop_leftovers) drops the indexes of the table that are INVALID and that nobody builds.
    type: str
    choices: [create, drop, drop_leftovers]
    required: true
  schema:
    description: Schema of the table. Tables of O(query) are looked for in it as well.
    type: str
    default: public
  table:
    description: Name of the table, as it is in the catalogue. It is quoted.
    type: str
    required: true
  columns:
    description: Columns of the index, first to last, at most 8.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the column. It is quoted.
        type: str
        required: true
      order:
        description: Order, for method V(btree).
        type: str
        choices: [asc, desc]
        default: asc
  method:
    description: Method of the index.
    type: str
    choices: [btree, hash, gin, gist, brin]
    default: btree
  name:
    description: Name of the index. V(create) makes one of table and columns where it is not given.
    type: str
  query:
    description:
      - The query that the index is for. It is planned for any values of its parameters C($1), C($2), and not run.
      - Either it or O(query_id) is needed for V(create).
    type: str
  query_id:
    description: The same by its id in C(pg_stat_statements), as M(brandconnect.incidents.pg_statements) returns it.
    type: str
  incident:
    description:
      - Id of the incident, for V(create) and V(drop). The index carries it in its comment.
    type: str
  max_table_bytes:
    description: A larger table is refused, at most 1 TiB.
    type: int
    default: 53687091200
  free_bytes:
    description:
      - Free space of the server's volume, which the server itself cannot tell. Half of the table's size must fit.
      - V(create) is refused without it, as a build that fills the volume stops the server.
    type: int
  max_transaction_age_s:
    description: A build is refused while a transaction has been open for longer, as it would wait for it. 1 to 3600.
    type: int
    default: 60
  lock_timeout_s:
    description: Seconds to wait for one lock or one other transaction, 1 to 60.
    type: int
    default: 5
  build_timeout_s:
    description: Seconds for all of the build, 1 to 14400. The server ends it then.
    type: int
    default: 1800
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.postgres
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode everything is read and decided, and nothing is changed.
  - The login must be a member of the table's owner, and see all sessions, for which it needs C(pg_monitor). A login of
    its own for this is better than one that every runbook has.
  - O(reserved_user) is not used.
  - While it acts it opens a second connection, which is not read-only.
seealso:
  - module: brandconnect.incidents.pg_statements
  - name: Building indexes concurrently
    description: What such a build waits for, and what it leaves behind.
    link: https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

EXAMPLES = r"""
- name: Plan an index for the slowest query
  brandconnect.incidents.pg_index:
    action: create
    table: campaigns
    columns:
      - name: status
      - name: created_at
        order: desc
    query_id: "{{ slow.statements[0].query_id }}"
    free_bytes: "{{ volume.answers.free_bytes.value | int }}"
    incident: api-latency-20261128T101500Z-3fa1
  check_mode: true
  register: plan

- name: Build it
  brandconnect.incidents.pg_index:
    action: create
    table: campaigns
    columns:
      - name: status
      - name: created_at
        order: desc
    query_id: "{{ slow.statements[0].query_id }}"
    free_bytes: "{{ volume.answers.free_bytes.value | int }}"
    incident: api-latency-20261128T101500Z-3fa1
    targets: "{{ plan.targets }}"

- name: Drop it again
  brandconnect.incidents.pg_index:
    action: drop
    table: campaigns
    name: idx_campaigns_status_created_at_desc
    incident: api-latency-20261128T101500Z-3fa1
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do; V(done), V(partial), V(nothing_to_do) or V(refused).
    - V(failed) when it could not be done. RV(caveats) name what is left behind.
    - V(unknown) when the connection broke meanwhile. RV(after) says what was seen then.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: index idx_campaigns_status_created_at_desc is valid and ready
refusal:
  description:
    - With V(nothing_to_do), V(already_there), V(gone) or V(no_leftovers).
    - With V(refused), V(in_recovery), V(no_table), V(table_kind), V(no_column), V(not_permitted), V(leftovers),
      V(name_taken), V(building), V(old_transaction), V(unknown_state), V(too_large), V(disk), V(no_plan), V(no_use),
      V(not_ours), V(constraint), V(too_many) or V(plan_changed).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-28T10:15:12.110000Z"
targets:
  description: What is built or dropped, with the statement or the definition, and by the identities of the catalogue.
  returned: success
  type: list
  elements: dict
  sample:
    - {action: create, database: brandconnect, schema: public, table: campaigns, table_oid: 16410,
       index: idx_campaigns_status_created_at_desc,
       statement: 'CREATE INDEX CONCURRENTLY "idx_campaigns_status_created_at_desc" ON "public"."campaigns" USING
         "btree" ("status", "created_at" DESC)'}
checks:
  description: What was looked at before, with C(check), C(ok), null where it is not known, and C(text).
  returned: success
  type: list
  elements: dict
  sample: [{check: transactions, ok: true, text: none is older than 60 s}]
before:
  description:
    - C(index), null when there is none, and C(plan) of the query, with C(reads_table), C(reads_all), C(sorts),
      C(indexes), C(uses_index) and C(cost) in the planner's units.
    - For V(drop_leftovers), C(indexes).
  returned: success
  type: dict
  sample: {index: null, plan: {reads_table: true, reads_all: true, sorts: true, indexes: [], uses_index: false,
           cost: 48213.5}}
after:
  description: The same after. C(index) has C(valid) and C(ready), and C(plan) whether the query uses it.
  returned: success
  type: dict
  sample: {index: {oid: 16999, name: idx_campaigns_status_created_at_desc, method: btree, columns: [status, created_at],
                   descending: [false, true], partial: false, valid: true, ready: true, bytes: 63000576,
                   constrains: false,
                   definition: "CREATE INDEX idx_campaigns_status_created_at_desc ON public.campaigns USING btree
                     (status, created_at DESC)",
                   comment: incident-runbook api-latency-20261128T101500Z-3fa1 0f3a9c51b7de},
           plan: {reads_table: true, reads_all: false, sorts: false,
                  indexes: [idx_campaigns_status_created_at_desc], uses_index: true, cost: 12.4}}
results:
  description:
    - What became of each index, with C(schema), C(table), C(index), C(result), V(created), V(dropped), V(failed),
      V(unknown), V(would_create), V(would_drop) or V(not_attempted), and C(reason).
  returned: success
  type: list
  elements: dict
  sample:
    - {schema: public, table: campaigns, index: idx_campaigns_status_created_at_desc, result: created, reason: null}
progress:
  description: How the build went on, one row for each phase, with its last numbers and for which process it waited.
  returned: success
  type: list
  elements: dict
  sample:
    - {at: "2026-11-28T10:15:13.020000Z", phase: "building index: scanning table", waits_for_pid: null,
       blocks_done: 4211, blocks_total: 65536, tuples_done: 0, tuples_total: 0, lockers_done: 0, lockers_total: 0}
caveats:
  description: What else counts, such as an index that is left behind INVALID, or that free space is not known.
  returned: success
  type: list
  elements: str
  sample: [the index may need 268435456 bytes; nobody said how many are free]
cause:
  description: Why the server could not be asked, as in RV(brandconnect.incidents.pg_activity#module:cause).
  returned: failure
  type: str
  sample: refused
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: "nothing listens there: check host and port, whether PostgreSQL runs, and its log"
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import index_proposal, sql_query
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Changing an index of PostgreSQL"
BOUNDS = {
    "lock_timeout_s": (1, 60),
    "build_timeout_s": (1, 14400),
    "max_transaction_age_s": (1, 3600),
    "max_table_bytes": (1, 2**40),
}


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look, decide, and act unless in check mode; see RETURN.

    Raises:
        PostgresError: the server cannot be asked, before anything was changed.
        IncidentsError: the options make no sense.
    """
    try:
        _check(params)
    except ValueError as error:
        raise IncidentsError(f"{ATTEMPTED}: {error}") from error
    # psycopg takes 0.2 s to load: in a worker that is beside what other components wait for
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import postgres  # noqa: PLC0415

    login = {**params, "reserved_user": None, "reserved_password": None}  # a superuser's, for a server that is full
    with postgres.log_in(login, params["statement_timeout"]) as session:
        from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (  # noqa: PLC0415
            postgres_index_cases as cases,
        )

        case = cases.KINDS[params["action"]](session, params)
        case.do(check_mode=check_mode)
        return case.plain()


def _check(params: Mapping[str, Any]) -> None:
    """Check the options.

    Raises:
        ValueError: one makes no sense.
    """
    for option, (least, most) in BOUNDS.items():
        if not least <= params[option] <= most:
            raise ValueError(f"{option} must be {least} to {most}, not {params[option]}")
    if (params["free_bytes"] or 0) < 0:
        raise ValueError(f"free_bytes must be 0 or more, not {params['free_bytes']}")
    index_proposal.check_name("schema", params["schema"])
    index_proposal.check_name("table", params["table"])
    if params["action"] != "drop_leftovers":
        index_proposal.check_incident(params["incident"])
    if params["action"] == "drop":
        index_proposal.check_name("name", params["name"])
    if params["action"] == "create":
        index_proposal.read(params)
        _check_query(params)


def _check_query(params: Mapping[str, Any]) -> None:
    query, query_id = params["query"], str(params["query_id"] or "")
    if bool(query) == bool(query_id):
        raise ValueError("give either query or query_id: an index is built for a query")
    problem = sql_query.objection(query) if query else None
    if problem:
        raise ValueError(problem)
    if query_id and not index_proposal.is_query_id(query_id):
        raise ValueError("query_id must be a whole number of 64 bits")


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **postgres_argument_spec(),
        "action": {"type": "str", "choices": ["create", "drop", "drop_leftovers"], "required": True},
        "schema": {"type": "str", "default": "public"},
        "table": {"type": "str", "required": True},
        "columns": {
            "type": "list",
            "elements": "dict",
            "options": {
                "name": {"type": "str", "required": True},
                "order": {"type": "str", "choices": ["asc", "desc"], "default": "asc"},
            },
        },
        "method": {"type": "str", "choices": ["btree", "hash", "gin", "gist", "brin"], "default": "btree"},
        "name": {"type": "str"},
        "query": {"type": "str"},
        "query_id": {"type": "str"},
        "incident": {"type": "str"},
        "max_table_bytes": {"type": "int", "default": 53687091200},
        "free_bytes": {"type": "int"},
        "max_transaction_age_s": {"type": "int", "default": 60},
        "lock_timeout_s": {"type": "int", "default": 5},
        "build_timeout_s": {"type": "int", "default": 1800},
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=postgres_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
