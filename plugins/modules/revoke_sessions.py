# SPDX-License-Identifier: GPL-3.0-or-later
"""End the sessions of some accounts in Redis and revoke their refresh tokens in PostgreSQL, and no others."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: revoke_sessions
short_description: End the sessions of some accounts, and no others
version_added: 0.1.0
description:
  - Revokes the refresh tokens of the named accounts, which are rows in PostgreSQL, and then unlinks their sessions,
    which are keys in Redis. Caches, queues, locks and other people's sessions stay.
  - Looks through the keys with C(SCAN) and reads whose each one is. The owner is read once more right before a key is
    unlinked. Nothing is ever flushed, whatever the options say, and C(KEYS) is never sent.
  - The sessions are saved before, as lines of JSON with the fingerprint of key and value, the owner and the time to
    live, in an evidence bundle of its own in O(directory).
  - Looks again afterwards. What was left, or has come meanwhile, is counted, and so are other people's sessions.
  - It cannot be undone, people have to log in again.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  scope:
    description:
      - Whose sessions. V(suspects) and V(affected) are those of the accounts that are named, and differ in what an
        approval says. V(all) is everybody, and needs O(all) too.
    type: str
    required: true
    choices: [suspects, affected, all]
  actor_ids:
    description: Ids of the accounts, as the sessions and the rows have them. At most 200000.
    type: list
    elements: str
    default: []
  actor_ids_file:
    description: File of one's own with more of them, one a line, that nobody else may read.
    type: path
  all:
    description: Says once more that everybody is meant, with O(scope=all).
    type: bool
    default: false
  stores:
    description: What is gone through, V(refresh) in PostgreSQL and V(sessions) in Redis.
    type: list
    elements: str
    choices: [refresh, sessions]
    default: [refresh, sessions]
  pattern:
    description: Pattern of the sessions' keys. It begins with three characters or more that are no wildcards.
    type: str
    default: "sess:*"
  owner_field:
    description:
      - Where the id of the account stands in a session. In a JSON object its path, such as C(passport.user), in a hash
        the name of the field. Without it the value is the id, and a value of JSON is nobody's.
      - Sessions whose owner cannot be told are left, and RV(status) is never V(done) or V(nothing_to_do) then.
    type: str
  refresh_schema:
    description: Schema of the table of the refresh tokens.
    type: str
    default: public
  refresh_table:
    description: The table.
    type: str
    default: refresh_tokens
  refresh_id_column:
    description: Its column with the row's id. It has to have a unique index of its own.
    type: str
    default: id
  refresh_owner_column:
    description: Its column with the account's id.
    type: str
    default: user_id
  refresh_revoked_column:
    description:
      - Its column that says that a token is revoked. A time, which is set to that of the server and is null before, or
        a boolean.
    type: str
    default: revoked_at
  max_keys:
    description: Refuse to end more than these in either of the stores, 1 to 1000000.
    type: int
    default: 10000
  batch:
    description: How many are ended by one command or statement, 1 to 5000.
    type: int
    default: 500
  directory:
    description:
      - Absolute path of a folder of one's own with the mode 0700, in which the sessions are saved before, such as that
        of the incident's evidence. In check mode nothing is written.
    type: path
  saved_at:
    description:
      - RV(started_at) of an earlier run, which has saved sessions and tokens in O(directory) before it ended them.
        Count only those, so that who has logged in again since is not counted. For check mode only.
      - What cannot be found there is an error, as nobody could tell the sessions of before from newer ones.
    type: str
  evidence_override:
    description:
      - Why sessions are ended although O(directory) or O(evidence_anchor) is missing, or not all of the sessions could
        be saved, in 10 characters or more. It stands in RV(caveats) and RV(results).
    type: str
  incident:
    description: Id of the incident that the evidence belongs to. Without it no evidence counts.
    type: str
  custodian:
    description: Who answers for the evidence; the operator of the run unless given.
    type: str
  run_id:
    description: Id of the run, for the evidence; that of the run unless given.
    type: str
  targets:
    description: The approved plan, RV(targets) of an earlier run in check mode. Anything else is refused.
    type: list
    elements: dict
extends_documentation_fragment:
  - brandconnect.incidents.evidence_gate
  - brandconnect.incidents.redis
  - brandconnect.incidents.postgres
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode everything is counted and decided, and nothing is ended or saved.
  - Redis has to allow C(INFO), C(SCAN), C(MGET), C(EXISTS), C(HGET), C(PTTL) and C(UNLINK). A cluster is not supported.
  - PostgreSQL has to grant C(SELECT) on the three columns and C(UPDATE) on the one that says revoked. The reserved
    login is not used.
  - A session is found twice where Redis just resizes its table, so counts of other people's sessions are not exact.
seealso:
  - module: brandconnect.incidents.quarantine_pod
  - name: UNLINK of Redis
    description: How keys are removed without stopping the server.
    link: https://redis.io/docs/latest/commands/unlink/
"""

