# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module stripe_webhook_endpoint in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.stripe_webhook_endpoint import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import STRIPE
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``stripe_webhook_endpoint``."""

    spec = SPEC
    system = STRIPE
