# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module audit_ips in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.audit_ips import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import POSTGRES
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``audit_ips``."""

    spec = SPEC
    system = POSTGRES
