# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the limit of requests to Stripe for each process, so that all pods together stay below the account's."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stripe_rate_budget
short_description: Compute how many requests a second each process may send to Stripe
version_added: 0.1.0
description:
  - A client-side limit holds in each process. The account's limit holds for all of them together, so each may have
    C(floor) of O(account_rps) x O(headroom) / (pods at most x O(processes_per_pod)), and never less than 1.
  - The most pods at a time count, with the autoscaler's maximum and the surge of a rollout, not those that run now.
  - A number that is not known makes RV(fits) null, with the reason. It is never guessed.
  - It only computes. It asks nobody.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  account_rps:
    description: Requests a second that the account may send. Stripe's default for one endpoint unless given.
    type: int
    default: 25
  headroom:
    description: Share of O(account_rps) that all processes together may use.
    type: float
    default: 0.6
  replicas:
    description: Pods that are wanted now. Without it nothing can be said.
    type: int
  max_replicas:
    description: Maximum of the autoscaler.
    type: int
  surge:
    description: Pods that a rollout may add, or a percentage, which is rounded up. Without it nothing can be said.
    type: str
  processes_per_pod:
    description: Processes in each pod that have a limiter of their own.
    type: int
    default: 1
  current:
    description:
      - The limit that each process has now. Text with a number is one, as in an environment variable.
      - Anything else, or nothing, is not known.
    type: raw
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.k8s_workload
  - module: brandconnect.incidents.k8s_rollout
  - name: Rate limits of Stripe
    description: What an account may send.
    link: https://docs.stripe.com/rate-limits
"""

EXAMPLES = r"""
- name: See what each pod may send
  brandconnect.incidents.stripe_rate_budget:
    account_rps: 25
    replicas: "{{ workload.replicas }}"
    max_replicas: "{{ workload.max_replicas }}"
    surge: "{{ workload.surge }}"
    current: "{{ workload.env.STRIPE_RATE_LIMIT_PER_SECOND.value }}"
  register: budget
"""

RETURN = r"""
per_pod:
  description: The limit for each process, a whole number from 1; V(null) when it cannot be computed.
  returned: success
  type: int
  sample: 3
allowed:
  description: Requests a second that all processes together may send.
  returned: success
  type: float
  sample: 15.0
pods_at_most:
  description: The most pods at a time.
  returned: success
  type: int
  sample: 5
current:
  description: The limit of each process now; V(null) when it is not known.
  returned: success
  type: float
  sample: 100.0
effective_now:
  description: What all pods that are wanted now may send together.
  returned: success
  type: float
  sample: 400.0
effective_at_most:
  description: What they may send with the most pods at a time.
  returned: success
  type: float
  sample: 500.0
effective_after:
  description: What they may send then with RV(per_pod).
  returned: success
  type: float
  sample: 15.0
fits:
  description: Whether RV(effective_at_most) is within RV(allowed); V(null) when that is not known.
  returned: success
  type: bool
  sample: false
lower:
  description: Whether RV(per_pod) is lower than RV(current); V(null) when that is not known.
  returned: success
  type: bool
  sample: true
arithmetic:
  description: How RV(per_pod) came about.
  returned: success
  type: str
  sample: floor(25 x 0.6 / (4 + 1)) = 3
reason:
  description: The same in one sentence, or why it cannot be computed.
  returned: success
  type: str
  sample: floor(25 x 0.6 / (4 + 1)) = 3; now 100 x 5 = 500 a second at most, above 15
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.rate_budget import rate_budget
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module


def run(params: dict[str, Any], _check_mode: bool) -> dict[str, Any]:
    """Compute the budget; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    return rate_budget(
        params["account_rps"],
        params["headroom"],
        params["replicas"],
        params["surge"],
        max_replicas=params["max_replicas"],
        processes_per_pod=params["processes_per_pod"],
        current=params["current"],
    )


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        "account_rps": {"type": "int", "default": 25},
        "headroom": {"type": "float", "default": 0.6},
        "replicas": {"type": "int"},
        "max_replicas": {"type": "int"},
        "surge": {"type": "str"},
        "processes_per_pod": {"type": "int", "default": 1},
        "current": {"type": "raw"},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
