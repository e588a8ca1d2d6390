# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module pg_activity in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.pg_activity import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import POSTGRES
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``pg_activity``."""

    spec = SPEC
    system = POSTGRES
