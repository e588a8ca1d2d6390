# SPDX-License-Identifier: GPL-3.0-or-later
"""Examine the connection slots and sessions of a PostgreSQL server."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pg_activity
short_description: Examine the connection slots and sessions of a PostgreSQL server
version_added: 0.1.0
description:
  - Counts connection slots, groups sessions by whose they are and what they do, and lists long-running work, idle
    transactions and blocking sessions with the root blocker of each chain.
  - A server that is full, down, starting or refuses the login is a result with a C(cause), not a failure. The module
    fails only when it cannot work at all, as without psycopg or with options that make no sense.
  - The cause comes from the SQLSTATE where the server gave one, and so does not depend on the server's language.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  long_query_s:
    description: Seconds from which a session at work counts as long-running, by the start of its query or transaction.
    type: int
    default: 300
  long_transaction_s:
    description: Seconds from which a session idle inside a transaction is reported, by the start of the transaction.
    type: int
    default: 60
  max_rows:
    description:
      - Longest length of each list in the result. What was left out is counted in RV(omitted).
    type: int
    default: 50
  include_query_text:
    description:
      - Also return C(query_text), the first 120 characters of statements with the values in them.
      - Statements hold personal data, and results are kept. Without this, C(statement) shows each statement up to its
        first value, such as V(UPDATE campaigns SET budget = …), and C(query_id) leads to it in C(pg_stat_statements).
    type: bool
    default: false
extends_documentation_fragment:
  - brandconnect.incidents.postgres
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.pg_terminate_idle
  - name: Error codes of PostgreSQL
    description: The SQLSTATE codes.
    link: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

EXAMPLES = r"""
- name: Look at the connection slots
  brandconnect.incidents.pg_activity:
    login_host: db.example.com
    login_user: brandconnect_ops
    login_password: "{{ lookup('ansible.builtin.env', 'OPS_PASSWORD') }}"
    login_db: brandconnect
    ssl_mode: verify-full
    reserved_user: brandconnect_reserved
    reserved_password: "{{ lookup('ansible.builtin.env', 'RESERVED_PASSWORD') }}"
  register: activity

- name: Judge them
  brandconnect.incidents.finding:
    check: connections
    rules:
      - when: not activity.reachable
        status: unknown
        cause: "{{ activity.cause }}"
        summary: "{{ activity.message }}"
      - when: activity.slots.used_ratio >= 0.95
        status: down
        cause: server_slots_exhausted
        summary: "{{ activity.slots.used }} of {{ activity.slots.usable }} slots in use"
    otherwise: "{{ activity.slots.used }} of {{ activity.slots.usable }} slots in use"
  vars:
    activity: "{{ activity }}"
"""

RETURN = r"""
reachable:
  description: Whether a login got in and the connection lasted.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why RV(reachable) is false, why the result is incomplete, or why the reserved login was needed.
    - V(null) when nothing stood in the way.
    - One of V(server_slots_exhausted), V(pooler_exhausted), V(auth), V(database_missing), V(in_recovery),
      V(shutting_down), V(disk_full), V(refused), V(unreachable), V(dns), V(timeout), V(tls), V(connection_lost),
      V(unknown).
  returned: success
  type: str
  sample: server_slots_exhausted
message:
  description: What the server or libpq said to that, in one line.
  returned: success
  type: str
  sample: "SQLSTATE 53300, sorry, too many clients already"
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: check user, password, pg_hba.conf and whether the role may log in
attempts:
  description: Every try to log in.
  returned: success
  type: list
  elements: dict
  contains:
    login:
      description: V(ops) for the ordinary login, V(reserved) for the one for full servers.
      type: str
    user:
      description: The role.
      type: str
    ok:
      description: Whether it got in.
      type: bool
    sqlstate:
      description: The server's code; V(null) when no server answered.
      type: str
    cause:
      description: As RV(cause).
      type: str
    limit:
      description: With SQLSTATE 53300, whose limit was reached, V(server), V(role) or V(database).
      type: str
    message:
      description: What was said.
      type: str
    duration_s:
      description: Seconds that it took.
      type: float
  sample:
    - {login: ops, user: brandconnect_ops, ok: false, duration_s: 0.012, sqlstate: "53300",
       cause: server_slots_exhausted, limit: server, message: "sorry, too many clients already"}
    - {login: reserved, user: brandconnect_reserved, ok: true, duration_s: 0.015, sqlstate: null, cause: null,
       limit: null, message: null}
