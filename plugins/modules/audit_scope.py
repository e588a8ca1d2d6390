# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out from an audit trail who took data that was not theirs, and whom it is about."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: audit_scope
short_description: Find out from an audit trail who took data that was not theirs, and whom it is about
version_added: 0.1.0
description:
  - Compares what each actor read and exported with the same hours of the weeks before, and with where the actor has
    come from. What is unusual makes a suspect, with the reasons.
  - Addresses of IPv6 are compared by their first 64 bits, as devices change the rest each day. C(::ffff:192.0.2.1) is
    C(192.0.2.1).
  - The actor is the account that was used, and not who is affected. Those are the owners of the records that were read.
  - Says whether the trail itself can be trusted, by identifiers that are missing and times that go backwards.
  - A database that is down, slow or refuses is a result with a C(cause) and the status V(unknown), not a failure.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  ratio:
    description: How many times what is expected is unusual.
    type: float
    default: 5.0
  min_records:
    description:
      - Fewer different records than this, read from new addresses, are no reason to suspect anybody.
      - One export that names no record, or that reads in bulk, is enough where the actor has never exported before.
    type: int
    default: 25
  min_failed_logins:
    description: How many failed logins from new addresses are a reason more.
    type: int
    default: 10
  min_gap:
    description:
      - How many missing identifiers in a row are a deletion. Single ones are missing after each transaction that was
        rolled back.
    type: int
    default: 3
  clock_tolerance_s:
    description: Seconds that the time of a row may be before that of the row with the identifier before.
    type: int
    default: 60
  shared_by:
    description:
      - An address with so many actors, most of whom have come from it before, is a proxy's or a network's, and not
        reported as the attacker's.
    type: int
    default: 10
  owners:
    description:
      - For each type of record the query for whom it is about, by C(%(ids\)s), an array of text. Its first column is
        the record's identifier as text, its second the person's. A record may have several rows.
      - Replaces the defaults, which know V(user), V(creator), V(brand), V(campaign) and V(payment) of the platform.
    type: list
    elements: dict
    suboptions:
      resource_type:
        description: The type, as in the trail.
        type: str
        required: true
      query:
        description: The query. Tables without a schema are looked for in O(schema).
        type: str
        required: true
  expected_actors:
    description:
      - Accounts whose activity is known, such as a backup's or a penetration test's. They are told in RV(expected), and
        are neither suspects nor count for RV(affected), RV(resources) and RV(window).
      - What one of them did from an address that is new for it is not excused.
    type: list
    elements: int
    default: []
  affected_file:
    description:
      - Also write the identifiers of all affected people into this new file, one a line, with the mode 0600. Its folder
        has to be one's own, with the mode 0700.
      - In a run that is recorded, a name without a folder is a file of the incident's directory.
      - A file that is there already is never replaced. In check mode nothing is written.
    type: path
  max_items:
    description: Longest length of each list in the result, 1 to 1000.
    type: int
    default: 50
  max_candidates:
    description: Look closely at so many actors, 1 to 5000.
    type: int
    default: 200
  max_records:
    description: Find the owners of so many different records, 1 to 5000000.
    type: int
    default: 200000
extends_documentation_fragment:
  - brandconnect.incidents.audit
  - brandconnect.incidents.postgres
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.info
notes:
  - Actions that are in no list are in RV(unlisted_actions). Look there for what O(actions) lacks.
  - Reads the trail in one read-only snapshot, from the beginning of the baseline. An index on C(created_at) serves
    short times, one on C(actor_id) and C(created_at) the suspects. RV(plans) says what was used.
  - The role needs C(SELECT) on the trail, and on the columns that O(owners) asks for.
  - O(reserved_user) is not used.
  - Results hold identifiers of actors and people, and addresses of suspects, and no other personal data.
  - Large trails need a longer O(statement_timeout). With a million rows it takes some seconds.
seealso:
  - module: brandconnect.incidents.audit_ips
  - module: brandconnect.incidents.sql_query
"""

EXAMPLES = r"""
- name: Find the scope of the breach
  brandconnect.incidents.audit_scope:
    since: "2026-11-14T00:00:00Z"
    until: "2026-11-28T00:00:00Z"
    trusted_cidrs: [192.0.2.0/24]
    affected_file: /srv/incidents/inc-7/affected.txt
    statement_timeout: 60
  register: scope

