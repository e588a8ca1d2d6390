# SPDX-License-Identifier: GPL-3.0-or-later
# The work is done by the action plugin of the same name, on the controller.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: finding
short_description: Judge what a check returned, and record the finding
version_added: 0.1.0
description:
  - Judges the facts of a check by first-match rules, so that thresholds and wording stand in the runbook.
  - The finding goes into the incident's journal and, as a fact, to the plan.
  - Several can be judged in one task, each with variables of its own. A task costs some hundredths of a second.
author:
  - incident-runbooks contributors (@brandconnect)
options:
  check:
    description: Name of the check. Either this or O(findings) is needed.
    type: str
  component:
    description: The component that was examined; the name of the inventory host unless given.
    type: str
  required:
    description: Whether a diagnosis without this check is incomplete.
    type: bool
    default: true
  rules:
    description:
      - The rules, read from the first to the last; the first whose C(when) holds is the judgement.
      - Each has C(when) (an expression, or a list of which all must hold), C(status), C(summary) and optionally
        C(cause), C(recommend) (a list of remediation ids) and C(next_step).
      - Only the texts of the rule that matches are templated. A rule that cannot be evaluated gives the status
        V(unknown), with the cause V(rule_error).
    type: list
    elements: dict
    default: []
  otherwise:
    description: The summary when no rule matches; the status is then V(ok).
    type: str
    default: nothing to report
  error:
    description: The check could not be made, for this reason. The status is V(unknown), and no rule is read.
    type: str
  data:
    description: The evidence, kept with the finding.
    type: dict
    default: {}
  findings:
    description:
      - Several findings. Each has the options of this module, and optionally C(vars), variables for it alone, and
        C(when), without which it is left out.
      - Evidence that cannot be evaluated makes its own finding V(unknown), and no other one.
    type: list
    elements: dict
  more:
    description:
      - Name of a variable with more O(findings); none where it is not set. Its texts are templated one by one, as
        theirs are. A list that a template makes has no texts left to choose from.
    type: str
extends_documentation_fragment:
  - brandconnect.incidents.attributes
  - brandconnect.incidents.attributes.recording
"""

EXAMPLES = r"""
- name: Judge the connection count
  brandconnect.incidents.finding:
    check: connections
    data: "{{ activity.slots }}"
    rules:
      - when: activity.slots.used_ratio >= 0.95
        status: down
        cause: server_slots_exhausted
        summary: "{{ activity.slots.used }} of {{ activity.slots.usable }} connection slots in use"
        recommend: [kill-idle-connections]
    otherwise: "{{ activity.slots.used }} of {{ activity.slots.usable }} connection slots in use"
"""

RETURN = r"""
records:
  description: What goes into the journal, with O(findings).
  returned: success
  type: list
  elements: dict
  sample: []
record:
  description: What goes into the journal, with O(check).
  returned: success
  type: dict
  sample:
    type: finding
    data:
      check: connections
      component: postgres
      status: down
      cause: server_slots_exhausted
      summary: 17 of 17 connection slots in use
      recommend: [kill-idle-connections]
"""
