# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell why people cannot log in."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: auth_cause
short_description: Tell why people cannot log in, from a login, Redis, the signing key, the pods and the database
version_added: 0.1.0
description:
  - Reads what other modules found out about logging in and what it needs, and names one cause. The first one that is
    proven counts, RV(also) has the others.
  - What Redis, the database and the API server say now outranks what was logged. Log lines count only while logging in
    does not work, or was not tried.
  - It only computes. It opens no connection.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  probe:
    description: The result of M(brandconnect.incidents.auth_probe).
    type: dict
    default: {}
  redis:
    description: The result of M(brandconnect.incidents.redis_info).
    type: dict
    default: {}
  redis_workload:
    description: The result of M(brandconnect.incidents.k8s_workload) for the StatefulSet of Redis.
    type: dict
    default: {}
  redis_secret:
    description:
      - The result of M(brandconnect.incidents.k8s_secret) for the Secret with the password of Redis, with
        C(workload_name) that of the API. Without it, nobody knows whether pods use an older password.
    type: dict
    default: {}
  vault:
    description:
      - The result of M(brandconnect.incidents.vault_kv) for the secret that keeps the signing key, with its C(key).
    type: dict
    default: {}
  secret:
    description:
      - The result of M(brandconnect.incidents.k8s_secret) for the Secret with the signing key, with C(workload_name)
        that of the API.
    type: dict
    default: {}
  secret_key:
    description: Key of the Secret that has the signing key.
    type: str
    default: JWT_SECRET
  vault_key:
    description: Key of the secret in Vault that has it; the same as O(secret_key) unless given.
    type: str
  expected_fingerprint:
    description: Fingerprint of the signing key that was in use when all was well, where it is known.
    type: str
  workload:
    description: The result of M(brandconnect.incidents.k8s_workload) for the API.
    type: dict
    default: {}
  service:
    description: The result of M(brandconnect.incidents.k8s_service) for the Service of the API.
    type: dict
    default: {}
  logs:
    description:
      - The result of M(brandconnect.incidents.k8s_logs) for the API. These classes are read, others are ignored.
      - V(redis_refused) (C(ECONNREFUSED), C(ETIMEDOUT), C(ENOTFOUND) of Redis), V(redis_auth) (C(NOAUTH),
        C(WRONGPASS)), V(redis_memory) (C(OOM command not allowed)), V(redis_persistence) (C(MISCONF)),
        V(redis_readonly) (C(READONLY)), V(redis_loading) (C(LOADING)).
      - V(jwt_missing) (C(secretOrPrivateKey must have a value), C(JWT secret is missing)), V(jwt_invalid) (C(invalid
        signature)), V(clock) (C(jwt not active), C(jwt expired)), V(rate_limit) (C(Too Many Requests)), V(database).
    type: dict
    default: {}
  postgres:
    description:
      - The result of M(brandconnect.incidents.sql_query) or M(brandconnect.incidents.pg_activity) for the database that
        has the users.
    type: dict
    default: {}
  rate_limit_lines:
    description: Log lines of V(rate_limit) from which it is a storm of logins, although the probe got in.
    type: int
    default: 50
  recent_s:
    description: Seconds within which a pod of Redis must have run out of memory.
    type: float
    default: 3600
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.auth_probe
  - module: brandconnect.incidents.redis_info
  - module: brandconnect.incidents.vault_kv
  - module: brandconnect.incidents.k8s_secret
  - module: brandconnect.incidents.k8s_workload
  - module: brandconnect.incidents.k8s_service
  - module: brandconnect.incidents.k8s_logs
  - module: brandconnect.incidents.sql_query
"""

EXAMPLES = r"""
- name: Tell why nobody can log in
  brandconnect.incidents.auth_cause:
    probe: "{{ login }}"
    redis: "{{ redis }}"
    redis_workload: "{{ redis_pods }}"
    vault: "{{ kept_key }}"
    secret: "{{ jwt_secret }}"
    workload: "{{ backend }}"
    logs: "{{ backend_logs }}"
    postgres: "{{ users }}"
  register: why
"""

RETURN = r"""
cause:
  description:
    - V(password_not_checked) when a wrong password is accepted.
    - V(database_down) when neither we nor the API, by its logs, reach the database; without such lines, when we do not
      and nothing else explains that logging in fails.
    - V(jwt_key_missing) when the signing key is not in its Secret, or is empty.
    - V(redis_pod) when Redis has no pod that is ready, or ran out of memory (C(OOMKilled)).
    - V(redis_loading) when it reads its data from disk.
    - V(redis_auth) when the login of the API to Redis is refused (C(NOAUTH), C(WRONGPASS)); likewise.
    - V(redis_replica) when Redis is a replica and takes no writes (C(READONLY)).
    - V(redis_persistence_failing) when it refuses writes since it cannot save (C(MISCONF)).
    - V(redis_memory) when it refuses writes since its memory is full (C(OOM)).
    - V(redis_unreachable) when the API does not get to Redis, or gets no answer.
    - V(backend_down) when no pod of the API is ready.
    - V(clock_skew) when tokens count as not yet valid, or clocks are apart.
    - V(jwt_key_differs) when the signing key is not the one that it should be.
    - V(jwt_stale) when it is, and pods use an older one, or one replica refuses what another one issues. It comes last,
      without a remedy, where pods are older than the Secret and no token is seen to be refused.
    - V(rate_limited) when too many logins are tried, as with stolen passwords.
    - V(unreachable) when the pods are ready and what is in front of them says that it does not reach them. Where the
      Service of the API is seen to lead nowhere, it comes before what else is logged.
    - V(dependency) when logging in fails with HTTP 5xx and nothing else is proven.
    - V(none) when nothing is wrong, and all that could tell was asked.
    - V(unknown) otherwise, see RV(gaps).
  returned: success
  type: str
  sample: redis_memory
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: Redis refuses writes as its memory is full (the policy noeviction evicts nothing)
also:
  description: What else is proven, each with C(cause) and C(reason).
  returned: success
  type: list
  elements: dict
  sample: []