- name: Judge it
  brandconnect.incidents.finding:
    check: breach_scope
    rules:
      - when: scope.status == 'unknown'
        status: unknown
        cause: "{{ scope.cause or 'incomplete' }}"
        summary: "{{ scope.message or scope.confidence.reasons | first }}"
      - when: scope.suspects
        status: "{{ scope.status }}"
        cause: suspicious_access
        summary: "{{ scope.suspects | length }} suspects, {{ scope.affected.count }} people affected"
    otherwise: Nobody's access is unusual
  vars:
    scope: "{{ scope }}"
"""

RETURN = r"""
reachable:
  description: Whether a login got in and the connection lasted.
  returned: success
  type: bool
  sample: true
cause:
  description:
    - Why the trail was not read, or not all of it; V(null) when nothing stood in the way.
    - As in RV(brandconnect.incidents.sql_query#module:cause).
  returned: success
  type: str
  sample: timeout
message:
  description: What the server or libpq said to that, in one line.
  returned: success
  type: str
  sample: SQLSTATE 57014, canceling statement due to statement timeout
hint:
  description: What to check or do about it.
  returned: success
  type: str
  sample: check network policies, the load of the server and whether its storage answers
status:
  description:
    - V(down) with suspects and a confidence of V(medium) or V(high), V(degraded) with less or with a trail that was
      changed, V(ok) where all could be looked at and nothing was found, otherwise V(unknown).
    - V(ok) needs rows of O(actions) or O(export_actions), each with an actor, most with an address, which can be read,
      and rows from before. It is V(unknown) where somebody exported more than expected, or read a lot without a
      history, which is too little to suspect them.
  returned: success
  type: str
  sample: down
confidence:
  description: How sure it is, C(level) V(low), V(medium) or V(high), and the C(reasons) why it is not more.
  returned: success
  type: dict
  sample: {level: medium, reasons: ["32 rows are missing from the trail: what was taken may be more"]}
suspects:
  description: Actors whose access does not look like theirs, worst first.
  returned: success
  type: list
  elements: dict
  contains:
    actor_id:
      description: The actor.
      type: int
    score:
      description: Points of all reasons together; 2 make a suspect.
      type: int
    reasons:
      description:
        - C(reason) with a C(text). V(exports), more than expected; V(new_addresses), records read from where the actor
          has not come from; V(above_baseline), more reads than expected; V(failed_logins) from new addresses;
          V(no_history), nothing to compare with, so that neither V(new_addresses) nor V(above_baseline) make a suspect.
      type: list
      elements: dict
    attributed:
      description:
        - V(new_addresses) where only rows from these count as the attacker's, V(all) where nothing tells them from the
          actor's own, as where what is unusual came from an address that is not new.
      type: str
    first_seen:
      description: Time of the first row that counts.
      type: str
    last_seen:
      description: Time of the last one.
      type: str
    events:
      description: Rows that count; so do the other counts.
      type: int
    reads:
      description: Rows of O(actions).
      type: int
    exports:
      description: Rows of O(export_actions).
      type: int
    failed_logins:
      description: Rows of O(failed_login_actions).
      type: int
    records:
      description: Different records by address, added up.
      type: int
    usual_events:
      description: Rows of the actor that do not count.
      type: int
    baseline:
      description: Rows before, and how many reads and exports are expected by them.
      type: dict
    addresses:
      description:
        - Where the actor came from. C(attributed) is whether its rows count; C(own) whether it is the attacker's, and
          not shared by many. C(address) is V(null) where none was recorded.
      type: list
      elements: dict
    addresses_omitted:
      description: How many are not listed.
      type: int
  sample:
    - {actor_id: 65, score: 5, reasons: [{reason: exports, text: "1200 exports or bulk reads, 0 expected"}],
       attributed: new_addresses, first_seen: "2026-11-15T20:18:33.470420Z", last_seen: "2026-11-26T21:08:33.470420Z",
       events: 2021, reads: 780, exports: 1200, failed_logins: 40, records: 1240, usual_events: 1086,
       baseline: {events: 2166, expected_reads: 970.5, expected_exports: 0.0},
       addresses: [{address: 198.51.100.23, attributed: true, own: true, new: true, trusted: false, actors: 1,
                    events: 1200, reads: 0, exports: 1200, failed_logins: 0, records: 620,
                    first_seen: "2026-11-26T20:28:35.470420Z", last_seen: "2026-11-26T21:08:33.470420Z"}],
       addresses_omitted: 0}
suspect_ids:
  description: The C(actor_id) of all suspects, also those that O(max_items) left out of RV(suspects).
  returned: success
  type: list
  elements: int
  sample: [65]
expected:
  description:
    - What O(expected_actors) did. C(new_addresses) is whether one came from an address that is new for it; then it is
      not C(excused), and looked at as any other actor.
  returned: success
  type: list
  elements: dict
  sample:
    - {actor_id: 73, events: 1204, reads: 0, exports: 1204, failed_logins: 0, records: 200,
       first_seen: "2026-11-14T00:10:02.470420Z", last_seen: "2026-11-27T02:50:31.470420Z", new_addresses: false,
       excused: true}
window:
  description: When the rows that count were written, by which actors, from which addresses of the attacker's own.
  returned: success
  type: dict
  sample: {first_seen: "2026-11-15T20:18:33.470420Z", last_seen: "2026-11-26T21:08:33.470420Z", actor_ids: [65],
           addresses: [198.51.100.23, 203.0.113.77], events: 2021}
affected:
  description: Whom the records are about that were read or exported by rows that count.
  returned: success
  type: dict
  contains:
    count:
      description: How many people; V(null) when that is not known.
      type: int
    ids:
      description: Their identifiers, at most O(max_items).
      type: list
      elements: str
    omitted:
      description: How many more there are.
      type: int
    records:
      description: Different records.
      type: int
    records_without_owner:
      description: Records of which nobody is known to be the owner.
      type: int
    by_type:
      description: Records and people of each type; C(people) is V(null) where they are not known.
      type: list
      elements: dict
    complete:
      description:
        - Whether nobody is missing as far as the trail can tell. All suspects, addresses and records were looked at,
          each record has an owner, no read or export was without an actor or a record, no action that no option names
          looks like one, and the trail was not changed and would show it.
      type: bool
    file:
      description: The file of O(affected_file), and the C(problem) where it was not written.
      type: dict
  sample: {count: 1142, ids: ["1", "2"], omitted: 1140, records: 1203, records_without_owner: 0,
           by_type: [{resource_type: user, records: 1139, people: 1139}], complete: false,
           file: {path: /srv/incidents/inc-7/affected.txt, sha256: 3b0c44298fc1, bytes: 5311, people: 1142,
                  written: true, problem: null}}
resources:
  description: What rows that count did, by actor, type and action; exports first. C(records) are different ones,
    C(unnamed) counts rows that name none or are of a bulk action; of each type one such export is never left out.
  returned: success
  type: list
  elements: dict
  sample:
    - {actor_id: 65, resource_type: user, action: user.export, exports: true, taken: true, events: 1160, records: 600,
       unnamed: 0, first_seen: "2026-11-26T20:28:35.470420Z", last_seen: "2026-11-26T21:08:31.470420Z"}
resources_omitted:
  description: How many more there are.
  returned: success
  type: int
  sample: 0
gaps:
  description:
    - Identifiers that are missing, O(min_gap) or more in a row, with the times of the rows around them. C(single)
      counts the shorter ones. A server that crashed leaves out up to 32.
  returned: success
  type: dict
  sample: {known: true, reason: null, count: 1, missing: 25, single: 17, omitted: 0,
           items: [{from_id: 196205, to_id: 196229, missing: 25, after: "2026-11-26T20:00:00.000000Z",
                    before: "2026-11-26T20:11:30.000000Z"}]}
tampered:
  description: Rows whose time does not fit between those of their neighbours.
  returned: success
  type: dict
  sample: {known: true, reason: null, count: 1, omitted: 0,
           items: [{id: 167661, created_at: "2026-11-18T20:00:00.000000Z", moved: back,
                    expected_after: "2026-11-20T19:59:00.000000Z", expected_before: "2026-11-20T20:01:00.000000Z",
                    in_window: true}]}
totals:
  description:
    - Rows in this time, those without actor or address, those whose address is none, and candidates.
    - C(taken) are rows of O(actions) and O(export_actions), and those of them without an actor, without an address that
      can be read, and with one that cannot.
  returned: success
  type: dict
  sample: {events: 67901, without_actor: 0, without_address: 1320, unreadable_addresses: 0, taken: 41822,
           taken_without_actor: 0, taken_without_address: 811, taken_unreadable: 0, candidates: 1}
unlisted_actions:
  description: The most frequent actions that no option names, which were not looked at.
  returned: success
  type: list
  elements: dict
  sample: [{action: campaign.updated, events: 7511}]
plans:
  description: Which indexes each query used, and whether it read a table from end to end.
  returned: success
  type: list
  elements: dict
  sample: [{query: resources, indexes: [idx_audit_logs_actor_id], sequential: false}]
duration_s:
  description: Seconds that it took; V(null) when it was not read.
  returned: success
  type: float
  sample: 1.204
"""

from pathlib import Path
from typing import Any

from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.audit_options import (
    action_options,
    bounded,
    common_spec,
)
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.audit_scoping import scope
from ansible_collections.brandconnect.incidents.plugins.module_utils.clients.postgres_options import postgres_secrets
from ansible_collections.brandconnect.incidents.plugins.module_utils.decisions import audit_window
from ansible_collections.brandconnect.incidents.plugins.module_utils.edge import ModuleSpec, run_as_module

ATTEMPTED = "Finding the scope of a breach"
BOUNDS = {
    "ratio": (1.0, 1000.0),
    "min_records": (1, 1_000_000),
    "min_failed_logins": (1, 1_000_000),
    "min_gap": (1, 1_000_000),
    "clock_tolerance_s": (0, 86_400),
    "shared_by": (2, 1_000_000),
    "max_items": (1, 1000),
    "max_candidates": (1, 5000),
    "max_records": (1, 5_000_000),
}


def run(params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Look at the trail. A sick server is a result; see RETURN.

    Raises:
        IncidentsError: the options make no sense.
    """
    # psycopg takes 0.2 s to load: in a worker that is beside what other components wait for
    from ansible_collections.brandconnect.incidents.plugins.module_utils.clients import (  # noqa: PLC0415
        audit_people,
    )

    bounded(ATTEMPTED, params, BOUNDS)
    window = audit_window.window(ATTEMPTED, params["since"], params["until"], params["baseline_weeks"])
    given = params["owners"] if params["owners"] is not None else audit_people.OWNERS
    file = Path(params["affected_file"]) if params["affected_file"] else None
    if file:
        audit_people.check_place(ATTEMPTED, file)
    wanted = {
        **params,
        **action_options(ATTEMPTED, params),
        "trusted_cidrs": audit_window.networks(ATTEMPTED, params["trusted_cidrs"]),
        "owners": audit_people.owner_queries(ATTEMPTED, given),
    }
    result = scope(wanted, window)
    people = result.pop("people")
    if file and people is not None:
        result["affected"]["file"] = audit_people.write(file, people, check_mode=check_mode)
    return result


SPEC = ModuleSpec(
    run=run,
    argument_spec={
        **common_spec(),
        "ratio": {"type": "float", "default": 5.0},
        "min_records": {"type": "int", "default": 25},
        "min_failed_logins": {"type": "int", "default": 10},
        "min_gap": {"type": "int", "default": 3},
        "clock_tolerance_s": {"type": "int", "default": 60},
        "shared_by": {"type": "int", "default": 10},
        "owners": {
            "type": "list",
            "elements": "dict",
            "options": {
                "resource_type": {"type": "str", "required": True},
                "query": {"type": "str", "required": True},
            },
        },
        "expected_actors": {"type": "list", "elements": "int", "default": []},
        "affected_file": {"type": "path"},
        "max_items": {"type": "int", "default": 50},
        "max_candidates": {"type": "int", "default": 200},
        "max_records": {"type": "int", "default": 200_000},
    },
    secrets=postgres_secrets,
)


def main() -> None:
    """Run as an ordinary module."""
    run_as_module(SPEC)


if __name__ == "__main__":
    main()
