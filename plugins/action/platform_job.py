# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module platform_job in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.platform_job import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import preload  # noqa: F401
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import KUBERNETES
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``platform_job``."""

    spec = SPEC
    system = KUBERNETES
