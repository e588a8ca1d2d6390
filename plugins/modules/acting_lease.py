# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the right to act, for one run among those of all machines: a Lease in the cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: acting_lease
short_description: Hold the right to act, for one run among those of all machines
version_added: 0.1.0
description:
  - Takes, keeps or gives back a Lease (C(coordination.k8s.io/v1)), as client-go's leader election does. Of two runs
    that try at the same moment exactly one gets it.
  - Whether a holder has stopped renewing it is judged by the API server's time, so the clocks of the machines do not
    matter.
  - On the controller, a process of its own renews the Lease while the run lasts. It ends with the run's controller,
    however that ends, so a run that was killed loses the Lease after O(duration_s).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  state:
    description:
      - V(acquired) takes it. V(held) renews it, and fails when somebody else has it. V(released) gives it back, and
        does nothing where it is not this run's.
    type: str
    choices: [acquired, held, released]
    default: acquired
  name:
    description: Name of the Lease; C(incident-runbooks-<incident type>) of this run unless given.
    type: str
  holder:
    description:
      - What this run calls itself; different for each run.
      - C(<operator>@<host> <incident id> <run id>) of this run unless given.
    type: str
  duration_s:
    description: Seconds for which a renewal is good, at least 3.
    type: int
    default: 15
  take_over:
    description: Whether V(acquired) takes it from a run that still renews it as well.
    type: bool
    default: false
  required:
    description:
      - Whether the run may not act when the cluster cannot be asked. Without it, RV(status) is V(unavailable) then, and
        the lock on this machine is what is left.
    type: bool
    default: true
extends_documentation_fragment:
  - brandconnect.incidents.kubernetes
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.acting
notes:
  - In check mode it looks, and writes nothing.
  - It needs C(get) and C(update) on the Lease of that name, and C(create) on C(leases), which no name can limit.
  - The Lease stays in the cluster without a holder, so no C(delete) is needed.
"""

EXAMPLES = r"""
- name: Become the only run that acts
  brandconnect.incidents.acting_lease:
    take_over: "{{ runbook_take_over | default(false) }}"

- name: Make sure that it still is
  brandconnect.incidents.acting_lease:
    state: held

- name: Let the next one act
  brandconnect.incidents.acting_lease:
    state: released
"""

RETURN = r"""
status:
  description:
    - V(acquired), V(taken_over) from another run, V(renewed), V(released), V(not_held) when there was nothing to give
      back, V(unavailable) when the cluster could not be asked, or V(planned) in check mode.
  returned: success
  type: str
  sample: acquired
reason:
  description: Why, in one sentence.
  returned: success
  type: str
  sample: Taking the Lease incident-runbooks-pool-exhaustion in namespace brandconnect
lease:
  description: Name of the Lease.
  returned: success
  type: str
  sample: incident-runbooks-pool-exhaustion
holder:
  description: What this run calls itself.
  returned: success
  type: str
  sample: alice@ops-1 pool-exhaustion-20261123T231455Z-3fa1 run-20261123T231455Z-77c0
held:
  description: Whether this run holds it now.
  returned: success
  type: bool
  sample: true
previous:
  description:
    - The other holder, before this run or instead of it; null where there was none.
    - C(held_s) since it has it, C(age_s) since it has renewed it, C(expires_in_s) without a renewal; negative when it
      is over, null when it never is.
  returned: always
  type: dict
  sample:
    holder: bob@ops-2 pool-exhaustion-20261123T231001Z-11ab run-20261123T231001Z-2c4d
    acquired_at: "2026-11-23T23:10:20.000000Z"
    renewed_at: "2026-11-23T23:14:51.000000Z"
    held_s: 275.0
    age_s: 4.0
    expires_in_s: 11.0
records:
  description: What the journal keeps of it.
  returned: when something is to be known
  type: list
  elements: dict
  sample: []
