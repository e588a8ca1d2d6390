# SPDX-License-Identifier: GPL-3.0-or-later
"""Let Redis save a snapshot of its data, and wait for its end."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: redis_save
short_description: Let Redis save a snapshot of its data, and wait for its end
version_added: 0.1.0
description:
  - Sends C(BGSAVE), as before a restart that would lose what is in no file, and waits until the snapshot is on disk.
  - A save or a rewrite that is under way is waited for first.
  - When the last snapshot has every change, nothing is done.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  wait_s:
    description:
      - Seconds to wait for the end, 1 to 600. After that RV(status) is V(unknown), because the save goes on.
    type: int
    default: 60
  max_used_bytes:
    description: A server that holds more is refused, at most 64 GiB.
    type: int
    default: 8589934592
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.redis
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode everything is read and decided, and nothing is saved.
  - It needs C(INFO) and C(BGSAVE).
  - Redis forks for a save. That stops it for some milliseconds for each GiB, and takes memory for what is written
    meanwhile.
  - A save that fails makes Redis refuse writes where C(save) and C(stop-writes-on-bgsave-error) are set. See to it
    that the disk has room.
seealso:
  - module: brandconnect.incidents.redis_info
  - module: brandconnect.incidents.redis_persistence
"""

EXAMPLES = r"""
- name: Plan to save what a restart would lose
  brandconnect.incidents.redis_save:
    redis_host: redis.example.com
    redis_password: "{{ lookup('ansible.builtin.env', 'REDIS_PASSWORD') }}"
  check_mode: true
  register: plan

- name: Save it
  brandconnect.incidents.redis_save:
    redis_host: redis.example.com
    redis_password: "{{ lookup('ansible.builtin.env', 'REDIS_PASSWORD') }}"
    targets: "{{ plan.targets }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do; V(done), V(nothing_to_do) or V(refused).
    - V(failed) when it could not be saved, or was not begun.
    - V(unknown) when no answer came or it did not end in time.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: the snapshot is saved
refusal:
  description:
    - With V(nothing_to_do), V(no_change).
    - With V(refused), V(plan_changed), V(loading), V(unknown_state) or V(too_large).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-24T15:40:12.110000Z"
targets:
  description: The server, with C(address), C(run_id), which is another after each start, C(role) and C(action).
  returned: success
  type: list
  elements: dict
  sample: [{address: "redis.example.com:6379", run_id: 0d0a2a1b9f, role: master, action: bgsave}]
before:
  description:
    - The last snapshot before, with C(rdb_last_save_time) in seconds since 1970, C(rdb_last_bgsave_ok),
      C(rdb_changes_since_last_save) and C(rdb_bgsave_in_progress).
  returned: success
  type: dict
  sample: {rdb_last_save_time: 1795620000, rdb_last_bgsave_ok: true, rdb_changes_since_last_save: 12,
           rdb_bgsave_in_progress: false}
after:
  description: The same after; empty when nothing was done.
  returned: success
  type: dict
  sample: {rdb_last_save_time: 1795621212, rdb_last_bgsave_ok: true, rdb_changes_since_last_save: 0,
           rdb_bgsave_in_progress: false}
results:
  description:
    - What became of it, with C(address), C(result), V(succeeded), V(failed), V(unknown), V(would_save) or
      V(not_attempted), and C(reason).
  returned: success
  type: list
  elements: dict
  sample: [{address: "redis.example.com:6379", result: succeeded, reason: null}]
caveats:
  description: What else counts, such as an append-only file, which is loaded in place of the snapshot.
  returned: success
  type: list
  elements: str
  sample: []
cause:
  description: Why the server could not be asked, as in RV(brandconnect.incidents.redis_info#module:cause).
  returned: failure
  type: str
  sample: refused
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: "nothing listens there: check redis_host, redis_port, the Service and its endpoints"
"""

import datetime as dt
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import (
    RedisServer,
    redis_argument_spec,
    redis_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_saving import (
    FAILED,
    NOT_ATTEMPTED,
    SUCCEEDED,
    UNKNOWN,
    read_info,
    save,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import redis_save
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report, same_targets
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Saving a snapshot of Redis"
LONGEST_WAIT_S = 600
MOST_BYTES = 64 * 2**30  # whatever the options say


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Save it; see RETURN.

    Raises:
        SendError: the server cannot be asked; nothing was changed.
        IncidentsError: the options make no sense.
    """
    if not 1 <= params["wait_s"] <= LONGEST_WAIT_S:
        raise IncidentsError(f"{ATTEMPTED}: wait_s must be 1 to {LONGEST_WAIT_S}, not {params['wait_s']}")
    if not 1 <= params["max_used_bytes"] <= MOST_BYTES:
        raise IncidentsError(f"{ATTEMPTED}: max_used_bytes must be 1 to {MOST_BYTES}, not {params['max_used_bytes']}")
    report = Report(dt.datetime.now(dt.UTC))
    with RedisServer(params) as server:
        failure = server.connect()
        info = failure or read_info(server)
        if isinstance(info, Failure):
            raise server.error(ATTEMPTED, info)
        _do(server, params, info, report, check_mode=check_mode)
    return report.plain()


def _do(server: RedisServer, params: dict[str, Any], info: dict[str, str], report: Report, *, check_mode: bool) -> None:
    """Decide, and save unless in check mode."""
    report.targets = [redis_save.target(server.address, info)]
    report.before = redis_save.state(info)
    report.caveats = redis_save.caveats(info)
    objection = redis_save.objection(info, params["max_used_bytes"])
    if objection is None and not same_targets(params["targets"], report.targets):
        objection = ("plan_changed", "it is another server than the plan was made for, or was started again")
    if objection:
        report.end("refused", objection[1], objection[0])
        _note(report, server, NOT_ATTEMPTED, objection[1])
    elif redis_save.nothing_to_do(info):
        report.end("nothing_to_do", "its last snapshot has every change", "no_change")
    elif check_mode:
        report.changed = True
        report.end("planned", "a snapshot would be saved")
        _note(report, server, "would_save", None)
    else:
        _save(server, params["wait_s"], info, report)


def _save(server: RedisServer, wait_s: int, info: dict[str, str], report: Report) -> None:
    saved = save(server, info, wait_s)
    report.changed = saved.result in {SUCCEEDED, UNKNOWN}
    report.after = redis_save.state(saved.info)
    status = {SUCCEEDED: "done", UNKNOWN: "unknown", FAILED: "failed", NOT_ATTEMPTED: "failed"}[saved.result]
    report.end(status, saved.reason)
    _note(report, server, saved.result, None if saved.result == SUCCEEDED else saved.reason)


def _note(report: Report, server: RedisServer, result: str, reason: str | None) -> None:
    report.results = [{"address": server.address, "result": result, "reason": reason}]


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **redis_argument_spec(),
        "wait_s": {"type": "int", "default": 60},
        "max_used_bytes": {"type": "int", "default": 8589934592},
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=redis_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
