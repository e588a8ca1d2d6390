# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules of the audit trail; keep module_utils/clients/audit_options.py in step."""

from __future__ import annotations


class ModuleDocFragment:
    """Group ``brandconnect.incidents.audit``."""

    DOCUMENTATION = r"""
options:
  since:
    description:
      - Look at rows from this time on, RFC 3339 with its zone, such as V(2026-11-14T00:00:00Z).
      - Attackers are found days or weeks after they began. Two hours are not enough.
    type: str
    required: true
  until:
    description: Look at rows before this time, at most 92 days after O(since).
    type: str
    required: true
  schema:
    description: Schema of the table.
    type: str
    default: public
  table:
    description:
      - The audit trail, a table or a view with the columns C(id), C(actor_id), C(action), C(resource_type),
        C(resource_id), C(ip_address) and C(created_at).
    type: str
    default: audit_logs
  actions:
    description: Actions that read one record, as whole names without regard to case.
    type: list
    elements: str
    default: [user.read, user.select, creator.read, creator.select, brand.read, brand.select, campaign.read,
              campaign.select, payment.read, payment.select, payout.read, message.read, metric.read, offer.read]
  export_actions:
    description: Actions that take records away or read many at once.
    type: list
    elements: str
    default: [user.export, creator.export, brand.export, campaign.export, payment.export, payout.export, message.export,
              report.export, user.bulk_read, campaign.bulk_read, payment.bulk_read, data.export]
  failed_login_actions:
    description: Actions that are failed logins.
    type: list
    elements: str
    default: [user.login_failed, login.failed, auth.failed]
  trusted_cidrs:
    description: Addresses and networks that nobody is suspected for, such as the office's and the platform's own.
    type: list
    elements: str
    default: []
  baseline_weeks:
    description: Compare with so many weeks before O(since), 1 to 12.
    type: int
    default: 4
"""
