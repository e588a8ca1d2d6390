# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module stripe_event_resend in process."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.brandconnect.incidents.plugins.modules.stripe_event_resend import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import (
    KUBERNETES,
    POSTGRES,
    STRIPE,
    Connection,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction


def _own_authority(connection: Connection, option: str) -> Connection:
    """The same connection, its authority as *option*: ``ca_cert`` is the webhook's here."""
    options = {(option if name == "ca_cert" else name): found for name, found in connection.options.items()}
    return replace(connection, options=options)


class ActionModule(InProcessAction):
    """See the documentation of the module ``stripe_event_resend``."""

    spec = SPEC
    system = (
        STRIPE,
        _own_authority(KUBERNETES, "kubernetes_ca_cert"),
        _own_authority(POSTGRES, "postgres_ca_cert"),
    )
