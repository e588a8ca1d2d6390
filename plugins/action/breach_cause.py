# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module breach_cause in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.breach_cause import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``breach_cause``."""

    spec = SPEC
