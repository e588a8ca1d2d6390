# SPDX-License-Identifier: GPL-3.0-or-later
"""Read rows from PostgreSQL with one query that can change nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sql_query
short_description: Read rows from PostgreSQL with one query that can change nothing
version_added: 0.1.0
description:
  - Runs one C(SELECT), C(VALUES) or C(TABLE), also after C(WITH), as a cursor inside a read-only transaction that is
    rolled back. The server refuses anything else, several statements, and whatever would write to a table.
  - Values are given to the server apart from the query, never put into its text.
  - Rows come back as JSON data, bounded in number and length. Instants are RFC 3339 in UTC, numbers are exact.
  - A server that is down, slow or refuses the query is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  query:
    description:
      - The query, with C(%(name)s) where a value of O(args) belongs. With O(args), other percent signs are doubled.
      - Columns need names of their own.
    type: str
    required: true
  args:
    description: Values by name, each a value or a list, which is an array, as in C(id = ANY(%(ids)s)).
    type: dict
    default: {}
  schema:
    description: Schema in which tables are looked for, after C(pg_catalog).
    type: str
    default: public
  max_rows:
    description: How many rows are returned at most, up to 10000. Whether there are more is in RV(truncated).
    type: int
    default: 1000
  max_value_length:
    description: How many characters of each value are returned. How many values were longer is in RV(values_cut).
    type: int
    default: 1000
extends_documentation_fragment:
  - brandconnect.incidents.postgres
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
notes:
  - A read-only transaction does not hold back functions that act beyond it, such as C(pg_terminate_backend),
    C(pg_reload_conf), C(dblink) or C(lo_export), nor functions of the platform's own in a language that is not trusted.
    Queries that name a known one are refused, which is a guard against mistakes. What a query can really do is what the
    role may; log in with one that has C(SELECT) only, and never with a superuser. RV(superuser) tells.
  - O(reserved_user) is not used. Queries of any kind do not belong in a superuser's session, nor in the last slots.
  - What looks like a key, a token or a password in a value is masked.
seealso:
  - module: brandconnect.incidents.pg_activity
"""

EXAMPLES = r"""
- name: Count payments by minute
  brandconnect.incidents.sql_query:
    query: |
      SELECT date_trunc('minute', created_at) AS minute, count(*) AS payments
      FROM audit_logs
      WHERE action ILIKE '%%payment%%' AND created_at >= now() - make_interval(mins => %(minutes)s)
      GROUP BY 1 ORDER BY 1 DESC
    args:
      minutes: 15
  register: rate

- name: Judge them
  brandconnect.incidents.finding:
    check: payment_rate
    rules:
      - when: rate.cause is not none
        status: unknown
        cause: "{{ rate.cause }}"
        summary: "{{ rate.message }}"
      - when: not rate.rows
        status: degraded
        cause: no_payments
        summary: No payment in 15 minutes
    otherwise: "{{ rate.rows | length }} minutes with payments"
  vars:
    rate: "{{ rate }}"
"""

