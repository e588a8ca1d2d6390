# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell what a suspected data breach is."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: breach_cause
short_description: Tell what a suspected data breach is, from the audit trail, addresses, pods and what is known
version_added: 0.1.0
description:
  - Reads what other modules found out about an audit trail, and names one cause. The first one that is proven counts,
    RV(also) has the others.
  - What could not be looked at never counts as fine. A trail that is whole and shows nothing is needed for V(none).
  - It only computes. It opens no connection.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  scope:
    description: The result of M(brandconnect.incidents.audit_scope).
    type: dict
    default: {}
  addresses:
    description: The result of M(brandconnect.incidents.audit_ips) for the same time.
    type: dict
    default: {}
  workload:
    description: The result of M(brandconnect.incidents.k8s_workload) for the API.
    type: dict
    default: {}
  actors:
    description: Ids of accounts that are under suspicion, whatever the trail says.
    type: list
    elements: str
    default: []
  expected_actors:
    description:
      - Ids of accounts whose activity is known, such as that of a backup or of a penetration test.
      - They are no suspects. Give them to M(brandconnect.incidents.audit_scope) as well, so that whom they concern is
        not counted. It excuses nothing that came from an address that is new for them; then they are suspects.
    type: list
    elements: str
    default: []
  leaked:
    description: Names of credentials that got out, never their values.
    type: list
    elements: str
    default: []
  suspect_pods:
    description: Names of pods under suspicion.
    type: list
    elements: str
    default: []
  card_data:
    description: Whether data of payment cards may be concerned, whatever the trail says.
    type: bool
    default: false
  people_types:
    description: Types of records that are about people. An export of another one that names no record concerns nobody.
    type: list
    elements: str
    default: [user, creator, brand, campaign, payment]
  mass_people:
    description: An export is a mass export when data of so many people was taken, or
    type: int
    default: 100
  mass_records:
    description: when so many records were exported.
    type: int
    default: 100
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
seealso:
  - module: brandconnect.incidents.audit_scope
  - module: brandconnect.incidents.audit_ips
  - module: brandconnect.incidents.k8s_workload
"""

EXAMPLES = r"""
- name: Tell what it is
  brandconnect.incidents.breach_cause:
    scope: "{{ scope }}"
    addresses: "{{ addresses }}"
    workload: "{{ backend }}"
    expected_actors: ["12"]
  register: why
"""

RETURN = r"""
cause:
  description:
    - V(mass_export) when accounts under suspicion exported records of O(mass_people) or more people, O(mass_records) or
      more records, or records of which nobody knows whose they are.
    - V(credential_leak) when O(leaked) names any.
    - V(account_takeover) when there are accounts under suspicion.
    - V(audit_tampered) when rows are missing from the trail, or their times do not fit.
    - V(expected_activity) when all that is unusual was done by O(expected_actors), and all that could tell was asked.
    - V(none) when nothing is unusual, and all that could tell was asked.
    - V(unknown) otherwise, see RV(gaps).
  returned: success
  type: str
  sample: mass_export
reason:
  description: Why, in one sentence, in counts and without identifiers.
  returned: success
  type: str
  sample: 1 account exported 620 records and took data of 1142 people
status:
  description:
    - V(ok) for V(none) and V(expected_activity), V(down) where it is rather sure, otherwise V(degraded). What is not
      known is V(degraded) as well, so that it is looked after.
  returned: success
  type: str
  sample: down
also:
  description: What else is proven, each with C(cause) and C(reason).
  returned: success
  type: list
  elements: dict
  sample: [{cause: account_takeover, reason: "1 account used as their owners do not, for data of 1142 people"}]
recommend:
  description:
    - What helps, ids of remediations of the runbook data-breach, in the order in which it is done.
    - While the confidence of the trail is low, nothing that cannot be taken back, except for accounts of O(actors).
    - Of more than 20 accounts under suspicion the sessions are ended by V(revoke-affected-sessions), which needs two
      approvals.
  returned: success
  type: list
  elements: str
  sample: [preserve-evidence, revoke-suspect-sessions, revoke-suspect-access, reset-credentials]
