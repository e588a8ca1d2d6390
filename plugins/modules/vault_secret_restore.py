# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the value that Vault has back into one key of a Secret, without showing it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: vault_secret_restore
short_description: Put the value that Vault has back into one key of a Secret, without showing it
version_added: 0.1.0
description:
  - Reads one key of a secret in Vault and sets one key of a Secret of Kubernetes to it, with one patch. The other keys
    stay as they are.
  - The value goes from Vault to the cluster inside the module. It never passes through a variable, a task or a result;
    values are compared and shown by their fingerprints only, the first 12 digits of the SHA-256.
  - A value that differs from the one in use is a rotation, which voids whatever was signed with the one in use, such
    as the sessions of all users. It is refused unless O(allow_rotation), also when no value in use is known.
  - Refuses a version that is deleted or destroyed, a Secret that is immutable, and one that another tool writes, such
    as External Secrets, Argo CD or Helm, and says what to do instead.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  vault_key:
    description: The key of the secret in Vault; the same as O(key) unless given.
    type: str
  in_use:
    description:
      - Fingerprints of all values that are in use, such as those of the pods' environment. With one that differs from
        the value in Vault it is a rotation.
      - Without any, the value that the Secret has in O(key) counts as the one in use; without that, none is known.
    type: list
    elements: str
    default: []
  allow_rotation:
    description: Whether the value may differ from the one in use.
    type: bool
    default: false
  create:
    description: Whether the key may be added when the Secret does not have it.
    type: bool
    default: true
extends_documentation_fragment:
  - brandconnect.incidents.vault
  - brandconnect.incidents.vault.place
  - brandconnect.incidents.secret_key
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - The value before is not kept anywhere. Look with M(brandconnect.incidents.vault_kv) whether Vault has it.
seealso:
  - module: brandconnect.incidents.vault_kv
  - module: brandconnect.incidents.k8s_secret
  - module: brandconnect.incidents.k8s_secret_key
  - module: brandconnect.incidents.k8s_rollout
"""

EXAMPLES = r"""
- name: Plan to put the signing key back
  brandconnect.incidents.vault_secret_restore:
    vault_addr: https://vault.example.com:8200
    vault_token: "{{ lookup('ansible.builtin.env', 'VAULT_TOKEN') }}"
    vault_path: brandconnect/backend
    vault_version: 3
    namespace: brandconnect
    name: backend-auth
    key: JWT_SECRET
    in_use: [9f86d081884c]
  check_mode: true
  register: plan

- name: Put it back, and change nothing else
  brandconnect.incidents.vault_secret_restore:
    vault_addr: https://vault.example.com:8200
    vault_token: "{{ lookup('ansible.builtin.env', 'VAULT_TOKEN') }}"
    vault_path: brandconnect/backend
    vault_version: 3
    namespace: brandconnect
    name: backend-auth
    key: JWT_SECRET
    in_use: [9f86d081884c]
    targets: "{{ plan.targets }}"
    incident: auth-down-20261124T150000Z-3fa1
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do; V(done), V(nothing_to_do) or V(refused).
    - V(failed) when the cluster took the patch and the key has another value all the same, and in a failure.
    - In a failure V(unknown) when no answer to the patch came.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: set the key JWT_SECRET of Secret backend-auth, from the value none to 9f86d081884c, which Vault has at
    secret/brandconnect/backend, version 3
refusal:
  description:
    - With V(nothing_to_do), V(no_change).
    - With V(refused), V(not_in_vault), V(version_deleted), V(version_destroyed), V(key_not_in_vault), V(not_text),
      V(value_too_large), V(rotation), V(in_use_unknown), or as of M(brandconnect.incidents.k8s_secret_key),
      V(plan_changed), V(empty_value), V(value_malformed), V(value_differs), V(being_deleted), V(immutable),
      V(unsupported), V(managed), V(evidence_hold) or V(unknown_key).
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
  description:
    - What is touched, from which fingerprint to which; C(from) is null for a key that is not there or empty.
    - C(rotation) is whether the value differs from one in use, null when no value in use is known.
  returned: success
  type: list
  elements: dict
  sample:
    - {secret_name: backend-auth, namespace: brandconnect, uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d,
       key: JWT_SECRET, from: null, to: 9f86d081884c, vault_path: secret/brandconnect/backend, vault_key: JWT_SECRET,
       vault_version: 3, rotation: false}
