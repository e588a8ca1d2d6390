# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which application holds PostgreSQL's connection slots."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: connection_holders
short_description: Tell which application holds PostgreSQL's connection slots, and whether it leaks them
version_added: 0.1.0
description:
  - Sums up sessions by application and names the one that holds most of the usable slots at rest.
  - An application leaks when its log says that its pool gave no connection in time while the server sees sessions of
    that pool at rest. Idle sessions alone only mean that the pool is large.
  - It only computes. It opens no connection.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  activity:
    description: The result of M(brandconnect.incidents.pg_activity).
    type: dict
  applications:
    description: The workloads whose sessions they may be.
    type: list
    elements: dict
    default: []
    suboptions:
      application:
        description: Its C(application_name).
        type: str
        required: true
      workload:
        description: Its name in the cluster.
        type: str
        required: true
      logs:
        description:
          - The result of M(brandconnect.incidents.k8s_logs), where lines of the class V(app_pool) say that a pool gave
            no connection in time.
        type: dict
  share:
    description: Share of the usable slots, held at rest, from which an application is suspect.
    type: float
    default: 0.5
  recent_s:
    description:
      - The last line that says that a pool gave no connection in time must not be older than this many seconds; with
        older ones only it is not known whether the application still leaks.
    type: int
    default: 300
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.pg_activity
  - module: brandconnect.incidents.k8s_logs
  - module: brandconnect.incidents.exhaustion_kind
"""

EXAMPLES = r"""
- name: Tell who holds the slots
  brandconnect.incidents.connection_holders:
    activity: "{{ activity }}"
    applications:
      - application: backend
        workload: backend
        logs: "{{ backend_logs }}"
  register: holders
"""

RETURN = r"""
holders:
  description: Every application with its sessions, most first. C(share) is that of the usable slots it holds at rest.
  returned: success
  type: list
  elements: dict
  sample:
    - {application: backend, sessions: 60, idle: 58, longest_idle_s: 2112.5, share: 0.5979}
suspect:
  description:
    - The application that holds most of the slots at rest, null when none holds O(share) of them.
    - C(leaks) is null when that is not known, with C(pool_time_outs) null when its logs were not read.
  returned: success
  type: dict
  sample: {application: backend, sessions: 60, idle: 58, longest_idle_s: 2112.5, share: 0.5979, workload: backend,
           pool_time_outs: 212, leaks: true}
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: >-
    backend holds 58 sessions at rest, 60% of the usable slots, while 212 of its log lines say that its pool gave no
    connection in time: it leaks them
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.holders import holders, suspect
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Tell who holds the slots; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    share = params["share"]
    if not 0 < share <= 1:  # also true of NaN
        raise IncidentsError(f"Telling who holds the connection slots: share is above 0 and up to 1, not {share:g}")
    if params["recent_s"] < 1:
        msg = f"Telling who holds the connection slots: recent_s must be 1 or more, not {params['recent_s']}"
        raise IncidentsError(msg)
    since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=params["recent_s"])
    found = holders(params["activity"])
    who, reason = suspect(found, params["applications"], share, since)
    return {"holders": found, "suspect": who, "reason": reason}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        "activity": {"type": "dict"},
        "applications": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "application": {"type": "str", "required": True},
                "workload": {"type": "str", "required": True},
                "logs": {"type": "dict"},
            },
        },
        "share": {"type": "float", "default": 0.5},
        "recent_s": {"type": "int", "default": 300},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
