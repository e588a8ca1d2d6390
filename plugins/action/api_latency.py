# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module api_latency in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.api_latency import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import PROMETHEUS
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``api_latency``."""

    spec = SPEC
    system = PROMETHEUS
