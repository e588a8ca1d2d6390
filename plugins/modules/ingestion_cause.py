# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell why metrics are ingested late."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: ingestion_cause
short_description: Tell why metrics are ingested late, from platforms, worker and ClickHouse
version_added: 0.1.0
description:
  - Reads what other modules found out about the social platforms, the metric worker and ClickHouse, and names one
    cause. The first one that is proven counts, RV(also) has the others.
  - What keeps ClickHouse from taking rows comes first, then a worker that does not run, then what platforms refuse.
  - What platforms answer now outranks what was logged. Log lines count only while rows may be late, and those of a
    platform only where it could not be asked. A line is not counted where a newer one says that it is over.
  - It only computes. It opens no connection.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  social:
    description: The result of M(brandconnect.incidents.social_probe).
    type: dict
    default: {}
  clickhouse:
    description:
      - The result of M(brandconnect.incidents.clickhouse_disk), with the tables whose newest row is looked for.
    type: dict
    default: {}
  worker:
    description: The result of M(brandconnect.incidents.k8s_workload) for the metric worker.
    type: dict
    default: {}
  logs:
    description:
      - The result of M(brandconnect.incidents.k8s_logs) for it, classified into V(rate_limit), V(unauthorized) and
        V(network), and of ClickHouse V(disk), V(parts), V(readonly) and V(database). Classes such as V(stored_meta)
        say that rows of a platform were written. Other classes are ignored.
      - Lines of one platform are in classes such as V(rate_limit_meta) and V(unauthorized_youtube).
    type: dict
    default: {}
  paused:
    description: Platforms that the worker is told to leave out, of which no ingestion is expected.
    type: list
    elements: str
    default: []
  platform_ages:
    description: Age in seconds of the newest row of each platform, as far as it is known.
    type: dict
    default: {}
  max_lag_s:
    description: Seconds that the newest row may be old.
    type: float
    default: 7200
  disk_used_ratio:
    description: Used share of ClickHouse's disk, 0 to 1, from metrics. It counts for a server that does not say it.
    type: float
  disk_crit:
    description: Used share of a disk, 0 to 1, from which it is the cause when every platform serves us.
    type: float
    default: 0.9
  recent_s:
    description: Seconds within which a pod must have run out of memory.
    type: float
    default: 7200
  dashboard_reported:
    description: Whether somebody sees old data on a dashboard.
    type: bool
    default: false
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.social_probe
  - module: brandconnect.incidents.clickhouse_disk
  - module: brandconnect.incidents.k8s_workload
  - module: brandconnect.incidents.k8s_logs
"""

EXAMPLES = r"""
- name: Tell why metrics are late
  brandconnect.incidents.ingestion_cause:
    social: "{{ social }}"
    clickhouse: "{{ clickhouse }}"
    worker: "{{ metric_worker }}"
    logs: "{{ metric_worker_logs }}"
  register: why
"""

RETURN = r"""
cause:
  description:
    - V(clickhouse_down) when neither we nor the worker reach it.
    - V(replica_readonly) when a replicated table takes no rows.
    - V(disk_full) when rows are refused for lack of space, or a disk is nearly full and every platform serves us.
    - V(mutation_stuck) when a mutation fails again and again.
    - V(too_many_parts) when rows are refused because a partition has too many parts.
    - V(worker_failing) when the worker crashes, runs out of memory, or has no pod that is ready.
    - V(rate_limited) when a platform limits us, or the quota of the day is used.
    - V(token) when accounts have to be authorized again.
    - V(network) when neither we nor the worker reach any platform.
    - V(platform_down) when a platform does not serve anybody.
    - V(dashboard_old) when rows are in time and somebody sees old ones.
    - V(none) when nothing is wrong, and all that could tell was asked.
    - V(unknown) otherwise, see RV(gaps).
  returned: success
  type: str
  sample: rate_limited
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: meta is rate limited until 2026-11-28T10:17:00.000000Z ((#80002) There have been too many calls)
also:
  description: What else is proven, each with C(cause) and C(reason).
  returned: success
  type: list
  elements: dict
  sample: [{cause: token, reason: "accounts have to be authorized again: youtube/UCbrandconnect (token expired)"}]
lagging:
  description: Whether rows are late; V(null) when that is not known.
  returned: success
  type: bool
  sample: true
lag_s:
  description: Age in seconds of the newest row, of the table where it is oldest; V(null) when that is not known.
  returned: success
  type: float
  sample: 9120
limited:
  description: Platforms that limit us.
  returned: success
  type: list
  elements: str
  sample: [meta]
retry_at:
  description: When all of them may be asked again; V(null) when there is none, or when it is not known.
  returned: success
  type: str
  sample: "2026-11-28T10:17:00.000000Z"
reauthorize:
  description:
    - Accounts that have to be authorized again, as in RV(brandconnect.incidents.social_probe#module:reauthorize).
  returned: success
  type: list
  elements: dict
  sample: []
platforms_ok:
  description: Platforms that serve every account that was asked for.
  returned: success
  type: list
  elements: str
  sample: [tiktok, youtube]
evidence:
  description: What was read, each with C(source).
  returned: success
  type: list
  elements: dict
  sample:
    - {source: freshness, table: metric_snapshots, age_s: 9120}
    - {source: disk, used_ratio: 0.41}
gaps:
  description: What is needed and not known.
  returned: success
  type: list
  elements: str
  sample: ["the worker's logs could not be examined: not asked"]
notes:
  description: What else is not known, without which the cause was decided.
  returned: success
  type: list
  elements: str
  sample: []
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.ingestion_cause import (
    Limits,
    ingestion_cause,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.ingestion_cause_read import read_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Telling why metrics are late"
_RESULTS = ("social", "clickhouse", "worker", "logs")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Tell the cause; see RETURN.

    Raises:
        IncidentsError: a limit makes no sense.
    """
    for name in ("max_lag_s", "recent_s"):
        if not params[name] >= 0:  # also true of NaN
            raise IncidentsError(f"{ATTEMPTED}: {name} must not be negative, and is {params[name]:g}")
    if not 0 < params["disk_crit"] <= 1:
        raise IncidentsError(f"{ATTEMPTED}: disk_crit must be more than 0 and at most 1, not {params['disk_crit']:g}")
    if not 0 <= (params["disk_used_ratio"] or 0) <= 1:
        raise IncidentsError(f"{ATTEMPTED}: disk_used_ratio must be 0 to 1, not {params['disk_used_ratio']:g}")
    now = dt.datetime.now(dt.UTC)
    facts = read_facts(
        {name: params[name] or {} for name in _RESULTS},
        ages=params["platform_ages"] or {},
        measured=params["disk_used_ratio"],
        now=now,
        recent_s=params["recent_s"],
        paused=params["paused"],
    )
    return ingestion_cause(facts, Limits(params["max_lag_s"], params["disk_crit"], params["dashboard_reported"]))


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **{name: {"type": "dict", "default": {}} for name in _RESULTS},
        "paused": {"type": "list", "elements": "str", "default": []},
        "platform_ages": {"type": "dict", "default": {}},
        "max_lag_s": {"type": "float", "default": 7200},
        "disk_used_ratio": {"type": "float"},
        "disk_crit": {"type": "float", "default": 0.9},
        "recent_s": {"type": "float", "default": 7200},
        "dashboard_reported": {"type": "bool", "default": False},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
