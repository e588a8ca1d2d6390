# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: breach_notice
short_description: Draft the notices of a personal data breach, and say until when who has to be told
version_added: 0.1.0
description:
  - Writes drafts for the regulator (Art. 33 UK GDPR and EU GDPR), for the people concerned (Art. 34), of an e-mail to
    customers, and an entry for the register of breaches (Art. 33(5)), into C(notices/) of the incident's directory,
    with mode 0600. B(It never sends anything.)
  - Computes the regulator's deadline. It is 72 hours of a clock after somebody became aware, across weekends and
    changes of the clocks. Afterwards the draft asks for the reasons for the delay.
  - Measures are named only where the record of the incident shows that they were done and were not given back. People
    are not told of what was done in part, was done for others than them, or has a verification that is unresolved.
  - What is not known is a marked blank in the drafts, and among RV(blanks). Nothing is made up.
  - A version of a draft is written once. When something changes, the next version is written beside it, since people
    may have worked on the earlier one.
  - This is no legal advice. Every draft says that it needs legal review.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  aware_at:
    description:
      - When somebody became aware of the breach, RFC 3339 with a time zone. The 72 hours begin then.
      - It is recorded, and needed once. Another one later is used, and said among RV(caveats).
    type: str
  aware_at_assumed:
    description:
      - From when on the 72 hours are counted while nobody has said O(aware_at), such as the beginning of the incident.
      - It is never recorded as O(aware_at). The drafts mark it as C(ASSUMED), and V(aware_at) stays among RV(blanks).
      - It is ignored once O(aware_at) is given or recorded. Where O(notified_at) lies before it, that is taken.
    type: str
  notified_at:
    description:
      - When the regulator was first notified, RFC 3339 with a time zone. Leave it out while it was not.
      - It is recorded, and needed once. Another one later is used, and said among RV(caveats).
    type: str
  risk:
    description:
      - The risk to people, as somebody has assessed it. V(unlikely) needs no notification, V(risk) one of the
        regulator, V(high) also one of the people concerned, without undue delay.
      - While it is V(unknown), the duty to notify the regulator is taken to be there. The same holds for V(unlikely)
        without O(risk_reasons) and O(risk_assessed_by).
    type: str
    choices: [unlikely, risk, high, unknown]
    default: unknown
  risk_reasons:
    description: Why the risk was assessed so. It goes into the register, Art. 33(5).
    type: str
  risk_assessed_by:
    description: Who has assessed it and answers for that, likewise.
    type: str
  phase:
    description: Whether this is the first notification, or V(further) information in phases, Art. 33(4).
    type: str
    choices: [initial, further]
    default: initial
  reference:
    description: The regulator's reference of the first notification.
    type: str
  delay_reasons:
    description: Why the notification is late, for a draft after the 72 hours.
    type: str
  time_zone:
    description: IANA name of the time zone in which people read the deadline, beside UTC.
    type: str
    default: Europe/London
  regulator_name:
    description: Who is notified.
    type: str
    default: Information Commission (ICO)
  regulator_url:
    description: Where that is done. Empty for none.
    type: str
    default: https://ico.org.uk/for-organisations/report-a-breach/
  law:
    description: The law whose Art. 33 and 34 the drafts name.
    type: str
    default: UK GDPR
  controller:
    description: The organisation that decides about the data.
    type: str
    required: true
  draft:
    description:
      - Whether drafts are written. Without them O(aware_at) and O(notified_at) are recorded alone, and C(drafted)
        of RV(recorded) stays as it is.
    type: bool
    default: true
  contact_name:
    description: The data protection officer, or another contact point.
    type: str
  contact_email:
    description: Their e-mail address.
    type: str
  contact_phone:
    description: Their telephone number.
    type: str
  nature:
    description: What happened, without names or addresses of people concerned.
    type: str
  occurred_from:
    description: When it began, RFC 3339 with a time zone.
    type: str
  occurred_to:
    description: When it ended, RFC 3339 with a time zone.
    type: str
  how_found:
    description: How it was found.
    type: str
  people_categories:
    description: Kinds of people concerned, such as creators.
    type: list
    elements: str
    default: []
  people_count:
    description: How many people are concerned, as the scope of the breach was measured.
    type: int
  data_categories:
    description: Kinds of data concerned.
    type: list
    elements: str
    default: []
  record_count:
    description: How many records are concerned.
    type: int
  counts_are:
    description: Whether the numbers are about right, or are V(at_least) so many because the audit trail has gaps.
    type: str
    choices: [approximate, at_least]
    default: approximate
  consequences:
    description: Likely consequences for people.
    type: list
    elements: str
    default: []
  measures_proposed:
    description: What is going to be done.
    type: list
    elements: str
    default: []
  measures:
    description:
      - How executed remediations are worded. The id of a remediation, with the texts C(regulator) and C(people).
      - Known are V(quarantine-pod), V(revoke-sessions), V(revoke-tokens), V(reset-credentials), V(require-2fa) and
        V(revoke-oauth). Of others the regulator reads the title, and people nothing.
      - For whom one was done is C(scope) in C(before) or in a target of its record, V(suspects), V(known), V(affected)
        or V(all). What was done for those who are V(known), where these are not all, was done in part. People are told
        of V(reset-credentials), V(require-2fa) and V(revoke-oauth) only where it is one of the last two, and where
        C(count) of the targets is not less than O(people_count).
      - The verification of a remediation is the check of the same name, with underscores. For sessions it is
        C(sessions_of_suspects), C(sessions_of_affected) or C(sessions_of_all), for pods C(quarantine).
    type: dict
    default: {}
  security_contact:
    description: Whom customers can ask.
    type: str
  reset_url:
    description: Where customers set a new password.
    type: str
  settings_url:
    description: Where customers turn on two-factor authentication.
    type: str
  card_data:
    description: Whether data of payment cards may be concerned.
    type: bool
    default: false
  eu_people:
    description: Whether people in the EU are concerned.
    type: bool
    default: false
  as_processor:
    description: Whether data is concerned that is processed for other controllers.
    type: bool
    default: false
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
    details: The deadline and the drafts are computed, and nothing is written.
  diff_mode:
    description: Returns details of what was or would be changed, in diff mode.
    support: none
  action:
    description: Runs on the controller only, as an action plugin.
    support: full
