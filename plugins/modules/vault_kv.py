# SPDX-License-Identifier: GPL-3.0-or-later
"""Examine a secret in Vault without showing what is in it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vault_kv
short_description: Examine a secret in Vault without showing what is in it
version_added: 0.1.0
description:
  - Reads one path of a key/value engine, of version 1 or 2, and says of each key how long its value is, whether it is
    empty or ends in white space, and its fingerprint, by which values can be compared without being shown.
  - Tells a secret that is deleted, destroyed or was never there from an engine that is not there, a token that may
    not read it and a Vault that is sealed.
  - Says which versions of the secret have a fingerprint, such as that of the value in use.
  - Values stay in memory and are never returned, neither plain nor encoded.
  - A Vault that is down, slow, sealed or refuses is a result with a C(cause), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  keys:
    description: Keys to examine, at most 100; all of them unless given.
    type: list
    elements: str
    default: []
  key:
    description: Key whose fingerprint is looked for in the O(history) newest versions.
    type: str
  fingerprints:
    description: Fingerprints to look for in O(key), such as those of the values in use.
    type: list
    elements: str
    default: []
  history:
    description: How many of the newest versions are read for O(key), at most 20.
    type: int
    default: 5
extends_documentation_fragment:
  - brandconnect.incidents.vault
  - brandconnect.incidents.vault.place
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.k8s_secret
  - module: brandconnect.incidents.vault_secret_restore
"""

EXAMPLES = r"""
- name: See which version of the key is the one in use
  brandconnect.incidents.vault_kv:
    vault_addr: https://vault.example.com:8200
    vault_token: "{{ lookup('ansible.builtin.env', 'VAULT_TOKEN') }}"
    vault_path: brandconnect/backend
    key: JWT_SECRET
    fingerprints: ["{{ secret['keys'].JWT_SECRET.fingerprint }}"]
  register: vault

- name: Judge it
  brandconnect.incidents.finding:
    check: jwt_secret_in_vault
    rules:
      - when: vault.state == 'unknown'
        status: unknown
        cause: "{{ vault.cause }}"
        summary: "{{ vault.message }}"
      - when: vault.state != 'present'
        status: degraded
        cause: "vault_secret_{{ vault.state }}"
        summary: The newest version of the secret in Vault is {{ vault.state }}
    otherwise: Vault has the secret
"""

