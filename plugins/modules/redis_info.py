# SPDX-License-Identifier: GPL-3.0-or-later
"""Examine a Redis server, whether it takes writes, and what a restart would cost."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: redis_info
short_description: Examine a Redis server, whether it takes writes, and what a restart would cost
version_added: 0.1.0
description:
  - Connects, logs in and reads C(INFO) and a few settings of one server.
  - Tells a server that is down from one that wants a login, knows it not, or does not let it do something.
  - Says whether writes are accepted, by the rules of Redis and without writing. C(PONG) says nothing of that; a
    server whose memory is full, or a replica, answers it too.
  - Says what a restart would lose, and what to do instead where it would not help.
  - A server that is down, slow or refuses is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  pods:
    description: Pods of Redis, as in RV(brandconnect.incidents.k8s_workload#module:pods), for RV(restart).
    type: list
    elements: dict
  claims:
    description:
      - Volume claims of Redis, each with C(name) and C(phase), for RV(restart). An empty list says that there are
        none, so that the files of Redis go with its pod.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.redis
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
notes:
  - It needs C(PING) and C(INFO), of a node of a cluster also C(CLUSTER INFO). Without C(CONFIG GET) some
    of RV(writes) may be V(unknown).
seealso:
  - module: brandconnect.incidents.redis_write_canary
  - module: brandconnect.incidents.redis_save
  - module: brandconnect.incidents.redis_persistence
  - module: brandconnect.incidents.k8s_workload
"""

EXAMPLES = r"""
- name: See whether Redis takes writes
  brandconnect.incidents.redis_info:
    redis_host: redis.example.com
    redis_password: "{{ lookup('ansible.builtin.env', 'REDIS_PASSWORD') }}"
  register: redis

- name: Judge it
  brandconnect.incidents.finding:
    check: redis
    rules:
      - when: redis.cause is not none
        status: "{{ 'down' if redis.cause in ['refused', 'timeout', 'dns'] else 'degraded' }}"
        cause: "redis_{{ redis.cause }}"
        summary: "{{ redis.message }}"
      - when: redis.writes.verdict == 'refused'
        status: down
        cause: "redis_{{ redis.writes.reasons[0].cause }}"
        summary: "{{ redis.writes.reasons[0].message }}"
    otherwise: Redis takes writes
"""

