# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module stripe_payment_retry in process."""

from __future__ import annotations

from ansible_collections.brandconnect.incidents.plugins.modules.stripe_payment_retry import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import KUBERNETES, STRIPE
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


class ActionModule(InProcessAction):
    """See the documentation of the module ``stripe_payment_retry``."""

    spec = SPEC
    system = (STRIPE, KUBERNETES)
