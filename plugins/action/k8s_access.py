# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module k8s_access in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.k8s_access import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import KUBERNETES
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``k8s_access``."""

    spec = SPEC
    system = KUBERNETES