login:
  description: The login that got in, V(ops) or V(reserved); V(null) for none.
  returned: success
  type: str
  sample: ops
server:
  description: The server; V(null) when it could not be asked.
  returned: success
  type: dict
  contains:
    version:
      description: Version as text.
      type: str
    version_num:
      description: Version as number.
      type: int
    in_recovery:
      description: Whether it is a standby or recovering.
      type: bool
    started_at:
      description: When it was started.
      type: str
    database:
      description: The database logged in to.
      type: str
  sample: {version: "18.4", version_num: 180004, in_recovery: false, started_at: "2026-11-23T21:00:00.123456Z",
           database: brandconnect}
slots:
  description: The connection slots; V(null) when they could not be counted.
  returned: success
  type: dict
  contains:
    max_connections:
      description: The server's setting.
      type: int
    superuser_reserved:
      description: Slots that only superusers get.
      type: int
    reserved:
      description: Slots that only members of C(pg_use_reserved_connections) get; 0 before PostgreSQL 16.
      type: int
    usable:
      description: Slots that ordinary roles can get, C(max_connections) without the other two.
      type: int
    used:
      description:
        - Sessions of clients, in all databases and of all roles. The module's own session, background processes and
          replication connections are not counted.
      type: int
    free:
      description: C(usable) minus C(used), at least 0.
      type: int
    used_ratio:
      description: C(used) divided by C(usable). Above 1 while sessions sit in reserved slots.
      type: float
    limits:
      description: Roles and databases with a connection limit of their own, each with its use.
      type: list
      elements: dict
  sample: {max_connections: 100, superuser_reserved: 3, reserved: 0, usable: 97, used: 93, free: 4, used_ratio: 0.9588,
           limits: [{kind: role, name: reporting, limit: 5, used: 2, exhausted: false}]}
groups:
  description: Sessions of clients by database, role, application, client and state, largest group first.
  returned: success
  type: list
  elements: dict
  sample:
    - {database: brandconnect, role: brandconnect_app, application: backend, client: 10.1.2.3, state: idle,
       sessions: 60, max_state_age_s: 2112.5, max_transaction_age_s: null}
long_running:
  description: Sessions at work for O(long_query_s) or more, longest first.
  returned: success
  type: list
  elements: dict
  sample:
    - {pid: 4711, backend_start: "2026-11-23T21:00:00.123456Z", state_change: "2026-11-23T21:05:00.000001Z",
       database: brandconnect, role: brandconnect_app, application: report, client: 10.1.2.4, state: active,
       wait_event_type: IO, wait_event: DataFileRead, state_age_s: 660.1, query_age_s: 660.1,
       transaction_age_s: 660.1, query_id: "-7041230215823321465",
       statement: "SELECT * FROM payouts WHERE created_at > …"}
in_transaction:
  description: Sessions idle inside a transaction that is O(long_transaction_s) old or more, oldest first.
  returned: success
  type: list
  elements: dict
  sample: []
blocking:
  description: Who waits for whose locks.
  returned: success
  type: dict
  contains:
    roots:
      description:
        - Processes that block others and wait for nobody, those that hold up most first. C(blocks) lists the process
          ids that wait for it, directly or behind others.
      type: list
      elements: dict
    blocked:
      description: Sessions that wait, with the process ids in C(blocked_by) and the C(roots) of the chain.
      type: list
      elements: dict
  sample: {roots: [], blocked: []}