seealso:
  - module: brandconnect.incidents.platform_job
  - name: Personal data breaches
    description: What the regulator of the United Kingdom wants to know, and when.
    link: https://ico.org.uk/for-organisations/report-a-breach/
"""

EXAMPLES = r"""
- name: Who has to be told, and by when?
  brandconnect.incidents.breach_notice:
    controller: BrandConnect Ltd
    aware_at: "2026-11-27T21:40:00Z"
  check_mode: true
  register: notice

- name: Draft the notices
  brandconnect.incidents.breach_notice:
    controller: BrandConnect Ltd
    aware_at: "2026-11-27T21:40:00Z"
    risk: high
    contact_name: Data Protection Officer
    contact_email: dpo@brandconnect.example
    nature: An account of a member of staff was taken over and used to export profiles of creators.
    people_categories: [creators]
    people_count: 42
    data_categories: [name, e-mail address]
    record_count: 318
    counts_are: at_least
"""

RETURN = r"""
status:
  description:
    - V(done) when drafts were written, or with O(draft=false) a moment was recorded. V(planned) in check mode,
      V(nothing_to_do) when they were there, or in check mode cannot be read, which is among RV(caveats).
  returned: success
  type: str
  sample: done
sent:
  description: Always V(false).
  returned: success
  type: bool
  sample: false
