# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module clickhouse_cleanup in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.clickhouse_cleanup import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import CLICKHOUSE
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``clickhouse_cleanup``."""

    spec = SPEC
    system = CLICKHOUSE
