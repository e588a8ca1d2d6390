# SPDX-License-Identifier: GPL-3.0-or-later
"""Examine which statements take the time of a PostgreSQL server, and what slows them down."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pg_statements
short_description: Examine which statements take the time of a PostgreSQL server
version_added: 0.1.0
description:
  - Takes two samples of C(pg_stat_statements), and ranks statements by their share of the time between them. The view
    itself is cumulative since its last reset, and its means rank first what runs rarely.
  - Beside that it says who blocks whom, what sessions wait for, which tables were read from end to end, where dead
    rows are, how well the cache works, what was written to temporary files, and how far replicas are behind.
  - A server that is down, or one without the extension, is a result with a cause, not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  sample_s:
    description: Seconds between the samples, 1 to 600.
    type: int
    default: 60
  max_rows:
    description:
      - Longest length of each list in the result, 1 to 200. What was left out is counted in RV(omitted).
    type: int
    default: 20
extends_documentation_fragment:
  - brandconnect.incidents.postgres
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
notes:
  - It needs C(pg_monitor), or the statements of other roles are hidden.
  - The extension is looked for in the database logged in to. It shows the statements of all databases.
  - A statement that still runs is not in C(pg_stat_statements). See RV(blocking) and
    M(brandconnect.incidents.pg_activity).
seealso:
  - module: brandconnect.incidents.pg_activity
  - module: brandconnect.incidents.pg_index
  - name: pg_stat_statements
    description: The extension.
    link: https://www.postgresql.org/docs/current/pgstatstatements.html
"""

EXAMPLES = r"""
- name: Look at what takes the time of the database
  brandconnect.incidents.pg_statements:
    login_host: db.example.com
    login_user: brandconnect_ops
    login_password: "{{ lookup('ansible.builtin.env', 'OPS_PASSWORD') }}"
    login_db: brandconnect
    sample_s: 30
  register: slow
"""

