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
  - Says how the worker is told to ingest, and what would make it ask less often, see RV(settings) and RV(slower).
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
    description:
      - The result of M(brandconnect.incidents.k8s_workload) for the metric worker, with the variables
        O(interval_variable) and O(paused_variable).
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
  volume:
    description:
      - The result of M(brandconnect.incidents.prometheus_query) for ClickHouse's volume, with the queries C(volumes),
        the number of volumes, C(used_ratio), C(total_bytes) and C(free_bytes). It counts for a server that does not say
        its disk, and only where there is one volume.
    type: dict
    default: {}
  interval_variable:
    description: The environment variable that tells the worker how many seconds are between two ingestions.
    type: str
    default: METRIC_INGESTION_INTERVAL
  paused_variable:
    description:
      - The environment variable that tells the worker which platforms to leave out, with commas between them. Of those
        no ingestion is expected.
    type: str
    default: METRIC_PAUSED_PLATFORMS
  slow_platform:
    description:
      - What RV(slower) is to slow down. V(limited) pauses the platforms that limit us; where all that have accounts do,
        or are paused, the interval is raised instead. V(all) raises the interval, a name pauses this platform.
    type: str
    choices: [limited, all, meta, tiktok, youtube]
    default: limited
  slow_interval_s:
    description: The interval in seconds that RV(slower) sets where it raises the interval.
    type: int
    default: 3600
  sync_platforms:
    description: Platforms of which RV(can_sync) says whether their metrics can be synced by hand.
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
  - module: brandconnect.incidents.prometheus_query
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
settings:
  description: How the worker is told to ingest, as far as it is shown.
  returned: success
  type: dict
  contains:
    interval_s:
      description: Seconds between two ingestions; 0 where the worker is not told, or where that is no number.
      type: float
    paused:
      description: Platforms that it is told to leave out.
      type: list
      elements: str
    unread:
      description:
        - Variables whose present value is not known, or is no number. So it is where the worker or a ConfigMap could
          not be read, where a definition that may count is not shown, where containers have one each, or where a Secret
          may define them.
      type: list
      elements: str
  sample: {interval_s: 1800.0, paused: [], unread: []}
slower:
  description: What would slow ingestion down, as O(slow_platform) wants it.
  returned: success
  type: dict
  contains:
    all:
      description: Whether all platforms are asked less often.
      type: bool
    platforms:
      description: Otherwise those to pause.
      type: list
      elements: str
    sets:
      description: The variables with their new values.
      type: dict
    unread:
      description: Variables that decide it, or would be overwritten, and are in RV(settings.unread).
      type: list
      elements: str
    done:
      description: Whether it is so already.
      type: bool
    refusal:
      description: Why it must not be set; V(null) where it may be.
      type: str
  sample:
    all: false
    platforms: [meta]
    sets: {METRIC_PAUSED_PLATFORMS: meta}
    unread: []
    done: false
    refusal: null
can_sync:
  description: Whether each of O(sync_platforms) serves us, and is known not to be paused.
  returned: success
  type: bool
  sample: true
disk:
  description: ClickHouse's disk; V(null) for what is not known.
  returned: success
  type: dict
  contains:
    used_ratio:
      description: Used share, 0 to 1, as the server says it, or else the metrics of its volume.
      type: float
    volume:
      description: What these metrics say, C(used_ratio), C(total_bytes) and C(free_bytes).
      type: dict
  sample:
    used_ratio: 0.41
    volume: {used_ratio: 0.4, total_bytes: 107374182400, free_bytes: 64424509440}
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.ingestion_cause import (
    Limits,
    ingestion_cause,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.ingestion_cause_read import read_facts
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.ingestion_cause_volume import read_volume
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.social import PLATFORMS
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.worker_settings import (
    ALL,
    LIMITED,
    Variables,
    Wish,
    can_sync,
    platforms_there,
    read_settings,
    slowed,
)
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
    results = {name: params[name] or {} for name in _RESULTS}
    settings = read_settings(results["worker"], Variables(params["interval_variable"], params["paused_variable"]))
    volume = read_volume(params["volume"] or {})
    facts = read_facts(
        results,
        ages=params["platform_ages"] or {},
        measured=volume["used_ratio"],
        now=dt.datetime.now(dt.UTC),
        recent_s=params["recent_s"],
        paused=settings.paused,
    )
    why = ingestion_cause(facts, Limits(params["max_lag_s"], params["disk_crit"], params["dashboard_reported"]))
    wish = Wish(params["slow_platform"], params["slow_interval_s"])
    return {
        **why,
        "settings": settings.plain(),
        "slower": slowed(settings, why["limited"], wish, platforms_there(results["social"])),
        "can_sync": can_sync(settings, why["platforms_ok"], params["sync_platforms"]),
        "disk": {"used_ratio": facts.used_ratio, "volume": volume},
    }


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **{name: {"type": "dict", "default": {}} for name in (*_RESULTS, "volume")},
        "interval_variable": {"type": "str", "default": Variables.interval},
        "paused_variable": {"type": "str", "default": Variables.paused},
        "slow_platform": {"type": "str", "choices": [LIMITED, ALL, *PLATFORMS], "default": LIMITED},
        "slow_interval_s": {"type": "int", "default": Wish.interval_s},
        "sync_platforms": {"type": "list", "elements": "str", "default": []},
        "platform_ages": {"type": "dict", "default": {}},
        "max_lag_s": {"type": "float", "default": 7200},
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
