# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module sql_query in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.sql_query import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import POSTGRES
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``sql_query``."""

    spec = SPEC
    system = POSTGRES
