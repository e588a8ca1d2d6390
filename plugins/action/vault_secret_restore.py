# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module vault_secret_restore in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.vault_secret_restore import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import preload  # noqa: F401
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import KUBERNETES, VAULT
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``vault_secret_restore``."""

    spec = SPEC
    system = (KUBERNETES, VAULT)