RETURN = r"""
reachable:
  description: Whether a login got in and the connection lasted.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why there are no rows to judge by; V(null) when the query ran.
    - As in RV(brandconnect.incidents.pg_activity#module:cause), or of the query V(invalid_query), V(invalid_data),
      V(read_only), V(forbidden), V(locked), V(conflict), V(out_of_resources) or V(timeout).
  returned: success
  type: str
  sample: invalid_query
message:
  description: What the server or libpq said to that, in one line.
  returned: success
  type: str
  sample: 'SQLSTATE 42P01, relation "payment" does not exist'
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: there is no such table in this schema; check its name, schema and the database
columns:
  description: Names of the columns.
  returned: success
  type: list
  elements: str
  sample: [minute, payments]
rows:
  description:
    - The rows, by column. An instant without a time zone is taken as UTC, an interval is in seconds with months of 30
      days, binary data is hexadecimal, and what JSON has no type for is the server's text.
    - NaN and infinity are V(null), a number that is not exact in JSON is text.
  returned: success
  type: list
  elements: dict
  sample: [{minute: "2026-11-24T15:00:00.000000Z", payments: 61}]
row_count:
  description: Number of RV(rows).
  returned: success
  type: int
  sample: 1
value:
  description: The value where there is one row with one column; V(null) otherwise.
  returned: success
  type: raw
  sample: null
truncated:
  description: Whether there are more rows than O(max_rows).
  returned: success
  type: bool
  sample: false
values_cut:
  description: How many values were longer than O(max_value_length).
  returned: success
  type: int
  sample: 0
role:
  description: The role that logged in; V(null) when none did.
  returned: success
  type: str
  sample: brandconnect_ops
superuser:
  description: Whether it is a superuser; V(null) when that is not known.
  returned: success
  type: bool
  sample: false
duration_s:
  description: Seconds that the query took; V(null) when it did not run.
  returned: success
  type: float
  sample: 0.012
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_errors import (
    Failure,
    PostgresError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import sql_query
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.masking import mask
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError
from ansible_collections.brandconnect.incidents.plugins.module_utils.plain import to_plain

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session

BOUNDS = {"max_rows": (1, 10_000), "max_value_length": (10, 100_000)}
WHO = "SELECT current_user AS role, current_setting('is_superuser') = 'on' AS superuser"


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Ask. A sick server and a refused query are results; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    args = _checked(params)
    result = _nothing_known()
    try:
        session = _log_in({**params, "reserved_user": None, "reserved_password": None}, params["statement_timeout"])
    except PostgresError as error:
        return result | _problem(error.failure)
    with session:
        result["reachable"] = True
        try:
            result |= session.ask(WHO)[0]
            _ask(session, params, args, result)
        except PostgresError as error:
            result |= _refused(error.failure) | {"reachable": not session.lost}
    return result


def _checked(params: Mapping[str, Any]) -> dict[str, Any]:
    attempted = "Asking PostgreSQL"
    for option, (least, most) in BOUNDS.items():
        if not least <= params[option] <= most:
            raise IncidentsError(f"{attempted}: {option} must be between {least} and {most}, not {params[option]}")
    args: dict[str, Any] = to_plain(params["args"])
    problem = sql_query.objection(params["query"]) or sql_query.argument_objection(args)
    if problem:
        raise IncidentsError(f"{attempted}: {problem}")
    return args


def _nothing_known() -> dict[str, Any]:
    return {
        "reachable": False,
        **dict.fromkeys(("cause", "message", "hint", "value", "role", "superuser", "duration_s")),
        "columns": [],
        "rows": [],
        "row_count": 0,
        "truncated": False,
        "values_cut": 0,
    }


def _log_in(params: Mapping[str, Any], statement_timeout: float) -> Session:
    # psycopg takes 0.2 s to load: in a worker that is beside what other components wait for
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import (  # noqa: PLC0415
        log_in,
    )

    return log_in(params, statement_timeout)


def _ask(session: Session, params: Mapping[str, Any], args: dict[str, Any], result: dict[str, Any]) -> None:
    started = time.monotonic()
    most = params["max_rows"]
    columns, found = session.select(str(params["query"]), args or None, most + 1, params["schema"])
    result["duration_s"] = round(time.monotonic() - started, 3)
    twice = sql_query.duplicates(columns)
    if twice:
        message = f"several columns are called {', '.join(twice)}"
        result |= {"cause": "invalid_query", "message": message, "hint": "give each column a name with AS"}
        return
    rows, cut = sql_query.plain_rows(columns, found[:most], params["max_value_length"])
    result |= {
        "columns": columns,
        "rows": rows,
        "row_count": len(rows),
        "value": rows[0][columns[0]] if len(rows) == len(columns) == 1 else None,
        "truncated": len(found) > most,
        "values_cut": cut,
    }


def _problem(failure: Failure) -> dict[str, Any]:
    return {"cause": failure.cause, "message": failure.text, "hint": failure.next_step}


def _refused(failure: Failure) -> dict[str, Any]:
    cause, hint = sql_query.refusal(failure.sqlstate, failure.cause)
    return {"cause": cause, "message": mask(failure.text), "hint": hint or failure.next_step}  # it may quote a value


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **postgres_argument_spec(),
        "query": {"type": "str", "required": True},
        "args": {"type": "dict", "default": {}},
        "schema": {"type": "str", "default": "public"},
        "max_rows": {"type": "int", "default": 1000},
        "max_value_length": {"type": "int", "default": 1000},
    },
    secrets=postgres_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
