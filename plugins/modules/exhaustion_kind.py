# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which connections are exhausted."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: exhaustion_kind
short_description: Tell which connections are exhausted, PostgreSQL's slots or a pool
version_added: 0.1.0
description:
  - Reads what PostgreSQL shows and what applications logged, and says which connections are exhausted.
  - What PostgreSQL shows now outranks what was logged. A pool's time-out counts as an exhausted pool only while the
    server has free slots, because with a full server the same text is a consequence.
  - It only computes. It opens no connection.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  activity:
    description: The result of M(brandconnect.incidents.pg_activity).
    type: dict
  logs:
    description:
      - Results of M(brandconnect.incidents.k8s_logs), classified into V(server_slots), V(app_pool), V(pgbouncer),
        V(refused), V(dns), V(auth), V(disk_full) and V(in_recovery). Other classes are ignored.
    type: list
    elements: dict
    default: []
  critical_ratio:
    description: Used ratio of the slots from which they count as exhausted.
    type: float
    default: 0.95
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.pg_activity
  - module: brandconnect.incidents.k8s_logs
"""

EXAMPLES = r"""
- name: Tell which connections are exhausted
  brandconnect.incidents.exhaustion_kind:
    activity: "{{ activity }}"
    logs: ["{{ backend_logs }}", "{{ worker_logs }}"]
  register: exhaustion
"""

RETURN = r"""
kind:
  description:
    - V(server_slots) when PostgreSQL has no slot left, for all or for one role or database.
    - V(app_pool) when an application's own pool is, while the server has free slots.
    - V(pgbouncer) when PgBouncer's limits are reached.
    - V(not_exhaustion) when connecting fails for another reason, RV(cause).
    - V(none) when neither the server nor a log shows anything, and all was read.
    - V(unknown) when something that could tell was not read, RV(gaps).
  returned: success
  type: str
  sample: server_slots
cause:
  description:
    - One of V(server_slots_exhausted), V(role_slots_exhausted), V(database_slots_exhausted), V(pooler_exhausted),
      V(pool_timeout), V(refused), V(dns), V(auth), V(disk_full), V(in_recovery), V(shutting_down).
    - Null for the kinds V(none) and V(unknown).
  returned: success
  type: str
  sample: server_slots_exhausted
current:
  description: Whether it is so now; false when only logs say so and the server has free slots; null when not known.
  returned: success
  type: bool
  sample: true
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: "97 of 97 usable slots in use, ratio 1"
evidence:
  description: What was read, first PostgreSQL, then each class of log lines that was seen.
  returned: success
  type: list
  elements: dict
  sample:
    - {source: postgres, reachable: true, cause: null, used_ratio: 1.0}
    - {source: logs, class: server_slots, lines: 212}
gaps:
  description: What could not be read.
  returned: success
  type: list
  elements: str
  sample: [logs of 2 of 3 pods were read]
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.exhaustion import exhaustion_kind
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Tell the kind; see RETURN.

    Raises:
        IncidentsError: the ratio makes no sense.
    """
    ratio = params["critical_ratio"]
    if not 0 < ratio <= 1:  # also true of NaN
        raise IncidentsError(f"Telling which connections are exhausted: critical_ratio is a share, not {ratio:g}")
    return exhaustion_kind(params["activity"], params["logs"], ratio)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        "activity": {"type": "dict"},
        "logs": {"type": "list", "elements": "dict", "default": []},
        "critical_ratio": {"type": "float", "default": 0.95},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