wide:
  description:
    - Whether more than the accounts under suspicion have to be dealt with.
    - V(false) while the confidence of the trail is low.
  returned: success
  type: bool
  sample: true
everybody:
  description:
    - Whether those concerned cannot be told from the others, as it is not known who they are, or an export of
      O(people_types) names no record.
  returned: success
  type: bool
  sample: false
card_data:
  description: Whether data of payment cards may be concerned, as records of payments were read or O(card_data) says so.
  returned: success
  type: bool
  sample: false
suspects:
  description: Ids of the accounts under suspicion.
  returned: success
  type: list
  elements: str
  sample: ["65"]
expected:
  description: Those of them that are expected, which are no suspects.
  returned: success
  type: list
  elements: str
  sample: []
since:
  description: Time of the first row of the attacker; V(null) where there is none.
  returned: success
  type: str
  sample: "2026-11-15T20:18:33.470420Z"
until:
  description: Time of the last one.
  returned: success
  type: str
  sample: "2026-11-26T21:08:33.470420Z"
people:
  description: How many people are concerned; V(null) when that is not known.
  returned: success
  type: int
  sample: 1142
taken:
  description: How many records are concerned; V(null) when that is not known.
  returned: success
  type: int
  sample: 1203
complete:
  description: Whether all of them are known, and no others are counted.
  returned: success
  type: bool
  sample: true
counts_are:
  description: V(approximate), or V(at_least) where rows are missing or not everybody is known.
  returned: success
  type: str
  sample: at_least
gaps:
  description: What is not known, and what makes the answer less sure.
  returned: success
  type: list
  elements: str
  sample: ["25 rows are missing from the trail: what was taken may be more"]
next_step:
  description: What to do, in one sentence; empty for V(none).
  returned: success
  type: str
  sample: Close it with this record as the evidence, and tune the alert.
"""

import re
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_cause import breach_cause
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions.breach_cause_facts import (
    PEOPLE_TYPES,
    Said,
    read_facts,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module
from ansible_collections.brandconnect.incidents.plugins.module_utils.errors import IncidentsError

ATTEMPTED = "Telling what a suspected breach is"
_ID = re.compile(r"[1-9][0-9]{0,18}")
_LISTS = ("actors", "expected_actors", "leaked", "suspect_pods")


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:  # noqa: ARG001 - contract
    """Tell the cause; see RETURN.

    Raises:
        IncidentsError: an option makes no sense.
    """
    for name in ("actors", "expected_actors"):
        if wrong := [each for each in params[name] if not _ID.fullmatch(each)]:
            raise IncidentsError(f"{ATTEMPTED}: {name} must be ids of accounts, numbers, and {wrong[0][:40]!r} is none")
    if both := sorted(set(params["actors"]) & set(params["expected_actors"])):
        raise IncidentsError(f"{ATTEMPTED}: {both[0]} is in actors and in expected_actors; it can only be in one")
    for name in ("mass_people", "mass_records"):
        if params[name] < 1:
            raise IncidentsError(f"{ATTEMPTED}: {name} must be 1 or more, not {params[name]}")
    said = Said(
        actors=tuple(params["actors"]),
        expected=tuple(params["expected_actors"]),
        leaked=tuple(params["leaked"]),
        pods=tuple(params["suspect_pods"]),
        card_data=params["card_data"],
        people_types=tuple(params["people_types"]),
    )
    mass = (params["mass_people"], params["mass_records"])
    facts = read_facts(params["scope"] or {}, params["addresses"] or {}, params["workload"] or {}, said, mass)
    return {"changed": False, **breach_cause(facts)}


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **{name: {"type": "dict", "default": {}} for name in ("scope", "addresses", "workload")},
        **{name: {"type": "list", "elements": "str", "default": []} for name in _LISTS},
        "people_types": {"type": "list", "elements": "str", "default": list(PEOPLE_TYPES)},
        "card_data": {"type": "bool", "default": False},
        "mass_people": {"type": "int", "default": 100},
        "mass_records": {"type": "int", "default": 100},
    },
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
