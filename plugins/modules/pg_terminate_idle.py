# SPDX-License-Identifier: GPL-3.0-or-later
"""End idle sessions of a PostgreSQL server to free connection slots."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: pg_terminate_idle
short_description: End idle sessions of a PostgreSQL server to free connection slots
version_added: 0.1.0
description:
  - Chooses sessions that have been idle for long enough, counted from their last change of state, and ends them oldest
    first, in batches, until the used ratio of the connection slots is below O(target_ratio).
  - Never ends its own session, replication connections, superusers' sessions, sessions whose last statement has
    C(LISTEN), holders of advisory locks, nor sessions of other databases. No option changes that.
  - Each session is checked once more in the very statement that ends it. It must be the same process, started at the
    same instant, in the same state since the same instant.
  - Every session that stays is listed with the reason.
  - Ending idle sessions treats a symptom. Their pools connect again at once unless the leak is stopped.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  database:
    description: Database whose sessions may be ended; without it the one logged in to.
    type: str
  states:
    description: States in which a session may be ended.
    type: list
    elements: str
    choices: [idle, idle in transaction, idle in transaction (aborted)]
    default: [idle]
  min_idle_s:
    description: Seconds that an idle session must have been idle, at least 1.
    type: int
    default: 600
  min_idle_in_transaction_s:
    description: The same for the two states inside a transaction, whose work is rolled back.
    type: int
    default: 120
  exclude_users:
    description: Roles whose sessions stay.
    type: list
    elements: str
    default: []
  exclude_applications:
    description:
      - Values of C(application_name) whose sessions stay, as shell patterns, letter case ignored.
      - Name applications here that listen for notifications. The server does not show listeners, and one whose last
        statement was another than C(LISTEN) is not noticed.
    type: list
    elements: str
    default: [pgbouncer*, debezium*, pg_dump*, migration*, incident-runbook]
  exclude_addresses:
    description: Addresses or networks in CIDR notation whose sessions stay.
    type: list
    elements: str
    default: []
  max_terminate:
    description: End at most this many sessions in one run. More than 100 are refused.
    type: int
    default: 20
  keep_min_per_application:
    description: Leave each application at least this many sessions in the database, whatever their state.
    type: int
    default: 1
  batch_size:
    description: Sessions to end before the slots are counted again. A batch never ends more than O(target_ratio) needs.
    type: int
    default: 5
  warn_ratio:
    description: Refuse to end anything while the used ratio is below this, unless O(force_reason) is given.
    type: float
    default: 0.80
  target_ratio:
    description:
      - Stop when the used ratio is below this.
      - A run that begins below it, by O(force_reason), has no target and ends all candidates.
    type: float
    default: 0.70
  force_reason:
    description: End idle sessions although the used ratio is below O(warn_ratio), for this reason.
    type: str
  terminate_timeout_s:
    description: Seconds to wait for an ended session to be gone.
    type: int
    default: 5
  targets:
    description:
      - The approved plan, RV(targets) of an earlier run in check mode. Only these may be ended, and each only while
        unchanged.
      - Each needs C(pid), C(backend_start) and C(state_change); other keys are ignored. An empty list allows nothing.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.postgres
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode everything is done but the ending; C(pg_terminate_backend) is not sent.
  - Between the last look at a session and the arrival of the signal lies the time that the server needs for that
    statement. A session that becomes active in just that moment loses its connection.
seealso:
  - module: brandconnect.incidents.pg_activity
  - name: Server signaling functions of PostgreSQL
    description: What C(pg_terminate_backend) does and who may call it.
    link: https://www.postgresql.org/docs/current/functions-admin.html
"""