visibility:
  description: Whether the login sees the state of every session.
  returned: success
  type: dict
  contains:
    sees_all:
      description: Whether it does; V(null) when the server could not be asked.
      type: bool
    hidden:
      description: Number of sessions whose state is hidden.
      type: int
    reason:
      description: What is missing and how to grant it.
      type: str
  sample: {sees_all: true, hidden: 0, reason: null}
omitted:
  description: How many rows of each list O(max_rows) left out.
  returned: success
  type: dict
  sample: {groups: 0, long_running: 0, in_transaction: 0, roots: 0, blocked: 0}
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import (
    Session,
    log_in,
    plain_attempts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    Failure,
    PostgresError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_sessions import (
    read_limits,
    read_server,
    read_sessions,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import activity
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_facts import SessionFacts
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Examine the server. A sick one is a result; see RETURN."""
    if params["max_rows"] < 1:
        raise IncidentsError("Examining PostgreSQL: max_rows must be 1 or more")
    result = _nothing_known()
    try:
        session = log_in(params, params["statement_timeout"])
    except PostgresError as error:
        return result | _problem(error.failure) | {"attempts": error.details["attempts"]}
    with session:
        result |= {"reachable": True, "login": session.login, "attempts": plain_attempts(session.attempts)}
        first = session.attempts[0]
        if not first.ok:
            ordinary = Failure(str(first.cause), str(first.message), first.sqlstate, first.limit)
            result |= _problem(ordinary) | {"hint": "examined through the reserved login"}
        try:
            _examine(session, params, result)
        except PostgresError as error:
            result |= _problem(error.failure) | {"reachable": not session.lost}
    return result


def _nothing_known() -> dict[str, Any]:
    lists = ("groups", "long_running", "in_transaction")
    return {
        "changed": False,
        "reachable": False,
        **dict.fromkeys(("cause", "message", "hint", "login", "server", "slots")),
        "attempts": [],
        **{name: [] for name in lists},
        "blocking": {"roots": [], "blocked": []},
        "visibility": {"sees_all": None, "hidden": 0, "reason": None},
        "omitted": dict.fromkeys((*lists, "roots", "blocked"), 0),
    }


def _problem(failure: Failure) -> dict[str, Any]:
    return {"cause": failure.cause, "message": failure.text, "hint": failure.next_step}


def _examine(session: Session, params: dict[str, Any], result: dict[str, Any]) -> None:
    """Fill *result* as far as the server answers."""
    server = read_server(session)
    result["server"] = {
        name: server[name] for name in ("version", "version_num", "in_recovery", "started_at", "database")
    }
    limits = read_limits(session)
    rows = read_sessions(session, server["version_num"], with_blockers=True)
    sessions = [SessionFacts(**row) for row in rows]
    with_text = params["include_query_text"]
    result["slots"] = activity.slots(server, limits, sessions)
    result["visibility"] = activity.visibility(server, sessions)
    lists = {
        "groups": activity.groups(sessions),
        "long_running": activity.long_running(sessions, params["long_query_s"], with_text=with_text),
        "in_transaction": activity.in_transaction(sessions, params["long_transaction_s"], with_text=with_text),
        **activity.blocking(sessions, with_text=with_text),
    }
    shown = {name: rows[: params["max_rows"]] for name, rows in lists.items()}
    result["omitted"] = {name: len(rows) - len(shown[name]) for name, rows in lists.items()}
    result["blocking"] = {"roots": shown.pop("roots"), "blocked": shown.pop("blocked")}
    result |= shown


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **postgres_argument_spec(),
        "long_query_s": {"type": "int", "default": 300},
        "long_transaction_s": {"type": "int", "default": 60},
        "max_rows": {"type": "int", "default": 50},
        "include_query_text": {"type": "bool", "default": False},
    },
    secrets=postgres_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
