# SPDX-License-Identifier: GPL-3.0-or-later
"""Set one key of a Secret, without showing what is in it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: k8s_secret_key
short_description: Set one key of a Secret, without showing what is in it
version_added: 0.1.0
description:
  - Sets one key of a Secret that exists to a value, with one patch. The other keys stay as they are.
  - Refuses a Secret that is immutable, or that another tool writes, such as Argo CD, Flux, Helm, External Secrets or
    the Vault Secrets Operator. Each would undo the change; the value belongs in its source.
  - Values are compared and shown by their fingerprints only, the first 12 digits of the SHA-256.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  value:
    description:
      - The value, as text. One that is empty, or that begins or ends with white space, is refused, since pods take it
        as it is.
      - Take it from a vault or a file by a lookup, never from an extra variable.
    type: str
    required: true
  create:
    description: Whether the key may be added when the Secret does not have it.
    type: bool
    default: false
extends_documentation_fragment:
  - brandconnect.incidents.secret_key
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - The value before is not kept anywhere, so there is no way back but another value.
seealso:
  - module: brandconnect.incidents.k8s_secret
  - module: brandconnect.incidents.k8s_rollout
"""

EXAMPLES = r"""
- name: Plan to put the right key back
  brandconnect.incidents.k8s_secret_key:
    namespace: brandconnect
    name: stripe-keys
    key: STRIPE_SECRET_KEY
    value: "{{ lookup('ansible.builtin.env', 'STRIPE_BACKEND_KEY') }}"
  check_mode: true
  register: plan

- name: Put it back, and change nothing else
  brandconnect.incidents.k8s_secret_key:
    namespace: brandconnect
    name: stripe-keys
    key: STRIPE_SECRET_KEY
    value: "{{ lookup('ansible.builtin.env', 'STRIPE_BACKEND_KEY') }}"
    targets: "{{ plan.targets }}"
    incident: payment-failure-20261124T150000Z-3fa1
"""

RETURN = r"""
status:
  description:
    - V(planned) in check mode, when there is something to do; V(done), V(nothing_to_do) or V(refused).
    - V(failed) when the cluster took the patch and the key has another value all the same.
    - In a failure V(unknown) when no answer to the patch came.
  returned: success
  type: str
  sample: done
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: set the key STRIPE_SECRET_KEY of Secret stripe-keys, from the value 9f86d081884c to 60303ae22b99
refusal:
  description:
    - With V(nothing_to_do), V(no_change).
    - With V(refused), V(plan_changed), V(empty_value), V(value_malformed), V(value_differs), V(being_deleted),
      V(immutable), V(unsupported), V(managed), V(evidence_hold) or V(unknown_key).
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
  description: What is touched, from which fingerprint to which; C(from) is null for a key that is not there or empty.
  returned: success
  type: list
  elements: dict
  sample:
    - {secret_name: stripe-keys, namespace: brandconnect, uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d,
       key: STRIPE_SECRET_KEY, from: 9f86d081884c, to: 60303ae22b99}
before:
  description:
    - The Secret before, with C(resource_version), C(changed_at), and of the key C(exists), C(length) in bytes,
      C(empty), C(trailing_whitespace) and C(fingerprint).
  returned: success
  type: dict
  sample: &state
    secret_name: stripe-keys
    namespace: brandconnect
    uid: 5a8e2c1e-3f0b-4a53-9d0c-0d5f6a1b2c3d
    resource_version: "81234"
    changed_at: "2026-11-24T15:00:00Z"
    key: STRIPE_SECRET_KEY
    exists: true
    length: 32
    empty: false
    trailing_whitespace: false
    fingerprint: 9f86d081884c
after:
  description: The Secret after; the same as before when nothing was done.
  returned: success
  type: dict
  sample: *state
results:
  description:
    - What became of the key, with C(result). V(set), V(would_set) or V(not_attempted); V(differs) when the cluster took
      the patch and the key has another value; in a failure V(unknown) when no answer to the patch came.
  returned: success
  type: list
  elements: dict
  sample:
    - {secret_name: stripe-keys, key: STRIPE_SECRET_KEY, result: set, reason: the key has the fingerprint 60303ae22b99}
caveats:
  description: What a person should know before approving, and what stays to be done.
  returned: success
  type: list
  elements: str
  sample:
    - pods that take STRIPE_SECRET_KEY from Secret stripe-keys as an environment variable keep the old value until a
      restart
cause:
  description: Why the cluster could not be asked, as in RV(brandconnect.incidents.k8s_workload#module:cause).
  returned: failure
  type: str
  sample: forbidden
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: the login lacks patch on secrets in namespace brandconnect; bind a Role that grants it
denied:
  description: The missing permission.
  returned: failure
  type: list
  elements: dict
  sample:
    - {verb: patch, resource: secrets, subresource: "", api_group: "", namespace: brandconnect, name: stripe-keys}
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.http_json_errors import written
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.secret_key import (
    secret_key_argument_spec,
    set_key,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.acting import Report
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.secret_key import make_plan, read_wish
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Set the key; see RETURN.

    Raises:
        KubernetesError: the cluster cannot be asked, or refuses; ``details`` say what had been done.
        IncidentsError: the options make no sense.
    """
    wish = read_wish(params, params["value"])
    report = Report(dt.datetime.now(dt.UTC))
    return set_key(params, lambda secret: make_plan(secret, wish), report, check_mode=check_mode)


def _secrets(params: Mapping[str, Any]) -> Iterator[str]:
    yield from kubernetes_secrets(params)
    yield from written(str(params.get("value") or ""))


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        **secret_key_argument_spec(),
        "value": {"type": "str", "required": True, "no_log": True},
        "create": {"type": "bool", "default": False},
    },
    secrets=_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