RETURN = r"""
reachable:
  description: Whether Vault answered anything.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why RV(state) is V(unknown) or V(no_mount); V(null) otherwise.
    - One of V(not_configured), V(sealed), V(not_initialized), V(standby), V(dr_secondary), V(no_mount), V(not_kv),
      V(no_versions), V(invalid_auth), V(not_permitted), V(throttled), V(server_error), V(timeout), V(refused), V(dns),
      V(tls), V(invalid), V(no_answer).
    - V(standby) is a standby that does not forward requests to an active node.
  returned: success
  type: str
  sample: sealed
message:
  description: What was said to that, in one line.
  returned: success
  type: str
  sample: Vault is sealed
hint:
  description: What to check or do about it, or about a path that is not there.
  returned: success
  type: str
  sample: unseal Vault, or ask who holds the unseal keys; nothing can be read until then
server:
  description:
    - The server, with C(initialized), C(sealed), C(standby), C(performance_standby), C(version) and C(role), one of
      V(active), V(standby), V(performance_standby) or V(dr_secondary). Each is V(null) where it is not known.
  returned: success
  type: dict
  sample:
    {initialized: true, sealed: false, standby: false, performance_standby: false, role: active, version: 1.18.3}
kv_version:
  description: Version of the engine; V(null) when it is not known.
  returned: success
  type: int
  sample: 2
state:
  description:
    - V(present), or V(deleted), which can be brought back, or V(destroyed), which cannot.
    - V(absent) when Vault has no such path or version, V(no_mount) when it has no such engine.
    - V(unknown) when that could not be found out, with a RV(cause).
  returned: success
  type: str
  sample: present
version:
  description: Number of the version that was read; V(null) in an engine of version 1.
  returned: success
  type: int
  sample: 3
current_version:
  description: Number of the newest version; V(null) when it is not known.
  returned: success
  type: int
  sample: 3
created_at:
  description: When the version was written.
  returned: success
  type: str
  sample: "2026-11-24T15:00:00.000000000Z"
deleted_at:
  description: When it was deleted, or will be.
  returned: success
  type: str
  sample: null
keys:
  description:
    - Each key with C(exists), C(length) in bytes, C(empty) (nothing but white space), C(trailing_whitespace),
      C(fingerprint), the first 12 digits of the SHA-256 of the value, and C(text), whether the value is a text.
  returned: success
  type: dict
  sample:
    JWT_SECRET: {exists: true, length: 64, empty: false, trailing_whitespace: false, fingerprint: 9f86d081884c,
                 text: true}
keys_total:
  description: How many keys there are.
  returned: success
  type: int
  sample: 1
versions:
  description:
    - The versions that are known, newest first, each with C(version), C(state), C(created_at), C(deleted_at) and, with
      O(key), C(fingerprint), V(null) where the version was not read or has no such key.
  returned: success
  type: list
  elements: dict
  sample:
    - {version: 3, state: present, created_at: "2026-11-24T15:00:00.000000000Z", deleted_at: null,
       fingerprint: 9f86d081884c}
versions_truncated:
  description: Whether there are, or may be, older versions than the 100 newest, which are all that is looked at.
  returned: success
  type: bool
  sample: false
versions_unlisted:
  description: Why the versions could not be listed, with C(cause) and C(message); V(null) when they could.
  returned: success
  type: dict
  sample: null
matches:
  description:
    - Each of O(fingerprints) with the numbers of the versions that have it in O(key), newest first. In an engine of
      version 1 the only value is V(0).
  returned: success
  type: dict
  sample: {9f86d081884c: [3]}
unexamined:
  description:
    - Versions whose fingerprint is not known, as they are deleted, destroyed, older than O(history) or could not be
      read. While there is one, a fingerprint without a match may still be in Vault.
  returned: success
  type: list
  elements: int
  sample: []
requests:
  description: Requests that were sent.
  returned: success
  type: int
  sample: 4
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import Failure, SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault import (
    Vault,
    vault_argument_spec,
    vault_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault_kv import (
    Found,
    Wanted,
    place_argument_spec,
    read,
    read_wanted,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import vault as decisions
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_key import read_fingerprints
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

MOST_HISTORY = 20


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Examine the secret. A sick Vault is a result; see RETURN."""
    key, history = params["key"] or None, params["history"]
    fingerprints = read_fingerprints(decisions.ATTEMPTED, "fingerprints", params["fingerprints"])
    if not 0 <= history <= MOST_HISTORY:
        raise IncidentsError(f"{decisions.ATTEMPTED}: history must be 0 to {MOST_HISTORY}, not {history}")
    if fingerprints and not key:
        raise IncidentsError(f"{decisions.ATTEMPTED}: fingerprints needs key, the key to look for them in")
    if len(params["keys"]) > decisions.MOST_KEYS:
        raise IncidentsError(f"{decisions.ATTEMPTED}: keys must be {decisions.MOST_KEYS} or less")
    wanted = read_wanted(params, history if key else 0)
    try:
        vault = Vault(params)
    except SendError as error:
        if error.failure.cause != "not_configured":
            raise
        found = Found(decisions.Version(decisions.UNKNOWN), failure=error.failure)
        return _result(params, wanted, found, fingerprints) | {"requests": 0}
    with vault:
        found = read(vault, wanted)
        return _result(params, wanted, found, fingerprints) | {"requests": vault.requests}


def _result(params: dict[str, Any], wanted: Wanted, found: Found, fingerprints: tuple[str, ...]) -> dict[str, Any]:
    version, key, failure = found.version, params["key"] or None, found.failure
    unlisted = found.unlisted
    return {
        "reachable": found.answered,
        "cause": failure.cause if failure else None,
        "message": failure.text if failure else None,
        "hint": failure.next_step if failure else decisions.hint(wanted.place, version),
        "server": decisions.server_facts(found.health),
        "kv_version": found.engine,
        "state": version.state,
        "version": version.number,
        "current_version": found.current,
        "created_at": version.created_at,
        "deleted_at": version.deleted_at,
        "keys": decisions.keys_facts(version.values, params["keys"]),
        "keys_total": len(version.values or {}),
        "versions": [decisions.version_facts(each, key) for each in found.versions],
        "versions_truncated": found.truncated,
        "versions_unlisted": _problem(unlisted) if unlisted else None,
        "matches": decisions.matches(found.versions, key, fingerprints) if key else {},
        "unexamined": decisions.unexamined(found.versions) if key else [],
    }


def _problem(failure: Failure) -> dict[str, Any]:
    return {"cause": failure.cause, "message": failure.text}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **vault_argument_spec(),
        **place_argument_spec(),
        "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "key": {"type": "str", "no_log": False},
        "fingerprints": {"type": "list", "elements": "str", "default": []},
        "history": {"type": "int", "default": 5},
    },
    secrets=vault_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
