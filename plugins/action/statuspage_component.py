# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module statuspage_component in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.statuspage_component import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``statuspage_component``."""

    spec = SPEC
