# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module channel_access in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.channel_access import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``channel_access``."""

    spec = SPEC
