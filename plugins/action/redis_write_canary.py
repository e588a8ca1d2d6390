# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module redis_write_canary in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.redis_write_canary import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import REDIS
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``redis_write_canary``."""

    spec = SPEC
    system = REDIS
