# SPDX-License-Identifier: GPL-3.0-or-later
"""Find suspicious addresses in an audit trail."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: audit_ips
short_description: Find suspicious addresses in an audit trail
version_added: 0.1.0
description:
  - Finds addresses that take far more than before, those that guess passwords, and those that are new and take many
    records slowly, over days.
  - Networks that are trusted are left out, and an address that many actors share and have shared before is nobody's.
    Where one address has almost all rows, the application records its proxy's address and not its clients', and nothing
    can be told.
  - Whether an address is new is told by the first 64 bits of one of IPv6. C(::ffff:192.0.2.1) is C(192.0.2.1).
  - A database that is down, slow or refuses is a result with a C(cause) and the status V(unknown), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  min_events:
    description: An address with fewer rows is not loud.
    type: int
    default: 100
  ratio:
    description: How many times what is expected is unusual.
    type: float
    default: 5.0
  min_records:
    description: An address from which fewer different records were read is not suspicious for reading.
    type: int
    default: 25
  min_failed_logins:
    description: How many failed logins, if they are a tenth of the rows of the address, are guessing.
    type: int
    default: 10
  slow_min_days:
    description: On so many days at least is a new address used that is low and slow.
    type: int
    default: 3
  slow_max_per_hour:
    description: How many rows at most in each hour that has any are slow, on average.
    type: float
    default: 10.0
  shared_by:
    description: An address with so many actors, most of whom have come from it before, is a proxy's or a network's.
    type: int
    default: 10
  proxy_share:
    description: An address with a larger share of all rows is where all clients come from, so theirs are not recorded.
    type: float
    default: 0.9
  max_items:
    description: Longest length of each list in the result, 1 to 1000.
    type: int
    default: 50
extends_documentation_fragment:
  - brandconnect.incidents.audit
  - brandconnect.incidents.postgres
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
notes:
  - Reads the trail in one read-only snapshot. An index on C(created_at) serves short times. RV(plans) says what was
    used.
  - The role needs C(SELECT) on the trail. O(reserved_user) is not used.
seealso:
  - module: brandconnect.incidents.audit_scope
"""

EXAMPLES = r"""
- name: Find suspicious addresses
  brandconnect.incidents.audit_ips:
    since: "2026-11-14T00:00:00Z"
    until: "2026-11-28T00:00:00Z"
    trusted_cidrs: [192.0.2.0/24, 10.0.8.0/24]
    statement_timeout: 60
  register: ips

- name: Judge them
  brandconnect.incidents.finding:
    check: addresses
    rules:
      - when: ips.cause is not none
        status: unknown
        cause: "{{ ips.cause }}"
        summary: "{{ ips.message }}"
      - when: not ips.client_ip_recorded
        status: unknown
        cause: client_ip_not_recorded
        summary: "{{ ips.top.address }} has nearly all rows"
      - when: ips.suspicious_addresses
        status: degraded
        cause: suspicious_addresses
        summary: "{{ ips.suspicious_count }} suspicious addresses"
    otherwise: No address is suspicious
  vars:
    ips: "{{ ips }}"
"""

