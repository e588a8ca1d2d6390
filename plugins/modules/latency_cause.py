# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell why an API is slow."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: latency_cause
short_description: Tell why an API is slow, from its latency, the database and its pods
version_added: 0.1.0
description:
  - Reads what other modules found out and names one cause. The first one that is proven counts.
  - A result whose system did not answer proves nothing and excludes nothing; it is told in RV(gaps).
  - It only computes. It opens no connection.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  latency:
    description: The result of M(brandconnect.incidents.api_latency).
    type: dict
    default: {}
  statements:
    description: The result of M(brandconnect.incidents.pg_statements).
    type: dict
    default: {}
  activity:
    description: The result of M(brandconnect.incidents.pg_activity).
    type: dict
    default: {}
  hpa:
    description: The result of M(brandconnect.incidents.k8s_hpa) for the API's workload.
    type: dict
    default: {}
  top:
    description: The result of M(brandconnect.incidents.k8s_top) for it.
    type: dict
    default: {}
  workload:
    description: The result of M(brandconnect.incidents.k8s_workload) for it.
    type: dict
    default: {}
  connection_budget:
    description: The result of M(brandconnect.incidents.connection_budget).
    type: dict
    default: {}
  slo_p95_ms:
    description: The objective in milliseconds.
    type: float
    default: 500
  throttling_ratio:
    description: A pod that is throttled in a larger share of the periods of its CPU quota lacks CPU.
    type: float
    default: 0.25
  part_share:
    description: The database or a called service is the cause when requests spend this share of their time on it.
    type: float
    default: 0.5
  deploy_window_s:
    description: Seconds within which a rollout may be the cause.
    type: float
    default: 1800
  rows_per_scan:
    description: A table of which so many rows are read from end to end, each time, lacks an index.
    type: float
    default: 10000
  min_rps:
    description: Fewer requests per second than this, before or a day ago, are nothing to compare with.
    type: float
    default: 0.1
  database_part:
    description: Name of the database in RV(brandconnect.incidents.api_latency#module:parts).
    type: str
    default: database
  pool_part:
    description: Name of the wait for a connection of the API's own pool there.
    type: str
    default: pool
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.api_latency
  - module: brandconnect.incidents.pg_statements
  - module: brandconnect.incidents.k8s_hpa
  - module: brandconnect.incidents.k8s_scale
"""

EXAMPLES = r"""
- name: Tell why the API is slow
  brandconnect.incidents.latency_cause:
    latency: "{{ latency }}"
    statements: "{{ statements }}"
    activity: "{{ activity }}"
    hpa: "{{ growth }}"
    top: "{{ usage }}"
    workload: "{{ backend }}"
    connection_budget: "{{ budget }}"
  register: why
"""

RETURN = r"""
cause:
  description:
    - V(none) when it is not slow, V(no_traffic) when there is too little traffic to say so.
    - V(locks) when sessions of the database have waited for locks, not advisory ones, for a second or the objective.
      Where nothing is slow, or there is no traffic, only when several have, or one for 5 s, since requests that hang
      are not measured. V(slots) is looked for then, too.
    - V(one_pod) when one of several pods is slow.
    - V(regression) when a rollout within O(deploy_window_s) made it slower than before, or than a day ago where
      that is not known.
    - V(capacity) when pods lack CPU or the autoscaler is at its maximum.
    - V(missing_index) when most time is spent in the database and a large table is read from end to end, V(slow_sql)
      when none is.
    - V(slots) when the connections of the database are taken, V(pool) when requests wait for one of the API's own pool.
    - V(dependency) when most time is spent on a called service.
    - V(network) when it is slow before the API and not in it.
    - V(unknown) otherwise, see RV(gaps); also without traffic where before, or a day ago, there was much of it.
  returned: success
  type: str
  sample: capacity
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: the autoscaler backend is at its maximum of 6 and wants more
remedy:
  description:
    - What helps. V(end_blocker), V(evict_pod), V(undo_rollout), V(scale_backend), V(resize_pool) or V(create_index).
    - V(null) when nothing of this collection does, or RV(objection) is against it.
  returned: success
  type: str
  sample: scale_backend
risk:
  description: Its class of risk, V(safe) without a remedy.
  returned: success
  type: str
  sample: disruptive
objection:
  description: Why what would help must not be done now, such as a connection budget that is not known; or V(null).
  returned: success
  type: str
  sample: null
proposal:
  description:
    - With V(missing_index), the index that the most expensive plain statement on that table asks for, as
      M(brandconnect.incidents.pg_index) takes it. V(null) where no statement says enough.
  returned: success
  type: dict
  sample:
    schema: public
    table: campaigns
    columns: [{name: status, order: asc}, {name: created_at, order: desc}]
    method: btree
    query_id: "-7041230215823321465"
    statement: SELECT * FROM campaigns WHERE status = $1 ORDER BY created_at DESC LIMIT $2
evidence:
  description: What was read, each with C(source).
  returned: success
  type: list
  elements: dict
  sample: [{source: hpa, verdict: at_max}]
gaps:
  description: What is not known.
  returned: success
  type: list
  elements: str
  sample: ["statements: not asked"]
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.latency_cause import (
    INPUTS,
    Limits,
    latency_cause,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Tell the cause; see RETURN.

    Raises:
        IncidentsError: an option makes no sense.
    """
    for option in ("slo_p95_ms", "deploy_window_s", "rows_per_scan", "min_rps"):
        if not params[option] >= 0:  # also true of NaN
            raise IncidentsError(f"Telling why the API is slow: {option} must be 0 or more, not {params[option]:g}")
    for option in ("throttling_ratio", "part_share"):
        if not 0 < params[option] <= 1:
            raise IncidentsError(
                f"Telling why the API is slow: {option} is above 0 and up to 1, not {params[option]:g}"
            )
    limits = Limits(
        params["slo_p95_ms"],
        params["throttling_ratio"],
        params["part_share"],
        params["deploy_window_s"],
        params["database_part"],
        params["rows_per_scan"],
        params["pool_part"],
        params["min_rps"],
    )
    found = latency_cause({name: params[name] for name in INPUTS}, limits, dt.datetime.now(dt.UTC))
    return {"changed": False, **found}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **{name: {"type": "dict", "default": {}} for name in INPUTS},
        "slo_p95_ms": {"type": "float", "default": 500},
        "throttling_ratio": {"type": "float", "default": 0.25},
        "part_share": {"type": "float", "default": 0.5},
        "deploy_window_s": {"type": "float", "default": 1800},
        "rows_per_scan": {"type": "float", "default": 10000},
        "min_rps": {"type": "float", "default": 0.1},
        "database_part": {"type": "str", "default": "database"},
        "pool_part": {"type": "str", "default": "pool"},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