failing:
  description: Whether logging in, or using a token, fails now; V(null) when that is not known.
  returned: success
  type: bool
  sample: true
witness:
  description:
    - Where the public address does not answer us at all, what else shows that people cannot log in, such as pods that
      are not ready; then RV(failing) is true. V(null) when nothing does, as it may be our own network, or when logging
      in was tried.
  returned: success
  type: str
  sample: null
remedy:
  description:
    - What helps. V(restart_redis), V(restore_jwt_secret) or V(restart_auth).
    - V(null) when nothing of this collection does, or RV(objection) is against it.
  returned: success
  type: str
  sample: null
risk:
  description: Its class of risk, V(safe) without a remedy, otherwise V(disruptive), V(destructive) or V(irreversible).
  returned: success
  type: str
  sample: safe
objection:
  description: Why what would help must not be done now, such as a Vault that cannot be read; or V(null).
  returned: success
  type: str
  sample: null
instead:
  description:
    - What to do about Redis in the place of a restart, a word as in
      RV(brandconnect.incidents.redis_info#module:restart). V(null) when a restart helps, or Redis is not the cause.
  returned: success
  type: str
  sample: free_memory
next_step:
  description: What to do where RV(remedy) is V(null), in one sentence; V(null) where there is one or nothing is to do.
  returned: success
  type: str
  sample: raise maxmemory or free memory; a restart would load the same data again
redis:
  description:
    - Whether Redis can be restarted, as in RV(brandconnect.incidents.redis_info#module:restart), seen with its pods;
      V(null) where neither was asked.
  returned: success
  type: dict
  sample: {risk: pointless, instead: free_memory, reason: "its memory is full, and the same data would be loaded again",
           save_first: false, lost_changes: 0, lost_keys: 0, notes: []}
key:
  description:
    - The signing key. C(stored) says how the Secret compares, V(as_expected), V(differs), V(missing), V(unusable) (it
      ends with white space) or V(null).
    - C(fingerprint) of the Secret, C(vault_fingerprint) and C(vault_version) of what would be restored,
      C(vault_versions) that have what is in the Secret, and C(stale_pods), all of whose containers run since before the
      Secret was changed.
    - C(rotation) says whether restoring voids the tokens that are in use, so that everyone has to log in again; V(null)
      when that is not known, which counts as true.
  returned: success
  type: dict
  sample: {stored: as_expected, fingerprint: 9f86d081884c, vault_fingerprint: 9f86d081884c, vault_version: 3,
           vault_versions: [3], stale_pods: [], rotation: false}
evidence:
  description: What was read, each with C(source).
  returned: success
  type: list
  elements: dict
  sample:
    - {source: probe, verdict: dependency, login: 500}
    - {source: redis, cause: null, writes: refused}
gaps:
  description: What is needed and not known.
  returned: success
  type: list
  elements: str
  sample: ["Vault could not be examined: not asked"]
notes:
  description: What else is not known, without which the cause was decided.
  returned: success
  type: list
  elements: str
  sample: []
"""

import datetime as dt
import re
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause import auth_cause
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.auth_cause_read import (
    RESULTS,
    Places,
    read_facts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Telling why nobody can log in"
_FINGERPRINT = re.compile(r"[0-9a-f]{12}")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Tell the cause; see RETURN.

    Raises:
        IncidentsError: an option makes no sense.
    """
    if params["rate_limit_lines"] < 1:
        raise IncidentsError(f"{ATTEMPTED}: rate_limit_lines must be 1 or more, not {params['rate_limit_lines']}")
    if not params["recent_s"] >= 0:  # also true of NaN
        raise IncidentsError(f"{ATTEMPTED}: recent_s must not be negative, and is {params['recent_s']:g}")
    expected = str(params["expected_fingerprint"] or "")
    if expected and not _FINGERPRINT.fullmatch(expected):
        raise IncidentsError(
            f"{ATTEMPTED}: expected_fingerprint must be the first 12 digits of a SHA-256, as k8s_secret returns it"
        )
    places = Places(params["secret_key"], params["vault_key"] or params["secret_key"], expected or None)
    results = {name: params[name] or {} for name in RESULTS}
    facts = read_facts(results, places, now=dt.datetime.now(dt.UTC), recent_s=params["recent_s"])
    return {"changed": False, **auth_cause(facts, params["rate_limit_lines"])}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **{name: {"type": "dict", "default": {}, "no_log": False} for name in RESULTS},
        "secret_key": {"type": "str", "default": "JWT_SECRET", "no_log": False},
        "vault_key": {"type": "str", "no_log": False},
        "expected_fingerprint": {"type": "str"},
        "rate_limit_lines": {"type": "int", "default": 50},
        "recent_s": {"type": "float", "default": 3600},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
