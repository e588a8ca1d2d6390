# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: incident_report
short_description: Write the report of the incident that the run belongs to
version_added: 0.1.0
description:
  - Folds the journal of all runs of the incident, and writes C(report.md), C(report.html), C(report.json) and
    C(incident.ics) into the incident's directory, each whole or not at all, with mode 0600.
  - Nothing is made up. What is not known is V(unknown) in the report and listed among RV(gaps).
  - The report is due 24 hours after the service was restored, the post-mortem 48 hours after it. A follow-up without
    a due time is due 14 days after it.
author:
  - incident-runbooks contributors (@brandconnect)
requirements:
  - icalendar
options: {}
attributes:
  check_mode:
    description: Can run in check mode without changing anything.
    support: full
    details: The report is computed, and nothing is written.
  diff_mode:
    description: Returns details of what was or would be changed, in diff mode.
    support: none
  action:
    description: Runs on the controller only, as an action plugin.
    support: full
"""

EXAMPLES = r"""
- name: Write the report
  brandconnect.incidents.incident_report:
"""

RETURN = r"""
files:
  description: What was written; in check mode only the paths that would be.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /home/alice/.local/state/incident-runbooks/incidents/pool-exhaustion-20261123T231455Z-3fa1/report.md
      sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      bytes: 9112
incident:
  description: The incident's outcome, what is due when, and the follow-ups that nobody owns.
  returned: success
  type: dict
  sample:
    outcome: resolved
    report_due_at: 2026-11-24T23:15:12.000000Z
    post_mortem_due_at: 2026-11-25T23:15:12.000000Z
    unassigned: []
gaps:
  description: What is not known, and how to state it.
  returned: success
  type: list
  elements: dict
  sample:
    - key: impact_users
      what: how many users were affected
      how: runbook post-incident pool-exhaustion-20261123T231455Z-3fa1 --users-affected N
record:
  description: What goes into the journal.
  returned: when something was written
  type: dict
  sample:
    type: notice
    data:
      code: report_written
      message: "The incident report was written: report.md, report.html, report.json, incident.ics"
"""