EXAMPLES = r"""
- name: Plan which idle sessions to end
  brandconnect.incidents.pg_terminate_idle:
    login_host: db.example.com
    login_user: brandconnect_ops
    login_password: "{{ lookup('ansible.builtin.env', 'OPS_PASSWORD') }}"
    login_db: brandconnect
    min_idle_s: 900
    exclude_applications: [pgbouncer*, debezium*, pg_dump*, migration*, incident-runbook, notifier]
  check_mode: true
  register: plan

- name: End them, and no others
  brandconnect.incidents.pg_terminate_idle:
    login_host: db.example.com
    login_user: brandconnect_ops
    login_password: "{{ lookup('ansible.builtin.env', 'OPS_PASSWORD') }}"
    login_db: brandconnect
    min_idle_s: 900
    exclude_applications: [pgbouncer*, debezium*, pg_dump*, migration*, incident-runbook, notifier]
    targets: "{{ plan.targets }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do.
    - V(done) when all that was planned is gone or the target is reached, V(partial) when something stayed that should
      have gone.
    - V(nothing_to_do) when no session qualifies or all have changed, V(refused) when a guard stood in the way.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: "5 terminated, 3 not_attempted; 11 of 17 usable slots in use; stopped, the used ratio is below the target"
started_at:
  description: When it began to look, RFC 3339.
  returned: always, once the server was asked
  type: str
  sample: "2026-11-23T21:40:12.110000Z"
candidates:
  description: The sessions that qualify, oldest first.
  returned: always, once the server was asked
  type: list
  elements: dict
  sample: &sessions
    - {pid: 4711, backend_start: "2026-11-23T21:00:00.123456Z", state_change: "2026-11-23T21:05:00.000001Z",
       database: brandconnect, role: brandconnect_app, application: backend, client: 10.1.2.3, state: idle,
       idle_s: 2112.5, statement: "SELECT * FROM campaigns WHERE id = $1"}
targets:
  description:
    - What makes each candidate this session in this state, and whose it is. Nothing in it changes while the session
      does not. With O(targets) those that were given.
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {pid: 4711, backend_start: "2026-11-23T21:00:00.123456Z", state_change: "2026-11-23T21:05:00.000001Z",
       database: brandconnect, role: brandconnect_app, application: backend, client: 10.1.2.3, state: idle}
excluded:
  description:
    - Every other session of a client, with C(reason) and its C(text).
    - C(reason) is one of V(own_session), V(replication), V(superuser), V(other_database), V(hidden), V(state),
      V(excluded_user), V(excluded_application), V(excluded_address), V(listener), V(advisory_lock), V(too_young),
      V(not_permitted), V(not_in_plan), V(keep_min_per_application), V(over_max_terminate).
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {pid: 4712, backend_start: "2026-11-23T21:00:00.223456Z", state_change: "2026-11-23T21:35:00.000001Z",
       database: brandconnect, role: brandconnect_app, application: notifier, client: 10.1.2.3, state: idle,
       idle_s: 312.5, statement: LISTEN campaign_updates, reason: listener, text: its last statement has LISTEN}
results:
  description:
    - What became of each session of the plan, with C(result) and C(reason).
    - C(result) is V(terminated), V(would_terminate), V(skipped_changed), V(skipped_gone), V(not_terminated) or
      V(not_attempted); in a failure, V(unknown) for the session whose ending was under way.
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {pid: 4711, backend_start: "2026-11-23T21:00:00.123456Z", state_change: "2026-11-23T21:05:00.000001Z",
       database: brandconnect, role: brandconnect_app, application: backend, client: 10.1.2.3, state: idle,
       result: terminated, reason: null}
before:
  description: The slots before, as in RV(brandconnect.incidents.pg_activity#module:slots).
  returned: always, once the server was asked
  type: dict
  sample: {slots: {max_connections: 20, superuser_reserved: 3, reserved: 0, usable: 17, used: 16, free: 1,
                   used_ratio: 0.9412, limits: []}}
after:
  description: The slots after; the same as before when nothing was ended.
  returned: always, once the server was asked
  type: dict
  sample: {slots: {max_connections: 20, superuser_reserved: 3, reserved: 0, usable: 17, used: 11, free: 6,
                   used_ratio: 0.6471, limits: []}}
measurements:
  description: The slots in use before, after each batch, and how many sessions had been ended by then.
  returned: always, once the server was asked
  type: list
  elements: dict
  sample:
    - {at: "2026-11-23T21:40:12.120000Z", used: 16, used_ratio: 0.9412, terminated: 0}
    - {at: "2026-11-23T21:40:12.220000Z", used: 11, used_ratio: 0.6471, terminated: 5}
executed_queries:
  description: The statements that were sent, in check mode also the one that would be, without their values.
  returned: always, once the server was asked
  type: list
  elements: str
  sample: ["SELECT 1 FROM pg_stat_activity WHERE pid = %(pid)s AND backend_start = %(backend_start)s"]
login:
  description: The login that got in, V(ops) or V(reserved).
  returned: always, once the server was asked
  type: str
  sample: ops
attempts:
  description: Every try to log in, as in RV(brandconnect.incidents.pg_activity#module:attempts).
  returned: always, once a login was tried
  type: list
  elements: dict
  sample:
    - {login: ops, user: brandconnect_ops, ok: true, duration_s: 0.014, sqlstate: null, cause: null, limit: null,
       message: null}
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

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import log_in
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import PostgresError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_termination import Termination
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import sessions
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MOST_IN_ONE_RUN = 100  # the blast radius, whatever the options say
LEAST = {
    "min_idle_s": 1,
    "min_idle_in_transaction_s": 1,
    "max_terminate": 1,
    "keep_min_per_application": 0,
    "batch_size": 1,
    "terminate_timeout_s": 1,
}
ANSWER_S = 2  # what a statement may take beyond the wait for the ended session


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Choose the sessions and end them; see RETURN.

    Raises:
        PostgresError: the server cannot be asked, or not any more; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    policy = read_policy(params)
    statement_timeout_s = max(params["statement_timeout"], params["terminate_timeout_s"] + ANSWER_S)
    with log_in(params, statement_timeout_s) as session:
        termination = Termination(session, params, policy)
        try:
            termination.do(check_mode=check_mode)
        except PostgresError as error:
            error.details.update(termination.report())
            raise
        return termination.report()


def read_policy(params: dict[str, Any]) -> sessions.Policy:
    """Turn the options into a policy; the database may still be missing.

    Raises:
        IncidentsError: an option makes no sense.
    """
    for option, least in LEAST.items():
        if params[option] < least:
            raise IncidentsError(f"Choosing idle sessions: {option} must be {least} or more, not {params[option]}")
    for option in ("warn_ratio", "target_ratio"):
        if not 0 <= params[option] <= 1:  # also true of NaN
            raise IncidentsError(f"Choosing idle sessions: {option} is a share from 0 to 1, not {params[option]:g}")
    if params["max_terminate"] > MOST_IN_ONE_RUN:
        msg = f"Choosing idle sessions: max_terminate {params['max_terminate']} is above the limit {MOST_IN_ONE_RUN}"
        raise IncidentsError(f"{msg}; end fewer and look again")
    try:
        return sessions.Policy(
            database=params["database"] or "",
            states=params["states"],
            min_idle_s=params["min_idle_s"],
            min_idle_in_transaction_s=params["min_idle_in_transaction_s"],
            exclude_users=params["exclude_users"],
            exclude_applications=params["exclude_applications"],
            exclude_addresses=sessions.parse_networks(params["exclude_addresses"]),
            max_terminate=params["max_terminate"],
            keep_min_per_application=params["keep_min_per_application"],
            targets=sessions.parse_targets(params["targets"]),
        )
    except ValueError as error:
        raise IncidentsError(f"Choosing idle sessions: an option makes no sense: {error}") from error


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **postgres_argument_spec(),
        "database": {"type": "str"},
        "states": {
            "type": "list",
            "elements": "str",
            "choices": ["idle", "idle in transaction", "idle in transaction (aborted)"],
            "default": ["idle"],
        },
        "min_idle_s": {"type": "int", "default": 600},
        "min_idle_in_transaction_s": {"type": "int", "default": 120},
        "exclude_users": {"type": "list", "elements": "str", "default": []},
        "exclude_applications": {
            "type": "list",
            "elements": "str",
            "default": ["pgbouncer*", "debezium*", "pg_dump*", "migration*", "incident-runbook"],
        },
        "exclude_addresses": {"type": "list", "elements": "str", "default": []},
        "max_terminate": {"type": "int", "default": 20},
        "keep_min_per_application": {"type": "int", "default": 1},
        "batch_size": {"type": "int", "default": 5},
        "warn_ratio": {"type": "float", "default": 0.80},
        "target_ratio": {"type": "float", "default": 0.70},
        "force_reason": {"type": "str"},
        "terminate_timeout_s": {"type": "int", "default": 5},
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=postgres_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
