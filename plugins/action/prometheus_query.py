# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module prometheus_query in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.prometheus_query import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import PROMETHEUS
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``prometheus_query``."""

    spec = SPEC
    system = PROMETHEUS