clock:
  description:
    - C(aware_at); C(assumed), whether that is O(aware_at_assumed).
    - C(deadline) in UTC and C(deadline_local), which is null where the time zone is not known here;
      C(elapsed_s), C(remaining_s), negative when it is over and null once notified, C(late) and C(late_by_s).
    - C(state) is V(running), V(overdue), V(notified), V(notified_late) or V(not_required).
    - C(regulator_duty) and C(people_duty) are V(required), V(not_required) or V(undecided).
    - C(reasons_for_delay_required), and C(legal_review), which is always V(true).
    - C(notify_by) and C(tell_people) say the same in a line each, for people.
  returned: success
  type: dict
  sample:
    aware_at: "2026-11-27T21:40:00.000000Z"
    assumed: false
    deadline: "2026-11-30T21:40:00.000000Z"
    deadline_local: Monday 30 November 2026 21:40 GMT
    elapsed_s: 75600.0
    remaining_s: 183600.0
    notified_at: null
    state: running
    late: false
    late_by_s: null
    reasons_for_delay_required: false
    regulator_duty: required
    people_duty: required
    legal_review: true
    notify_by: The regulator has to be told by 2026-11-30 21:40 UTC (Monday 30 November 2026 21:40 GMT)
    tell_people: "People have to be told without undue delay: their risk is high"
directory:
  description: Where the drafts are.
  returned: success
  type: str
  sample: /var/lib/runbook/incidents/data-breach-20261128T180000Z-3fa1/notices
files:
  description:
    - Each draft, with C(state) V(written), V(would_write) or V(unchanged), and C(edited), whether somebody has worked
      on it since.
    - C(kind) is V(regulator), V(people), V(customer-email) or V(register).
  returned: success
  type: list
  elements: dict
  sample:
    - kind: regulator
      name: regulator-1.txt
      version: 1
      path: /var/lib/runbook/incidents/data-breach-20261128T180000Z-3fa1/notices/regulator-1.txt
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      bytes: 1912
      state: written
      edited: false
blanks:
  description: What is not known yet, by the names of the options.
  returned: success
  type: list
  elements: str
  sample: [how_found, consequences]
measures:
  description:
    - The measures that the record shows as done, with their words. C(people) is null where they are not told.
    - C(scope) is V(suspects), V(known), V(affected) or V(all), and null where it is not recorded for whom it was done.
  returned: success
  type: list
  elements: dict
  sample:
    - id: revoke-sessions
      at: "2026-11-28T18:20:12.000000Z"
      partly: false
      scope: suspects
      regulator: The sessions of the accounts under suspicion were ended.
      people: Ended the sessions of the accounts that were misused
others:
  description: Who else may have to be told.
  returned: success
  type: list
  elements: str
  sample: ["the cyber insurer, within the time of the policy"]
recorded:
  description:
    - What the record of the incident has. C(drafted), whether an earlier run has drafted notices; C(aware_at) and
      C(notified_at), as somebody has stated them.
    - C(actions), the last status of each remediation in this run, by its id, and C(begun), when it began;
      C(others_kept), whether other people's sessions were as many afterwards by 5 %, null where that was not seen;
      C(seals), the SHA-256 of each bundle of evidence by its path in the incident's directory, as recorded first.
  returned: success
  type: dict
  sample:
    drafted: true
    aware_at: "2026-11-27T21:40:00.000000Z"
    notified_at: null
    actions: {revoke-suspect-sessions: done}
    begun: {revoke-suspect-sessions: "2026-11-28T18:20:12.000000Z"}
    others_kept: {revoke-suspect-sessions: true}
    seals: {evidence/snapshot/tagmanifest-sha256.txt: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}
caveats:
  description:
    - What is not told and why, a moment that was changed, a risk without reasons, and drafts that somebody has edited.
    - In check mode also why drafts could not be written. Otherwise that is an error.
  returned: success
  type: list
  elements: str
  sample: []
record:
  description: What goes into the journal.
  returned: when something was written
  type: dict
  sample:
    type: notice
    data:
      code: breach_notice_drafted
      message: "Drafts of the notices of a breach were written, and nothing was sent: regulator-1.txt"
"""