RETURN = r"""
reachable:
  description: Whether a login got in and the connection lasted.
  returned: success
  type: bool
  sample: true
cause:
  description: Why RV(reachable) is false or the result is incomplete, as in
    RV(brandconnect.incidents.pg_activity#module:cause).
  returned: success
  type: str
  sample: null
message:
  description: What the server or libpq said to that, in one line.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
server:
  description: The server, with C(version), C(version_num), C(in_recovery), C(database) and C(role); null when it could
    not be asked.
  returned: success
  type: dict
  sample: {version: "15.18", version_num: 150018, in_recovery: false, database: brandconnect, role: brandconnect_ops}
statistics:
  description: Whether RV(statements) says anything.
  returned: success
  type: dict
  contains:
    available:
      description: Whether both samples were taken; null when the server could not be asked.
      type: bool
    cause:
      description: Why not, V(extension_missing), V(not_loaded), V(denied) or V(not_supported).
      type: str
    hint:
      description: What to do about it.
      type: str
    version:
      description: Version of the extension.
      type: str
    duration_s:
      description: Seconds between the samples.
      type: float
    total_s:
      description: Seconds that all statements took meanwhile, those that are not shown included.
      type: float
    load:
      description: C(total_s) divided by C(duration_s), how many statements ran at the same time on average.
      type: float
    reset:
      description: Whether counters began again meanwhile, so that a part is missing.
      type: bool
    evicted:
      description: Whether statements lost their place meanwhile, so that a part is missing. See
        C(pg_stat_statements.max).
      type: bool
    hidden:
      description: Number of rows, one for each role and database, whose statements the login may not see.
      type: int
  sample: {available: true, cause: null, hint: null, version: "1.10", duration_s: 60.0, total_s: 171.204, load: 2.85,
           reset: false, evicted: false, hidden: 0}
statements:
  description:
    - What ran between the samples, largest share of the time first. The statements of this module are left out.
    - C(statement) is a bounded line in which each value is an ellipsis. Text of a database is not to be trusted.
    - C(hidden) says that the login may not see it. Such statements are summed by role and database.
    - C(temp_bytes) were written to temporary files, which comes from sorts that C(work_mem) does not hold.
  returned: success
  type: list
  elements: dict
  sample:
    - {query_id: "-7041230215823321465", database: brandconnect, role: brandconnect_app, toplevel: true, calls: 412,
       calls_per_s: 6.87, total_s: 160.2, share: 0.9357, mean_ms: 388.8, rows: 8240, rows_per_call: 20.0,
       cache_hit_ratio: 0.41, blocks_per_call: 8312.0, temp_bytes: 0, hidden: false,
       statement: "SELECT * FROM campaigns WHERE status = $1 ORDER BY created_at DESC LIMIT $2"}
blocking:
  description: Who waits for whose locks, as in RV(brandconnect.incidents.pg_activity#module:blocking).
  returned: success
  type: dict
  sample: {roots: [], blocked: []}
waits:
  description: What sessions at work wait for at this moment, most sessions first; null for those that compute.
  returned: success
  type: list
  elements: dict
  sample: [{type: IO, event: DataFileRead, sessions: 9}]
tables:
  description:
    - Tables of this database that were read from end to end between the samples, most rows first, then those with most
      dead rows. At most 1000 tables are looked at, and with more only those that both samples have.
  returned: success
  type: list
  elements: dict
  sample:
    - {schema: public, table: campaigns, bytes: 536870912, sequential_scans: 412, sequential_rows: 824000000,
       index_scans: 3, live_rows: 2000000, dead_rows: 4100, dead_ratio: 0.002,
       last_vacuum: "2026-11-28T03:00:00.000000Z", last_analyze: "2026-11-28T03:00:02.000000Z"}
vacuums:
  description: Vacuums that are under way in this database.
  returned: success
  type: list
  elements: dict
  sample: []
replication:
  description: Replicas, those furthest behind first.
  returned: success
  type: list
  elements: dict
  sample: [{application: replica1, state: streaming, replay_lag_s: 0.02}]
work:
  description: What this database did between the samples; null when that is not known.
  returned: success
  type: dict
  sample: {duration_s: 60.0, cache_hit_ratio: 0.93, blocks_read: 91002, temp_files: 0, temp_bytes: 0, deadlocks: 0,
           reset: false}
visibility:
  description: Whether the login sees the state of every session, as in
    RV(brandconnect.incidents.pg_activity#module:visibility).
  returned: success
  type: dict
  sample: {sees_all: true, hidden: 0, reason: null}
omitted:
  description: How many rows of each list O(max_rows) left out.
  returned: success
  type: dict
  sample: {statements: 112, tables: 0, waits: 0, roots: 0, blocked: 0}
"""

import time
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    Failure,
    PostgresError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import activity, statements
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_facts import SessionFacts
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_statements import (
        StatementView,
    )

ATTEMPTED = "Examining the statements of PostgreSQL"
BOUNDS = {"sample_s": (1, 600), "max_rows": (1, 200)}
TEXTS_BEYOND = 20  # the module's own statements may be among the first
LISTS = ("statements", "tables", "waits")


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Examine the server. A sick one is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    for option, (least, most) in BOUNDS.items():
        if not least <= params[option] <= most:
            raise IncidentsError(f"{ATTEMPTED}: {option} must be {least} to {most}, not {params[option]}")
    result = _nothing_known()
    # psycopg takes 0.2 s to load: in a worker that is beside what other components wait for
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (  # noqa: PLC0415
        postgres,
    )

    try:
        session = postgres.log_in(params, params["statement_timeout"])
    except PostgresError as error:
        return result | _problem(error.failure)
    with session:
        result["reachable"] = True
        try:
            _examine(session, params, result)
        except PostgresError as error:
            result |= _problem(error.failure) | {"reachable": not session.lost}
    return result


def _nothing_known() -> dict[str, Any]:
    empty = ("statements", "waits", "tables", "vacuums", "replication")
    return {
        "reachable": False,
        **dict.fromkeys(("cause", "message", "hint", "server", "work")),
        "statistics": statistics(),
        **{name: [] for name in empty},
        "blocking": {"roots": [], "blocked": []},
        "visibility": {"sees_all": None, "hidden": 0, "reason": None},
        "omitted": dict.fromkeys((*LISTS, "roots", "blocked"), 0),
    }


def statistics(**known: Any) -> dict[str, Any]:
    """What is known of pg_stat_statements; see RETURN."""
    names = ("available", "cause", "hint", "version", "duration_s", "total_s", "load", "reset", "evicted", "hidden")
    return dict.fromkeys(names) | known


