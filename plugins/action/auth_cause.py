# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module auth_cause in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.auth_cause import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``auth_cause``."""

    spec = SPEC