before:
  description:
    - The Secret before, with C(resource_version), C(changed_at), and of the key C(exists), C(length) in bytes,
      C(empty), C(trailing_whitespace) and C(fingerprint).
  returned: success
  type: dict
  sample:
    secret_name: backend-auth
    namespace: brandconnect
    uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d
    resource_version: "81234"
    changed_at: "2026-11-24T15:00:00Z"
    key: JWT_SECRET
    exists: false
    length: null
    empty: null
    trailing_whitespace: null
    fingerprint: null
after:
  description: The Secret after; the same as before when nothing was done.
  returned: success
  type: dict
  sample: {secret_name: backend-auth, key: JWT_SECRET, exists: true, length: 64, fingerprint: 9f86d081884c}
results:
  description: What became of the key, with C(result), as of M(brandconnect.incidents.k8s_secret_key).
  returned: success
  type: list
  elements: dict
  sample:
    - {secret_name: backend-auth, key: JWT_SECRET, result: set, reason: the key has the fingerprint 9f86d081884c}
caveats:
  description: What a person should know before approving, and what stays to be done.
  returned: success
  type: list
  elements: str
  sample:
    - pods that take JWT_SECRET from Secret backend-auth as an environment variable keep the old value until a restart
cause:
  description:
    - Why Vault or the cluster could not be asked, as in RV(brandconnect.incidents.vault_kv#module:cause) and
      RV(brandconnect.incidents.k8s_workload#module:cause).
  returned: failure
  type: str
  sample: sealed
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: unseal Vault, or ask who holds the unseal keys; nothing can be read until then
denied:
  description: The missing permission in the cluster.
  returned: failure
  type: list
  elements: dict
  sample:
    - {verb: patch, resource: secrets, subresource: "", api_group: "", namespace: brandconnect, name: backend-auth}
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.acting_work import recording_progress
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import SendError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.secret_key import (
    secret_key_argument_spec,
    set_key,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault import (
    Vault,
    vault_argument_spec,
    vault_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.vault_kv import (
    Wanted,
    place_argument_spec,
    read,
    read_wanted,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.vault import Version
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.vault_restore import (
    plan_restore,
    read_restore,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Restore the key; see RETURN.

    Raises:
        SendError: Vault cannot be asked, or refuses.
        KubernetesError: the same of the cluster; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    restore, wanted = read_restore(params), read_wanted(params)
    report = Report(dt.datetime.now(dt.UTC))
    version = _read(params, wanted, report)
    return set_key(params, lambda secret: plan_restore(secret, restore, version), report, check_mode=check_mode)


def _read(params: Mapping[str, Any], wanted: Wanted, report: Report) -> Version:
    with recording_progress(report.plain, SendError), Vault(params) as vault:
        found = read(vault, wanted)
        if found.failure:
            raise vault.error(f"Reading {wanted.place.text}", found.failure)
        return found.version


def _secrets(params: Mapping[str, Any]) -> Iterator[str]:
    yield from vault_secrets(params)
    yield from kubernetes_secrets(params)


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **vault_argument_spec(),
        **place_argument_spec(),
        **kubernetes_argument_spec(),
        **secret_key_argument_spec(),
        "vault_key": {"type": "str", "no_log": False},
        "in_use": {"type": "list", "elements": "str", "default": []},
        "allow_rotation": {"type": "bool", "default": False},
        "create": {"type": "bool", "default": True},
    },
    secrets=_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