def _problem(failure: Failure) -> dict[str, Any]:
    return {"cause": failure.cause, "message": failure.text, "hint": failure.next_step}


def _examine(session: Session, params: dict[str, Any], result: dict[str, Any]) -> None:
    """Fill *result* as far as the server answers."""
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (  # noqa: PLC0415
        postgres_sessions,
        postgres_statements,
    )

    server = postgres_sessions.read_server(session)
    result["server"] = {name: server[name] for name in ("version", "version_num", "in_recovery", "database", "role")}
    rows = postgres_sessions.read_sessions(session, server["version_num"], with_blockers=True)
    sessions = [SessionFacts(**row) for row in rows]
    result["visibility"] = activity.visibility(server, sessions)
    blocking = activity.blocking(sessions, with_text=False)
    result["blocking"] = {name: _shown(result, params, name, found) for name, found in blocking.items()}
    moment = postgres_statements.read_moment(session)
    result |= {name: moment[name] for name in ("vacuums", "replication")}
    result["waits"] = _shown(result, params, "waits", statements.waits(moment["waits"]))
    view, first = _first_sample(session, result)
    before, started = postgres_statements.read_counters(session), time.monotonic()
    time.sleep(params["sample_s"])
    duration_s = time.monotonic() - started
    if view and first:
        _second_sample(view, first, params, duration_s, result)
    after = postgres_statements.read_counters(session)
    if before["database"] and after["database"]:
        result["work"] = statements.database_work(before["database"], after["database"], duration_s)
    result["tables"] = _shown(result, params, "tables", statements.tables(before["tables"], after["tables"]))


def _shown(result: dict[str, Any], params: dict[str, Any], name: str, rows: list[dict[str, Any]]) -> Any:
    result["omitted"][name] = max(len(rows) - params["max_rows"], 0)
    return rows[: params["max_rows"]]


def _first_sample(
    session: Session, result: dict[str, Any]
) -> tuple[StatementView, statements.Sample] | tuple[None, None]:
    """Take the first sample; where there can be none, say why."""
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (  # noqa: PLC0415
        postgres_statements,
    )

    extension = postgres_statements.read_extension(session)
    if extension["schema"] is None:
        cause, hint = statements.missing(available=extension["available"])
        result["statistics"] = statistics(available=False, cause=cause, hint=hint)
        return None, None
    try:
        view = postgres_statements.StatementView(session, extension["schema"], extension["version"])
        return view, _sample(view)
    except PostgresError as error:
        problem = None if session.lost else statements.unavailable(error.failure.sqlstate)
        if problem is None:
            raise
        version = extension["version"]
        result["statistics"] = statistics(available=False, cause=problem[0], hint=problem[1], version=version)
        return None, None


def _sample(view: StatementView) -> statements.Sample:
    info = view.info()
    return statements.sample(view.rows(), info["reset_at"], info["evictions"])


def _second_sample(
    view: StatementView, first: statements.Sample, params: dict[str, Any], duration_s: float, result: dict[str, Any]
) -> None:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (  # noqa: PLC0415
        postgres_statements,
    )

    seen = statements.difference(first, _sample(view))
    top = [row["queryid"] for row in seen.rows[: params["max_rows"] + TEXTS_BEYOND] if row["queryid"] is not None]
    texts = {statements.key_of(row): row["query"] for row in view.texts(top)}
    rows = [row for row in seen.rows if postgres_statements.MARK not in texts.get(statements.key_of(row), "")]
    whole_ms = statements.total_ms(rows)
    result["statistics"] = statistics(
        available=True,
        version=view.version,
        duration_s=round(duration_s, 1),
        total_s=round(whole_ms / 1000, 3),
        load=round(whole_ms / 1000 / duration_s, 2),
        reset=seen.reset,
        evicted=seen.evicted,
        hidden=sum(row["queryid"] is None for row in rows),
    )
    result["statements"] = statements.ranked(_shown(result, params, "statements", rows), texts, whole_ms, duration_s)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **postgres_argument_spec(),
        "sample_s": {"type": "int", "default": 60},
        "max_rows": {"type": "int", "default": 20},
    },
    secrets=postgres_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