RETURN = r"""
reachable:
  description: Whether Redis itself answered anything, be it with a refusal.
  returned: success
  type: bool
  sample: true
authenticated:
  description: Whether it took the login; V(null) when that is not known.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why it could not be examined, or not in full; V(null) when it could.
    - One of V(not_configured), V(refused), V(dns), V(timeout), V(tls), V(no_answer), V(noauth) (it wants a login),
      V(wrongpass) (it does not know the login), V(no_password_set) (it has no password and was sent one), V(noperm)
      (the login may not do it), V(max_clients), V(protected_mode), V(loading), V(masterdown), V(clusterdown),
      V(unknown_command), V(server_error).
  returned: success
  type: str
  sample: null
message:
  description: What was said to that, in one line.
  returned: success
  type: str
  sample: null
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: null
address:
  description: Host and port that were asked.
  returned: success
  type: str
  sample: redis.example.com:6379
latency:
  description:
    - Seconds for the connection with its login (C(connect_s)) and for C(PING), the middle one of three (C(ping_s)).
      Each is V(null) where it did not come about.
  returned: success
  type: dict
  sample: {connect_s: 0.0021, ping_s: 0.0002}
role:
  description: V(master), V(replica) or V(sentinel); V(null) when it is not known.
  returned: success
  type: str
  sample: master
server:
  description: C(version), C(mode), C(run_id), which is another after each start, C(uptime_s) and C(port).
  returned: success
  type: dict
  sample: {version: 7.0.15, mode: standalone, run_id: 0d0a2a1b9f, uptime_s: 86400, port: 6379}
loading:
  description: Whether it reads its data from disk (C(active)), how far it is (C(percent)) and C(eta_s).
  returned: success
  type: dict
  sample: {active: false, percent: null, eta_s: null}
persistence:
  description:
    - Snapshots, with C(rdb_last_bgsave_ok), C(rdb_last_save_at), C(rdb_changes_since_last_save),
      C(rdb_bgsave_in_progress) and C(rdb_save_points), whether it saves by itself.
    - The append-only file, with C(aof_enabled), C(aof_last_write_ok), C(aof_last_bgrewrite_ok),
      C(aof_rewrite_in_progress) and C(aof_fsync).
    - Each is V(null) where it is not known.
  returned: success
  type: dict
  sample: {rdb_last_bgsave_ok: true, rdb_last_save_at: "2026-11-24T15:00:00Z", rdb_changes_since_last_save: 12,
           rdb_bgsave_in_progress: false, rdb_save_points: true, aof_enabled: true, aof_last_write_ok: true,
           aof_last_bgrewrite_ok: true, aof_rewrite_in_progress: false, aof_fsync: everysec}
memory:
  description:
    - C(used_bytes), C(max_bytes) (0 for no limit), C(policy), C(used_ratio), C(full), C(rss_bytes), C(system_bytes)
      and C(evicted_keys).
  returned: success
  type: dict
  sample: {used_bytes: 1048576, max_bytes: 104857600, policy: noeviction, used_ratio: 0.01, full: false,
           rss_bytes: 9437184, system_bytes: 8589934592, evicted_keys: 0}
clients:
  description:
    - C(connected), C(max), C(used_ratio), C(blocked) and C(rejected), those that were turned away since the start.
  returned: success
  type: dict
  sample: {connected: 12, max: 10000, used_ratio: 0.0012, blocked: 2, rejected: 0}
replication:
  description:
    - Of a replica C(master), C(link_up), C(link_down_s), C(last_io_s) and C(sync_in_progress).
    - Of a master C(replicas), and C(good_replicas) where a least number is set.
  returned: success
  type: dict
  sample: {master: null, link_up: null, link_down_s: null, last_io_s: null, sync_in_progress: null, replicas: 1,
           good_replicas: null}
keys:
  description: Keys in all databases; V(null) when they are not known.
  returned: success
  type: int
  sample: 4211
keyspace:
  description: C(keys) and C(expires), those with a time to live, by database.
  returned: success
  type: dict
  sample: {db0: {keys: 4211, expires: 4000}}
writes:
  description:
    - Whether writes are accepted, as C(verdict), V(accepted), V(refused) or V(unknown).
    - C(reasons), each with C(cause), one of V(loading), V(readonly), V(oom), V(misconf), V(noreplicas),
      V(clusterdown), and C(message).
    - C(doubts), likewise, what could not be told.
  returned: success
  type: dict
  sample:
    verdict: refused
    reasons: [{cause: oom, message: its memory is full and the policy noeviction evicts nothing}]
    doubts: []
restart:
  description:
    - What a restart would do, as C(risk). V(disruptive) when seconds are lost, V(destructive) when data is,
      V(pointless) when it would not help, V(unknown) when that cannot be told.
    - C(instead), what to do first or instead, V(null) or one of V(save), V(wait), V(fix_credentials), V(fix_network),
      V(fix_disk), V(fix_volume), V(fix_scheduling), V(fix_image), V(fix_configuration), V(fix_master),
      V(fix_replicas), V(fix_cluster), V(use_the_master), V(free_memory), V(raise_memory), V(free_node),
      V(find_the_leak), V(read_its_log), V(scale_up); and C(reason).
    - C(save_first), whether a snapshot keeps what would be lost. C(lost_changes) and C(lost_keys), V(null) when not
      known. C(notes), what else counts.
  returned: success
  type: dict
  sample: {risk: destructive, instead: save, reason: 12 changes are in no file, save_first: true, lost_changes: 12,
           lost_keys: null, notes: []}
denied:
  description: Commands that were refused, with C(command), C(cause) and C(message).
  returned: success
  type: list
  elements: dict
  sample: []
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import (
    RedisServer,
    redis_argument_spec,
    redis_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis_reads import (
    Look,
    look,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import redis_info, redis_writes
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.redis_restart import restart_risk
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Examine the server. A sick one is a result; see RETURN."""
    try:
        server = RedisServer(params)
    except SendError as error:
        if error.failure.cause != "not_configured":
            raise
        return _result(params, Look(failure=error.failure), None, None)
    with server:
        return _result(params, look(server), server.address, server.connect_s)


def _result(
    params: dict[str, Any],
    seen: Look,
    address: str | None,
    connect_s: float | None,
) -> dict[str, Any]:
    info, settings, failure = seen.info, seen.settings, seen.failure
    loaded = bool(info) and not redis_info.flag(info, "loading")  # until then it has but some of its keys
    refusal = {"cause": seen.ping_refusal.cause} if seen.ping_refusal else None
    found = {
        "reachable": seen.answered,
        "authenticated": seen.authenticated,
        "cause": failure.cause if failure else None,
        "message": failure.message if failure else None,
        "hint": failure.next_step if failure else None,
        "address": address,
        "latency": {"connect_s": _rounded(connect_s), "ping_s": _rounded(seen.ping_s)},
        "role": redis_info.role(info),
        "server": redis_info.server_facts(info),
        "loading": redis_info.loading_facts(info),
        "persistence": redis_info.persistence_facts(info, settings),
        "memory": redis_info.memory_facts(info),
        "clients": redis_info.client_facts(info, settings),
        "replication": redis_info.replication_facts(info),
        "keys": redis_info.key_count(info, complete=loaded),
        "keyspace": redis_info.keyspace(info),
        "writes": redis_writes.verdict(info, settings, refusal),
        "denied": seen.denied,
    }
    return {**found, "restart": restart_risk(found, params["pods"], params["claims"])}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **redis_argument_spec(),
        "pods": {"type": "list", "elements": "dict"},
        "claims": {"type": "list", "elements": "dict"},
    },
    secrets=redis_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
