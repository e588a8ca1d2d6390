# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module social_probe in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.social_probe import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import SOCIAL
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``social_probe``."""

    spec = SPEC
    system = SOCIAL