EXAMPLES = r"""
- name: Plan to end the sessions of the suspect
  brandconnect.incidents.revoke_sessions:
    redis_host: redis.example.com
    redis_password: "{{ lookup('ansible.builtin.env', 'REDIS_PASSWORD') }}"
    login_host: db.example.com
    login_user: brandconnect_ops
    login_db: brandconnect
    scope: suspects
    actor_ids: ["1042"]
  check_mode: true
  register: plan

- name: End them, when what they were is saved
  brandconnect.incidents.revoke_sessions:
    redis_host: redis.example.com
    redis_password: "{{ lookup('ansible.builtin.env', 'REDIS_PASSWORD') }}"
    login_host: db.example.com
    login_user: brandconnect_ops
    login_db: brandconnect
    scope: suspects
    actor_ids: ["1042"]
    incident: data-breach-20261123T231455Z-3fa1
    directory: /var/lib/runbooks/incidents/data-breach-20261123T231455Z-3fa1/evidence
    evidence_anchor: "{{ bundle.anchor }}"
    targets: "{{ plan.targets }}"
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do; V(done), V(nothing_to_do) or V(refused).
    - V(partial) when some were left, came meanwhile or cannot be told whose they are, or when the number of other
      people's sessions changed by more than 5 %.
    - V(failed) when nothing was ended, V(unknown) when no answer came.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: 2 refresh tokens and 3 sessions revoked
refusal:
  description:
    - With V(nothing_to_do), V(no_change).
    - With V(refused), V(plan_changed), V(too_many), V(no_evidence), V(owners_unknown) when none that can be told is
      meant and there are some of which it cannot be told, V(loading), V(replica) or V(cluster).
    - Null otherwise.
  returned: success
  type: str
  sample: null
started_at:
  description: When it began to look, RFC 3339.
  returned: success
  type: str
  sample: "2026-11-23T23:40:12.110000Z"
targets:
  description:
    - The stores, and of each whose sessions and how many at most. Not which sessions. Somebody who logs in once more
      does not undo an approval.
    - C(actor_ids) is null where there are more than 50; C(actors_sha256) is over all of them.
  returned: success
  type: list
  elements: dict
  sample:
    - {store: refresh, server: "db.example.com:5432, database brandconnect", table: public.refresh_tokens,
       id_column: id, owner_column: user_id, revoked_column: revoked_at, scope: suspects, actors: 1,
       actors_sha256: 0b8f1d1e0b5a, actor_ids: ["1042"], at_most: 10000}
    - {store: sessions, address: "redis.example.com:6379", pattern: "sess:*", owner_field: "", scope: suspects,
       actors: 1, actors_sha256: 0b8f1d1e0b5a, actor_ids: ["1042"], at_most: 10000}
before:
  description:
    - How many there are before, by store. C(owned) are those that are meant. Of C(sessions) also C(others) and
      C(unreadable), of which nobody can tell whose they are.
  returned: success
  type: dict
  sample: {refresh: {owned: 2}, sessions: {owned: 3, others: 120, unreadable: 0}}
after:
  description:
    - The same afterwards, without a store that could not be asked any more, and C(others_within_5_percent). The same
      as before when nothing was done.
  returned: success
  type: dict
  sample: {refresh: {owned: 0}, sessions: {owned: 0, others: 120, unreadable: 0, others_within_5_percent: true}}
results:
  description:
    - What became of each store, with C(result), V(revoked), V(would_revoke), V(failed), V(unknown) or
      V(not_attempted), C(count), C(ids) of at most 50 of the rows, and C(reason).
    - Where O(evidence_override) was needed, an entry C(evidence) with the result V(overridden) and the reason.
  returned: success
  type: list
  elements: dict
  sample:
    - {store: refresh, result: revoked, count: 2, ids: ["9001", "9002"], reason: null}
    - {store: sessions, result: revoked, count: 3, ids: [], reason: null}
caveats:
  description: What a person should know before approving, and what stays to be done.
  returned: success
  type: list
  elements: str
  sample: [access tokens that the platform takes without looking for the session stay good until they expire]
files:
  description:
    - What was saved, for the module M(brandconnect.incidents.evidence). A further bundle for each look that found
      sessions which had come meanwhile, and for the rows that were revoked where they are not those that were saved.
  returned: success
  type: list
  elements: dict
  sample:
    - {path: /var/lib/runbooks/incidents/one/evidence/20261123T234012.110000Z-revoked-sessions/tagmanifest-sha256.txt,
       name: tagmanifest-sha256.txt, source: "evidence bundle of 2 files, 310 bytes", sha256: 9f86d081884c, bytes: 341,
       truncated: false}
cause:
  description:
    - Why a store could not be asked, as in RV(brandconnect.incidents.redis_info#module:cause) and
      RV(brandconnect.incidents.pg_activity#module:cause).
  returned: failure
  type: str
  sample: refused
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: "nothing listens there: check redis_host, redis_port, the Service and its endpoints"
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.evidence_precondition import (
    evidence_options,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import (
    postgres_argument_spec,
    postgres_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.redis import (
    redis_argument_spec,
    redis_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.session_evidence import read_ids
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.session_revoking import Work
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.session_revocation import (
    SCOPES,
    STORES,
    read_wish,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """End the sessions; see RETURN.

    Raises:
        IncidentsError: the options make no sense, a store cannot be asked, or the evidence cannot be saved. Nothing
            was changed.
    """
    work = Work(params, read_wish(params, read_ids(params["actor_ids_file"])))
    with recording_progress(work.plain, IncidentsError):
        work.do(check_mode=check_mode)
    return work.plain()


def _secrets(params: Mapping[str, Any]) -> Iterator[str]:
    yield from redis_secrets(params)
    yield from postgres_secrets(params)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **redis_argument_spec(),
        **postgres_argument_spec(),
        "scope": {"type": "str", "required": True, "choices": list(SCOPES)},
        "actor_ids": {"type": "list", "elements": "str", "default": []},
        "actor_ids_file": {"type": "path"},
        "all": {"type": "bool", "default": False},
        "stores": {"type": "list", "elements": "str", "choices": list(STORES), "default": list(STORES)},
        "pattern": {"type": "str", "default": "sess:*"},
        "owner_field": {"type": "str"},
        "refresh_schema": {"type": "str", "default": "public"},
        "refresh_table": {"type": "str", "default": "refresh_tokens"},
        "refresh_id_column": {"type": "str", "default": "id"},
        "refresh_owner_column": {"type": "str", "default": "user_id"},
        "refresh_revoked_column": {"type": "str", "default": "revoked_at"},
        "max_keys": {"type": "int", "default": 10000, "no_log": False},
        "batch": {"type": "int", "default": 500},
        "directory": {"type": "path"},
        "saved_at": {"type": "str"},
        **evidence_options(),
        "incident": {"type": "str"},
        "custodian": {"type": "str"},
        "run_id": {"type": "str"},
        "targets": {"type": "list", "elements": "dict"},
    },
    secrets=_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
