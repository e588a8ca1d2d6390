# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: notify
short_description: Tell those concerned about the incident, each thing once
version_added: 0.1.0
description:
  - Composes the messages of the runbook's header from what the run has found and done so far, writes them into the
    incident's outbox, sends what is due to PagerDuty, Slack and the status page, and records what became of each.
  - A message is sent once for all runs of an incident. A channel that is down delays its messages and nothing else.
  - Sends nothing in check mode, in a run that only diagnoses, and where nothing records the run; in the first two the
    drafts are recorded instead.
  - The settings of the channels are variables of the inventory host C(communications).
author:
  - incident-runbooks contributors (@brandconnect)
options:
  stage:
    description:
      - V(opened) before acting, V(ended) after verifying; what that means to those who are told is decided from the
        result so far.
      - V(update) sends an operator's own words. V(due) only sends what is waiting in the outbox.
    type: str
    required: true
    choices: [opened, ended, update, due]
  acting:
    description:
      - With O(stage=opened), whether the run is going to act. Otherwise nobody is told that an approved remediation is
        about to run.
    type: bool
    default: true
  header:
    description: The runbook's header; default is that of the incident's type in this collection.
    type: dict
  send:
    description: Whether to send; otherwise the drafts are recorded.
    type: bool
    default: true
  eta:
    description:
      - By when the operator expects the incident to be resolved, in the operator's words.
      - Without it, nothing is promised.
    type: str
  release:
    description: Purposes of the header's messages that are released for a private incident.
    type: list
    elements: str
    default: []
  text:
    description: The operator's words, with O(stage=update).
    type: str
  public:
    description: With O(stage=update), also update the status page.
    type: bool
    default: false
  now:
    description: Try again what failed, although it is not due yet or an earlier failure was final.
    type: bool
    default: false
  force:
    description: Like O(now), and send again what may have been delivered.
    type: bool
    default: false
  strict:
    description: Fail when something is left undelivered.
    type: bool
    default: false
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Tell those concerned that a run is going to act
  brandconnect.incidents.notify:
    stage: opened

- name: Send what is waiting, now
  brandconnect.incidents.notify:
    stage: due
    now: true
    strict: true
"""

RETURN = r"""
records:
  description: What goes into the journal, one notification a message.
  returned: success
  type: list
  elements: dict
  sample:
    - type: notification
      data:
        channel: slack
        purpose: internal
        stage: opened
        status: sent
undelivered:
  description:
    - Ids of the messages of the outbox that are not delivered.
    - With O(stage=update), also those of the update whose channel is not set up; otherwise that is no error.
  returned: success
  type: list
  elements: str
  sample: [0002-slack-internal-opened]
not_paged:
  description: Whether a page that was due could not be delivered.
  returned: success
  type: bool
  sample: false
"""