RETURN = r"""
reachable:
  description: Whether a login got in and the connection lasted.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why the trail was not read; V(null) when nothing stood in the way.
    - As in RV(brandconnect.incidents.sql_query#module:cause).
  returned: success
  type: str
  sample: timeout
message:
  description: What the server or libpq said to that, in one line.
  returned: success
  type: str
  sample: SQLSTATE 57014, canceling statement due to statement timeout
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: check network policies, the load of the server and whether its storage answers
status:
  description:
    - V(degraded) with suspicious addresses, V(ok) without where they could be told, otherwise V(unknown).
    - V(ok) needs rows of O(actions) or O(export_actions), most of them with an address, all of which can be read, and
      rows from before.
  returned: success
  type: str
  sample: degraded
client_ip_recorded:
  description:
    - Whether no address has more than O(proxy_share) of the rows; V(null) where more than half of the rows have none
      that can be read.
  returned: success
  type: bool
  sample: true
top:
  description: The address with most rows, trusted ones included.
  returned: success
  type: dict
  sample: {address: 192.0.2.10, events: 10021, share: 0.1476}
suspicious_addresses:
  description: Addresses that are suspicious.
  returned: success
  type: list
  elements: str
  sample: [198.51.100.23, 203.0.113.77]
suspicious_count:
  description: How many there are, also those that O(max_items) left out.
  returned: success
  type: int
  sample: 2
shared_addresses:
  description: Addresses that are not trusted, and that O(shared_by) actors or more use as most of them did before.
  returned: success
  type: list
  elements: str
  sample: [10.0.0.12]
addresses:
  description: What is known of both, suspicious ones first.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
    kinds:
      description:
        - V(loud), V(slow), V(guessing), V(exports) from a new address where that is not loud, and V(shared). An address
          that is V(shared) alone is not suspicious.
      type: list
      elements: str
    reasons:
      description: Why, one for each.
      type: list
      elements: str
    events:
      description: Rows.
      type: int
    taken:
      description: Rows of O(actions) and O(export_actions).
      type: int
    exports:
      description: Rows of O(export_actions).
      type: int
    failed_logins:
      description: Rows of O(failed_login_actions).
      type: int
    records:
      description: Different records that were read or exported.
      type: int
    actors:
      description: Different actors.
      type: int
    actor_ids:
      description: Some of them, ten at most.
      type: list
      elements: int
    new:
      description: Whether the baseline has no row of it, or of its network in IPv6.
      type: bool
    new_for_actors:
      description: For how many of the actors it is new.
      type: int
    expected:
      description: Rows that the baseline leads to expect.
      type: float
    ratio:
      description: Rows by those that are expected; V(null) where none are.
      type: float
    first_seen:
      description: Time of the first row.
      type: str
    last_seen:
      description: Time of the last one.
      type: str
    hours:
      description: In how many hours there are rows.
      type: int
    days:
      description: On how many days.
      type: int
    per_hour:
      description: Rows by such an hour.
      type: float
  sample:
    - {address: 203.0.113.77, kinds: [slow, guessing], reasons: ["new, 3.5 rows an hour on 11 days, 216 records",
       "40 failed logins"], events: 281, taken: 240, exports: 0, failed_logins: 40, records: 216, actors: 1,
       actor_ids: [65], new: true, new_for_actors: 1, expected: 0.0, ratio: null,
       first_seen: "2026-11-15T20:26:27.923833Z", last_seen: "2026-11-25T21:26:33.923833Z", hours: 80, days: 11,
       per_hour: 3.51}
omitted:
  description: How many addresses are not listed, or were not looked at.
  returned: success
  type: int
  sample: 0
totals:
  description: Rows in this time, those without an address, those whose address is none, and how many are trusted.
  returned: success
  type: dict
  sample: {events: 67901, without_address: 1320, unreadable_addresses: 0, addresses: 2100, trusted_addresses: 2,
           trusted_events: 14021}
plans:
  description: Which indexes each query used, and whether it read a table from end to end.
  returned: success
  type: list
  elements: dict
  sample: [{query: addresses, indexes: [idx_audit_logs_created_at], sequential: false}]
duration_s:
  description: Seconds that it took; V(null) when it was not read.
  returned: success
  type: float
  sample: 0.871
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import audit_statements as statements
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.audit_options import (
    action_options,
    bounded,
    common_spec,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.audit_scoping import asked, query_values
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import postgres_secrets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import audit_ips, audit_window
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.audit_window import Window
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

if TYPE_CHECKING:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres import Session

ATTEMPTED = "Finding suspicious addresses"
MOST_CANDIDATES = 2000
MOST_ACTORS = 10
BOUNDS = {
    "min_events": (1, 1_000_000_000),
    "ratio": (1.0, 1000.0),
    "min_records": (1, 1_000_000),
    "min_failed_logins": (1, 1_000_000),
    "slow_min_days": (1, 92),
    "slow_max_per_hour": (0.1, 1_000_000.0),
    "shared_by": (2, 1_000_000),
    "proxy_share": (0.1, 1.0),
    "max_items": (1, 1000),
}


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Look at the trail. A sick server is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    bounded(ATTEMPTED, params, BOUNDS)
    window = audit_window.window(ATTEMPTED, params["since"], params["until"], params["baseline_weeks"])
    wanted = {
        **params,
        **action_options(ATTEMPTED, params),
        "trusted_cidrs": audit_window.networks(ATTEMPTED, params["trusted_cidrs"]),
    }
    return asked(wanted, _nothing_known(), lambda session, given: _look(session, given, window))


def _look(session: Session, params: Mapping[str, Any], window: Window) -> dict[str, Any]:
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.audit_reads import (  # noqa: PLC0415
        Trail,
    )

    trail = Trail(session, params["schema"], params["table"])
    values = {
        **query_values(params, window),
        **{name: params[name] for name in ("min_events", "min_failed_logins", "slow_min_days")},
        "most": MOST_CANDIDATES,
        "most_actors": MOST_ACTORS,
    }
    with trail.snapshot():
        totals = trail.read("totals", statements.TOTALS, values)[0]
        baseline = trail.read("baseline", statements.BASELINE, values)[0]
        rows = trail.read("addresses", statements.ADDRESSES, values)
    limits = audit_ips.Limits(
        **{name: params[name] for name in BOUNDS if name != "max_items"}, most=params["max_items"]
    )
    return {
        **audit_ips.judge(rows, totals, window.scale, limits, compared=baseline["any_rows"]),
        "plans": trail.plans,
    }


def _nothing_known() -> dict[str, Any]:
    unknown = ("events", "without_address", "unreadable_addresses", "addresses", "trusted_addresses", "trusted_events")
    return {
        "reachable": False,
        **dict.fromkeys(("cause", "message", "hint", "duration_s", "client_ip_recorded")),
        "status": "unknown",
        "top": {"address": None, "events": None, "share": None},
        "suspicious_addresses": [],
        "suspicious_count": 0,
        "shared_addresses": [],
        "addresses": [],
        "omitted": 0,
        "totals": dict.fromkeys(unknown),
        "plans": [],
    }


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **common_spec(),
        "min_events": {"type": "int", "default": 100},
        "ratio": {"type": "float", "default": 5.0},
        "min_records": {"type": "int", "default": 25},
        "min_failed_logins": {"type": "int", "default": 10},
        "slow_min_days": {"type": "int", "default": 3},
        "slow_max_per_hour": {"type": "float", "default": 10.0},
        "shared_by": {"type": "int", "default": 10},
        "proxy_share": {"type": "float", "default": 0.9},
        "max_items": {"type": "int", "default": 50},
    },
    secrets=postgres_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
