# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the module evidence_snapshot in process."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.brandconnect.incidents.plugins.modules.evidence_snapshot import SPEC
from ansible_collections.brandconnect.incidents.plugins.plugin_utils import preload  # noqa: F401
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.connections import (
    KUBERNETES,
    POSTGRES,
    PROMETHEUS,
    REDIS,
)
from ansible_collections.brandconnect.incidents.plugins.plugin_utils.in_process import InProcessAction

# ca_cert is that of Kubernetes here
_OPTIONS = {("postgres_ca_cert" if name == "ca_cert" else name): found for name, found in POSTGRES.options.items()}


class ActionModule(InProcessAction):
    """See the documentation of the module ``evidence_snapshot``."""

    spec = SPEC
    system = (KUBERNETES, replace(POSTGRES, options=_OPTIONS), REDIS, PROMETHEUS)
