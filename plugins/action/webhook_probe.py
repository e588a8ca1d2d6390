# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module webhook_probe in process."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.brandconnect.incidents.plugins.modules.webhook_probe import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import KUBERNETES
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction

# ca_cert is the webhook's here
_OPTIONS = {("kubernetes_ca_cert" if name == "ca_cert" else name): found for name, found in KUBERNETES.options.items()}


class ActionModule(InProcessAction):
    """See the documentation of the module ``webhook_probe``."""

    spec = SPEC
    system = replace(KUBERNETES, options=_OPTIONS)
