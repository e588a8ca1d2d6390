# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module vault_token in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.vault_token import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import VAULT
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``vault_token``."""

    spec = SPEC
    system = VAULT