cause:
  description:
    - V(locked) when another run holds it, or why the cluster could not be asked, as in
      RV(brandconnect.incidents.k8s_workload#module:cause).
  returned: failure
  type: str
  sample: locked
hint:
  description: What to check or do about it.
  returned: failure
  type: str
  sample: wait for it
denied:
  description: The missing permission.
  returned: failure
  type: list
  elements: dict
  sample: []
"""

from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes import Cluster
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_errors import KubernetesError
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_lease import (
    Lease,
    LeaseHeldError,
    LeaseLostError,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.kubernetes_options import (
    kubernetes_argument_spec,
    kubernetes_secrets,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.lease import Json, Verdict, held_text
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

SHORTEST_S = 3
ONLY_HERE = "only the lock on this machine keeps others from acting"


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Take, keep or give back the Lease; see RETURN.

    Raises:
        LeaseHeldError: another run holds it.
        LeaseLostError: it was this run's and is not any more.
        KubernetesError: the cluster cannot be asked, and has to be.
        IncidentsError: the options make no sense.
    """
    attempted = "Reading the options of the Lease"
    for option in ("name", "holder"):
        if not params[option]:
            raise IncidentsError(f"{attempted}: {option} is needed where nothing records the run")
    if params["duration_s"] < SHORTEST_S:
        raise IncidentsError(f"{attempted}: duration_s must be {SHORTEST_S} or more, not {params['duration_s']}")
    said = {"lease": params["name"], "holder": params["holder"], "held": False, "previous": None}
    try:
        with Cluster(params) as cluster:
            lease = Lease(cluster, params["name"], params["holder"], params["duration_s"])
            return said | (_look(lease, params) if check_mode else _STATES[params["state"]](lease, params))
    except (LeaseHeldError, LeaseLostError) as error:
        raise _with_error(error, "locked", cause="locked", hint="wait for it", denied=[]) from None
    except KubernetesError as error:
        if params["state"] != "released" and params["required"]:
            raise _with_error(error, "refused", previous=None) from None
        return said | _unavailable(error, params)


def _look(lease: Lease, params: Json) -> Json:
    """Say what taking it would come to."""
    result: Json = {"status": "planned", "reason": f"Would take {lease.text}"}
    if params["state"] != "acquired":
        return result | {"reason": f"Would renew or give back {lease.text}"}
    verdict = lease.look(take_over=params["take_over"])
    result |= {"changed": True, "previous": verdict.previous}
    if verdict.step == "locked" and verdict.previous:
        reason = f"Would be refused: {lease.text} is held by {held_text(verdict.previous)}"
        return result | {"reason": reason, "records": [_notice("would_be_refused", reason)]}
    return result


def _acquire(lease: Lease, params: Json) -> Json:
    verdict = lease.acquire(take_over=params["take_over"])
    result: Json = {"changed": True, "held": True, "previous": verdict.previous}
    if verdict.step == "renew":
        return result | {"status": "renewed", "reason": f"{lease.text} was this run's already"}
    if verdict.step != "take_over":
        return result | {"status": "acquired", "reason": f"Taking {lease.text}"}
    reason = _taken_over(lease, verdict)
    return result | {"status": "taken_over", "reason": reason, "records": [_notice("lease_taken_over", reason)]}


def _taken_over(lease: Lease, verdict: Verdict) -> str:
    previous = verdict.previous or {}
    why = "which had stopped renewing it" if verdict.expired else "which still renewed it, as --take-over asks"
    return f"Taking {lease.text} over from {held_text(previous)}, {why}; see what it had done"


def _hold(lease: Lease, _params: Json) -> Json:
    lease.renew()
    return {"changed": True, "held": True, "status": "renewed", "reason": f"{lease.text} is this run's"}


def _release(lease: Lease, _params: Json) -> Json:
    if lease.release():
        return {"changed": True, "status": "released", "reason": f"Giving back {lease.text}"}
    return {"status": "not_held", "reason": f"{lease.text} was not this run's"}


_STATES = {"acquired": _acquire, "held": _hold, "released": _release}


def _unavailable(error: KubernetesError, params: Json) -> Json:
    free = f"it is free in {params['duration_s']} s by itself"
    meaning = free if params["state"] == "released" else ONLY_HERE
    reason = f"{error.message}; {meaning}"
    return {"status": "unavailable", "reason": reason, "records": [_notice("lease_unavailable", reason)]}


def _with_error(error: IncidentsError, code: str, **details: Any) -> IncidentsError:
    """Return the error with what the journal keeps of it."""
    error.details.update(details)
    hint = error.details["hint"]
    data = {"code": code, "message": error.message, "hint": hint, "component": None}
    error.details["records"] = [{"type": "error", "data": data}]
    return error


def _notice(code: str, message: str) -> Json:
    return {"type": "notice", "data": {"code": code, "message": message, "component": None}}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **kubernetes_argument_spec(),
        "state": {"type": "str", "choices": ["acquired", "held", "released"], "default": "acquired"},
        "name": {"type": "str"},
        "holder": {"type": "str"},
        "duration_s": {"type": "int", "default": 15},
        "take_over": {"type": "bool", "default": False},
        "required": {"type": "bool", "default": True},
    },
    secrets=kubernetes_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
